//! The elector's pages: a door. It reads requests strictly, hands what was asked to a room, and shows one of a few
//! pages. It decides nothing and looks nothing up: what it answers never depends on whether an address is known
//! (invariant 6). GET changes nothing (invariant 5); no script, no cookie, no byte from elsewhere.
//!
//! | file | what it does |
//! |---|---|
//! | `door` | sockets, TLS and time around the pages |
//! | `bare` | the headers of what the HTTP library answers by itself |
//! | `hosted` | what programs fetch; and port 80 |
//! | `guard` | limits before every page, headers behind it, a line in the log |
//! | `sign_up`, `confirm`, `withdraw`, `first_contact`, `approve` | one page each, with what is posted from it |
//! | `tls_reports` | where other servers post their reports on TLS |
//! | `locked` | withdrawals that come while the vault is locked |
//! | `site` | what the pages show that comes from the config |

mod answer;
mod approve;
mod bare;
mod confirm;
mod door;
mod first_contact;
mod form;
mod guard;
mod headers;
mod hosted;
mod locked;
mod network;
mod sign_up;
mod site;
mod stamp;
#[cfg(test)]
mod tests;
mod tls_reports;
mod withdraw;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::consent::{Consent, FormVersion};
use crate::report::Reports;
use crate::template::{Lang, NoticeKind, Visit};

pub use answer::{Asked, page, retry_later};
pub use approve::{Approvals, Asking, Decided, MailingToApprove, RoomTrouble};
pub use door::{Door, NotLoopback, Timeouts};
pub use form::{Fields, FormError, PostedSignUp, Scope};
pub use hosted::{APPLE as APPLE_PROFILE, Hosted};
pub use locked::{LockedWithdrawal, LockedWithdrawals, NotKept};
pub use network::Networks;
pub use site::{Site, SiteParts, by_nation};
pub use stamp::{Said, Stamp, StampError, Stamps, Words};
pub use tls_reports::TLS_REPORTS;

/// Requests that are worked on at once; beyond them the pages answer 503. With the limits of a form this bounds the
/// memory that strangers can take.
const MOST_AT_ONCE: usize = 256;
/// How long a request may take from its head to its answer, its body included.
const LONGEST: Duration = Duration::from_secs(20);
/// When to come back while the vault is locked or the store is sick.
const LATER: Duration = Duration::from_secs(59);
const HOUR: Duration = Duration::from_secs(3600);
/// Withdrawals an hour from one network while the vault is locked, once half of what can be kept is used up. Until then
/// there is no limit: mail programs' companies press for many people and may not come again. But nobody may fill the
/// rest alone.
const LOCKED_AN_HOUR: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// What the pages are made from.
pub struct WebParts {
    /// The site.
    pub site: Site,
    /// Whether browsers are told to come over HTTPS for ever; off in the sandbox alone, where `localhost` is everybody's.
    pub https: bool,
    /// The clock.
    pub clock: Clock,
    /// Sign-up forms an hour from one network.
    pub signups_per_network: NonZeroU32,
    /// Where withdrawals go while the vault is locked.
    pub locked: Arc<dyn LockedWithdrawals>,
}

/// The rooms behind the pages; there are none while the vault is locked.
#[derive(Clone)]
pub struct Rooms {
    /// The consent room.
    pub consent: Consent,
    /// The list room, as far as the pages need it.
    pub approvals: Arc<dyn Approvals>,
    /// Reports of other servers.
    pub reports: Reports,
}

/// What every page handler has.
pub struct Web {
    house: ArcSwap<House>,
    stamps: Stamps,
    slots: Semaphore,
    /// Work of the rooms that pages wait for, or that was begun by pages that nobody waits for any more.
    works: Arc<Semaphore>,
    https: bool,
    longest: Duration,
    clock: Clock,
    signups: ArcSwap<Networks>,
    locked: Arc<dyn LockedWithdrawals>,
    locked_posts: Networks,
    reports: tls_reports::Limits,
    hosted: ArcSwap<Hosted>,
}

/// The site and the rooms as they are at one moment: a page is made from one house from top to bottom.
#[derive(Clone)]
struct House {
    site: Arc<Site>,
    open: Option<Open>,
}

/// The open rooms, with the site in front of them.
#[derive(Clone)]
struct Open {
    site: Arc<Site>,
    rooms: Rooms,
    /// The words that stood in the consent room when this site was put before it, in the order of [`Lang::ALL`]. The
    /// room refuses a form that was shown with others.
    versions: [FormVersion; Lang::ALL.len()],
}

impl House {
    fn new(site: Arc<Site>, rooms: Option<Rooms>) -> Self {
        let open = rooms.map(|rooms| Open {
            site: Arc::clone(&site),
            versions: Lang::ALL.map(|lang| rooms.consent.form_version(lang)),
            rooms,
        });
        Self { site, open }
    }
}

impl Open {
    fn version(&self, lang: Lang) -> FormVersion {
        let [en, cy] = &self.versions;
        match lang {
            Lang::En => en.clone(),
            Lang::Cy => cy.clone(),
        }
    }

    fn consent(&self) -> &Consent {
        &self.rooms.consent
    }
}

