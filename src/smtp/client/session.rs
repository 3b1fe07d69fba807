//! The phases of a conversation, as types: [`Plain`] can only become [`Encrypted`], and only `Encrypted` can begin a
//! message. Each step takes the session and gives the next one; what fails drops the connection.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::delivery::policy::TlsPolicy;
use crate::smtp::client::capabilities::Capabilities;
use crate::smtp::client::command::HelloName;
use crate::smtp::client::core::Core;
use crate::smtp::client::envelope::{Envelope, Unfit};
use crate::smtp::client::error::ClientError;
use crate::smtp::client::phase::{Phase, Timeouts};
use crate::smtp::client::tls::{TlsFailure, TlsRecord, TlsSetup};
use crate::smtp::client::transaction::Opening;
use crate::smtp::client::wire::{Stream, Wire};
use crate::tls::CertificateFault;

/// How often and how long a connection is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Transactions on one connection; a smaller limit of the server's (RFC 9422) holds too.
    pub transactions: u32,
    /// The longest a connection is kept without a transaction.
    pub idle: Duration,
    /// The longest a connection is used at all.
    pub age: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            transactions: 1_000,
            idle: Duration::from_secs(20),
            age: Duration::from_secs(600),
        }
    }
}

/// All that outbound connections share.
#[derive(Debug, Clone)]
pub struct Dialer {
    /// Our name in EHLO.
    pub hello: HelloName,
    /// TLS.
    pub tls: TlsSetup,
    /// The time for each phase.
    pub timeouts: Timeouts,
    /// How long connections are used.
    pub limits: SessionLimits,
    /// The addresses to connect from, one a family; without one, the system chooses.
    pub sources: Vec<IpAddr>,
}

impl Dialer {
    /// Connects, from the address that is set for the target's family.
    pub(super) async fn connect(&self, target: SocketAddr) -> std::io::Result<TcpStream> {
        let mut sources = self.sources.iter();
        let Some(source) = sources.find(|source| source.is_ipv4() == target.is_ipv4()) else {
            return TcpStream::connect(target).await;
        };
        let socket = match target {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(*source, 0))?;
        socket.connect(target).await
    }

    /// Connects, greets, encrypts and greets again. `name` is the server's name for SNI and for the record of what its
    /// certificate proves: the MX host's, not the mail domain's.
    ///
    /// # Errors
    /// [`ClientError`]; without TLS always [`ClientError::Tls`].
    pub async fn dial(
        &self,
        target: SocketAddr,
        name: &ServerName<'static>,
        policy: &TlsPolicy,
    ) -> Result<Encrypted<TcpStream>, ClientError> {
        let stream = timeout(self.timeouts.connect, self.connect(target))
            .await
            .map_err(|_| ClientError::TimedOut(Phase::Connect))?
            .map_err(|error| ClientError::Connect(error.kind()))?;
        // Nagle's algorithm and delayed ACKs cost 45 ms a connection.
        stream
            .set_nodelay(true)
            .map_err(|error| ClientError::Connect(error.kind()))?;
        self.greet(stream).await?.encrypt(self, name, policy).await
    }

    /// Reads the greeting and says EHLO over a stream that is already connected.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn greet<S: Stream>(&self, stream: S) -> Result<Plain<S>, ClientError> {
        let mut wire = Wire {
            stream,
            core: Core::new(),
            timeouts: self.timeouts.clone(),
        };
        wire.answer().await?;
        wire.core.hello(&self.hello);
        wire.answer().await?;
        Ok(Plain { wire })
    }
}

/// A session in the clear. It can become encrypted, or end.
#[derive(Debug)]
pub struct Plain<S> {
    wire: Wire<S>,
}

