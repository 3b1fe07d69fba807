//! Why a mail may not go to a list: the rules for its header, its shape and its content, each with what to do.
//!
//! What can't be vetted doesn't go out. Parts are dealt with so:
//! - Text and HTML bodies, also inside `multipart/signed`, are read in their charset and vetted.
//! - Attached HTML and SVG, by media type or by file name, are vetted by the same rules and never altered.
//! - Attached messages (`message/*`) are refused: they hold other people's addresses, and mail programs show them
//!   in line, remote pictures and all; `message/external-body` would even be fetched.
//! - Encrypted mail and opaque S/MIME signatures (`application/pkcs7-mime`) are refused: neither we nor the person who
//!   approves could read what is sent. Clear signatures (`multipart/signed`) are fine.
//! - Any other attachment is octets that the reader opens or not.

mod content;
mod parts;
mod refusal;
mod subject;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use content::check_html;
pub use refusal::{Header, Hidden, Refusal};
pub use subject::is_fake_reply;

use super::inspect::Inspection;
use super::mime::field::Mailbox;

/// The most refusals reported of one message.
const MOST: usize = 20;
/// The longest subject, in characters: more is cut by every mail program.
const LONGEST_SUBJECT: usize = 300;

/// What a list asks of a mail.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// The list's identity: the only address that From may hold.
    pub identity: &'a str,
    /// The addresses of lists that To may hold.
    pub lists: &'a [&'a str],
    /// The most octets that a mail may have.
    pub max_size: usize,
}

/// Everything that keeps this mail from its list; empty if it may go.
pub fn check(mail: &Inspection<'_>, policy: &Policy<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if mail.size > policy.max_size {
        refusals.push(Refusal::TooLarge {
            size: mail.size,
            limit: policy.max_size,
        });
    }
    check_header(mail, policy, &mut refusals);
    parts::check(mail, &mut refusals);
    refusals.dedup();
    refusals.truncate(MOST);
    refusals
}

fn check_header(mail: &Inspection<'_>, policy: &Policy<'_>, refusals: &mut Vec<Refusal>) {
    match mail.from.as_slice() {
        [] => refusals.push(Refusal::NoFrom),
        [from] if !same(&from.address, policy.identity) => {
            refusals.push(Refusal::ForeignFrom {
                identity: policy.identity.to_owned(),
            });
        }
        [_] => {}
        several => refusals.push(Refusal::SeveralFrom(several.len())),
    }
    let listed = |mailbox: &&Mailbox| policy.lists.iter().any(|list| same(&mailbox.address, list));
    let others = mail.to.iter().filter(|mailbox| !listed(mailbox)).count();
    for (header, count) in [
        (Header::To, others),
        (Header::Cc, mail.cc.len()),
        (Header::Bcc, mail.bcc.len()),
    ] {
        if count > 0 {
            refusals.push(Refusal::OtherRecipients { header, count });
        }
    }
    refusals.extend(mail.repeated.iter().map(|name| Refusal::Repeated(name)));
    if mail.broken_header {
        refusals.push(Refusal::BrokenHeader);
    }
    if mail.auto_submitted {
        refusals.push(Refusal::AutoSubmitted);
    }
    let subject = mail.subject.as_deref().unwrap_or_default().trim();
    if subject.is_empty() {
        refusals.push(Refusal::NoSubject);
    } else if subject.chars().count() > LONGEST_SUBJECT {
        refusals.push(Refusal::LongSubject(LONGEST_SUBJECT));
    } else if is_fake_reply(subject) {
        refusals.push(Refusal::FakeReply);
    }
}

/// Addresses of our own are compared without case throughout: they're ours, and we made no two that differ by it.
fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}
