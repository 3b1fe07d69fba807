//! How the server of a destination has to prove who it is. Encryption itself is no matter of policy: without TLS, mail
//! waits.
//!
//! This is the place where DANE (RFC 7672) and MTA-STS (RFC 8461) are looked up and weighed, for each target, before it
//! is dialled.

use crate::delivery::route::Target;

/// What a server's certificate has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsPolicy {
    /// Encrypted whoever answers (RFC 7435): what its certificate says is recorded, not enforced.
    Opportunistic,
}

/// The policy for one target.
pub fn policy_for(_: &Target) -> TlsPolicy {
    TlsPolicy::Opportunistic
}
