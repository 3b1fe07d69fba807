//! What is kept of somebody's passwords.

use std::fmt;
use std::num::NonZeroU32;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    BadPassword, BadVerifier, HASH_LEN, ITERATIONS, SALT_LEN, hmac_sha256, is_printable,
    salted_password, sha256, to_array,
};
use crate::id::{ID_LEN, PasswordId};

/// How many passwords somebody may have. As many are tried at each log-in.
pub const MOST_PASSWORDS: usize = 10;
/// One password: format, iterations, salt, stored key, server key.
const FORMAT_ONE: u8 = 1;
/// Several: format, iterations, salt, and for each its id, stored key and server key.
const FORMAT: u8 = 2;
const KEYS_LEN: usize = ID_LEN + 2 * HASH_LEN;
/// The id of a password that was kept alone, before there could be several.
pub(in crate::staff) const FIRST: PasswordId = PasswordId::from_bytes([0; ID_LEN]);
/// More than anything that was ever stored, so that damaged bytes can't keep a core busy.
const MAX_ITERATIONS: u32 = 1_000_000;

/// What is kept of somebody's passwords. Whoever has it can check a password and, if it is stolen, pose as this server,
/// but can't log in with it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Verifier {
    salt: [u8; SALT_LEN],
    iterations: u32,
    keys: Vec<Keys>,
}

/// The keys of one password.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Keys {
    #[zeroize(skip)]
    id: PasswordId,
    stored: [u8; HASH_LEN],
    server: [u8; HASH_LEN],
}

impl Verifier {
    /// The verifier of one password, with a random salt.
    ///
    /// # Errors
    /// [`BadPassword`] unless it is printable ASCII: ours are, so the string preparation of RFC 4013 changes nothing.
    pub fn new(password: &str) -> Result<Self, BadPassword> {
        Self::empty().with(PasswordId::random(), password)
    }

