//! Parcels: a stream of bytes sealed with a phrase, for a file that leaves the server. The phrase is made by us and has
//! 160 random bits, so no slow derivation guards it.
//!
//! Format: `hustings-parcel-v1\n`, a salt of 32 bytes, then pieces: `last u8 | length u32 big-endian | ciphertext and tag`.
//! Each piece is AES-256-GCM under a key derived from phrase and salt, so never used twice; the nonce is the piece's number, and the
//! associated data is the byte `last`, which is 1 for the last piece alone, so that no piece can be dropped, moved or cut
//! off.

use std::io::{self, Read};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::SecretText;

const TITLE: &[u8] = b"hustings-parcel-v1\n";
const SALT: usize = 32;
const TAG: usize = 16;
/// How many plain bytes a piece holds at most.
pub const PIECE: usize = 64 * 1024 - 5 - TAG;
/// Letters and digits that can be told apart: five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Why a parcel doesn't open.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// No parcel.
    #[error(
        "this is no sealed file of hustings, or a newer one wrote it; check that it is the right file"
    )]
    NotAParcel,
    /// The phrase is wrong, or the file was changed.
    #[error(
        "the phrase does not open it, or the file was changed; check the phrase, and take another copy of the file"
    )]
    WrongPhrase,
    /// Its end is missing.
    #[error("the file was cut off; take another copy of it")]
    Cut,
    /// More than a parcel can hold.
    #[error("the file grew too long to be sealed; export less at a time")]
    TooLong,
    /// The file can't be read.
    #[error("the file can't be read: {0}; check the disk")]
    Io(#[from] io::Error),
}

/// A new phrase: eight groups of four characters.
///
/// # Panics
/// If the operating system has no random source; nothing here can run safely without one.
pub fn new_phrase() -> SecretText {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).expect("the operating system gives random bytes");
    let mut text = Zeroizing::new(String::with_capacity(40));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    SecretText::new(text)
}

struct Cipher {
    cipher: LessSafeKey,
    number: u32,
}

impl Cipher {
    fn new(phrase: &str, salt: &[u8; SALT]) -> Self {
        // Case, hyphens and spaces are how it was written down, not what it says.
        let said: Zeroizing<String> = Zeroizing::new(
            phrase
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|one| one.to_ascii_lowercase())
                .collect(),
        );
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, said.as_bytes()));
        context.update(TITLE);
        context.update(salt);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(context.sign().as_ref());
        Self {
            cipher: LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, &*key).expect("32 bytes are a key of AES-256"),
            ),
            number: 0,
        }
    }

    fn nonce(&mut self) -> Result<Nonce, ParcelError> {
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.number.to_be_bytes());
        self.number = self.number.checked_add(1).ok_or(ParcelError::TooLong)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

/// Seals a stream.
pub struct Sealer {
    cipher: Cipher,
    head: Option<Vec<u8>>,
    waiting: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Begins a parcel that this phrase opens.
    ///
    /// # Panics
    /// If the operating system has no random source.
    pub fn new(phrase: &SecretText) -> Self {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).expect("the operating system gives random bytes");
        let mut head = TITLE.to_vec();
        head.extend_from_slice(&salt);
        Self {
            cipher: Cipher::new(phrase.reveal(), &salt),
            head: Some(head),
            waiting: Zeroizing::new(Vec::with_capacity(PIECE)),
        }
    }

    /// Takes plain bytes and gives sealed ones, perhaps none yet.
    ///
    /// # Errors
    /// [`ParcelError::TooLong`] after 2^32 pieces.
    pub fn push(&mut self, mut plain: &[u8]) -> Result<Vec<u8>, ParcelError> {
        let mut out = self.head.take().unwrap_or_default();
        while !plain.is_empty() {
            if self.waiting.len() == PIECE {
                self.seal(false, &mut out)?;
            }
            let room = PIECE - self.waiting.len();
            let (now, later) = plain.split_at(plain.len().min(room));
            self.waiting.extend_from_slice(now);
            plain = later;
        }
        Ok(out)
    }

    /// The last sealed bytes.
    ///
    /// # Errors
    /// [`ParcelError::TooLong`] after 2^32 pieces.
    pub fn finish(mut self) -> Result<Vec<u8>, ParcelError> {
        let mut out = self.head.take().unwrap_or_default();
        self.seal(true, &mut out)?;
        Ok(out)
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), ParcelError> {
        let nonce = self.cipher.nonce()?;
        let tag = self
            .cipher
            .cipher
            .seal_in_place_separate_tag(
                nonce,
                Aad::from([u8::from(last)]),
                self.waiting.as_mut_slice(),
            )
            .map_err(|_| ParcelError::TooLong)?;
        let length = u32::try_from(self.waiting.len() + TAG).map_err(|_| ParcelError::TooLong)?;
        out.push(u8::from(last));
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.waiting);
        out.extend_from_slice(tag.as_ref());
        self.waiting.clear();
        Ok(())
    }
}

/// Opens a parcel, piece by piece. What was given is to be believed only once [`Opener::next`] gave `None`.
pub struct Opener<R> {
    from: R,
    cipher: Cipher,
    ended: bool,
}

