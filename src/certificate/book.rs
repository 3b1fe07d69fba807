//! The book of our own keys: the set that is served, the set that is to follow it, and when a certificate is asked for. It
//! is one sealed value; what may be done to it is decided here, and nothing here knows an authority or the store.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::tls::{KeyKind, OwnKey, Pair, PairError, SelfMadeError};

/// The shortest time between two certificates for one key: a clock that was moved, or an authority whose certificates
/// are odd, must not make us ask without end.
const BETWEEN: SignedDuration = SignedDuration::from_hours(24);
/// The shortest wait for records that others remember.
const LEAST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// The longest TTL that is believed.
const LONGEST_TTL: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The TTL that is taken for that of the old records where nobody said it.
const UNKNOWN_TTL: SignedDuration = SignedDuration::from_hours(24);
/// Digests of keys from before that are remembered: the last few rotations'.
const RETIRED: usize = 16;

/// A private key as text (PEM), wiped when it goes.
#[derive(Clone)]
struct Private(Zeroizing<String>);

/// What stands for a line's end in JSON: a text with escapes is put together in memory that nobody wipes.
const LINE_END: u8 = b'|';

impl Private {
    fn with(text: String, from: u8, to: u8) -> Self {
        let mut bytes = text.into_bytes();
        let ends = bytes.iter_mut().filter(|byte| **byte == from);
        ends.for_each(|byte| *byte = to);
        // Both are ASCII, so that it is a text as before.
        Self(Zeroizing::new(String::from_utf8(bytes).unwrap_or_default()))
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kept = Self::with(String::clone(&self.0), b'\n', LINE_END);
        serializer.serialize_str(&kept.0)
    }
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::with(text, LINE_END, b'\n'))
    }
}

/// A certificate that an authority issued.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Issued {
    /// It and those between it and the root, in PEM.
    pub(super) chain: String,
    /// The names it was asked for. It may be for fewer: those that the authority would not have are told in `left_out`.
    pub(super) asked: Vec<String>,
    /// The names that the authority would not have, and why.
    #[serde(default)]
    pub(super) left_out: Vec<(String, String)>,
    pub(super) got_at: Timestamp,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// Of which directory.
    pub(super) directory: String,
}

impl Issued {
    /// The moment when so many thirtieths of its life are over.
    fn at(&self, thirtieths: i32) -> Timestamp {
        let life = self.until.duration_since(self.from);
        let at = self.from.saturating_add(life * thirtieths / 30);
        at.unwrap_or(Timestamp::MAX)
    }

    /// When its last tenth begins.
    fn last_call(&self) -> Timestamp {
        self.at(27)
    }
}

/// A key, and what was issued for it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) kind: KeyKind,
    key: Private,
    /// SHA-256 of its public half.
    pub(super) digest: [u8; 32],
    pub(super) issued: Option<Issued>,
}

impl Kept {
    fn make(kind: KeyKind) -> Result<Self, SelfMadeError> {
        let key = OwnKey::generate(kind)?;
        Ok(Self {
            kind,
            digest: key.public_digest()?,
            key: Private(Zeroizing::new(key.pem().to_owned())),
            issued: None,
        })
    }

    pub(super) fn key(&self) -> OwnKey {
        OwnKey::from_pem(self.key.0.clone())
    }

    /// The key with its certificate, or with one that it signs itself.
    pub(super) fn pair(&self, names: &[String], now: Timestamp) -> Result<Served, NoPair> {
        let chain = match &self.issued {
            Some(issued) => issued.chain.clone(),
            None => self.key().self_signed(names, now)?,
        };
        Ok(Served {
            pair: self.key().with_chain(&chain)?,
            kind: self.kind,
            key: self.key.0.clone(),
            chain,
        })
    }

    /// Whether there is a certificate of this authority for this name that is good for a while longer.
    pub(super) fn is_good_for(&self, name: &str, directory: &str, now: Timestamp) -> bool {
        let issued = self.issued.as_ref();
        let Some(issued) = issued.filter(|one| one.directory == directory && now < one.last_call())
        else {
            return false;
        };
        let pair = self.key().with_chain(&issued.chain);
        pair.is_ok_and(|pair| pair.serves_name(name))
    }
}

/// A key and its certificate, to be served.
pub(super) struct Served {
    pub(super) pair: Pair,
    pub(super) kind: KeyKind,
    pub(super) key: Zeroizing<String>,
    pub(super) chain: String,
}

