//! The book of keys: which pair signs for which domain and kind of mail, which is to follow it, and which has signed until
//! lately. It is one sealed value; what may be done to it is decided here, and nothing here knows DNS or the store.
//!
//! A pair's life: *next* (made, its records are to be published) → *live* (it signs) → *kept* (it signs no more; its
//! records stay for mail that is still on its way) → *removable* → forgotten, once its records are gone from DNS.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::stream::Stream;
use crate::address::Domain;
use crate::message::dkim::{Algorithm, KeyError, SelectedKey, SigningKey};

/// How long the records of a pair stay after another took over: longer than any server tries to deliver a mail.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A private key as text, wiped when it goes.
#[derive(Clone)]
pub(super) struct Private(pub(super) Zeroizing<String>);

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Private {
    pub(super) fn of(key: &SigningKey) -> Result<Self, KeyError> {
        use base64::Engine as _;
        let der = key.to_pkcs8()?;
        let text = base64::engine::general_purpose::STANDARD.encode(&*der);
        Ok(Self(Zeroizing::new(text)))
    }

    fn key(&self) -> Result<SigningKey, KeyError> {
        use base64::Engine as _;
        let der = base64::engine::general_purpose::STANDARD.decode(self.0.as_bytes());
        SigningKey::from_pkcs8(&Zeroizing::new(der.map_err(|_| KeyError::NotAKey)?))
    }
}

/// One key of a pair.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Half {
    pub(super) selector: String,
    /// The text of its record.
    pub(super) record: String,
    /// Gone once it signs no more.
    pub(super) private: Option<Private>,
}

/// The two keys that sign together.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pair {
    /// For which domain; none is the first pair of an older installation, which serves whatever has no pair of its own.
    pub(super) domain: Option<Domain>,
    /// For which kind of mail; none as above.
    pub(super) stream: Option<Stream>,
    /// Counts up with each rotation, so that no selector comes twice.
    pub(super) number: u32,
    /// The RSA key, which all receivers check; then the Ed25519 key.
    pub(super) halves: Vec<Half>,
    pub(super) made_at: Timestamp,
    pub(super) live_at: Option<Timestamp>,
    pub(super) retired_at: Option<Timestamp>,
}

/// Which pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PairId {
    /// For which domain; none is the first pair of an older installation.
    pub domain: Option<Domain>,
    /// For which kind of mail; none as above.
    pub stream: Option<Stream>,
    /// Counts up with each rotation.
    pub number: u32,
}

/// Where a pair stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its records are to be published; then it takes over.
    Next,
    /// It signs.
    Live,
    /// It signs no more, and its records stay.
    Kept,
    /// Its records can be taken out of DNS.
    Removable,
}

impl Pair {
    pub(super) fn new(
        domain: Option<Domain>,
        stream: Option<Stream>,
        number: u32,
        halves: Vec<Half>,
        now: Timestamp,
    ) -> Self {
        Self {
            domain,
            stream,
            number,
            halves,
            made_at: now,
            live_at: None,
            retired_at: None,
        }
    }

    pub(super) fn id(&self) -> PairId {
        PairId {
            domain: self.domain.clone(),
            stream: self.stream,
            number: self.number,
        }
    }

    pub(super) fn phase(&self, now: Timestamp) -> Phase {
        match (self.live_at, self.retired_at) {
            (None, _) => Phase::Next,
            (_, None) => Phase::Live,
            (_, Some(at)) if now < keep_until(at) => Phase::Kept,
            _ => Phase::Removable,
        }
    }

    fn is_next(&self) -> bool {
        self.live_at.is_none()
    }

    fn is_live(&self) -> bool {
        self.live_at.is_some() && self.retired_at.is_none()
    }

    pub(super) fn is_of(&self, domain: &Domain, stream: Stream) -> bool {
        self.domain.as_ref() == Some(domain) && self.stream == Some(stream)
    }

    /// Whether it serves whatever has no pair of its own.
    fn is_first(&self) -> bool {
        self.domain.is_none()
    }

