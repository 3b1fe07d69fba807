//! What a refusal means, by cause. Only a dead address counts against the person behind it: most permanent refusals
//! are about us (a block, a signature, words that a filter didn't like), and taking them for dead addresses would
//! empty a list at the first bad day.
//!
//! Codes come first where they are exact, then the words, then the class of the code. Words about *us* are looked for
//! before words about the address: in doubt nobody is removed.

use jiff::SignedDuration;

use super::policy::Doubt;
use crate::dns::LookupError;

mod words;

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The mailbox doesn't exist, or not any more.
    AddressDead,
    /// It exists and can't take mail now: full, or too much at once.
    AddressBusy,
    /// It's about us or about what we wrote.
    OurFault(Fault),
    /// The far end has no TLS, or none that works: without it nothing is sent.
    NoTls,
    /// The far end couldn't prove who it is, and has to.
    Unproven(Doubt),
    /// Not a refusal at all: an answer by machine.
    Automatic,
    /// It doesn't say.
    Unknown,
}

impl Cause {
    /// Its name in records, counts and answers for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressDead => "address-dead",
            Self::AddressBusy => "address-busy",
            Self::OurFault(Fault::Blocked) => "blocked",
            Self::OurFault(Fault::Authentication) => "authentication",
            Self::OurFault(Fault::Content) => "content",
            Self::OurFault(Fault::Rate) => "rate",
            Self::NoTls => "no-tls",
            Self::Unproven(Doubt::Certificate) => "certificate",
            Self::Unproven(Doubt::NotInPolicy) => "not-in-policy",
            Self::Unproven(Doubt::Tlsa) => "tlsa",
            Self::Unproven(Doubt::Dnssec) => "dnssec",
            Self::Unproven(Doubt::RequireTls) => "requiretls",
            Self::Automatic => "automatic",
            Self::Unknown => "unknown",
        }
    }
}

impl Cause {
    /// Whether mail waits for want of a connection that is safe: its sender is told early, and why.
    pub const fn is_about_safety(self) -> bool {
        matches!(self, Self::NoTls | Self::Unproven(_))
    }
}

/// What the other side holds against us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Our address or domain is on a list, or has a bad name.
    Blocked,
    /// SPF, DKIM, DMARC, reverse DNS or TLS is wanting: ours to mend.
    Authentication,
    /// What the message says or carries, or how large it is.
    Content,
    /// Too much at a time.
    Rate,
}

/// What to make of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whose fault.
    pub cause: Cause,
    /// Whether another try is without hope. A permanent refusal is never tried again.
    pub permanent: bool,
    /// How long the whole destination wants to be left alone; afterwards with one connection at first.
    pub pause: Option<SignedDuration>,
}

/// A refusal as it was given: in an SMTP reply, or in the DSN of a later host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The three digits, if there are any.
    pub code: Option<u16>,
    /// The enhanced code (RFC 3463), if there is one.
    pub enhanced: Option<(u8, u16, u16)>,
    /// The text. Only its first 2 KiB are read.
    pub text: &'a str,
}

/// Gmail's advice for its 4.7.28: ten minutes, then one connection.
const RATE_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// Where our authentication is refused for good, each try costs a person their copy. It is ours to mend, and takes a while.
const DISTRUST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// A block doesn't go away within minutes.
const BLOCK_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// Says what a refusal means.
pub fn classify(refusal: &Refusal<'_>) -> Verdict {
    let permanent = is_permanent(refusal);
    let cause = exact(refusal.enhanced, permanent)
        .or_else(|| words::cause(refusal))
        .or_else(|| general(refusal, permanent))
        .unwrap_or(Cause::Unknown);
    // A name that isn't known today and gets a 4xx may be known tomorrow.
    let cause = if cause == Cause::AddressDead && !permanent {
        Cause::AddressBusy
    } else {
        cause
    };
    let pause = match cause {
        Cause::OurFault(Fault::Rate) => Some(RATE_PAUSE),
        Cause::OurFault(Fault::Blocked) => Some(BLOCK_PAUSE),
        // Law §4. The words alone may be one small server's own rule.
        Cause::OurFault(Fault::Authentication) if is_distrust(refusal) => Some(match permanent {
            true => DISTRUST_PAUSE,
            false => RATE_PAUSE,
        }),
        _ => None,
    };
    Verdict {
        cause,
        permanent,
        pause,
    }
}

