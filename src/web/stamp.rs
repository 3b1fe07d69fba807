//! The signed stamp of a form: it shows that a page of ours was fetched, how long ago, and which words were on it. It
//! holds nothing about who fetched it. One stamp is good for one sign-up; which ones were used is known in memory alone,
//! in bounds, and so is the key: none of before a restart is good.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A form that comes back sooner was not filled by a person. In milliseconds.
const SOONEST_MS: i64 = 1_500;
/// A form that comes back later is shown again. In milliseconds: twelve hours.
const LATEST_MS: i64 = 12 * 60 * 60 * 1000;
/// For how long a form that comes a second time, word for word, is a second press of its button. In milliseconds: an hour.
const AGAIN_MS: i64 = 60 * 60 * 1000;
/// How many used stamps are remembered. When there are more, forms that were shown before the first of these are too old.
const MOST_USED: usize = 16_384;
/// Bytes of the time, of the number that makes it one of a kind, of the words' digest, and of the signature.
const TIME: usize = 8;
const NONCE: usize = 8;
const WORDS: usize = 8;
const SIGNATURE: usize = 16;

/// What is wrong with a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// Not one of ours.
    #[error("the form's time stamp is missing or not ours: load the page again")]
    Foreign,
    /// Back sooner than a person can be.
    #[error("the form came back too soon: look through it and send it again")]
    Soon,
    /// Older than a form may get.
    #[error("the form is too old: load the page again")]
    Old,
    /// The words on the page are no longer those that were shown.
    #[error("the words of the form have changed: read them and send the form again")]
    Words,
}

/// A stamp of ours that came back in its time: when it was made, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(i64, [u8; NONCE]);

/// A keyed digest of what a form says, to know it again. It is of no use to anybody without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said([u8; SIGNATURE]);

/// What a stamp was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing yet.
    None,
    /// The same form, a moment ago: its button was pressed twice.
    Same,
    /// Another form, or this one long ago.
    Other,
}

/// The place of one stamp. Who holds it uses the stamp; others who bring the same wait.
pub(super) type Place = Arc<tokio::sync::Mutex<Used>>;

/// What a stamp was used for, and when, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Used(Option<(Said, i64)>);

impl Used {
    /// What it was used for, as seen by who says this now.
    pub(super) fn by(&self, said: Said, now_ms: i64) -> Use {
        match self.0 {
            None => Use::None,
            Some((before, at)) if before == said && now_ms.saturating_sub(at) < AGAIN_MS => {
                Use::Same
            }
            Some(_) => Use::Other,
        }
    }

    /// It is used now, for this.
    pub(super) fn set(&mut self, said: Said, now_ms: i64) {
        self.0 = Some((said, now_ms));
    }
}

/// The stamps that were used, oldest first.
#[derive(Default)]
struct Book {
    places: BTreeMap<Stamp, Place>,
    /// This stamp and all before it are good no more: they may be among those that were forgotten.
    forgotten: Option<Stamp>,
}

impl Book {
    /// Forgets what is too old to come back, and the oldest where there are too many.
    fn forget(&mut self, now_ms: i64, most: usize) {
        while let Some(oldest) = self.places.first_entry() {
            let is_old = now_ms.saturating_sub(oldest.key().0) > LATEST_MS;
            let stamp = *oldest.key();
            if !is_old && self.places.len() < most {
                return;
            }
            self.places.remove(&stamp);
            self.forgotten = self.forgotten.max(Some(stamp));
        }
    }
}

/// Makes and checks stamps.
pub struct Stamps {
    key: hmac::Key,
    used: Mutex<Book>,
    most: usize,
}

