//! Codes of an authenticator app (RFC 6238): HMAC-SHA-1 over the count of half minutes, six digits of it. It knows
//! secrets and times, and neither whose they are nor what a code is good for.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::store::FactorSecret;
use crate::vault::base32;

/// How long a code is shown.
const PERIOD: u64 = 30;
/// How many digits it has.
pub(super) const DIGITS: usize = 6;
/// What RFC 4226 §4 asks for.
const SECRET_LEN: usize = 20;
/// So many codes before and after the one of now are taken: telephones' clocks differ, and typing takes time.
const ASIDE: u64 = 1;

/// The secret that an app shares with us. It is wiped when it goes, and has no `Debug`.
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

/// Six digits that somebody typed. They have no `Debug`.
pub(super) struct Digits(Zeroizing<[u8; DIGITS]>);

impl Digits {
    /// Reads six digits; people write them in two groups. None if it's anything else.
    pub(super) fn parse(typed: &str) -> Option<Self> {
        let mut digits = Zeroizing::new([0; DIGITS]);
        let mut filled = 0;
        for byte in typed.bytes().filter(|byte| *byte != b' ') {
            if !byte.is_ascii_digit() {
                return None;
            }
            *digits.get_mut(filled)? = byte;
            filled += 1;
        }
        (filled == DIGITS).then_some(Self(digits))
    }
}

/// Which half minute since 1970 it is. Before that it is the first.
pub(super) fn step_at(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or(0) / PERIOD
}

/// The newest half minute whose code is taken now.
pub(super) fn newest_step(now: Timestamp) -> u64 {
    step_at(now).saturating_add(ASIDE)
}

impl TotpSecret {
    /// Makes one.
    ///
    /// # Panics
    /// If the operating system has no random source; nothing here can run safely without one.
    pub(super) fn generate() -> Self {
        let mut bytes = Zeroizing::new(vec![0; SECRET_LEN]);
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(bytes)
    }

    /// Reads what [`TotpSecret::base32`] writes, as an app does.
    pub fn from_base32(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(base32::decode::<SECRET_LEN>(text)?);
        Some(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The one that is kept.
    pub(super) fn kept(secret: &FactorSecret) -> Self {
        Self(Zeroizing::new(secret.bytes().to_vec()))
    }

    /// How it is kept.
    pub(super) fn to_kept(&self) -> FactorSecret {
        FactorSecret::new(self.0.clone())
    }

    /// As an app takes it where no camera is: upper-case base 32.
    pub fn base32(&self) -> Zeroizing<String> {
        let mut text = base32::encode(&self.0);
        text.make_ascii_uppercase();
        Zeroizing::new(text)
    }

    /// As an app takes it from a picture. `issuer` and `account` are what it calls it.
    pub fn uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (escaped(issuer), escaped(account));
        let secret = self.base32();
        let parts = [
            "otpauth://totp/",
            &issuer,
            ":",
            &account,
            "?secret=",
            &secret,
            "&issuer=",
            &issuer,
            "&algorithm=SHA1&digits=6&period=30",
        ];
        // Exactly as long as it has to be: a grown string would leave copies behind.
        let mut uri = Zeroizing::new(String::with_capacity(
            parts.iter().map(|part| part.len()).sum(),
        ));
        for part in parts {
            uri.push_str(part);
        }
        uri
    }

    /// The half minute whose code this is, among that of now and those beside it; the newest if there are several. All are
    /// looked at, whichever fits.
    pub(super) fn step_of(&self, typed: &Digits, now: Timestamp) -> Option<u64> {
        let (mut found, mut step) = (Choice::from(0), 0);
        let middle = step_at(now);
        for at in middle.saturating_sub(ASIDE)..=newest_step(now) {
            let fits = self.digits_at(at).ct_eq(&*typed.0);
            step = u64::conditional_select(&step, &at, fits);
            found |= fits;
        }
        bool::from(found).then_some(step)
    }

    /// The code that the app shows at a time.
    pub fn code_at(&self, now: Timestamp) -> Zeroizing<String> {
        let digits = self.digits_at(step_at(now));
        Zeroizing::new(digits.iter().copied().map(char::from).collect())
    }

    /// A code that is none of those that are good at a time.
    #[cfg(test)]
    pub(crate) fn wrong_at(&self, now: Timestamp) -> String {
        let codes = (0..).map(|number: u32| format!("{number:06}"));
        let mut codes = codes.filter(|code| {
            let typed = Digits::parse(code).expect("six digits");
            self.step_of(&typed, now).is_none()
        });
        codes.next().expect("nearly all are wrong")
    }

    /// RFC 4226 §5.3.
    fn digits_at(&self, step: u64) -> [u8; DIGITS] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = tag.last().map_or(0, |last| usize::from(last & 15));
        let word = tag.iter().skip(offset).take(4);
        let word = word.fold(0, |word, byte| word << 8 | u32::from(*byte));
        let mut left = word & 0x7fff_ffff;
        let mut digits = [b'0'; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        digits
    }
}

/// A text as it may stand in a URI: all but what is never misread is escaped (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let parts = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_the_rfcs() -> TotpSecret {
        TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn typed(text: &str) -> Digits {
        Digits::parse(text).expect("six digits")
    }

