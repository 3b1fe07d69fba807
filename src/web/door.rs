//! Sockets, TLS and time around the pages: HTTP/2 and HTTP/1.1 over TLS. Every wait has its end, so that nobody who is
//! slow holds a place for long.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use super::bare::Covered;
use super::hosted::port_80;
use super::{Peer, UnclearHost, Web, headers, pages};
use crate::net::ConnectionId;
use crate::net::admission::Admission;
use crate::net::listen::{Accept, listen};
use crate::tls::{ACME_TLS, Challenges, Refusals, RefusedFor};

/// The largest head of a request, in bytes; also what is read ahead of a body.
const HEAD: usize = 16 * 1024;
/// Fields in a head.
const FIELDS: usize = 64;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 16;
/// What one HTTP/2 connection may have waiting to be written or read, in bytes.
const WINDOW: u32 = 64 * 1024;

/// How long the door waits.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of a request.
    pub head: Duration,
    /// For the next request.
    pub idle: Duration,
    /// For a connection as a whole, after which it takes no more requests. It bounds those who read slowly.
    pub life: Duration,
    /// For what is in progress at the end.
    pub closing: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(15),
            life: Duration::from_secs(120),
            closing: Duration::from_secs(15),
        }
    }
}

/// Plain HTTP was asked for where others could read it.
#[derive(Debug, thiserror::Error)]
#[error(
    "pages without TLS are for the sandbox, on loopback alone, not on {0}; use 127.0.0.1 or [::1]"
)]
pub struct NotLoopback(SocketAddr);

/// The door of the pages. All its connections share it.
pub struct Door {
    router: Router,
    tls: Option<TlsAcceptor>,
    timeouts: Timeouts,
    refusals: Arc<Refusals>,
    /// What stands in answers that no handler makes.
    lines: Arc<[u8]>,
}

impl Door {
    /// The door with TLS; see [`crate::tls::server_config`] for its settings.
    pub fn https(web: &Arc<Web>, tls: Arc<ServerConfig>) -> Self {
        Self {
            router: pages(Arc::clone(web)),
            tls: Some(TlsAcceptor::from(tls)),
            timeouts: Timeouts::default(),
            refusals: Arc::default(),
            lines: headers::lines(web.https).into(),
        }
    }

