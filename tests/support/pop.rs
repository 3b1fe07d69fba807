//! A mail program's side of POP3, line by line.

use std::net::SocketAddr;
use std::time::Duration;

use hustings::daemon::sandbox::peer::{Secured, Trust};
use hustings::daemon::sandbox::stage::HOST;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::scram::{Exporter, Scram, exporter};

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A dialogue with the door.
pub struct Pop(pub BufReader<Secured>);

impl Pop {
    /// Connects, and hears the greeting.
    pub async fn connect(door: SocketAddr, trust: &Trust) -> Self {
        let stream = TcpStream::connect(door).await.unwrap();
        let mut pop = Self(BufReader::new(trust.secure(stream, HOST).await.unwrap()));
        assert!(pop.line().await.starts_with("+OK"));
        pop
    }

    /// Connects and logs in.
    pub async fn log_in(door: SocketAddr, trust: &Trust, user: &str, password: &str) -> Self {
        let mut pop = Self::connect(door, trust).await;
        let answer = pop.try_log_in(user, password).await;
        assert!(answer.starts_with("+OK"), "{answer}");
        pop
    }

    /// Tries to log in; the last answer.
    pub async fn try_log_in(&mut self, user: &str, password: &str) -> String {
        let answer = self.command(&format!("USER {user}")).await;
        assert!(answer.starts_with("+OK"), "{answer}");
        self.command(&format!("PASS {password}")).await
    }

    /// What its TLS session alone knows.
    pub fn exporter(&self) -> Exporter {
        exporter(self.0.get_ref())
    }

    /// Proves by SCRAM who one is, over the channel that knows this; the last answer.
    pub async fn prove(&mut self, user: &str, password: &str, channel: Exporter) -> String {
        let mut scram = Scram::new(user, password, channel);
        let command = format!("AUTH SCRAM-SHA-256-PLUS {}", scram.first());
        let mut answer = self.command(&command).await;
        while let Some(said) = answer.strip_prefix("+ ") {
            answer = self.command(&scram.reply(said)).await;
        }
        answer
    }

    /// Where this end of it is.
    pub fn local(&self) -> SocketAddr {
        let (socket, _) = self.0.get_ref().get_ref();
        socket.local_addr().unwrap()
    }

    /// Sends this as it is.
    pub async fn send(&mut self, text: &str) {
        // Who hangs up in the middle is heard by what it said last.
        let _ = self.0.write_all(text.as_bytes()).await;
        let _ = self.0.flush().await;
    }

    /// The next line without its end; empty if nothing comes any more.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let reading = self.0.read_until(b'\n', &mut line);
        let _ = tokio::time::timeout(PATIENCE, reading).await.unwrap();
        String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned()
    }

    /// Says a command and hears the line that answers it.
    pub async fn command(&mut self, text: &str) -> String {
        self.send(&format!("{text}\r\n")).await;
        self.line().await
    }

    /// The lines behind a good answer, dots removed.
    pub async fn lines(&mut self, text: &str) -> Vec<String> {
        let answer = self.command(text).await;
        assert!(answer.starts_with("+OK"), "{text}: {answer}");
        self.rest().await
    }

    /// The lines up to the last dot.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            match line.strip_prefix('.') {
                Some("") => return lines,
                Some(rest) => lines.push(rest.to_owned()),
                None => lines.push(line),
            }
        }
    }

    /// Waits until the other side has closed.
    pub async fn ended(mut self) {
        let mut rest = Vec::new();
        let reading = self.0.read_to_end(&mut rest);
        let _ = tokio::time::timeout(PATIENCE, reading).await.unwrap();
    }
}
