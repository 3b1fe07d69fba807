//! SPF (RFC 7208): may this address send mail in this domain's name? The evaluation is our own: it runs over a table as
//! well as over DNS, and keeps every limit of §4.6.4, which the library at hand doesn't (it counts no void look-ups,
//! takes the first of several records, and forgets the outer qualifier of an include inside an include).

mod expand;
mod record;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::Pin;

use futures_util::future::join_all;
use mail_auth::common::to_a_label;

use self::expand::{Template, Values};
use self::record::{Mechanism, Prefixes, Qualifier, Record};
use super::names::{Answer, Names, NoAnswer, is_name};

/// Look-ups that a check may cost (RFC 7208 §4.6.4); also the hosts of an MX answer, and the names of an address.
const MOST_LOOKUPS: usize = 10;
/// Look-ups that found nothing.
const MOST_VOID: usize = 2;

/// The result of a check (RFC 7208 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// The domain says nothing, or there is no domain.
    None,
    /// It says nothing about this address.
    Neutral,
    /// The address may send.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// DNS gave no answer.
    TempError,
    /// What the domain says can't be read.
    PermError,
}

impl SpfResult {
    /// The result's name (RFC 8601 §2.7.2).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl From<Qualifier> for SpfResult {
    fn from(qualifier: Qualifier) -> Self {
        match qualifier {
            Qualifier::Pass => Self::Pass,
            Qualifier::Fail => Self::Fail,
            Qualifier::SoftFail => Self::SoftFail,
            Qualifier::Neutral => Self::Neutral,
        }
    }
}

/// Who sends.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// From where.
    pub ip: IpAddr,
    /// The name given in EHLO.
    pub helo: &'a str,
    /// The reverse-path without angle brackets; empty for the null path.
    pub sender: &'a str,
}

/// Local part and domain of what is asked about: MAIL FROM, or HELO for the null path (RFC 7208 §2.4).
fn asked<'a>(sending: Sending<'a>) -> (&'a str, Cow<'a, str>) {
    let (local, domain) = match sending.sender.rsplit_once('@') {
        Some((local, domain)) => (local, domain),
        None if sending.sender.is_empty() => ("", sending.helo),
        None => ("", sending.sender),
    };
    // RFC 8616 §4: names are looked up as A-labels.
    (local, to_a_label(domain))
}

/// The domain that [`check_sender`] asks.
pub fn asked_domain(sending: Sending<'_>) -> String {
    asked(sending).1.to_ascii_lowercase()
}

/// Checks MAIL FROM, or HELO for the null path (RFC 7208 §2.4): the result, and the domain that was asked.
pub async fn check_sender<N: Names>(names: &N, sending: Sending<'_>) -> (SpfResult, String) {
    let (local, domain) = asked(sending);
    let domain = &*domain;
    let local = if local.is_empty() {
        "postmaster"
    } else {
        local
    };
    let mut check = Check {
        names,
        ip: sending.ip.to_canonical(),
        helo: sending.helo,
        sender: (local, domain),
        lookups: 0,
        void: 0,
        validated: None,
    };
    let result = check.host(domain.to_owned()).await;
    (result, domain.to_ascii_lowercase())
}

/// Checks HELO by itself (RFC 7208 §2.3).
pub async fn check_helo<N: Names>(names: &N, sending: Sending<'_>) -> SpfResult {
    let helo = Sending {
        sender: "",
        ..sending
    };
    check_sender(names, helo).await.0
}

/// The names of an address that lead back to it: of the first ten, as RFC 7208 §5.5 and RFC 8601 §3 (iprev) have it. They
/// are asked for at once: whoever holds the address may give it names that nobody answers for.
///
/// # Errors
/// [`NoAnswer`] if the address has no name, or DNS doesn't say.
pub async fn confirmed_names<N: Names>(names: &N, ip: IpAddr) -> Answer<String> {
    let ip = ip.to_canonical();
    let mut named = names.names_of(ip).await?;
    named.truncate(MOST_LOOKUPS);
    let asked = named.iter().map(|name| names.addresses(name, ip.is_ipv6()));
    let answers = join_all(asked).await;
    let mut confirmed = Vec::new();
    let mut later = false;
    for (name, answer) in named.into_iter().zip(answers) {
        match answer {
            Ok(addresses) if addresses.contains(&ip) => confirmed.push(name),
            Ok(_) => {}
            Err(error) => later |= error == NoAnswer::Later,
        }
    }
    match confirmed.is_empty() {
        false => Ok(confirmed),
        true if later => Err(NoAnswer::Later),
        true => Err(NoAnswer::NoRecord),
    }
}

/// A check on its way. Its limits are of the whole check, includes and all.
struct Check<'a, N> {
    names: &'a N,
    ip: IpAddr,
    helo: &'a str,
    sender: (&'a str, &'a str),
    lookups: usize,
    void: usize,
    /// The names of the address that lead back to it, once they were asked for.
    validated: Option<Vec<String>>,
}

/// Ends a check early.
type Ended<T> = Result<T, SpfResult>;
type Boxed<'s, T> = Pin<Box<dyn Future<Output = T> + Send + 's>>;