impl Stamps {
    /// Stamps under a key. A key of its own for each run of the daemon is needed, since what was used isn't known after
    /// it: a form that was open over a restart is shown again.
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            used: Mutex::default(),
            most: MOST_USED,
        }
    }

    /// A stamp for a form that is shown at `now_ms` with these words on it.
    pub fn issue(&self, now_ms: i64, words: &Words) -> String {
        let nonce: [u8; 16] = crate::id::random();
        let mut bytes = now_ms.to_be_bytes().to_vec();
        bytes.extend(nonce.iter().take(NONCE));
        bytes.extend_from_slice(&words.0);
        let signature = hmac::sign(&self.key, &bytes);
        bytes.extend(signature.as_ref().iter().take(SIGNATURE));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks the stamp of a form that came back. Whether it was used is for [`Stamps::place`] to say.
    ///
    /// # Errors
    /// [`StampError`], which says how.
    pub fn check(&self, stamp: &str, now_ms: i64, words: &Words) -> Result<Stamp, StampError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(stamp)
            .map_err(|_| StampError::Foreign)?;
        let foreign = StampError::Foreign;
        let (time, rest) = bytes.split_first_chunk::<TIME>().ok_or(foreign)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(foreign)?;
        let (shown, given) = rest.split_first_chunk::<WORDS>().ok_or(foreign)?;
        let signed = [time.as_slice(), nonce, shown].concat();
        let signature = hmac::sign(&self.key, &signed);
        let expected = signature.as_ref().get(..SIGNATURE).unwrap_or_default();
        constant_time::verify_slices_are_equal(expected, given).map_err(|_| foreign)?;
        let stamp = Stamp(i64::from_be_bytes(*time), *nonce);
        match now_ms.saturating_sub(stamp.0) {
            ..0 | SOONEST_MS..=LATEST_MS if *shown != words.0 => Err(StampError::Words),
            // A clock that was set back makes forms from the future; they are as good as fresh ones.
            ..0 | SOONEST_MS..=LATEST_MS if self.book().forgotten >= Some(stamp) => {
                Err(StampError::Old)
            }
            ..0 | SOONEST_MS..=LATEST_MS => Ok(stamp),
            0..SOONEST_MS => Err(StampError::Soon),
            _ => Err(StampError::Old),
        }
    }

    /// The digest of what a form says, field by field.
    pub fn said<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Said {
        let mut context = hmac::Context::with_key(&self.key);
        for text in fields {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut short = [0; SIGNATURE];
        for (to, from) in short.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Said(short)
    }

    /// The place of a stamp that was checked.
    ///
    /// # Errors
    /// [`StampError::Old`] if nobody can say any more whether it was used.
    pub(super) fn place(&self, stamp: Stamp, now_ms: i64) -> Result<Place, StampError> {
        let mut book = self.book();
        if let Some(place) = book.places.get(&stamp) {
            return Ok(Arc::clone(place));
        }
        book.forget(now_ms, self.most);
        if book.forgotten >= Some(stamp) {
            return Err(StampError::Old);
        }
        Ok(Arc::clone(book.places.entry(stamp).or_default()))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digest of the words that a form shows: consent statements and statement of age, in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words([u8; WORDS]);

impl Words {
    /// The digest of these words, in this order.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for text in words {
            // With its length before it, no word can run over into the next.
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut short = [0; WORDS];
        for (to, from) in short.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_000_000_000;

    fn words() -> Words {
        Words::of(["I consent", "I am 16 or over."])
    }

    #[test]
    fn a_form_comes_back_in_its_time() {
        let stamps = Stamps::new(&[7; 32]);
        let stamp = stamps.issue(NOW, &words());
        for (later, expected) in [
            (0, Err(StampError::Soon)),
            (1_499, Err(StampError::Soon)),
            (1_500, Ok(())),
            (12 * 3_600_000, Ok(())),
            (12 * 3_600_000 + 1, Err(StampError::Old)),
            (-86_400_000, Ok(())),
        ] {
            let checked = stamps.check(&stamp, NOW + later, &words());
            assert_eq!(checked.map(|_| ()), expected, "{later}");
        }
        assert_eq!(
            stamps.check(&stamp, i64::MAX, &words()),
            Err(StampError::Old)
        );
        assert!(stamps.check(&stamp, i64::MIN, &words()).is_ok());
    }

    #[test]
    fn other_words_and_other_keys_are_seen() {
        let stamps = Stamps::new(&[7; 32]);
        let stamp = stamps.issue(NOW, &words());
        let other = Words::of(["I consentI am 16", " or over."]);
        assert_ne!(other, words());
        assert_eq!(
            stamps.check(&stamp, NOW + 9_000, &other),
            Err(StampError::Words)
        );
        let foreign = Stamps::new(&[8; 32]).check(&stamp, NOW + 9_000, &words());
        assert_eq!(foreign, Err(StampError::Foreign));
        for broken in [
            "",
            "x",
            "!!!!",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let checked = stamps.check(broken, NOW, &words());
            assert_eq!(checked, Err(StampError::Foreign), "{broken}");
        }
    }

    fn checked(stamps: &Stamps, shown_ms: i64) -> Stamp {
        let stamp = stamps.issue(shown_ms, &words());
        let checked = stamps.check(&stamp, shown_ms + 5_000, &words());
        checked.expect("a good stamp")
    }

    #[tokio::test]
    async fn a_stamp_is_used_once() {
        let stamps = Stamps::new(&[7; 32]);
        let (one, two) = (checked(&stamps, NOW), checked(&stamps, NOW));
        assert_ne!(one, two, "each is one of a kind");
        let (ann, bob) = (stamps.said(["ann", "news"]), stamps.said(["annnews", ""]));
        assert_ne!(ann, bob);
        assert_ne!(ann, Stamps::new(&[8; 32]).said(["ann", "news"]));
        let used = |stamp, said, later| {
            let place = stamps.place(stamp, NOW + later).expect("known");
            place.try_lock().expect("nobody's").by(said, NOW + later)
        };
        assert_eq!(used(one, ann, 0), Use::None, "who only looks uses nothing");
        let place = stamps.place(one, NOW).expect("known");
        place.lock().await.set(ann, NOW);
        assert_eq!(used(one, ann, 1), Use::Same);
        assert_eq!(used(one, ann, -1), Use::Same, "the clock was set back");
        assert_eq!(used(one, ann, AGAIN_MS), Use::Other);
        assert_eq!(used(one, bob, 1), Use::Other);
        assert_eq!(used(two, ann, 1), Use::None);
    }

    #[test]
    fn what_was_forgotten_is_not_good_again() {
        let stamps = Stamps {
            most: 3,
            ..Stamps::new(&[7; 32])
        };
        let shown: Vec<Stamp> = (0..5).map(|n| checked(&stamps, NOW + n)).collect();
        for stamp in &shown[..4] {
            assert!(stamps.place(*stamp, NOW + 9).is_ok());
        }
        assert_eq!(stamps.book().places.len(), 3);
        let late = stamps.place(shown[0], NOW + 9);
        assert_eq!(late.err(), Some(StampError::Old), "the oldest had to go");
        assert!(stamps.place(shown[4], NOW + 9).is_ok());
        // Much later nothing is kept; and were the clock set back then, none of them would be good again.
        let next = checked(&stamps, NOW + 2 * LATEST_MS);
        assert!(stamps.place(next, NOW + 2 * LATEST_MS).is_ok());
        assert_eq!(stamps.book().places.len(), 1);
        for stamp in shown {
            assert_eq!(stamps.place(stamp, NOW).err(), Some(StampError::Old));
        }
        let old = stamps.issue(NOW, &words());
        let again = stamps.check(&old, NOW + 5_000, &words());
        assert_eq!(again, Err(StampError::Old));
    }

    proptest! {
        #[test]
        fn a_changed_stamp_is_foreign(at in 0usize..54, by in 1u8..64) {
            let stamps = Stamps::new(&[7; 32]);
            let mut bytes = URL_SAFE_NO_PAD.decode(stamps.issue(NOW, &words())).expect("base64");
            let at = at % bytes.len();
            bytes[at] ^= by;
            let stamp = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(stamps.check(&stamp, NOW + 9_000, &words()), Err(StampError::Foreign));
        }
    }
}
