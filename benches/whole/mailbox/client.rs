//! A mail program that costs next to nothing: it writes commands, and throws answers away unread but for their last line.

use std::io::{BufRead, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use hustings::daemon::sandbox::stage::HOST;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

/// As much as the last line may have.
const LINE: usize = 1024;

/// A connection, and what of its answers is remembered.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// The end of what was heard.
    tail: Vec<u8>,
    /// All of it, where somebody wants to look.
    kept: Option<Vec<u8>>,
    tag: u64,
}

impl Client {
    /// Connects; the greeting is heard.
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let tls = ClientConnection::new(config.clone(), name).unwrap();
        let mut client = Self {
            stream: StreamOwned::new(tls, socket),
            tail: Vec::new(),
            kept: None,
            tag: 0,
        };
        client.hear(|tail| tail.ends_with(b"\r\n"));
        client
    }

    /// The cipher suite that both agreed on.
    pub(crate) fn suite(&self) -> String {
        format!("{:?}", self.stream.conn.negotiated_cipher_suite().unwrap())
    }

    /// Logs in by IMAP.
    pub(crate) fn log_in(&mut self, name: &str, password: &str) {
        self.command(&format!("LOGIN \"{name}\" \"{password}\""));
    }

    /// A command of IMAP that must be done.
    pub(crate) fn command(&mut self, command: &str) {
        self.tag += 1;
        let line = format!("a{} {command}\r\n", self.tag);
        self.say(line.as_bytes());
        self.finish();
    }

    /// Puts messages into a folder with one command.
    pub(crate) fn append(&mut self, folder: &str, messages: &[Vec<u8>]) {
        self.tag += 1;
        let mut said = format!("a{} APPEND {folder}", self.tag).into_bytes();
        for message in messages {
            let _ = write!(said, " (\\Seen) {{{}+}}\r\n", message.len());
            said.extend_from_slice(message);
        }
        said.extend_from_slice(b"\r\n");
        self.say(&said);
        self.finish();
    }

    /// Begins to idle.
    pub(crate) fn idle(&mut self) {
        self.tag += 1;
        let line = format!("a{} IDLE\r\n", self.tag);
        self.say(line.as_bytes());
        self.hear(|tail| tail.starts_with(b"+") && tail.ends_with(b"\r\n"));
    }

    /// The same as [`Client::command`], with all that was heard.
    pub(crate) fn command_kept(&mut self, command: &str) -> Vec<u8> {
        self.kept = Some(Vec::new());
        self.command(command);
        self.kept.take().unwrap()
    }

    /// A command of POP3 that is answered with a line.
    pub(crate) fn line(&mut self, command: &str) {
        self.say(format!("{command}\r\n").as_bytes());
        self.hear(|tail| tail.ends_with(b"\r\n"));
        let said = String::from_utf8_lossy(&self.tail);
        assert!(said.starts_with("+OK"), "{command}: {said}");
    }

    /// A command of POP3 that is answered with a text.
    pub(crate) fn text(&mut self, command: &str) {
        self.say(format!("{command}\r\n").as_bytes());
        self.hear(|tail| tail.ends_with(b"\r\n.\r\n"));
    }

    fn say(&mut self, said: &[u8]) {
        self.stream.write_all(said).unwrap();
        self.stream.flush().unwrap();
    }

    /// Hears the last line of a command's answer.
    fn finish(&mut self) {
        let tag = format!("a{} ", self.tag);
        self.hear(|tail| last_line(tail).is_some_and(|line| line.starts_with(tag.as_bytes())));
        let line = last_line(&self.tail).unwrap_or_default();
        let done = line[tag.len()..].starts_with(b"OK");
        assert!(done, "{}", String::from_utf8_lossy(line));
    }

    /// Hears until this is the end.
    fn hear(&mut self, is_end: impl Fn(&[u8]) -> bool) {
        self.tail.clear();
        loop {
            let piece = self.stream.fill_buf().unwrap();
            assert!(!piece.is_empty(), "the server went away");
            let heard = piece.len();
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(piece);
            }
            self.tail
                .extend_from_slice(&piece[heard.saturating_sub(LINE)..]);
            let spare = self.tail.len().saturating_sub(LINE);
            self.tail.drain(..spare);
            self.stream.consume(heard);
            if is_end(&self.tail) {
                return;
            }
        }
    }
}

/// The last line without its end, if it has one.
fn last_line(tail: &[u8]) -> Option<&[u8]> {
    let line = tail.strip_suffix(b"\r\n")?;
    let begin = memchr::memrchr(b'\n', line).map_or(0, |end| end + 1);
    Some(&line[begin..])
}
