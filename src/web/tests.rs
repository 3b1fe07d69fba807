//! The plumbing around handlers, tried with handlers of the test's own.

mod house;
mod locked;
mod posted;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Html;
use axum::routing::post;
use tower::ServiceExt as _;

use super::*;
use crate::consent::IntakeWorker;
use crate::template::{
    Colour, Lang, ListChoice, ListPurpose, Party, Privacy, Problem, Retention, Seat, Templates,
    Text,
};

fn party() -> Party {
    Party {
        name: "The Fair & Open Party".to_owned(),
        address: "12 Mill Lane, Leeds LS1 4AP".to_owned(),
        email: "privacy@party.example".to_owned(),
        url: "https://lists.party.example".to_owned(),
        promoter: None,
        behalf: None,
        company: None,
        colour: Colour::parse("#0b6e4f").expect("a colour"),
        asks_constituency: true,
    }
}

fn site() -> Site {
    let templates = Templates::builtin(party());
    let (title, purpose) = (
        Text::english("News"),
        Text::english("news of its campaigns"),
    );
    let statement = templates.consent_statement(&purpose);
    let lists = vec![ListChoice {
        key: "news".to_owned(),
        title: title.clone(),
        statement,
    }];
    let seat = |code: &str, name: &str| Seat {
        code: code.into(),
        name: name.into(),
        cy: None,
    };
    let nations = by_nation([
        ("England".to_owned(), seat("E14001319", "Leeds East")),
        (
            "Scotland".to_owned(),
            seat("S14000107", "Ayr, Carrick and Cumnock"),
        ),
        ("England".to_owned(), seat("E14001063", "Aldershot")),
    ]);
    let privacy = Privacy {
        date: Some(Text::english("1 November 2026")),
        ico_number: None,
        dpo: None,
        no_dpo: false,
        minimum_age: 16,
        lists: vec![ListPurpose { title, purpose }],
        recipients: vec![],
        location: Some(Text::english("the United Kingdom")),
        transfers: None,
        no_transfers: true,
        retention: Retention::default(),
        complaint_form: None,
        ogl: true,
    };
    Site::new(SiteParts {
        templates,
        lists,
        nations,
        ogl: true,
        privacy,
    })
}

