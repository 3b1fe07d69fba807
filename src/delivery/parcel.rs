//! The contract between the delivery engine and the rooms that have mail to send. The engine knows destinations,
//! connections and outcomes; whose mail it is, how its bytes are made and where its fate is written down, only the room
//! knows.
//!
//! # The two steps (design §5, "Mail goes out")
//! A connection may send the next parcel's body while the last one's outcome is being written, but its final dot (or
//! `BDAT LAST`) leaves only after
//!
//! 1. the last outcome is durable ([`Parcel::settle`] has answered `Ok`), and
//! 2. the parcel gave its [`Clearance`], which is held until the dot is on the wire and wasn't [revoked][Permission].
//!
//! So at a crash at most one copy for each open connection has an unknown outcome, and nobody gets a copy whose
//! withdrawal was answered before the dot left.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::classify::Verdict;
use super::policy::TlsWish;
use crate::address::{Domain, EmailAddress};
use crate::store::{BodyReader, DsnWish, StoreError};

/// A future of a trait object's method.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What identifies a parcel among all that are under way: the id of its row.
pub type ParcelKey = [u8; 16];

/// The bytes of a mail, never held in memory twice.
pub enum MailBytes {
    /// Made for this recipient: parts are shared between copies.
    Chunks(Vec<Bytes>),
    /// A few bytes of our own (signatures), then a stored body, read as it is sent.
    Stored {
        /// Sent first.
        prefix: Bytes,
        /// Sent after it, chunk by chunk.
        body: BodyReader,
    },
}

/// A mail that is ready to be sent to one recipient.
pub struct Letter {
    /// The reverse-path; none for the null path.
    pub reverse_path: Option<EmailAddress>,
    /// The recipient.
    pub recipient: EmailAddress,
    /// The length in bytes, where known (RFC 1870).
    pub size: Option<u64>,
    /// Whether headers hold UTF-8 (RFC 6531).
    pub utf8: bool,
    /// Whether the body holds bytes above 127 (RFC 6152).
    pub eight_bit: bool,
    /// What its sender wants to be told (RFC 3461), if it is anything unusual.
    pub dsn: Option<Box<DsnWish>>,
    /// The bytes.
    pub bytes: MailBytes,
}

/// What comes of asking a parcel for its letter.
pub enum Loaded {
    /// It can be sent.
    Ready(Letter),
    /// It is not to be sent any more (withdrawn, cancelled, dropped): nothing is left to record.
    Gone,
    /// It can't be made now (paused, a sick store): the source will offer it again.
    NotNow,
}

/// Permission to let the final dot leave, held until it has.
pub trait Permission: Send {
    /// Returns when the permission is taken back. The connection is closed then, whether its write hasn't begun or is
    /// stuck: whoever took it back waits until the permission is dropped.
    fn revoked(&mut self) -> Boxed<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Nobody takes it back.
impl Permission for () {}

/// What [`Parcel::clearance`] gives.
pub type Clearance = Box<dyn Permission>;

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// What happened, by cause.
    pub fate: Fate,
    /// When.
    pub at: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Fate {
    /// The other server took it.
    Delivered,
    /// The other server took it, and tells the sender itself what they want to be told (RFC 3461).
    Entrusted,
    /// It was refused, or nobody could be reached over TLS; the verdict says for good or for now, and by what cause.
    /// `said` is the far end's code and text without addresses, bounded.
    Failed {
        /// For good or for now, and why.
        verdict: Verdict,
        /// What to tell staff.
        said: String,
    },
    /// The connection broke when the final dot had left and the reply had not come: it may have been taken.
    Unknown,
}

/// One mail to one recipient, on its way.
pub trait Parcel: Send + Sync {
    /// The id of its row.
    fn key(&self) -> ParcelKey;

    /// Where it goes.
    fn destination(&self) -> &Domain;

    /// Whether it is one of many alike, that a provider gets at its [pace](super::pace) and behind letters.
    fn is_bulk(&self) -> bool {
        false
    }

    /// What its sender asks of the connection.
    fn wish(&self) -> TlsWish {
        TlsWish::Usual
    }

    /// Records that an attempt begins, durably, and makes the letter. Called before dialling, or when a connection to
    /// its destination is free.
    fn load(&self) -> Boxed<'_, Loaded>;

    /// Asked right before the final dot: `None` if it must not leave any more (the engine then closes the connection
    /// without it and does not settle).
    fn clearance(&self) -> Boxed<'_, Option<Clearance>>;

    /// Writes down what came of the attempt. `Ok` means it is on the disk.
    fn settle(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>>;

    /// Writes down that its destination can't be reached, or wants to be left alone, before the parcel was loaded: all
    /// that wait for a destination share the fate of the one that was tried. It counts as an attempt. A room that can do
    /// it in one write, without making the letter, does.
    fn settle_unloaded(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.load().await {
                Loaded::Ready(_) => self.settle(attempted).await,
                Loaded::Gone | Loaded::NotNow => Ok(()),
            }
        })
    }

    /// Writes down that it isn't tried before `until`, and why, in words without addresses: its provider is left alone, or
    /// has had today's share. It is no attempt.
    fn put_off(&self, until: Timestamp, said: String) -> Boxed<'_, Result<(), StoreError>>;

    /// The attempt that [`Parcel::load`] recorded did not take place, for a reason of our own (we stop): no final dot
    /// left. A room may take the attempt back; what comes of it isn't waited for.
    fn untried(&self) -> Boxed<'_, ()> {
        Box::pin(async {})
    }
}

/// A room with mail to send. Sources may offer a parcel that is already under way; the engine drops the repeat.
pub trait Source: Send + Sync {
    /// What is due, the longest due first, at most `limit`.
    fn due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Boxed<'_, Result<Vec<Arc<dyn Parcel>>, StoreError>>;

    /// When something is due next; none while there is nothing.
    fn next_due(&self) -> Boxed<'_, Result<Option<Timestamp>, StoreError>>;
}
