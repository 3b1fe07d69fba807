//! What follows TLS, over an in-memory pipe that stands for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::super::super::envelope::{ConnectionId, Role, TlsInfo};
use super::super::super::limits::{Limits, Timeouts};
use super::super::super::session::Secured;
use super::super::Door;
use super::host::Party;
use crate::clock::Clock;
use crate::net::wire::Waits;

const START: &[u8] = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\n";

fn quick() -> Timeouts {
    Timeouts {
        waits: Waits {
            linger: Duration::from_millis(50),
            ..Waits::default()
        },
        ..Timeouts::default()
    }
}

/// Starts an MX session that believes its pipe to be encrypted.
fn start(party: &Arc<Party>, timeouts: Timeouts, limits: Limits) -> (DuplexStream, JoinHandle<()>) {
    start_as(Role::Mx, party, timeouts, limits)
}

fn start_as(
    role: Role,
    party: &Arc<Party>,
    timeouts: Timeouts,
    limits: Limits,
) -> (DuplexStream, JoinHandle<()>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unused = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    let door = Door::new(
        role,
        "mx.party.example",
        Arc::clone(party),
        TlsAcceptor::from(Arc::new(unused)),
        Clock::system(),
    )
    .with_timeouts(timeouts)
    .with_limits(limits);
    let (ours, theirs) = duplex(64 * 1024);
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let secured = Secured::new(ConnectionId::random(), role, client, TlsInfo::pretended());
    let serving = tokio::spawn(async move {
        let wire = door.wire(theirs);
        let until = door.first_deadline();
        door.take_mail(wire, secured, until, &CancellationToken::new())
            .await;
    });
    (ours, serving)
}

async fn hear(socket: &mut DuplexStream) -> String {
    let mut heard = String::new();
    socket.read_to_string(&mut heard).await.expect("text");
    heard
}

fn codes(heard: &str) -> Vec<&str> {
    let lines = heard.lines().filter(|line| line.as_bytes()[3] == b' ');
    lines.map(|line| &line[..3]).collect()
}

#[tokio::test]
async fn a_hundred_mails_in_one_breath() {
    let party = Arc::new(Party::default());
    let (mut socket, serving) = start(&party, quick(), Limits::default());
    let mail = b"MAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\n..x\r\n.\r\n".repeat(100);
    socket.write_all(b"EHLO c\r\n").await.expect("writes");
    socket.write_all(&mail).await.expect("writes");
    socket.write_all(b"QUIT\r\n").await.expect("writes");
    let heard = hear(&mut socket).await;
    let mut expected = vec!["250"];
    expected.extend(["250", "250", "354", "250"].repeat(100));
    expected.push("221");
    assert_eq!(codes(&heard), expected);
    drop(socket);
    serving.await.expect("ends");
    let texts = party.texts();
    assert_eq!(texts.len(), 100);
    assert!(texts.iter().all(|text| text.ends_with("\r\n.x\r\n")));
    assert!(texts[99].contains("-100 tls "));
}

#[tokio::test]
async fn replies_to_what_came_together_go_out_together() {
    let party = Arc::new(Party::default());
    let (mut socket, _serving) = start(&party, quick(), Limits::default());
    socket.write_all(START).await.expect("writes");
    let mut buffer = vec![0; 4096];
    let octets = socket.read(&mut buffer).await.expect("reads");
    let heard = String::from_utf8_lossy(&buffer[..octets]).into_owned();
    assert_eq!(codes(&heard), ["250", "250", "250", "354"], "in one write");
}

#[tokio::test]
async fn no_yes_before_the_commit() {
    let disk = Arc::new(Notify::new());
    let party = Arc::new(Party {
        disk: Some(Arc::clone(&disk)),
        ..Party::default()
    });
    let (mut socket, _serving) = start(&party, quick(), Limits::default());
    socket.write_all(START).await.expect("writes");
    socket
        .write_all(b"x\r\n.\r\nQUIT\r\n")
        .await
        .expect("writes");
    let mut buffer = vec![0; 4096];
    let mut heard = String::new();
    while let Ok(octets) =
        tokio::time::timeout(Duration::from_millis(100), socket.read(&mut buffer)).await
    {
        heard.push_str(&String::from_utf8_lossy(&buffer[..octets.expect("reads")]));
    }
    assert!(!heard.contains("Kept"), "{heard}");
    disk.notify_one();
    assert!(hear(&mut socket).await.contains("250 2.0.0 Kept\r\n221 "));
}

