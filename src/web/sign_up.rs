//! The first page: the sign-up form, and what is posted from it. Whoever posts gets the same page; only the worker in
//! the consent room looks anything up, later.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{Asked, notice, page, retry_later, trouble};
use super::form::{Fields, PostedSignUp};
use super::stamp::{Said, Stamp, StampError, Use};
use super::{Open, Peer, Web};
use crate::address::EmailAddress;
use crate::consent::constituency::Code;
use crate::consent::{Consent, ConsentError, FormProblem, SignUpForm};
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
    let (form, stamp) = match read(&web, &open, &posted) {
        Ok(read) => read,
        Err(problems) => return Ok(again(&web, &open, &posted, problems)),
    };
    let said = said(&web, &posted);
    let (consent, working) = (open.consent().clone(), Arc::clone(&web));
    let taking = async move { take(&working, &consent, peer, form, stamp, said).await };
    Ok(match web.whole(taking).await {
        Ok(Taken::Yes) => inbox(posted.lang),
        Ok(Taken::Again(problems)) => again(&web, &open, &posted, problems),
        Ok(Taken::Wait(wait)) => retry_later(&open.site, posted.lang, NoticeKind::TooMany, wait),
        Ok(Taken::No(error)) => trouble(&open.site, posted.lang, &error),
        Err(error) => trouble(&open.site, posted.lang, &error),
    })
}

/// What came of a form.
enum Taken {
    /// It was taken, now or when its button was pressed first.
    Yes,
    /// It is shown again.
    Again(Vec<Problem>),
    /// Its network has to wait.
    Wait(Duration),
    /// The room could not.
    No(ConsentError),
}

/// Hands a form over, once for each stamp: whoever else brings the same waits here for what comes of it. The stamp is
/// used when the form is on the disk, and not before, so that who was told to come again may.
async fn take(
    web: &Web,
    consent: &Consent,
    peer: Peer,
    form: SignUpForm,
    stamp: Stamp,
    said: Said,
) -> Taken {
    let Ok(place) = web.stamps().place(stamp, web.clock.now_ms()) else {
        return Taken::Again(vec![Problem::FormStale]);
    };
    let mut used = place.lock().await;
    match used.by(said, web.clock.now_ms()) {
        Use::None => {}
        Use::Same => return Taken::Yes,
        Use::Other => return Taken::Again(vec![Problem::FormSent]),
    }
    if let Err(wait) = web.signups.load().ask(peer.0) {
        return Taken::Wait(wait);
    }
    match consent.sign_up(form).await {
        Ok(()) => {
            used.set(said, web.clock.now_ms());
            Taken::Yes
        }
        Err(ConsentError::Form(problems)) => Taken::Again(told(problems)),
        Err(error) => Taken::No(error),
    }
}

/// What a form says, to know it again when its button is pressed twice.
fn said(web: &Web, posted: &PostedSignUp) -> Said {
    let fields = [
        posted.email.as_str(),
        posted.constituency.as_str(),
        posted.lang.tag(),
    ];
    let lists = posted.lists.iter().map(String::as_str);
    web.stamps().said(fields.into_iter().chain(lists))
}

/// Reads what was posted, or says everything that is wrong with it at once.
fn read(
    web: &Web,
    open: &Open,
    posted: &PostedSignUp,
) -> Result<(SignUpForm, Stamp), Vec<Problem>> {
    let mut problems = Vec::new();
    let address = EmailAddress::parse(&posted.email);
    match &address {
        Err(_) if posted.email.is_empty() => problems.push(Problem::EmailMissing),
        Err(_) => problems.push(Problem::EmailInvalid),
        Ok(_) => {}
    }
    let stamp = consented(web, open, posted);
    let constituency = read_seat(open, &posted.constituency);
    match (address, stamp, constituency) {
        (Ok(address), Ok(stamp), Ok(constituency)) => {
            let form = SignUpForm {
                address,
                lists: posted.lists.clone(),
                constituency,
                language: posted.lang,
                age_stated: posted.age,
                shown: open.version(posted.lang),
            };
            Ok((form, stamp))
        }
        (_, stamp, constituency) => {
            problems.extend(stamp.err().into_iter().flatten());
            problems.extend(constituency.err());
            Err(problems)
        }
    }
}

/// Checks the boxes and the stamp of a form on which one consents; says what is wrong with them.
pub(super) fn consented(
    web: &Web,
    open: &Open,
    posted: &PostedSignUp,
) -> Result<Stamp, Vec<Problem>> {
    let mut problems = Vec::new();
    if posted.lists.is_empty() {
        problems.push(Problem::ListsMissing);
    }
    if !posted.age {
        problems.push(Problem::AgeMissing);
    }
    let now = web.clock.now_ms();
    let stamp = web.stamps().check(&posted.stamp, now, open.site.words());
    let stamp = stamp.map_err(|error| match error {
        StampError::Words => Problem::WordingChanged,
        StampError::Soon => Problem::FormSoon,
        StampError::Foreign | StampError::Old => Problem::FormStale,
    });
    match stamp {
        Ok(stamp) if problems.is_empty() => Ok(stamp),
        stamp => {
            problems.extend(stamp.err());
            Err(problems)
        }
    }
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
