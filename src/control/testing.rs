//! A control server for tests, on a socket of its own.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{
    Ask, Client, ClientError, Desk, Event, Failure, Limits, SecretText, Server, WhoIs, bind,
};

/// A running server; it ends with this value.
pub(crate) struct TestServer {
    pub(crate) socket: PathBuf,
    pub(crate) server: Arc<Server>,
    pub(crate) stop: CancellationToken,
    _directory: TempDir,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves this desk with an open vault.
pub(crate) fn serve(desk: Desk, who: impl WhoIs, limits: Limits) -> TestServer {
    let server = Server::new(
        Desk::new(),
        super::super::daemon::service::NobodyKnown,
        limits,
    );
    server.unlocked(desk, who);
    start(server)
}

/// Serves this desk with a locked vault.
pub(crate) fn serve_locked(desk: Desk) -> TestServer {
    start(Server::new(
        desk,
        super::super::daemon::service::NobodyKnown,
        Limits::default(),
    ))
}

fn start(server: Arc<Server>) -> TestServer {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("run").join("control.sock");
    let listener = bind(&socket).expect("binds");
    let stop = CancellationToken::new();
    tokio::spawn({
        let (server, stop) = (server.clone(), stop.clone());
        async move { server.serve(listener, stop).await }
    });
    TestServer {
        socket,
        server,
        stop,
        _directory: directory,
    }
}

impl TestServer {
    /// Asks and gives rows and answer.
    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<(Vec<A::Row>, A::Answer), Failure> {
        self.ask_with(ask, None).await
    }

    /// The same, with a code of the asker's second factor.
    pub(crate) async fn ask_with<A: Ask>(
        &self,
        ask: &A,
        code: Option<&str>,
    ) -> Result<(Vec<A::Row>, A::Answer), Failure> {
        let client = Client::connect(&self.socket)
            .await
            .map_err(ClientError::into_failure)?;
        let code = code.map(|code| SecretText::new(code.to_owned()));
        let asked = client.ask_with(ask, code.as_ref()).await;
        let (mut conversation, _body) = asked.map_err(ClientError::into_failure)?;
        let mut rows = Vec::new();
        loop {
            match conversation
                .next()
                .await
                .map_err(ClientError::into_failure)?
            {
                Event::Row(row) => rows.push(row),
                Event::Answer(answer) => return Ok((rows, answer)),
                Event::Progress(_) | Event::Note(_) | Event::Body(_) => {}
            }
        }
    }
}
