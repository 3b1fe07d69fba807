//! Tests of what is asked of a server.

#![allow(clippy::unwrap_used)]

use super::results::{FoundPolicy, PolicyKind, ResultType, Tally, TlsAttempt};
use super::*;
use crate::delivery::route::{Found, Origin, Target};
use crate::delivery::sts::{Mode, Policy};
use crate::dns::{Hitch, LookupError};
use crate::tls::{Dane, Tlsa};

const HOST: &str = "mx.example";

fn sts(mode: Mode, mx: &str) -> Policy {
    Policy {
        mode,
        max_age: 86_400,
        mx: vec![mx.to_owned()],
    }
}

fn records(usage: u8) -> HostDane {
    HostDane::Records(vec![Tlsa::new(usage, 1, 1, vec![7; 32])])
}

#[derive(Clone)]
struct Case {
    require: Option<Require>,
    wish: TlsWish,
    sts: Option<Policy>,
    proven: bool,
    dane: HostDane,
}

impl Case {
    /// A domain that asks for nothing.
    fn bare() -> Self {
        Self {
            require: None,
            wish: TlsWish::Usual,
            sts: None,
            proven: false,
            dane: HostDane::Absent,
        }
    }

    fn decide(&self) -> Result<TlsPolicy, Doubt> {
        decide(&Known {
            require: self.require,
            wish: self.wish,
            sts: self.sts.as_ref(),
            host: HOST,
            host_is_proven: self.proven,
            dane: &self.dane,
            names: &[HOST.into()],
        })
    }

    fn is_dane(&self) -> bool {
        matches!(self.decide(), Ok(TlsPolicy::Dane(_)))
    }
}

#[test]
fn a_domain_that_asks_for_nothing_gets_encryption() {
    assert_eq!(Case::bare().decide(), Ok(TlsPolicy::Opportunistic));
}

#[test]
fn mta_sts_counts_when_it_is_enforced_and_names_the_host() {
    let with = |mode, mx| {
        let sts = Some(sts(mode, mx));
        Case {
            sts,
            ..Case::bare()
        }
        .decide()
    };
    assert_eq!(with(Mode::Enforce, HOST), Ok(TlsPolicy::Verified));
    assert_eq!(
        with(Mode::Enforce, "other.example"),
        Err(Doubt::NotInPolicy)
    );
    for mode in [Mode::Testing, Mode::None] {
        for mx in [HOST, "other.example"] {
            assert_eq!(with(mode, mx), Ok(TlsPolicy::Opportunistic));
        }
    }
}

#[test]
fn dane_goes_before_mta_sts() {
    for mx in [HOST, "other.example"] {
        let case = Case {
            sts: Some(sts(Mode::Enforce, mx)),
            dane: records(3),
            ..Case::bare()
        };
        assert!(case.is_dane());
    }
}

#[test]
fn tlsa_records_that_can_not_be_had_pass_the_host_over() {
    for error in [LookupError::Bogus, LookupError::Temporary(Hitch::TimedOut)] {
        let dane = HostDane::Failed(error);
        let case = Case {
            dane,
            ..Case::bare()
        };
        assert_eq!(case.decide(), Err(Doubt::Tlsa));
    }
}

#[test]
fn tlsa_records_that_can_not_be_used_ask_for_encryption_and_leave_mta_sts_its_say() {
    let case = Case {
        dane: records(1),
        ..Case::bare()
    };
    assert_eq!(case.decide(), Ok(TlsPolicy::Opportunistic));
    let case = Case {
        sts: Some(sts(Mode::Enforce, HOST)),
        ..case
    };
    assert_eq!(case.decide(), Ok(TlsPolicy::Verified));
}

#[test]
fn the_configuration_has_the_last_word() {
    let with = |require| Case {
        require: Some(require),
        ..Case::bare()
    };
    assert_eq!(with(Require::Verified).decide(), Ok(TlsPolicy::Verified));
    assert_eq!(with(Require::Dane).decide(), Err(Doubt::Tlsa));
    let dane = records(3);
    for require in [Require::Verified, Require::Dane] {
        let dane = dane.clone();
        assert!(
            Case {
                dane,
                ..with(require)
            }
            .is_dane()
        );
    }
    let case = Case {
        dane,
        ..with(Require::Encrypted)
    };
    assert_eq!(case.decide(), Ok(TlsPolicy::Opportunistic));
    // What a mail's header says weakens nothing of it.
    let case = Case {
        wish: TlsWish::Relaxed,
        ..with(Require::Verified)
    };
    assert_eq!(case.decide(), Ok(TlsPolicy::Verified));
}

