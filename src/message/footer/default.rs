//! The default footer's layout.

use crate::message::html::entity::escape;
use crate::message::segment::Slot;

use super::{Footer, FooterError, Template};

/// What the default footer says; each is plain text in the list's language.
#[derive(Debug, Clone, Copy)]
pub struct FooterText<'a> {
    /// The party's registered name.
    pub party: &'a str,
    /// The imprint (`Promoted by ... of ...`).
    pub imprint: &'a str,
    /// Why the subscriber gets this mail.
    pub why: &'a str,
    /// The heading of the right to object (law row C2).
    pub right_heading: &'a str,
    /// The right to object, in a paragraph of its own.
    pub right: &'a str,
    /// The words of the way out.
    pub way_out: &'a str,
    /// The party's postal address.
    pub postal_address: &'a str,
    /// Where to complain.
    pub complaints: &'a str,
}

impl FooterText<'_> {
    /// The default footer of these words.
    ///
    /// # Errors
    /// [`FooterError`].
    pub fn footer(&self) -> Result<Footer, FooterError> {
        Footer::new(
            Template::new(&self.as_text())?,
            Template::new(&self.as_html())?,
            self.imprint,
        )
    }

    fn as_text(&self) -> String {
        let url = Slot::UnsubscribeUrl.marker();
        format!(
            "{}\n{}\n\n{}\n\n{}\n{}\n\n{}\n{url}\n\n{}\n\n{}\n",
            self.party,
            self.imprint,
            self.why,
            self.right_heading,
            self.right,
            self.way_out,
            self.postal_address,
            self.complaints
        )
    }

    fn as_html(&self) -> String {
        let url = Slot::UnsubscribeUrl.marker();
        let p = |inner: String| format!("<p>{inner}</p>\n");
        let lines = |text: &str| escape(text.trim()).replace('\n', "<br>\n");
        let link = format!("<a href=\"{url}\">{}</a>", lines(self.way_out));
        format!(
            "{}{}{}{}{}{}",
            p(format!(
                "<strong>{}</strong><br>\n{}",
                lines(self.party),
                lines(self.imprint)
            )),
            p(lines(self.why)),
            p(format!(
                "<strong>{}</strong><br>\n{}",
                lines(self.right_heading),
                lines(self.right)
            )),
            p(link),
            p(lines(self.postal_address)),
            p(lines(self.complaints)),
        )
    }
}
