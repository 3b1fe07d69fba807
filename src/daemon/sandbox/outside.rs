//! The world outside: an SMTP host with STARTTLS that takes mail for every address and keeps it in memory.
//!
//! It is a peer, not a part of the product's own door: it shares no code with `smtp::server`, so that what both ends get
//! wrong in the same way still shows. It insists on TLS like the rest of the sandbox. [`Manners`] can make it behave
//! badly; the stories use that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;
use crate::daemon::sandbox::inbox::Inbox;

mod talk;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 500;

/// A step at which a server may misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Before the greeting.
    Greeting,
    /// EHLO, in the clear or not.
    Hello,
    /// STARTTLS, before its reply.
    StartTls,
    /// After the reply to STARTTLS, before the handshake.
    Handshake,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// The end of the data came; nothing is kept yet.
    Dot,
    /// The mail is kept; its reply isn't written.
    Kept,
    /// Before each read.
    Read,
}

/// What a server does at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// What it should.
    GoOn,
    /// Waits, then goes on.
    Wait(Duration),
    /// Answers this line instead.
    Reply(String),
    /// Says nothing more.
    Stall,
    /// Writes this as it is and closes.
    SayAndClose(String),
    /// Closes the connection.
    Close,
}

/// How a server behaves.
pub trait Manners: Send + Sync + 'static {
    /// What it does at a step; `what` is the address of a MAIL or RCPT, the first recipient at DATA and at the dot, the name
    /// of an EHLO, else empty.
    fn at(&self, at: At, what: &str) -> Act {
        let _ = (at, what);
        Act::GoOn
    }

    /// Whether its EHLO offers STARTTLS.
    fn offers_starttls(&self) -> bool {
        true
    }

    /// Extensions in its EHLO inside TLS.
    fn extensions(&self) -> &[&str] {
        &[
            "PIPELINING",
            "SIZE 52428800",
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "ENHANCEDSTATUSCODES",
        ]
    }
}

/// The sandbox's manners.
#[derive(Debug, Clone, Copy)]
pub struct Polite;

impl Manners for Polite {}

/// What has happened at the outside's door.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    handshakes: AtomicU64,
    messages: AtomicU64,
    open: AtomicU64,
    plaintext: AtomicU64,
}

impl Counters {
    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// TLS handshakes that succeeded.
    pub fn handshakes(&self) -> u64 {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// Messages kept.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Commands in the clear that would have carried mail. Always 0 if we keep our word.
    pub fn plaintext(&self) -> u64 {
        self.plaintext.load(Ordering::Relaxed)
    }
}

pub(super) struct World<M> {
    inbox: Inbox,
    clock: Clock,
    manners: M,
    counters: Arc<Counters>,
    tls: TlsAcceptor,
}

/// The outside world at work. Dropping it closes its door and all its connections.
#[derive(Debug)]
pub struct Outside {
    address: SocketAddr,
    inbox: Inbox,
    counters: Arc<Counters>,
    door: AbortHandle,
}

impl Outside {
    /// Starts to take mail at `listener`.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn start(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        inbox: Inbox,
        clock: Clock,
        manners: impl Manners,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let world = Arc::new(World {
            inbox: inbox.clone(),
            clock,
            manners,
            counters: counters.clone(),
            tls: TlsAcceptor::from(tls),
        });
        let door = tokio::spawn(accept(listener, world)).abort_handle();
        Ok(Self {
            address,
            inbox,
            counters,
            door,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has received.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// What has happened.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.door.abort();
    }
}

async fn accept<M: Manners>(listener: TcpListener, world: Arc<World<M>>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Ends with this task, and takes the conversations with it.
    let mut talks = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = talks.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: don't spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let world = world.clone();
        talks.spawn(async move {
            let _place = place;
            serve(stream, &world).await;
        });
    }
}

async fn serve<M: Manners>(stream: TcpStream, world: &World<M>) {
    let _open = Open::new(&world.counters);
    let number = world.counters.connections.fetch_add(1, Ordering::Relaxed) + 1;
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // A conversation that ends badly is the client's to notice.
    let _ = talk::plain_then_tls(stream, number, world).await;
}

/// Counts a connection as open while it lives.
struct Open<'a>(&'a Counters);

impl<'a> Open<'a> {
    fn new(counters: &'a Counters) -> Self {
        counters.open.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
