//! The page behind a challenge's link. Looking at it changes nothing; its button is the consent. A link that is unknown,
//! was used or has expired gets one page for all three.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::answer::{Asked, link_unknown, page, trouble};
use super::form::{Fields, PostedSignUp};
use super::sign_up::{consented, fresh_stamp, read_seat, told};
use super::{Open, Web};
use crate::consent::{
    ConfirmOutcome, Confirmation, Confirmed, RequestView, SeatChoice, Subscription,
};
use crate::template::{
    Confirm, FullForm, Heard, Lang, Problem, Requested, Subscribed, Text, Visit, WayOut,
};

/// `GET /c/TOKEN`.
pub(super) async fn form(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    asked: Asked,
    open: Open,
) -> Response {
    match open.consent().open_request(&token).await {
        Ok(Some(request)) => {
            let code = request.constituency.map(|code| code.to_string());
            let showing = Showing {
                lang: asked.chosen.unwrap_or(request.language),
                status: StatusCode::OK,
                constituency: code.unwrap_or_default(),
                problems: vec![],
            };
            show(&web, &open, &token, &request, showing)
        }
        Ok(None) => link_unknown(&open.site, asked.lang),
        Err(error) => trouble(&open.site, asked.lang, &error),
    }
}

/// `POST /c/TOKEN`.
pub(super) async fn post(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    open: Open,
    fields: Fields,
) -> Result<Response, StatusCode> {
    let posted = PostedSignUp::read(&fields).map_err(|error| error.status())?;
    let lang = posted.lang;
    let request = match open.consent().open_request(&token).await {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(used(&open, &token, lang).await),
        Err(error) => return Ok(trouble(&open.site, lang, &error)),
    };
    let again = |problems: Vec<Problem>| {
        let asked = request.constituency.filter(|_| !posted.has_constituency);
        let showing = Showing {
            lang,
            status: match problems.is_empty() {
                true => StatusCode::OK,
                false => StatusCode::UNPROCESSABLE_ENTITY,
            },
            constituency: asked
                .map_or_else(|| posted.constituency.clone(), |code| code.to_string()),
            problems,
        };
        show(&web, &open, &token, &request, showing)
    };
    // The page with one button was open while something else was asked for: its reader is shown all of it first.
    if request.full_form == Some(Heard::Again) && posted.stamp.is_empty() && posted.lists.is_empty()
    {
        return Ok(again(Vec::new()));
    }
    let choice = match read(&web, &open, &posted, request.full_form.is_some()) {
        Ok(choice) => choice,
        Err(problems) => return Ok(again(problems)),
    };
    let (consent, link) = (open.consent().clone(), token.clone());
    let confirmed = web
        .whole(async move { consent.confirm(&link, choice).await })
        .await;
    Ok(match confirmed {
        Ok(Ok(ConfirmOutcome::Subscribed(made))) => subscribed(&open, lang, &made),
        Ok(Ok(ConfirmOutcome::LinkUnknown)) => link_unknown(&open.site, lang),
        Ok(Ok(ConfirmOutcome::Refused(problems))) => again(told(problems)),
        Ok(Err(error)) => trouble(&open.site, lang, &error),
        Err(error) => trouble(&open.site, lang, &error),
    })
}

/// Reads what was posted. The full form brings its own boxes and stamp; the other page has only the constituency.
fn read(
    web: &Web,
    open: &Open,
    posted: &PostedSignUp,
    full: bool,
) -> Result<Confirmation, Vec<Problem>> {
    let mut problems = match full {
        // Its token fits one request: whether the stamp was used is no matter.
        true => consented(web, open, posted).err().unwrap_or_default(),
        false => vec![],
    };
    let constituency = read_seat(open, &posted.constituency);
    match constituency {
        Ok(constituency) if problems.is_empty() => Ok(Confirmation {
            lists: full.then(|| posted.lists.clone()),
            constituency: match posted.has_constituency {
                true => SeatChoice::Now(constituency),
                false => SeatChoice::AsAsked,
            },
            language: posted.lang,
            age_stated: full && posted.age,
            shown: full.then(|| open.version(posted.lang)),
        }),
        constituency => {
            problems.extend(constituency.err());
            Err(problems)
        }
    }
}

/// The answer to a link whose request doesn't wait (any more): the same again, if it was the button's second press.
async fn used(open: &Open, token: &str, lang: Lang) -> Response {
    match open.consent().confirmed_again(token).await {
        Ok(Some(made)) => subscribed(open, lang, &made),
        Ok(None) => link_unknown(&open.site, lang),
        Err(error) => trouble(&open.site, lang, &error),
    }
}

/// How the page is shown: fresh, or with what was wrong.
struct Showing {
    lang: Lang,
    status: StatusCode,
    constituency: String,
    problems: Vec<Problem>,
}

fn show(web: &Web, open: &Open, token: &str, request: &RequestView, showing: Showing) -> Response {
    let site = &open.site;
    let action = &format!("/c/{token}");
    let visit = Visit {
        lang: showing.lang,
        path: Some(action),
    };
    if let Some(heard) = request.full_form {
        let view = FullForm {
            problems: showing.problems,
            heard,
            constituency: &showing.constituency,
            lists: site.lists(),
            age: site.age(),
            constituencies: site.nations(),
            stamp: &fresh_stamp(web, open),
            action,
            ogl: site.ogl(),
        };
        return page(site, showing.status, visit, &view);
    }
    let view = Confirm {
        problems: showing.problems,
        lists: &requested(request),
        constituency: &showing.constituency,
        constituencies: site.nations(),
        action,
        days: days_until(web.clock.now(), request.expires_at),
        ogl: site.ogl(),
    };
    page(site, showing.status, visit, &view)
}

fn requested(request: &RequestView) -> Vec<Requested> {
    let lists = request.lists.iter();
    lists
        .map(|list| Requested {
            title: list.title.clone(),
            statement: list.statement.clone().unwrap_or_default(),
            statement_lang: list.statement_lang,
        })
        .collect()
}

/// Whole days, rounded up: a promise to delete is never too early.
fn days_until(now: Timestamp, then: Timestamp) -> u32 {
    let seconds = then.duration_since(now).as_secs().max(0);
    u32::try_from(seconds.unsigned_abs().div_ceil(24 * 60 * 60)).unwrap_or(u32::MAX)
}

fn subscribed(open: &Open, lang: Lang, made: &[Confirmed<Subscription>]) -> Response {
    let settings = open.consent().settings();
    let title = |key: &str| {
        let list = settings.list(key);
        list.map_or_else(|| Text::english(key), |list| list.title.clone())
    };
    let lists: Vec<_> = made
        .iter()
        .map(|one| WayOut {
            title: title(one.list()),
            way_out: format!("/u/{}", one.way_out()),
        })
        .collect();
    let view = Subscribed { lists: &lists };
    page(&open.site, StatusCode::OK, Visit::answer(lang), &view)
}
