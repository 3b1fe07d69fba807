//! What the rooms say, as SMTP replies (RFC 5321 §4.2, RFC 3463). Each says what is wrong and what to do about it, and
//! none tells a stranger anything about people.

use std::borrow::Cow;

use crate::address::Domain;
use crate::list::{ListError, SubmitError};
use crate::mailbox::directory::NotHere;
use crate::smtp::reply::{Enhanced, Reply};
use crate::smtp::server::Refusal;
use crate::staff::HeldUp;

use super::super::identity::WrongWriter;

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::daemon) enum Unknown {
    /// It isn't ours, or nobody's.
    #[error(transparent)]
    NotHere(#[from] NotHere),
    /// It is no address that mail can be kept for.
    #[error("this is no mail address")]
    NoAddress,
}

impl Unknown {
    /// The reply: for strangers `staff` is false.
    pub(super) fn refusal(self, staff: bool) -> Refusal {
        match self {
            Self::NotHere(NotHere::OtherDomain) => Refusal::no_relay(),
            Self::NotHere(NotHere::NoSuchPart) if staff => refuse(
                550,
                (5, 1, 1),
                "The list has no such part: write to LIST+CONSTITUENCY, as in news+leeds-east",
            ),
            Self::NotHere(_) if staff => refuse(
                550,
                (5, 1, 1),
                "There is no such address at the party; check how it is written",
            ),
            Self::NotHere(_) => Refusal::no_such_mailbox(),
            Self::NoAddress => refuse(553, (5, 1, 3), "Not a mail address that we can use"),
        }
    }
}

fn refuse(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Refusal {
    Refusal::new(Reply::new(code, enhanced, text))
}

pub(super) fn revoked() -> Refusal {
    refuse(
        421,
        (4, 7, 0),
        "This account or password was ended; ask an admin of the party",
    )
}

pub(super) fn not_your_address() -> Refusal {
    refuse(
        553,
        (5, 7, 1),
        "You may send from your own addresses only; set the sender in your mail program",
    )
}

/// A list's identity towards somebody else than its list.
pub(super) fn for_its_list_alone() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "The sender is a list's identity, which writes to its list alone; choose your own address as sender",
    )
}

/// The header names somebody else as its author.
pub(super) fn wrong_writer(error: WrongWriter) -> Refusal {
    match error {
        WrongWriter::Unreadable(error) => unreadable(&error),
        error => Refusal::new(Reply::new(550, (5, 7, 1), plain(&error.to_string()))),
    }
}

pub(super) fn list_is_for_staff() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "Only the party's staff can write to this list",
    )
}

pub(super) fn subscribe_yourself() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "Write from an address of your own to subscribe, or use the page",
    )
}

pub(super) fn no_sender_role() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "Your account may not write to lists; an admin can give it the role sender",
    )
}

/// RFC 3463 X.7.1. Somebody may write to part of a list alone.
pub(super) fn beyond_grant() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "What was granted to you is for another list, or for some constituencies alone; write to LIST+CONSTITUENCY, or ask an admin",
    )
}

/// A list's copies go wherever its subscribers are.
pub(super) fn no_require_tls_for_lists() -> Refusal {
    refuse(
        550,
        (5, 7, 30),
        "REQUIRETLS can't be promised for all who read a list: send it without",
    )
}

/// Wrong passwords came from there, or everybody comes at once (RFC 4954 §6). The session closes behind it.
pub(super) fn held_up(held: HeldUp) -> Refusal {
    Refusal::new(Reply::new(454, (4, 7, 0), held.to_string()))
}

/// RFC 6409 §8 lets us refuse what would be refused on its way.
pub(super) fn said_twice(name: &str) -> Refusal {
    let text = format!(
        "Sent to nobody: your mail program wrote {name} twice in one mail, and it may stand there once"
    );
    Refusal::new(Reply::new(554, (5, 6, 0), text))
}

