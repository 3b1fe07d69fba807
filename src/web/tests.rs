//! The plumbing around handlers, tried with handlers of the test's own.

mod house;

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
        date: Some("1 November 2026".to_owned()),
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

#[tokio::test]
async fn while_locked_only_the_way_out_is_open() {
    let web = house::locked(site());
    let css = web.site().templates().style_path().to_owned();
    let token = "a".repeat(61);
    let way_out = format!("/u/{token}");
    for (request, status) in [
        (fetch("/"), 503),
        (fetch("/privacy"), 503),
        (fetch("/nowhere"), 503),
        (fetch(&way_out), 200),
        (fetch(&format!("/n/{token}")), 200),
        (fetch("/u/short"), 404),
        (post_form("/", "email=a%40b.example"), 503),
        (post_form(&format!("/c/{token}"), ""), 503),
        (post_form(&format!("/a/{token}"), "decision=approve"), 503),
        (fetch(&css), 200),
        (fetch("/robots.txt"), 200),
        (post_form("/u/short", ""), 404),
        // It was not kept, and the page says so.
        (post_form(&way_out, ""), 503),
    ] {
        let uri = request.uri().to_string();
        let (answer, _) = ask_of(pages(Arc::clone(&web)), request).await;
        assert_eq!(answer.status().as_u16(), status, "{uri}");
        let wait = text(&answer, "retry-after");
        assert_eq!(wait.is_empty(), status != 503, "{uri}");
    }
}

/// The page of one token with its place left out.
async fn way_out_without_token(web: &Arc<Web>, way: &str, token: &str, query: &str) -> String {
    let request = fetch(&format!("/{way}/{token}{query}"));
    let (answer, html) = ask_of(pages(Arc::clone(web)), request).await;
    assert_eq!(answer.status().as_u16(), 200, "{way} {token}");
    assert!(html.contains(token) && !html.contains("class=\"subject\">News"));
    html.replace(token, "TOKEN")
}

#[tokio::test]
async fn while_locked_the_way_out_shows_its_button_alike_for_any_token() {
    let web = house::locked(site());
    for (way, query, button) in [
        ("u", "", "Stop these emails</button>"),
        ("u", "?lang=cy", "value=\"list\">Stopio"),
        ("n", "", "Never write to me again</button>"),
        (
            "n",
            "?lang=cy",
            "Peidiwch byth ag ysgrifennu ataf eto</button>",
        ),
    ] {
        let first = way_out_without_token(&web, way, &"a".repeat(61), query).await;
        assert!(
            first.contains(button) && first.contains("method=\"post\""),
            "{first}"
        );
        for other in ["b7".repeat(30), "z".repeat(32), "Q9x".repeat(32)] {
            let other = way_out_without_token(&web, way, &other, query).await;
            assert_eq!(other, first, "{way}{query}");
        }
    }
}

