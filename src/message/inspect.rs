//! Reads an accepted submission into what the rules for lists look at. Decides nothing.

use super::mime::field::{Field, Mailbox};
use super::mime::tree::Part;
use super::mime::{Limits, MimeError};

/// Fields that a message may have once at most (RFC 5322 §3.6, RFC 2045 §3).
const SINGLE: [&str; 16] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Date",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
];

/// A message as the rules see it. `Debug` shows its shape, never its content.
#[derive(Clone)]
pub struct Inspection<'m> {
    /// The message's size in octets.
    pub size: usize,
    /// The message as a tree of parts.
    pub root: Part<'m>,
    /// The mailboxes of From.
    pub from: Vec<Mailbox>,
    /// The mailbox of Sender.
    pub sender: Option<Mailbox>,
    /// The mailboxes of To.
    pub to: Vec<Mailbox>,
    /// The mailboxes of Cc.
    pub cc: Vec<Mailbox>,
    /// The mailboxes of Bcc.
    pub bcc: Vec<Mailbox>,
    /// The decoded subject; `None` without the field.
    pub subject: Option<String>,
    /// Whether the message says that a program sent it by itself (RFC 3834 §5).
    pub auto_submitted: bool,
    /// The message's own identifier, without angle brackets.
    pub message_id: Option<String>,
    /// What it answers.
    pub in_reply_to: Vec<String>,
    /// The thread that it names.
    pub references: Vec<String>,
    /// Fields that occur more than once and mustn't.
    pub repeated: Vec<&'static str>,
    /// Whether a header field holds octets that are no UTF-8.
    pub broken_header: bool,
}

impl std::fmt::Debug for Inspection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspection")
            .field("size", &self.size)
            .field("shape", &self.shape())
            .finish_non_exhaustive()
    }
}

impl Inspection<'_> {
    /// The media types of the message's parts, nested in brackets.
    pub fn shape(&self) -> String {
        shape(&self.root)
    }
}

fn shape(part: &Part<'_>) -> String {
    let children: Vec<String> = part.children.iter().map(shape).collect();
    if children.is_empty() {
        part.content_type.value.clone()
    } else {
        format!("{}[{}]", part.content_type.value, children.join(" "))
    }
}

/// Reads a message within the limits.
///
/// # Errors
/// [`MimeError`] if it isn't a message, or one that costs too much to read.
pub fn inspect<'m>(message: &'m [u8], limits: &Limits) -> Result<Inspection<'m>, MimeError> {
    let root = Part::parse(message, limits)?;
    let mailboxes = |name: &str| -> Vec<Mailbox> {
        root.fields
            .iter()
            .filter(|f| f.is(name))
            .flat_map(Field::mailboxes)
            .collect()
    };
    let ids = |name: &str| root.field(name).map(Field::message_ids).unwrap_or_default();
    let auto = root.field("Auto-Submitted").map(Field::parameterized);
    Ok(Inspection {
        size: message.len(),
        from: mailboxes("From"),
        sender: mailboxes("Sender").into_iter().next(),
        to: mailboxes("To"),
        cc: mailboxes("Cc"),
        bcc: mailboxes("Bcc"),
        subject: root.field("Subject").map(Field::text),
        auto_submitted: auto.is_some_and(|auto| auto.value != "no"),
        message_id: ids("Message-ID").into_iter().next(),
        in_reply_to: ids("In-Reply-To"),
        references: ids("References"),
        repeated: repeated(&root),
        broken_header: root
            .fields
            .iter()
            .any(|f| std::str::from_utf8(f.raw()).is_err()),
        root,
    })
}

/// Fields repeated in the message's own header or in any part's.
fn repeated(root: &Part<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    root.walk(&mut |part| {
        for name in SINGLE {
            if part.fields.iter().filter(|f| f.is(name)).count() > 1 && !found.contains(&name) {
                found.push(name);
            }
        }
    });
    found
}
