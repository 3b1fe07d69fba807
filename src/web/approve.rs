//! The page behind an approver's link: what is to be sent, two buttons, and a field for the code of a second factor where
//! the approver has one. The list room decides whether the link is good, whose it is, whether the code is, and whether these
//! are still the bytes it was given for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use zeroize::Zeroizing;

use super::answer::{Asked, link_unknown, notice, page, trouble};
use super::form::Fields;
use super::{Open, Web};
use crate::list::{Decision, ListError, Mailings};
use crate::message::reading::File;
use crate::staff::{CodeAsked, CodeError};
use crate::template::{Approve, Factor, Lang, NoticeKind, Problem, Text, Visit};

/// What the pages ask the list room.
pub trait Approvals: Send + Sync {
    /// What the mailing behind an approver's link is; none for a link that is unknown, used or expired. Changes nothing.
    fn look<'a>(&'a self, token: &'a str) -> Asking<'a, Option<MailingToApprove>>;

    /// Approves or refuses it, and spends the link. `code` is what was typed as code of the second factor.
    fn decide<'a>(
        &'a self,
        token: &'a str,
        decision: Decision,
        code: Option<&'a str>,
    ) -> Asking<'a, Decided>;
}

/// What came of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is done, and the link spent.
    Done,
    /// The link is unknown, used or expired, or the mailing is no longer what it was given for.
    NoLink,
    /// Large receivers would refuse it now. The link still works.
    NotReady,
    /// The code of the second factor was not taken. The link still works.
    NoCode(Problem),
}

/// An answer of the list room that is being made.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, RoomTrouble>> + Send + 'a>>;

/// The list room could not answer now; nothing was done. The text is for the log, and names nobody.
#[derive(Debug, thiserror::Error)]
#[error("the list room could not answer: {0}; nothing was done, try again")]
pub struct RoomTrouble(pub String);

/// A mailing that waits for its approval.
#[derive(Clone, PartialEq, Eq)]
pub struct MailingToApprove {
    /// Who prepared it.
    pub sender: String,
    /// The list's title.
    pub list: Text,
    /// The names of the constituencies it is narrowed to; none is the whole list.
    pub constituencies: Option<String>,
    /// The subject.
    pub subject: String,
    /// How many recipients, as this approver may know it.
    pub count: String,
    /// The digest of the prepared bytes, in hexadecimal.
    pub digest: String,
    /// The text as its readers will see it.
    pub text: String,
    /// What the designed form says, where that is something else.
    pub designed: Option<String>,
    /// What is attached: name, media type and size.
    pub files: Vec<String>,
    /// Whether its list is in the configuration; else it can't be approved.
    pub configured: bool,
    /// What its approver must bring beside the link.
    pub factor: Factor,
}

/// It holds what is to be sent, so nothing of it is shown.
impl std::fmt::Debug for MailingToApprove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailingToApprove(..)")
    }
}

impl Approvals for Mailings {
    fn look<'a>(&'a self, token: &'a str) -> Asking<'a, Option<MailingToApprove>> {
        Box::pin(async move {
            let view = self.approval_page(token).await.map_err(room_trouble)?;
            Ok(view.map(|view| MailingToApprove {
                sender: view.sender,
                list: view.list,
                constituencies: view.constituencies,
                subject: view.subject,
                count: view.audience.to_string(),
                digest: view.digest,
                files: view.reading.files.iter().map(described).collect(),
                text: view.reading.text,
                designed: view.reading.designed,
                configured: view.configured,
                factor: match view.asked {
                    CodeAsked::Nothing => Factor::Nothing,
                    CodeAsked::Code => Factor::Code,
                    CodeAsked::Factor => Factor::Missing,
                },
            }))
        })
    }

    fn decide<'a>(
        &'a self,
        token: &'a str,
        decision: Decision,
        code: Option<&'a str>,
    ) -> Asking<'a, Decided> {
        Box::pin(async move {
            match self.decide_by_link(token, decision, code).await {
                Ok(_) => Ok(Decided::Done),
                Err(ListError::Code(error)) => Ok(match problem(&error) {
                    Some(problem) => Decided::NoCode(problem),
                    // The page says so.
                    None => Decided::NoLink,
                }),
                Err(ListError::Dns(_)) => Ok(Decided::NotReady),
                Err(
                    ListError::Link
                    | ListError::State { .. }
                    | ListError::Digest
                    | ListError::NotAllowed(_)
                    | ListError::NotYours
                    | ListError::SecondPerson
                    | ListError::NotConfigured(_)
                    | ListError::TooOld,
                ) => Ok(Decided::NoLink),
                Err(error) => Err(room_trouble(error)),
            }
        })
    }
}

