//! What stands before and behind every handler: limits on the way in; on the way out a page for every error, and
//! the security headers on everything.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::{Asked, Dressed, kind_of, notice, retry_later};
use super::{Web, headers};
use crate::template::NoticeKind;

/// The longest address of a page, in bytes: the longest token with room to spare.
const LONGEST_URI: usize = 1024;
/// When to come back while too many are being served.
const SOON: Duration = Duration::from_secs(5);
/// Methods of pages. All others are refused before any handler sees them.
const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];

/// The guard of every page.
pub(super) async fn guard(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let asked = Asked::of(request.method(), request.uri());
    let head = request.method() == Method::HEAD;
    let findable = is_findable(request.uri());
    let answer = limited(&web, asked, request, next).await;
    let mut answer = dressed(&web, asked, answer);
    let findable = findable && answer.status().is_success();
    headers::secure(answer.headers_mut(), web.https, findable);
    if head { without_body(answer) } else { answer }
}

/// Only the first page and the privacy notice are for search engines.
fn is_findable(uri: &Uri) -> bool {
    matches!(uri.path(), "/" | "/privacy")
}

async fn limited(web: &Web, asked: Asked, request: Request, next: Next) -> Response {
    if request.uri().to_string().len() > LONGEST_URI {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    if !METHODS.contains(request.method()) {
        return StatusCode::NOT_IMPLEMENTED.into_response();
    }
    let Ok(_slot) = web.slots.try_acquire() else {
        return retry_later(&web.site(), asked.lang, NoticeKind::Locked, SOON);
    };
    let answer = tokio::time::timeout(web.longest, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

/// Gives an error that came without a page the page for its status, and keeps its headers (`Allow`, `Retry-After`).
fn dressed(web: &Web, asked: Asked, answer: Response) -> Response {
    let status = answer.status();
    let fine = !status.is_client_error() && !status.is_server_error();
    if fine || answer.extensions().get::<Dressed>().is_some() {
        return answer;
    }
    let (bare, _) = answer.into_parts();
    let mut page = notice(&web.site(), status, asked.lang, kind_of(status));
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
