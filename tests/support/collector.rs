//! An HTTPS host that takes what is posted to it, on an ephemeral port of loopback, for which an authority vouches.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::outside::shown;

/// One request.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Its head, in lower case.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Inner {
    posted: Vec<Posted>,
    /// What is answered, first to last; then 200.
    answers: Vec<String>,
}

/// The host. Dropping it closes its door.
pub struct Collector {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    door: AbortHandle,
}

impl Collector {
    /// A host of this name.
    pub async fn start(authority: &Authority, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (chain, key) = authority.vouch(name);
        let acceptor = TlsAcceptor::from(shown(chain, key));
        let inner = Arc::<Mutex<Inner>>::default();
        let of_door = inner.clone();
        let door = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, acceptor.clone(), of_door.clone()));
            }
        });
        Self {
            address,
            inner,
            door: door.abort_handle(),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next request with this status line and these fields.
    pub fn next_answer(&self, answer: &str) {
        self.inner.lock().unwrap().answers.push(answer.to_owned());
    }

    /// What came, in order.
    pub fn posted(&self) -> Vec<Posted> {
        self.inner.lock().unwrap().posted.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.door.abort();
    }
}

async fn take(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    inner: Arc<Mutex<Inner>>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(at) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap_or("0").parse().unwrap();
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(());
        }
    }
    let answer = {
        let mut inner = inner.lock().unwrap();
        inner.posted.push(Posted { head, body });
        match inner.answers.is_empty() {
            true => "200 OK".to_owned(),
            false => inner.answers.remove(0),
        }
    };
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
