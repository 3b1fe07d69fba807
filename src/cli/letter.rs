//! A message as people read it: who and what, the words decoded, and what is attached. For a volunteer who approves a
//! mailing; mail programs get the message itself.

use std::fmt::Write as _;

use super::style::{clean, clean_lines};
use crate::message::html::plain;
use crate::message::inspect::inspect;
use crate::message::mime::tree::Part;
use crate::message::mime::{Limits, text};

/// The fields that are shown.
const SHOWN: [&str; 4] = ["From", "To", "Reply-To", "Subject"];

/// The message in words; none if it can't be read as a message.
pub(super) fn read(message: &[u8]) -> Option<String> {
    let limits = Limits {
        parts: 1000,
        depth: 40,
        ..Limits::default()
    };
    let mail = inspect(message, &limits).ok()?;
    let mut out = String::new();
    for name in SHOWN {
        if let Some(field) = mail.root.field(name) {
            let _ = writeln!(out, "{name}: {}", clean(&field.text()));
        }
    }
    let (mut plain, mut html, mut files) = (Vec::new(), Vec::new(), Vec::new());
    mail.root.walk(&mut |part| {
        if part.is_body_text() {
            let words = if part.is("text/html") {
                &mut html
            } else {
                &mut plain
            };
            words.extend(text::decode(part));
        } else if !part.is_multipart() {
            files.push(file(part));
        }
    });
    let from_html = |html: &Vec<String>| html.iter().map(|html| plain::from_html(html)).collect();
    let words: Vec<String> = match plain.is_empty() {
        true => from_html(&html),
        false => plain,
    };
    for words in &words {
        let _ = write!(out, "\n{}\n", clean_lines(words).trim_end());
    }
    if !html.is_empty() && !mail.root.is("text/html") {
        out.push_str("\nIt also has a designed form (HTML), which most readers see.\n");
    }
    for file in files {
        let _ = write!(out, "\nWith: {file}");
    }
    out.push('\n');
    Some(out)
}

fn file(part: &Part<'_>) -> String {
    let name = part.file_name().map_or("without a name", |name| name);
    // Four octets of base64 are three of the file.
    let size = part.body.len() / 4 * 3 / 1024 + 1;
    let kind = &part.content_type.value;
    format!("{} ({}, about {size} KiB)", clean(name), clean(kind))
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
             It also has a designed form (HTML), which most readers see.\n\nWith: leaflet.pdf (application/pdf, about 1 KiB)\n"
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
