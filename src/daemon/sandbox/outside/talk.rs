//! One conversation at the outside's door.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::daemon::sandbox::inbox::Mail;
use crate::daemon::sandbox::outside::{Act, At, Manners, World};

const MAX_LINE: usize = 4_096;
const MAX_MESSAGE: usize = 50 << 20;
const MAX_RECIPIENTS: usize = 1_000;
const IDLE: Duration = Duration::from_secs(300);
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// A conversation over a socket: in the clear up to STARTTLS, then anew inside TLS.
pub(super) async fn plain_then_tls<M: Manners>(
    stream: TcpStream,
    number: u64,
    world: &World<M>,
) -> io::Result<()> {
    let mut talk = Talk::new(stream, number, None, world);
    if talk.allows(At::Greeting, "").await? {
        talk.say("220 outside.example ESMTP the world outside");
    }
    if talk.converse().await? == End::Closed {
        return Ok(());
    }
    if !talk.input.is_empty() {
        // Commands behind STARTTLS: somebody wants them to count inside TLS.
        return Ok(());
    }
    talk.allows(At::Handshake, "").await?;
    let stream = timeout(IDLE, world.tls.accept(talk.stream)).await??;
    world.counters.handshakes.fetch_add(1, Ordering::Relaxed);
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    Talk::new(stream, number, Some(version), world)
        .converse()
        .await
        .map(drop)
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    StartTls,
}

#[derive(Debug, Default)]
struct Envelope {
    reverse_path: String,
    recipients: Vec<String>,
    require_tls: bool,
    /// Those of MAIL and RCPT.
    parameters: String,
    /// What BDAT has brought so far.
    chunks: BytesMut,
}

impl Envelope {
    fn first(&self) -> Option<String> {
        self.recipients.first().cloned()
    }
}

struct Talk<'a, S, M> {
    stream: S,
    number: u64,
    tls: Option<&'static str>,
    world: &'a World<M>,
    input: BytesMut,
    output: Vec<u8>,
    envelope: Option<Envelope>,
}

