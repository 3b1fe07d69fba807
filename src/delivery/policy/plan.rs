//! What a destination's servers are held to, looked up before any is dialled.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::ServerName;

use super::decide::{Doubt, HostDane, Known, decide};
use super::results::{FoundPolicy, NoResults, PolicyKind, ResultType, TlsAttempt, TlsResults};
use super::{Overrides, Require, TlsPolicy, TlsWish};
use crate::address::Domain;
use crate::delivery::route::{Found, Origin, RouteError, Router, Target};
use crate::delivery::sts::{Mode, Policy, StsPolicies};
use crate::dns::LookupError;
use crate::tls::Tlsa;

/// A server, and what it has to prove.
#[derive(Clone)]
pub struct Approach {
    /// The server.
    pub target: Target,
    /// The name to ask for in TLS: the server's, or, with DANE, the one that its TLSA records stand under (RFC 7672 §8.1).
    pub name: Box<str>,
    /// What it has to prove, or why it is passed over.
    pub policy: Result<TlsPolicy, Doubt>,
    /// The policy that stands behind it, for reports.
    pub found: Arc<FoundPolicy>,
    /// There are no usable TLSA records, and the configuration asks for some.
    pub is_dane_missing: bool,
    /// A policy that is only tried out (MTA-STS `testing`), and whether it names this server.
    pub testing: Option<bool>,
}

/// The server's name tells the domain; that may be one person's, so it isn't shown.
impl fmt::Debug for Approach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.policy.as_ref().map(TlsPolicy::is_proof);
        write!(f, "Approach({:?}, proof: {policy:?})", self.target)
    }
}

impl Approach {
    /// [`Approach::name`], as TLS has it.
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.name.to_string()).ok()
    }
}

/// A destination's servers, best first.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers; at least one.
    pub approaches: Vec<Approach>,
}

/// Makes plans.
#[derive(Debug, Clone)]
pub struct Planner {
    /// MTA-STS; none where there is no store for policies.
    pub sts: Option<StsPolicies>,
    /// The configuration's word.
    pub overrides: Overrides,
    /// Whoever wants to know what came of connections.
    pub results: Arc<dyn TlsResults>,
}

impl Default for Planner {
    fn default() -> Self {
        Self {
            sts: None,
            overrides: Overrides::default(),
            results: Arc::new(NoResults),
        }
    }
}

/// TLSA records, and the name that they stand under.
struct HostTlsa {
    dane: HostDane,
    base: Box<str>,
}

impl Planner {
    /// The servers to try for `domain`, and what each has to prove.
    ///
    /// # Errors
    /// [`RouteError`] if there is no server to try.
    pub async fn plan(
        &self,
        router: &Router,
        domain: &Domain,
        wish: TlsWish,
    ) -> Result<Plan, RouteError> {
        let require = self.overrides.of(domain);
        // Who wants encryption alone gets what DNS says, signed or not: the way out of a zone with broken signatures.
        let relaxed = require.is_none() && wish.is_relaxed();
        let proven = require != Some(Require::Encrypted);
        let proven = proven && !relaxed;
        let found = router.find(domain, proven).await.inspect_err(|error| {
            if *error == RouteError::Lookup(LookupError::Bogus) && wish != TlsWish::Report {
                self.note_dnssec(domain);
            }
        })?;
        let is_static = matches!(found.targets.as_slice(), [one] if one.origin == Origin::Static);
        let sts = match &self.sts {
            // A route of the configuration's is nobody's MX.
            Some(sts) if require.is_none() && !relaxed && !is_static => {
                let known = sts.of(domain).await;
                if let Some(fault) = known.fault.filter(|_| wish != TlsWish::Report) {
                    self.note_fetch(domain, known.policy.as_deref(), fault.into());
                }
                known.policy
            }
            _ => None,
        };
        let mut approaches = Vec::with_capacity(found.targets.len());
        for target in &found.targets {
            let tlsa = match proven {
                true => host_tlsa(router, &found, target).await,
                false => HostTlsa {
                    dane: HostDane::Absent,
                    base: target.host.clone(),
                },
            };
            let weighed = Weighed {
                require,
                wish,
                sts: sts.as_deref(),
            };
            approaches.push(weighed.approach(&found, target.clone(), tlsa));
        }
        Ok(Plan { approaches })
    }

