//! Asks over the control socket, as the command line does, and as whom: the daemon knows people by their Unix user, and
//! root is nobody there. Where we run as root (in a container), a thread of its own takes another user's id for the call.

use std::path::{Path, PathBuf};

use rustix::process::{Uid, geteuid};

use crate::control::{Ask, Client, ClientError, Event, Failure};

/// The Unix user "nobody", who stands in for a person where we run as root.
const NOBODY: u32 = 65_534;

/// The Unix user by whom the control socket knows us: our own, or where we're root, who is nobody's account, another.
pub fn person() -> u32 {
    match geteuid().as_raw() {
        0 => NOBODY,
        uid => uid,
    }
}

/// What a command must begin with to be run as that person; empty where we're no root.
pub fn prefix() -> String {
    if geteuid().is_root() {
        format!("setpriv --reuid={NOBODY} --regid=0 --clear-groups -- ")
    } else {
        String::new()
    }
}

/// The control socket, and who asks.
#[derive(Debug, Clone)]
pub struct Socket {
    path: PathBuf,
    uid: u32,
}

/// All that came back for a request.
#[derive(Debug)]
pub struct Answered<A: Ask> {
    /// The rows.
    pub rows: Vec<A::Row>,
    /// The body.
    pub body: Vec<u8>,
    /// The answer.
    pub answer: A::Answer,
}

impl Socket {
    /// The socket at this path, asked as this Unix user.
    pub fn new(path: impl Into<PathBuf>, uid: u32) -> Self {
        Self {
            path: path.into(),
            uid,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The daemon's failure, or why it could not be asked.
    pub async fn ask<A>(&self, ask: A) -> Result<Answered<A>, Failure>
    where
        A: Ask + Send + 'static,
        A::Row: Send + 'static,
        A::Answer: Send + 'static,
    {
        let (path, uid) = (self.path.clone(), self.uid);
        let (tell, told) = tokio::sync::oneshot::channel();
        // Its own thread, since it may take another user's id, which a thread of the runtime must never have.
        let asking = move || {
            let answered = become_user(uid).and_then(|()| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| cannot(&error))?;
                runtime.block_on(asked(&path, ask))
            });
            let _ = tell.send(answered);
        };
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(asking)
            .map_err(|error| cannot(&error))?;
        told.await.map_err(|error| cannot(&error))?
    }
}

fn cannot(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed("can't ask the daemon", error.to_string(), "try again")
}

/// Lets this thread, and no other, act as another user. For root alone; others are who they are.
fn become_user(uid: u32) -> Result<(), Failure> {
    if !geteuid().is_root() || uid == 0 {
        return Ok(());
    }
    rustix::thread::set_thread_res_uid(None, Uid::from_raw(uid), None)
        .map_err(|error| cannot(&error))
}

async fn asked<A: Ask>(path: &Path, ask: A) -> Result<Answered<A>, Failure> {
    let client = Client::connect(path)
        .await
        .map_err(ClientError::into_failure)?;
    // A sender that is dropped would look like a client that has gone.
    let (mut conversation, _sender) = client.ask(&ask).await.map_err(ClientError::into_failure)?;
    let (mut rows, mut body) = (Vec::new(), Vec::new());
    loop {
        match conversation
            .next()
            .await
            .map_err(ClientError::into_failure)?
        {
            Event::Row(row) => rows.push(row),
            Event::Body(bytes) => body.extend_from_slice(&bytes),
            Event::Progress(_) | Event::Note(_) => {}
            Event::Answer(answer) => return Ok(Answered { rows, body, answer }),
        }
    }
}
