//! Thirty-two secret bytes, random bytes, and keys derived from keys. Secrets live on the heap, so that moving one
//! leaves no copy behind, and are wiped when they go.

use aws_lc_rs::hkdf;
use zeroize::Zeroize;

/// How many bytes a key has.
pub(super) const KEY_LEN: usize = 32;

/// A 256-bit key. It has no `Debug`, no `Display` and no `==`.
pub(super) struct Secret(Box<[u8; KEY_LEN]>);

impl Secret {
    /// A key to be filled in.
    pub(super) fn zero() -> Self {
        Self(Box::new([0; KEY_LEN]))
    }

    pub(super) fn random() -> Self {
        let mut secret = Self::zero();
        fill_random(&mut *secret.0);
        secret
    }

    /// Copies a key out of a slice; `None` unless the slice has 32 bytes.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self::zero();
        (bytes.len() == KEY_LEN).then(|| secret.0.copy_from_slice(bytes))?;
        Some(secret)
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8; KEY_LEN] {
        &mut self.0
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Fills a buffer from the operating system's random source.
///
/// # Panics
/// If the operating system has no random source; nothing here can run safely without one.
pub(super) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Overwrites what functions that were called before from here left on the stack: what a cipher or a hash worked on lies
/// there until something else happens to use the room. `N` is how deep they went, in bytes.
#[inline(never)]
pub(super) fn scrub_stack<const N: usize>() {
    let mut room = [0_u8; N];
    std::hint::black_box(&mut room).zeroize();
}

/// HKDF-SHA-256 (RFC 5869): `out` is filled with key material that only this `info` gives.
pub(super) fn derive(salt: &[u8], key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    expand(salt, key, info, out);
    // The hash's block holds the key.
    scrub_stack::<8192>();
}

#[inline(never)]
fn expand(salt: &[u8], key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("HKDF gives up to 8160 bytes, and we ask for 32");
}