    fn note_dnssec(&self, domain: &Domain) {
        self.note_failure(
            domain,
            &FoundPolicy {
                kind: PolicyKind::Tlsa,
                ..FoundPolicy::none()
            },
            ResultType::DnssecInvalid,
        );
    }

    fn note_fetch(&self, domain: &Domain, policy: Option<&Policy>, failure: ResultType) {
        let found = policy.map_or_else(
            || FoundPolicy {
                kind: PolicyKind::Sts,
                ..FoundPolicy::none()
            },
            sts_found,
        );
        self.note_failure(domain, &found, failure);
    }

    fn note_failure(&self, domain: &Domain, policy: &FoundPolicy, failure: ResultType) {
        self.results.note(&TlsAttempt {
            domain,
            policy,
            host: None,
            address: None,
            failure: Some(failure),
        });
    }
}

struct Weighed<'a> {
    require: Option<Require>,
    wish: TlsWish,
    sts: Option<&'a Policy>,
}

impl Weighed<'_> {
    fn approach(&self, found: &Found, target: Target, tlsa: HostTlsa) -> Approach {
        let mut names = vec![tlsa.base.clone()];
        // RFC 7672 §3.2.2: the next hop's own names count if DNSSEC proves that it is the next hop.
        let more = found.next_hop.iter().filter(|_| found.secure);
        for name in more.chain([&target.host]) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let known = Known {
            require: self.require,
            wish: self.wish,
            sts: self.sts,
            host: &target.host,
            host_is_proven: found.secure,
            dane: &tlsa.dane,
            names: &names,
        };
        let policy = decide(&known);
        let by_dane = matches!(policy, Ok(TlsPolicy::Dane(_)));
        let sts = self.sts.filter(|_| !by_dane);
        let testing = sts.filter(|policy| policy.mode == Mode::Testing);
        Approach {
            name: if by_dane {
                tlsa.base
            } else {
                target.host.clone()
            },
            found: Arc::new(behind(&policy, &tlsa.dane, sts)),
            testing: testing.map(|policy| policy.names(&target.host)),
            is_dane_missing: !matches!(tlsa.dane, HostDane::Failed(_)),
            policy,
            target,
        }
    }
}

/// The policy that stands behind a decision.
fn behind(policy: &Result<TlsPolicy, Doubt>, dane: &HostDane, sts: Option<&Policy>) -> FoundPolicy {
    let records = match (policy, dane) {
        (Ok(TlsPolicy::Dane(dane)), _) => dane.records().collect(),
        (_, HostDane::Records(records)) => records.iter().map(Tlsa::to_string).collect(),
        (_, HostDane::Failed(_)) => Vec::new(),
        _ => return sts.map_or_else(FoundPolicy::none, sts_found),
    };
    FoundPolicy {
        kind: PolicyKind::Tlsa,
        lines: records,
        mx: Vec::new(),
    }
}

fn sts_found(policy: &Policy) -> FoundPolicy {
    if policy.mode == Mode::None {
        return FoundPolicy::none();
    }
    FoundPolicy {
        kind: PolicyKind::Sts,
        lines: policy.lines(),
        mx: policy.mx.clone(),
    }
}

/// A host's TLSA records. They are asked for only where DNSSEC proves that the host is the domain's, and its addresses
/// its own (RFC 7672 §2.2).
async fn host_tlsa(router: &Router, found: &Found, target: &Target) -> HostTlsa {
    let nothing = |dane| HostTlsa {
        dane,
        base: target.host.clone(),
    };
    let (Some(resolver), true) = (&router.secure, found.secure) else {
        return nothing(HostDane::Absent);
    };
    let port = target
        .addresses
        .first()
        .map_or(router.port, |address| address.port());
    for base in &target.tlsa_bases {
        match resolver.tlsa(base, port).await {
            Ok(records) if records.is_empty() => {}
            Ok(records) => {
                return HostTlsa {
                    dane: HostDane::Records(records),
                    base: base.clone(),
                };
            }
            // Nobody knows whether there are any: the host is passed over (RFC 7672 §2.1.2).
            Err(error) => return nothing(HostDane::Failed(error)),
        }
    }
    nothing(HostDane::Absent)
}