impl<R: Read> Opener<R> {
    /// Reads a parcel's head.
    ///
    /// # Errors
    /// [`ParcelError::NotAParcel`] if it has none.
    pub fn new(mut from: R, phrase: &str) -> Result<Self, ParcelError> {
        let mut title = [0; TITLE.len()];
        let mut salt = [0; SALT];
        from.read_exact(&mut title)
            .and_then(|()| from.read_exact(&mut salt))
            .map_err(|_| ParcelError::NotAParcel)?;
        if title != TITLE {
            return Err(ParcelError::NotAParcel);
        }
        Ok(Self {
            from,
            cipher: Cipher::new(phrase, &salt),
            ended: false,
        })
    }

    /// The next plain bytes; `None` at the parcel's end.
    ///
    /// # Errors
    /// A [`ParcelError`]: throw away what was given before.
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and nothing follows a failure"
    )]
    pub fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ParcelError> {
        if self.ended {
            return Ok(None);
        }
        let mut last = [0; 1];
        self.from.read_exact(&mut last).map_err(cut)?;
        let mut length = [0; 4];
        self.from.read_exact(&mut length).map_err(cut)?;
        let length = u32::from_be_bytes(length) as usize;
        if last[0] > 1 || !(TAG..=PIECE + TAG).contains(&length) {
            return Err(ParcelError::WrongPhrase);
        }
        let mut piece = Zeroizing::new(vec![0; length]);
        self.from.read_exact(&mut piece).map_err(cut)?;
        self.open(last, piece).map(Some)
    }

    fn open(
        &mut self,
        last: [u8; 1],
        mut piece: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, ParcelError> {
        let nonce = self.cipher.nonce()?;
        let plain = self
            .cipher
            .cipher
            .open_in_place(nonce, Aad::from(last), &mut piece)
            .map_err(|_| ParcelError::WrongPhrase)?
            .len();
        piece.truncate(plain);
        self.ended = last == [1];
        if self.ended && self.from.read(&mut [0; 1])? != 0 {
            return Err(ParcelError::WrongPhrase);
        }
        Ok(piece)
    }
}

fn cut(error: io::Error) -> ParcelError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ParcelError::Cut
    } else {
        ParcelError::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(phrase: &SecretText, pieces: &[&[u8]]) -> Vec<u8> {
        let mut sealer = Sealer::new(phrase);
        let mut sealed = Vec::new();
        for piece in pieces {
            sealed.extend(sealer.push(piece).expect("seals"));
        }
        sealed.extend(sealer.finish().expect("seals"));
        sealed
    }

    fn open(phrase: &str, sealed: &[u8]) -> Result<Vec<u8>, ParcelError> {
        let mut opener = Opener::new(sealed, phrase)?;
        let mut plain = Vec::new();
        while let Some(piece) = opener.next()? {
            plain.extend_from_slice(&piece);
        }
        Ok(plain)
    }

    #[test]
    fn what_went_in_comes_out_at_every_length() {
        let phrase = new_phrase();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (one, other) = plain.split_at(length / 3);
            let sealed = seal(&phrase, &[one, other]);
            assert!(
                open(phrase.reveal(), &sealed).expect("opens") == plain,
                "{length}"
            );
        }
    }

    #[test]
    fn the_phrase_may_be_written_otherwise_but_not_be_another() {
        let phrase = new_phrase();
        let sealed = seal(&phrase, &[b"rows"]);
        let said = phrase.reveal().to_uppercase().replace('-', " ");
        assert_eq!(open(&said, &sealed).expect("opens"), b"rows");
        let other = new_phrase();
        assert!(matches!(
            open(other.reveal(), &sealed),
            Err(ParcelError::WrongPhrase)
        ));
    }

    #[test]
    fn a_parcel_that_was_cut_or_reordered_does_not_open() {
        let phrase = new_phrase();
        let sealed = seal(&phrase, &[&vec![7; 2 * PIECE + 5]]);
        let head = TITLE.len() + SALT;
        let whole = 5 + PIECE + TAG;
        let (first, second) = (head..head + whole, head + whole..head + 2 * whole);
        let swapped = [
            &sealed[..head],
            &sealed[second],
            &sealed[first.clone()],
            &sealed[head + 2 * whole..],
        ]
        .concat();
        assert!(open(phrase.reveal(), &swapped).is_err(), "swapped");
        assert!(
            open(phrase.reveal(), &sealed[..head + whole]).is_err(),
            "cut between pieces"
        );
        let mut early = sealed[..first.end].to_vec();
        early[head] = 1;
        assert!(
            open(phrase.reveal(), &early).is_err(),
            "made to look like the last"
        );
        let longer = [sealed.as_slice(), b"x"].concat();
        assert!(
            open(phrase.reveal(), &longer).is_err(),
            "something behind it"
        );
    }

    proptest! {
        #[test]
        fn a_flipped_bit_never_opens(at in 0_usize..200, bit in 0_u8..8) {
            let phrase = new_phrase();
            let mut sealed = seal(&phrase, &[&[7; 100]]);
            prop_assume!(at < sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(open(phrase.reveal(), &sealed).is_err());
        }

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open("phrase", &bytes).is_err());
        }
    }
}
