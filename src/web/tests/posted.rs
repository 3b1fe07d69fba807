//! What is posted, and by whose page.

use super::*;

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
async fn an_approver_with_a_second_factor_gives_a_code_of_it() {
    let (web, _directory) = house::open(site()).await;
    let ask = |request| ask_of(pages(Arc::clone(&web)), request);
    let (_, html) = ask(fetch("/a/good")).await;
    assert!(!html.contains("name=\"code\""), "who has none isn't asked");
    let (answer, html) = ask(fetch("/a/coded")).await;
    assert_eq!(answer.status().as_u16(), 200);
    assert!(html.contains("name=\"code\"") && html.contains("one-time-code"));
    assert!(!html.contains("aria-invalid"), "nothing is wrong yet");
    let (_, html) = ask(fetch("/a/coded?lang=cy")).await;
    assert!(html.contains("Cod eich ail ffactor"), "{html}");
    let (_, html) = ask(fetch("/a/bare")).await;
    assert!(html.contains("second-factor add") && !html.contains("value=\"approve\""));
    for (form, status, said) in [
        ("decision=approve", 403, "Give a code of your second factor"),
        ("decision=approve&code=+", 403, "Give a code of"),
        ("decision=approve&code=654321", 403, "That code is wrong"),
        (
            "decision=approve&code=654321&lang=cy",
            403,
            "Mae&#39;r cod hwnnw&#39;n anghywir",
        ),
        ("decision=approve&code=1&code=2", 400, "We could not read"),
        (
            "decision=approve&code=+123+456",
            200,
            "The mailing is approved",
        ),
    ] {
        let (answer, html) = ask(post_form("/a/coded", form)).await;
        assert_eq!(answer.status().as_u16(), status, "{form}");
        assert!(html.contains(said), "{form}: {html}");
        assert!(!html.contains("654321"), "what was typed isn't shown again");
        assert!(!html.contains("boxes are empty"), "there are none");
        let wrong = status == 403;
        assert_eq!(html.contains("aria-invalid=\"true\""), wrong, "{form}");
        assert_eq!(html.contains("href=\"#code\""), wrong, "{form}");
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
