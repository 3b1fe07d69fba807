//! How the server of a destination has to prove who it is. Encryption itself is no matter of policy: without TLS, mail
//! waits.
//!
//! - [`plan`] looks up what a destination's servers are held to, before any is dialled: DANE (RFC 7672), MTA-STS
//!   (RFC 8461), the configuration's own word ([`Overrides`]), the sender's wish ([`TlsWish`], RFC 8689).
//! - [`decide`] weighs it for one server, and is pure.
//! - [`results`] has what came of each connection, in the terms of RFC 8460.

mod decide;
mod plan;
pub mod results;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use self::decide::{Doubt, HostDane, Known, decide};
pub use self::plan::{Approach, Plan, Planner};
pub use crate::store::TlsWish;

use crate::address::Domain;
use crate::tls::Dane;

/// What a server's certificate has to be. Two connections whose policies differ never stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsPolicy {
    /// Encrypted whoever answers (RFC 7435): what its certificate says is recorded, not enforced.
    Opportunistic,
    /// Good for the server's name, by authorities that we trust (RFC 8461 §4.1).
    Verified,
    /// As DNS says (RFC 7672).
    Dane(Arc<Dane>),
}

impl TlsPolicy {
    /// Whether the server has to prove who it is.
    pub fn is_proof(&self) -> bool {
        !matches!(self, Self::Opportunistic)
    }
}

/// What the configuration asks of a domain's servers, whatever the domain itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// Encryption, and nothing more: neither DANE nor MTA-STS is looked up.
    Encrypted,
    /// A certificate that is good for the server's name, or matches its TLSA records.
    Verified,
    /// A certificate that matches TLSA records.
    Dane,
}

/// What the configuration asks, by domain.
#[derive(Clone, Default)]
pub struct Overrides {
    domains: HashMap<Domain, Require>,
    /// By what comes after `*.`: for every name below it, and not for itself.
    below: HashMap<Domain, Require>,
}

/// Domains may be one person's, so they aren't shown.
impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domains, below) = (self.domains.len(), self.below.len());
        write!(f, "Overrides({domains} domains, {below} below)")
    }
}

impl Overrides {
    /// Adds what is asked of a domain, or with `*.` of all below it. Says whether the name is one.
    pub fn add(&mut self, pattern: &str, require: Require) -> bool {
        let (map, name) = match pattern.strip_prefix("*.") {
            Some(suffix) => (&mut self.below, suffix),
            None => (&mut self.domains, pattern),
        };
        Domain::parse(name).is_ok_and(|domain| {
            map.insert(domain, require);
            true
        })
    }

    /// What is asked of this domain: its own entry, or that of the longest suffix.
    pub fn of(&self, domain: &Domain) -> Option<Require> {
        let below = || {
            let suffixes = domain.as_str().match_indices('.');
            suffixes
                .filter_map(|(dot, _)| domain.as_str().get(dot + 1..))
                .find_map(|suffix| self.below.get(suffix))
        };
        self.domains.get(domain).or_else(below).copied()
    }
}

#[cfg(test)]
mod tests;
