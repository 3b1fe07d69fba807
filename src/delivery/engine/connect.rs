//! Reaching a destination: each host by preference, each of its addresses, until one speaks TLS with us and proves what it
//! has to prove.

use std::net::IpAddr;

use super::Shared;
use super::chain::quit;
use super::desk::{Destination, Line, Session};
use super::failure::Failure;
use crate::delivery::pace::Provider;
use crate::delivery::policy::results::{ResultType, TlsAttempt};
use crate::delivery::policy::{Approach, Doubt, Plan, Planner, TlsWish};
use crate::delivery::route::Origin;
use crate::smtp::client::{Authentication, ClientError, Dialer, Phase, TlsFailure};

/// A connection to a destination.
pub(super) struct Reached {
    pub(super) session: Session,
    /// It was parked: the server may have closed it unnoticed.
    pub(super) reused: bool,
}

/// Why there is none.
pub(super) enum Missed {
    /// Its provider may have no more connections now.
    Crowded,
    /// Nobody could be reached.
    Failed(Failure),
}

/// Connects to a destination, or takes a parked connection of which as much was asked as is asked now.
///
/// # Errors
/// [`Missed`]; its [`Failure`] stands for all hosts: the first that is about safety, for that is what keeps mail from getting
/// there; else the last.
pub(super) async fn connect(
    shared: &Shared,
    to: &Destination,
    may_reuse: bool,
) -> Result<Reached, Missed> {
    let network = shared.network.load_full();
    let within = shared.settings.connect_within;
    let planner = &network.planner;
    let planned = planner.plan(&network.router, &to.domain, to.wish);
    let plan = match tokio::time::timeout(within, planned).await {
        Ok(Ok(plan)) => plan,
        failed => {
            // What was proven of them may not hold any more.
            shared
                .desk
                .unpark_others(to, &[])
                .into_iter()
                .for_each(quit);
            return Err(Missed::Failed(match failed {
                Ok(Err(error)) => Failure::of_route(&error),
                _ => Failure::of_error(&ClientError::TimedOut(Phase::Connect), None),
            }));
        }
    };
    if let Some(provider) = provider(&plan)
        && !shared.desk.join(to, &provider)
    {
        return Err(Missed::Crowded);
    }
    if let Some(session) = parked(shared, to, &plan, may_reuse) {
        return Ok(Reached {
            session,
            reused: true,
        });
    }
    let mut attempt = Attempt {
        planner,
        dialer: &network.dialer,
        to,
        worst: None,
        missing: 0,
    };
    let reached = tokio::time::timeout(within, attempt.all(&plan)).await;
    match reached {
        Ok(Some(session)) => Ok(Reached {
            session,
            reused: false,
        }),
        _ => Err(Missed::Failed(attempt.failure(&plan))),
    }
}

/// Who runs the servers that are tried first: behind them anybody may name anybody's. A route of the configuration's leads
/// to nobody's.
fn provider(plan: &Plan) -> Option<Provider> {
    let targets = plan.approaches.iter().map(|approach| &approach.target);
    let found = targets.filter(|target| target.origin != Origin::Static);
    let best = found.clone().map(|target| target.preference).min()?;
    let first = found.filter(|target| target.preference == best);
    Provider::of(first.map(|target| &*target.host))
}

/// A parked connection to one of the servers, held to what it is held to now. Those held to anything else are closed.
fn parked(shared: &Shared, to: &Destination, plan: &Plan, may_reuse: bool) -> Option<Session> {
    let lines: Vec<Line> = plan
        .approaches
        .iter()
        .filter_map(|approach| {
            Some(Line {
                destination: to.clone(),
                server: approach.server_name()?,
                policy: approach.policy.clone().ok()?,
            })
        })
        .collect();
    let others = shared.desk.unpark_others(to, &lines);
    others.into_iter().for_each(quit);
    let mut lines = lines.iter().filter(|_| may_reuse);
    lines.find_map(|line| shared.desk.unpark(line))
}

/// One try of all servers.
struct Attempt<'a> {
    planner: &'a Planner,
    dialer: &'a Dialer,
    to: &'a Destination,
    worst: Option<Failure>,
    /// Servers that can't do what REQUIRETLS asks.
    missing: usize,
}

