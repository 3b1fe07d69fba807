//! DMARC (RFC 9989): does somebody vouch for the domain in `From:`, and what does that domain ask for if nobody does?
//! The tree walk and its record are our own: it runs over a table as well as over DNS, and takes several records at one
//! name for none, which the library at hand doesn't.

use super::names::{Names, NoAnswer, is_name};

/// Names that a walk asks for (RFC 9989 §4.10).
const MOST_QUERIES: usize = 8;
/// Labels that a walk goes on with from a longer name.
const LABELS: usize = 7;

/// What a domain asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Nothing.
    None,
    /// To be wary.
    Quarantine,
    /// To refuse.
    Reject,
}

impl Policy {
    /// The policy's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::None, Self::Quarantine, Self::Reject]
            .into_iter()
            .find(|policy| text.eq_ignore_ascii_case(policy.as_str()))
    }
}

/// The result (RFC 9989 §11, RFC 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DmarcResult {
    /// No policy, or no domain to ask.
    None,
    /// Somebody vouches.
    Pass,
    /// Nobody does.
    Fail,
    /// DNS gave no answer.
    TempError,
}

impl DmarcResult {
    /// The result's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
        }
    }
}

/// What was found out.
#[derive(Clone, PartialEq, Eq)]
pub struct DmarcCheck {
    /// The result.
    pub result: DmarcResult,
    /// The domain in `From:`.
    pub author: String,
    /// What is asked for a mail that fails; in test mode one step less than written. The strictest while DNS keeps it back.
    pub policy: Policy,
    /// Whose policy it is: the author's domain, or one above it.
    pub policy_of: String,
}

impl std::fmt::Debug for DmarcCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DmarcCheck({:?} {:?})", self.result, self.policy)
    }
}

/// A domain that SPF or DKIM speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voucher<'a> {
    /// The domain.
    pub domain: &'a str,
    /// By which of the two.
    pub by: Method,
    /// It passed; if not, DNS gave no answer.
    pub passed: bool,
}

/// The two ways to vouch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// SPF of the reverse-path.
    Spf,
    /// A DKIM signature.
    Dkim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Psd {
    Yes,
    No,
    Unknown,
}

/// A DMARC record (RFC 9989 §4.7).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    policy: Option<Policy>,
    subdomains: Option<Policy>,
    non_existent: Option<Policy>,
    strict_dkim: bool,
    strict_spf: bool,
    psd: Psd,
    test: bool,
    reports: bool,
}

impl Record {
    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut tags = text.split(';').map(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
            (name.trim(), value.trim())
        });
        if tags.next() != Some(("v", "DMARC1")) {
            return None;
        }
        let mut record = Self {
            policy: None,
            subdomains: None,
            non_existent: None,
            strict_dkim: false,
            strict_spf: false,
            psd: Psd::Unknown,
            test: false,
            reports: false,
        };
        for (name, value) in tags {
            match name.to_ascii_lowercase().as_str() {
                "p" => record.policy = Policy::read(value),
                "sp" => record.subdomains = Policy::read(value),
                "np" => record.non_existent = Policy::read(value),
                "adkim" => record.strict_dkim = value.eq_ignore_ascii_case("s"),
                "aspf" => record.strict_spf = value.eq_ignore_ascii_case("s"),
                "t" => record.test = value.eq_ignore_ascii_case("y"),
                "rua" => record.reports = value.to_ascii_lowercase().contains("mailto:"),
                "psd" => {
                    record.psd = match value.to_ascii_lowercase().as_str() {
                        "y" => Psd::Yes,
                        "n" => Psd::No,
                        _ => Psd::Unknown,
                    };
                }
                _ => {}
            }
        }
        Some(record)
    }

    /// The policy without a `p` that can be read: none if reports are asked for, or else no DMARC at all.
    fn own_policy(&self) -> Option<Policy> {
        self.policy.or(self.reports.then_some(Policy::None))
    }
}