pub(super) fn list_goes_alone() -> Refusal {
    refuse(
        550,
        (5, 5, 3),
        "Sent to nobody: write to a list alone, one list and no other recipient",
    )
}

pub(super) fn too_many_outside(at_most: u32) -> Refusal {
    let text = format!(
        "Sent to nobody: too many recipients outside the party in one mail ({at_most} at most, by To, Cc and envelope together); use a list"
    );
    Refusal::new(Reply::new(550, (5, 7, 1), text))
}

/// Temporary, as it is: a mail program keeps the mail and tries again (RFC 5321 §4.2.2, RFC 3463 X.7.1).
pub(super) fn too_many_today(most: u32) -> Refusal {
    let text = format!(
        "You sent {} in 24 hours, which is the limit (messages_per_day); try again later, or use a list",
        match most {
            1 => "1 mail".to_owned(),
            most => format!("{most} mails"),
        }
    );
    Refusal::new(Reply::new(450, (4, 7, 1), text))
}

/// Temporary as well: the mail goes once the hour is over.
pub(super) fn too_many_in_an_hour(most: u32) -> Refusal {
    let text = format!(
        "Sent to nobody: with this mail you would write to more than {most} different people outside the party in an hour \
         (outside_per_hour); try again later, or use a list"
    );
    Refusal::new(Reply::new(450, (4, 7, 1), text))
}

pub(super) fn loops() -> Refusal {
    refuse(
        554,
        (5, 4, 6),
        "This mail has come through too many servers: it goes in a circle",
    )
}

/// RFC 3463 X.2.2. Temporary: whoever it is for may throw something away meanwhile.
pub(super) fn mailbox_full() -> Refusal {
    refuse(
        452,
        (4, 2, 2),
        "The mailbox is full, please try again later",
    )
}

/// The byte budget is used up.
pub(super) fn no_room() -> Refusal {
    refuse(
        452,
        (4, 3, 1),
        "Too much mail at once, please try again later",
    )
}

/// A store that can't take it now.
pub(super) fn store(error: &crate::store::StoreError) -> Refusal {
    tracing::warn!(%error, "mail was not taken");
    match error {
        crate::store::StoreError::Full | crate::store::StoreError::Reserved { .. } => {
            refuse(452, (4, 3, 1), "No room at present, please try again later")
        }
        crate::store::StoreError::StrangersFull => mailbox_full(),
        crate::store::StoreError::NoRoom(_) => no_room(),
        _ => Refusal::try_later(),
    }
}

/// A mail that may not go to a list, with each reason on a line of its own. Trouble of ours is temporary: a mail program
/// keeps the mail and tries again.
pub(super) fn not_a_mailing(error: &SubmitError) -> Refusal {
    match error {
        SubmitError::Later(ListError::Store(error)) => store(error),
        error if error.is_temporary() => {
            tracing::error!(%error, "a mail for a list was not taken");
            Refusal::try_later()
        }
        error => {
            let enhanced = match error.is_about_policy() {
                true => Enhanced::new(5, 7, 1),
                false => Enhanced::new(5, 6, 0),
            };
            let lines = error.lines().into_iter().map(Cow::Owned).collect();
            Refusal::new(Reply::from_parts(550, Some(enhanced), lines))
        }
    }
}

/// Reply lines are ASCII and short (RFC 5321 §4.5.3.1.5).
fn plain(line: &str) -> String {
    line.chars()
        .map(|c| {
            if c.is_ascii() && !c.is_ascii_control() {
                c
            } else {
                '?'
            }
        })
        .take(480)
        .collect()
}

pub(super) fn too_big_for_a_list(limit: usize) -> Refusal {
    let text = format!("Too big for this list, which takes {} KiB", limit / 1024);
    Refusal::new(Reply::new(552, (5, 3, 4), text))
}

pub(super) fn header_too_long() -> Refusal {
    refuse(
        552,
        (5, 3, 4),
        "The header of this mail is longer than 256 KiB",
    )
}

