//! Turns pages into answers.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::{LATER, Site};
use crate::template::{Lang, NoticeKind, Page, Visit};

/// What a handler may know of the address that was asked for, beside its own path.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The language, from `?lang=`; English without one.
    pub lang: Lang,
    /// The same, but nothing where the address names none.
    pub chosen: Option<Lang>,
    /// Whether the method only reads (GET, HEAD).
    pub reads: bool,
}

impl Asked {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        let chosen = pairs
            .filter_map(|pair| pair.strip_prefix("lang="))
            .map(Lang::from_tag)
            .next();
        Self {
            lang: chosen.unwrap_or_default(),
            chosen,
            reads: matches!(*method, Method::GET | Method::HEAD),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.method, &parts.uri))
    }
}

/// Marks an answer that has its page, so that the guard leaves it as it is.
#[derive(Clone, Copy)]
pub(super) struct Dressed;

/// Answers with a page.
pub fn page<P: Page>(site: &Site, status: StatusCode, visit: Visit<'_>, page: &P) -> Response {
    match site.page(visit, page) {
        Ok(html) => dress(status, html),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            dress(StatusCode::INTERNAL_SERVER_ERROR, BARE.to_owned())
        }
    }
}

/// What is shown when not even a template renders.
const BARE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Something went wrong</title>\
    <h1>Something went wrong on our side</h1><p>We can't say whether what you sent was taken. Please try again in a few \
    minutes.</p></html>";

fn dress(status: StatusCode, html: String) -> Response {
    let mut response = (status, Html(html)).into_response();
    response.extensions_mut().insert(Dressed);
    response
}

/// Answers with a page that says one thing.
pub(super) fn notice(site: &Site, status: StatusCode, lang: Lang, kind: NoticeKind) -> Response {
    page(site, status, Visit::answer(lang), &kind.page())
}

/// The one page for links that are unknown, used or expired.
pub(super) fn link_unknown(site: &Site, lang: Lang) -> Response {
    notice(site, StatusCode::NOT_FOUND, lang, NoticeKind::LinkUnknown)
}

/// The page for a way out that isn't one of ours.
pub(super) fn way_out_unknown(site: &Site, lang: Lang) -> Response {
    notice(site, StatusCode::NOT_FOUND, lang, NoticeKind::WayOutUnknown)
}

/// A withdrawal could not be taken: the page says so, and that it must be asked for again.
pub(super) fn not_stopped(
    site: &Site,
    lang: Lang,
    wait: Duration,
    error: &dyn std::error::Error,
) -> Response {
    tracing::error!(%error, "a withdrawal was not taken");
    retry_later(site, lang, NoticeKind::NotStopped, wait)
}

/// A room could not do it now, and the page says to come again.
pub(super) fn trouble(site: &Site, lang: Lang, error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "a page could not be answered");
    retry_later(site, lang, NoticeKind::Locked, LATER)
}

/// Answers 429 or 503, with the time to wait.
pub fn retry_later(site: &Site, lang: Lang, kind: NoticeKind, wait: Duration) -> Response {
    let status = match kind {
        NoticeKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let seconds = wait.as_secs().saturating_add(1).to_string();
    (
        [(header::RETRY_AFTER, seconds)],
        notice(site, status, lang, kind),
    )
        .into_response()
}

/// The page for a status that came without one.
pub(super) fn kind_of(status: StatusCode) -> NoticeKind {
    match status {
        StatusCode::NOT_FOUND => NoticeKind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => NoticeKind::Method,
        StatusCode::PAYLOAD_TOO_LARGE => NoticeKind::TooLarge,
        StatusCode::REQUEST_TIMEOUT => NoticeKind::TooSlow,
        StatusCode::TOO_MANY_REQUESTS => NoticeKind::TooMany,
        StatusCode::SERVICE_UNAVAILABLE => NoticeKind::Locked,
        status if status.is_client_error() => NoticeKind::BadRequest,
        _ => NoticeKind::ServerError,
    }
}