/// Checks who vouches for the author's domain.
pub async fn check<N: Names>(names: &N, author: &str, vouchers: &[Voucher<'_>]) -> DmarcCheck {
    let mut check = DmarcCheck {
        result: DmarcResult::None,
        author: author.to_ascii_lowercase(),
        policy: Policy::Reject,
        policy_of: String::new(),
    };
    match judge(names, &mut check, vouchers).await {
        Ok(DmarcResult::None) => check.policy = Policy::None,
        Ok(result) => check.result = result,
        Err(Unanswered) => check.result = DmarcResult::TempError,
    }
    check
}

/// DNS gave no answer.
struct Unanswered;

async fn judge<N: Names>(
    names: &N,
    check: &mut DmarcCheck,
    vouchers: &[Voucher<'_>],
) -> Result<DmarcResult, Unanswered> {
    let author = check.author.clone();
    let walk = walk(names, &author).await?;
    let organisation = organisation(&walk, &author);
    let Some((found_at, record)) = applying(&walk, &author, organisation) else {
        return Ok(DmarcResult::None);
    };
    let Some(own) = record.own_policy() else {
        return Ok(DmarcResult::None);
    };
    check.policy_of = found_at.to_owned();
    let mut unanswered = false;
    for voucher in vouchers {
        let strict = match voucher.by {
            Method::Spf => record.strict_spf,
            Method::Dkim => record.strict_dkim,
        };
        match is_aligned(names, voucher.domain, &author, organisation, strict).await {
            Ok(true) if voucher.passed => {
                check.policy = asked(record, found_at == author, own, true);
                return Ok(DmarcResult::Pass);
            }
            Ok(false) => {}
            // Another may vouch for it.
            Ok(true) | Err(Unanswered) => unanswered = true,
        }
    }
    let exists = found_at == author || exists(names, record, &author).await?;
    check.policy = asked(record, found_at == author, own, exists);
    match unanswered {
        true => Err(Unanswered),
        false => Ok(DmarcResult::Fail),
    }
}

/// The policy for this author (RFC 9989 §4.10.1, and §4.7 on `t`).
fn asked(record: &Record, is_own: bool, own: Policy, exists: bool) -> Policy {
    let below = record.subdomains.unwrap_or(own);
    let policy = match (is_own, exists) {
        (true, _) => own,
        (false, true) => below,
        (false, false) => record.non_existent.unwrap_or(below),
    };
    match policy {
        Policy::Reject if record.test => Policy::Quarantine,
        Policy::Quarantine if record.test => Policy::None,
        policy => policy,
    }
}

/// Whether the author's domain exists, where it matters: NXDOMAIN is about the name, whatever was asked (RFC 8020).
async fn exists<N: Names>(names: &N, record: &Record, author: &str) -> Result<bool, Unanswered> {
    if record.non_existent.is_none() {
        return Ok(true);
    }
    match names.addresses(author, false).await {
        Err(NoAnswer::NoSuchName) => Ok(false),
        Err(NoAnswer::Later) => Err(Unanswered),
        Ok(_) | Err(NoAnswer::NoRecord) => Ok(true),
    }
}

type Walk<'d> = Vec<(&'d str, Record)>;

/// The tree walk: the records from a name up (RFC 9989 §4.10), longest name first.
async fn walk<'d, N: Names>(names: &N, domain: &'d str) -> Result<Walk<'d>, Unanswered> {
    let mut found = Vec::new();
    if !is_name(domain) || !domain.contains('.') {
        return Ok(found);
    }
    let mut name = domain;
    for _ in 0..MOST_QUERIES {
        if let Some(record) = record_at(names, name).await? {
            let ends = record.psd != Psd::Unknown;
            found.push((name, record));
            if ends {
                break;
            }
        }
        let labels = name.split('.').count();
        if labels == 1 {
            break;
        }
        name = last_labels(name, (labels - 1).min(LABELS));
    }
    Ok(found)
}

async fn record_at<N: Names>(names: &N, domain: &str) -> Result<Option<Record>, Unanswered> {
    let mut records = match names.txt(&format!("_dmarc.{domain}")).await {
        Ok(texts) => texts
            .iter()
            .filter_map(|text| Record::read(text))
            .collect::<Vec<_>>(),
        Err(NoAnswer::Later) => return Err(Unanswered),
        Err(_) => Vec::new(),
    };
    // Several are as good as none (RFC 9989 §4.10).
    let one = records.pop();
    Ok(one.filter(|_| records.is_empty()))
}

fn last_labels(name: &str, count: usize) -> &str {
    let at = name.rmatch_indices('.').nth(count - 1);
    at.map_or(name, |(at, _)| &name[at + 1..])
}

/// The organisational domain of a name (RFC 9989 §4.10.2).
fn organisation<'d>(walk: &Walk<'d>, start: &'d str) -> &'d str {
    for (name, record) in walk {
        match record.psd {
            Psd::No => return name,
            Psd::Yes if *name != start => {
                return last_labels(start, name.split('.').count() + 1);
            }
            _ => {}
        }
    }
    walk.last().map_or(start, |(name, _)| name)
}

/// The record that applies: the author's, its organisation's, or the public suffix's.
fn applying<'w, 'd>(
    walk: &'w Walk<'d>,
    author: &str,
    organisation: &str,
) -> Option<(&'d str, &'w Record)> {
    let at = |wanted: &str| walk.iter().find(|(name, _)| *name == wanted);
    let found = at(author)
        .or_else(|| at(organisation))
        .or_else(|| walk.last())?;
    Some((found.0, &found.1))
}

async fn is_aligned<N: Names>(
    names: &N,
    domain: &str,
    author: &str,
    organisation: &str,
    strict: bool,
) -> Result<bool, Unanswered> {
    let domain = domain.to_ascii_lowercase();
    if domain == author {
        return Ok(true);
    }
    // A name's organisation is the name or above it, so most need no walk.
    let near = domain == organisation
        || domain
            .strip_suffix(organisation)
            .is_some_and(|before| before.ends_with('.'));
    if strict || !near {
        return Ok(false);
    }
    let walk = walk(names, &domain).await?;
    Ok(self::organisation(&walk, &domain) == organisation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
