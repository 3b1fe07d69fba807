//! The tokio driver: it moves octets between a socket, a session and a host, and keeps the time.
//!
//! There are two parts that can't be mixed up. [`Door::secure`] speaks with [`Open`] over the bare socket and has no
//! use for the host; [`Door::take_mail`] runs a [`Session`], whose [`super::Secured`] only a TLS stream can give.

mod mail;
mod wire;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::envelope::{ConnectionId, Role, TlsInfo};
use super::host::{Host, Refusal};
use super::limits::{Limits, Timeouts};
use super::session::{Open, OpenStep, Secured};
use crate::clock::Clock;
use crate::net::admission::Admission;
use crate::net::listen::listen;
use crate::net::wire::Wire;
use crate::smtp::reply::Reply;
use crate::tls::{Handshake, Refusals};
use wire::{BUFFERS, close, queue};

/// What those hear who come when there is no place.
const TOO_MANY: &[u8] = b"421 4.7.0 Too many connections, please try again later\r\n";

/// One SMTP door: its role, its host and its limits. All its connections share it.
pub struct Door<H> {
    role: Role,
    host_name: Arc<str>,
    host: Arc<H>,
    tls: TlsAcceptor,
    clock: Clock,
    limits: Arc<ArcSwap<Limits>>,
    timeouts: Timeouts,
    refusals: Arc<Refusals>,
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
}

impl Gone {
    /// The last words, where somebody may still hear them.
    fn reply(&self) -> Option<Reply> {
        match self {
            Self::Peer(_) => None,
            Self::Silent => Some(Reply::new(421, (4, 4, 2), "Waited too long")),
            Self::Stopped => Some(Reply::new(
                421,
                (4, 3, 2),
                "Service stops, please dial again",
            )),
            Self::Revoked => Some(Refusal::shut_out().into_reply()),
        }
    }
}

impl<H: Host> Door<H> {
    /// A door with the usual limits. `host_name` is what we call ourselves; the certificate should name it too.
    pub fn new(
        role: Role,
        host_name: impl Into<Arc<str>>,
        host: Arc<H>,
        tls: TlsAcceptor,
        clock: Clock,
    ) -> Self {
        Self {
            role,
            host_name: host_name.into(),
            host,
            tls,
            clock,
            limits: Arc::default(),
            timeouts: Timeouts::default(),
            refusals: Arc::default(),
        }
    }

    /// The same door with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.with_shared_limits(Arc::new(ArcSwap::from_pointee(limits)))
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

    /// Serves a listener until `stop`, then lets each connection finish the mail in progress, and returns when all are
    /// done. The caller bounds that wait.
    pub async fn listen<A: Admission>(
        self: Arc<Self>,
        listener: TcpListener,
        admission: Arc<A>,
        stop: CancellationToken,
    ) {
        let sorry = if self.role.is_implicit_tls() {
            &[]
        } else {
            TOO_MANY
        };
        let stopping = stop.clone();
        let serve = move |socket, client| {
            let (door, stop) = (Arc::clone(&self), stopping.clone());
            async move { door.serve(socket, client, stop).await }
        };
        listen(listener, admission, sorry, stop, serve).await;
    }

    /// Serves one connection to its end.
    pub async fn serve<S>(&self, socket: S, client: IpAddr, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let connection = ConnectionId::random();
        let span = tracing::info_span!("smtp", %connection, role = self.role.as_str());
        self.serve_as(connection, socket, client, &stop)
            .instrument(span)
            .await;
    }

    async fn serve_as<S>(
        &self,
        connection: ConnectionId,
        socket: S,
        client: IpAddr,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let until = self.first_deadline();
        if !self.host.in_service() {
            return self.turn_away(socket, client, until, stop).await;
        }
        let socket = if self.role.is_implicit_tls() {
            Some(socket)
        } else {
            self.secure(socket, until, stop).await
        };
        let Some(socket) = socket else { return };
        let Some((stream, tls)) = self.handshake(socket, client, until, stop).await else {
            return;
        };
        let secured = Secured::new(connection, self.role, client, tls);
        self.take_mail(self.wire(stream), secured, until, stop)
            .await;
    }

