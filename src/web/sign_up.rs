//! The first page: the sign-up form, and what is posted from it. Whoever posts gets the same page; only the worker in
//! the consent room looks anything up, later.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{Asked, notice, page, retry_later, trouble};
use super::form::{Fields, PostedSignUp};
use super::stamp::StampError;
use super::{Open, Peer, Web};
use crate::address::EmailAddress;
use crate::consent::constituency::Code;
use crate::consent::{ConsentError, FormProblem, SignUpForm};
use crate::template::{NoticeKind, Problem, Visit};

/// `GET /`.
pub(super) async fn form(State(web): State<Arc<Web>>, asked: Asked, open: Open) -> Response {
    let stamp = fresh_stamp(&web, &open);
    let visit = Visit {
        lang: asked.lang,
        path: Some("/"),
    };
    let view = open.site.sign_up(&stamp, "", "", vec![]);
    page(&open.site, StatusCode::OK, visit, &view)
}

/// `POST /`.
pub(super) async fn post(
    State(web): State<Arc<Web>>,
    peer: Peer,
    open: Open,
    fields: Fields,
) -> Result<Response, StatusCode> {
    let posted = PostedSignUp::read(&fields).map_err(|error| error.status())?;
    let inbox = |lang| notice(&open.site, StatusCode::OK, lang, NoticeKind::Inbox);
    if posted.honeypot {
        return Ok(inbox(posted.lang));
    }
    let form = match read(&web, &open, &posted) {
        Ok(form) => form,
        Err(problems) => return Ok(again(&web, &open, &posted, problems)),
    };
    if let Err(wait) = web.signups.load().ask(peer.0) {
        let kind = NoticeKind::TooMany;
        return Ok(retry_later(&open.site, posted.lang, kind, wait));
    }
    Ok(match open.consent().sign_up(form).await {
        Ok(()) => inbox(posted.lang),
        Err(ConsentError::Form(problems)) => again(&web, &open, &posted, told(problems)),
        Err(error) => trouble(&open.site, posted.lang, &error),
    })
}

/// Reads what was posted, or says everything that is wrong with it at once.
fn read(web: &Web, open: &Open, posted: &PostedSignUp) -> Result<SignUpForm, Vec<Problem>> {
    let mut problems = Vec::new();
    let address = EmailAddress::parse(&posted.email);
    match &address {
        Err(_) if posted.email.is_empty() => problems.push(Problem::EmailMissing),
        Err(_) => problems.push(Problem::EmailInvalid),
        Ok(_) => {}
    }
    problems.extend(consent_problems(web, open, posted));
    let constituency = read_seat(open, &posted.constituency);
    match (address, constituency) {
        (Ok(address), Ok(constituency)) if problems.is_empty() => Ok(SignUpForm {
            address,
            lists: posted.lists.clone(),
            constituency,
            language: posted.lang,
            age_stated: posted.age,
            shown: open.version(posted.lang),
        }),
        (_, constituency) => {
            problems.extend(constituency.err());
            Err(problems)
        }
    }
}

/// What is wrong with the boxes and the stamp of a form on which one consents.
pub(super) fn consent_problems(web: &Web, open: &Open, posted: &PostedSignUp) -> Vec<Problem> {
    let mut problems = Vec::new();
    if posted.lists.is_empty() {
        problems.push(Problem::ListsMissing);
    }
    if !posted.age {
        problems.push(Problem::AgeMissing);
    }
    let now = web.clock.now_ms();
    match web.stamps().check(&posted.stamp, now, open.site.words()) {
        Ok(()) => {}
        Err(StampError::Words) => problems.push(Problem::WordingChanged),
        Err(StampError::Soon) => problems.push(Problem::FormSoon),
        Err(StampError::Foreign | StampError::Old) => problems.push(Problem::FormStale),
    }
    problems
}

/// Reads the chosen constituency; nothing is a choice too.
pub(super) fn read_seat(open: &Open, code: &str) -> Result<Option<Code>, Problem> {
    if code.is_empty() {
        return Ok(None);
    }
    let known = open.site.has_seat(code);
    let code = Code::parse(code).ok().filter(|_| known);
    code.map(Some).ok_or(Problem::ConstituencyUnknown)
}

/// The room's words for what is wrong, as the page says them.
pub(super) fn told(problems: Vec<FormProblem>) -> Vec<Problem> {
    problems
        .into_iter()
        .map(|problem| match problem {
            FormProblem::ListsMissing => Problem::ListsMissing,
            FormProblem::ListsUnknown => Problem::ListsUnknown,
            FormProblem::AgeMissing => Problem::AgeMissing,
            FormProblem::ConstituencyUnknown => Problem::ConstituencyUnknown,
            // What else there is concerns cards, which come another way.
            _ => Problem::WordingChanged,
        })
        .collect()
}

/// A stamp for a form that is shown now.
pub(super) fn fresh_stamp(web: &Web, open: &Open) -> String {
    web.stamps().issue(web.clock.now_ms(), open.site.words())
}

fn again(web: &Web, open: &Open, posted: &PostedSignUp, problems: Vec<Problem>) -> Response {
    let stamp = fresh_stamp(web, open);
    let visit = Visit {
        lang: posted.lang,
        path: Some("/"),
    };
    let view = open
        .site
        .sign_up(&stamp, &posted.email, &posted.constituency, problems);
    page(&open.site, StatusCode::UNPROCESSABLE_ENTITY, visit, &view)
}
