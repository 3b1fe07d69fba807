//! Conversations with a server that says what the test wants, over an in-memory stream and real TLS.

#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::delivery::policy::TlsPolicy;

mod encryption;
mod messages;

const OFFER: &str = "250-mx.example.net\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250 PIPELINING\r\n";

/// The far end of a conversation.
struct Peer {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
}

impl Peer {
    async fn say(&mut self, text: &str) {
        // The client may have gone already; that's for its own result to show.
        let _ = self.stream.write_all(text.as_bytes()).await;
        let _ = self.stream.flush().await;
    }

    /// Says it in pieces of `size` bytes, each sent alone.
    async fn drip(&mut self, text: &str, size: usize) {
        for piece in text.as_bytes().chunks(size) {
            let _ = self.stream.write_all(piece).await;
            let _ = self.stream.flush().await;
            tokio::task::yield_now().await;
        }
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer).await {
            Ok(count) if count > 0 => {
                self.input.extend_from_slice(&buffer[..count]);
                true
            }
            _ => false,
        }
    }

    /// The next line without its CRLF; empty at the end of the stream.
    async fn hear(&mut self) -> String {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.input.drain(..end + 2).collect::<Vec<u8>>();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            if !self.more().await {
                return String::new();
            }
        }
    }

    /// Lines up to and without the one that is `last`.
    async fn hear_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.hear().await;
            if line == last {
                return lines;
            }
            assert!(
                !line.is_empty() || !self.input.is_empty() || lines.len() < 100,
                "never heard {last}"
            );
            lines.push(line);
        }
    }

    /// All that comes until the client closes.
    async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.input)).into_owned()
    }

    /// Greeting, EHLO and the reply to STARTTLS.
    async fn up_to_starttls(&mut self) {
        self.say("220 mx.example.net ready\r\n").await;
        assert_eq!(self.hear().await, "EHLO mail.example.org");
        self.say("250-mx.example.net\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
            .await;
        assert_eq!(self.hear().await, "STARTTLS");
    }

    async fn tls(self) -> Self {
        assert!(
            self.input.is_empty(),
            "the client spoke before the handshake"
        );
        let stream = acceptor()
            .accept(self.stream)
            .await
            .expect("the handshake succeeds");
        Self {
            stream: Box::new(stream),
            input: Vec::new(),
        }
    }

    /// Everything up to an encrypted session that was offered `offer`.
    async fn secured(mut self, offer: &str) -> Self {
        self.up_to_starttls().await;
        self.say("220 go\r\n").await;
        let mut peer = self.tls().await;
        assert_eq!(peer.hear().await, "EHLO mail.example.org");
        peer.say(offer).await;
        peer
    }
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.net".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key)
    .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn dialer() -> Dialer {
    Dialer {
        hello: HelloName::parse("mail.example.org").unwrap(),
        tls: TlsSetup::new(None).unwrap(),
        timeouts: Timeouts::all(Duration::from_secs(20)),
        limits: SessionLimits::default(),
        sources: Vec::new(),
    }
}

/// A dialer that waits in this phase for a short time only, for stalls.
fn hasty(phase: Phase) -> Dialer {
    let mut dialer = dialer();
    let timeouts = &mut dialer.timeouts;
    let short = match phase {
        Phase::Connect => &mut timeouts.connect,
        Phase::Greeting => &mut timeouts.greeting,
        Phase::Hello => &mut timeouts.hello,
        Phase::StartTls => &mut timeouts.start_tls,
        Phase::Handshake => &mut timeouts.handshake,
        Phase::Mail | Phase::Idle => &mut timeouts.mail,
        Phase::Recipient => &mut timeouts.recipient,
        Phase::Data => &mut timeouts.data,
        Phase::Body => &mut timeouts.body,
        Phase::FinalDot => &mut timeouts.final_dot,
        Phase::Reset => &mut timeouts.reset,
        Phase::Quit => &mut timeouts.quit,
    };
    *short = Duration::from_millis(600);
    dialer
}

#[tokio::test]
async fn it_connects_from_the_address_that_is_set() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let dialer = Dialer {
        sources: vec!["::1".parse().unwrap(), "127.0.0.2".parse().unwrap()],
        ..dialer()
    };
    let _stream = dialer.connect(target).await.unwrap();
    let (_, from) = listener.accept().await.unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.2");
}

fn name() -> ServerName<'static> {
    ServerName::try_from("mx.example.net").unwrap()
}

fn path(text: &str) -> WirePath {
    WirePath::check(text).unwrap()
}

fn envelope() -> Envelope {
    Envelope::new(Some(path("list@example.org")), path("ada@example.net"))
}

async fn connect(
    dialer: &Dialer,
    stream: DuplexStream,
) -> Result<Encrypted<DuplexStream>, ClientError> {
    dialer
        .greet(stream)
        .await?
        .encrypt(dialer, &name(), &TlsPolicy::Opportunistic)
        .await
}

/// Runs both ends. The far end's stream closes when its future ends.
async fn talk<C, S, CF, SF>(client: C, server: S) -> (CF::Output, SF::Output)
where
    C: FnOnce(DuplexStream) -> CF,
    S: FnOnce(Peer) -> SF,
    CF: Future,
    SF: Future,
{
    let (near, far) = tokio::io::duplex(64 * 1024);
    let peer = Peer {
        stream: Box::new(far),
        input: Vec::new(),
    };
    let both = async { tokio::join!(client(near), server(peer)) };
    tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("nobody hangs")
}

/// An encrypted conversation: `client` gets the session, `server` the far end after its EHLO reply with `offer`.
async fn secured<C, S, CF, SF>(offer: &str, client: C, server: S) -> (CF::Output, SF::Output)
where
    C: FnOnce(Encrypted<DuplexStream>) -> CF,
    S: FnOnce(Peer) -> SF,
    CF: Future,
    SF: Future,
{
    let dialer = dialer();
    talk(
        async |stream| {
            client(
                connect(&dialer, stream)
                    .await
                    .expect("an encrypted session"),
            )
            .await
        },
        async |peer| server(peer.secured(offer).await).await,
    )
    .await
}
