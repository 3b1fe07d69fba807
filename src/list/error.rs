//! What can go wrong in the room for mailings.

use super::cause::state_in_words;
use super::settings::NotInOrder;
use crate::audit::NotCanonical;
use crate::consent::ConsentError;
use crate::consent::constituency::Code;
use crate::message::mime::MimeError;
use crate::message::prepare::PrepareError;
use crate::message::rules::Refusal;
use crate::staff::{CodeError, NotAllowed, StaffError};
use crate::store::{MailingState, StoreError};

/// Why the room could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The consent room could not answer.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// A list's settings can't be used.
    #[error("the list {list} can't be used: {why}")]
    Settings {
        /// Which list.
        list: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// No such mailing.
    #[error("there is no such mailing; `hustings mailing list` shows them")]
    Unknown,
    /// The first digits fit several mailings, or are too few.
    #[error("the number is too short: give more digits, as `hustings mailing list` shows them")]
    Ambiguous,
    /// It stands where this can't be done any more, or not yet.
    #[error("the mailing {}: it can't be {act}", state_in_words(*.state))]
    State {
        /// Where it stands.
        state: MailingState,
        /// What was asked.
        act: &'static str,
    },
    /// It was being changed by others all the time.
    #[error("the mailing was being changed by others; nothing was done, try again")]
    Busy,
    /// Its list was taken out of the configuration.
    #[error(
        "the list {0} is no longer configured: nothing goes to it; put [list.{0}] back and reload, or cancel the mailing"
    )]
    NotConfigured(String),
    /// Its text was removed when it had been held for too long.
    #[error(
        "the mailing was held for 14 days and ended, and its text is no longer kept: send the mail to the list again"
    )]
    Freed,
    /// It was held for too long.
    #[error(
        "the mailing was held for more than 14 days, and what it says may be out of date: send the mail to the list again"
    )]
    TooOld,
    /// They may not.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The code of their second factor is not taken.
    #[error(transparent)]
    Code(CodeError),
    /// Whether it's taken could not be told.
    #[error(transparent)]
    Staff(StaffError),
    /// The second person is the first.
    #[error(
        "a mailing to this list needs a second person's approval: ask an approver who didn't send it"
    )]
    SecondPerson,
    /// Only the sender or an approver may.
    #[error("only its sender or an approver may approve a mailing: ask one of them")]
    NotYours,
    /// Only the sender, an approver or an admin may.
    #[error(
        "only its sender, an approver or an admin may pause, resume or cancel a mailing: ask one of them"
    )]
    NotYoursToSteer,
    /// What is approved is not what was seen.
    #[error(
        "the digest is not that of the mailing: look at the preview again and approve what you see there"
    )]
    Digest,
    /// Nothing can be signed.
    #[error(
        "nothing can be signed: the DKIM key in the database can't be used; `hustings status` says more"
    )]
    NoKey,
    /// The party's DNS records are not as large receivers want them.
    #[error(
        "large receivers would refuse it, since DNS is not in order: {}; `hustings dns check` shows what to publish, and \
         --anyway sends it all the same",
        said(.0)
    )]
    Dns(Vec<NotInOrder>),
    /// The prepared bytes are not those that were held.
    #[error(
        "the prepared mailing was changed or damaged: cancel it, send the mail to the list again, and run `hustings store verify`"
    )]
    Damaged,
    /// The link is used, too old, or none of ours.
    #[error("this link doesn't work any more: it was used, it is too old, or the mailing is gone")]
    Link,
    /// A notice or sample could not be written.
    #[error("a notice could not be written: {0}")]
    Notice(String),
    /// A reason that the log does not take.
    #[error(transparent)]
    Reason(NotCanonical),
    /// An event has no canonical bytes.
    #[error("the act can't be logged: {0}")]
    Audit(String),
}

impl From<StaffError> for ListError {
    fn from(error: StaffError) -> Self {
        match error {
            StaffError::Code(error) => Self::Code(error),
            StaffError::Store(error) => Self::Store(error),
            error => Self::Staff(error),
        }
    }
}

/// Why a mail doesn't go to its list: for the reply to the mail program, which shows it to the sender.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The role is missing.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// No such list.
    #[error("there is no such list")]
    NoList,
    /// The list goes to everybody on it.
    #[error("this list can't be narrowed to a constituency: write to the whole list")]
    WholeListOnly,
    /// A constituency that isn't known.
    #[error("there is no constituency {0}")]
    NoConstituency(Code),
    /// Too much is waiting.
    #[error("{0} mailings wait for their approval: approve or cancel some first")]
    TooManyHeld(usize),
    /// The mail itself.
    #[error("{}", sentences(.0))]
    Mail(Vec<Refusal>),
    /// It can't be read.
    #[error(transparent)]
    Unreadable(#[from] MimeError),
    /// It can't be made ready.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Not now.
    #[error(transparent)]
    Later(#[from] ListError),
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        Self::Later(error.into())
    }
}

/// The longest line of a reason, in octets: a reply line has 512 (RFC 5321 §4.5.3.1.5) with its code.
const LINE: usize = 400;

impl SubmitError {
    /// Whether the same mail may be taken later: a 4xx reply, and not a 5xx.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Later(_))
    }

    /// Whether it's about who writes, and not about what is written (enhanced code 5.7.1, and not 5.6.0).
    pub fn is_about_policy(&self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::Prepare(_))
    }

    /// The reasons, one a line, in printable ASCII: for the lines of a reply.
    pub fn lines(&self) -> Vec<String> {
        let reasons: Vec<String> = match self {
            Self::Mail(refusals) => refusals.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        };
        reasons.iter().map(|reason| line(reason)).collect()
    }
}

fn line(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        ' '..='~' => c,
        '\u{2019}' => '\'',
        _ => '?',
    });
    plain.take(LINE).collect()
}

fn said(records: &[NotInOrder]) -> String {
    let texts = records
        .iter()
        .map(|one| format!("{} ({})", one.topic, one.said));
    texts.collect::<Vec<_>>().join("; ")
}

fn sentences(refusals: &[Refusal]) -> String {
    let texts: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
