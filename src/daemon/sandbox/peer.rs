//! An outside program's side of SMTP, line by line, with a transcript: what the walkthrough and the stories speak to the
//! doors with. It is a peer and shares no code with the product's own client or server. It does what it's told, sensible or
//! not.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest reply.
const LONGEST: usize = 64 * 1024;

/// Whom outside programs trust: the sandbox's own authority and nobody else.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Trusts certificates of this authority alone.
    ///
    /// # Errors
    /// If it is no certificate.
    pub fn new(authority: CertificateDer<'static>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let config = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Asks nobody to prove anything, as most mail servers do.
    pub fn anybody() -> Self {
        Self(crate::tls::encrypting_client())
    }

    /// For programs that speak TLS by themselves.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.0.clone()
    }

    /// Speaks TLS with a server of this name.
    ///
    /// # Errors
    /// If the handshake fails, or the certificate is another's.
    pub async fn secure(&self, stream: TcpStream, name: &str) -> io::Result<Secured> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connect = TlsConnector::from(self.0.clone()).connect(name, stream);
        timeout(PATIENCE, connect).await.map_err(io::Error::from)?
    }
}

/// A stream inside TLS.
pub type Secured = tokio_rustls::client::TlsStream<TcpStream>;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A server's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its code.
    pub code: u16,
    /// Its lines, without the codes.
    pub lines: Vec<String>,
}

impl Answer {
    /// Whether it is of the 2xx or 3xx kind.
    pub fn is_good(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Whether an EHLO reply offers an extension.
    pub fn offers(&self, keyword: &str) -> bool {
        self.lines.iter().skip(1).any(|line| {
            line.split(' ')
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.code,
            self.lines.last().map_or("", String::as_str)
        )
    }
}

/// A mail to hand over.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The reverse-path without brackets; empty for `<>`.
    pub from: &'a str,
    /// The forward-paths without brackets.
    pub to: &'a [&'a str],
    /// The message, with CRLF line ends; dots are doubled here.
    pub message: &'a [u8],
}

/// A conversation with an SMTP server.
pub struct Dialogue {
    stream: Box<dyn Both>,
    local: SocketAddr,
    waiting: Vec<u8>,
    heard: Vec<String>,
}

impl Dialogue {
    /// Connects in the clear and hears the greeting.
    ///
    /// # Errors
    /// If nobody listens, or nothing comes.
    pub async fn connect(to: SocketAddr) -> io::Result<(Self, Answer)> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let heard = vec![format!("connected to {to}")];
        let mut dialogue = Self::over(Box::new(stream), local, heard);
        let greeting = dialogue.answer().await?;
        Ok((dialogue, greeting))
    }

    /// Connects with TLS from the first byte and hears the greeting.
    ///
    /// # Errors
    /// If nobody listens, TLS fails, or nothing comes.
    pub async fn connect_secured(
        to: SocketAddr,
        trust: &Trust,
        name: &str,
    ) -> io::Result<(Self, Answer)> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let stream = trust.secure(stream, name).await?;
        let heard = vec![format!("connected to {to}"), version(&stream)];
        let mut dialogue = Self::over(Box::new(stream), local, heard);
        let greeting = dialogue.answer().await?;
        Ok((dialogue, greeting))
    }

    /// Connects, asks for TLS and greets inside it.
    ///
    /// # Errors
    /// If any of it fails.
    pub async fn connect_starttls(
        to: SocketAddr,
        trust: &Trust,
        name: &str,
    ) -> io::Result<(Self, Answer)> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let mut plain = Plain(stream);
        let mut heard = vec![format!("connected to {to}")];
        plain.exchange(None, &mut heard).await?;
        plain
            .exchange(Some("EHLO client.example"), &mut heard)
            .await?;
        let go = plain.exchange(Some("STARTTLS"), &mut heard).await?;
        if go.code != 220 {
            return Err(io::Error::other(format!("STARTTLS was refused: {go}")));
        }
        let stream = trust.secure(plain.0, name).await?;
        heard.push(version(&stream));
        let mut dialogue = Self::over(Box::new(stream), local, heard);
        let hello = dialogue.command("EHLO client.example").await?;
        Ok((dialogue, hello))
    }

    fn over(stream: Box<dyn Both>, local: SocketAddr, heard: Vec<String>) -> Self {
        Self {
            stream,
            local,
            waiting: Vec::new(),
            heard,
        }
    }

    /// Where this end of it is.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What was said, in order: `C: ` before our lines, `S: ` before the server's. Passwords and texts aren't in it.
    pub fn transcript(&self) -> &[String] {
        &self.heard
    }

    /// Says a line and hears the answer.
    ///
    /// # Errors
    /// If the connection breaks or nothing comes.
    pub async fn command(&mut self, line: &str) -> io::Result<Answer> {
        self.heard.push(format!("C: {line}"));
        self.raw(format!("{line}\r\n").as_bytes()).await?;
        self.answer().await
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, write).await.map_err(io::Error::from)?
    }

    /// Hears a reply.
    ///
    /// # Errors
    /// If the connection ends, nothing comes, or it is no reply.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let (answer, last) = read_line(&line)?;
            lines.push(answer.1);
            if last {
                let answer = Answer {
                    code: answer.0,
                    lines,
                };
                self.heard.push(format!("S: {answer}"));
                return Ok(answer);
            }
        }
    }

    /// Everything until the server closes; empty if it has closed.
    ///
    /// # Errors
    /// If it doesn't close.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.waiting);
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        match read.map_err(io::Error::from)? {
            Ok(_) => Ok(rest),
            // However it closes, it has closed.
            Err(error) if error.kind() != io::ErrorKind::TimedOut => Ok(rest),
            Err(error) => Err(error),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.waiting.len() > LONGEST {
                return Err(io::Error::other("the reply doesn't end"));
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.waiting)).await;
            if read.map_err(io::Error::from)?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// AUTH PLAIN.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn log_in(&mut self, user: &str, password: &str) -> io::Result<Answer> {
        let proof = STANDARD.encode(format!("\0{user}\0{password}"));
        self.heard.push(format!("C: AUTH PLAIN (of {user})"));
        self.raw(format!("AUTH PLAIN {proof}\r\n").as_bytes())
            .await?;
        self.answer().await
    }

    /// Hands a mail over. The answer is that to the end of the data, or the first refusal.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn post(&mut self, post: Post<'_>) -> io::Result<Answer> {
        let answer = self.command(&format!("MAIL FROM:<{}>", post.from)).await?;
        if !answer.is_good() {
            return Ok(answer);
        }
        for to in post.to {
            let answer = self.command(&format!("RCPT TO:<{to}>")).await?;
            if !answer.is_good() {
                return Ok(answer);
            }
        }
        let answer = self.command("DATA").await?;
        if answer.code != 354 {
            return Ok(answer);
        }
        self.heard
            .push(format!("C: ({} bytes of mail)", post.message.len()));
        self.raw(&stuffed(post.message)).await?;
        self.answer().await
    }

    /// Says goodbye; whether it's answered doesn't matter.
    pub async fn quit(mut self) {
        let _ = self.command("QUIT").await;
    }
}

