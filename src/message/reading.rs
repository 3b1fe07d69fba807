//! A message as somebody reads it who has to judge it: all its words, those of the plain form and those of the designed
//! one, and what is attached. It knows nothing of terminals and pages; what it gives is as the writer wrote it and has
//! to be escaped for either.

use super::html::plain;
use super::inspect::inspect;
use super::mime::tree::Part;
use super::mime::{Limits, text};

/// What is read at most. A footer's parts come on top of what the sender's mail had.
pub const LIMITS: Limits = Limits {
    parts: 1000,
    depth: 40,
    ..Limits::STRANGERS
};

/// A message in words.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The plain form, or the designed one in words if there is no plain one.
    pub text: String,
    /// The designed form (HTML) in words, where it says anything else than the plain form.
    pub designed: Option<String>,
    /// Whether there is a designed form beside the plain one: most readers see that.
    pub has_designed: bool,
    /// What is attached or embedded.
    pub files: Vec<File>,
}

/// Something attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its media type.
    pub media_type: String,
    /// Its size in KiB, about.
    pub kib: usize,
}

/// It holds what is to be sent.
impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading")
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Reading {
    /// Reads a message; none if it can't be read as one.
    pub fn of(message: &[u8]) -> Option<Self> {
        let mail = inspect(message, &LIMITS).ok()?;
        let (mut plain, mut html, mut files) = (Vec::new(), Vec::new(), Vec::new());
        mail.root.walk(&mut |part: &Part<'_>| {
            if part.is_body_text() {
                let words = if part.is("text/html") {
                    &mut html
                } else {
                    &mut plain
                };
                words.extend(text::decode(part));
            } else if !part.is_multipart() {
                files.push(File::of(part));
            }
        });
        let html: Vec<_> = html.iter().map(|html| plain::from_html(html)).collect();
        let has_designed = !plain.is_empty() && !html.is_empty();
        let (text, designed) = match plain.is_empty() {
            true => (html.join("\n"), None),
            false => (plain.join("\n"), Some(html.join("\n"))),
        };
        let designed = designed.filter(|designed| has_designed && !same_words(&text, designed));
        Some(Self {
            text,
            designed,
            has_designed,
            files,
        })
    }
}

impl File {
    fn of(part: &Part<'_>) -> Self {
        Self {
            name: part.file_name().map(str::to_owned),
            media_type: part.content_type.value.to_string(),
            // Four octets of base64 are three of the file.
            kib: part.body.len() / 4 * 3 / 1024 + 1,
        }
    }
}

/// Whether two texts say the same, however they are laid out and quoted.
fn same_words(one: &str, other: &str) -> bool {
    fn words(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| c.is_alphanumeric())
    }
    words(one).eq(words(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_forms(plain: &str, html: &str) -> Reading {
        let message = format!(
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\
             Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n{plain}\r\n--a\r\n\
             Content-Type: text/html\r\n\r\n{html}\r\n--a--\r\n--m\r\nContent-Type: application/pdf; name=leaflet.pdf\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--m--\r\n"
        );
        Reading::of(message.as_bytes()).expect("is a message")
    }

    #[test]
    fn a_designed_form_that_says_something_else_is_shown() {
        let same = two_forms("Come on Friday.", "<p>Come <b>on</b>\r\nFriday<i>.</i></p>");
        assert_eq!(
            (same.text.trim(), &same.designed),
            ("Come on Friday.", &None)
        );
        assert!(same.has_designed);
        let other = two_forms("Come on Friday.", "<p>Send money to Ada.</p>");
        let designed = other.designed.expect("it says something else");
        assert_eq!(designed.trim(), "Send money to Ada.");
    }

    #[test]
    fn files_are_named() {
        let file = File {
            name: Some("leaflet.pdf".into()),
            media_type: "application/pdf".into(),
            kib: 1,
        };
        assert_eq!(two_forms("a", "a").files, [file]);
    }

    #[test]
    fn html_alone_is_the_text() {
        let message = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>Hello &amp; bye</p>\r\n";
        let reading = Reading::of(message).expect("is a message");
        assert_eq!(reading.text.trim(), "Hello & bye");
        assert!(reading.designed.is_none() && !reading.has_designed);
    }
}