    /// The verifier of one password, with no salt to speak of and quickly made.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn pretended(password: &str) -> Self {
        let all = Self::salted([7; SALT_LEN], 1).with(FIRST, password);
        all.unwrap_or_else(|_| Self::salted([7; SALT_LEN], 1))
    }

    /// Nothing fits yet.
    pub(in crate::staff) fn empty() -> Self {
        Self::salted(crate::id::random(), ITERATIONS.get())
    }

    pub(super) fn salted(salt: [u8; SALT_LEN], iterations: u32) -> Self {
        Self {
            salt,
            iterations,
            keys: Vec::new(),
        }
    }

    /// The same with one password more.
    ///
    /// # Errors
    /// [`BadPassword`] unless it is printable ASCII, or if there are as many as there may be.
    pub(in crate::staff) fn with(
        mut self,
        id: PasswordId,
        password: &str,
    ) -> Result<Self, BadPassword> {
        if !is_printable(password) || self.keys.len() >= MOST_PASSWORDS {
            return Err(BadPassword);
        }
        let salted = self.salt(password).ok_or(BadPassword)?;
        self.keys.push(Keys {
            id,
            stored: sha256(&*hmac_sha256(&*salted, b"Client Key")),
            server: *hmac_sha256(&*salted, b"Server Key"),
        });
        Ok(self)
    }

    /// The same without one of its passwords.
    pub(in crate::staff) fn without(mut self, id: PasswordId) -> Self {
        self.keys.retain(|keys| keys.id != id);
        self
    }

    /// Whether any password could fit.
    pub(in crate::staff) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A verifier that no password fits, for a user name that doesn't exist. The same secret and name give the same
    /// salt each time, as a real account would.
    pub fn dummy(secret: &[u8; 32], user: &str) -> Self {
        let context = [
            b"hustings scram dummy v1\0salt\0".as_slice(),
            user.as_bytes(),
        ]
        .concat();
        let mut salt = [0; SALT_LEN];
        salt.copy_from_slice(&hmac_sha256(secret, &context)[..SALT_LEN]);
        Self::salted(salt, ITERATIONS.get())
    }

    /// Whether this is one of the passwords.
    #[cfg(test)]
    pub(in crate::staff) fn check_password(&self, password: &str) -> bool {
        self.which_password(password).is_some()
    }

    /// Which of the passwords this is, in constant time; for PLAIN and LOGIN.
    pub fn which_password(&self, password: &str) -> Option<PasswordId> {
        let salted = self.salt(password)?;
        let stored = sha256(&*hmac_sha256(&*salted, b"Client Key"));
        let found = self.find(|_| stored);
        found.filter(|_| is_printable(password)).map(|(id, _)| id)
    }

    /// The password whose stored key is what `proven` makes of it, and its server key. As many keys are tried for everybody,
    /// one after the other to the end.
    pub(super) fn find(
        &self,
        mut proven: impl FnMut(&[u8; HASH_LEN]) -> [u8; HASH_LEN],
    ) -> Option<(PasswordId, Zeroizing<[u8; HASH_LEN]>)> {
        let nobody = [0; HASH_LEN];
        let mut found = u8::MAX;
        for place in 0..MOST_PASSWORDS {
            let keys = self.keys.get(place);
            let stored = keys.map_or(&nobody, |keys| &keys.stored);
            let fits = proven(stored).ct_eq(stored) & Choice::from(u8::from(keys.is_some()));
            let place = u8::try_from(place).unwrap_or(u8::MAX);
            found.conditional_assign(&place, fits);
        }
        let keys = self.keys.get(usize::from(found))?;
        Some((keys.id, Zeroizing::new(keys.server)))
    }

    pub(super) fn salt_bytes(&self) -> &[u8; SALT_LEN] {
        &self.salt
    }

    pub(super) fn iterations(&self) -> u32 {
        self.iterations
    }

    fn salt(&self, password: &str) -> Option<Zeroizing<[u8; HASH_LEN]>> {
        let iterations = NonZeroU32::new(self.iterations)?;
        Some(salted_password(password, &self.salt, iterations))
    }

    /// The verifier as bytes, to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = 1 + 4 + SALT_LEN + self.keys.len() * KEYS_LEN;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.iterations.to_be_bytes());
        bytes.extend_from_slice(&self.salt);
        for keys in &self.keys {
            bytes.extend_from_slice(keys.id.as_bytes());
            bytes.extend_from_slice(&keys.stored);
            bytes.extend_from_slice(&keys.server);
        }
        bytes
    }

    /// Reads what [`Verifier::to_bytes`] wrote, and what was written while there was one password alone.
    ///
    /// # Errors
    /// [`BadVerifier`] if it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadVerifier> {
        let (format, rest) = bytes.split_first().ok_or(BadVerifier)?;
        let (iterations, rest) = rest.split_first_chunk::<4>().ok_or(BadVerifier)?;
        let (salt, rest) = rest.split_first_chunk::<SALT_LEN>().ok_or(BadVerifier)?;
        let iterations = u32::from_be_bytes(*iterations);
        if !(1..=MAX_ITERATIONS).contains(&iterations) {
            return Err(BadVerifier);
        }
        let mut verifier = Self::salted(*salt, iterations);
        match *format {
            FORMAT_ONE if rest.len() == 2 * HASH_LEN => verifier.keys.push(Keys::read(FIRST, rest)),
            FORMAT if rest.len() <= MOST_PASSWORDS * KEYS_LEN => {
                let (all, rest) = rest.as_chunks::<KEYS_LEN>();
                if !rest.is_empty() {
                    return Err(BadVerifier);
                }
                for keys in all {
                    let id = PasswordId::from_slice(&keys[..ID_LEN]).map_err(|_| BadVerifier)?;
                    verifier.keys.push(Keys::read(id, &keys[ID_LEN..]));
                }
            }
            _ => return Err(BadVerifier),
        }
        Ok(verifier)
    }
}

impl Keys {
    /// Both keys, one behind the other.
    fn read(id: PasswordId, keys: &[u8]) -> Self {
        let (stored, server) = keys.split_at(HASH_LEN);
        Self {
            id,
            stored: to_array(stored),
            server: to_array(server),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}
