//! Loopback TCP with real TLS, through the accept loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::super::super::envelope::Role;
use super::super::super::limits::Timeouts;
use super::super::Door;
use super::host::Party;
use crate::clock::Clock;
use crate::net::admission::ConnectionLimits;

const NAME: &str = "mx.party.example";

/// A door on loopback, and a client that trusts its certificate.
struct Stage {
    address: SocketAddr,
    party: Arc<Party>,
    trust: TlsConnector,
    root: CertificateDer<'static>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

type Versions<'a> = &'a [&'static rustls::SupportedProtocolVersion];

fn trust(root: CertificateDer<'static>, versions: Versions<'_>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

fn certificate() -> (ServerConfig, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a key that fits");
    (server, made.cert.der().clone())
}

async fn stage(role: Role, party: Party, timeouts: Timeouts) -> Stage {
    let (server, root) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let party = Arc::new(party);
    let noon = "2026-11-21T12:00:00Z".parse().expect("a timestamp");
    let door = Door::new(
        role,
        NAME,
        Arc::clone(&party),
        TlsAcceptor::from(Arc::new(server)),
        Clock::frozen(noon),
    )
    .with_timeouts(timeouts);
    let stop = CancellationToken::new();
    let limits = Arc::new(ConnectionLimits::new(50, 50));
    let serving = tokio::spawn(Arc::new(door).listen(listener, limits, stop.clone()));
    Stage {
        address,
        party,
        trust: trust(root.clone(), rustls::ALL_VERSIONS),
        root,
        stop,
        serving,
    }
}

impl Stage {
    async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    async fn encrypt(&self, socket: TcpStream) -> tokio_rustls::client::TlsStream<TcpStream> {
        let name = ServerName::try_from(NAME).expect("a name");
        self.trust.connect(name, socket).await.expect("TLS")
    }

    /// Dials and goes through STARTTLS.
    async fn start_tls(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut socket = self.dial().await;
        assert_eq!(reply(&mut socket).await, format!("220 {NAME} ESMTP\r\n"));
        ask(&mut socket, "EHLO c.example").await;
        ask(&mut socket, "STARTTLS").await;
        self.encrypt(socket).await
    }
}

/// One whole reply.
async fn reply<S: AsyncRead + Unpin>(socket: &mut S) -> String {
    let mut text = String::new();
    loop {
        let start = text.len();
        while !text.ends_with("\r\n") || text.len() == start {
            let octet = socket.read_u8().await.expect("a reply");
            text.push(char::from(octet));
        }
        if text.as_bytes()[start + 3] == b' ' {
            return text;
        }
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S, command: &str) -> String {
    let line = format!("{command}\r\n");
    socket.write_all(line.as_bytes()).await.expect("writes");
    reply(socket).await
}

/// All that comes until the end.
async fn rest<S: AsyncRead + Unpin>(socket: &mut S) -> String {
    let mut octets = Vec::new();
    let _ = socket.read_to_end(&mut octets).await;
    String::from_utf8_lossy(&octets).into_owned()
}

#[tokio::test]
async fn a_stranger_sends_a_mail_over_starttls() {
    let stage = stage(Role::Mx, Party::default(), Timeouts::default()).await;
    let mut socket = stage.dial().await;
    reply(&mut socket).await;
    let offer = ask(&mut socket, "EHLO c.example").await;
    assert_eq!(offer, format!("250-{NAME}\r\n250 STARTTLS\r\n"));
    let refusal = "530 5.7.0 Must issue a STARTTLS command first\r\n";
    assert_eq!(ask(&mut socket, "MAIL FROM:<b@o.example>").await, refusal);
    assert!(ask(&mut socket, "STARTTLS").await.starts_with("220 "));
    let mut tls = stage.encrypt(socket).await;
    assert_eq!(
        ask(&mut tls, "MAIL FROM:<b@o.example>").await,
        "503 5.5.1 EHLO first\r\n"
    );
    let offer = ask(&mut tls, "EHLO c.example").await;
    assert!(
        offer.contains("250-PIPELINING\r\n")
            && !offer.contains("AUTH")
            && !offer.contains("STARTTLS")
    );
    tls.write_all(b"MAIL FROM:<b@o.example>\r\nRCPT TO:<ann@party.example>\r\nRCPT TO:<x@o.example>\r\nDATA\r\n")
        .await
        .expect("writes");
    for code in ["250 2.1.0", "250 2.1.5", "550 5.7.1", "354"] {
        assert!(reply(&mut tls).await.starts_with(code));
    }
    assert_eq!(
        ask(&mut tls, "Subject: x\r\n\r\n..dot\r\n.").await,
        "250 2.0.0 Kept\r\n"
    );
    assert!(ask(&mut tls, "QUIT").await.starts_with("221 "));
    assert_eq!(rest(&mut tls).await, "");
    let texts = stage.party.texts();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with(
        "Received: from c.example ([127.0.0.1])\r\n\tby mx.party.example with ESMTPS\r\n"
    ));
    assert!(texts[0].ends_with("Sat, 21 Nov 2026 12:00:00 +0000\r\nSubject: x\r\n\r\n.dot\r\n"));
    assert_eq!(stage.party.abandoned(), 0);
}

#[tokio::test]
async fn staff_send_over_implicit_tls_with_a_bound_log_in() {
    let stage = stage(Role::Submissions, Party::default(), Timeouts::default()).await;
    let mut tls = stage.encrypt(stage.dial().await).await;
    assert!(reply(&mut tls).await.starts_with("220 "));
    let offer = ask(&mut tls, "EHLO laptop.example").await;
    assert!(offer.ends_with("250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n"));
    let mut exporter = [0; 32];
    let session = tls.get_ref().1;
    session
        .export_keying_material(&mut exporter, b"EXPORTER-Channel-Binding", Some(b""))
        .expect("a finished handshake");
    let client = crate::staff::scram::client::Client::new("ann", "correct horse", Some(exporter));
    let first = STANDARD.encode(client.first());
    let challenge = ask(&mut tls, &format!("AUTH SCRAM-SHA-256-PLUS {first}")).await;
    let challenge = STANDARD.decode(challenge[4..].trim_end()).expect("base64");
    let proof = client.proof(std::str::from_utf8(&challenge).expect("UTF-8"));
    assert!(
        ask(&mut tls, &STANDARD.encode(proof))
            .await
            .starts_with("334 ")
    );
    assert_eq!(ask(&mut tls, "").await, "235 2.7.0 Logged in\r\n");
    assert!(
        ask(&mut tls, "MAIL FROM:<eve@party.example>")
            .await
            .starts_with("550 ")
    );
    assert!(
        ask(&mut tls, "MAIL FROM:<ann@party.example>")
            .await
            .starts_with("250 ")
    );
    assert!(
        ask(&mut tls, "RCPT TO:<bob@other.example>")
            .await
            .starts_with("250 ")
    );
    assert!(
        ask(&mut tls, "BDAT 5 LAST\r\nhi\r\n\n")
            .await
            .starts_with("550 ")
    );
    assert_eq!(stage.party.abandoned(), 1);
    assert_eq!(rest(&mut tls).await, "");
}

#[tokio::test]
async fn staff_leave_no_trace_of_their_computer() {
    let stage = stage(Role::Submission, Party::default(), Timeouts::default()).await;
    let mut tls = stage.start_tls().await;
    ask(&mut tls, "EHLO laptop.example").await;
    assert!(
        ask(&mut tls, "AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl")
            .await
            .starts_with("235 ")
    );
    ask(&mut tls, "MAIL FROM:<ann@party.example>").await;
    ask(&mut tls, "RCPT TO:<bob@other.example>").await;
    assert!(
        ask(&mut tls, "BDAT 4 LAST\r\nhi\r\n")
            .await
            .starts_with("250 ")
    );
    let text = &stage.party.texts()[0];
    assert!(text.contains("with ESMTPSA") && text.ends_with("\r\nhi\r\n"));
    assert!(!text.contains("127.0.0.1") && !text.contains("laptop"));
}

#[tokio::test]
async fn what_waits_behind_starttls_closes_the_connection() {
    let stage = stage(Role::Mx, Party::default(), Timeouts::default()).await;
    let mut socket = stage.dial().await;
    reply(&mut socket).await;
    socket
        .write_all(b"EHLO c.example\r\nSTARTTLS\r\nMAIL FROM:<eve@o.example>\r\n")
        .await
        .expect("writes");
    let heard = rest(&mut socket).await;
    assert!(
        heard.ends_with("554 5.5.0 Nothing may follow STARTTLS\r\n"),
        "{heard}"
    );
}

/// The line comes later, between STARTTLS and the handshake: TLS finds no record in it.
#[tokio::test]
async fn what_comes_after_starttls_in_the_clear_is_no_handshake() {
    let stage = stage(Role::Mx, Party::default(), Timeouts::default()).await;
    let mut socket = stage.dial().await;
    reply(&mut socket).await;
    ask(&mut socket, "EHLO c.example").await;
    ask(&mut socket, "STARTTLS").await;
    socket
        .write_all(b"EHLO c\r\nMAIL FROM:<>\r\n")
        .await
        .expect("writes");
    let heard = rest(&mut socket).await;
    assert!(!heard.contains("250"), "{heard:?}");
}

#[tokio::test]
async fn a_stalled_handshake_is_a_failed_one() {
    let timeouts = Timeouts {
        handshake: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let stage = stage(Role::Submissions, Party::default(), timeouts).await;
    let mut socket = stage.dial().await;
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_stop_lets_the_mail_in_progress_finish() {
    let stage = stage(Role::Mx, Party::default(), Timeouts::default()).await;
    let mut busy = stage.start_tls().await;
    ask(&mut busy, "EHLO c.example").await;
    ask(&mut busy, "MAIL FROM:<>").await;
    ask(&mut busy, "RCPT TO:<ann@party.example>").await;
    ask(&mut busy, "DATA").await;
    busy.write_all(b"half\r\n").await.expect("writes");
    busy.flush().await.expect("writes");
    let mut idle = stage.start_tls().await;
    ask(&mut idle, "EHLO c.example").await;
    let mut open = stage.dial().await;
    reply(&mut open).await;
    stage.stop.cancel();
    let bye = "421 4.3.2 Service stops, please dial again\r\n";
    assert_eq!(rest(&mut idle).await, bye);
    assert_eq!(rest(&mut open).await, bye);
    busy.write_all(b"whole\r\n.\r\n").await.expect("writes");
    assert_eq!(reply(&mut busy).await, "250 2.0.0 Kept\r\n");
    assert_eq!(rest(&mut busy).await, bye);
    drop((busy, idle, open));
    stage.serving.await.expect("ends");
    assert!(stage.party.texts()[0].ends_with("half\r\nwhole\r\n"));
}

/// Closing a socket with unread octets resets it, and the peer would never learn what was wrong.
#[tokio::test]
async fn the_last_reply_is_heard_by_a_peer_that_goes_on_sending() {
    let stage = stage(Role::Mx, Party::default(), Timeouts::default()).await;
    let mut tls = stage.start_tls().await;
    ask(&mut tls, "EHLO c.example").await;
    ask(&mut tls, "MAIL FROM:<>").await;
    ask(&mut tls, "RCPT TO:<ann@party.example>").await;
    ask(&mut tls, "DATA").await;
    for _ in 0..8 {
        tls.write_all(&b"bare\n".repeat(4000))
            .await
            .expect("writes");
        tls.flush().await.expect("writes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        reply(&mut tls).await,
        "550 5.5.2 Bare CR or LF in the message\r\n"
    );
    assert_eq!(stage.party.abandoned(), 1);
}

#[tokio::test]
async fn without_tls_1_3_no_channel_binding_is_offered() {
    let mut stage = stage(Role::Submissions, Party::default(), Timeouts::default()).await;
    stage.trust = trust(stage.root.clone(), &[&rustls::version::TLS12]);
    let mut tls = stage.encrypt(stage.dial().await).await;
    reply(&mut tls).await;
    let offer = ask(&mut tls, "EHLO laptop.example").await;
    assert!(
        offer.ends_with("250 AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"),
        "{offer}"
    );
    assert!(
        ask(&mut tls, "AUTH SCRAM-SHA-256-PLUS")
            .await
            .starts_with("504 ")
    );
}
