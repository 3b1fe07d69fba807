//! A message as people read it: who and what, the words decoded, and what is attached. For a volunteer who approves a
//! mailing; mail programs get the message itself.

use std::fmt::Write as _;

use super::style::{clean, clean_lines};
use crate::message::inspect::inspect;
use crate::message::mime::text;
use crate::message::reading::{File, LIMITS, Reading};

/// The fields that are shown.
const SHOWN: [&str; 4] = ["From", "To", "Reply-To", "Subject"];

/// The message in words; none if it can't be read as a message.
pub(super) fn read(message: &[u8]) -> Option<String> {
    let (mail, reading) = (inspect(message, &LIMITS).ok()?, Reading::of(message)?);
    let mut out = String::new();
    for name in SHOWN {
        if let Some(field) = mail.root.field(name) {
            let _ = writeln!(out, "{name}: {}", clean(&field.text()));
        }
    }
    let _ = write!(out, "\n{}\n", clean_lines(&reading.text).trim_end());
    if let Some(designed) = &reading.designed {
        let designed = clean_lines(designed);
        let _ = write!(
            out,
            "\nIts designed form (HTML), which most readers see (--html FILE writes it to a file), says:\n\n{}\n",
            designed.trim()
        );
    } else if reading.has_designed {
        out.push_str(
            "\nIt also has a designed form (HTML), which most readers see. It says the same; --html FILE writes it to a \
             file, to look at it.\n",
        );
    }
    for file in &reading.files {
        let _ = write!(out, "\nWith: {}", described(file));
    }
    out.push('\n');
    Some(out)
}

/// The designed form (HTML) of a message, as a page in UTF-8; none if it has none.
pub(super) fn designed(message: &[u8]) -> Option<String> {
    let mail = inspect(message, &LIMITS).ok()?;
    let mut page = None;
    mail.root.walk(&mut |part| {
        if page.is_none() && part.is("text/html") && part.is_body_text() {
            page = text::decode(part).ok();
        }
    });
    page.map(|page| format!("<!doctype html><meta charset=\"utf-8\">\n{page}"))
}

fn described(file: &File) -> String {
    let name = file.name.as_deref().unwrap_or("without a name");
    format!(
        "{} ({}, about {} KiB)",
        clean(name),
        clean(&file.media_type),
        file.kib
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_and_files_are_named() {
        let message = b"From: Office <office@party.example>\r\nTo: reader@elector.example\r\nSubject: =?utf-8?Q?Caf=C3=A9?=\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
            --a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            =E2=80=9CCome=E2=80=9D\x20on=\r\n Friday\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>Come</p>\r\n--a--\r\n\
            --m\r\nContent-Type: application/pdf; name=leaflet.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--m--\r\n";
        assert_eq!(
            read(message).expect("is one"),
            "From: Office <office@party.example>\nTo: reader@elector.example\nSubject: Caf\u{e9}\n\n\u{201c}Come\u{201d} on Friday\n\n\
             Its designed form (HTML), which most readers see (--html FILE writes it to a file), says:\n\nCome\n\nWith: leaflet.pdf (application/pdf, about 1 KiB)\n"
        );
    }

    #[test]
    fn html_alone_is_read_as_text_and_escapes_are_harmless() {
        let message =
            b"Subject: x\x1b[2J\r\nContent-Type: text/html\r\n\r\n<p>Hello &amp; bye</p>\r\n";
        let words = read(message).expect("is one");
        assert!(words.contains("Hello & bye"), "{words}");
        assert!(!words.contains('\u{1b}') && !words.contains("designed form"));
    }
}