#[tokio::test]
async fn a_mail_cut_off_is_abandoned() {
    let party = Arc::new(Party::default());
    let (mut socket, serving) = start(&party, quick(), Limits::default());
    socket.write_all(START).await.expect("writes");
    socket.write_all(b"half\r\n.\r").await.expect("writes");
    drop(socket);
    serving.await.expect("ends");
    assert!(party.texts().is_empty());
    assert_eq!(party.abandoned(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_session_goes_on() {
    let party = Arc::new(Party {
        disk_is_full: true,
        ..Party::default()
    });
    let (mut socket, _serving) = start(&party, quick(), Limits::default());
    socket.write_all(START).await.expect("writes");
    socket
        .write_all(&b"0123456789\r\n".repeat(3000))
        .await
        .expect("writes");
    socket
        .write_all(b".\r\nNOOP\r\nQUIT\r\n")
        .await
        .expect("writes");
    let heard = hear(&mut socket).await;
    assert_eq!(
        codes(&heard),
        ["250", "250", "250", "354", "451", "250", "221"]
    );
    assert_eq!((party.texts().len(), party.abandoned()), (0, 1));
}

#[tokio::test]
async fn silence_ends_the_connection_however_slowly_a_line_comes() {
    let party = Arc::new(Party::default());
    let timeouts = Timeouts {
        command: Duration::from_millis(150),
        ..quick()
    };
    let (socket, _serving) = start(&party, timeouts, Limits::default());
    let (mut reader, mut writer) = tokio::io::split(socket);
    let dripping = tokio::spawn(async move {
        for _ in 0..1_000 {
            if writer.write_all(b"N").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let started = std::time::Instant::now();
    let mut heard = String::new();
    reader.read_to_string(&mut heard).await.expect("text");
    assert_eq!(heard, "421 4.4.2 Waited too long\r\n");
    assert!(started.elapsed() < Duration::from_secs(10));
    dripping.abort();
}

#[tokio::test]
async fn many_commands_at_once_leave_others_their_turn() {
    let party = Arc::new(Party::default());
    let limits = Limits {
        idle_commands: 20_000,
        ..Limits::default()
    };
    let (mut socket, _serving) = start(&party, quick(), limits);
    let turns = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&turns);
    let counting = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let all = [&b"EHLO c\r\n"[..], &b"NOOP\r\n".repeat(10_000), b"QUIT\r\n"].concat();
    socket.write_all(&all).await.expect("writes");
    assert!(hear(&mut socket).await.contains("\r\n221 "));
    counting.abort();
    let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
    assert!(turns > 70, "{turns}");
}

/// What is heard by who says this again and again.
async fn chatter(line: &'static [u8], timeouts: Timeouts) -> String {
    let party = Arc::new(Party::default());
    let (socket, _serving) = start(&party, timeouts, Limits::default());
    let (mut reader, mut writer) = tokio::io::split(socket);
    let talking = tokio::spawn(async move {
        writer.write_all(b"EHLO c\r\n").await.expect("writes");
        while writer.write_all(line).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    let mut heard = String::new();
    let all = reader.read_to_string(&mut heard);
    let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
    ended.expect("an end").expect("text");
    talking.abort();
    heard
}

#[tokio::test]
async fn whoever_only_talks_is_sent_away() {
    let timeouts = Timeouts {
        next_mail: Duration::from_millis(400),
        ..quick()
    };
    let heard = chatter(b"NOOP\r\n", timeouts).await;
    assert!(heard.ends_with("421 4.4.2 Waited too long\r\n"), "{heard}");
    // Whoever brings mail stays, to the end of their commands.
    let heard = chatter(b"MAIL FROM:<>\r\nRSET\r\n", timeouts).await;
    assert!(
        heard.ends_with("421 4.7.0 Too many commands without a mail\r\n"),
        "{heard}"
    );
}

/// What is heard when `start` is followed by octets that never end and never stop.
async fn drip(party: &Arc<Party>, before: &'static [u8]) -> String {
    let timeouts = Timeouts {
        message: Duration::from_millis(200),
        ..quick()
    };
    let (socket, _serving) = start(party, timeouts, Limits::default());
    let (mut reader, mut writer) = tokio::io::split(socket);
    let dripping = tokio::spawn(async move {
        writer.write_all(before).await.expect("writes");
        while writer.write_all(b"x\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut heard = String::new();
    let all = reader.read_to_string(&mut heard);
    tokio::time::timeout(Duration::from_secs(5), all)
        .await
        .expect("an end")
        .expect("text");
    dripping.abort();
    heard
}

#[tokio::test]
async fn a_message_may_not_drip_for_ever() {
    let party = Arc::new(Party::default());
    let heard = drip(&party, START).await;
    assert!(heard.ends_with("421 4.4.2 Waited too long\r\n"), "{heard}");
    assert_eq!((party.texts().len(), party.abandoned()), (0, 1));
}

/// What becomes of a message that brings so many pieces, one each 20 ms.
async fn at_a_pace(
    slow: Duration,
    before: &[u8],
    piece: &'static [u8],
    pieces: usize,
) -> (String, Arc<Party>) {
    let party = Arc::new(Party::default());
    let timeouts = Timeouts { slow, ..quick() };
    let (socket, _serving) = start(&party, timeouts, Limits::default());
    let (mut reader, mut writer) = tokio::io::split(socket);
    writer.write_all(before).await.expect("writes");
    let coming = tokio::spawn(async move {
        for _ in 0..pieces {
            if writer.write_all(piece).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = writer.write_all(b".\r\nQUIT\r\n").await;
    });
    let mut heard = String::new();
    let all = reader.read_to_string(&mut heard);
    let ended = tokio::time::timeout(Duration::from_secs(60), all).await;
    ended.expect("an end").expect("text");
    coming.abort();
    (heard, party)
}

#[tokio::test]
async fn a_message_that_comes_too_slowly_is_ended_and_a_slow_one_is_not() {
    const CHUNKS: &[u8] =
        b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nBDAT 9999999\r\n";
    for before in [START, CHUNKS] {
        let slow = Duration::from_millis(200);
        let (heard, party) = at_a_pace(slow, before, b"x\r\n", 40).await;
        assert!(heard.ends_with("421 4.4.2 Waited too long\r\n"), "{heard}");
        assert_eq!((party.texts().len(), party.abandoned()), (0, 1));
    }
    // Twenty times as much as it must bring, for more than one stretch.
    let line: &[u8] = &[b'y'; 498];
    let line: &'static [u8] = [line, b"\r\n"].concat().leak();
    let (heard, party) = at_a_pace(Duration::from_secs(1), START, line, 75).await;
    assert!(heard.contains("221 "), "{heard}");
    assert_eq!((party.texts().len(), party.abandoned()), (1, 0));
}

#[tokio::test]
async fn a_chunk_nobody_wants_may_not_drip_for_ever() {
    let party = Arc::new(Party::default());
    let heard = drip(&party, b"EHLO c\r\nBDAT 9999999\r\n").await;
    assert!(heard.ends_with("421 4.4.2 Waited too long\r\n"), "{heard}");
}

#[tokio::test]
async fn a_mail_given_up_is_abandoned_at_once() {
    let party = Arc::new(Party::default());
    let (mut socket, _serving) = start(&party, quick(), Limits::default());
    socket
        .write_all(
            b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nBDAT 3\r\nx\r\nRSET\r\n",
        )
        .await
        .expect("writes");
    let mut heard = String::new();
    let mut buffer = vec![0; 4096];
    while !heard.contains("Mail forgotten") {
        let octets = socket.read(&mut buffer).await.expect("reads");
        heard.push_str(&String::from_utf8_lossy(&buffer[..octets]));
    }
    assert_eq!(party.abandoned(), 1, "while the connection goes on");
}

/// Staff who have logged in, until something is said that ends so.
async fn staff_until(party: &Arc<Party>, said: &[u8], end: &str) -> DuplexStream {
    let (mut socket, _serving) = start_as(Role::Submissions, party, quick(), Limits::default());
    let log_in = b"EHLO c\r\nAUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl\r\n";
    socket.write_all(log_in).await.expect("writes");
    socket.write_all(said).await.expect("writes");
    let mut heard = String::new();
    while !heard.ends_with(end) {
        let mut octets = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut octets));
        let read = read.await.expect("an answer").expect("reads");
        assert_ne!(read, 0, "{heard}");
        heard.push_str(std::str::from_utf8(&octets[..read]).expect("text"));
    }
    socket
}

async fn hear_soon(socket: &mut DuplexStream) -> String {
    let heard = tokio::time::timeout(Duration::from_secs(20), hear(socket));
    heard.await.expect("it ends")
}

#[tokio::test]
async fn who_was_shut_out_is_told_at_once() {
    let party = Arc::new(Party::default());
    let mut socket = staff_until(&party, b"", "Logged in\r\n").await;
    party.shut_out.send_replace(true);
    let heard = hear_soon(&mut socket).await;
    assert!(heard.starts_with("421 4.7.0 This account"), "{heard}");
}

/// What somebody sent before they could hear that they are out is not done any more, and what they had begun isn't kept.
#[tokio::test]
async fn nothing_is_done_for_who_is_out() {
    const SAID: &[u8] =
        b"MAIL FROM:<ann@party.example>\r\nRCPT TO:<bob@other.example>\r\nDATA\r\nhi\r\n";
    let party = || {
        Arc::new(Party {
            silent: true,
            ..Party::default()
        })
    };
    for (said, end, more) in [
        (
            &b""[..],
            "Logged in\r\n",
            &b"MAIL FROM:<ann@party.example>\r\n"[..],
        ),
        (SAID, "354 End data with <CR><LF>.<CR><LF>\r\n", b".\r\n"),
    ] {
        let party = party();
        let mut socket = staff_until(&party, said, end).await;
        party.shut_out.send_replace(true);
        socket.write_all(more).await.expect("writes");
        let heard = hear_soon(&mut socket).await;
        assert!(heard.starts_with("421 4.7.0 This account"), "{heard}");
        assert!(party.texts().is_empty());
    }
}
