//! Delivery status notifications (RFC 3461, 3464, 6522): writing those that staff get about their own mails, and
//! reading those that come back. Reading decides nothing.

mod parse;
mod write;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use parse::{DeliveryReport, ReportedRecipient, parse};
pub use write::{Outcome, Report, ReportError, shown, write};

use super::inspect::Inspection;

/// What was done with a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It couldn't be delivered, and won't be tried again.
    Failed,
    /// It couldn't be delivered yet.
    Delayed,
    /// It was delivered.
    Delivered,
    /// It was handed to a system that sends no such reports.
    Relayed,
    /// It was delivered to a list or an alias.
    Expanded,
}

impl Action {
    const ALL: [Self; 5] = [
        Self::Failed,
        Self::Delayed,
        Self::Delivered,
        Self::Relayed,
        Self::Expanded,
    ];

    /// The action's word in a report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it's about.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Status {
    /// Reads `class.subject.detail`, whatever follows it.
    pub fn read(text: &str) -> Option<Self> {
        let code = text.split_whitespace().next()?;
        let mut numbers = code.split('.');
        let mut next = || {
            let digits = numbers.next()?;
            let good =
                (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            if good {
                digits.parse::<u16>().ok()
            } else {
                None
            }
        };
        let (class, subject, detail) = (next()?, next()?, next()?);
        let class = u8::try_from(class)
            .ok()
            .filter(|class| matches!(class, 2 | 4 | 5))?;
        numbers.next().is_none().then_some(Self {
            class,
            subject,
            detail,
        })
    }
}

/// Whether a notification or an automatic answer may be sent about a mail: never to the null reverse-path, and never
/// about what a program sent, so that two programs can't answer each other for ever (RFC 5321 §4.5.5, RFC 3834 §2).
pub fn may_answer(reverse_path: &str, mail: &Inspection<'_>) -> bool {
    let local = reverse_path
        .split('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let automatic_sender = matches!(local.as_str(), "" | "mailer-daemon" | "double-bounce")
        || local.starts_with("owner-")
        || local.ends_with("-request")
        || local.ends_with("-bounces");
    let field = |name: &str| mail.root.field(name).is_some();
    let bulk = mail.root.field("Precedence").is_some_and(|precedence| {
        let word = precedence.text().to_ascii_lowercase();
        matches!(word.trim(), "bulk" | "list" | "junk")
    });
    !automatic_sender
        && !mail.auto_submitted
        && !bulk
        && !field("List-Id")
        && !field("List-Unsubscribe")
        && !mail.root.is("multipart/report")
}
