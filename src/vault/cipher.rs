//! XChaCha20-Poly1305: the cipher of sealed values, key rings and boxes.
//!
//! It is HChaCha20 (which makes a key of its own from the key and the first 16 bytes of the nonce), then the
//! ChaCha20-Poly1305 of RFC 8439 with the other 8 bytes (draft-irtf-cfrg-xchacha section 2.3). The latter comes from
//! AWS-LC, whose assembly is several times as fast as portable code, and as fast in a debug build.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20::{R20, hchacha};
use zeroize::Zeroize;

use super::secret::{KEY_LEN, scrub_stack};

/// How many bytes a nonce has: enough to be random.
pub(super) const NONCE_LEN: usize = 24;
/// How many bytes a tag has.
pub(super) const TAG_LEN: usize = 16;

/// Encrypts in place and gives the tag.
pub(super) fn encrypt(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
    in_out: &mut [u8],
) -> [u8; TAG_LEN] {
    let (key, nonce) = inner(key, nonce);
    let made = key
        .seal_in_place_separate_tag(nonce, Aad::from(associated), in_out)
        .expect("a value in memory is within the cipher's limit of 256 GiB");
    let mut tag = [0; TAG_LEN];
    tag.copy_from_slice(made.as_ref());
    tag
}

/// Checks the tag and decrypts in place; `None` if the tag is wrong, and then what is in the buffer is of no use.
pub(super) fn decrypt(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
    in_out: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Option<()> {
    let (key, nonce) = inner(key, nonce);
    key.open_in_place_separate_tag(nonce, Aad::from(associated), tag, in_out)
        .ok()
        .map(|_| ())
}

/// The key and nonce of the inner cipher. The outer one's state holds the key, and stays on the stack.
fn inner(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN]) -> (LessSafeKey, Nonce) {
    let made = inner_unscrubbed(key, nonce);
    scrub_stack::<2048>();
    made
}

#[inline(never)]
fn inner_unscrubbed(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN]) -> (LessSafeKey, Nonce) {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&nonce[..16]);
    let mut rest = [0; 12];
    rest[4..].copy_from_slice(&nonce[16..]);
    let mut inner = hchacha::<R20>(key.into(), &prefix.into());
    let unbound = UnboundKey::new(&CHACHA20_POLY1305, &inner).expect("the key has 32 bytes");
    inner.as_mut_slice().zeroize();
    (
        LessSafeKey::new(unbound),
        Nonce::assume_unique_for_key(rest),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits"))
            .collect()
    }

    /// draft-irtf-cfrg-xchacha section A.3.1.
    #[test]
    fn the_vector_of_the_draft_holds() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce: [u8; 24] = std::array::from_fn(|at| 0x40 + at as u8);
        let associated = bytes("50515253c0c1c2c3c4c5c6c7");
        let plain =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
            the future, sunscreen would be it.";
        let mut text = plain.to_vec();
        let tag = encrypt(&key, &nonce, &associated, &mut text);
        assert_eq!(text[..16], bytes("bd6d179d3e83d43b9576579493c0e939"));
        assert_eq!(tag.to_vec(), bytes("c0875924c1c7987947deafd8780acf49"));
        decrypt(&key, &nonce, &associated, &mut text, &tag).expect("ours");
        assert_eq!(text, plain);
        assert_eq!(decrypt(&key, &nonce, &[], &mut text, &tag), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_another_implementation(
            key: [u8; 32], nonce: [u8; 24], associated: Vec<u8>, plain: Vec<u8>,
        ) {
            let mut ours = plain.clone();
            let tag = encrypt(&key, &nonce, &associated, &mut ours);
            let mut theirs = plain;
            let their_tag = XChaCha20Poly1305::new((&key).into())
                .encrypt_inout_detached((&nonce).into(), &associated, (&mut theirs[..]).into())
                .expect("encrypted");
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(&tag[..], &their_tag[..]);
        }
    }
}
