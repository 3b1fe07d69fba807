//! The tokio driver: it moves octets between a socket, a session and a maildrop, and keeps the time.

mod locks;
mod talk;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::host::{Host, Refusal};
use super::limits::{BUFFERS, Limits, Timeouts};
use super::session::err;
use crate::net::ConnectionId;
use crate::net::admission::Admission;
use crate::net::listen::listen;
use crate::net::wire::Wire;
use crate::tls::{Handshake, Refusals, TlsInfo};
use locks::Locks;

/// The door's name in logs and counts.
const NAME: &str = "pop3s";

/// The door. All its connections share it.
pub struct Door<H> {
    host: Arc<H>,
    tls: TlsAcceptor,
    limits: Limits,
    timeouts: Timeouts,
    refusals: Arc<Refusals>,
    locks: Locks,
}

/// Why a connection ended other than by agreement.
#[derive(Debug, thiserror::Error)]
enum Gone {
    /// The peer went, or its socket broke.
    #[error("the peer is gone: {0}")]
    Peer(#[from] io::Error),
    /// Nobody logged in for too long.
    #[error("nobody logged in in time")]
    Silent,
    /// Who had logged in said nothing for too long.
    #[error("the peer was silent for too long")]
    Idle,
    /// Who had logged in may not be here any more.
    #[error("the account or the password was revoked")]
    Revoked,
    /// A message could not be read to its end: what was sent of it must not look whole.
    #[error("a message can't be read: {0}")]
    Unreadable(#[from] crate::store::StoreError),
    /// We are asked to stop.
    #[error("the service stops")]
    Stopped,
    /// The service stops, or who had logged in may not be here any more, in the middle of a message or a list.
    #[error("it was cut short: the service stops, or the account or the password was revoked")]
    CutShort,
}

impl Gone {
    /// The last words, where somebody may still hear them. In the middle of a message they would be part of it.
    fn last(&self) -> Vec<u8> {
        match self {
            Self::Peer(_) | Self::Unreadable(_) | Self::CutShort => Vec::new(),
            // RFC 1939 §3: nothing is said then.
            Self::Idle => Vec::new(),
            Self::Silent => err("[SYS/TEMP] Waited too long"),
            Self::Revoked => err("[AUTH] This account or password was ended"),
            Self::Stopped => err("[SYS/TEMP] The service stops, please dial again"),
        }
    }
}

impl<H: Host> Door<H> {
    /// A door with the usual limits.
    pub fn new(host: Arc<H>, tls: TlsAcceptor) -> Self {
        Self {
            host,
            tls,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            refusals: Arc::default(),
            locks: Locks::default(),
        }
    }

    /// The same door with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits, timeouts: Timeouts) -> Self {
        Self {
            limits,
            timeouts,
            ..self
        }
    }

    /// The same door, counting handshakes that come to nothing here.
    #[must_use]
    pub fn with_refusals(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals, ..self }
    }

    /// Serves a listener until `stop`, and returns when all connections are done.
    pub async fn listen<A: Admission>(
        self: Arc<Self>,
        listener: TcpListener,
        admission: Arc<A>,
        stop: CancellationToken,
    ) {
        let stopping = stop.clone();
        let serve = move |socket, client| {
            let (door, stop) = (Arc::clone(&self), stopping.clone());
            async move { door.serve(socket, client, stop).await }
        };
        // TLS comes first: whoever has no place hears nothing.
        listen(listener, admission, &[], stop, serve).await;
    }

    /// Serves one connection to its end.
    pub async fn serve<S>(&self, socket: S, client: IpAddr, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let connection = ConnectionId::random();
        let span = tracing::info_span!("pop3", %connection);
        self.serve_as(socket, client, &stop).instrument(span).await;
    }

    async fn serve_as<S>(&self, socket: S, client: IpAddr, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let handshake = Handshake {
            tls: &self.tls,
            door: NAME,
            refusals: &self.refusals,
            until: Instant::now() + self.timeouts.handshake,
        };
        let Some((stream, tls)) = handshake.shake(socket, client, stop).await else {
            return;
        };
        let wire = Wire::new(stream, self.timeouts.waits, BUFFERS);
        self.talk(wire, tls, client, stop).await;
    }

    /// Runs what follows the handshake.
    async fn talk<S>(
        &self,
        mut wire: Wire<S>,
        tls: TlsInfo,
        client: IpAddr,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let last = if self.host.in_service() {
            match self.converse(&mut wire, tls, client, stop).await {
                Ok(last) => last,
                Err(gone) => {
                    tracing::debug!(%gone, "ended");
                    if let Gone::CutShort = gone {
                        wire.output().clear();
                    }
                    gone.last()
                }
            }
        } else {
            let Refusal { code, text } = Refusal::not_in_service();
            err(&format!("[{code}] {text}"))
        };
        let _ = wire.close(&last).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
