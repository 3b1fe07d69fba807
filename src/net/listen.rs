//! The accept loop, for any door that speaks over TCP. It lets connections in, hands them over, and on a stop signal
//! waits until they are done.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;

/// How long the loop rests when the system has no more descriptors or memory: the connection stays in the kernel's
/// queue, so accepting again at once would spin.
const REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Where connections come from.
pub trait Accept: Send + Sync {
    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        Self::accept(self)
    }
}

/// Accepts connections until `stop`, and returns when the last one is done. `serve` must heed the same signal.
///
/// A connection that `admission` has no place for gets `sorry` (empty where TLS comes first) and is closed.
pub async fn listen<L, A, F, Served>(
    listener: L,
    admission: Arc<A>,
    sorry: &'static [u8],
    stop: CancellationToken,
    serve: F,
) where
    L: Accept,
    A: Admission,
    F: Fn(TcpStream, IpAddr) -> Served,
    Served: Future<Output = ()> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let mut rest = REST;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                rest = REST;
                let Some(permit) = admission.admit(peer.ip()) else {
                    turn_away(&socket, sorry);
                    continue;
                };
                // Without this, Nagle's algorithm and delayed ACKs cost 45 ms for each STARTTLS.
                let _ = socket.set_nodelay(true);
                let served = serve(socket, peer.ip());
                tasks.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept connections now: raise LimitNOFILE= or lower the connection limits");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(rest) => {}
                }
                rest = (rest * 2).min(LONGEST_REST);
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Errors of the one connection that is gone already (accept(2) passes them on).
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// A new socket's buffer is empty, so this takes a short text whole or, on a dead socket, not at all.
fn turn_away(socket: &TcpStream, sorry: &[u8]) {
    if !sorry.is_empty() {
        let _ = socket.try_write(sorry);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::admission::ConnectionLimits;
    use super::*;

    const A_WHILE: Duration = Duration::from_secs(60);

    async fn local() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    async fn read_all(address: SocketAddr) -> String {
        let mut socket = TcpStream::connect(address).await.expect("connects");
        let mut text = String::new();
        socket.read_to_string(&mut text).await.expect("reads");
        text
    }

    #[tokio::test]
    async fn one_too_many_is_told_so_and_a_place_comes_back() {
        let (listener, address) = local().await;
        let stop = CancellationToken::new();
        let limits = Arc::new(ConnectionLimits::new(1, 1));
        let greet = |mut socket: TcpStream, _| async move {
            let _ = socket.write_all(b"hello").await;
            let _ = socket.read(&mut [0]).await;
        };
        let loop_ = tokio::spawn(listen(
            listener,
            Arc::clone(&limits),
            b"sorry",
            stop.clone(),
            greet,
        ));
        let mut first = TcpStream::connect(address).await.expect("connects");
        first.read_exact(&mut [0; 5]).await.expect("greeted");
        assert_eq!(read_all(address).await, "sorry");
        drop(first);
        let free = async {
            while limits.open() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(A_WHILE, free)
            .await
            .expect("a place is free");
        let mut next = TcpStream::connect(address).await.expect("connects");
        let mut text = [0; 5];
        next.read_exact(&mut text).await.expect("greeted");
        assert_eq!(&text, b"hello");
        drop(next);
        stop.cancel();
        loop_.await.expect("ends");
    }

    #[tokio::test]
    async fn a_stop_waits_for_those_inside_and_lets_nobody_in() {
        let (listener, address) = local().await;
        let stop = CancellationToken::new();
        let (done, served) = tokio::sync::oneshot::channel::<()>();
        let gate = Arc::new(tokio::sync::Mutex::new(Some(served)));
        let wait = move |mut socket: TcpStream, _| {
            let gate = Arc::clone(&gate);
            async move {
                let _ = socket.write_all(b"in").await;
                if let Some(served) = gate.lock().await.take() {
                    let _ = served.await;
                }
            }
        };
        let limits = Arc::new(ConnectionLimits::new(9, 9));
        let loop_ = tokio::spawn(listen(listener, limits, b"", stop.clone(), wait));
        let mut inside = TcpStream::connect(address).await.expect("connects");
        inside.read_exact(&mut [0; 2]).await.expect("is in");
        stop.cancel();
        let closed = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(A_WHILE, closed)
            .await
            .expect("nobody gets in");
        assert!(!loop_.is_finished(), "one is still inside");
        done.send(()).expect("still served");
        loop_.await.expect("ends");
    }

    /// A listener in a process that has run out of descriptors.
    struct Exhausted(Arc<AtomicUsize>);

    impl Accept for Exhausted {
        async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            self.0.fetch_add(1, Ordering::Relaxed);
            // EMFILE
            Err(io::Error::from_raw_os_error(24))
        }
    }

    #[tokio::test]
    async fn no_descriptors_left_does_not_spin() {
        let tries = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let loop_ = tokio::spawn(listen(
            Exhausted(Arc::clone(&tries)),
            Arc::new(ConnectionLimits::new(9, 9)),
            b"",
            stop.clone(),
            |_, _| async {},
        ));
        tokio::time::sleep(Duration::from_millis(250)).await;
        stop.cancel();
        loop_.await.expect("ends");
        assert!((1..=4).contains(&tries.load(Ordering::Relaxed)));
    }
}
