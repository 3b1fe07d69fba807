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
        let no_wait = Some(SignedDuration::ZERO);
        book.next = Some(Next::of(KeySet::make(2, now).unwrap(), no_wait));
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
            let set = book.live.clone();
            book.next = Some(Next::of(set, Some(SignedDuration::ZERO)));
            book.seen(now, SignedDuration::from_hours(ttl));
            assert!(!book.may_switch(now + SignedDuration::from_mins(hours * 60 - 1)));
            assert!(book.may_switch(now + SignedDuration::from_hours(hours)));
        }
    }

    #[test]
    fn who_lowers_the_ttl_with_the_new_records_waits_for_the_old_one() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let short = SignedDuration::from_mins(5);
        let day = SignedDuration::from_hours(24);
        // Where nobody said what it was, a day is taken.
        for (old, hours) in [(Some(day), 48), (None, 48), (Some(short), 1)] {
            let mut book = Book::new(now).unwrap();
            book.next = Some(Next::of(book.live.clone(), old));
            assert!(book.seen(now, short));
            assert!(!book.may_switch(now + SignedDuration::from_mins(hours * 60 - 1)));
            assert!(book.may_switch(now + SignedDuration::from_hours(hours)));
        }
    }

    #[test]
    fn records_that_are_gone_again_are_waited_for_anew() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let mut book = Book::new(now).unwrap();
        assert!(!book.unseen());
        book.next = Some(Next::of(
            book.live.clone(),
            Some(SignedDuration::from_hours(9)),
        ));
        assert!(!book.unseen());
        book.seen(now, SignedDuration::ZERO);
        assert!(book.unseen());
        let late = now + SignedDuration::from_hours(1000);
        assert!(!book.may_switch(late));
        assert!(book.seen(late, SignedDuration::ZERO));
        assert!(!book.may_switch(late + SignedDuration::from_hours(17)));
    }

    #[test]
    fn two_rotations_forget_no_key_whose_records_are_there() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let mut book = Book::new(now).unwrap();
        let mut before = Vec::new();
        for number in 2..4 {
            before.extend(book.live.digests());
            let mut set = book.live.clone();
            set.number = number;
            for kept in &mut set.keys {
                kept.digest = [u8::try_from(number).unwrap(); 32];
            }
            book.next = Some(Next::of(set, None));
            assert!(book.switch());
        }
        assert_eq!(book.retired, before, "those of both");
        assert!(!book.forget(&book.live.digests()));
        assert!(book.forget(&before[..2]));
        assert_eq!(book.retired, before[2..]);
        for _ in 0..20 {
            book.next = Some(Next::of(book.live.clone(), None));
            book.switch();
        }
        assert_eq!(book.retired.len(), RETIRED);
    }

    #[test]
    fn a_key_is_kept_in_characters_that_are_not_escaped() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let book = Book::new(now).unwrap();
        let kept = book.write();
        let text = std::str::from_utf8(&kept).unwrap();
        assert!(text.contains("PRIVATE KEY") && !text.contains('\\'));
        // As it was kept before.
        let old = text.replace('|', "\\n");
        for text in [text, &old] {
            let again = Book::read(text.as_bytes()).unwrap();
            for (one, other) in again.live.keys.iter().zip(&book.live.keys) {
                assert_eq!(one.key.0, other.key.0);
                assert!(one.pair(&["mail.party.example".to_owned()], now).is_ok());
            }
        }
    }

    #[test]
    fn a_name_is_kept_until_the_last_tenth() {
        let mut own = issued(90);
        own.directory = "https://a.example/".to_owned();
        let mut kept = Kept::make(KeyKind::Ecdsa).unwrap();
        let names = ["mail.party.example".to_owned()];
        own.chain = kept.key().self_signed(&names, own.from).unwrap();
        let at = |days: i64| own.from + SignedDuration::from_hours(24 * days);
        let good = |kept: &Kept, name: &str, directory: &str, days: i64| {
            kept.is_good_for(name, directory, at(days))
        };
        assert!(!good(&kept, &names[0], &own.directory, 1), "there is none");
        kept.issued = Some(own.clone());
        assert!(good(&kept, &names[0], &own.directory, 80));
        assert!(!good(&kept, &names[0], &own.directory, 81));
        assert!(!good(&kept, "other.party.example", &own.directory, 1));
        // Another authority's may be worth nothing.
        assert!(!good(&kept, &names[0], "https://b.example/", 1));
    }
}