/// Whether a code says that what proves our mail to be ours is wanting: all of it would be refused.
fn is_distrust(refusal: &Refusal<'_>) -> bool {
    match refusal.enhanced {
        // RFC 8689: it's about one message that asks for REQUIRETLS.
        Some((_, 7, 30)) => !refusal.text.to_ascii_uppercase().contains("REQUIRETLS"),
        Some((_, 7, detail)) => matches!(detail, 20..=27 | 29 | 31 | 32 | 509 | 515),
        _ => false,
    }
}

/// What a domain that can't be found means for an address in it.
pub fn classify_lookup(error: &LookupError) -> Verdict {
    let cause = match error {
        LookupError::NoSuchDomain | LookupError::NullMx => Cause::AddressDead,
        LookupError::Bogus => Cause::Unproven(Doubt::Dnssec),
        LookupError::NoAddress
        | LookupError::Temporary(_)
        | LookupError::Anchor
        | LookupError::Setup => Cause::Unknown,
    };
    Verdict {
        cause,
        permanent: !error.is_temporary(),
        pause: None,
    }
}

fn is_permanent(refusal: &Refusal<'_>) -> bool {
    match (refusal.code, refusal.enhanced) {
        (Some(code), _) => code / 100 == 5,
        (None, Some((class, _, _))) => class == 5,
        (None, None) => false,
    }
}

/// Codes that mean one thing whatever is written beside them: IANA's registry, and the large hosts' own numbers.
fn exact(enhanced: Option<(u8, u16, u16)>, permanent: bool) -> Option<Cause> {
    use Cause::{AddressBusy, AddressDead, OurFault};
    use Fault::{Authentication, Blocked, Rate};
    Some(match enhanced? {
        // RFC 7505; Microsoft says 5.1.10 for a recipient it doesn't know.
        (5, 1, 10) => AddressDead,
        (_, 2, 2 | 121 | 122) => AddressBusy,
        // RFC 3463 as extended: account disabled; mailbox or domain has another owner (RFC 7293).
        (5, 7, 13 | 17 | 18) => AddressDead,
        // Gmail: PTR 25 and 23, SPF 27, TLS 29, DKIM 30, DMARC 31, alignment 32, nothing at all 26; IANA 20–24 likewise.
        (_, 7, 20..=27 | 29..=32) => OurFault(Authentication),
        // Gmail and IANA: flood.
        (_, 7, 28) => OurFault(Rate),
        // Microsoft: authentication level, DMARC; then banned senders and addresses; then rates.
        (_, 7, 509 | 515) => OurFault(Authentication),
        (_, 7, 508 | 650..=659) => OurFault(Rate),
        (_, 7, 511 | 512 | 606..=649 | 705 | 708 | 750) => OurFault(Blocked),
        (4, 7, 500..=699) => OurFault(Blocked),
        // Bad sender's mailbox or system.
        (_, 1, 7 | 8) if permanent => OurFault(Authentication),
        _ => return None,
    })
}

/// What the registry says in general, when the words say nothing.
fn general(refusal: &Refusal<'_>, permanent: bool) -> Option<Cause> {
    use Cause::{AddressBusy, AddressDead, OurFault};
    let Some((_, subject, detail)) = refusal.enhanced else {
        // RFC 7504: the domain takes no mail.
        return (refusal.code == Some(556)).then_some(AddressDead);
    };
    match (subject, detail) {
        (1, 1 | 2 | 3 | 6) => Some(AddressDead),
        (2, 1) => Some(if permanent { AddressDead } else { AddressBusy }),
        (2, 0) if !permanent => Some(AddressBusy),
        (2, 3) | (3, 4) | (6, _) => Some(OurFault(Fault::Content)),
        // A temporary policy refusal is greylisting as often as not.
        (7, _) if permanent => Some(OurFault(Fault::Blocked)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