/// Why a key can't be served.
#[derive(Debug, thiserror::Error)]
pub enum NoPair {
    /// It can't sign for itself.
    #[error(transparent)]
    Make(#[from] SelfMadeError),
    /// It doesn't go with its certificate.
    #[error(transparent)]
    Pair(#[from] PairError),
}

/// The keys that are served together.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeySet {
    pub(super) number: u32,
    pub(super) made_at: Timestamp,
    pub(super) keys: Vec<Kept>,
}

impl KeySet {
    /// New keys. It takes up to a second of a core.
    pub(super) fn make(number: u32, now: Timestamp) -> Result<Self, SelfMadeError> {
        let keys = KeyKind::ALL.map(Kept::make).into_iter();
        Ok(Self {
            number,
            made_at: now,
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn digests(&self) -> Vec<[u8; 32]> {
        self.keys.iter().map(|kept| kept.digest).collect()
    }
}

/// The set that is to be served next.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Next {
    pub(super) set: KeySet,
    /// When the last of its records was seen in DNS, and until when those remember who saw the set before.
    pub(super) seen_at: Option<Timestamp>,
    pub(super) wait_until: Option<Timestamp>,
    /// For how long others remembered the old records when this set was made, in seconds, if that is known: who lowers it
    /// with the new records changes nothing for those who asked before.
    #[serde(default)]
    pub(super) old_ttl: Option<i64>,
    /// They wait for no records, since there never were any.
    #[serde(default)]
    pub(super) unpublished: bool,
}

impl Next {
    pub(super) fn of(set: KeySet, old_ttl: Option<SignedDuration>) -> Self {
        Self {
            set,
            seen_at: None,
            wait_until: None,
            old_ttl: old_ttl.map(|ttl| ttl.as_secs()),
            unpublished: false,
        }
    }
}

/// All of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) live: KeySet,
    pub(super) next: Option<Next>,
    /// The digests of the sets before, whose records can be taken out of DNS.
    #[serde(default)]
    pub(super) retired: Vec<[u8; 32]>,
}

/// What an authority says of when to renew (ARI, RFC 9773).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hint {
    /// The moment that was chosen in its window.
    pub(super) renew_at: Timestamp,
    /// When to ask it again.
    pub(super) ask_again: Timestamp,
}

impl Book {
    pub(super) fn new(now: Timestamp) -> Result<Self, SelfMadeError> {
        Ok(Self {
            live: KeySet::make(1, now)?,
            next: None,
            retired: Vec::new(),
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn write(&self) -> Zeroizing<Vec<u8>> {
        // Enough room at once: a vector that grows leaves pieces of a key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(128 * 1024));
        serde_json::to_writer(&mut *bytes, self).expect("texts and times are JSON");
        bytes
    }

    /// Notes that the records of the next set are in DNS, where they may be remembered for `ttl`.
    pub(super) fn seen(&mut self, now: Timestamp, ttl: SignedDuration) -> bool {
        let Some(next) = self.next.as_mut().filter(|next| next.seen_at.is_none()) else {
            return false;
        };
        let old = next.old_ttl.map(SignedDuration::from_secs);
        let ttl = ttl.max(old.unwrap_or(UNKNOWN_TTL));
        let wait = (ttl.min(LONGEST_TTL) * 2).max(LEAST_WAIT);
        next.seen_at = Some(now);
        next.wait_until = Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX));
        true
    }

    /// Notes that the records of the next set are gone again: they're waited for anew.
    pub(super) fn unseen(&mut self) -> bool {
        let Some(next) = self.next.as_mut().filter(|next| next.seen_at.is_some()) else {
            return false;
        };
        (next.seen_at, next.wait_until) = (None, None);
        true
    }

    /// Whether the next set may be served: whoever looks the records up has them by now.
    pub(super) fn may_switch(&self, now: Timestamp) -> bool {
        let until = self.next.as_ref().and_then(|next| next.wait_until);
        until.is_some_and(|until| now >= until)
    }

    /// Serves the next set from now on.
    pub(super) fn switch(&mut self) -> bool {
        let Some(next) = self.next.take() else {
            return false;
        };
        self.retired.extend(self.live.digests());
        let old = self.retired.len().saturating_sub(RETIRED);
        self.retired.drain(..old);
        self.live = next.set;
        true
    }

    /// Forgets keys from before whose records are gone; whether there were any.
    pub(super) fn forget(&mut self, gone: &[[u8; 32]]) -> bool {
        let before = self.retired.len();
        self.retired.retain(|digest| !gone.contains(digest));
        self.retired.len() < before
    }
}

/// When a certificate is to be renewed: as the authority says, or when two thirds of its life are over; never in its last
/// tenth, and never within a day of the last one.
pub(super) fn renew_at(issued: &Issued, hint: Option<Hint>) -> Timestamp {
    let life = issued.until.duration_since(issued.from);
    let wanted = hint.map_or(issued.at(20), |hint| hint.renew_at.min(issued.last_call()));
    let earliest = issued.got_at.saturating_add(BETWEEN.min(life / 3));
    wanted.max(earliest.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests;
