//! What each mail says: one plain struct per mail, filled by the room that sends it; and the rendered mail.

use serde::Serialize;

use super::page::{Heard, WayOut};
use super::party::Text;

/// A mail: the data that its template shows, under the name `mail`.
pub trait MailView: Serialize {
    /// The template's name without folder and ending.
    const NAME: &'static str;
}

/// A rendered mail, ready to be composed.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line without control characters.
    pub subject: String,
    /// The text part; lines end in LF and are wrapped at 72 columns, addresses of pages excepted.
    pub text: String,
    /// The HTML part, for mails that have one.
    pub html: Option<String>,
}

/// A subject and a body may hold what staff wrote: they don't belong in a log.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mail(..)")
    }
}

/// The footer of a list mail, ready to be cut at its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FooterParts {
    /// For text parts; lines end in LF.
    pub text: String,
    /// For HTML parts: paragraphs without a frame around them.
    pub html: String,
}

/// "Was it you?" after a form: law B7, a bare service message.
#[derive(Clone, Debug, Serialize)]
pub struct Challenge<'a> {
    /// Titles of the lists that were asked for: the party's words, nothing from the form.
    pub lists: &'a [Text],
    /// The page with the button.
    pub link: &'a str,
    /// The page for "never write to me again".
    pub never_link: &'a str,
    /// Days after which the request is erased.
    pub days: u32,
}

impl MailView for Challenge<'_> {
    const NAME: &'static str = "challenge";
}

/// "Was it you?" after a mail to `+subscribe`, a card or an import: the link opens the full form.
#[derive(Clone, Debug, Serialize)]
pub struct OpenChallenge<'a> {
    /// By which of them.
    pub heard: Heard,
    /// The full form.
    pub link: &'a str,
    /// The page for "never write to me again".
    pub never_link: &'a str,
    /// Days after which the request is erased.
    pub days: u32,
}

impl MailView for OpenChallenge<'_> {
    const NAME: &'static str = "challenge_open";
}

/// The first mail after the consent: the way out, and the right to object in its own paragraph (law C2).
#[derive(Clone, Debug, Serialize)]
pub struct Welcome<'a> {
    /// The lists, each with the whole address of its way out.
    pub lists: &'a [WayOut],
}

impl MailView for Welcome<'_> {
    const NAME: &'static str = "welcome";
}

/// For an address that asked again although it is subscribed.
#[derive(Clone, Debug, Serialize)]
pub struct AlreadySubscribed<'a> {
    /// The lists, each with the whole address of its way out.
    pub lists: &'a [WayOut],
}

impl MailView for AlreadySubscribed<'_> {
    const NAME: &'static str = "already";
}

/// After a bare "stop" that nothing authenticates: sending is paused, one button makes it final.
#[derive(Clone, Debug, Serialize)]
pub struct StopQuestion<'a> {
    /// The page with the button.
    pub link: &'a str,
    /// Days until the pause ends.
    pub days: u32,
}

impl MailView for StopQuestion<'_> {
    const NAME: &'static str = "stop";
}

/// "Was it you?", to a stranger who wrote to the party. Nothing of what they wrote is in it.
#[derive(Clone, Debug, Serialize)]
pub struct FirstContact<'a> {
    /// The page with the button.
    pub link: &'a str,
    /// The page for "never write to me again".
    pub never_link: &'a str,
    /// Days after which their mail is erased.
    pub days: u32,
}

impl MailView for FirstContact<'_> {
    const NAME: &'static str = "first_contact";
}

/// The footer of a list mail.
#[derive(Clone, Debug, Serialize)]
pub struct Footer<'a> {
    /// The list's title.
    pub list: &'a Text,
    /// The address of the way out, or the mark of the slot that it fills later. A mark must be one word of letters
    /// and digits, so that neither escaping nor wrapping changes it.
    pub way_out: &'a str,
}

impl MailView for Footer<'_> {
    const NAME: &'static str = "footer";
}

/// To the sender of a mailing that is held: what it will look like, and how to release it.
#[derive(Clone, Debug, Serialize)]
pub struct Preview<'a> {
    /// The mailing's number as the CLI takes it.
    pub id: &'a str,
    /// The mailing's subject.
    pub subject: &'a str,
    /// The list's title.
    pub list: &'a Text,
    /// The constituencies it goes to; `None` for all.
    pub audience: Option<&'a str>,
    /// The count as this reader may see it ("<5" under five).
    pub count: &'a str,
    /// Size of a copy, with its unit.
    pub size: &'a str,
    /// Whether somebody else must approve.
    pub second_person: bool,
}

impl MailView for Preview<'_> {
    const NAME: &'static str = "preview";
}

/// To the sender of a mailing that nobody approved in time.
#[derive(Clone, Debug, Serialize)]
pub struct NotApproved<'a> {
    /// The mailing's subject.
    pub subject: &'a str,
    /// The list's title.
    pub list: &'a Text,
    /// The names of the constituencies it was narrowed to; none is the whole list.
    pub audience: Option<&'a str>,
}

impl MailView for NotApproved<'_> {
    const NAME: &'static str = "not_approved";
}