fn closed() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin, M: Manners> Talk<'a, S, M> {
    fn new(stream: S, number: u64, tls: Option<&'static str>, world: &'a World<M>) -> Self {
        let (input, output) = (BytesMut::with_capacity(16 << 10), Vec::new());
        Self {
            stream,
            number,
            tls,
            world,
            input,
            output,
            envelope: None,
        }
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Asks the manners. `false`: something else has been said.
    async fn allows(&mut self, at: At, what: &str) -> io::Result<bool> {
        match self.world.manners.at(at, what) {
            Act::GoOn => Ok(true),
            Act::Wait(span) => {
                tokio::time::sleep(span).await;
                Ok(true)
            }
            Act::Reply(line) => {
                self.say(&line);
                Ok(false)
            }
            Act::Stall => {
                self.flush().await?;
                tokio::time::sleep(FOREVER).await;
                Err(closed())
            }
            Act::SayAndClose(text) => {
                self.output.extend_from_slice(text.as_bytes());
                self.flush().await?;
                Err(closed())
            }
            Act::Close => {
                self.flush().await?;
                Err(closed())
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        timeout(IDLE, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        })
        .await??;
        self.output.clear();
        Ok(())
    }

    /// All answers go out before more is asked for: pipelined commands are answered in one write.
    async fn read(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.allows(At::Read, "").await?;
        self.input.reserve(16 << 10);
        match timeout(IDLE, self.stream.read_buf(&mut self.input)).await?? {
            0 => Err(closed()),
            _ => Ok(()),
        }
    }

    async fn converse(&mut self) -> io::Result<End> {
        loop {
            let Some(end) = self.input.iter().position(|&b| b == b'\n') else {
                if self.input.len() > MAX_LINE {
                    return Err(closed());
                }
                self.read().await?;
                continue;
            };
            let line = self.input.split_to(end + 1);
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(end) = self.command(&line).await? {
                self.flush().await?;
                return Ok(end);
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Option<End>> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => self.hello(rest).await?,
            "STARTTLS" if self.tls.is_none() && self.world.manners.offers_starttls() => {
                if self.allows(At::StartTls, "").await? {
                    self.say("220 2.0.0 go on");
                    return Ok(Some(End::StartTls));
                }
            }
            "QUIT" => {
                self.say("221 2.0.0 good bye");
                return Ok(Some(End::Closed));
            }
            "NOOP" => self.say("250 2.0.0 yes"),
            "RSET" => {
                self.envelope = None;
                self.say("250 2.0.0 forgotten");
            }
            "MAIL" | "RCPT" | "DATA" | "BDAT" if self.tls.is_none() => {
                self.world
                    .counters
                    .plaintext
                    .fetch_add(1, Ordering::Relaxed);
                self.say("530 5.7.0 say STARTTLS first");
            }
            "MAIL" => self.mail(rest).await?,
            "RCPT" => self.recipient(rest).await?,
            "DATA" => self.data().await?,
            "BDAT" => self.chunk(rest).await?,
            _ => self.say("502 5.5.1 what?"),
        }
        Ok(None)
    }

    async fn hello(&mut self, name: &str) -> io::Result<()> {
        self.envelope = None;
        if !self.allows(At::Hello, name).await? {
            return Ok(());
        }
        let offered: &[&str] = match self.tls {
            Some(_) => self.world.manners.extensions(),
            None if self.world.manners.offers_starttls() => &["STARTTLS"],
            None => &[],
        };
        let mut lines = vec!["outside.example"];
        lines.extend(offered);
        let last = lines.len() - 1;
        for (at, line) in lines.into_iter().enumerate() {
            let mark = if at == last { ' ' } else { '-' };
            self.say(&format!("250{mark}{line}"));
        }
        Ok(())
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        let Some(path) = path_in(rest, "FROM:") else {
            self.say("501 5.5.2 MAIL FROM:<path>");
            return Ok(());
        };
        if self.envelope.is_some() {
            self.say("503 5.5.1 one mail at a time");
        } else if self.allows(At::Mail, &path).await? {
            self.envelope = Some(Envelope {
                reverse_path: path,
                require_tls: rest.to_ascii_uppercase().contains(" REQUIRETLS"),
                parameters: parameters_in(rest).to_owned(),
                ..Envelope::default()
            });
            self.say("250 2.1.0 sender fine");
        }
        Ok(())
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<()> {
        let Some(path) = path_in(rest, "TO:").filter(|path| !path.is_empty()) else {
            self.say("501 5.5.2 RCPT TO:<path>");
            return Ok(());
        };
        if self.envelope.is_none() {
            self.say("503 5.5.1 MAIL first");
        } else if self.allows(At::Recipient, &path).await? {
            match &mut self.envelope {
                Some(envelope) if envelope.recipients.len() < MAX_RECIPIENTS => {
                    envelope.recipients.push(path);
                    envelope.parameters += parameters_in(rest);
                    self.say("250 2.1.5 recipient fine");
                }
                _ => self.say("452 4.5.3 too many recipients"),
            }
        }
        Ok(())
    }

    fn has_recipients(&self) -> bool {
        self.envelope
            .as_ref()
            .is_some_and(|envelope| !envelope.recipients.is_empty())
    }

    async fn data(&mut self) -> io::Result<()> {
        if !self.has_recipients() {
            self.say("503 5.5.1 nobody to send to");
            return Ok(());
        }
        let whom = self.envelope.as_ref().and_then(Envelope::first);
        if !self.allows(At::Data, &whom.unwrap_or_default()).await? {
            return Ok(());
        }
        self.say("354 go on");
        let mut searched = 0;
        let end = loop {
            match end_of_data(&self.input, &mut searched) {
                Some(end) => break end,
                None if self.input.len() > MAX_MESSAGE => return Err(closed()),
                None => self.read().await?,
            }
        };
        let kept = end.min(self.world.inbox.each());
        let message = self.input[..kept].into();
        self.input.advance(end + b".\r\n".len());
        self.keep(message).await
    }

    /// BDAT (RFC 3030): the chunk follows its line.
    async fn chunk(&mut self, rest: &str) -> io::Result<()> {
        let mut words = rest.split_ascii_whitespace();
        let size = words.next().and_then(|word| word.parse::<usize>().ok());
        let Some(size) = size.filter(|size| *size <= MAX_MESSAGE) else {
            return Err(closed());
        };
        let last = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        while self.input.len() < size {
            self.read().await?;
        }
        let chunk = self.input.split_to(size);
        if !self.has_recipients() {
            self.say("503 5.5.1 nobody to send to");
            return Ok(());
        }
        if let Some(envelope) = &mut self.envelope {
            if envelope.chunks.len() + size > MAX_MESSAGE {
                return Err(closed());
            }
            envelope.chunks.extend_from_slice(&chunk);
        }
        if !last {
            self.say("250 2.0.0 chunk fine");
            return Ok(());
        }
        let whole = self
            .envelope
            .as_mut()
            .map(|envelope| std::mem::take(&mut envelope.chunks))
            .unwrap_or_default();
        let kept = whole.len().min(self.world.inbox.each());
        let stuffed = stuffed(&whole[..kept]);
        self.keep(stuffed).await
    }

    async fn keep(&mut self, stuffed: Box<[u8]>) -> io::Result<()> {
        let envelope = self.envelope.take().unwrap_or_default();
        let whom = envelope.first().unwrap_or_default();
        if !self.allows(At::Dot, &whom).await? {
            return Ok(());
        }
        self.world.inbox.put(Mail {
            number: 0,
            received: self.world.clock.now(),
            reverse_path: envelope.reverse_path,
            recipients: envelope.recipients,
            tls: self.tls.unwrap_or("none"),
            require_tls: envelope.require_tls,
            parameters: envelope.parameters,
            connection: self.number,
            stuffed,
        });
        self.world.counters.messages.fetch_add(1, Ordering::Relaxed);
        if self.allows(At::Kept, "").await? {
            self.say("250 2.0.0 kept");
        }
        Ok(())
    }
}

/// What stands behind the path, with the blank before it.
fn parameters_in(rest: &str) -> &str {
    rest.rsplit_once('>')
        .map_or("", |(_, parameters)| parameters)
}

/// The path behind `FROM:` or `TO:`, without its brackets.
fn path_in(rest: &str, keyword: &str) -> Option<String> {
    let (head, tail) = rest.split_at_checked(keyword.len())?;
    let path = tail.strip_prefix('<')?.split_once('>')?.0;
    head.eq_ignore_ascii_case(keyword).then(|| path.to_owned())
}

/// Where the lone dot stands, and so how long the message is. The first line counts as after CRLF.
fn end_of_data(input: &[u8], searched: &mut usize) -> Option<usize> {
    if input.starts_with(b".\r\n") {
        return Some(0);
    }
    let mut from = *searched;
    while let Some(found) = input[from..].iter().position(|&b| b == b'\n') {
        let start = from + found + 1;
        let ends_line = start >= 2 && input[start - 2] == b'\r';
        match input.get(start..start + 3) {
            Some(b".\r\n") if ends_line => return Some(start),
            // Too near to the end to know: look at this line end again.
            None => {
                *searched = from + found;
                return None;
            }
            _ => from = start,
        }
    }
    *searched = input.len();
    None
}

/// BDAT brings messages without doubled dots; the inbox holds them as DATA brings them.
fn stuffed(message: &[u8]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_input_splits() {
        let wire = b"Subject: x\r\n\r\n..a\r\n.b\r\n\n.\n\r.\r\nlast\r\n.\r\nMAIL";
        let end = wire.len() - b".\r\nMAIL".len();
        for split in 0..wire.len() {
            let mut searched = 0;
            let first = end_of_data(&wire[..split], &mut searched);
            let found = first.or_else(|| end_of_data(wire, &mut searched));
            assert_eq!(found, Some(end), "split at {split}");
        }
        assert_eq!(end_of_data(b".\r\n", &mut 0), Some(0));
        assert_eq!(end_of_data(b".", &mut 0), None);
        assert_eq!(end_of_data(b"\r\n.\r\n", &mut 0), Some(2));
    }

    #[test]
    fn paths() {
        assert_eq!(
            path_in("FROM:<a@b> SIZE=1", "FROM:").as_deref(),
            Some("a@b")
        );
        assert_eq!(path_in("from:<>", "FROM:").as_deref(), Some(""));
        assert_eq!(path_in("TO:a@b", "TO:"), None);
        assert_eq!(path_in("", "TO:"), None);
    }
}
