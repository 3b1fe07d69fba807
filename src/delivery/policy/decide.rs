//! What is asked of one server, from all that is known. Pure.

use std::fmt;
use std::sync::Arc;

use super::{Require, TlsPolicy, TlsWish};
use crate::delivery::sts::{Mode, Policy};
use crate::dns::LookupError;
use crate::tls::{Dane, Tlsa};

/// Why mail is not given to a server, or to none of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Doubt {
    /// Its certificate doesn't prove who it is.
    #[error("the other server's certificate doesn't prove who it is")]
    Certificate,
    /// The domain's MTA-STS policy doesn't name it.
    #[error("the domain's MTA-STS policy doesn't name this mail server")]
    NotInPolicy,
    /// Its certificate doesn't match its TLSA records, or nobody knows them, or there are none and there must be.
    #[error("the other server's TLSA records (DANE) are not to be had, or don't match")]
    Tlsa,
    /// DNS was forged, or can't prove itself.
    #[error("DNS is not signed as it should be (DNSSEC)")]
    Dnssec,
    /// The sender asked for REQUIRETLS, and this server can't prove who it is, or doesn't pass it on.
    #[error("the sender asks for REQUIRETLS, and the other server doesn't do it")]
    RequireTls,
}

/// What DNS says about a host's certificate, as far as it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostDane {
    /// Nothing.
    Absent,
    /// These records.
    Records(Vec<Tlsa>),
    /// The look-up failed: nobody knows whether there are any.
    Failed(LookupError),
}

/// All that is known when a server is weighed.
#[derive(Clone)]
pub struct Known<'a> {
    /// The configuration's word.
    pub require: Option<Require>,
    /// The sender's wish.
    pub wish: TlsWish,
    /// The domain's MTA-STS policy.
    pub sts: Option<&'a Policy>,
    /// The server's name.
    pub host: &'a str,
    /// Whether DNSSEC, or the configuration, vouches for it being the domain's server.
    pub host_is_proven: bool,
    /// Its TLSA records.
    pub dane: &'a HostDane,
    /// The names that a certificate under a trust anchor may bear.
    pub names: &'a [Box<str>],
}

/// The server's name tells the domain; that may be one person's, so it isn't shown.
impl fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("require", &self.require)
            .field("wish", &self.wish)
            .field("sts", &self.sts)
            .field("host_is_proven", &self.host_is_proven)
            .finish_non_exhaustive()
    }
}

/// What is asked of the server.
///
/// # Errors
/// The [`Doubt`] for which it is passed over.
pub fn decide(known: &Known<'_>) -> Result<TlsPolicy, Doubt> {
    match known.require {
        // The admin's word goes before everybody's, but for a sender who wants more.
        Some(Require::Encrypted) => return for_wish(known, TlsPolicy::Opportunistic),
        None if known.wish.is_relaxed() => return Ok(TlsPolicy::Opportunistic),
        _ => {}
    }
    let dane = match known.dane {
        HostDane::Failed(_) => return Err(Doubt::Tlsa),
        HostDane::Records(records) => Dane::new(records.clone(), known.names.to_vec()),
        HostDane::Absent => None,
    };
    // RFC 8461 §2: DANE goes before MTA-STS.
    if let Some(dane) = dane {
        return Ok(TlsPolicy::Dane(Arc::new(dane)));
    }
    match known.require {
        Some(Require::Dane) => return Err(Doubt::Tlsa),
        Some(Require::Verified) => return Ok(TlsPolicy::Verified),
        _ => {}
    }
    match known.sts.filter(|policy| policy.mode == Mode::Enforce) {
        Some(policy) if policy.names(known.host) => Ok(TlsPolicy::Verified),
        Some(_) => Err(Doubt::NotInPolicy),
        // Records that can't be used ask for encryption, as we always do (RFC 7672 §2.2).
        None => for_wish(known, TlsPolicy::Opportunistic),
    }
}

/// REQUIRETLS asks for proof where the domain doesn't (RFC 8689 §4.2.1): of the name, which is worth something if
/// somebody vouches for the name.
fn for_wish(known: &Known<'_>, policy: TlsPolicy) -> Result<TlsPolicy, Doubt> {
    match known.wish {
        TlsWish::Required if known.host_is_proven => Ok(TlsPolicy::Verified),
        TlsWish::Required => Err(Doubt::RequireTls),
        _ => Ok(policy),
    }
}