/// What is said at the field; none of who can give no code at all.
fn problem(error: &CodeError) -> Option<Problem> {
    match error {
        CodeError::Needed => Some(Problem::CodeMissing),
        CodeError::NoCode => Some(Problem::CodeInvalid),
        CodeError::Wrong { .. } | CodeError::NoRecovery => Some(Problem::CodeWrong),
        CodeError::Used => Some(Problem::CodeUsed),
        CodeError::ClockWasAhead => Some(Problem::CodeAhead),
        CodeError::HeldUp { .. } => Some(Problem::CodeHeldUp),
        CodeError::NotEnrolled(_) => None,
    }
}

fn described(file: &File) -> String {
    let name = file.name.as_deref().unwrap_or("?");
    format!("{name} ({}, {} KiB)", file.media_type, file.kib)
}

fn room_trouble(error: ListError) -> RoomTrouble {
    RoomTrouble(error.to_string())
}

/// `GET /a/TOKEN`.
pub(super) async fn form(Path(token): Path<String>, asked: Asked, open: Open) -> Response {
    show(&token, asked.lang, &open, StatusCode::OK, Vec::new()).await
}

async fn show(
    token: &str,
    lang: Lang,
    open: &Open,
    status: StatusCode,
    problems: Vec<Problem>,
) -> Response {
    let mailing = match open.rooms.approvals.look(token).await {
        Ok(Some(mailing)) => mailing,
        Ok(None) => return link_unknown(&open.site, lang),
        Err(error) => return trouble(&open.site, lang, &error),
    };
    let action = &format!("/a/{token}");
    let visit = Visit {
        lang,
        path: Some(action),
    };
    let view = Approve {
        problems,
        sender: &mailing.sender,
        list: &mailing.list,
        audience: mailing.constituencies.as_deref(),
        subject: &mailing.subject,
        count: &mailing.count,
        digest: &mailing.digest,
        text: &mailing.text,
        designed: mailing.designed.as_deref(),
        files: &mailing.files,
        configured: mailing.configured,
        factor: mailing.factor,
        action,
    };
    page(&open.site, status, visit, &view)
}

/// `POST /a/TOKEN`. Unlike a withdrawal, an approval must be said in full: a form without one of the two buttons is
/// refused.
pub(super) async fn post(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    open: Open,
    fields: Fields,
) -> Result<Response, StatusCode> {
    let pressed = fields.one("decision").map_err(|error| error.status())?;
    let (decision, done) = match pressed {
        "approve" => (Decision::Approve, NoticeKind::Approved),
        "refuse" => (Decision::Refuse, NoticeKind::Refused),
        _ => return Err(StatusCode::BAD_REQUEST),
    };
    let code = fields.one("code").map_err(|error| error.status())?;
    let code = Zeroizing::new(code.trim().to_owned());
    let lang = fields.lang();
    let room = Arc::clone(&open.rooms.approvals);
    let pressed = token.clone();
    let decided = web
        .whole(async move {
            let code = Some(code.as_str()).filter(|code| !code.is_empty());
            room.decide(&pressed, decision, code).await
        })
        .await;
    Ok(match decided {
        Ok(Ok(Decided::Done)) => notice(&open.site, StatusCode::OK, lang, done),
        // The page says what stands against it, if the link itself is good.
        Ok(Ok(Decided::NoLink)) => {
            show(&token, lang, &open, StatusCode::CONFLICT, Vec::new()).await
        }
        Ok(Ok(Decided::NoCode(problem))) => {
            show(&token, lang, &open, StatusCode::FORBIDDEN, vec![problem]).await
        }
        Ok(Ok(Decided::NotReady)) => {
            notice(&open.site, StatusCode::CONFLICT, lang, NoticeKind::NotReady)
        }
        Ok(Err(error)) => trouble(&open.site, lang, &error),
        Err(error) => trouble(&open.site, lang, &error),
    })
}
