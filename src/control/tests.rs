//! Tests of the protocol between command line and daemon.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::api::staff::Revoke;
use super::testing::{serve, serve_locked};
use super::*;
use crate::daemon::service::NobodyKnown;

/// Streams rows, as many as asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Count {
    to: u64,
}
impl Ask for Count {
    const NAME: &'static str = "queue list";
    const NEEDS: Needs = Needs::Nobody;
    type Row = String;
    type Answer = u64;
}

/// Answers when the client has gone.
#[derive(Debug, Serialize, Deserialize)]
struct Wait {}
impl Ask for Wait {
    const NAME: &'static str = "mailing watch";
    const NEEDS: Needs = Needs::Nobody;
    type Row = Nothing;
    type Answer = Nothing;
}

#[derive(Default)]
struct Counter {
    gone: AtomicBool,
}

impl Handle<Count> for Counter {
    async fn handle(&self, ask: Count, call: &mut Call<Count>) -> Result<u64, Failure> {
        let progress = call.progress();
        for number in 0..ask.to {
            progress.report("rows", number, Some(ask.to));
            if let Err(failure) = call.row(&"x".repeat(10_000)).await {
                self.gone.store(true, Ordering::Release);
                return Err(failure);
            }
        }
        Ok(ask.to)
    }
}

impl Handle<Wait> for Counter {
    async fn handle(&self, _: Wait, call: &mut Call<Wait>) -> Result<Nothing, Failure> {
        call.gone().await;
        self.gone.store(true, Ordering::Release);
        Err(Failure::gone())
    }
}

/// Takes a body and says a row for each piece.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {}
impl Ask for Upload {
    const NAME: &'static str = "subscriber import";
    const NEEDS: Needs = Needs::Nobody;
    const BODY: bool = true;
    type Row = String;
    type Answer = u64;
}

impl Handle<Upload> for Counter {
    async fn handle(&self, _: Upload, call: &mut Call<Upload>) -> Result<u64, Failure> {
        let mut bytes = 0;
        while let Some(piece) = call.next_body().await? {
            bytes += piece.len() as u64;
            call.row(&"no evidence".repeat(500)).await?;
        }
        Ok(bytes)
    }
}

fn desk(counter: &Arc<Counter>) -> Desk {
    Desk::new().on::<Count, _>(counter).on::<Wait, _>(counter)
}

/// A time that a test can wait for.
const SHORT: Duration = Duration::from_millis(300);

async fn eventually(what: &AtomicBool) {
    for _ in 0..2000 {
        if what.load(Ordering::Acquire) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened");
}

#[tokio::test]
async fn rows_stream_and_the_answer_ends_them() {
    let counter = Arc::new(Counter::default());
    let server = serve(desk(&counter), NobodyKnown, Limits::default());
    let (rows, answer) = server.ask(&Count { to: 300 }).await.expect("answers");
    assert_eq!((rows.len(), answer), (300, 300));
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_alone() {
    let server = serve(Desk::new(), NobodyKnown, Limits::default());
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&server.socket), 0o660);
    assert_eq!(mode(server.socket.parent().expect("a directory")), 0o750);
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced_and_nothing_else_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run/control.sock");
    drop(bind(&path).expect("binds"));
    drop(bind(&path).expect("binds again"));
    std::fs::remove_file(&path).expect("removes");
    std::fs::write(&path, "mine").expect("writes");
    let error = bind(&path).expect_err("a file is no socket");
    assert!(error.to_string().contains("control.sock"), "{error}");
    assert_eq!(std::fs::read(&path).expect("reads"), b"mine");
}

#[tokio::test]
async fn nobody_may_not_do_what_needs_somebody() {
    struct Never;
    impl Handle<Revoke> for Never {
        async fn handle(&self, _: Revoke, _: &mut Call<Revoke>) -> Result<Nothing, Failure> {
            panic!("the desk let nobody pass");
        }
    }
    let desk = Desk::new().on::<Revoke, _>(&Arc::new(Never));
    let server = serve(desk, NobodyKnown, Limits::default());
    let revoke = Revoke {
        name: "ada".into(),
        reason: None,
    };
    let failure = server.ask(&revoke).await.expect_err("refused");
    assert_eq!(failure.class, Class::Refused);
    assert!(failure.why.contains("needs a person"), "{failure}");
    assert!(failure.next.contains("log in as"), "{failure}");
}

#[tokio::test]
async fn while_locked_the_failure_says_so() {
    let server = serve_locked(Desk::new());
    let failure = server.ask(&Count { to: 1 }).await.expect_err("locked");
    assert_eq!(
        (failure.class, failure.next.as_str()),
        (Class::Locked, "hustings unlock")
    );
    server.server.unlocked(Desk::new(), NobodyKnown);
    let failure = server.ask(&Count { to: 1 }).await.expect_err("unanswered");
    assert_eq!(failure.class, Class::Failed);
}

