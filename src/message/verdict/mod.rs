//! Who wrote this? Verdicts on incoming mail: SPF ([`spf`]), DKIM ([`dkim`]) and DMARC ([`dmarc`]), what follows from
//! them ([`Verdict::ruling`]), and the header that says so ([`results`]).
//!
//! It knows no socket, store or clock. What it asks of DNS it asks by [`names::Names`]; how long that may take, the
//! caller says.

pub mod author;
pub mod dkim;
pub mod dmarc;
pub mod names;
pub mod results;
pub mod spf;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod table;

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

use author::{Author, author};
use dkim::{DkimCheck, DkimResult};
use dmarc::{DmarcCheck, DmarcResult, Method, Policy, Voucher};
use names::{Names, NoAnswer};
use spf::{Sending, SpfResult};

/// Whether the peer's address has a name that leads back to it (RFC 8601 §3).
#[derive(Clone, PartialEq, Eq)]
pub enum Iprev {
    /// It has this one.
    Pass(String),
    /// It has none, or none leads back.
    Fail,
    /// DNS gave no answer.
    TempError,
}

/// What is known of the connection alone, before the message: one look for all.
#[derive(Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The peer's name.
    pub iprev: Iprev,
    /// SPF for the name in EHLO.
    pub helo: SpfResult,
    /// That name.
    pub helo_name: String,
    /// SPF for MAIL FROM, and its domain; for the null path the same as for EHLO.
    pub sender: SpfResult,
    /// Its domain.
    pub sender_domain: String,
    /// The reverse-path is null.
    pub is_null: bool,
}

/// All that was found out about a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Of its connection.
    pub arrived: Arrived,
    /// Of its signatures.
    pub dkim: Vec<DkimCheck>,
    /// Of its author; none if there isn't one.
    pub dmarc: Option<DmarcCheck>,
    /// Who that is.
    pub author: Author,
}

macro_rules! without_names {
    ($($type:ident),*) => {$(
        /// Says nothing of who writes.
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(..)"))
            }
        }
    )*};
}
without_names!(Iprev, Arrived, Verdict);

/// What becomes of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is kept as any other.
    Keep,
    /// It is kept among the junk.
    Junk,
    /// It is refused: this domain's policy asks for it.
    RefuseFor(String),
    /// It is refused: it has several authors.
    RefuseAuthors,
    /// It is refused: nobody can say who its author is.
    RefuseUnreadable,
    /// DNS gave no answer about SPF: it may come again.
    LaterForSpf,
    /// DNS gave no answer about another thing: it may come again.
    LaterForDns,
}

/// Looks at a connection and an envelope. Whatever of it DNS doesn't answer in time is a temporary error of that alone;
/// what no ruling rests on has a third of the time.
pub async fn look_at_arrival<N: Names>(
    names: &N,
    sending: Sending<'_>,
    patience: Duration,
) -> Arrived {
    let is_null = sending.sender.is_empty();
    let aside = patience / 3;
    let sender = async {
        let asked = timeout(patience, spf::check_sender(names, sending)).await;
        asked.unwrap_or_else(|_| (SpfResult::TempError, spf::asked_domain(sending)))
    };
    let helo = async {
        if is_null {
            return None;
        }
        let asked = timeout(aside, spf::check_helo(names, sending)).await;
        Some(asked.unwrap_or(SpfResult::TempError))
    };
    let iprev = timeout(aside, iprev(names, sending.ip));
    let (iprev, helo, (sender, sender_domain)) = tokio::join!(iprev, helo, sender);
    Arrived {
        iprev: iprev.unwrap_or(Iprev::TempError),
        // For the null path both are the same check.
        helo: helo.unwrap_or(sender),
        helo_name: sending.helo.to_ascii_lowercase(),
        sender,
        sender_domain,
        is_null,
    }
}

async fn iprev<N: Names>(names: &N, ip: IpAddr) -> Iprev {
    match spf::confirmed_names(names, ip).await {
        Ok(confirmed) => {
            let first = confirmed.into_iter().next();
            first.map_or(Iprev::Fail, Iprev::Pass)
        }
        Err(NoAnswer::Later) => Iprev::TempError,
        Err(_) => Iprev::Fail,
    }
}

