//! The elector's pages: a door. It reads requests strictly, hands what was asked to a room, and shows one of a few
//! pages. It decides nothing and looks nothing up: what it answers never depends on whether an address is known
//! (invariant 6). GET changes nothing (invariant 5); no script, no cookie, no byte from elsewhere.

mod answer;
mod form;
mod guard;
mod headers;
mod network;
mod site;
mod stamp;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::template::{NoticeKind, Visit};

pub use answer::{Asked, page, retry_later};
pub use form::{Fields, FormError, PostedSignUp, Scope};
pub use network::Networks;
pub use site::{Site, SiteParts, by_nation};
pub use stamp::{StampError, Stamps, Words};

/// Requests that are worked on at once; beyond them the pages answer 503. With the limits of a form this bounds the
/// memory that strangers can take.
const MOST_AT_ONCE: usize = 256;
/// How long a request may take from its head to its answer, its body included.
const LONGEST: Duration = Duration::from_secs(20);

/// What every page handler has.
pub struct Web {
    site: ArcSwap<Site>,
    stamps: Stamps,
    slots: Semaphore,
    https: bool,
    longest: Duration,
}

impl Web {
    /// The pages of a site. `https` is off in the sandbox alone; `key` signs the stamps of forms.
    pub fn new(site: Site, https: bool, key: &[u8; 32]) -> Arc<Self> {
        Arc::new(Self {
            site: ArcSwap::from_pointee(site),
            stamps: Stamps::new(key),
            slots: Semaphore::new(MOST_AT_ONCE),
            https,
            longest: LONGEST,
        })
    }

    /// The site as it is now.
    pub fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// Puts a new site in its place, when the config was read anew.
    pub fn replace(&self, site: Site) {
        self.site.store(Arc::new(site));
    }

    /// Makes and checks the stamps of forms.
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }
}

/// Puts the plumbing around handlers: limits, error pages for everything that answers without one, security headers;
/// and adds the pages that need no room: privacy notice, stylesheet, robots.txt, not found.
pub fn serve(handlers: Router<Arc<Web>>, web: Arc<Web>) -> Router {
    handlers
        .route("/privacy", get(privacy))
        .route("/robots.txt", get(robots))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(form::LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&web),
            guard::guard,
        ))
        .with_state(web)
}

async fn privacy(State(web): State<Arc<Web>>, asked: Asked) -> Response {
    let visit = Visit {
        lang: asked.lang,
        path: Some("/privacy"),
    };
    let site = web.site();
    page(&site, StatusCode::OK, visit, site.privacy())
}

async fn robots() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "User-agent: *\nAllow: /$\nAllow: /privacy\nDisallow: /\n",
    )
}

/// The stylesheet, whose path changes with the config; and everything that isn't there.
async fn elsewhere(State(web): State<Arc<Web>>, asked: Asked, uri: Uri) -> Response {
    let site = web.site();
    if uri.path() != site.templates().style_path() {
        return answer::notice(
            &site,
            StatusCode::NOT_FOUND,
            asked.lang,
            NoticeKind::NotFound,
        );
    }
    if !asked.reads {
        let allow = [(header::ALLOW, "GET,HEAD")];
        let sorry = answer::notice(
            &site,
            StatusCode::METHOD_NOT_ALLOWED,
            asked.lang,
            NoticeKind::Method,
        );
        return (allow, sorry).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    let keep = [(header::CACHE_CONTROL, headers::FOR_EVER)];
    (kind, keep, site.templates().style().to_owned()).into_response()
}