#[tokio::test]
async fn the_handler_hears_that_its_client_has_gone() {
    let counter = Arc::new(Counter::default());
    let server = serve(desk(&counter), NobodyKnown, Limits::default());
    let client = Client::connect(&server.socket).await.expect("connects");
    drop(client.ask(&Wait {}).await.expect("asks"));
    eventually(&counter.gone).await;
    counter.gone.store(false, Ordering::Release);
    let client = Client::connect(&server.socket).await.expect("connects");
    let (mut conversation, body) = client.ask(&Count { to: 1_000_000 }).await.expect("asks");
    conversation.next().await.expect("begins");
    drop((conversation, body));
    eventually(&counter.gone).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let counter = Arc::new(Counter::default());
    let limits = Limits {
        writing: SHORT,
        ..Limits::default()
    };
    let server = serve(desk(&counter), NobodyKnown, limits);
    let client = Client::connect(&server.socket).await.expect("connects");
    let _held = client.ask(&Count { to: 1_000_000 }).await.expect("asks");
    eventually(&counter.gone).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_told_and_closed() {
    let limits = Limits {
        greeting: SHORT,
        ..Limits::default()
    };
    let server = serve(Desk::new(), NobodyKnown, limits);
    let mut silent = UnixStream::connect(&server.socket).await.expect("connects");
    let mut said = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut said))
        .await
        .expect("closed")
        .expect("reads");
    assert!(String::from_utf8_lossy(&said).contains("did not come in time"));
}

#[tokio::test]
async fn one_more_than_the_limit_is_told_to_wait() {
    let counter = Arc::new(Counter::default());
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = serve(desk(&counter), NobodyKnown, limits);
    let client = Client::connect(&server.socket).await.expect("connects");
    let held = client.ask(&Wait {}).await.expect("asks");
    let refusal = async {
        loop {
            match server.ask(&Count { to: 0 }).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(failure) => break failure,
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(60), refusal)
        .await
        .expect("is refused");
    assert!(refused.why.contains("being answered already"), "{refused}");
    drop(held);
    eventually(&counter.gone).await;
}

#[tokio::test]
async fn a_body_and_its_rows_flow_both_ways_at_once() {
    let counter = Arc::new(Counter::default());
    let desk = Desk::new().on::<Upload, _>(&counter);
    let server = serve(desk, NobodyKnown, Limits::default());
    let client = Client::connect(&server.socket).await.expect("connects");
    let (mut conversation, mut body) = client.ask(&Upload {}).await.expect("asks");
    let sending = tokio::spawn(async move {
        for _ in 0..200 {
            body.send(&[b'x'; BODY_MAX]).await.expect("is read");
        }
        body.end().await.expect("ends");
        body
    });
    let mut rows = 0;
    let bytes = loop {
        match conversation.next().await.expect("answers") {
            Event::Row(_) => rows += 1,
            Event::Answer(bytes) => break bytes,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((rows, bytes), (200, 200 * BODY_MAX as u64));
    drop(sending.await.expect("sent"));
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_given_up() {
    let counter = Arc::new(Counter::default());
    let desk = Desk::new().on::<Upload, _>(&counter);
    let limits = Limits {
        body: SHORT,
        ..Limits::default()
    };
    let server = serve(desk, NobodyKnown, limits);
    let client = Client::connect(&server.socket).await.expect("connects");
    let (mut conversation, mut body) = client.ask(&Upload {}).await.expect("asks");
    body.send(b"half").await.expect("is read");
    let failure = loop {
        match conversation.next().await {
            Ok(Event::Row(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error.into_failure(),
        }
    };
    assert!(failure.why.contains("too long"), "{failure}");
}

async fn raw(socket: &std::path::Path, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).await.expect("connects");
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said))
        .await
        .expect("the server closes");
    said
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&u32::try_from(payload.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

const HELLO: &[u8] = br#"{"protocol":1,"version":"0.1.0"}"#;

#[tokio::test]
async fn an_other_protocol_is_told_to_restart() {
    let server = serve(Desk::new(), NobodyKnown, Limits::default());
    let hello = br#"{"protocol":99,"version":"9.9\u001b[2J"}"#;
    let said = raw(&server.socket, &frame(1, hello)).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("control protocol 99"), "{said}");
    assert!(said.contains("systemctl restart hustings"), "{said}");
    assert!(!said.contains('\x1b') && !said.contains("u001b"), "{said}");
}

#[tokio::test]
async fn fields_that_do_not_fit_are_misuse_and_are_not_quoted() {
    let counter = Arc::new(Counter::default());
    let server = serve(desk(&counter), NobodyKnown, Limits::default());
    let bytes = [
        frame(1, HELLO),
        frame(2, b"queue list"),
        frame(3, br#"{"to":"jo@example.org"}"#),
    ]
    .concat();
    let said = raw(&server.socket, &bytes).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("misuse"), "{said}");
    assert!(!said.contains("jo@example.org"), "{said}");
}

#[tokio::test]
async fn oversized_and_senseless_frames_close_the_connection_with_a_reason() {
    let server = serve(Desk::new(), NobodyKnown, Limits::default());
    let mut long = vec![1];
    long.extend_from_slice(&u32::MAX.to_be_bytes());
    let name = vec![b'x'; 2000];
    for bytes in [
        long,
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [frame(1, HELLO), frame(2, &name)].concat(),
        [frame(1, HELLO), frame(3, b"{}")].concat(),
        [frame(1, HELLO), frame(2, &[0xff, 0xfe]), frame(3, b"{}")].concat(),
    ] {
        let said = raw(&server.socket, &bytes).await;
        assert!(
            String::from_utf8_lossy(&said).contains("can't read the request"),
            "{bytes:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn garbage_never_hurts_the_server(greet in any::<bool>(), garbage in prop::collection::vec(any::<u8>(), 0..600)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let counter = Arc::new(Counter::default());
            let server = serve(desk(&counter), NobodyKnown, Limits::default());
            let mut bytes = if greet { frame(1, HELLO) } else { Vec::new() };
            bytes.extend_from_slice(&garbage);
            raw(&server.socket, &bytes).await;
            let (rows, _) = server.ask(&Count { to: 1 }).await.expect("the next one is served");
            assert_eq!(rows.len(), 1);
        });
    }
}
