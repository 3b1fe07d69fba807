//! Who wrote this? Verdicts on incoming mail: SPF ([`spf`]), DKIM ([`dkim`]) and DMARC ([`dmarc`]), what follows from
//! them ([`Verdict::ruling`]), and the header that says so ([`results`]).
//!
//! It knows no socket, store or clock. What it asks of DNS it asks by [`names::Names`]; how long that may take, the
//! caller says.

pub mod dkim;
pub mod dmarc;
pub mod names;
pub mod results;
pub mod spf;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod table;

use crate::address::{Domain, EmailAddress};
use crate::message::mime::Limits;
use crate::message::mime::field;
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

/// The domain in `From:`.
#[derive(Clone, PartialEq, Eq)]
pub enum Author {
    /// One domain, as A-labels in lower case.
    One(String),
    /// Several fields, or several domains in one: mail programs show one of them, and we can't know which.
    Several,
    /// No field, or one that can't be read.
    Missing,
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
    /// Several authors.
    pub several_authors: bool,
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
without_names!(Iprev, Arrived, Author, Verdict);

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
    /// DNS gave no answer about SPF: it may come again.
    LaterForSpf,
    /// DNS gave no answer about another thing: it may come again.
    LaterForDns,
}

/// Looks at a connection and an envelope.
pub async fn look_at_arrival<N: Names>(names: &N, sending: Sending<'_>) -> Arrived {
    let is_null = sending.sender.is_empty();
    let iprev = async {
        match spf::confirmed_names(names, sending.ip).await {
            Ok(confirmed) => confirmed
                .into_iter()
                .next()
                .map_or(Iprev::Fail, Iprev::Pass),
            Err(NoAnswer::Later) => Iprev::TempError,
            Err(_) => Iprev::Fail,
        }
    };
    let sender = async {
        let helo = spf::check_helo(names, sending).await;
        if is_null {
            return (helo, helo, sending.helo.to_ascii_lowercase());
        }
        let (result, domain) = spf::check_sender(names, sending).await;
        (helo, result, domain)
    };
    let (iprev, (helo, sender, sender_domain)) = tokio::join!(iprev, sender);
    Arrived {
        iprev,
        helo,
        helo_name: sending.helo.to_ascii_lowercase(),
        sender,
        sender_domain,
        is_null,
    }
}

/// The author that a header names.
pub fn author(header: &[u8]) -> Author {
    let Ok((fields, _)) = field::split(header, &Limits::default()) else {
        return Author::Missing;
    };
    let mut from = fields.iter().filter(|field| field.is("From"));
    let (Some(field), None) = (from.next(), from.next()) else {
        return match fields.iter().any(|field| field.is("From")) {
            true => Author::Several,
            false => Author::Missing,
        };
    };
    let mut domain = None;
    for mailbox in field.mailboxes() {
        // One that can't be read may be the one that is shown.
        let named = mailbox.address.rsplit_once('@');
        let Some(Ok(this)) = named.map(|(_, domain)| Domain::parse(domain)) else {
            return Author::Missing;
        };
        let this = this.as_str().to_owned();
        if domain.as_ref().is_some_and(|known| *known != this) {
            return Author::Several;
        }
        domain = Some(this);
    }
    domain.map_or(Author::Missing, Author::One)
}

/// The one address in a header's one `From:`; none if there are several, or it can't be read.
pub fn sole_author(header: &[u8]) -> Option<EmailAddress> {
    let (fields, _) = field::split(header, &Limits::default()).ok()?;
    let mut from = fields.iter().filter(|field| field.is("From"));
    let (field, None) = (from.next()?, from.next()) else {
        return None;
    };
    match field.mailboxes().as_slice() {
        [one] => EmailAddress::parse(&one.address).ok(),
        _ => None,
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
        Author::Several | Author::Missing => None,
    };
    Verdict {
        arrived,
        dkim,
        dmarc,
        several_authors: author == Author::Several,
    }
}

impl Verdict {
    /// Whether the author's domain vouches for the mail: by DMARC, or, where it has no policy, by SPF or DKIM of that very
    /// domain.
    pub fn vouches_for_author(&self) -> bool {
        let Some(dmarc) = self.dmarc.as_ref().filter(|_| !self.several_authors) else {
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

    /// What becomes of the mail.
    pub fn ruling(&self) -> Ruling {
        if self.several_authors {
            return Ruling::RefuseAuthors;
        }
        let spf_unknown = self.arrived.sender == SpfResult::TempError;
        let Some(dmarc) = &self.dmarc else {
            return match spf_unknown {
                true => Ruling::LaterForSpf,
                // A report of a delivery may lack an author; a letter may not.
                false if self.arrived.is_null => Ruling::Keep,
                false => Ruling::Junk,
            };
        };
        match (dmarc.result, dmarc.policy) {
            (DmarcResult::Pass, _) => Ruling::Keep,
            (DmarcResult::Fail, Policy::Reject) => Ruling::RefuseFor(dmarc.policy_of.clone()),
            (DmarcResult::Fail, Policy::Quarantine) => Ruling::Junk,
            (DmarcResult::TempError, _) if !spf_unknown => Ruling::LaterForDns,
            (DmarcResult::TempError, _) => Ruling::LaterForSpf,
            _ if spf_unknown => Ruling::LaterForSpf,
            _ => Ruling::Keep,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