impl<N: Names> Check<'_, N> {
    /// `check_host()` of RFC 7208 §4. It calls itself for includes; the limit on look-ups ends that.
    fn host(&mut self, domain: String) -> Boxed<'_, SpfResult> {
        Box::pin(async move {
            if !is_name(&domain) || !domain.trim_end_matches('.').contains('.') {
                return SpfResult::None;
            }
            let record = match self.record(&domain).await {
                Ok(record) => record,
                Err(ended) => return ended,
            };
            self.evaluate(&record, &domain)
                .await
                .unwrap_or_else(|ended| ended)
        })
    }

    async fn record(&self, domain: &str) -> Ended<Record> {
        let mut found = match self.names.txt(domain).await {
            Ok(texts) => texts,
            Err(NoAnswer::Later) => return Err(SpfResult::TempError),
            Err(_) => return Err(SpfResult::None),
        };
        found.retain(|text| record::is_spf(text));
        match found.as_slice() {
            [] => Err(SpfResult::None),
            [text] => record::read(text).ok_or(SpfResult::PermError),
            _ => Err(SpfResult::PermError),
        }
    }

    async fn evaluate(&mut self, record: &Record, domain: &str) -> Ended<SpfResult> {
        for (qualifier, mechanism) in &record.directives {
            if self.matches(mechanism, domain).await? {
                return Ok((*qualifier).into());
            }
        }
        let Some(redirect) = &record.redirect else {
            return Ok(SpfResult::Neutral);
        };
        self.count()?;
        let target = self.expand(redirect, domain).await;
        match self.host(target).await {
            SpfResult::None => Err(SpfResult::PermError),
            result => Ok(result),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Ended<bool> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(alike(self.ip, IpAddr::V4(*network), *bits)),
            Mechanism::Ip6(network, bits) => Ok(alike(self.ip, IpAddr::V6(*network), *bits)),
            Mechanism::Include(target) => {
                self.count()?;
                let target = self.expand(target, domain).await;
                match self.host(target).await {
                    SpfResult::Pass => Ok(true),
                    SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(false),
                    SpfResult::TempError => Err(SpfResult::TempError),
                    SpfResult::PermError | SpfResult::None => Err(SpfResult::PermError),
                }
            }
            Mechanism::A(target, prefixes) => {
                self.count()?;
                let name = self.target(target.as_ref(), domain).await;
                self.has_address(&name, *prefixes).await
            }
            Mechanism::Mx(target, prefixes) => {
                self.count()?;
                let name = self.target(target.as_ref(), domain).await;
                self.mail_host_matches(&name, *prefixes).await
            }
            Mechanism::Ptr(target) => {
                self.count()?;
                let name = self.target(target.as_ref(), domain).await;
                let names = self.validated().await;
                Ok(names.iter().any(|known| is_within(known, &name)))
            }
            Mechanism::Exists(target) => {
                self.count()?;
                let name = self.expand(target, domain).await;
                // Always A, whatever the family (RFC 7208 §5.7).
                let answer = self.names.addresses(&name, false).await;
                Ok(!self.found(answer)?.is_empty())
            }
        }
    }

    async fn has_address(&mut self, name: &str, prefixes: Prefixes) -> Ended<bool> {
        let v6 = self.ip.is_ipv6();
        let bits = if v6 { prefixes.v6 } else { prefixes.v4 };
        let answer = self.names.addresses(name, v6).await;
        let found = self.found(answer)?;
        Ok(found.iter().any(|address| alike(self.ip, *address, bits)))
    }

    async fn mail_host_matches(&mut self, name: &str, prefixes: Prefixes) -> Ended<bool> {
        let answer = self.names.mx(name).await;
        let hosts = self.found(answer)?;
        if hosts.len() > MOST_LOOKUPS {
            return Err(SpfResult::PermError);
        }
        for host in hosts {
            if self.has_address(&host, prefixes).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What an answer holds; nothing is a void look-up (RFC 7208 §4.6.4).
    fn found<T>(&mut self, answer: Answer<T>) -> Ended<Vec<T>> {
        match answer {
            Ok(found) => Ok(found),
            Err(NoAnswer::Later) => Err(SpfResult::TempError),
            Err(_) if self.void == MOST_VOID => Err(SpfResult::PermError),
            Err(_) => {
                self.void += 1;
                Ok(Vec::new())
            }
        }
    }

    fn count(&mut self) -> Ended<()> {
        self.lookups += 1;
        if self.lookups > MOST_LOOKUPS {
            return Err(SpfResult::PermError);
        }
        Ok(())
    }

    async fn target(&mut self, target: Option<&Template>, domain: &str) -> String {
        match target {
            Some(template) => self.expand(template, domain).await,
            None => domain.to_owned(),
        }
    }

    async fn expand(&mut self, template: &Template, domain: &str) -> String {
        let validated = if template.asks_for_name() {
            let names = self.validated().await;
            let best = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
            let near = || names.iter().find(|name| is_within(name, domain));
            best.or_else(near).or_else(|| names.first()).cloned()
        } else {
            None
        };
        template.expand(&Values {
            sender: self.sender,
            domain,
            ip: self.ip,
            helo: self.helo,
            validated: validated.as_deref(),
        })
    }

    /// Trouble on the way is no match (RFC 7208 §5.5).
    async fn validated(&mut self) -> &[String] {
        if self.validated.is_none() {
            let found = confirmed_names(self.names, self.ip).await;
            self.validated = Some(found.unwrap_or_default());
        }
        self.validated.as_deref().unwrap_or_default()
    }
}

/// Whether a name is another or below it.
fn is_within(name: &str, domain: &str) -> bool {
    let domain = domain.trim_end_matches('.');
    let Some(at) = name.len().checked_sub(domain.len()) else {
        return false;
    };
    let ends = name
        .get(at..)
        .is_some_and(|end| end.eq_ignore_ascii_case(domain));
    ends && (at == 0 || name.as_bytes().get(at - 1) == Some(&b'.'))
}

/// Whether two addresses have their first bits alike.
fn alike(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differing = one.to_bits() ^ other.to_bits();
            differing.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differing = one.to_bits() ^ other.to_bits();
            differing.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}
