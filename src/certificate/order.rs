//! One certificate from an authority (RFC 8555 §7.4). Names whose owner it can't see in us are left out, as long as the
//! host's own is not among them: one forgotten record in DNS must not leave the mail without a certificate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeHandle,
    ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use tokio::time::{Instant, sleep};

use super::http;
use super::refusal::{Refusal, reason, refusal};
use crate::config::ChallengeKind;
use crate::tls::{Answering, Challenges, OwnKey};

/// The longest that the authority may take to look at one name.
const LOOKING: Duration = Duration::from_secs(90);
/// How often it is asked whether it has looked.
const EVERY: Duration = Duration::from_millis(500);
/// How often it is asked whether the certificate is there, and for how long.
const ISSUING: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// The authorization of this number as `$name`. What gives it out lends it, so that no function can return it.
macro_rules! authorization {
    (let $name:ident = $order:expr, $n:expr) => {
        let mut list = $order.authorizations();
        for _ in 0..$n {
            if let Some(Err(error)) = list.next().await {
                return Err(refusal("read the order", &error));
            }
        }
        #[allow(unused_mut)]
        let mut $name = match list.next().await {
            Some(Ok(authorization)) => authorization,
            Some(Err(error)) => return Err(refusal("read the order", &error)),
            None => return Err(Refusal::odd("the authority's order changed meanwhile")),
        };
    };
}

/// What an order came to.
pub(super) struct Got {
    /// The chain, in PEM.
    pub(super) chain: String,
    /// The names that the authority would not have, and why.
    pub(super) left_out: Vec<(String, Refusal)>,
}

/// Asks for certificates.
pub(super) struct Orders<'a> {
    pub(super) account: &'a Account,
    pub(super) challenges: &'a Arc<Challenges>,
    /// How the authority may look, the first one first.
    pub(super) kinds: &'a [ChallengeKind],
}

/// The names that are still asked for, each with how many ways were tried in vain and why the last failed.
type Names = BTreeMap<String, (usize, Option<Refusal>)>;

impl Orders<'_> {
    /// A certificate for this key and these names, the first of which must be among them. `replaces` is the one before, for
    /// the authority's planning.
    pub(super) async fn get(
        &self,
        key: &OwnKey,
        names: &[String],
        mut replaces: Option<CertificateIdentifier<'static>>,
    ) -> Result<Got, Refusal> {
        let mut asked: Names = names.iter().map(|name| (name.clone(), (0, None))).collect();
        let mut left_out = Vec::new();
        // Each round tries another way for at least one name, or leaves one out.
        for _ in 0..=names.len() * (self.kinds.len() + 1) {
            let now: Vec<String> = asked.keys().cloned().collect();
            let mut order = match self.order(&now, &mut replaces).await {
                Ok(order) => order,
                Err(error) => match names_refused(&error, &now) {
                    Some(refused) => {
                        self.set_aside(&mut asked, &mut left_out, refused, &names[0], true)?;
                        continue;
                    }
                    None => return Err(refusal("ask for a certificate", &error)),
                },
            };
            let refused = self.prove(&mut order, &asked).await?;
            if refused.is_empty() {
                let chain = self.finish(order, key, &now).await?;
                return Ok(Got { chain, left_out });
            }
            self.set_aside(&mut asked, &mut left_out, refused, &names[0], false)?;
        }
        Err(Refusal::odd("the authority refused each order"))
    }

    /// An order for these names. What it replaces is a hint (RFC 9773 §5): an authority that doesn't take it gets the order
    /// without, and isn't told again.
    async fn order(
        &self,
        names: &[String],
        replaces: &mut Option<CertificateIdentifier<'static>>,
    ) -> Result<Order, Error> {
        let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
        if let Some(one) = replaces.clone() {
            let order = NewOrder::new(&identifiers).replaces(one);
            match self.account.new_order(&order).await {
                Err(error) if is_about_replacing(&error) => {
                    tracing::debug!(%error, "the authority takes no word on what is replaced");
                    *replaces = None;
                }
                done => return done,
            }
        }
        self.account.new_order(&NewOrder::new(&identifiers)).await
    }

    /// Tries another way for names that were refused, or leaves them out; the host's own can't be left out.
    fn set_aside(
        &self,
        asked: &mut Names,
        left_out: &mut Vec<(String, Refusal)>,
        refused: Vec<(String, Refusal)>,
        host: &str,
        for_good: bool,
    ) -> Result<(), Refusal> {
        for (name, why) in refused {
            let Some((tried, last)) = asked.get_mut(&name) else {
                continue;
            };
            *tried += 1;
            let over = for_good || *tried >= self.kinds.len();
            // The first way is the one that is meant to work: its failure says more.
            let why = last.get_or_insert(why).clone();
            if !over {
                continue;
            }
            if name == host {
                return Err(why);
            }
            asked.remove(&name);
            left_out.push((name, why));
        }
        Ok(())
    }

    /// Lets the authority look at each name that it doesn't know for ours yet.
    async fn prove(
        &self,
        order: &mut Order,
        asked: &Names,
    ) -> Result<Vec<(String, Refusal)>, Refusal> {
        let mut refused = Vec::new();
        for n in 0..order.state().authorizations.len() {
            let name = {
                authorization!(let authorization = order, n);
                let name = authorization.identifier().to_string();
                match authorization.status {
                    AuthorizationStatus::Valid => continue,
                    AuthorizationStatus::Pending => name,
                    _ => {
                        refused.push((name.clone(), reason(&name, problem_of(&authorization))));
                        continue;
                    }
                }
            };
            let kind = asked.get(&name).map_or(0, |(tried, _)| *tried);
            let Some(kind) = self.kinds.get(kind) else {
                return Err(Refusal::odd("the authority asks for a name that we didn't"));
            };
            if let Err(why) = self.prove_one(order, n, &name, *kind).await? {
                refused.push((name, why));
            }
        }
        Ok(refused)
    }

    async fn prove_one(
        &self,
        order: &mut Order,
        n: usize,
        name: &str,
        kind: ChallengeKind,
    ) -> Result<Result<(), Refusal>, Refusal> {
        let asking = |error: Error| refusal("have the authority look at our names", &error);
        let _answering = {
            authorization!(let authorization = order, n);
            let Some(mut challenge) = authorization.challenge(type_of(kind)) else {
                let why = format!("{name}: the authority doesn't offer {}", kind.as_str());
                return Ok(Err(Refusal::odd(why)));
            };
            let answering = self.answer(name, kind, &challenge)?;
            match challenge.set_ready().await {
                Ok(()) => {}
                Err(Error::Api(problem)) => return Ok(Err(reason(name, Some(&problem)))),
                Err(error) => return Err(asking(error)),
            }
            answering
        };
        let deadline = Instant::now() + LOOKING;
        loop {
            sleep(EVERY).await;
            authorization!(let authorization = order, n);
            let status = authorization.refresh().await.map_err(asking)?.status;
            match status {
                AuthorizationStatus::Valid => return Ok(Ok(())),
                AuthorizationStatus::Pending if Instant::now() < deadline => {}
                AuthorizationStatus::Pending => {
                    let why = format!("{name}: the authority didn't look in time");
                    return Ok(Err(Refusal::odd(why)));
                }
                _ => return Ok(Err(reason(name, problem_of(&authorization)))),
            }
        }
    }

    fn answer(
        &self,
        name: &str,
        kind: ChallengeKind,
        challenge: &ChallengeHandle<'_>,
    ) -> Result<Answering, Refusal> {
        let text = challenge.key_authorization();
        match kind {
            ChallengeKind::Http => Ok(self.challenges.answer_http(&challenge.token, text.as_str())),
            ChallengeKind::TlsAlpn => self
                .challenges
                .answer_tls(name, text.digest().as_ref())
                .map_err(|error| Refusal::odd(error.to_string())),
        }
    }

    async fn finish(
        &self,
        mut order: Order,
        key: &OwnKey,
        names: &[String],
    ) -> Result<String, Refusal> {
        let failed = |error: Error| refusal("have the certificate issued", &error);
        let status = order.poll_ready(&ISSUING).await.map_err(failed)?;
        if status != OrderStatus::Ready {
            return Err(Refusal::odd("the authority gave the order up"));
        }
        let request = key
            .request(names)
            .map_err(|error| Refusal::odd(error.to_string()))?;
        order.finalize_csr(&request).await.map_err(failed)?;
        order.poll_certificate(&ISSUING).await.map_err(failed)
    }
}