impl Web {
    /// The pages, with the rooms still locked.
    pub fn new(parts: WebParts) -> Arc<Self> {
        let mut key = [0; 32];
        for part in key.chunks_mut(16) {
            part.copy_from_slice(&crate::id::random());
        }
        Arc::new(Self {
            house: ArcSwap::from_pointee(House::new(Arc::new(parts.site), None)),
            stamps: Stamps::new(&key),
            slots: Semaphore::new(MOST_AT_ONCE),
            works: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            https: parts.https,
            longest: LONGEST,
            clock: parts.clock,
            signups: ArcSwap::from_pointee(Networks::new(parts.signups_per_network, HOUR)),
            locked: parts.locked,
            locked_posts: Networks::new(LOCKED_AN_HOUR, HOUR),
            reports: tls_reports::Limits::default(),
            hosted: ArcSwap::default(),
        })
    }

    /// The site as it is now.
    pub fn site(&self) -> Arc<Site> {
        Arc::clone(&self.house.load().site)
    }

    /// Opens the pages, once the vault is unlocked and what came while it was locked is applied.
    pub fn open(&self, rooms: Rooms) {
        self.house
            .rcu(|house| House::new(Arc::clone(&house.site), Some(rooms.clone())));
    }

    /// Puts a new site in its place, when the config was read anew: after [`Consent::reload`], so that forms carry the
    /// words that are in force.
    pub fn replace(&self, site: Site) {
        let site = Arc::new(site);
        self.house.rcu(|house| {
            let rooms = house.open.as_ref().map(|open| open.rooms.clone());
            House::new(Arc::clone(&site), rooms)
        });
    }

    /// Serves these to programs from now on.
    pub fn host(&self, hosted: Hosted) {
        self.hosted.store(Arc::new(hosted));
    }

    /// Another limit for sign-up forms an hour from one network. The counts begin anew.
    pub fn limit_signups(&self, per_network: NonZeroU32) {
        self.signups
            .store(Arc::new(Networks::new(per_network, HOUR)));
    }

    /// Whether the rooms are locked.
    pub fn is_locked(&self) -> bool {
        self.house.load().open.is_none()
    }

    fn opened(&self) -> Option<Open> {
        self.house.load().open.clone()
    }

    /// Lets a room do the whole of its work, though whoever asked for it may go away meanwhile: hyper drops the handler
    /// of a connection that closes, and what follows a commit (waking the worker, counts, the journal) must follow it.
    /// Only so much goes on at once; until there is room, nothing was begun.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unfinished> {
        let place = Arc::clone(&self.works).acquire_owned().await;
        let place = place.map_err(|_| Unfinished)?;
        let working = tokio::spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
        working.await.map_err(|_| Unfinished)
    }

    /// Makes and checks the stamps of forms.
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }
}

/// A room's work ended in the middle.
#[derive(Debug, thiserror::Error)]
#[error("a room's work broke off: the log says where; report this")]
struct Unfinished;

impl FromRequestParts<Arc<Web>> for Open {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Response> {
        web.opened().ok_or_else(|| {
            let asked = Asked::of(&parts.method, &parts.uri);
            retry_later(&web.site(), asked.lang, NoticeKind::Locked, LATER)
        })
    }
}

/// Marks a request that doesn't say once for which host it is (RFC 9112 §3.2).
#[derive(Clone, Copy)]
struct UnclearHost;

/// Where a request came from. It is counted in memory and written nowhere.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().copied();
        Ok(known.unwrap_or(Self(Ipv4Addr::UNSPECIFIED.into())))
    }
}

/// All the pages.
pub fn pages(web: Arc<Web>) -> Router {
    let handlers = Router::new()
        .route("/", get(sign_up::form).post(sign_up::post))
        .route("/c/{token}", get(confirm::form).post(confirm::post))
        .route("/u/{token}", get(withdraw::form).post(withdraw::post))
        .route(
            "/n/{token}",
            get(withdraw::never_form).post(withdraw::never_post),
        )
        .route(
            "/m/{token}",
            get(first_contact::form).post(first_contact::post),
        )
        .route("/a/{token}", get(approve::form).post(approve::post))
        .route(TLS_REPORTS, tls_reports::route());
    serve(handlers, web)
}

/// Puts the plumbing around handlers: limits, error pages for everything that answers without one, security headers;
/// and adds the pages that need no room: privacy notice, stylesheet, robots.txt, not found.
fn serve(handlers: Router<Arc<Web>>, web: Arc<Web>) -> Router {
    handlers
        .route("/privacy", get(privacy_notice))
        .route(ROBOTS, get(robots))
        .route(hosted::POLICY, get(hosted::policy))
        .route(hosted::SETTINGS, get(hosted::settings))
        .route(hosted::OUTLOOK, get(hosted::outlook).post(hosted::outlook))
        .route(hosted::OUTLOOK_JSON[0], get(hosted::outlook_json))
        .route(hosted::OUTLOOK_JSON[1], get(hosted::outlook_json))
        .route(hosted::APPLE, get(hosted::apple))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(form::LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&web),
            guard::guard,
        ))
        .with_state(web)
}

const ROBOTS: &str = "/robots.txt";

async fn privacy_notice(State(web): State<Arc<Web>>, asked: Asked) -> Response {
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

/// The stylesheet, whose path changes with the config; settings for Outlook as it spells the way to them; and everything that
/// isn't there.
async fn elsewhere(State(web): State<Arc<Web>>, asked: Asked, parts: Parts) -> Response {
    let site = web.site();
    let path = parts.uri.path();
    // In another spelling than the route's; what is posted is not read there either.
    if hosted::is_for_outlook(path) && (asked.reads || parts.method == Method::POST) {
        return hosted::outlook(State(web), asked, parts).await;
    }
    if path != site.templates().style_path() {
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
