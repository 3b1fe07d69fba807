//! What stands before and behind every handler: limits on the way in; on the way out a page for every error, the
//! security headers on everything, and one line in the log that says nothing about who asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::{Asked, Dressed, kind_of, notice, retry_later};
use super::form::LARGEST_BODY;
use super::tls_reports::TLS_REPORTS;
use super::{LATER, ROBOTS, UnclearHost, Web, headers, hosted};
use crate::report::MOST_PACKED;
use crate::template::NoticeKind;

/// The longest address of a page, in bytes: the longest token with room to spare.
const LONGEST_URI: usize = 1024;
/// When to come back while too many are being served.
const SOON: Duration = Duration::from_secs(5);

/// The guard of every page.
pub(super) async fn guard(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let asked = Asked::of(request.method(), request.uri());
    let (method, route) = (name_of(request.method()), route_of(&request));
    let head = request.method() == Method::HEAD;
    let findable = is_findable(request.uri());
    let closed = closed(&request);
    let answer = limited(&web, asked, closed, request, next).await;
    let mut answer = dressed(&web, asked, closed, answer);
    let findable = findable && answer.status().is_success();
    headers::secure(answer.headers_mut(), web.https, findable);
    let (status, ms) = (answer.status().as_u16(), began.elapsed().as_millis());
    tracing::info!(method, route, status, ms, "page");
    if head { without_body(answer) } else { answer }
}

/// The method as the log may hold it: a stranger can write anything there.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The page as the log may hold it: `/u/{token}`, never a path, which may hold a token, nor a query (law G11).
fn route_of(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned())
}

/// While the vault is locked, only the way out is open; and the stylesheet, so that the answer can be read, and
/// what programs fetch.
fn is_shut(web: &Web, request: &Request) -> bool {
    let path = request.uri().path();
    let way_out = is_way_out(path);
    let plain = path == ROBOTS
        || hosted::is_for_programs(path)
        || path == web.site().templates().style_path();
    web.is_locked() && !way_out && !plain
}

fn is_way_out(path: &str) -> bool {
    ["/u/", "/n/"].iter().any(|way| path.starts_with(way))
}

/// What is said where nothing could be done now. Whoever pressed to stop must hear that it has to be pressed again.
fn closed(request: &Request) -> NoticeKind {
    match *request.method() == Method::POST && is_way_out(request.uri().path()) {
        true => NoticeKind::NotStopped,
        false => NoticeKind::Locked,
    }
}

/// Only the first page and the privacy notice are for search engines.
fn is_findable(uri: &Uri) -> bool {
    matches!(uri.path(), "/" | "/privacy")
}

/// What is refused by its head alone. A withdrawal isn't by whose page posts it, nor by what else comes with it: its link
/// is enough, and mail providers post it from where they like (RFC 8058).
fn refused(request: &Request) -> Option<StatusCode> {
    if request.uri().to_string().len() > LONGEST_URI {
        return Some(StatusCode::URI_TOO_LONG);
    }
    if request.extensions().get::<UnclearHost>().is_some() {
        return Some(StatusCode::BAD_REQUEST);
    }
    if *request.method() != Method::POST || is_way_out(request.uri().path()) {
        return None;
    }
    if is_foreign(request) {
        return Some(StatusCode::FORBIDDEN);
    }
    let length = text(request, header::CONTENT_LENGTH.as_str());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    let most = match request.uri().path() {
        TLS_REPORTS => MOST_PACKED,
        _ => LARGEST_BODY,
    };
    let large = length.is_some_and(|length| length > most as u64);
    large.then_some(StatusCode::PAYLOAD_TOO_LARGE)
}

/// Whether another site's page posts this through its visitor's browser, who may not know of it. A browser that doesn't
/// tell of the site tells an origin, which is `null` for our own pages too: they say `no-referrer`.
fn is_foreign(request: &Request) -> bool {
    if let Some(site) = text(request, "sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(request, header::ORIGIN.as_str()).filter(|origin| *origin != "null")
    else {
        return false;
    };
    let by_uri = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let host = by_uri.or_else(|| text(request, header::HOST.as_str()));
    let from = origin.split_once("://").map_or(origin, |(_, from)| from);
    !host.is_some_and(|host| host.eq_ignore_ascii_case(from))
}

fn text<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

async fn limited(
    web: &Web,
    asked: Asked,
    closed: NoticeKind,
    request: Request,
    next: Next,
) -> Response {
    if let Some(status) = refused(&request) {
        return status.into_response();
    }
    let Ok(_slot) = web.slots.try_acquire() else {
        return retry_later(&web.site(), asked.lang, closed, SOON);
    };
    if is_shut(web, &request) {
        return retry_later(&web.site(), asked.lang, NoticeKind::Locked, LATER);
    }
    let answer = tokio::time::timeout(web.longest, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

/// Gives an error that came without a page the page for its status, and keeps its headers (`Allow`, `Retry-After`).
fn dressed(web: &Web, asked: Asked, closed: NoticeKind, answer: Response) -> Response {
    let status = answer.status();
    let fine = !status.is_client_error() && !status.is_server_error();
    if fine || answer.extensions().get::<Dressed>().is_some() {
        return answer;
    }
    let (bare, _) = answer.into_parts();
    let kind = match kind_of(status) {
        NoticeKind::Locked => closed,
        kind => kind,
    };
    let mut page = notice(&web.site(), status, asked.lang, kind);
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = bare.headers.get(&name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

/// HEAD: the headers that GET would have, and nothing else.
fn without_body(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