    /// Until when a new connection must have come to what it is for: a log-in, or a mail. Whoever doesn't come to it would
    /// hold a place that others need.
    fn first_deadline(&self) -> Instant {
        let wait = match self.role.is_submission() {
            true => self.timeouts.log_in,
            false => self.timeouts.next_mail,
        };
        Instant::now() + wait
    }

    /// Greets with 421 and closes; behind TLS where the client expects it.
    async fn turn_away<S>(
        &self,
        socket: S,
        client: IpAddr,
        until: Instant,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let sorry = Refusal::not_in_service().into_reply();
        if !self.role.is_implicit_tls() {
            let _ = close(self.wire(socket), Some(&sorry)).await;
        } else if let Some((stream, _)) = self.handshake(socket, client, until, stop).await {
            let _ = close(self.wire(stream), Some(&sorry)).await;
        }
    }

    /// Speaks in the clear up to STARTTLS. Only the socket goes on from here: not a buffer, not a name.
    async fn secure<S>(&self, socket: S, until: Instant, stop: &CancellationToken) -> Option<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut open = Open::new(Arc::clone(&self.host_name), **self.limits.load());
        let mut wire = self.wire(socket);
        let last = match self.speak_openly(&mut open, &mut wire, until, stop).await {
            Ok(OpenStep::StartTls(reply)) => {
                let ready = async {
                    queue(&mut wire, &reply).await?;
                    wire.flush().await
                };
                return match ready.await {
                    Ok(()) => wire.into_socket(),
                    Err(_) => None,
                };
            }
            Ok(OpenStep::Close(reply)) => Some(reply),
            Ok(OpenStep::NeedInput | OpenStep::Reply(_)) => None,
            Err(gone) => {
                tracing::debug!(%gone, "ended before TLS");
                gone.reply()
            }
        };
        let _ = close(wire, last.as_ref()).await;
        None
    }

    /// Answers until there is something final.
    async fn speak_openly<S>(
        &self,
        open: &mut Open,
        wire: &mut Wire<S>,
        until: Instant,
        stop: &CancellationToken,
    ) -> Result<OpenStep, Gone>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        queue(wire, &open.greeting()).await?;
        let mut deadline = Instant::now() + self.timeouts.command;
        loop {
            let (used, step) = open.advance(wire.input());
            wire.consume(used);
            match step {
                OpenStep::NeedInput => {
                    wire.flush().await?;
                    let stopped = async {
                        stop.cancelled().await;
                        Gone::Stopped
                    };
                    read(wire, deadline.min(until), stopped).await?;
                    continue;
                }
                OpenStep::Reply(reply) => queue(wire, &reply).await?,
                last @ (OpenStep::StartTls(_) | OpenStep::Close(_)) => return Ok(last),
            }
            deadline = Instant::now() + self.timeouts.command;
        }
    }

    /// A handshake that fails or stalls ends the connection; there is no way back to the clear.
    async fn handshake<S>(
        &self,
        socket: S,
        client: IpAddr,
        until: Instant,
        stop: &CancellationToken,
    ) -> Option<(TlsStream<S>, TlsInfo)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let handshake = Handshake {
            tls: &self.tls,
            door: self.role.as_str(),
            refusals: &self.refusals,
            until: until.min(Instant::now() + self.timeouts.handshake),
        };
        handshake.shake(socket, client, stop).await
    }

    fn wire<S>(&self, socket: S) -> Wire<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        Wire::new(socket, self.timeouts.waits, BUFFERS)
    }
}

/// Reads more before the deadline, unless something else ends the connection first.
async fn read<S>(
    wire: &mut Wire<S>,
    deadline: Instant,
    ended: impl Future<Output = Gone>,
) -> Result<(), Gone>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    tokio::select! {
        biased;
        gone = ended => Err(gone),
        outcome = timeout_at(deadline, wire.read()) => match outcome {
            Ok(read) => Ok(read?),
            Err(_) => Err(Gone::Silent),
        },
    }
}

#[cfg(test)]
mod tests;
