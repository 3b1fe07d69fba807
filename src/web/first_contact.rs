//! The page behind the question to a stranger who wrote. Looking at it changes nothing; its button says that it was them. A
//! link that is unknown, was used or has expired gets one page for all three.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{Asked, link_unknown, notice, page, trouble};
use super::form::Fields;
use super::{Open, Web};
use crate::consent::{OwnedUp, QuestionLink};
use crate::template::{Lang, Met, NoticeKind, Visit};

/// `GET /m/TOKEN`.
pub(super) async fn form(Path(token): Path<String>, asked: Asked, open: Open) -> Response {
    match open.consent().question(&token).await {
        Ok(QuestionLink::Stands) => {
            let action = &format!("/m/{token}");
            let visit = Visit {
                lang: asked.lang,
                path: Some(action),
            };
            page(&open.site, StatusCode::OK, visit, &Met { action })
        }
        Ok(QuestionLink::Over(answer)) => said(&open, asked.lang, answer),
        Err(error) => trouble(&open.site, asked.lang, &error),
    }
}

/// `POST /m/TOKEN`.
pub(super) async fn post(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    open: Open,
    fields: Fields,
) -> Response {
    let (consent, lang) = (open.consent().clone(), fields.lang());
    let done = web.whole(async move { consent.own_up(&token).await }).await;
    match done {
        Ok(Ok(answer)) => said(&open, lang, answer),
        Ok(Err(error)) => trouble(&open.site, lang, &error),
        Err(error) => trouble(&open.site, lang, &error),
    }
}

fn said(open: &Open, lang: Lang, answer: OwnedUp) -> Response {
    let kind = match answer {
        OwnedUp::Met => NoticeKind::MetDone,
        OwnedUp::MetTooLate => NoticeKind::MetTooLate,
        OwnedUp::LinkUnknown => return link_unknown(&open.site, lang),
    };
    notice(&open.site, StatusCode::OK, lang, kind)
}