/// To an approver.
#[derive(Clone, Debug, Serialize)]
pub struct Approval<'a> {
    /// The mailing's subject.
    pub subject: &'a str,
    /// The list's title.
    pub list: &'a Text,
    /// The names of the constituencies it is narrowed to; none is the whole list.
    pub audience: Option<&'a str>,
    /// The staff name of the sender.
    pub sender: &'a str,
    /// The count as this reader may see it.
    pub count: &'a str,
    /// The approver's own link.
    pub link: &'a str,
    /// When the link ends, as people write it.
    pub until: &'a str,
}

impl MailView for Approval<'_> {
    const NAME: &'static str = "approval";
}

/// A recipient that a staff mail has not reached.
#[derive(Clone, Debug, Serialize)]
pub struct Unreached<'a> {
    /// The address that the staff member wrote to.
    pub address: &'a str,
    /// Why: the last part of a key of the texts `mail.cause`.
    pub cause: &'a str,
    /// What the other server said.
    pub said: Option<&'a str>,
    /// Whether it was tried for as long as mail is tried.
    pub expired: bool,
    /// Whether an administrator took it out of the queue.
    pub dropped: bool,
    /// What the administrator gave as the reason.
    pub note: Option<&'a str>,
}

/// To staff who fetch by POP3: mail waits where they don't see it.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting<'a> {
    /// How many mails.
    pub count: usize,
    /// The day on which the oldest goes.
    pub goes: &'a str,
    /// Nothing of the mailbox goes by itself.
    pub held: bool,
}

impl MailView for Waiting<'_> {
    const NAME: &'static str = "waiting";
}

/// To a staff sender: not delivered yet.
#[derive(Clone, Debug, Serialize)]
pub struct Delayed<'a> {
    /// The subject of the staff member's mail, if it has one.
    pub subject: Option<&'a str>,
    /// Whom it has not reached.
    pub recipients: &'a [Unreached<'a>],
    /// Until when it is tried, as people write it.
    pub until: &'a str,
}

impl MailView for Delayed<'_> {
    const NAME: &'static str = "delayed";
}

/// To a staff sender: the part of a DSN that people read.
#[derive(Clone, Debug, Serialize)]
pub struct NotDelivered<'a> {
    /// The subject of the staff member's mail, if it has one.
    pub subject: Option<&'a str>,
    /// Whom it has not reached.
    pub recipients: &'a [Unreached<'a>],
}

impl MailView for NotDelivered<'_> {
    const NAME: &'static str = "dsn";
}

/// To a staff sender who asked for it: delivered, or taken by a server that tells no more.
#[derive(Clone, Debug, Serialize)]
pub struct Delivered<'a> {
    /// The subject of the staff member's mail, if it has one.
    pub subject: Option<&'a str>,
    /// Whom it has reached.
    pub recipients: &'a [&'a str],
    /// Another server took it, and says no more.
    pub relayed: bool,
}

impl MailView for Delivered<'_> {
    const NAME: &'static str = "delivered";
}

/// Columns at which text is wrapped.
const WIDTH: usize = 72;

/// Makes a rendered text template ready for a mail: no more than one empty line in a row, lines wrapped.
pub(super) fn finish(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut empty = 0;
    for line in text.trim().lines() {
        let line = line.trim_end();
        if line.is_empty() {
            empty += 1;
            continue;
        }
        out.push_str(match (out.is_empty(), empty) {
            (true, _) => "",
            (false, 0) => "\n",
            (false, _) => "\n\n",
        });
        empty = 0;
        wrap(line, &mut out);
    }
    out.push('\n');
    out
}

/// Breaks a line at spaces; a word is never broken, so that links stay whole. Indentation goes on.
fn wrap(line: &str, out: &mut String) {
    let body = line.trim_start();
    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
    let hang = indent + if body.starts_with("* ") { 2 } else { 0 };
    let mut column = indent;
    out.extend(std::iter::repeat_n(' ', indent));
    for (n, word) in body.split_whitespace().enumerate() {
        let width = word.chars().count();
        if n > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', hang));
            column = hang;
        } else if n > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
}

/// One line for a header: no control characters, no runs of spaces.
pub(super) fn one_line(text: &str) -> String {
    let cleaned = text.replace(|c: char| c.is_control(), " ");
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wraps_words_and_keeps_links_whole() {
        let link = format!("https://lists.party.example/u/{}", "a".repeat(90));
        let long = "word ".repeat(40);
        let out = finish(&format!("\n\n{long}\n\n\n\n{link}\n  * {long}"));
        assert!(
            out.lines()
                .filter(|line| *line != link)
                .all(|line| line.chars().count() <= WIDTH)
        );
        assert!(out.lines().any(|line| line == link));
        assert!(out.contains("\n    word"), "a list item hangs: {out}");
        assert!(!out.contains("\n\n\n"));
    }

    #[test]
    fn a_subject_is_one_line() {
        assert_eq!(
            one_line("a\r\nBcc: b@c.example\u{7} \t d"),
            "a Bcc: b@c.example d"
        );
    }

    proptest! {
        #[test]
        fn finishing_keeps_every_word(text in "([a-zâŵ*]{0,90}[ \n]{0,3}){0,40}") {
            let out = finish(&text);
            let words: Vec<_> = text.split_whitespace().collect();
            prop_assert_eq!(words, out.split_whitespace().collect::<Vec<_>>());
        }
    }
}
