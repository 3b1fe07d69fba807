//! Whom a staff mail's header names: as its authors, as who sent it, as its readers.
//!
//! We sign what goes out, so nobody may be shown another author than the one that we let write. Mail programs read damaged
//! addresses each in its own way: authors are read by the letter or not at all, and a reader is whoever any program could
//! take for one.

use super::mime::field::{self, Field};
use super::mime::{Limits, MimeError};
use super::verdict::author;
use crate::address::EmailAddress;

/// Whom a header names as its authors, and as who sent it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Writers {
    /// How often From occurs.
    pub from_fields: usize,
    /// The addresses in From; none if it can't be read by the letter, or names a group.
    pub from: Option<Vec<EmailAddress>>,
    /// The addresses in Sender, and in the fields of whoever sends a mail again; none if one of them can't be read so.
    pub senders: Option<Vec<EmailAddress>>,
}

impl std::fmt::Debug for Writers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writers({} From)", self.from_fields)
    }
}

impl Writers {
    /// Reads a header.
    ///
    /// # Errors
    /// [`MimeError`] if it isn't one.
    pub fn of(header: &[u8]) -> Result<Self, MimeError> {
        let (fields, _) = field::split(header, &Limits::default())?;
        let from = |field: &&Field<'_>| field.is("From");
        let sends = |field: &&Field<'_>| {
            let names = ["Sender", "Resent-From", "Resent-Sender"];
            names.iter().any(|name| field.is(name))
        };
        Ok(Self {
            from_fields: fields.iter().filter(from).count(),
            from: by_the_letter(fields.iter().filter(from)),
            senders: by_the_letter(fields.iter().filter(sends)),
        })
    }
}

fn by_the_letter<'f, 'm: 'f>(
    fields: impl Iterator<Item = &'f Field<'m>>,
) -> Option<Vec<EmailAddress>> {
    let read: Option<Vec<_>> = fields
        .map(|field| author::mailboxes(field.raw_value()))
        .collect();
    Some(read?.into_iter().flatten().collect())
}

/// Whom a header names as readers: the addresses in To, Cc, Bcc and those of whoever sends a mail again. An address that
/// only some programs would find counts as well.
///
/// # Errors
/// [`MimeError`] if it isn't a header.
pub fn readers(header: &[u8]) -> Result<Vec<String>, MimeError> {
    let (fields, _) = field::split(header, &Limits::default())?;
    let names = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
    let named = fields
        .iter()
        .filter(|field| names.iter().any(|name| field.is(name)));
    let read = |field: &Field<'_>| {
        let mut addresses: Vec<String> = field
            .mailboxes()
            .into_iter()
            .map(|one| one.address)
            .collect();
        addresses.extend(author::any_addresses(field.raw_value()));
        addresses
    };
    let mut readers: Vec<String> = named.flat_map(read).collect();
    readers.sort_unstable();
    readers.dedup();
    Ok(readers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_is_seen() {
        let header = "TO: G: a@x.example, \"b, c\" <b@x.example>;\r\nCc: c@x.example,\r\n d@x.example\r\n\
            Bcc: e@x.example\r\nResent-To: f@x.example\r\nFrom: no@x.example\r\n\r\nTo: body@x.example\r\n";
        let expected = ["a", "b", "c", "d", "e", "f"].map(|name| format!("{name}@x.example"));
        assert_eq!(readers(header.as_bytes()).unwrap(), expected);
    }

    /// What one program takes for the name of a group, another shows as a reader.
    #[test]
    fn no_way_of_writing_hides_a_reader() {
        for (value, expected) in [
            ("<a@x.example>: <b@x.example>: c@x.example", 3),
            ("a@x.example <b@x.example>", 2),
            ("a@x.example b@x.example", 2),
            ("<a@x.example>; <b@x.example>", 2),
            ("x (a@x.example) <b@x.example>", 1),
            ("\"a@x.example\" <b@x.example>", 1),
            ("a@x.example <A@x.example>", 2),
            ("ann @ x.example", 1),
            ("ann(x)@x.example", 1),
            (
                "a @ x.example, b (b) @ (b)x.example, c\r\n @\r\n x.example",
                3,
            ),
            // Whole, and as who takes the words beside the @ alone.
            ("a . x @ x.example, b . x @ x . example", 3),
            (". a @ x.example, b@x.example . -", 2),
            ("Ann Smith<ann @x.example>", 1),
            ("undisclosed-recipients:;", 0),
        ] {
            let header = format!("To: {value}\r\n\r\n");
            let read = readers(header.as_bytes()).unwrap();
            let full = read
                .iter()
                .filter(|one| EmailAddress::parse(one).is_ok())
                .count();
            assert_eq!(full, expected, "{value}: {read:?}");
        }
    }

    /// Each would take a minute if it cost its square. The time is for the slowest machine.
    #[test]
    fn an_endless_value_costs_no_more_than_its_length() {
        let begun = std::time::Instant::now();
        for piece in [
            "(",
            "\\(",
            "\\\"",
            "(\"",
            "( ",
            "()(",
            " =?utf-8?q?x",
            " =?utf-8?b?x",
            " =?utf-8?b?eA",
            "a@ ",
            "@(x)",
            "a.(x)",
            "a @ b . ",
        ] {
            for first in ["\"", ""] {
                let value = piece.repeat(250_000 / piece.len());
                let header = format!("To: {first}{value}(a@x.example\r\n\r\n");
                let read = readers(header.as_bytes()).unwrap();
                let found = read.iter().any(|one| one == "a@x.example");
                assert!(found, "{piece}: {}", read.len());
            }
        }
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    #[test]
    fn authors_are_read_by_the_letter_or_not_at_all() {
        let of = |fields: &str| {
            Writers::of(format!("{fields}\r\n\r\nFrom: body@x.example\r\n").as_bytes()).unwrap()
        };
        let texts = |read: Option<Vec<EmailAddress>>| -> Option<Vec<String>> {
            read.map(|all| all.iter().map(ToString::to_string).collect())
        };
        let writers = of(
            "FROM: \"boss@bank.example\" <ada@party.example>,\r\n b@x.example\r\nSender: e@x.example\r\n\
            Resent-From: f@x.example\r\nReply-To: g@x.example",
        );
        assert_eq!(writers.from_fields, 1);
        assert_eq!(
            texts(writers.from).unwrap(),
            ["ada@party.example", "b@x.example"]
        );
        assert_eq!(
            texts(writers.senders).unwrap(),
            ["e@x.example", "f@x.example"]
        );
        assert_eq!(of("From: a@x.example\r\nFrom: b@x.example").from_fields, 2);
        for value in [
            "<ben@party.example>: ada@party.example",
            "ben@party.example <ada@party.example>",
            "ben@party.example, <ada@party.example>: x",
            "Team: ada@party.example;",
            "undisclosed:;",
            "<@party.example:ada@party.example>",
            "Ada",
            "",
        ] {
            assert_eq!(of(&format!("From: {value}")).from, None, "{value}");
            assert_eq!(of(&format!("Sender: {value}")).senders, None, "{value}");
        }
        assert_eq!(Writers::of(b"From : x\r\n\r\n"), Err(MimeError::Field));
    }
}