    /// The same door with other time-outs.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The same door, counting handshakes that come to nothing here.
    #[must_use]
    pub fn with_refusals(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals, ..self }
    }

    /// Port 80: answers certificate authorities, and sends everybody else to the front page over TLS.
    pub fn port_80(challenges: Arc<Challenges>, front: &str) -> Self {
        Self {
            router: port_80(challenges, front),
            tls: None,
            timeouts: Timeouts::default(),
            refusals: Arc::default(),
            lines: headers::lines(false).into(),
        }
    }

    /// Serves a listener until `stop`, lets what is in progress end, and returns when all connections are closed.
    pub async fn listen<L: Accept, A: Admission>(
        self: Arc<Self>,
        listener: L,
        admission: Arc<A>,
        stop: CancellationToken,
    ) {
        let serve = |socket, peer| {
            let (door, stop) = (Arc::clone(&self), stop.clone());
            let connection = ConnectionId::random();
            let span = tracing::info_span!("https", %connection);
            async move { door.serve(socket, peer, stop).await }.instrument(span)
        };
        // Without a word for those who find no place: TLS comes first.
        listen(listener, admission, b"", stop.clone(), serve).await;
    }

    /// Serves a listener on loopback without TLS: for the sandbox alone, whose certificate authority no browser knows.
    ///
    /// # Errors
    /// [`NotLoopback`] on any other address; or the listener's own error.
    pub async fn listen_plain<A: Admission>(
        web: &Arc<Web>,
        listener: TcpListener,
        admission: Arc<A>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(io::Error::other(NotLoopback(address)));
        }
        let door = Self {
            router: pages(Arc::clone(web)),
            tls: None,
            timeouts: Timeouts::default(),
            refusals: Arc::default(),
            lines: headers::lines(web.https).into(),
        };
        Arc::new(door).listen(listener, admission, stop).await;
        Ok(())
    }

    async fn serve(&self, socket: TcpStream, peer: IpAddr, stop: CancellationToken) {
        let Some(tls) = &self.tls else {
            return self.speak(socket, peer, stop).await;
        };
        let handshake = timeout(self.timeouts.handshake, tls.accept(socket));
        tokio::select! {
            () = stop.cancelled() => {}
            done = handshake => match done {
                // An authority has seen what it wanted (TLS-ALPN-01).
                Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS) => {}
                Ok(Ok(stream)) => self.speak(stream, peer, stop).await,
                Ok(Err(error)) => {
                    self.refusals.count("https", RefusedFor::of(&error), peer);
                    tracing::debug!(%error, "no TLS");
                }
                Err(_) => {
                    self.refusals.count("https", RefusedFor::Stalled, peer);
                    tracing::debug!("no TLS in time");
                }
            }
        }
    }

    /// Speaks HTTP until the peer goes, is idle for too long or had its time, or we stop.
    async fn speak<I>(&self, io: I, peer: IpAddr, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (open, requests) = watch::channel(0usize);
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            let request = {
                request.extensions_mut().insert(Peer(peer));
                if !is_host_clear(&request) {
                    request.extensions_mut().insert(UnclearHost);
                }
                request.map(Body::new)
            };
            let held = Held::new(open.clone());
            let answer = self.router.clone().oneshot(request);
            async move {
                let answer = answer.await;
                drop(held);
                answer
            }
        });
        let builder = self.builder();
        let io = Covered::new(io, Arc::clone(&self.lines));
        let connection = builder.serve_connection(TokioIo::new(io), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stop.cancelled() => None,
            () = idle(requests, self.timeouts.idle) => None,
            () = tokio::time::sleep(self.timeouts.life) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                let closed = timeout(self.timeouts.closing, connection).await;
                closed.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            // The peer's own fault or misfortune; its text names neither path nor address.
            tracing::debug!(%error, "a connection broke");
        }
    }

    fn builder(&self) -> Builder<Spanned> {
        let mut builder = Builder::new(Spanned);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.head)
            .max_headers(FIELDS)
            .max_buf_size(HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD as u32)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(WINDOW as usize);
        builder
    }
}

/// Runs the streams of an HTTP/2 connection, each a task, within the connection's span: its lines carry the connection.
#[derive(Clone, Copy)]
struct Spanned;

impl<F> hyper::rt::Executor<F> for Spanned
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        hyper::rt::Executor::execute(&TokioExecutor::new(), stream.in_current_span());
    }
}

/// Two hosts are refused, and HTTP/1.1 without one. Which one it is doesn't matter: there is one site here.
fn is_host_clear<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() != Version::HTTP_11)
}

/// One request in progress on a connection.
struct Held(watch::Sender<usize>);

impl Held {
    fn new(open: watch::Sender<usize>) -> Self {
        open.send_modify(|requests| *requests += 1);
        Self(open)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0
            .send_modify(|requests| *requests = requests.saturating_sub(1));
    }
}

/// Returns once no request was in progress for this long.
async fn idle(mut requests: watch::Receiver<usize>, limit: Duration) {
    loop {
        let busy = *requests.borrow_and_update() > 0;
        let changed = requests.changed();
        let ended = match busy {
            true => changed.await.is_err(),
            false => !matches!(timeout(limit, changed).await, Ok(Ok(()))),
        };
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_named() {
        let clear = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            is_host_clear(&request.body(()).expect("a request"))
        };
        assert!(clear(Version::HTTP_11, &["mail.party.example"]));
        assert!(!clear(Version::HTTP_11, &[]));
        assert!(clear(Version::HTTP_10, &[]) && clear(Version::HTTP_2, &[]));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(!clear(version, &["mail.party.example", "other.example"]));
        }
    }
}
