//! Handshakes that came to nothing, counted by door and reason, with how many networks they came from: enough to see whether
//! somebody's mail server can't speak with us. A network is kept as a keyed hash whose key goes with the process; what
//! outlives that are numbers, for thirty days.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustls::{AlertDescription, Error, PeerIncompatible};
use serde::{Deserialize, Serialize};

use crate::net::Network;

/// Networks remembered for one reason; more are not told apart.
const MOST: usize = 10_000;
/// After this time all is counted anew.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why a handshake came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The door.
    pub door: Cow<'static, str>,
    /// The reason.
    pub reason: RefusedFor,
    /// How often.
    pub times: u64,
    /// From how many networks at least: who came before a restart can't be told from who came after it.
    pub networks: u64,
}

#[derive(Default)]
struct Tally {
    times: u64,
    networks: HashSet<u64>,
    /// The most that earlier processes saw.
    networks_before: u64,
}

#[derive(Default)]
struct Tallies {
    since: Option<Timestamp>,
    changed: bool,
    by: BTreeMap<(Cow<'static, str>, RefusedFor), Tally>,
}

/// The counts as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    since: Timestamp,
    refused: Vec<Refused>,
}

/// The counts of the last weeks.
#[derive(Default)]
pub struct Refusals {
    key: RandomState,
    tallies: Mutex<Tallies>,
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, door: &'static str, reason: RefusedFor, from: IpAddr) {
        let network = self.key.hash_one(Network::from(from));
        let mut tallies = self.tallies();
        tallies.changed = true;
        let tally = tallies.by.entry((door.into(), reason)).or_default();
        tally.times += 1;
        if tally.networks.len() < MOST {
            tally.networks.insert(network);
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Refused> {
        let tallies = self.tallies();
        let all = tallies.by.iter().map(|((door, reason), tally)| Refused {
            door: door.clone(),
            reason: *reason,
            times: tally.times,
            networks: tally.networks_before.max(tally.networks.len() as u64),
        });
        all.collect()
    }

    /// Since when they are counted; none until [`Self::recall`].
    pub fn since(&self) -> Option<Timestamp> {
        self.tallies().since
    }

    /// Adds what was kept, the first time. Text that isn't ours is as good as none.
    pub fn recall(&self, kept: Option<&[u8]>, now: Timestamp) {
        let kept = kept.and_then(|kept| serde_json::from_slice::<Kept>(kept).ok());
        let kept = kept.filter(|kept| now.duration_since(kept.since) < KEPT_FOR);
        let mut tallies = self.tallies();
        // What was kept since then is counted here already.
        if tallies.since.is_some() {
            return;
        }
        tallies.since = Some(kept.as_ref().map_or(now, |kept| kept.since));
        for one in kept.into_iter().flat_map(|kept| kept.refused) {
            let tally = tallies.by.entry((one.door, one.reason)).or_default();
            tally.times += one.times;
            tally.networks_before = tally.networks_before.max(one.networks);
        }
    }

    /// What is to be kept, if it has changed since it was asked for last. Counts whose time is over are forgotten.
    pub fn to_keep(&self, now: Timestamp) -> Option<Vec<u8>> {
        let mut tallies = self.tallies();
        let since = *tallies.since.get_or_insert(now);
        if now.duration_since(since) >= KEPT_FOR {
            *tallies = Tallies {
                since: Some(now),
                changed: true,
                ..Tallies::default()
            };
        }
        if !std::mem::take(&mut tallies.changed) {
            return None;
        }
        drop(tallies);
        let kept = Kept {
            since: self.since().unwrap_or(now),
            refused: self.all(),
        };
        serde_json::to_vec(&kept).ok()
    }

    /// What was to be kept could not be.
    pub fn not_kept(&self) {
        self.tallies().changed = true;
    }

    fn tallies(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
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
            .map(|one| (&*one.door, one.times, one.networks))
            .collect();
        assert_eq!(told, [("https", 1, 1), ("smtp", 3, 2)]);
        assert!(!format!("{refusals:?}{all:?}").contains("192"));
    }

    #[test]
    fn numbers_outlive_the_process_for_a_while() {
        let began: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let (first, from) = (Refusals::default(), "192.0.2.1".parse().unwrap());
        first.recall(None, began);
        assert_eq!(first.to_keep(began), None, "nothing new");
        first.count("smtp", RefusedFor::NoTls, from);
        let kept = first.to_keep(began).unwrap();
        assert_eq!(first.to_keep(began), None, "kept");
        first.not_kept();
        assert_eq!(first.to_keep(began).unwrap(), kept);

        let (second, later) = (Refusals::default(), began + SignedDuration::from_hours(24));
        second.count("smtp", RefusedFor::NoTls, from);
        second.recall(Some(&kept), later);
        let all = second.all();
        assert_eq!((all[0].times, all[0].networks), (2, 1));
        assert_eq!(second.since(), Some(began));

        let over = began + KEPT_FOR;
        second.to_keep(over).unwrap();
        assert_eq!((second.all(), second.since()), (Vec::new(), Some(over)));
        let third = Refusals::default();
        third.recall(Some(&kept), over);
        assert_eq!((third.all(), third.since()), (Vec::new(), Some(over)));
        third.recall(Some(b"what's that"), over);
        assert_eq!(third.all(), Vec::new());
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
