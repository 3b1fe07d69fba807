//! What the log says of the pages, in a process of its own: a subscriber is set for all of it (law G11).

#![allow(clippy::unwrap_used)]

#[path = "support/pages.rs"]
mod support;

use std::sync::{Arc, Mutex};

use hyper::Method;
use support::{Pages, request};

/// What the log says, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_pages_and_nobody() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let pages = Pages::start().await;
    let out = pages.subscribe("ann@far.example").await;
    pages.get(&format!("{out}?lang=cy&secret=1")).await;
    pages.post(&out, "List-Unsubscribe=One-Click").await;
    pages.get("/secret/path").await;
    pages
        .send(request(Method::from_bytes(b"SECRET").unwrap(), "/", "", ""))
        .await;
    pages
        .send_h2(request(Method::GET, "/privacy", "", ""))
        .await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for line in [
        "route=\"/u/{token}\" status=200",
        "route=\"none\" status=404",
        "method=\"other\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Whatever way it came: each line of a page names its connection.
    let pages: Vec<_> = text
        .lines()
        .filter(|line| line.contains("route="))
        .collect();
    assert!(pages.iter().any(|line| line.contains("route=\"/privacy\"")));
    for line in pages {
        assert!(line.contains("https{connection="), "{line}");
    }
    let token = out.trim_start_matches("/u/");
    for hidden in [
        token,
        "ann",
        "far.example",
        "127.0.0.1",
        "secret",
        "SECRET",
        "lang=cy",
    ] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}