fn problem_of<'a>(authorization: &'a AuthorizationHandle<'_>) -> Option<&'a Problem> {
    let challenges = authorization.challenges.iter();
    challenges.filter_map(|one| one.error.as_ref()).next()
}

fn type_of(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http => ChallengeType::Http01,
        ChallengeKind::TlsAlpn => ChallengeType::TlsAlpn01,
    }
}

/// Whether an order may have been refused for what it says it replaces. Another order at once after a refusal for anything
/// else, limits above all, would only make it worse.
fn is_about_replacing(error: &Error) -> bool {
    match error {
        // The authority doesn't know of it, or took the order and left it away.
        Error::Unsupported(_) => true,
        Error::Other(why) => !http::is_own(why.as_ref()),
        Error::Api(problem) => {
            let kind = problem.r#type.as_deref().unwrap_or_default();
            let kind = kind.rsplit(':').next().unwrap_or_default();
            // Somebody else's, as after a new account, or none that it knows.
            let odd = ["alreadyReplaced", "malformed", "unauthorized"];
            problem.subproblems.is_empty() && odd.contains(&kind)
        }
        _ => false,
    }
}

/// The names that an order was refused for, where the authority names them (RFC 8555 §6.7.1).
fn names_refused(error: &Error, names: &[String]) -> Option<Vec<(String, Refusal)>> {
    let Error::Api(problem) = error else {
        return None;
    };
    let of = |name: &String| {
        let is = |identifier: &Option<Identifier>| match identifier {
            Some(Identifier::Dns(dns)) => dns.eq_ignore_ascii_case(name),
            _ => false,
        };
        let sub = problem.subproblems.iter().find(|sub| is(&sub.identifier))?;
        let told = Problem {
            r#type: sub.r#type.clone(),
            detail: sub.detail.clone(),
            status: None,
            subproblems: Vec::new(),
        };
        Some((name.clone(), reason(name, Some(&told))))
    };
    let refused: Vec<_> = names.iter().filter_map(of).collect();
    (!refused.is_empty()).then_some(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_order_follows_a_refusal_that_is_about_something_else() {
        let refused = |kind: &str| {
            Error::Api(Problem {
                r#type: Some(format!("urn:ietf:params:acme:error:{kind}")),
                detail: None,
                status: None,
                subproblems: Vec::new(),
            })
        };
        for kind in ["alreadyReplaced", "malformed", "unauthorized"] {
            assert!(is_about_replacing(&refused(kind)), "{kind}");
        }
        for kind in ["rateLimited", "serverInternal", "accountDoesNotExist", ""] {
            assert!(!is_about_replacing(&refused(kind)), "{kind}");
        }
        assert!(is_about_replacing(&Error::Unsupported("ARI")));
        assert!(is_about_replacing(&Error::Other(
            "replaces field mismatch".into()
        )));
        let unreachable = http::tests::unreachable();
        assert!(!is_about_replacing(&Error::Other(unreachable)));
    }
}