impl<S: Stream> Plain<S> {
    /// STARTTLS, the handshake, and EHLO again. What was known before is forgotten (RFC 3207 §4.2).
    ///
    /// # Errors
    /// [`ClientError::Tls`] whatever kept the session from becoming encrypted; others after that.
    pub async fn encrypt(
        mut self,
        dialer: &Dialer,
        name: &ServerName<'static>,
        policy: &TlsPolicy,
    ) -> Result<Encrypted<S>, ClientError> {
        if !self.wire.core.offered().start_tls {
            return Err(TlsFailure::NotOffered.into());
        }
        let config = dialer.tls.config(policy)?;
        self.wire.core.start_tls();
        let reply = self.wire.answer().await.map_err(unanswered)?;
        if !reply.is_positive() {
            return Err(TlsFailure::Refused(reply).into());
        }
        if self.wire.core.has_unasked() {
            return Err(TlsFailure::Injected.into());
        }
        // From here on there is nothing but the socket: the core with its buffer and capabilities is dropped.
        let Self {
            wire: Wire {
                stream, timeouts, ..
            },
        } = self;
        let connector = TlsConnector::from(config);
        let stream = timeout(timeouts.handshake, connector.connect(name.clone(), stream))
            .await
            .map_err(|_| TlsFailure::Stalled)?
            .map_err(|error| handshake_failure(&error))?;
        let record = dialer.tls.record(stream.get_ref().1, name, policy);
        let mut wire = Wire {
            stream,
            core: Core::inside_tls(),
            timeouts,
        };
        wire.core.hello(&dialer.hello);
        wire.answer().await?;
        Ok(Encrypted(Box::new(Inner {
            wire,
            record,
            name: name.clone(),
            limits: dialer.limits.clone(),
            begun: 0,
            since: Instant::now(),
            last_used: Instant::now(),
        })))
    }
}

/// Whatever comes instead of a yes to STARTTLS, there is no encryption.
fn unanswered(error: ClientError) -> TlsFailure {
    match error {
        ClientError::Refused(_, reply) => TlsFailure::Refused(reply),
        error => TlsFailure::Unanswered(Box::new(error)),
    }
}

fn handshake_failure(error: &std::io::Error) -> TlsFailure {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(tls) => match CertificateFault::of(tls) {
            Some(fault) => TlsFailure::Certificate(fault),
            None => TlsFailure::Handshake(tls.to_string()),
        },
        None => TlsFailure::Closed,
    }
}

#[derive(Debug)]
pub(super) struct Inner<S> {
    pub(super) wire: Wire<TlsStream<S>>,
    record: TlsRecord,
    name: ServerName<'static>,
    limits: SessionLimits,
    pub(super) begun: u32,
    since: Instant,
    pub(super) last_used: Instant,
}

/// An encrypted session with no transaction open. The only type from which a message can begin.
#[derive(Debug)]
pub struct Encrypted<S>(pub(super) Box<Inner<S>>);

impl<S: Stream> Encrypted<S> {
    /// What the server offers inside TLS.
    pub fn offered(&self) -> &Capabilities {
        self.0.wire.core.offered()
    }

    /// How the session is encrypted.
    pub fn tls(&self) -> &TlsRecord {
        &self.0.record
    }

    /// The name that the server was asked for by.
    pub fn server_name(&self) -> &ServerName<'static> {
        &self.0.name
    }

    /// Transactions begun on this connection.
    pub fn begun(&self) -> u32 {
        self.0.begun
    }

    /// Begins a transaction. Nothing is written before [`Opening::opened`] is awaited.
    ///
    /// # Errors
    /// The session back and [`Unfit`], if the server can't take the message.
    pub fn begin(mut self, envelope: &Envelope) -> Result<Opening<S>, (Self, Unfit)> {
        match self.0.open(envelope) {
            Ok(()) => Ok(Opening::new(self.0)),
            Err(unfit) => Err((self, unfit)),
        }
    }

    /// Whether the connection has done its share: too many messages, too old, or closing.
    pub fn is_spent(&self) -> bool {
        self.0.is_spent()
    }

    /// Whether a connection that was put aside can be used again. Looks for a server's 421 or end without waiting.
    pub fn is_reusable(&mut self) -> bool {
        !self.0.is_spent()
            && self.0.last_used.elapsed() < self.0.limits.idle
            && self.0.wire.is_quiet()
    }

    /// Ends the session politely. Nothing hangs on the answer.
    pub async fn quit(mut self) {
        self.0.wire.core.quit();
        if self.0.wire.answer().await.is_ok() {
            let limit = self.0.wire.timeouts.quit;
            let _ = timeout(
                limit,
                tokio::io::AsyncWriteExt::shutdown(&mut self.0.wire.stream),
            )
            .await;
        }
    }
}

impl<S: Stream> Inner<S> {
    pub(super) fn open(&mut self, envelope: &Envelope) -> Result<(), Unfit> {
        self.wire.core.open(envelope)?;
        self.begun += 1;
        Ok(())
    }

    pub(super) fn is_spent(&self) -> bool {
        let stated = self.wire.core.offered().mail_max.unwrap_or(u32::MAX);
        self.wire.core.is_closing()
            || self.begun >= self.limits.transactions.min(stated)
            || self.since.elapsed() >= self.limits.age
    }
}
