//! The signed time stamp of a form: it shows that a page of ours was fetched, how long ago, and which words were on
//! it. It holds nothing about who fetched it.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A form that comes back sooner was not filled by a person. In milliseconds.
const SOONEST_MS: i64 = 1_500;
/// A form that comes back later is shown again. In milliseconds: twelve hours.
const LATEST_MS: i64 = 12 * 60 * 60 * 1000;
/// Bytes of the time, of the words' digest, and of the signature.
const TIME: usize = 8;
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

/// Makes and checks stamps.
pub struct Stamps(hmac::Key);

impl Stamps {
    /// Stamps under a key. A key of its own for each run of the daemon is enough: a form that was open over a
    /// restart is shown again.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A stamp for a form that is shown at `now_ms` with these words on it.
    pub fn issue(&self, now_ms: i64, words: &Words) -> String {
        let mut bytes = now_ms.to_be_bytes().to_vec();
        bytes.extend_from_slice(&words.0);
        let signature = hmac::sign(&self.0, &bytes);
        bytes.extend(signature.as_ref().iter().take(SIGNATURE));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks the stamp of a form that came back.
    ///
    /// # Errors
    /// [`StampError`], which says how.
    pub fn check(&self, stamp: &str, now_ms: i64, words: &Words) -> Result<(), StampError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(stamp)
            .map_err(|_| StampError::Foreign)?;
        let (time, rest) = bytes
            .split_first_chunk::<TIME>()
            .ok_or(StampError::Foreign)?;
        let (shown, given) = rest
            .split_first_chunk::<WORDS>()
            .ok_or(StampError::Foreign)?;
        let signature = hmac::sign(&self.0, &[time.as_slice(), shown].concat());
        let expected = signature.as_ref().get(..SIGNATURE).unwrap_or_default();
        constant_time::verify_slices_are_equal(expected, given).map_err(|_| StampError::Foreign)?;
        let age = now_ms.saturating_sub(i64::from_be_bytes(*time));
        match age {
            ..0 | SOONEST_MS..=LATEST_MS if *shown != words.0 => Err(StampError::Words),
            // A clock that was set back makes forms from the future; they are as good as fresh ones.
            ..0 | SOONEST_MS..=LATEST_MS => Ok(()),
            0..SOONEST_MS => Err(StampError::Soon),
            _ => Err(StampError::Old),
        }
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
            assert_eq!(
                stamps.check(&stamp, NOW + later, &words()),
                expected,
                "{later}"
            );
        }
        assert_eq!(
            stamps.check(&stamp, i64::MAX, &words()),
            Err(StampError::Old)
        );
        assert_eq!(stamps.check(&stamp, i64::MIN, &words()), Ok(()));
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

    proptest! {
        #[test]
        fn a_changed_stamp_is_foreign(at in 0usize..42, by in 1u8..64) {
            let stamps = Stamps::new(&[7; 32]);
            let mut bytes = URL_SAFE_NO_PAD.decode(stamps.issue(NOW, &words())).expect("base64");
            let at = at % bytes.len();
            bytes[at] ^= by;
            let stamp = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(stamps.check(&stamp, NOW + 9_000, &words()), Err(StampError::Foreign));
        }
    }
}
