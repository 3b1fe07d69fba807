//! The tokio driver: it moves octets between a socket, a session and a desk, and keeps the time.

mod places;
mod talk;
mod wire;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::desk::Ended;
use super::host::{Host, Refusal};
use super::limits::{Limits, Timeouts};
use crate::net::ConnectionId;
use crate::net::admission::Admission;
use crate::net::listen::listen;
use crate::net::wire::Wire;
use crate::tls::{Handshake, Refusals};
use places::Places;
use wire::BUFFERS;

/// The door's name in logs and counts.
const DOOR: &str = "imaps";

/// How many searches go on at once, over all connections.
const SEARCHES: usize = 4;

/// The IMAP door: its host and its limits. All its connections share it.
pub struct Door<H> {
    host: Arc<H>,
    tls: TlsAcceptor,
    limits: Arc<ArcSwap<Limits>>,
    timeouts: Timeouts,
    refusals: Arc<Refusals>,
    places: Places,
    searches: Arc<Semaphore>,
}

/// Why a connection ended other than by agreement.
#[derive(Debug, thiserror::Error)]
enum Gone {
    /// The peer went, or its socket broke.
    #[error("the peer is gone: {0}")]
    Peer(#[from] io::Error),
    /// The peer said nothing for too long.
    #[error("the peer was silent for too long")]
    Silent,
    /// We are asked to stop.
    #[error("the service stops")]
    Stopped,
    /// Who had logged in may not be here any more.
    #[error("the account or the password was revoked")]
    Revoked,
    /// The service stops, or who had logged in may not be here any more, while much was being said.
    #[error("it was cut short: the service stops, or the account or the password was revoked")]
    CutShort,
    /// The desk gave up.
    #[error(transparent)]
    Desk(Ended),
}

impl From<Ended> for Gone {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Peer(error) => Self::Peer(error),
            ended => Self::Desk(ended),
        }
    }
}

impl Gone {
    /// The last words, where somebody may still hear them.
    fn last_words(&self) -> &'static [u8] {
        match self {
            // In the middle of something said, more words would be taken for the rest of it.
            Self::Peer(_) | Self::CutShort | Self::Desk(Ended::HalfSaid | Ended::Peer(_)) => b"",
            Self::Silent => b"* BYE Waited too long\r\n",
            Self::Stopped => b"* BYE [UNAVAILABLE] Service stops, please dial again\r\n",
            // RFC 5530: whoever comes again needs another password, if they may come at all.
            Self::Revoked => b"* BYE [EXPIRED] This account or password was ended\r\n",
            Self::Desk(Ended::FolderGone) => {
                b"* BYE The folder is gone, or you are no longer let into it; please dial again\r\n"
            }
        }
    }
}

impl<H: Host> Door<H> {
    /// A door with the usual limits.
    pub fn new(host: Arc<H>, tls: TlsAcceptor) -> Self {
        Self {
            host,
            tls,
            limits: Arc::default(),
            timeouts: Timeouts::default(),
            refusals: Arc::default(),
            places: Places::default(),
            searches: Arc::new(Semaphore::new(SEARCHES)),
        }
    }

    /// The same door with limits that may change: each new connection is held to those of its beginning.
    #[must_use]
    pub fn with_shared_limits(self, limits: Arc<ArcSwap<Limits>>) -> Self {
        Self { limits, ..self }
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

    /// Serves a listener until `stop`, and returns when all connections are done. The caller bounds that wait.
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
        listen(listener, admission, &[], stop, serve).await;
    }

    /// Serves one connection to its end.
    pub async fn serve<S>(&self, socket: S, client: IpAddr, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let connection = ConnectionId::random();
        let span = tracing::info_span!("imap", %connection);
        let served = async {
            let handshake = Handshake {
                tls: &self.tls,
                door: DOOR,
                refusals: &self.refusals,
                until: Instant::now() + self.timeouts.handshake,
            };
            let Some((stream, tls)) = handshake.shake(socket, client, &stop).await else {
                return;
            };
            let wire = Wire::new(stream, self.timeouts.waits, BUFFERS);
            if self.host.in_service() {
                self.talk(wire, tls, client, &stop).await;
            } else {
                let Refusal { code, text } = Refusal::not_in_service();
                let _ = wire
                    .close(format!("* BYE [{code}] {text}\r\n").as_bytes())
                    .await;
            }
        };
        served.instrument(span).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
