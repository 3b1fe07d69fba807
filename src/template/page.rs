//! What each page shows: one plain struct per page, filled by the web door. No struct here holds anything that
//! tells whether an address is known, so no page can (invariant 6).

mod notice;
mod problem;

use serde::Serialize;

use super::party::{Lang, Text};

pub use notice::{ListPurpose, Notice, NoticeKind, Privacy, Retention};
pub use problem::Problem;

/// A page: the data that its template shows, under the name `page`.
pub trait Page: Serialize {
    /// The template's name without folder and ending.
    const NAME: &'static str;
}

/// How a page is being looked at.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The language.
    pub lang: Lang,
    /// The path at which GET shows this same page, for the link to the other language. `None` where only a POST
    /// shows it: the link then leads to the first page.
    pub path: Option<&'a str>,
}

impl Visit<'_> {
    /// A page that only a POST shows.
    pub fn answer(lang: Lang) -> Self {
        Self { lang, path: None }
    }
}

/// One list on a form, with the words of its box.
#[derive(Clone, Debug, Serialize)]
pub struct ListChoice {
    /// The list's key in the config; the value of the box.
    pub key: String,
    /// Its title.
    pub title: Text,
    /// The consent statement, byte for byte as the evidence will hold it.
    pub statement: Text,
}

/// The constituencies of one nation.
#[derive(Clone, Debug, Serialize)]
pub struct Nation {
    /// Its English name as in the list of constituencies.
    pub nation: String,
    /// Its constituencies in order.
    pub seats: Vec<Seat>,
}

/// One constituency.
#[derive(Clone, Debug, Serialize)]
pub struct Seat {
    /// Its code, the value that is posted.
    pub code: String,
    /// Its name in English.
    pub name: String,
    /// Its name in Welsh, for Welsh ones.
    pub cy: Option<String>,
}

/// The first page: the sign-up form. Boxes are never shown ticked, so there is no field for it (law B1).
#[derive(Clone, Debug, Serialize)]
pub struct SignUp<'a> {
    /// What was wrong with the last attempt.
    pub problems: Vec<Problem>,
    /// The address as it was typed.
    pub email: &'a str,
    /// The chosen constituency's code, or nothing.
    pub constituency: &'a str,
    /// The lists that one can sign up for.
    pub lists: &'a [ListChoice],
    /// The statement of minimum age.
    pub age: &'a Text,
    /// The constituencies to choose from.
    pub constituencies: &'a [Nation],
    /// The signed time stamp.
    pub stamp: &'a str,
    /// Whether the constituencies are the built-in ones, whose licence asks for a credit.
    pub ogl: bool,
}

impl Page for SignUp<'_> {
    const NAME: &'static str = "signup";
}

/// By what we heard of an address that gets the full form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// By a mail to `+subscribe`.
    Mail,
    /// By a card on which something is not ticked.
    Card,
    /// By an import.
    Import,
    /// By a sign-up, while another one waited.
    Again,
}

/// The form behind the link of a challenge to which no consent of this form's went before: its POST is the consent.
#[derive(Clone, Debug, Serialize)]
pub struct FullForm<'a> {
    /// What was wrong with the last attempt.
    pub problems: Vec<Problem>,
    /// By what we heard of its reader.
    pub heard: Heard,
    /// The chosen constituency's code, or nothing.
    pub constituency: &'a str,
    /// The lists that one can sign up for.
    pub lists: &'a [ListChoice],
    /// The statement of minimum age.
    pub age: &'a Text,
    /// The constituencies to choose from.
    pub constituencies: &'a [Nation],
    /// The signed time stamp.
    pub stamp: &'a str,
    /// Where the form is posted: the path with the token.
    pub action: &'a str,
    /// As in [`SignUp::ogl`].
    pub ogl: bool,
}

impl Page for FullForm<'_> {
    const NAME: &'static str = "full_form";
}

/// One list of a request that waits for its button.
#[derive(Clone, Debug, Serialize)]
pub struct Requested {
    /// The list's title.
    pub title: Text,
    /// The statement as it was shown when the box was ticked.
    pub statement: String,
    /// The language it was shown in.
    pub statement_lang: Lang,
}