impl Attempt<'_> {
    async fn all(&mut self, plan: &Plan) -> Option<Session> {
        for approach in &plan.approaches {
            match self.reach(approach).await {
                Ok(session) => return Some(session),
                Err(failure) => {
                    // What it said may name its domain, which may be one person's.
                    let cause = failure.verdict.cause.name();
                    tracing::debug!(cause, "a mail server was not reached");
                    let kept = self.worst.take();
                    let kept = kept.filter(|failure| failure.verdict.cause.is_about_safety());
                    self.worst = kept.or(Some(failure));
                }
            }
        }
        None
    }

    /// What stands for all. If none of the servers can do what REQUIRETLS asks, waiting helps nobody (RFC 8689 §4.2.1).
    fn failure(self, plan: &Plan) -> Failure {
        if self.missing == plan.approaches.len() {
            return Failure::of_doubt(Doubt::RequireTls, true);
        }
        let late = || Failure::of_error(&ClientError::TimedOut(Phase::Connect), None);
        self.worst.unwrap_or_else(late)
    }

    async fn reach(&mut self, approach: &Approach) -> Result<Session, Failure> {
        let policy = match &approach.policy {
            Ok(policy) => policy,
            Err(doubt) => {
                self.missing += usize::from(*doubt == Doubt::RequireTls);
                self.note(approach, None, of_doubt(*doubt, approach));
                return Err(Failure::of_doubt(*doubt, false));
            }
        };
        let Some(name) = approach.server_name() else {
            let error = ClientError::Connect(std::io::ErrorKind::InvalidInput);
            return Err(Failure::of_error(&error, None));
        };
        let mut last = ClientError::TimedOut(Phase::Connect);
        for address in &approach.target.addresses {
            match self.dialer.dial(*address, &name, policy).await {
                Ok(session) => {
                    self.note_session(approach, address.ip(), &session);
                    return self.fit(session);
                }
                Err(error) => {
                    if let ClientError::Tls(failure) = &error {
                        self.note(approach, Some(address.ip()), Some(of_failure(failure)));
                    }
                    last = error;
                }
            }
            // The addresses of one host are one server more often than not, but a dead family must not hide a live one.
        }
        Err(Failure::of_error(&last, None).by(&name))
    }

    /// Whether the server passes on what the sender asks for.
    fn fit(&mut self, session: Session) -> Result<Session, Failure> {
        if self.to.wish == TlsWish::Required && !session.offered().require_tls {
            quit(session);
            self.missing += 1;
            return Err(Failure::of_doubt(Doubt::RequireTls, false));
        }
        Ok(session)
    }

    /// A policy that is only tried out is reported on as if it were in force (RFC 8461 §5).
    fn note_session(&self, approach: &Approach, address: IpAddr, session: &Session) {
        let failure = match (approach.testing, &session.tls().authentication) {
            (Some(false), _) => Some(ResultType::ValidationFailure),
            (Some(true), Authentication::Unverified(fault)) => Some((*fault).into()),
            _ => None,
        };
        self.note(approach, Some(address), failure);
    }

    /// What goes where the configuration says tells nothing of the domain's own servers, and a report on TLS nothing at
    /// all (RFC 8460 §3).
    fn note(&self, approach: &Approach, address: Option<IpAddr>, failure: Option<ResultType>) {
        if approach.target.origin == Origin::Static || self.to.wish == TlsWish::Report {
            return;
        }
        self.planner.results.note(&TlsAttempt {
            domain: &self.to.domain,
            policy: &approach.found,
            host: Some(&approach.target.host),
            address,
            failure,
        });
    }
}

fn of_failure(failure: &TlsFailure) -> ResultType {
    match failure {
        TlsFailure::NotOffered | TlsFailure::Refused(_) => ResultType::StarttlsNotSupported,
        TlsFailure::Certificate(fault) => (*fault).into(),
        _ => ResultType::ValidationFailure,
    }
}

/// What a report says of a server that was passed over; nothing, if it is the sender's wish and not the domain's.
fn of_doubt(doubt: Doubt, approach: &Approach) -> Option<ResultType> {
    match doubt {
        Doubt::Tlsa if approach.is_dane_missing => Some(ResultType::DaneRequired),
        Doubt::Tlsa | Doubt::Dnssec => Some(ResultType::DnssecInvalid),
        Doubt::NotInPolicy | Doubt::Certificate => Some(ResultType::ValidationFailure),
        Doubt::RequireTls => None,
    }
}
