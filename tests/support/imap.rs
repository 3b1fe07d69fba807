//! A mail program's side of IMAP, line by line: it does what it's told, sensible or not, and shares no code with the server.

use std::net::SocketAddr;
use std::time::Duration;

use hustings::daemon::sandbox::peer::{Secured, Trust};
use hustings::daemon::sandbox::stage::HOST;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scram::{Exporter, Scram, exporter};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A connection.
pub struct Imap {
    stream: Secured,
    held: Vec<u8>,
    tags: usize,
}

/// What was heard after a command.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Untagged responses, each with its literals.
    pub lines: Vec<String>,
    /// The tagged line without its tag.
    pub end: String,
}

impl Heard {
    /// Those that hold this.
    pub fn with(&self, text: &str) -> Vec<&str> {
        let all = self.lines.iter().map(String::as_str);
        all.filter(|line| line.contains(text)).collect()
    }

    /// The number behind this, in whatever line has it first.
    pub fn number(&self, name: &str) -> Option<u64> {
        let all = self.lines.iter().chain([&self.end]);
        let mut found = all.filter_map(|line| line.split_once(name));
        let (_, behind) = found.next()?;
        let digits: String = behind
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    }
}

impl Imap {
    /// Connects, and hears the greeting.
    pub async fn connect(door: SocketAddr, trust: &Trust) -> Self {
        let stream = TcpStream::connect(door).await.unwrap();
        let mut imap = Self {
            stream: trust.secure(stream, HOST).await.unwrap(),
            held: Vec::new(),
            tags: 0,
        };
        let greeting = imap.response().await.expect("a greeting");
        assert!(greeting.starts_with("* OK [CAPABILITY "), "{greeting}");
        imap
    }

    /// Connects and logs in.
    pub async fn log_in(door: SocketAddr, trust: &Trust, user: &str, password: &str) -> Self {
        let mut imap = Self::connect(door, trust).await;
        let heard = imap.say(&format!("LOGIN {user} {password}")).await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
        imap
    }

    /// What its TLS session alone knows.
    pub fn exporter(&self) -> Exporter {
        exporter(&self.stream)
    }

    /// Proves by SCRAM who one is, over the channel that knows this; the tagged line without its tag.
    pub async fn prove(&mut self, user: &str, password: &str, channel: Exporter) -> String {
        let mut scram = Scram::new(user, password, channel);
        let command = format!("AUTHENTICATE SCRAM-SHA-256-PLUS {}", scram.first());
        let tag = self.begin(&command).await;
        loop {
            let line = self.response().await.expect("an answer");
            match line.strip_prefix("+ ") {
                Some(said) => {
                    let reply = scram.reply(said) + "\r\n";
                    self.send(reply.as_bytes()).await;
                }
                None => return line.strip_prefix(&tag).unwrap().trim_start().to_owned(),
            }
        }
    }

    /// Where this end of it is.
    pub fn local(&self) -> SocketAddr {
        self.stream.get_ref().0.local_addr().unwrap()
    }

    /// Sends octets.
    pub async fn send(&mut self, octets: &[u8]) {
        // Who hangs up in the middle is heard by what it said last.
        let _ = self.stream.write_all(octets).await;
        let _ = self.stream.flush().await;
    }

    /// Says a command, with a tag of its own, and hears its answer.
    pub async fn say(&mut self, command: &str) -> Heard {
        let tag = self.begin(command).await;
        self.hear(&tag).await
    }

    /// Says a command and doesn't wait; its tag.
    pub async fn begin(&mut self, command: &str) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n").as_bytes()).await;
        tag
    }

    /// Hears the answer to a command.
    pub async fn hear(&mut self, tag: &str) -> Heard {
        let mut lines = Vec::new();
        loop {
            let line = self.response().await;
            let line = line.unwrap_or_else(|| panic!("hung up after {lines:?}"));
            match line
                .strip_prefix(tag)
                .and_then(|rest| rest.strip_prefix(' '))
            {
                Some(end) => {
                    return Heard {
                        lines,
                        end: end.to_owned(),
                    };
                }
                None => lines.push(line),
            }
        }
    }

    /// Appends a message.
    pub async fn append(&mut self, folder: &str, flags: &str, message: &[u8]) -> Heard {
        let command = format!("APPEND {folder} ({flags}) {{{}+}}\r\n", message.len());
        let text = [command.as_bytes(), message].concat();
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(&[tag.as_bytes(), b" ", &text, b"\r\n"].concat())
            .await;
        self.hear(&tag).await
    }

    /// The next response with its literals, without its line end; none if the other side hung up.
    pub async fn response(&mut self) -> Option<String> {
        let mut response = Vec::new();
        loop {
            let line = self.line().await?;
            response.extend_from_slice(&line);
            let Some(length) = literal(&line) else {
                response.truncate(response.len() - 2);
                return Some(String::from_utf8_lossy(&response).into_owned());
            };
            while self.held.len() < length {
                self.read().await?;
            }
            response.extend(self.held.drain(..length));
        }
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.held.iter().position(|octet| *octet == b'\n') {
                return Some(self.held.drain(..=end).collect());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Option<()> {
        let mut octets = vec![0; 64 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut octets)).await;
        match read.expect("an answer in time") {
            Ok(read) if read > 0 => {
                self.held.extend_from_slice(&octets[..read]);
                Some(())
            }
            _ => None,
        }
    }

    /// All that is said until the other side hangs up.
    pub async fn last_words(&mut self) -> String {
        let mut said = String::new();
        while let Some(line) = self.response().await {
            said.push_str(&line);
            said.push('\n');
        }
        said
    }
}

fn literal(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix("}\r\n")?;
    text.rsplit_once('{')?.1.parse().ok()
}

/// A short mail with this subject.
pub fn mail(subject: &str) -> Vec<u8> {
    format!(
        "From: Ann Other <ann@elsewhere.example>\r\nTo: ada@party.example\r\nSubject: {subject}\r\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{subject}@elsewhere.example>\r\n\r\nHello {subject}.\r\n"
    )
    .into_bytes()
}