    pub(super) fn selected(&self) -> Result<Vec<SelectedKey>, KeyError> {
        let halves = self.halves.iter();
        let kept = halves.filter_map(|half| Some((half, half.private.as_ref()?)));
        kept.map(|(half, private)| {
            Ok(SelectedKey {
                selector: half.selector.clone(),
                key: private.key()?,
            })
        })
        .collect()
    }

    fn retire(&mut self, now: Timestamp) {
        self.retired_at = Some(now);
        for half in &mut self.halves {
            half.private = None;
        }
    }
}

/// Until when the records of a pair stay that signed until then.
pub(super) fn keep_until(retired: Timestamp) -> Timestamp {
    retired.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX)
}

/// Which algorithm a record's text is of.
pub(super) fn algorithm_of(record: &str) -> Algorithm {
    match record.contains("k=ed25519") {
        true => Algorithm::Ed25519Sha256,
        false => Algorithm::RsaSha256,
    }
}

/// All pairs.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) pairs: Vec<Pair>,
}

impl Book {
    /// From its bytes; none if they're no book.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Its bytes, to be sealed.
    pub(super) fn write(&self) -> Zeroizing<Vec<u8>> {
        // Enough room at once: a vector that grows leaves pieces of a key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096 * (self.pairs.len() + 1)));
        // Texts and times always have a form.
        let _ = serde_json::to_writer(&mut *bytes, self);
        bytes
    }

    /// The pair that signs this kind of mail for this domain.
    pub(super) fn live(&self, domain: &Domain, stream: Stream) -> Option<&Pair> {
        let live = || self.pairs.iter().filter(|pair| pair.is_live());
        let own = live().find(|pair| pair.is_of(domain, stream));
        own.or_else(|| live().find(|pair| pair.is_first()))
    }

    /// The pair that is to follow.
    pub(super) fn next(&self, domain: &Domain, stream: Stream) -> Option<&Pair> {
        let mut all = self.pairs.iter();
        all.find(|pair| pair.is_next() && pair.is_of(domain, stream))
    }

    /// The number of a new pair.
    pub(super) fn number(&self, domain: &Domain, stream: Stream) -> u32 {
        let own = self.pairs.iter().filter(|pair| pair.is_of(domain, stream));
        own.map(|pair| pair.number).max().unwrap_or(0) + 1
    }

    /// The pair that is to follow takes over. The first pair of an older installation ends with its last use. Says
    /// whether there was one to follow.
    pub(super) fn switch(
        &mut self,
        domain: &Domain,
        stream: Stream,
        all: &[Domain],
        now: Timestamp,
    ) -> bool {
        let own = |pair: &&mut Pair| pair.is_of(domain, stream);
        if !self
            .pairs
            .iter()
            .any(|pair| pair.is_next() && pair.is_of(domain, stream))
        {
            return false;
        }
        for pair in self.pairs.iter_mut().filter(own) {
            if pair.is_next() {
                pair.live_at = Some(now);
            } else if pair.is_live() {
                pair.retire(now);
            }
        }
        let served = |domain: &Domain, stream| {
            let mut pairs = self.pairs.iter();
            pairs.any(|pair| pair.is_live() && pair.is_of(domain, stream))
        };
        let needed = all
            .iter()
            .any(|domain| Stream::ALL.iter().any(|stream| !served(domain, *stream)));
        let firsts = self.pairs.iter_mut();
        for first in firsts.filter(|pair| pair.is_first() && pair.is_live() && !needed) {
            first.retire(now);
        }
        true
    }

    /// Forgets a pair whose records can be removed. Says whether there was one.
    pub(super) fn forget(&mut self, which: &PairId, now: Timestamp) -> bool {
        let before = self.pairs.len();
        let gone = |pair: &Pair| pair.id() == *which && pair.phase(now) == Phase::Removable;
        self.pairs.retain(|pair| !gone(pair));
        self.pairs.len() < before
    }
}