#[test]
fn tls_required_no_puts_the_domains_own_wishes_aside() {
    let case = Case {
        wish: TlsWish::Relaxed,
        sts: Some(sts(Mode::Enforce, "other.example")),
        dane: records(3),
        ..Case::bare()
    };
    assert_eq!(case.decide(), Ok(TlsPolicy::Opportunistic));
}

#[test]
fn requiretls_needs_proof_of_whom() {
    let bare = Case {
        wish: TlsWish::Required,
        ..Case::bare()
    };
    assert_eq!(bare.decide(), Err(Doubt::RequireTls));
    let encrypted = Case {
        require: Some(Require::Encrypted),
        ..bare.clone()
    };
    assert_eq!(encrypted.decide(), Err(Doubt::RequireTls));
    let testing = Case {
        sts: Some(sts(Mode::Testing, HOST)),
        ..bare.clone()
    };
    assert_eq!(testing.decide(), Err(Doubt::RequireTls));
    let enforced = Case {
        sts: Some(sts(Mode::Enforce, HOST)),
        ..bare.clone()
    };
    assert_eq!(enforced.decide(), Ok(TlsPolicy::Verified));
    let proven = Case {
        proven: true,
        ..bare.clone()
    };
    assert_eq!(proven.decide(), Ok(TlsPolicy::Verified));
    let dane = records(3);
    assert!(Case { dane, ..bare }.is_dane());
}

#[test]
fn nothing_shows_whose_servers_they_are() {
    let found = FoundPolicy {
        kind: PolicyKind::Sts,
        lines: vec!["mx: mx.jo.example".into()],
        mx: vec!["mx.jo.example".into()],
    };
    let attempt = TlsAttempt {
        domain: &Domain::parse("jo.example").unwrap(),
        policy: &found,
        host: Some("mx.jo.example"),
        address: None,
        failure: Some(ResultType::CertificateExpired),
    };
    let counted = Tally {
        successes: 1,
        failures: [((ResultType::TlsaInvalid, Some("mx.jo.example".into())), 1)].into(),
    };
    let policy = sts(Mode::Enforce, "mx.jo.example");
    let dane = Dane::new(
        vec![Tlsa::new(3, 1, 1, vec![7; 32])],
        vec!["mx.jo.example".into()],
    );
    let shown = format!("{found:?} {attempt:?} {counted:?} {policy:?} {dane:?}");
    assert!(!shown.contains("example"), "{shown}");
    let target = Target {
        host: "mx.jo.example".into(),
        addresses: vec!["192.0.2.77:25".parse().unwrap()],
        origin: Origin::Mx,
        preference: 10,
        tlsa_bases: vec!["mx.jo.example".into()],
    };
    let route = Found {
        targets: vec![target.clone()],
        secure: true,
        next_hop: vec!["jo.example".into()],
    };
    let known = Known {
        require: None,
        wish: TlsWish::Usual,
        sts: Some(&policy),
        host: "mx.jo.example",
        host_is_proven: true,
        dane: &records(3),
        names: &["jo.example".into()],
    };
    let mut overrides = Overrides::default();
    assert!(
        overrides.add("jo.example", Require::Dane) && overrides.add("*.jo.example", Require::Dane)
    );
    let approach = Approach {
        target: target.clone(),
        name: "mx.jo.example".into(),
        policy: Ok(TlsPolicy::Dane(Arc::new(dane.unwrap()))),
        found: Arc::new(found),
        is_dane_missing: false,
        testing: None,
    };
    let plan = Plan {
        approaches: vec![approach.clone()],
    };
    let planner = Planner {
        overrides: overrides.clone(),
        ..Planner::default()
    };
    let shown =
        format!("{target:?} {route:?} {known:?} {overrides:?} {approach:?} {plan:?} {planner:?}");
    assert!(
        !shown.contains("example") && !shown.contains("192.0.2"),
        "{shown}"
    );
}

#[test]
fn overrides_are_found_by_the_longest_suffix() {
    let mut overrides = Overrides::default();
    assert!(overrides.add("a.example", Require::Verified));
    assert!(overrides.add("*.example", Require::Dane));
    assert!(overrides.add("*.b.example", Require::Encrypted));
    assert!(!overrides.add("*", Require::Encrypted));
    let of = |name: &str| overrides.of(&Domain::parse(name).unwrap());
    assert_eq!(of("a.example"), Some(Require::Verified));
    assert_eq!(of("x.a.example"), Some(Require::Dane));
    assert_eq!(of("x.b.example"), Some(Require::Encrypted));
    assert_eq!(of("a.test"), None);
}