/// Handlers that stand for those of the rooms.
fn router(web: &Arc<Web>) -> Router {
    let handlers = Router::new()
        .route(
            "/",
            get(|| async { Html("first") }).post(|_: Fields| async { Html("posted") }),
        )
        .route("/only-post", post(|| async { "posted" }))
        .route(
            "/slow",
            get(|| async { std::future::pending::<&str>().await }),
        )
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route("/closed", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
    serve(handlers, Arc::clone(web))
}

async fn ask(request: Request) -> (Response, String) {
    let (web, _directory) = house::open(site()).await;
    ask_of(router(&web), request).await
}

async fn ask_of(router: Router, request: Request) -> (Response, String) {
    let answer = router.oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    (Response::from_parts(parts, Body::empty()), text)
}

fn request(method: Method, uri: &str, body: impl Into<Body>) -> Request {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(body.into())
        .expect("a request")
}

fn fetch(uri: &str) -> Request {
    request(Method::GET, uri, "")
}

fn post_form(uri: &str, body: impl Into<Body>) -> Request {
    let mut request = request(Method::POST, uri, body);
    let kind = "application/x-www-form-urlencoded"
        .parse()
        .expect("a value");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    request
}

fn text<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_no_cookie() {
    let css = site().templates().style_path().to_owned();
    for (request, status) in [
        (fetch("/"), 200),
        (fetch("/privacy"), 200),
        (fetch(&css), 200),
        (fetch("/robots.txt"), 200),
        (fetch("/nowhere"), 404),
        (fetch("/broken"), 500),
        (fetch("/closed"), 503),
        (fetch("/only-post"), 405),
        (post_form("/", "a=%00"), 400),
        (request(Method::POST, "/", "{}"), 415),
        (request(Method::TRACE, "/", ""), 405),
        (request(Method::PUT, "/privacy", ""), 405),
    ] {
        let uri = request.uri().to_string();
        let (answer, _) = ask(request).await;
        assert_eq!(answer.status().as_u16(), status, "{uri}");
        let csp = text(&answer, "content-security-policy");
        assert!(
            csp.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"),
            "{uri}"
        );
        assert!(csp.contains("frame-ancestors 'none'") && csp.contains("base-uri 'none'"));
        assert_eq!(text(&answer, "referrer-policy"), "no-referrer", "{uri}");
        assert_eq!(text(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(text(&answer, "cross-origin-resource-policy"), "same-origin");
        assert!(text(&answer, "strict-transport-security").starts_with("max-age="));
        assert!(answer.headers().get("set-cookie").is_none(), "{uri}");
        let kept = if uri == css {
            "public, max-age=31536000, immutable"
        } else {
            "no-store"
        };
        assert_eq!(text(&answer, "cache-control"), kept, "{uri}");
        let findable = status == 200 && (uri == "/" || uri == "/privacy");
        assert_eq!(text(&answer, "x-robots-tag").is_empty(), findable, "{uri}");
    }
}

#[tokio::test]
async fn every_error_is_a_page_in_the_language_of_the_address() {
    for (uri, en, cy) in [
        (
            "/nowhere",
            "There is no such page",
            "Nid oes tudalen o'r fath",
        ),
        (
            "/broken",
            "Something went wrong on our side",
            "Aeth rhywbeth o'i le",
        ),
        ("/closed", "Closed for a moment", "Ar gau am funud"),
        (
            "/only-post",
            "This can't be done here",
            "Ni ellir gwneud hyn yma",
        ),
    ] {
        let plain = |page: String| page.replace("&#39;", "'");
        assert!(plain(ask(fetch(uri)).await.1).contains(en), "{uri}");
        assert!(
            plain(ask(fetch(&format!("{uri}?lang=cy"))).await.1).contains(cy),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let (answer, _) = ask(fetch("/only-post")).await;
    assert_eq!(
        (answer.status().as_u16(), text(&answer, "allow")),
        (405, "POST")
    );
    let (answer, _) = ask(post_form("/privacy", "")).await;
    assert_eq!(
        (answer.status().as_u16(), text(&answer, "allow")),
        (405, "GET,HEAD")
    );
    let css = site().templates().style_path().to_owned();
    let (answer, _) = ask(post_form(&css, "")).await;
    assert_eq!(
        (answer.status().as_u16(), text(&answer, "allow")),
        (405, "GET,HEAD")
    );
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    for uri in ["/privacy", "/nowhere", "/only-post"] {
        let (get, page) = ask(fetch(uri)).await;
        let (head, nothing) = ask(request(Method::HEAD, uri, "")).await;
        assert_eq!(get.status(), head.status(), "{uri}");
        assert!(!page.is_empty() && nothing.is_empty(), "{uri}");
        assert_eq!(
            text(&head, "content-length"),
            page.len().to_string(),
            "{uri}"
        );
        assert_eq!(text(&get, "content-type"), text(&head, "content-type"));
    }
}

#[tokio::test]
async fn too_much_is_refused() {
    let (answer, _) = ask(fetch(&format!("/u/{}", "a".repeat(1100)))).await;
    assert_eq!(answer.status().as_u16(), 414);
    let (answer, page) = ask(post_form("/", "a".repeat(form::LARGEST_BODY + 1))).await;
    assert_eq!(answer.status().as_u16(), 413);
    assert!(page.contains("Too much was sent"));
    let (answer, body) = ask(post_form("/", "a=b")).await;
    assert_eq!((answer.status().as_u16(), body.as_str()), (200, "posted"));
}

#[tokio::test]
async fn a_slow_request_ends() {
    let (mut web, _directory) = house::open(site()).await;
    Arc::get_mut(&mut web).expect("no other owner").longest = Duration::from_millis(20);
    let answer = router(&web)
        .oneshot(fetch("/slow"))
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 408);
}

#[tokio::test]
async fn beyond_its_slots_the_house_answers_503() {
    let (web, _directory) = house::open(site()).await;
    let _all = web.slots.try_acquire_many(256).expect("every slot");
    let answer = router(&web).oneshot(fetch("/")).await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), text(&answer, "retry-after")),
        (503, "6")
    );
}

#[tokio::test]
async fn a_network_over_its_limit_is_told_when_to_come_back() {
    let wait = Duration::from_secs(59);
    let answer = retry_later(&site(), Lang::En, NoticeKind::TooMany, wait);
    assert_eq!(
        (answer.status().as_u16(), text(&answer, "retry-after")),
        (429, "60")
    );
}

#[tokio::test]
async fn the_stylesheet_follows_the_config() {
    let (web, _directory) = house::open(site()).await;
    let old = web.site().templates().style_path().to_owned();
    let red = Party {
        colour: Colour::parse("#c00").expect("a colour"),
        ..party()
    };
    let mut other = site();
    other = Site::new(SiteParts {
        templates: Templates::builtin(red),
        lists: other.lists().to_vec(),
        nations: other.nations().to_vec(),
        ogl: true,
        privacy: other.privacy().clone(),
    });
    let new = other.templates().style_path().to_owned();
    web.replace(other);
    for (path, status) in [(old, 404), (new, 200)] {
        let answer = router(&web).oneshot(fetch(&path)).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
    }
}

#[test]
fn the_form_comes_back_with_its_problems_and_without_its_ticks() {
    let site = site();
    let problems = vec![Problem::AgeMissing];
    let view = site.sign_up("stamp", "a@b.example", "E14001063", problems);
    let visit = Visit {
        lang: Lang::En,
        path: Some("/"),
    };
    let answer = page(&site, StatusCode::UNPROCESSABLE_ENTITY, visit, &view);
    assert_eq!(answer.status().as_u16(), 422);
    let html = site.page(visit, &view).expect("renders");
    assert!(html.contains("<a href=\"#age\">") && html.contains("value=\"a@b.example\""));
    assert!(html.contains("value=\"E14001063\" selected") && !html.contains("checked"));
}

#[test]
fn seats_are_grouped_and_known() {
    let site = site();
    let names: Vec<_> = site
        .nations()
        .iter()
        .map(|nation| nation.nation.as_str())
        .collect();
    assert_eq!(names, ["England", "Scotland"]);
    assert_eq!(site.nations()[0].seats[0].name, "Aldershot");
    assert!(site.has_seat("") && site.has_seat("E14001063") && !site.has_seat("E1"));
}

#[test]
fn other_words_make_other_stamps() {
    let site = site();
    let mut lists = site.lists().to_vec();
    lists[0].statement = Text::english("I consent to something else");
    let other = Site::new(SiteParts {
        templates: Templates::builtin(party()),
        lists,
        nations: vec![],
        ogl: false,
        privacy: site.privacy().clone(),
    });
    assert_ne!(site.words(), other.words());
}