#[tokio::test]
async fn an_approver_sees_what_is_sent_and_presses_one_of_two_buttons() {
    let (web, _directory) = house::open(site()).await;
    let ask = |request| ask_of(pages(Arc::clone(&web)), request);
    let (answer, html) = ask(fetch("/a/listless")).await;
    assert_eq!(answer.status().as_u16(), 200);
    assert!(html.contains("its list was taken out of the configuration"));
    assert!(html.contains("value=\"refuse\"") && !html.contains("value=\"approve\""));
    let (answer, html) = ask(fetch("/a/good")).await;
    assert_eq!(answer.status().as_u16(), 200);
    for shown in [
        "Rally &lt;soon&gt;",
        "fewer than 5",
        &"9f86d081".repeat(8),
        "Come.",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
    for (request, status, said) in [
        (
            post_form("/a/good", "decision=approve"),
            200,
            "The mailing is approved",
        ),
        (
            post_form("/a/good", "decision=refuse"),
            200,
            "The mailing is refused",
        ),
        (post_form("/a/good", ""), 400, "We could not read"),
        (
            post_form("/a/good", "decision=approve&decision=refuse"),
            400,
            "We could not read",
        ),
        (post_form("/a/held", "decision=approve"), 409, "t go yet"),
        (
            post_form("/a/spent", "decision=approve"),
            404,
            "work any more",
        ),
        (
            post_form("/a/listless", "decision=approve"),
            409,
            "its list was taken out of the configuration",
        ),
        (fetch("/a/spent"), 404, "work any more"),
        (fetch("/a/sick"), 503, "Closed for a moment"),
    ] {
        let (answer, html) = ask(request).await;
        assert_eq!(answer.status().as_u16(), status, "{said}");
        assert!(html.contains(said), "{said}");
    }
}

#[tokio::test]
async fn a_withdrawal_that_could_not_be_kept_says_so() {
    let token = "a".repeat(61);
    let (en, cy) = ("Your request was NOT taken", "NI dderbyniwyd eich cais");
    let full = house::locked(site());
    for (path, body, said) in [
        (format!("/u/{token}"), "", en),
        (format!("/n/{token}"), "", en),
        (format!("/u/{token}"), "lang=cy", cy),
        (format!("/n/{token}"), "lang=cy", cy),
        (format!("/u/{token}"), "List-Unsubscribe=One-Click", en),
    ] {
        let (answer, html) = ask_of(pages(Arc::clone(&full)), post_form(&path, body)).await;
        assert_eq!(answer.status().as_u16(), 503, "{path} {body}");
        assert!(
            html.contains(said) && html.contains("privacy@party.example"),
            "{html}"
        );
        assert!(!text(&answer, "retry-after").is_empty());
    }
    // Nor does a house without a free slot soothe.
    let (web, _directory) = house::open(site()).await;
    let _all = web.slots.try_acquire_many(256).expect("every slot");
    let (answer, html) = ask_of(
        pages(Arc::clone(&web)),
        post_form(&format!("/u/{token}"), ""),
    )
    .await;
    assert_eq!(answer.status().as_u16(), 503);
    assert!(html.contains(en), "{html}");
}

#[tokio::test]
async fn one_network_may_press_for_many_until_the_box_is_half_full() {
    let press = |web: &Arc<Web>, n: u32| {
        let request = post_form(&format!("/u/{n:061}"), "List-Unsubscribe=One-Click");
        let web = Arc::clone(web);
        async move { ask_of(pages(web), request).await.0.status().as_u16() }
    };
    let most = LOCKED_AN_HOUR.get();
    let filling = house::locked_with(site(), true);
    for n in 0..most {
        assert_eq!(press(&filling, n).await, 200, "{n}");
    }
    // A place becomes free every few seconds.
    let mut answers = Vec::new();
    for n in most..most + 20 {
        answers.push(press(&filling, n).await);
    }
    assert!(answers.contains(&503), "{answers:?}");
    // As long as there's room, it's only the box that says no (this one is full).
    let roomy = house::locked(site());
    for n in 0..=most {
        let _ = press(&roomy, n).await;
    }
    assert!(roomy.locked_posts.ask(Ipv4Addr::UNSPECIFIED.into()).is_ok());
    for _ in 1..most {
        let asked = roomy.locked_posts.ask(Ipv4Addr::UNSPECIFIED.into());
        assert!(asked.is_ok(), "no press was counted");
    }
}

#[tokio::test]
async fn a_sign_up_is_worked_on_though_its_visitor_has_gone() {
    let (web, _directory) = house::open(site()).await;
    let consent = web.opened().expect("open").consent().clone();
    let mut posted = consent.posted();
    let worker = IntakeWorker::new(consent);
    let working = tokio::spawn(async move { worker.run().await });
    tokio::task::yield_now().await;
    let minute_ago = web.clock.now_ms().saturating_sub(60_000);
    let stamp = web.stamps().issue(minute_ago, web.site().words());
    let form = format!("email=a%40b.example&list=news&age=yes&stamp={stamp}&constituency=");
    let mut asking = Box::pin(pages(Arc::clone(&web)).oneshot(post_form("/", form)));
    // Its visitor goes as soon as the room has begun.
    let begun = tokio::time::timeout(Duration::ZERO, &mut asking).await;
    assert!(begun.is_err(), "the answer takes a commit");
    drop(asking);
    // The room's own commit, and the one of the worker that was woken.
    for commit in ["the sign-up", "its challenge"] {
        let came = tokio::time::timeout(Duration::from_secs(10), posted.changed()).await;
        assert!(came.is_ok(), "{commit}");
    }
    working.abort();
}

fn report(kind: &str, body: impl Into<Body>) -> Request {
    let mut request = request(Method::POST, TLS_REPORTS, body);
    let kind = kind.parse().expect("a field");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    request
}

#[tokio::test]
async fn reports_on_tls_are_taken_and_nothing_else() {
    use crate::report::tls::tests::RFC;
    use crate::report::unpack::tests::gzip;

    let (web, _directory) = house::open(site()).await;
    let (gzipped, json) = ("application/tlsrpt+gzip", "application/tlsrpt+json");
    let other = RFC.replace("company-y.example", "elsewhere.example");
    let bomb = gzip(&vec![b' '; 9 << 20]);
    let large = vec![b' '; crate::report::MOST_PACKED + 1];
    let cases = [
        (gzipped, gzip(RFC.as_bytes()), 200),
        ("Application/TLSRPT+json; charset=utf-8", RFC.into(), 200),
        (gzipped, RFC.into(), 400),
        (json, gzip(RFC.as_bytes()), 400),
        (json, other.into(), 400),
        (json, "{}".into(), 400),
        (gzipped, bomb, 400),
        (json, large, 413),
        ("application/json", RFC.into(), 415),
    ];
    for (kind, body, expected) in cases {
        let (answer, text) = ask_of(pages(Arc::clone(&web)), report(kind, body)).await;
        assert_eq!(answer.status().as_u16(), expected, "{kind}: {text}");
        assert!(text.lines().count() == 1, "a program reads it: {text}");
    }
    let (answer, _) = ask_of(pages(Arc::clone(&web)), fetch(TLS_REPORTS)).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    for _ in 0..20 {
        ask_of(pages(Arc::clone(&web)), report(json, "{}")).await;
    }
    let (answer, _) = ask_of(pages(web), report(json, RFC)).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));

    let (answer, _) = ask_of(pages(house::locked(site())), report(json, RFC)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// Work goes on when whoever posted goes away: its place, and so its memory, is taken for as long as it does.
#[tokio::test]
async fn no_more_reports_are_read_at_once_than_there_are_places() {
    use crate::report::tls::tests::RFC;

    let (web, _directory) = house::open(site()).await;
    let desk = web.opened().expect("is open").rooms.reports;
    let held = desk.hold().await;
    let post = || {
        ask_of(
            pages(Arc::clone(&web)),
            report("application/tlsrpt+json", RFC),
        )
    };
    let posting: Vec<_> = (0..4).map(|_| tokio::spawn(post())).collect();
    let places = || web.reports.places.available_permits();
    let until = async |count: usize| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while places() != count {
            assert!(std::time::Instant::now() < deadline, "{}", places());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until(0).await;
    // Their bodies are read, and the work has begun: so many of its places are taken.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while web.works.available_permits() + 4 > MOST_AT_ONCE {
        assert!(std::time::Instant::now() < deadline, "work has not begun");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for gone in &posting {
        gone.abort();
    }
    for gone in posting {
        assert!(gone.await.is_err());
    }
    assert_eq!(places(), 0);
    let (answer, text) = post().await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{text}");
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    drop(held);
    until(4).await;
    let (answer, text) = post().await;
    assert_eq!(answer.status(), StatusCode::OK, "{text}");
}

/// A form on another site must not sign its visitors up; mail providers may post a withdrawal from anywhere.
#[tokio::test]
async fn other_sites_post_no_form_but_anybody_posts_a_withdrawal() {
    let post = |path: &str, headers: &[(&'static str, &str)]| {
        let mut request = post_form(path, "a=b");
        for (name, value) in headers {
            let value = value.parse().expect("a value");
            request.headers_mut().insert(*name, value);
        }
        request
    };
    let host = ("host", "lists.party.example");
    let evil = ("origin", "https://evil.example");
    let own = ("origin", "https://Lists.party.example");
    let (null, site) = (("origin", "null"), |site| ("sec-fetch-site", site));
    for (headers, expected) in [
        (vec![host], 200),
        (vec![host, own], 200),
        // So say our own pages, which send no referrer.
        (vec![host, null], 200),
        (vec![host, null, site("same-origin")], 200),
        (vec![host, site("none")], 200),
        (vec![host, evil], 403),
        (vec![host, null, site("cross-site")], 403),
        (vec![host, site("cross-site")], 403),
        (vec![host, own, site("same-site")], 403),
        (vec![("content-length", "10000000000")], 413),
    ] {
        let (answer, text) = ask(post("/", &headers)).await;
        assert_eq!(answer.status(), expected, "{headers:?}");
        if expected != 200 {
            assert!(text.contains("<h1"), "{text}");
            assert_eq!(super::tests::text(&answer, "cache-control"), "no-store");
        }
        let (answer, _) = ask(post("/u/token", &headers)).await;
        assert_eq!(answer.status(), 404, "no such handler here: {headers:?}");
    }
    let mut unclear = fetch("/");
    unclear.extensions_mut().insert(UnclearHost);
    assert_eq!(ask(unclear).await.0.status(), 400);
}