/// The part before TLS: read byte by byte, so that nothing behind the reply is taken off the socket.
struct Plain(TcpStream);

impl Plain {
    async fn exchange(
        &mut self,
        line: Option<&str>,
        heard: &mut Vec<String>,
    ) -> io::Result<Answer> {
        if let Some(line) = line {
            heard.push(format!("C: {line}"));
            self.0.write_all(format!("{line}\r\n").as_bytes()).await?;
        }
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\n") && bytes.len() < LONGEST {
                bytes.push(
                    timeout(PATIENCE, self.0.read_u8())
                        .await
                        .map_err(io::Error::from)??,
                );
            }
            let text = String::from_utf8_lossy(&bytes);
            let ((code, line), last) = read_line(text.trim_end_matches(['\r', '\n']))?;
            lines.push(line);
            if last {
                let answer = Answer { code, lines };
                heard.push(format!("S: {answer}"));
                return Ok(answer);
            }
        }
    }
}

/// Code and text of a reply line, and whether it's the last.
fn read_line(line: &str) -> io::Result<((u16, String), bool)> {
    let bad = || io::Error::other("the server said something that is no reply");
    let code = line
        .get(..3)
        .and_then(|code| code.parse().ok())
        .ok_or_else(bad)?;
    let text = line.get(4..).unwrap_or_default().to_owned();
    match line.as_bytes().get(3) {
        Some(b'-') => Ok(((code, text), false)),
        Some(b' ') | None => Ok(((code, text), true)),
        Some(_) => Err(bad()),
    }
}

fn version(stream: &Secured) -> String {
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let suite = session
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str());
    format!("{version}, {}", suite.unwrap_or("an unknown suite"))
}

/// The message with its dots doubled and its end.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !message.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled() {
        assert_eq!(stuffed(b".a\r\nb.\r\n.\r\n"), b"..a\r\nb.\r\n..\r\n.\r\n");
        assert_eq!(stuffed(b"a"), b"a\r\n.\r\n");
    }

    #[test]
    fn replies_are_read() {
        assert_eq!(
            read_line("250-a b").expect("a line"),
            ((250, "a b".to_owned()), false)
        );
        assert_eq!(
            read_line("250").expect("a line"),
            ((250, String::new()), true)
        );
        for bad in ["", "25", "25x a", "250+a", "é50 a"] {
            assert!(read_line(bad).is_err(), "{bad:?}");
        }
    }
}