pub(super) fn stranger_s_header_too_long() -> Refusal {
    refuse(
        552,
        (5, 3, 4),
        "The header of this mail is longer than 128 KiB",
    )
}

pub(super) fn too_many_from_network() -> Refusal {
    refuse(
        450,
        (4, 7, 1),
        "Too many mails from your network in this hour, please try again later",
    )
}

pub(super) fn too_much_from_network() -> Refusal {
    refuse(
        450,
        (4, 7, 1),
        "Too much mail from your network in this hour, please try again later",
    )
}

pub(super) fn too_many_from_sender() -> Refusal {
    refuse(
        450,
        (4, 7, 1),
        "Too many mails from this sender in this hour, please try again later",
    )
}

pub(super) fn on_a_blocklist(list: &Domain) -> Refusal {
    let text = plain(&format!(
        "Your address is on the blocklist {list}; ask there why"
    ));
    Refusal::new(Reply::new(554, (5, 7, 1), text))
}

/// RFC 9989 §8: whose policy it is says whom to ask.
pub(super) fn policy_refuses(domain: &str) -> Refusal {
    let text = plain(&format!(
        "Neither SPF nor DKIM vouches for the author's domain, and the DMARC policy of {domain} asks to refuse that"
    ));
    Refusal::new(Reply::new(550, (5, 7, 1), text))
}

pub(super) fn suspect_request() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "Neither SPF nor DKIM vouches for the author's domain, whose DMARC policy asks to be wary: use the form",
    )
}

pub(super) fn unbelievable_request() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "The sender's domain doesn't say that this is from them (SPF, DKIM), or the sender isn't the author: use the form",
    )
}

pub(super) fn too_many_sign_ups() -> Refusal {
    refuse(
        450,
        (4, 7, 1),
        "Too many sign-ups from your network; try again in an hour, or use the form",
    )
}

/// What came to the address for reports and is none.
pub(super) fn no_report(error: &crate::report::TakeError) -> Refusal {
    use crate::report::TakeError;
    match error {
        TakeError::Store(error) => store(error),
        TakeError::TooMany => refuse(
            450,
            (4, 7, 1),
            "Too many reports came in a day, please try again tomorrow",
        ),
        TakeError::BrokeOff | TakeError::Busy => Refusal::try_later(),
        error => {
            let text = plain(&format!(
                "This address takes DMARC reports alone: {error}; write to postmaster instead"
            ));
            Refusal::new(Reply::new(550, (5, 6, 0), text))
        }
    }
}

pub(super) fn too_big_for_a_report() -> Refusal {
    refuse(
        552,
        (5, 3, 4),
        "Too big for a DMARC report, of which 2 MiB are taken",
    )
}

pub(super) fn suspect_report() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "Neither SPF nor DKIM vouches for the author's domain, whose DMARC policy asks to be wary",
    )
}

pub(super) fn several_authors() -> Refusal {
    refuse(
        550,
        (5, 7, 1),
        "From must name one author, or several of one domain",
    )
}

pub(super) fn unreadable_author() -> Refusal {
    refuse(
        554,
        (5, 6, 0),
        "From can't be read: it must name the author, as in Ann Example <ann@domain.example>",
    )
}

/// RFC 7372 §3.2.
pub(super) fn spf_is_silent() -> Refusal {
    refuse(
        451,
        (4, 7, 24),
        "DNS does not say whether you may send for this domain (SPF), please try again later",
    )
}

/// RFC 3463 X.4.3.
pub(super) fn dns_is_silent() -> Refusal {
    refuse(
        451,
        (4, 4, 3),
        "DNS does not answer about this mail's author, please try again later",
    )
}

pub(super) fn unreadable(error: &crate::message::mime::MimeError) -> Refusal {
    let text = plain(&format!("This mail's header can't be read: {error}"));
    Refusal::new(Reply::new(554, (5, 6, 0), text))
}

#[cfg(test)]
mod tests;
