//! Where other servers post their reports on TLS on the way to us (RFC 8460 §5.4). Programs come here, so that the answers
//! are a line of plain text. It reads what is said of the content, in bounds, and hands it to whoever keeps reports.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use tokio::sync::Semaphore;

use super::answer::Dressed;
use super::{HOUR, Networks, Open, Peer, Web};
use crate::report::{MOST_PACKED, TakeError};

/// The path that is published in DNS.
pub const TLS_REPORTS: &str = "/tls-reports";

/// Reports an hour from one network: a server has one a day for each domain of ours.
const AN_HOUR: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
/// Reports that are being read at once: with their size, this bounds the memory that strangers can take.
const AT_ONCE: usize = 4;
/// When to come back while there are too many.
const SOON: Duration = Duration::from_secs(60);

/// How much is taken.
pub(super) struct Limits {
    networks: Networks,
    pub(super) places: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            networks: Networks::new(AN_HOUR, HOUR),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Limits {
    fn ask(&self, peer: IpAddr) -> Result<(), Duration> {
        self.networks.ask(peer)
    }
}

pub(super) fn route() -> MethodRouter<Arc<Web>> {
    post(take)
}

async fn take(
    State(web): State<Arc<Web>>,
    open: Open,
    Peer(peer): Peer,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(wait) = web.reports.ask(peer) {
        let many = "too many reports from your network";
        return later(StatusCode::TOO_MANY_REQUESTS, wait, many);
    }
    let Some(gzipped) = is_gzipped(&headers) else {
        let kinds = "send application/tlsrpt+gzip or application/tlsrpt+json";
        return said(StatusCode::UNSUPPORTED_MEDIA_TYPE, kinds);
    };
    let Ok(place) = web.reports.places.clone().try_acquire_owned() else {
        let busy = "too many reports at once";
        return later(StatusCode::SERVICE_UNAVAILABLE, SOON, busy);
    };
    let Ok(body) = axum::body::to_bytes(body, MOST_PACKED).await else {
        return said(StatusCode::PAYLOAD_TOO_LARGE, "the report is too large");
    };
    let reports = open.rooms.reports.clone();
    // The place is held for as long as the work goes on, though nobody waits for it any more.
    let taking = async move {
        let taken = reports.take_tls(body.into(), gzipped, peer).await;
        drop(place);
        taken
    };
    match web.whole(taking).await {
        Ok(Ok(_)) => said(StatusCode::OK, "taken"),
        Ok(Err(error)) => refused(&error),
        Err(error) => {
            tracing::error!(%error, "a report was not taken");
            later(StatusCode::SERVICE_UNAVAILABLE, SOON, "not now")
        }
    }
}

fn refused(error: &TakeError) -> Response {
    match error {
        TakeError::TooMany => later(StatusCode::TOO_MANY_REQUESTS, HOUR, &error.to_string()),
        TakeError::Busy => later(StatusCode::SERVICE_UNAVAILABLE, SOON, &error.to_string()),
        TakeError::Store(_) | TakeError::BrokeOff => {
            tracing::error!(%error, "a report was not taken");
            later(StatusCode::SERVICE_UNAVAILABLE, SOON, "not now")
        }
        error => said(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Whether a report is packed; none if it is of no kind that is taken.
fn is_gzipped(headers: &HeaderMap) -> Option<bool> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    match (is("application/tlsrpt+gzip"), is("application/tlsrpt+json")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn later(status: StatusCode, wait: Duration, text: &str) -> Response {
    let seconds = wait.as_secs().saturating_add(1).to_string();
    ([(header::RETRY_AFTER, seconds)], said(status, text)).into_response()
}

fn said(status: StatusCode, text: &str) -> Response {
    let mut answer = (status, format!("{text}\n")).into_response();
    answer.extensions_mut().insert(Dressed);
    answer
}