/// The page behind a challenge's link: one button.
#[derive(Clone, Debug, Serialize)]
pub struct Confirm<'a> {
    /// What was wrong with the last attempt.
    pub problems: Vec<Problem>,
    /// What was asked for.
    pub lists: &'a [Requested],
    /// The code of the request's constituency, or nothing.
    pub constituency: &'a str,
    /// The constituencies to choose from.
    pub constituencies: &'a [Nation],
    /// Where the button posts to.
    pub action: &'a str,
    /// Days after which the request is erased.
    pub days: u32,
    /// As in [`SignUp::ogl`].
    pub ogl: bool,
}

impl Page for Confirm<'_> {
    const NAME: &'static str = "confirm";
}

/// A list with its way out.
#[derive(Clone, Debug, Serialize)]
pub struct WayOut {
    /// The list's title.
    pub title: Text,
    /// Path of the page that ends the subscription (in mails: its whole address).
    pub way_out: String,
}

/// The page after the button of [`Confirm`] or [`FullForm`].
#[derive(Clone, Debug, Serialize)]
pub struct Subscribed<'a> {
    /// The lists and the way out of each.
    pub lists: &'a [WayOut],
}

impl Page for Subscribed<'_> {
    const NAME: &'static str = "subscribed";
}

/// The page behind an unsubscribe link. It is the same whether or not anybody is subscribed.
#[derive(Clone, Debug, Serialize)]
pub struct Unsubscribe<'a> {
    /// The list's title; `None` where the link is about all of them.
    pub list: Option<&'a Text>,
    /// Where the buttons post to.
    pub action: &'a str,
}

impl Page for Unsubscribe<'_> {
    const NAME: &'static str = "unsubscribe";
}

/// The page after a withdrawal.
#[derive(Clone, Debug, Serialize)]
pub struct Unsubscribed<'a> {
    /// The list that was left; `None` for all of them.
    pub list: Option<&'a Text>,
}

impl Page for Unsubscribed<'_> {
    const NAME: &'static str = "unsubscribed";
}

/// The page behind a challenge's "never write to me again" link.
#[derive(Clone, Debug, Serialize)]
pub struct Never<'a> {
    /// Where the button posts to.
    pub action: &'a str,
}

impl Page for Never<'_> {
    const NAME: &'static str = "never";
}

/// The page where a stranger says that it was them who wrote.
#[derive(Clone, Debug, Serialize)]
pub struct Met<'a> {
    /// Where the button posts to.
    pub action: &'a str,
}

impl Page for Met<'_> {
    const NAME: &'static str = "met";
}

/// What an approver must bring beside their link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// Nothing.
    Nothing,
    /// A code of their second factor.
    Code,
    /// A second factor, which they haven't got: there is no button that approves.
    Missing,
}

/// The page behind an approver's link: what is to be sent, and two buttons.
#[derive(Clone, Debug, Serialize)]
pub struct Approve<'a> {
    /// What was wrong with the last attempt.
    pub problems: Vec<Problem>,
    /// Who prepared the mailing.
    pub sender: &'a str,
    /// The list's title.
    pub list: &'a Text,
    /// The names of the constituencies it is narrowed to; none is the whole list.
    pub audience: Option<&'a str>,
    /// The subject.
    pub subject: &'a str,
    /// How many recipients, as the approver may know it ("<5" under five).
    pub count: &'a str,
    /// The digest of the prepared bytes, in hexadecimal: the approval is bound to it.
    pub digest: &'a str,
    /// The text as its readers will see it.
    pub text: &'a str,
    /// What the designed form says, where that is something else.
    pub designed: Option<&'a str>,
    /// What is attached: name, media type and size.
    pub files: &'a [String],
    /// Whether the list is in the configuration; else there is no button that approves.
    pub configured: bool,
    /// What is asked for beside the link.
    pub factor: Factor,
    /// Where the buttons post to.
    pub action: &'a str,
}

impl Page for Approve<'_> {
    const NAME: &'static str = "approve";
}
