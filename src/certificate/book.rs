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

/// A private key as text, wiped when it goes.
#[derive(Clone)]
struct Private(Zeroizing<String>);

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
}

/// All of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) live: KeySet,
    pub(super) next: Option<Next>,
    /// The digests of the set before, whose records can be taken out of DNS.
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
        let wait = (ttl.min(LONGEST_TTL) * 2).max(LEAST_WAIT);
        next.seen_at = Some(now);
        next.wait_until = Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX));
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
        self.retired = self.live.digests();
        self.live = next.set;
        true
    }
}

/// When a certificate is to be renewed: as the authority says, or when two thirds of its life are over; never in its last
/// tenth, and never within a day of the last one.
pub(super) fn renew_at(issued: &Issued, hint: Option<Hint>) -> Timestamp {
    let life = issued.until.duration_since(issued.from);
    let part = |tenths: i32| {
        issued
            .from
            .saturating_add(life * tenths / 30)
            .unwrap_or(Timestamp::MAX)
    };
    let by_life = part(20);
    let wanted = hint.map_or(by_life, |hint| hint.renew_at.min(part(27)));
    let earliest = issued.got_at.saturating_add(BETWEEN.min(life / 3));
    wanted.max(earliest.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn issued(days: i64) -> Issued {
        let from: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        Issued {
            chain: String::new(),
            asked: Vec::new(),
            left_out: Vec::new(),
            got_at: from,
            from,
            until: from + SignedDuration::from_hours(24 * days),
            directory: String::new(),
        }
    }

    fn day(issued: &Issued, at: Timestamp) -> i64 {
        at.duration_since(issued.from).as_hours() / 24
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_or_as_the_authority_says() {
        let certificate = issued(90);
        assert_eq!(day(&certificate, renew_at(&certificate, None)), 60);
        let at = |days: i64| {
            let renew_at = certificate.from + SignedDuration::from_hours(24 * days);
            Some(Hint {
                renew_at,
                ask_again: renew_at,
            })
        };
        for (says, then) in [(30, 30), (70, 70), (89, 81), (200, 81)] {
            assert_eq!(day(&certificate, renew_at(&certificate, at(says))), then);
        }
        // It was revoked, say: at once, but not over and over.
        assert_eq!(day(&certificate, renew_at(&certificate, at(-1))), 1);
        assert_eq!(day(&issued(6), renew_at(&issued(6), None)), 4);
    }

    #[test]
    fn one_that_was_just_got_is_not_asked_for_again_whatever_the_clock_says() {
        let mut late = issued(90);
        late.got_at = late.from + SignedDuration::from_hours(24 * 80);
        assert_eq!(day(&late, renew_at(&late, None)), 81);
    }

    #[test]
    fn the_next_keys_wait_two_ttls_after_they_were_seen() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let mut book = Book::new(now).unwrap();
        let first = book.live.digests();
        assert!(!book.switch(), "there are none");
        book.next = Some(Next {
            set: KeySet::make(2, now).unwrap(),
            seen_at: None,
            wait_until: None,
        });
        let late = now + SignedDuration::from_hours(1000);
        assert!(!book.may_switch(late), "nobody has seen them");
        assert!(book.seen(now, SignedDuration::from_hours(3)));
        assert!(!book.seen(late, SignedDuration::from_hours(3)), "once");
        assert!(!book.may_switch(now + SignedDuration::from_mins(359)));
        assert!(book.may_switch(now + SignedDuration::from_hours(6)));
        let mut book = Book::read(&book.write()).unwrap();
        assert!(book.switch());
        assert_eq!(book.retired, first);
        assert_ne!(book.live.digests(), first);
        assert_eq!(book.live.number, 2);
    }

    #[test]
    fn a_ttl_of_nothing_still_waits_and_one_of_years_is_not_believed() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        for (ttl, hours) in [(0, 1), (24 * 365, 14 * 24)] {
            let mut book = Book::new(now).unwrap();
            book.next = Some(Next {
                set: book.live.clone(),
                seen_at: None,
                wait_until: None,
            });
            book.seen(now, SignedDuration::from_hours(ttl));
            assert!(!book.may_switch(now + SignedDuration::from_mins(hours * 60 - 1)));
            assert!(book.may_switch(now + SignedDuration::from_hours(hours)));
        }
    }
}
