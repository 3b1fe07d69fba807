//! Reads a mail as the person outside would: its text, and the links in it.

use crate::message::html::plain::from_html;
use crate::message::mime::Limits;
use crate::message::mime::text::decode;
use crate::message::mime::tree::Part;

/// What a mail shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The text parts, or what can be read of the HTML.
    pub text: String,
    /// Whether there is HTML too, and what it says as text.
    pub html: Option<String>,
    /// Attachments: their names or types, and sizes in bytes.
    pub attachments: Vec<(String, usize)>,
}

/// Reads a message; one that can't be read is shown as it is.
pub fn show(message: &[u8]) -> Shown {
    let Ok(root) = Part::parse(message, &Limits::default()) else {
        return Shown {
            text: String::from_utf8_lossy(message).into_owned(),
            ..Shown::default()
        };
    };
    let (mut texts, mut pages) = (Vec::new(), Vec::new());
    let mut shown = Shown::default();
    root.walk(&mut |part| {
        if part.is_multipart() {
        } else if part.is_body_text() {
            let text = decode(part).unwrap_or_default();
            if part.is("text/html") {
                pages.push(from_html(&text));
            } else {
                texts.push(text);
            }
        } else {
            let name = part.file_name().unwrap_or(&part.content_type.value);
            let size = part.decoded().map_or(0, |bytes| bytes.len());
            shown.attachments.push((name.to_owned(), size));
        }
    });
    if !pages.is_empty() {
        shown.html = Some(pages.join("\n"));
    }
    shown.text = if texts.is_empty() {
        pages.join("\n")
    } else {
        texts.join("\n")
    };
    shown
}

/// The web addresses in a text, in their order.
pub fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for word in text.split([' ', '\t', '\r', '\n', '<', '>', '"', '(', ')', ',']) {
        if word.starts_with("https://") || word.starts_with("http://") {
            links.push(word.trim_end_matches(['.', ';', ':', '!', '?']));
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_and_links_are_found() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nSee https://a.example/c/=\r\ntoken.\r\n--b\r\n\
            Content-Type: text/html\r\n\r\n<p>Hello</p>\r\n--b\r\nContent-Type: application/pdf; name=\"x.pdf\"\r\n\r\n1234\r\n--b--\r\n";
        let shown = show(message);
        assert_eq!(links(&shown.text), ["https://a.example/c/token"]);
        assert_eq!(shown.html.as_deref(), Some("Hello\n"));
        assert_eq!(shown.attachments, [("x.pdf".to_owned(), 4)]);
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_it_is() {
        assert_eq!(show(b"\0").text, "\0");
    }
}
