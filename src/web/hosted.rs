//! What programs fetch and people don't: the party's MTA-STS policy at `mta-sts.DOMAIN` (RFC 8461), settings for mail
//! programs at `autoconfig.DOMAIN`; and port 80, which answers certificate authorities (HTTP-01, RFC 8555 §8.3) and sends
//! everybody else to the front page. All of it is public and needs no room: it is there while the vault is locked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::json;

use super::answer::{Asked, Dressed, notice};
use super::{Web, headers};
use crate::template::NoticeKind;
use crate::tls::Challenges;

/// Where the policy is.
pub(super) const POLICY: &str = "/.well-known/mta-sts.txt";
/// Where Thunderbird and its kin look for settings, at `autoconfig.DOMAIN`.
pub(super) const SETTINGS: &str = "/mail/config-v1.1.xml";

/// Where Outlook and its kin look; each has its own spelling, so that the letters' case says nothing.
pub(super) const OUTLOOK: &str = "/autodiscover/autodiscover.xml";
/// Where newer ones ask first, for the address of that; some put the mail address behind it.
pub(super) const OUTLOOK_JSON: [&str; 2] = [
    "/autodiscover/autodiscover.json",
    "/autodiscover/autodiscover.json/v1.0/{address}",
];
/// Where an iPhone or a Mac gets its profile.
pub const APPLE: &str = "/mail/profile.mobileconfig";

/// Whether programs look for settings there: it answers while the vault is locked, too.
pub(super) fn is_for_programs(path: &str) -> bool {
    [POLICY, SETTINGS, APPLE].contains(&path)
        || is_for_outlook(path)
        || path.starts_with(OUTLOOK_JSON[0])
}

/// Whether Outlook or its kin look for settings there, however they spell it.
pub(super) fn is_for_outlook(path: &str) -> bool {
    path.eq_ignore_ascii_case(OUTLOOK)
}

/// What is fetched, by the host that it is fetched from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosted {
    /// Policies, at `mta-sts.DOMAIN`.
    pub policies: BTreeMap<String, String>,
    /// Settings, at `autoconfig.DOMAIN`.
    pub settings: BTreeMap<String, String>,
    /// The same for Outlook, at this host.
    pub outlook: BTreeMap<String, String>,
    /// The same for Apple's programs, at this host.
    pub apple: BTreeMap<String, String>,
}

/// The host that a request names: HTTP/2 has it in the address, HTTP/1.1 in a field.
fn host_of(parts: &Parts) -> Option<String> {
    let field = || parts.headers.get(header::HOST)?.to_str().ok();
    let host = parts.uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(field)?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

pub(super) async fn policy(State(web): State<Arc<Web>>, asked: Asked, parts: Parts) -> Response {
    give(
        &web,
        asked,
        &parts,
        |hosted| &hosted.policies,
        "text/plain; charset=utf-8",
    )
}

pub(super) async fn settings(State(web): State<Arc<Web>>, asked: Asked, parts: Parts) -> Response {
    give(
        &web,
        asked,
        &parts,
        |hosted| &hosted.settings,
        "text/xml; charset=utf-8",
    )
}

/// What is sent is not read: everybody gets the same.
pub(super) async fn outlook(State(web): State<Arc<Web>>, asked: Asked, parts: Parts) -> Response {
    give(
        &web,
        asked,
        &parts,
        |hosted| &hosted.outlook,
        "text/xml; charset=utf-8",
    )
}

pub(super) async fn apple(State(web): State<Arc<Web>>, asked: Asked, parts: Parts) -> Response {
    give(
        &web,
        asked,
        &parts,
        |hosted| &hosted.apple,
        "application/x-apple-aspen-config",
    )
}

/// Which form is meant; the address behind it or in the query is not read.
#[derive(serde::Deserialize)]
pub(super) struct Wanted {
    #[serde(default, alias = "protocol", alias = "Protocol")]
    wanted: Option<String>,
}

pub(super) async fn outlook_json(
    State(web): State<Arc<Web>>,
    asked: Asked,
    Query(wanted): Query<Wanted>,
    parts: Parts,
) -> Response {
    let host = host_of(&parts);
    let host = host.filter(|host| web.hosted.load().outlook.contains_key(host));
    let Some(host) = host else {
        let kind = NoticeKind::NotFound;
        return notice(&web.site(), StatusCode::NOT_FOUND, asked.lang, kind);
    };
    let protocol = wanted.wanted.unwrap_or_default();
    if !protocol.eq_ignore_ascii_case("AutodiscoverV1") {
        let error = json!({
            "ErrorCode": "ProtocolNotSupported",
            "ErrorMessage": "Ask for Protocol=AutodiscoverV1",
        });
        return (StatusCode::BAD_REQUEST, Extension(Dressed), Json(error)).into_response();
    }
    let url = format!("https://{host}{OUTLOOK}");
    Json(json!({ "Protocol": "AutodiscoverV1", "Url": url })).into_response()
}

fn give(
    web: &Web,
    asked: Asked,
    parts: &Parts,
    of: impl Fn(&Hosted) -> &BTreeMap<String, String>,
    kind: &'static str,
) -> Response {
    let hosted = web.hosted.load();
    let text = host_of(parts).and_then(|host| of(&hosted).get(&host).cloned());
    match text {
        Some(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => notice(
            &web.site(),
            StatusCode::NOT_FOUND,
            asked.lang,
            NoticeKind::NotFound,
        ),
    }
}

/// What port 80 has.
#[derive(Clone)]
struct Port80 {
    challenges: Arc<Challenges>,
    front: Arc<str>,
}

/// Port 80. `front` is the address of the front page. Whoever asks for another page is sent there as well: the path may hold
/// a token, and has been read by whoever is on the way.
pub(super) fn port_80(challenges: Arc<Challenges>, front: &str) -> Router {
    Router::new()
        .route("/.well-known/acme-challenge/{token}", get(challenge))
        .fallback(to_the_front)
        .with_state(Port80 {
            challenges,
            front: front.into(),
        })
}

async fn challenge(State(port): State<Port80>, Path(token): Path<String>) -> Response {
    match port.challenges.text(&token) {
        Some(text) => {
            let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
            (kind, text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn to_the_front(State(port): State<Port80>, method: Method) -> Response {
    let mut fields = HeaderMap::new();
    headers::secure(&mut fields, false, false);
    match (method, port.front.parse()) {
        (Method::GET | Method::HEAD, Ok(front)) => {
            fields.insert(header::LOCATION, front);
            (StatusCode::MOVED_PERMANENTLY, fields).into_response()
        }
        // Nothing is taken in the clear.
        _ => (StatusCode::FORBIDDEN, fields).into_response(),
    }
}
