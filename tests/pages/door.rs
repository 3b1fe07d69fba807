//! The door itself: who is slow, who speaks no HTTP, and the end.

use super::*;

#[tokio::test]
async fn plain_http_is_for_loopback_alone() {
    let pages = Pages::start().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let limits = Arc::new(ConnectionLimits::new(9, 9));
    let refused = Door::listen_plain(&pages.web, listener, limits, pages.stop.clone()).await;
    assert!(refused.unwrap_err().to_string().contains("loopback"));
}

#[tokio::test]
async fn who_is_slow_loses_the_connection() {
    let short = Duration::from_millis(500);
    let timeouts = Timeouts {
        handshake: Duration::from_secs(2),
        head: short,
        idle: short,
        life: Duration::from_secs(120),
        closing: short,
    };
    let pages = Pages::with(NonZeroU32::new(9).unwrap(), timeouts).await;
    let patience = Duration::from_secs(60);
    let closes = |what: &'static str, mut io: Box<dyn Wire>| async move {
        let read = tokio::time::timeout(patience, io.read_to_end(&mut Vec::new())).await;
        assert!(read.is_ok(), "{what}");
    };
    let silent = TcpStream::connect(pages.address).await.unwrap();
    closes("no handshake", Box::new(silent)).await;
    let idle = pages.connect(&[b"http/1.1"]).await;
    closes("no request", Box::new(idle)).await;
    let mut half = pages.connect(&[b"http/1.1"]).await;
    half.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    closes("half a head", Box::new(half)).await;
    let idle = pages.connect(&[b"h2"]).await;
    closes("no preface", Box::new(idle)).await;
    let mut kept = pages.connect(&[b"http/1.1"]).await;
    kept.write_all(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    closes("nothing more after an answer", Box::new(kept)).await;
    assert_eq!(pages.get("/").await.status, 200);
}

trait Wire: tokio::io::AsyncRead + Unpin + Send {}

impl<T: tokio::io::AsyncRead + Unpin + Send> Wire for T {}

#[tokio::test]
async fn stopping_lets_an_answer_end() {
    let pages = Pages::start().await;
    let mut busy = pages.connect(&[b"http/1.1"]).await;
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    busy.write_all(head).await.unwrap();
    // It's said when the request is being answered.
    let mut go = [0; 25];
    busy.read_exact(&mut go).await.unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    let idle = pages.connect(&[b"http/1.1"]).await;
    pages.stop.cancel();
    busy.write_all(b"a=b").await.unwrap();
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 422"));
    drop(idle);
    pages.door.await.unwrap();
}

#[tokio::test]
async fn requests_that_no_browser_makes_get_an_answer_with_our_headers_or_nothing() {
    let pages = Pages::start().await;
    let get = |rest: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{rest}\r\n");
    let page = pages.get("/nowhere").await;
    // What the HTTP library says by itself has no body; all the rest is a page.
    for (raw, status) in [
        ("GARBAGE\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        (get(&format!("X: {}\r\n", "a".repeat(40_000))), "431"),
        (get(&"X: a\r\n".repeat(100)), "431"),
        (get("X : a\r\n"), "400"),
        (format!("{}GARBAGE\r\n\r\n", get("")), "400"),
        (
            get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
            "",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(5_000)),
            "414",
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n".to_owned(),
            "413",
        ),
    ] {
        let shown = &raw[..raw.len().min(40)];
        let mut wire = pages.connect(&[b"http/1.1"]).await;
        let _ = wire.write_all(raw.as_bytes()).await;
        // Who closes half of it has gone, and is answered nothing; so only where the far end would wait for more.
        if status.is_empty() {
            let _ = wire.shutdown().await;
        }
        let mut answer = Vec::new();
        let read = wire.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(60), read)
            .await
            .expect("ends");
        let answer = String::from_utf8_lossy(&answer);
        if status.is_empty() {
            continue;
        }
        let last = answer.rfind("HTTP/1.1 ").unwrap_or_default();
        let (head, _) = answer[last..].split_once("\r\n\r\n").expect(shown);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown}: {head}"
        );
        for (name, value) in &page.headers {
            if ["content-length", "content-type", "date"].contains(&name.as_str()) {
                continue;
            }
            let line = format!("\r\n{name}: {}", value.to_str().unwrap());
            assert!(head.contains(&line), "{shown}: {line} in {head}");
        }
    }
    assert_eq!(pages.get("/").await.status, 200);
    let _: &Consent = &pages.consent;
}
