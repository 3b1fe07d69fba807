//! Why a copy did not arrive, as the ledger names it and as staff read it: the names of [`Cause::name`] and five of our
//! own. Names are stored: they're never renamed.
//!
//! [`Cause::name`]: crate::delivery::classify::Cause::name

use crate::store::{MailingState, Stopped};

/// It was tried for as long as copies are tried.
pub(super) const EXPIRED: &str = "expired";
/// Its recipient's "stop" was not decided before the copy's time was over.
pub(super) const PAUSED: &str = "paused";
/// Its recipient's address can't stand in a header.
pub(super) const UNSENDABLE: &str = "unsendable";
/// Its provider gets no more today, or is left alone for a while.
pub(super) const PACE: &str = "pace";
/// The connection broke when the message had been sent and no reply had come.
pub(super) const BROKEN: &str = "broken";

/// A cause as staff read it.
pub fn in_words(name: &str) -> &'static str {
    match name {
        "address-dead" => "there is no such mailbox",
        "address-busy" => "the mailbox was full or busy",
        "blocked" => "the other side blocks us",
        "authentication" => "the other side doubts that it is from us (SPF, DKIM, DMARC)",
        "content" => "the other side doesn't take what it says or carries",
        "rate" => "too much at a time for the other side",
        "no-tls" => "the other side has no TLS, and nothing is sent without",
        "certificate" => "the other side's certificate doesn't prove who it is, and it has to",
        "not-in-policy" => "the domain's MTA-STS policy doesn't name its mail server",
        "tlsa" => "the other side's certificate doesn't match its TLSA records (DANE)",
        "dnssec" => "the domain's DNS is not signed as it should be (DNSSEC)",
        "requiretls" => "REQUIRETLS was asked for, and the other side doesn't do it",
        "automatic" => "an automatic reply",
        EXPIRED => "it was tried for as long as copies are tried",
        PAUSED => "its recipient asked to stop and has not decided",
        UNSENDABLE => "the address can't stand in a mail",
        PACE => "its provider gets mail at its pace",
        BROKEN => "the connection broke at the end",
        _ => "no reason was given",
    }
}

/// Where a mailing stands, after "the mailing".
pub(super) const fn state_in_words(state: MailingState) -> &'static str {
    match state {
        MailingState::Held => "waits for its approval",
        MailingState::Sending => "is being sent",
        MailingState::Paused => "is paused",
        MailingState::Cancelled => "was cancelled",
        MailingState::Done => "is done",
    }
}

/// Why the service itself stopped a mailing, and what to do.
pub(super) fn stopped_in_words(stopped: Stopped, list: &str) -> String {
    match stopped {
        Stopped::ListGone => format!(
            "the list {list} was taken out of the configuration; put [list.{list}] back, reload and resume the mailing, or cancel it"
        ),
        Stopped::HeldTooLong => {
            "nobody approved it for 14 days, and its text is no longer kept; send the mail to the list again".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use crate::delivery::classify::{Cause, Fault};
    use crate::delivery::policy::Doubt;

    #[test]
    fn staff_read_each_cause_in_words() {
        for cause in [
            Cause::AddressDead,
            Cause::AddressBusy,
            Cause::OurFault(Fault::Blocked),
            Cause::OurFault(Fault::Authentication),
            Cause::OurFault(Fault::Content),
            Cause::OurFault(Fault::Rate),
            Cause::NoTls,
            Cause::Unproven(Doubt::Certificate),
            Cause::Unproven(Doubt::NotInPolicy),
            Cause::Unproven(Doubt::Tlsa),
            Cause::Unproven(Doubt::Dnssec),
            Cause::Unproven(Doubt::RequireTls),
            Cause::Automatic,
        ] {
            let words = in_words(cause.name());
            assert_ne!(words, in_words(Cause::Unknown.name()), "{}", cause.name());
        }
    }
}
