//! Handshakes that came to nothing, counted by door and reason, with how many networks they came from: enough to see whether
//! somebody's mail server can't speak with us. A network is kept as a keyed hash whose key goes with the process.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use rustls::{AlertDescription, Error, PeerIncompatible};

use crate::net::Network;

/// Networks remembered for one reason; more are not told apart.
const MOST: usize = 10_000;

/// Why a handshake came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedFor {
    /// It speaks no version of TLS that is safe.
    OldVersion,
    /// It knows none of our ciphers, groups or signatures.
    NothingInCommon,
    /// It doesn't trust our certificate.
    Certificate,
    /// What it sent is no TLS.
    NoTls,
    /// It went away in the middle.
    HungUp,
    /// It took too long.
    Stalled,
    /// It sent another alert, or something else went wrong.
    Other,
}

impl RefusedFor {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OldVersion => "only speaks versions of TLS that are not safe",
            Self::NothingInCommon => "knows no cipher, group or signature of ours",
            Self::Certificate => "doesn't trust our certificate",
            Self::NoTls => "doesn't speak TLS",
            Self::HungUp => "hung up",
            Self::Stalled => "took too long",
            Self::Other => "another reason",
        }
    }

    /// What an error of a handshake means.
    pub fn of(error: &io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            Some(Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::Tls13RequiredForQuic
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            )) => Self::OldVersion,
            Some(Error::PeerIncompatible(_)) => Self::NothingInCommon,
            Some(Error::AlertReceived(alert)) => Self::of_alert(*alert),
            Some(Error::InvalidMessage(_)) => Self::NoTls,
            Some(_) => Self::Other,
            None => Self::HungUp,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription as Alert;
        match alert {
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA => Self::Certificate,
            Alert::ProtocolVersion => Self::OldVersion,
            Alert::HandshakeFailure | Alert::InsufficientSecurity => Self::NothingInCommon,
            Alert::CloseNotify | Alert::UserCanceled => Self::HungUp,
            _ => Self::Other,
        }
    }
}

/// What was refused at a door for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The door.
    pub door: &'static str,
    /// The reason.
    pub reason: RefusedFor,
    /// How often.
    pub times: u64,
    /// From how many networks.
    pub networks: u64,
}

#[derive(Default)]
struct Tally {
    times: u64,
    networks: HashSet<u64>,
}

/// The counts since the start.
#[derive(Default)]
pub struct Refusals {
    key: RandomState,
    tallies: Mutex<BTreeMap<(&'static str, RefusedFor), Tally>>,
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, door: &'static str, reason: RefusedFor, from: IpAddr) {
        let network = self.key.hash_one(Network::from(from));
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry((door, reason)).or_default();
        tally.times += 1;
        if tally.networks.len() < MOST {
            tally.networks.insert(network);
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Refused> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let all = tallies.iter().map(|((door, reason), tally)| Refused {
            door,
            reason: *reason,
            times: tally.times,
            networks: tally.networks.len() as u64,
        });
        all.collect()
    }
}

/// Says nothing of who came.
impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn they_are_counted_by_reason_and_network() {
        let refusals = Refusals::default();
        for from in ["192.0.2.1", "192.0.2.200", "198.51.100.1"] {
            refusals.count("smtp", RefusedFor::OldVersion, from.parse().unwrap());
        }
        refusals.count("https", RefusedFor::HungUp, "192.0.2.1".parse().unwrap());
        let all = refusals.all();
        let told: Vec<_> = all
            .iter()
            .map(|one| (one.door, one.times, one.networks))
            .collect();
        assert_eq!(told, [("https", 1, 1), ("smtp", 3, 2)]);
        assert!(!format!("{refusals:?}{all:?}").contains("192"));
    }

    #[test]
    fn an_error_has_its_reason() {
        let of = |error: Error| RefusedFor::of(&io::Error::other(error));
        let alert = |alert| of(Error::AlertReceived(alert));
        assert_eq!(alert(AlertDescription::UnknownCA), RefusedFor::Certificate);
        assert_eq!(
            alert(AlertDescription::ProtocolVersion),
            RefusedFor::OldVersion
        );
        let old = Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled);
        assert_eq!(of(old), RefusedFor::OldVersion);
        let gone = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(RefusedFor::of(&gone), RefusedFor::HungUp);
    }
}
