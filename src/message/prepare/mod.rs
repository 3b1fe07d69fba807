//! Rebuilds a list mail: a new header of our own, the parts that the sender wrote, and the footer in each body that a
//! reader may see. Nothing of the client's header reaches a copy unless it's on the allow-list here.
//!
//! | part | becomes |
//! |---|---|
//! | `text/plain` | UTF-8, quoted-printable, `format=flowed` kept, footer before a signature separator |
//! | `text/html` alone | `multipart/alternative` with a text of its words and links |
//! | `text/html` in an alternative | UTF-8, quoted-printable, footer before the last `</body>` |
//! | `multipart/alternative` | kept; each body gets the footer; a text is added if there is none; a form that can't carry it (an invitation) stands after them |
//! | `multipart/related` | kept; its root gets the footer |
//! | `multipart/mixed` and others | kept; the last body among the parts gets the footer |
//! | `multipart/signed`, `multipart/encrypted`, `application/pkcs7-mime` | untouched, the footer as a part after it |
//! | `message/*` | untouched (the rules refuse it before) |
//! | anything else | its bytes in base64, with name, identifier and disposition |

mod body;
mod entity;
mod frame;
mod page;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use super::footer::Footer;
use super::inspect::Inspection;
use super::mime::MimeError;
use super::mime::encode;
use super::mime::tree::Part;
use super::segment::{Form, Prepared, SegmentWriter, Slot};

use self::entity::Entity;

/// What a list puts on its mails. The addresses must be addr-specs and the identifier a dot-atom (the config checks).
#[derive(Debug, Clone, Copy)]
pub struct Letterhead<'a> {
    /// The display name of From: the party's registered name (law row C3).
    pub from_name: &'a str,
    /// The list's identity.
    pub from_address: &'a str,
    /// Where answers go, if not to the identity.
    pub reply_to: Option<&'a str>,
    /// The list's identifier (RFC 2919), without angle brackets.
    pub list_id: &'a str,
    /// The list's name, shown with its identifier.
    pub list_name: &'a str,
    /// The footer.
    pub footer: &'a Footer,
}

/// Why a mail could not be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// A part can't be read.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// A signed part that mustn't be touched can't be sent as it is.
    #[error(
        "the signed part has lines over 998 octets or octets over 127: set the mail program to sign in quoted-printable"
    )]
    Opaque,
    /// An address or identifier of the list that can't stand in a header.
    #[error(
        "the list's address, reply address or identifier can't stand in a header: correct it in the config"
    )]
    Letterhead,
}

/// Prepares an accepted mail. The mail should have passed [`super::rules::check`]; what it refuses is still rebuilt
/// safely here, but may be rebuilt into something a reader has no use for.
///
/// # Errors
/// [`PrepareError`].
pub fn prepare(
    mail: &Inspection<'_>,
    letterhead: &Letterhead<'_>,
) -> Result<Prepared, PrepareError> {
    let mut names = entity::Boundaries::new(mail.root.raw);
    let root = body::root(&mail.root, letterhead.footer, &mut names)?;
    let mut header = own_header(mail, letterhead)?;
    header.bytes.extend_from_slice(b"MIME-Version: 1.0\r\n");
    if let Some(languages) = languages(&mail.root) {
        encode::text_field(&mut header.bytes, "Content-Language", &languages);
    }
    let Entity { fields, content } = root;
    header.bytes.extend_from_slice(&fields);
    Ok(Prepared {
        header: header.finish(),
        body: entity::write_body(content),
    })
}

/// The fields that we make ourselves, with their slots.
fn own_header(mail: &Inspection<'_>, list: &Letterhead<'_>) -> Result<SegmentWriter, PrepareError> {
    let addresses = [Some(list.from_address), list.reply_to]
        .into_iter()
        .flatten();
    if !addresses.chain([list.list_id]).all(is_plain) {
        return Err(PrepareError::Letterhead);
    }
    let mut out = SegmentWriter::default();
    encode::mailbox_field(&mut out.bytes, "From", list.from_name, list.from_address);
    out.bytes.extend_from_slice(b"To: <");
    out.slot(Slot::To, Form::Header);
    out.bytes.extend_from_slice(b">\r\n");
    let subject = mail.subject.as_deref().unwrap_or_default();
    encode::text_field(&mut out.bytes, "Subject", subject);
    out.bytes.extend_from_slice(b"Date: ");
    out.slot(Slot::Date, Form::Header);
    out.bytes.extend_from_slice(b"\r\nMessage-ID: <");
    out.slot(Slot::MessageId, Form::Header);
    out.bytes.extend_from_slice(b">\r\n");
    if let Some(reply_to) = list.reply_to {
        encode::mailbox_field(&mut out.bytes, "Reply-To", list.from_name, reply_to);
    }
    encode::mailbox_field(&mut out.bytes, "List-Id", list.list_name, list.list_id);
    out.bytes.extend_from_slice(b"List-Unsubscribe: <");
    out.slot(Slot::UnsubscribeUrl, Form::Header);
    out.bytes.extend_from_slice(b">,\r\n <");
    out.slot(Slot::UnsubscribeMailto, Form::Header);
    out.bytes
        .extend_from_slice(b">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    Ok(out)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 320
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b';'))
}

/// The languages that the sender named, if they look like language tags.
fn languages(root: &Part<'_>) -> Option<String> {
    let text = root.field("Content-Language")?.text();
    let good = text.len() <= 100
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b',' | b' '));
    (good && !text.trim().is_empty()).then_some(text)
}
