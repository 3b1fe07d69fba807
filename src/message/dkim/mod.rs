//! DKIM signing (RFC 6376 with the RSA rules of RFC 8301 and Ed25519 of RFC 8463), relaxed/relaxed only.
//!
//! We sign ourselves rather than by a crate because a mailing's copies share most of their body: the hash of
//! the common part is taken once, [`BodyHasher`] is cloned, and each copy only adds what is its own. Knows no DNS, no
//! store and no clock: keys, bytes and times are arguments.

mod canon;
mod key;
mod sign;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use canon::BodyHasher;
pub(crate) use canon::is_relaxed;
pub use key::{Algorithm, KeyError, SigningKey};
pub use sign::{HeaderSet, SelectedKey, SignError, Signer, SigningTime};