    /// RFC 4226 appendix D.
    #[test]
    fn the_counters_of_rfc_4226_give_its_codes() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (count, code) in (0..).zip(codes) {
            assert_eq!(&of_the_rfcs().digits_at(count), code.as_bytes(), "{count}");
        }
    }

    /// RFC 6238 appendix B, the rows of SHA-1; the RFC shows eight digits, of which ours are the last six.
    #[test]
    fn the_times_of_rfc_6238_give_its_codes() {
        for (second, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(*of_the_rfcs().code_at(at(second)), code[2..], "{second}");
        }
    }

    #[test]
    fn a_code_is_good_half_a_minute_early_and_late_and_no_more() {
        let secret = of_the_rfcs();
        let (start, code) = (1_234_567_890_i64, "005924");
        let step = start.unsigned_abs() / PERIOD;
        for good in [-30, -1, 0, 29, 30, 59] {
            assert_eq!(secret.step_of(&typed(code), at(start + good)), Some(step));
        }
        for bad in [-31, 60, 3600, -3600] {
            assert_eq!(secret.step_of(&typed(code), at(start + bad)), None, "{bad}");
        }
        assert_eq!(secret.step_of(&typed("005925"), at(start)), None);
        assert_eq!(step_at(at(-1)), 0, "a clock of before 1970 breaks nothing");
    }

    #[test]
    fn an_app_is_told_the_secret_in_the_form_that_all_read() {
        let secret = of_the_rfcs();
        assert_eq!(*secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            *secret.uri("Plaid & Co: Môn", "ada"),
            "otpauth://totp/Plaid%20%26%20Co%3A%20M%C3%B4n:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Plaid%20%26%20Co%3A%20M%C3%B4n&algorithm=SHA1&digits=6&period=30"
        );
        let (one, other) = (TotpSecret::generate(), TotpSecret::generate());
        assert_eq!(one.0.len(), SECRET_LEN);
        assert_ne!(*one.base32(), *other.base32());
    }

    #[test]
    fn six_digits_are_read_strictly() {
        for good in ["123456", "123 456", " 123456 "] {
            assert_eq!(&*typed(good).0, b"123456", "{good:?}");
        }
        for bad in [
            "",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "+12345",
            "123-456",
            "123456\n",
        ] {
            assert!(Digits::parse(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_the_app_shows_is_taken_and_is_of_its_half_minute(
            bytes in proptest::collection::vec(any::<u8>(), SECRET_LEN),
            second in 0_i64..100_000_000_000,
        ) {
            let secret = TotpSecret(Zeroizing::new(bytes));
            let code = secret.code_at(at(second));
            prop_assert_eq!(code.len(), DIGITS);
            let step = secret.step_of(&typed(&code), at(second));
            // A neighbour may have the same code, once in a million.
            prop_assert!(step.is_some_and(|step| step.abs_diff(step_at(at(second))) <= ASIDE));
            let kept = TotpSecret::kept(&secret.to_kept());
            prop_assert_eq!(&kept.code_at(at(second)), &code);
            let read = TotpSecret::from_base32(&secret.base32()).expect("reads");
            prop_assert_eq!(&read.code_at(at(second)), &code);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = Digits::parse(&text);
        }
    }
}
