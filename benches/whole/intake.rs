//! Mail from the outside to a mailbox: over STARTTLS, each `250` after the mail is on the disk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use hustings::control::api::mailbox::List;
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::house::House;
use crate::postfix::Postfix;
use crate::process::Stretch;

/// The shape: mails of 10 KB.
const SMALL: usize = 10 * 1024;
/// As large as big providers let through.
const LARGE: usize = 25 << 20;

/// Connections at a time, mails on each, mails in all.
const SHAPES: [(usize, usize, usize); 6] = [
    (1, 1, 400),
    (20, 1, 4_000),
    (100, 1, 4_000),
    (1, 100, 2_000),
    (20, 100, 10_000),
    (100, 100, 20_000),
];

/// Where the load goes.
struct Target {
    mx: SocketAddr,
    /// What its certificate is checked against.
    config: Arc<rustls::ClientConfig>,
}

impl Target {
    fn of(house: &House) -> Self {
        Self {
            mx: house.mx(),
            config: house.stage.trust().config(),
        }
    }
}

pub(crate) async fn many_small() {
    let house = House::start().await;
    let body = message(SMALL);
    let target = Target::of(&house);
    warm_up(&target, &body).await;
    for (connections, each, mails) in SHAPES {
        let before = kept(&house).await;
        let stretch = Stretch::begin(house.process());
        run(&target, connections, each, mails, &body).await;
        println!(
            "intake, {connections:>3} connections, {each:>3} mails each: {}",
            stretch.report(mails)
        );
        assert_eq!(kept(&house).await - before, mails as u64, "none is lost");
    }
}

pub(crate) async fn many_large() {
    let house = House::start().await;
    let body = message(LARGE);
    let stretch = Stretch::begin(house.process());
    run(&Target::of(&house), 100, 1, 100, &body).await;
    println!(
        "large, 100 connections, 25 MiB each: {}",
        stretch.report(100)
    );
    assert_eq!(kept(&house).await, 100, "none is lost");
}

/// The same load for Postfix.
pub(crate) async fn by_postfix() {
    let Some(peer) = peer() else {
        println!("postfix: not installed");
        return;
    };
    let (postfix, target) = peer;
    let body = message(SMALL);
    warm_up(&target, &body).await;
    for (connections, each, mails) in SHAPES {
        let (cpu, began) = (postfix.cpu(), Instant::now());
        run(&target, connections, each, mails, &body).await;
        let (wall, cpu) = (began.elapsed(), postfix.cpu() - cpu);
        println!(
            "postfix, {connections:>3} connections, {each:>3} mails each: {:>7.0}/s, {:.3} CPU ms each, resident {:.1} MiB in all",
            mails as f64 / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1000.0 / mails as f64,
            postfix.resident(),
        );
    }
}

/// A Postfix with a certificate of the kind that our own server has in this benchmark.
fn peer() -> Option<(Postfix, Target)> {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let postfix = Postfix::start(&made.cert.pem(), &made.signing_key.serialize_pem())?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(hustings::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let target = Target {
        mx: postfix.address(),
        config: Arc::new(config),
    };
    Some((postfix, target))
}

async fn warm_up(target: &Target, body: &Bytes) {
    run(target, 10, 10, 200, body).await;
}

async fn kept(house: &House) -> u64 {
    let rows = house.stage.socket().ask(List {}).await.unwrap().rows;
    rows.iter().map(|row| row.messages).sum()
}

/// A message of about `size` octets, and the final dot.
fn message(size: usize) -> Bytes {
    let mut message = format!(
        "From: Sam <sam@elsewhere.example>\r\nTo: {OFFICE}\r\nSubject: A question\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{size}@elsewhere.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    while message.len() < size {
        message.push_str("When does the town hall open, and is there a ramp at the side door?\r\n");
    }
    message.push_str(".\r\n");
    message.into()
}

/// `mails` in all over so many connections at a time, each carrying `each`.
async fn run(target: &Target, connections: usize, each: usize, mails: usize, body: &Bytes) {
    let left = Arc::new(AtomicUsize::new(mails));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (left, body, config, mx) =
            (left.clone(), body.clone(), target.config.clone(), target.mx);
        tasks.spawn(async move {
            loop {
                let take = |left: usize| (left > 0).then(|| left - left.min(each));
                let Ok(had) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) else {
                    return;
                };
                bring(mx, &config, had.min(each), &body).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// One connection that brings `mails`, command groups pipelined, each body after its `354`.
async fn bring(mx: SocketAddr, config: &Arc<rustls::ClientConfig>, mails: usize, body: &Bytes) {
    let mut plain = TcpStream::connect(mx).await.unwrap();
    plain.set_nodelay(true).unwrap();
    let mut heard = Vec::with_capacity(1024);
    hear(&mut plain, &mut heard, 220).await;
    say(&mut plain, b"EHLO load.example\r\n").await;
    hear(&mut plain, &mut heard, 250).await;
    say(&mut plain, b"STARTTLS\r\n").await;
    hear(&mut plain, &mut heard, 220).await;
    // Each connection makes a whole handshake: strangers don't come back.
    let mut config = (**config).clone();
    config.resumption = rustls::client::Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(HOST).unwrap();
    let mut stream = connector.connect(name, plain).await.unwrap();
    say(&mut stream, b"EHLO load.example\r\n").await;
    hear(&mut stream, &mut heard, 250).await;
    let group = format!("MAIL FROM:<sam@elsewhere.example>\r\nRCPT TO:<{OFFICE}>\r\nDATA\r\n");
    for _ in 0..mails {
        say(&mut stream, group.as_bytes()).await;
        for code in [250, 250, 354] {
            hear(&mut stream, &mut heard, code).await;
        }
        say(&mut stream, body).await;
        hear(&mut stream, &mut heard, 250).await;
    }
    say(&mut stream, b"QUIT\r\n").await;
    hear(&mut stream, &mut heard, 221).await;
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// Takes one reply, of one or more lines, and checks its code.
async fn hear(stream: &mut (impl AsyncRead + Unpin), heard: &mut Vec<u8>, code: u16) {
    loop {
        let mut from = 0;
        while let Some(end) = memchr::memchr(b'\n', &heard[from..]) {
            let line = &heard[from..from + end];
            from += end + 1;
            if line.get(3) != Some(&b'-') {
                let text = String::from_utf8_lossy(line).into_owned();
                assert!(text.starts_with(&code.to_string()), "{code}: {text}");
                heard.drain(..from);
                return;
            }
        }
        let read = stream.read_buf(heard).await.unwrap();
        assert!(read > 0, "closed while waiting for {code}");
    }
}