/// Puts it all together. `header` is the whole header.
pub async fn judge<N: Names>(
    names: &N,
    header: &[u8],
    arrived: Arrived,
    dkim: Vec<DkimCheck>,
) -> Verdict {
    let author = author(header);
    let mut vouchers = Vec::new();
    if matches!(arrived.sender, SpfResult::Pass | SpfResult::TempError) {
        vouchers.push(Voucher {
            domain: &arrived.sender_domain,
            by: Method::Spf,
            passed: arrived.sender == SpfResult::Pass,
        });
    }
    let signed = dkim
        .iter()
        .filter(|one| matches!(one.result, DkimResult::Pass | DkimResult::TempError));
    vouchers.extend(signed.map(|one| Voucher {
        domain: &one.domain,
        by: Method::Dkim,
        passed: one.result == DkimResult::Pass,
    }));
    // Those who passed first: one of them is enough, whatever DNS keeps back about the others.
    vouchers.sort_by_key(|voucher| !voucher.passed);
    let dmarc = match &author {
        Author::One(domain) => Some(dmarc::check(names, domain, &vouchers).await),
        Author::Several | Author::Unreadable | Author::Missing => None,
    };
    Verdict {
        arrived,
        dkim,
        dmarc,
        author,
    }
}

impl Verdict {
    /// Whether the author's domain vouches for the mail: by DMARC, or, where it has no policy, by SPF or DKIM of that very
    /// domain.
    pub fn vouches_for_author(&self) -> bool {
        let Some(dmarc) = &self.dmarc else {
            return false;
        };
        let is_author = |domain: &str| domain.eq_ignore_ascii_case(&dmarc.author);
        let by_spf = !self.arrived.is_null
            && self.arrived.sender == SpfResult::Pass
            && is_author(&self.arrived.sender_domain);
        let signed = |one: &DkimCheck| one.result == DkimResult::Pass && is_author(&one.domain);
        match dmarc.result {
            DmarcResult::Pass => true,
            DmarcResult::None => by_spf || self.dkim.iter().any(signed),
            DmarcResult::Fail | DmarcResult::TempError => false,
        }
    }

    /// Whether the envelope's sender may be who wrote it, so far as to ask them: never against the word of their own
    /// domain. `is_author` says whether the author is the same person.
    pub fn sender_is_believable(&self, is_author: bool) -> bool {
        let dmarc = self.dmarc.as_ref().map(|dmarc| dmarc.result);
        match (self.arrived.sender, dmarc) {
            (SpfResult::Pass, _) => !self.arrived.is_null,
            (_, Some(DmarcResult::Pass)) => is_author,
            (SpfResult::Fail | SpfResult::SoftFail, _) | (_, Some(DmarcResult::Fail)) => false,
            _ => is_author,
        }
    }

    /// What becomes of the mail. It is put off only if what DNS keeps back could change that.
    pub fn ruling(&self) -> Ruling {
        match self.author {
            Author::One(_) => {}
            Author::Several => return Ruling::RefuseAuthors,
            Author::Unreadable => return Ruling::RefuseUnreadable,
            // A report of a delivery may lack an author; a letter may not.
            Author::Missing if self.arrived.is_null => return Ruling::Keep,
            Author::Missing => return Ruling::Junk,
        }
        let Some(dmarc) = &self.dmarc else {
            return Ruling::Keep;
        };
        let spf_unknown = self.arrived.sender == SpfResult::TempError;
        match (dmarc.result, dmarc.policy) {
            (DmarcResult::None | DmarcResult::Pass, _) | (_, Policy::None) => Ruling::Keep,
            (DmarcResult::Fail, Policy::Reject) => Ruling::RefuseFor(dmarc.policy_of.clone()),
            (DmarcResult::Fail, Policy::Quarantine) => Ruling::Junk,
            (DmarcResult::TempError, _) if spf_unknown => Ruling::LaterForSpf,
            (DmarcResult::TempError, _) => Ruling::LaterForDns,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
