//! The elector's pages, over real TLS sockets, with a real store behind them.

#![allow(clippy::unwrap_used)]

#[path = "support/pages.rs"]
mod support;

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use hustings::address::EmailAddress;
use hustings::consent::Consent;
use hustings::daemon::settings::Settings;
use hustings::net::admission::ConnectionLimits;
use hustings::web::{
    Door, LockedWithdrawal, LockedWithdrawals, NotKept, Rooms, Timeouts, Web, WebParts,
};
use hyper::Method;
use jiff::SignedDuration;
use support::{Answer, FORM, Pages, config, request, sign_up_form};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

#[tokio::test]
async fn an_elector_signs_up_confirms_and_leaves() {
    let pages = Pages::start().await;
    let form = pages.get("/").await;
    assert_eq!(form.status, 200);
    assert_eq!(form.text.matches("<option value=\"").count(), 651);
    assert!(form.text.contains("Ynys Môn") && form.text.contains("Dwyrain Clwyd"));
    assert!(!form.text.contains("checked"));

    let answer = pages.sign_up("ann@far.example").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("Now look into your inbox"));
    assert!(!answer.text.contains("ann@far.example"));
    pages.work().await;

    let link = pages.link_to("ann@far.example", "/c/").await;
    let page = pages.get(&link).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("value=\"E14001319\" selected"));
    assert!(page.text.contains("deleted after 7 days"));
    assert_eq!(pages.subscribers().await, 0, "a look changes nothing");

    let done = pages.post(&link, "lang=en&constituency=W07000112").await;
    assert_eq!(done.status, 200);
    assert!(done.text.contains("you are subscribed"));
    let people = pages.consent.audience("news", None, 9).await.unwrap();
    let code = people.subscriptions[0].constituency().unwrap();
    assert_eq!(
        code.as_str(),
        "W07000112",
        "the page mends the constituency"
    );

    let out = pages.link_to("ann@far.example", "/u/").await;
    assert!(done.text.contains(&out), "the page shows the way out");
    let page = pages.get(&out).await;
    assert!(page.text.contains("Press the button") && page.text.contains("News"));
    assert_eq!(pages.subscribers().await, 1);
    let left = pages.post(&out, "lang=en&scope=list").await;
    assert_eq!(left.status, 200);
    assert!(left.text.contains("sends you no more of"));
    assert_eq!(pages.subscribers().await, 0);
}

#[tokio::test]
async fn http_2_says_the_same() {
    let pages = Pages::start().await;
    for path in [
        "/",
        "/privacy",
        "/nowhere",
        "/c/none",
        "/u/none",
        "/robots.txt",
    ] {
        let one = pages.send(request(Method::GET, path, "", "")).await;
        let two = pages.send_h2(request(Method::GET, path, "", "")).await;
        assert_eq!(one.status, two.status, "{path}");
        // The stamp of the form is new each time, by the millisecond of a clock that stands still.
        assert_eq!(one.text, two.text, "{path}");
        assert!(
            two.header("strict-transport-security")
                .starts_with("max-age=")
        );
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    let pages = Pages::start().await;
    let out = pages.subscribe("ann@far.example").await;
    pages.sign_up("bob@far.example").await;
    pages.work().await;
    let confirm = pages.link_to("bob@far.example", "/c/").await;
    let never = pages.link_to("bob@far.example", "/n/").await;
    let (writes, rows) = (pages.writes(), pages.rows().await);
    for path in [
        "/", "/privacy", "/nowhere", "/c/x", "/a/x", &out, &confirm, &never,
    ] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            pages.send(request(method, path, "", "")).await;
        }
        pages
            .get(&format!("{path}?lang=cy&{ONE_CLICK}&scope=all"))
            .await;
    }
    assert_eq!((pages.writes(), pages.rows().await), (writes, rows));
}

#[tokio::test]
async fn one_click_works_as_often_as_it_is_pressed() {
    let pages = Pages::start().await;
    let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let kinds = [
        (FORM, ONE_CLICK),
        ("multipart/form-data; boundary=b", parts),
        ("multipart/form-data; boundary=b", "--b\r\ncut off"),
        ("", ""),
    ];
    for (n, (kind, body)) in kinds.into_iter().enumerate() {
        let out = pages.subscribe(&format!("ann{n}@far.example")).await;
        assert_eq!(pages.subscribers().await, 1);
        let mut answers = Vec::new();
        for path in [
            out.clone(),
            out.clone(),
            out.to_uppercase().replace("/U/", "/u/"),
        ] {
            answers.push(pages.send(request(Method::POST, &path, kind, body)).await);
            assert_eq!(pages.subscribers().await, 0, "{kind}");
        }
        for answer in &answers {
            assert_eq!(answer.status, 200, "{kind}");
            assert_eq!(answer.bytes(), answers[0].bytes(), "{kind}");
            assert_eq!(
                (answer.header("set-cookie"), answer.header("location")),
                ("", "")
            );
        }
    }
    let longest = "x".repeat(20_000);
    let out = pages.subscribe("eve@far.example").await;
    let answer = pages.post(&out, &longest).await;
    assert_eq!(
        (answer.status, pages.subscribers().await),
        (200, 0),
        "no body keeps anybody in"
    );
}

#[tokio::test]
async fn never_again_outlives_a_new_request() {
    let pages = Pages::start().await;
    pages.sign_up("ann@far.example").await;
    pages.work().await;
    let confirm = pages.link_to("ann@far.example", "/c/").await;
    let never = pages.link_to("ann@far.example", "/n/").await;
    assert!(
        pages
            .get(&never)
            .await
            .text
            .contains("Never write to me again")
    );
    assert_eq!(pages.post(&never, "").await.status, 200);
    assert_eq!(
        pages.post(&confirm, "").await.status,
        404,
        "the request is void"
    );
    pages.pass(SignedDuration::from_hours(100));
    pages.sign_up("ann@far.example").await;
    pages.work().await;
    assert!(pages.mails_to("ann@far.example").await.is_empty());
}

/// Addresses in every state in which the party can hold one, all of one length, each with the way out of its lists.
async fn every_state(pages: &Pages) -> Vec<(&'static str, String)> {
    let way_out = |address: &str| {
        // What a link in a mail to that address would be, whether or not one was ever sent.
        let vault = pages.store.vault();
        let form = EmailAddress::parse(address).unwrap().match_form();
        let index = vault.index(hustings::vault::IndexColumn::Suppression, form.as_bytes());
        format!(
            "/u/{}",
            vault.withdrawal_token(vault.list_tag("news"), &index)
        )
    };
    let states = [
        "unknownone@far.example",
        "pendingone@far.example",
        "subscribed@far.example",
        "suppressed@far.example",
        "neverwrite@far.example",
    ];
    pages.sign_up(states[1]).await;
    pages.work().await;
    pages.subscribe(states[2]).await;
    let out = pages.subscribe(states[3]).await;
    pages.post(&out, ONE_CLICK).await;
    pages.sign_up(states[4]).await;
    pages.work().await;
    let never = pages.link_to(states[4], "/n/").await;
    pages.post(&never, "").await;
    states.map(|address| (address, way_out(address))).to_vec()
}

/// All alike, once what the asker sent himself is taken out.
fn assert_alike(answers: &[(Answer, String)], what: &str) {
    let plain = |(answer, own): &(Answer, String)| {
        let mut answer = answer.clone();
        answer.text = answer.text.replace(own, "OWN");
        answer
    };
    let first = plain(&answers[0]);
    for answer in answers {
        let (answer, first) = (plain(answer), first.bytes());
        let (status, headers, text) = answer.bytes();
        assert_eq!((status, headers), (first.0, first.1), "{what}");
        assert!(text == first.2, "other bytes: {what}");
    }
}

#[tokio::test]
async fn nobody_is_told_who_is_known() {
    let pages = Pages::start().await;
    let states = every_state(&pages).await;
    let stamp = pages.stamp().await;
    let mut answers = Vec::new();
    for (address, _) in &states {
        let (writes, [intake, queue, _]) = (pages.writes(), pages.rows().await);
        let answer = pages.post("/", &sign_up_form(address, &stamp)).await;
        let [intake_after, queue_after, _] = pages.rows().await;
        assert_eq!(pages.writes() - writes, 1, "one write for {address}");
        assert_eq!(
            (intake_after - intake, queue_after),
            (1, queue),
            "{address}"
        );
        answers.push((answer, "none".to_owned()));
    }
    assert_eq!(answers[0].0.status, 200);
    assert_alike(&answers, "POST /");

    let mut answers = Vec::new();
    for (address, _) in &states {
        // With a mistake in it, and what was typed on the page.
        let form = sign_up_form(address, &stamp).replace("&age=yes", "");
        answers.push((pages.post("/", &form).await, (*address).to_owned()));
    }
    assert_eq!(answers[0].0.status, 422);
    assert_alike(&answers, "POST / with a problem");

    for (method, kind, body) in [
        (Method::GET, "", ""),
        (Method::HEAD, "", ""),
        (Method::POST, FORM, ONE_CLICK),
        (Method::POST, FORM, "scope=list"),
        (Method::POST, FORM, "scope=all&lang=cy"),
    ] {
        let mut answers = Vec::new();
        for (_, out) in &states {
            let answer = pages.send(request(method.clone(), out, kind, body)).await;
            answers.push((answer, out.clone()));
        }
        assert_eq!(answers[0].0.status, 200, "{method} {body}");
        assert_alike(&answers, &format!("{method} /u/ {body}"));
    }
    for method in [Method::GET, Method::POST] {
        let mut answers = Vec::new();
        for (_, out) in &states {
            let never = out.replace("/u/", "/n/");
            let answer = pages.send(request(method.clone(), &never, "", "")).await;
            answers.push((answer, never));
        }
        assert_eq!(answers[0].0.status, 200);
        assert_alike(&answers, &format!("{method} /n/"));
    }
}

/// How often each of these requests looks something up.
async fn looks(pages: &Pages, requests: &[(Method, String, String)]) -> Vec<u64> {
    let mut all = Vec::new();
    for (method, path, body) in requests {
        let kind = if body.is_empty() { "" } else { FORM };
        let before = pages.reads();
        let answer = pages.send(request(method.clone(), path, kind, body)).await;
        assert!(answer.status < 500, "{method} {path}: {}", answer.status);
        all.push(pages.reads() - before);
    }
    all
}

/// Invariant 6: who signs up is not looked up; who withdraws is, as often for everybody.
#[tokio::test]
async fn what_is_looked_up_does_not_depend_on_who_is_known() {
    let pages = &Pages::start().await;
    let states = every_state(pages).await;
    let stamp = &pages.stamp().await;
    let of = |each: &dyn Fn(&str, &str) -> (Method, String, String)| -> Vec<_> {
        states
            .iter()
            .map(|(address, out)| each(address, out))
            .collect()
    };
    let none = vec![0; states.len()];
    let sign_up = of(&|address, _| (Method::POST, "/".to_owned(), sign_up_form(address, stamp)));
    assert_eq!(looks(pages, &sign_up).await, none, "POST /");
    let wrong = of(&|address, _| {
        let form = sign_up_form(address, stamp).replace("&age=yes", "");
        (Method::POST, "/".to_owned(), form)
    });
    assert_eq!(looks(pages, &wrong).await, none, "POST / with a problem");
    for path in ["/", "/privacy", "/nowhere"] {
        let page = [(Method::GET, path.to_owned(), String::new())];
        assert_eq!(looks(pages, &page).await, [0], "GET {path}");
    }
    for (address, _) in &states {
        let before = pages.reads();
        let address = EmailAddress::parse(address).unwrap();
        pages
            .consent
            .subscribe_by_mail(address, "news")
            .await
            .unwrap();
        assert_eq!(pages.reads(), before, "a mail to +subscribe");
    }
    let look = of(&|_, out| (Method::GET, out.to_owned(), String::new()));
    assert_eq!(looks(pages, &look).await, none, "GET /u/");
    let look = of(&|_, out| (Method::GET, out.replace("/u/", "/n/"), String::new()));
    assert_eq!(looks(pages, &look).await, none, "GET /n/");
    let leave = of(&|_, out| (Method::POST, out.to_owned(), ONE_CLICK.to_owned()));
    let counts = looks(pages, &leave).await;
    assert!(
        counts.iter().all(|count| *count == counts[0]),
        "POST /u/: {counts:?}"
    );
    let never = of(&|_, out| {
        (
            Method::POST,
            out.replace("/u/", "/n/"),
            "lang=en".to_owned(),
        )
    });
    let counts = looks(pages, &never).await;
    assert!(
        counts.iter().all(|count| *count == counts[0]),
        "POST /n/: {counts:?}"
    );
}

#[tokio::test]
async fn a_link_that_does_not_work_is_looked_up_once_whatever_is_wrong_with_it() {
    let pages = &Pages::start().await;
    pages.sign_up("used@far.example").await;
    pages.sign_up("expired@far.example").await;
    pages.work().await;
    let used = pages.link_to("used@far.example", "/c/").await;
    let expired = pages.link_to("expired@far.example", "/c/").await;
    assert_eq!(pages.post(&used, "").await.status, 200);
    pages.pass(SignedDuration::from_hours(7 * 24 + 1));
    let unknown = hustings::vault::ConfirmToken::generate();
    let unknown = format!("/c/{}", *unknown.to_text());
    for method in [Method::GET, Method::POST] {
        let links =
            [&used, &expired, &unknown].map(|link| (method.clone(), link.clone(), String::new()));
        let counts = looks(pages, &links).await;
        assert_eq!(counts, [counts[0]; 3], "{method} /c/");
    }
}

#[tokio::test]
async fn a_link_that_does_not_work_never_says_why() {
    let pages = Pages::start().await;
    pages.sign_up("used@far.example").await;
    pages.sign_up("expired@far.example").await;
    pages.work().await;
    let used = pages.link_to("used@far.example", "/c/").await;
    let expired = pages.link_to("expired@far.example", "/c/").await;
    assert_eq!(pages.post(&used, "").await.status, 200);
    pages.pass(SignedDuration::from_hours(7 * 24 + 1));
    let unknown = hustings::vault::ConfirmToken::generate();
    let unknown = format!("/c/{}", *unknown.to_text());
    let tokens = [
        used,
        expired,
        unknown,
        "/c/x".to_owned(),
        "/c/%ff%00".to_owned(),
    ];
    for method in [Method::GET, Method::POST] {
        let mut answers = Vec::new();
        for path in tokens.iter().take(4) {
            let kind = if method == Method::POST { FORM } else { "" };
            let answer = pages.send(request(method.clone(), path, kind, "")).await;
            answers.push((answer, "none".to_owned()));
        }
        assert_eq!(answers[0].0.status, 404);
        assert_alike(&answers, &format!("{method} /c/"));
    }
    let refused = pages.get(&tokens[4]).await.status;
    assert!((400..500).contains(&refused), "{refused}");
    // A link that stops our mail never expires: whoever has cut one off must not be told that it did.
    let stop = pages.get("/u/x").await;
    assert!(stop.status == 404 && stop.text.contains("never expire"));
}

/// For each state the middle of so many times. They take turns: what keeps the machine busy meets all of them.
async fn medians<F: Future<Output = Answer>>(
    states: usize,
    mut ask: impl FnMut(usize) -> F,
) -> Vec<Duration> {
    let mut times = vec![Vec::new(); states];
    for _ in 0..15 {
        for (state, times) in times.iter_mut().enumerate() {
            let began = Instant::now();
            assert_eq!(ask(state).await.status, 200);
            times.push(began.elapsed());
        }
    }
    let middle = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    times.into_iter().map(middle).collect()
}

#[tokio::test]
async fn the_time_of_an_answer_tells_nothing() {
    let pages = &Pages::start().await;
    let states = &every_state(pages).await;
    let stamp = &pages.stamp().await;
    let all = states.len();
    let signing_up = async |state: usize| {
        let form = sign_up_form(&states[state].0, stamp);
        pages.post("/", &form).await
    };
    assert_same_class(&medians(all, signing_up).await, "POST /");
    let looking = |state: usize| pages.get(&states[state].1);
    assert_same_class(&medians(all, looking).await, "GET /u/");
    let leaving = |state: usize| pages.post(&states[state].1, ONE_CLICK);
    assert_same_class(&medians(all, leaving).await, "POST /u/");
}

/// Generous, since a test machine is busy: what must not be is that one of them waits for something that others don't.
fn assert_same_class(medians: &[Duration], what: &str) {
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    let limit = *least * 4 + Duration::from_millis(20);
    assert!(*most <= limit, "{what}: {medians:?}");
}

#[tokio::test]
async fn the_form_says_everything_that_is_wrong_at_once() {
    let pages = Pages::start().await;
    let stamp = pages.stamp().await;
    let (writes, good) = (pages.writes(), sign_up_form("ann@far.example", &stamp));
    for (form, said) in [
        (good.replace("&list=news", ""), "Tick at least one box"),
        (
            good.replace("&list=news", "&list=none"),
            "no longer offered, so nothing was sent",
        ),
        (good.replace("&age=yes", ""), "how old you are"),
        (good.replace("%40", ""), "like name@example.org"),
        (
            good.replace("E14001319", "E14000000"),
            "Choose a constituency",
        ),
        (
            good.replace("stamp=", "stamp=A"),
            "open for a long time, or our service has restarted",
        ),
        (String::new(), "Write your email address"),
    ] {
        let answer = pages.post("/", &form).await;
        assert_eq!(answer.status, 422, "{said}");
        assert!(answer.text.contains(said), "{said}");
        assert!(
            !answer.text.contains("checked"),
            "no box is ticked for anybody"
        );
    }
    // Back at once, as programs are: it says so, in the form's language, and the next press will do.
    let fresh = pages.get("/").await.field("stamp");
    let soon = sign_up_form("ann@far.example", &fresh);
    let answer = pages.post("/", &soon).await;
    assert_eq!(answer.status, 422);
    for said in [
        "faster than people fill it in",
        "press the button once more",
        "value=\"ann@far.example\"",
    ] {
        assert!(answer.text.contains(said), "{said}: {}", answer.text);
    }
    let answer = pages.post("/", &soon.replace("lang=en", "lang=cy")).await;
    let said = "yn gynt nag y mae pobl yn ei llenwi";
    assert!(answer.text.contains(said), "{}", answer.text);
    let everything = pages.post("/", "").await;
    assert_eq!(
        everything.text.matches("class=\"error\"").count(),
        4,
        "{}",
        everything.text
    );
    let answer = pages
        .post("/", &good.replace("nectar=", "nectar=bot"))
        .await;
    assert_eq!(
        answer.status, 200,
        "a machine is told what everybody is told"
    );
    assert_eq!(pages.writes(), writes, "nothing was stored");
    assert_eq!(
        pages
            .post("/", &format!("{good}&email=b%40c.example"))
            .await
            .status,
        400
    );
    assert_eq!(
        pages
            .send(request(Method::POST, "/", "text/plain", &good))
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn a_mail_to_subscribe_opens_the_full_form() {
    let pages = Pages::start().await;
    let ann = EmailAddress::parse("ann@far.example").unwrap();
    pages.consent.subscribe_by_mail(ann, "news").await.unwrap();
    pages.work().await;
    let link = pages.link_to("ann@far.example", "/c/").await;
    let form = pages.get(&link).await;
    assert!(form.text.contains("One more step") && !form.text.contains("checked"));
    let stamp = form.field("stamp");
    pages.pass(SignedDuration::from_secs(5));
    let refused = pages
        .post(&link, &format!("stamp={stamp}&list=appeals"))
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("how old you are"));
    assert_eq!(pages.post(&link, "constituency=").await.status, 422);
    assert_eq!(pages.subscribers().await, 0, "no words were agreed to yet");
    let body = format!("stamp={stamp}&list=news&age=yes&constituency=&lang=cy");
    let done = pages.post(&link, &body).await;
    assert_eq!((done.status, pages.subscribers().await), (200, 1));
    assert!(done.text.contains("lang=\"cy\""));
}

#[tokio::test]
async fn the_button_twice_and_a_body_that_is_empty_are_the_same_yes() {
    let pages = Pages::start().await;
    pages.sign_up("ann@far.example").await;
    pages.work().await;
    let link = pages.link_to("ann@far.example", "/c/").await;
    for body in ["", "lang=en&constituency=", ""] {
        let done = pages.post(&link, body).await;
        assert_eq!(done.status, 200, "{body}");
        assert!(done.text.contains("you are subscribed"));
    }
    assert_eq!(pages.subscribers().await, 1);
    let people = pages.consent.audience("news", None, 9).await.unwrap();
    let code = people.subscriptions[0].constituency().unwrap();
    assert_eq!(code.as_str(), "E14001319", "what was given at the sign-up");
    assert_eq!(
        pages.get(&link).await.status,
        404,
        "a look shows nobody's lists"
    );
    let (front, last) = link.split_at(link.len() - 1);
    let other = format!("{front}{}", if last == "a" { "b" } else { "a" });
    assert_eq!(pages.post(&other, "").await.status, 404);
}

#[tokio::test]
async fn a_page_with_one_button_shows_what_was_asked_for_since() {
    let pages = Pages::start().await;
    pages.sign_up("ann@far.example").await;
    pages.work().await;
    let link = pages.link_to("ann@far.example", "/c/").await;
    assert!(pages.get(&link).await.text.contains("Was it you?"));
    let ann = EmailAddress::parse("ann@far.example").unwrap();
    pages
        .consent
        .subscribe_by_mail(ann, "appeals")
        .await
        .unwrap();
    pages.work().await;
    let form = pages.post(&link, "lang=en&constituency=E14001319").await;
    assert_eq!((form.status, pages.subscribers().await), (200, 0));
    assert!(form.text.contains("More than one request") && !form.text.contains("problem"));
    let stamp = form.field("stamp");
    pages.pass(SignedDuration::from_secs(5));
    let body =
        format!("stamp={stamp}&list=news&list=appeals&age=yes&constituency=E14001319&lang=en");
    let done = pages.post(&link, &body).await;
    assert_eq!(
        (done.status, pages.subscribers().await),
        (200, 1),
        "{}",
        done.text
    );
}

#[tokio::test]
async fn a_way_out_that_is_none_is_not_said_to_have_expired() {
    let pages = Pages::start().await;
    let wrong = format!("/u/{}", "a".repeat(64));
    for answer in [
        pages.get(&wrong).await,
        pages.post(&wrong, "scope=list").await,
    ] {
        assert_eq!(answer.status, 404);
        assert!(answer.text.contains("never expire"), "{}", answer.text);
        assert!(!answer.text.contains("has expired"));
    }
}

#[tokio::test]
async fn words_that_changed_are_read_again() {
    let pages = Pages::start().await;
    let stamp = pages.stamp().await;
    let mut config = config();
    let list = config.list.values_mut().next().unwrap();
    list.purpose = "something else altogether".to_owned();
    let settings = Settings::new(config, jiff::civil::date(2026, 11, 2)).unwrap();
    let letters = Arc::new(settings.letters());
    pages
        .consent
        .reload(settings.consent(), letters)
        .await
        .unwrap();
    // Between the two steps of a reload the room refuses what the old site shows.
    let early = pages
        .post("/", &sign_up_form("ann@far.example", &stamp))
        .await;
    assert_eq!(early.status, 422);
    pages.web.replace(settings.site());
    let late = pages
        .post("/", &sign_up_form("ann@far.example", &stamp))
        .await;
    assert_eq!(late.status, 422);
    for answer in [early, late] {
        assert!(answer.text.contains("A text on this page has changed"));
    }
    assert!(
        pages
            .get("/")
            .await
            .text
            .contains("something else altogether")
    );
    assert_eq!(pages.sign_up("ann@far.example").await.status, 200);
}

#[tokio::test]
async fn a_network_that_asks_too_often_is_told_so() {
    let pages = Pages::with(NonZeroU32::new(2).unwrap(), Timeouts::default()).await;
    let stamp = pages.stamp().await;
    let mut statuses = Vec::new();
    for n in 0..3 {
        let form = sign_up_form(&format!("a{n}@far.example"), &stamp);
        let answer = pages.post("/", &form).await;
        statuses.push((answer.status, answer.header("retry-after").is_empty()));
    }
    assert_eq!(statuses, [(200, true), (200, true), (429, false)]);
    assert_eq!(pages.rows().await[0], 2);
}

#[tokio::test]
async fn a_withdrawal_that_comes_while_locked_is_kept_and_applied() {
    let pages = Pages::start().await;
    let out = pages.subscribe("ann@far.example").await;
    let never = out.replace("/u/", "/n/");
    let locked = hustings::web::Web::new(hustings::web::WebParts {
        site: pages.settings.site(),
        https: true,
        clock: pages.clock.clone(),
        signups_per_network: NonZeroU32::new(9).unwrap(),
        locked: pages.kept.clone(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Arc::new(ConnectionLimits::new(9, 9));
    let stop = pages.stop.clone();
    let door =
        tokio::spawn(async move { Door::listen_plain(&locked, listener, limits, stop).await });
    for (line, status) in [
        (format!("GET {out}"), "200"),
        (format!("GET {never}?lang=cy"), "200"),
        ("GET /".to_owned(), "503"),
        (format!("POST {out}"), "200"),
        (format!("POST {never}"), "200"),
    ] {
        let answer = plain(address, &line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{line}");
        let wait = answer.to_lowercase().contains("\r\nretry-after: ");
        assert_eq!(wait, status == "503", "{line}");
    }
    assert_eq!(pages.subscribers().await, 1, "nothing can be opened yet");
    let kept = pages.kept.0.lock().unwrap().clone();
    assert_eq!(kept.len(), 2);
    for bytes in kept {
        let withdrawal = LockedWithdrawal::from_bytes(&bytes).unwrap();
        assert!(withdrawal.apply(&pages.consent).await.unwrap().is_some());
    }
    assert_eq!(pages.subscribers().await, 0);
    pages.stop.cancel();
    door.await.unwrap().unwrap();
}

/// A box that is handed over just when something comes: the pages are open when it answers.
struct OpenedMeanwhile {
    web: OnceLock<Weak<Web>>,
    rooms: Rooms,
}

impl LockedWithdrawals for OpenedMeanwhile {
    fn keep(
        &self,
        _: zeroize::Zeroizing<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>> {
        let web = self.web.get().unwrap().upgrade().unwrap();
        web.open(self.rooms.clone());
        Box::pin(async { Err(NotKept::Opened) })
    }

    fn is_filling(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_withdrawal_that_comes_while_the_vault_is_being_opened_takes_effect() {
    let pages = Pages::start().await;
    let out = pages.subscribe("ann@far.example").await;
    let opened = Arc::new(OpenedMeanwhile {
        web: OnceLock::new(),
        rooms: Rooms {
            consent: pages.consent.clone(),
            approvals: Arc::new(support::OneMailing),
            reports: pages.reports(),
        },
    });
    let web = Web::new(WebParts {
        site: pages.settings.site(),
        https: true,
        clock: pages.clock.clone(),
        signups_per_network: NonZeroU32::new(9).unwrap(),
        locked: opened.clone(),
    });
    let _ = opened.web.set(Arc::downgrade(&web));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Arc::new(ConnectionLimits::new(9, 9));
    let stop = pages.stop.clone();
    let door = tokio::spawn(async move { Door::listen_plain(&web, listener, limits, stop).await });
    let answer = plain(address, &format!("POST {out}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(pages.subscribers().await, 0, "the rooms took it");
    pages.stop.cancel();
    door.await.unwrap().unwrap();
}

async fn plain(address: std::net::SocketAddr, line: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn plain_http_is_for_loopback_alone() {
    let pages = Pages::start().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let limits = Arc::new(ConnectionLimits::new(9, 9));
    let refused = Door::listen_plain(&pages.web, listener, limits, pages.stop.clone()).await;
    assert!(refused.unwrap_err().to_string().contains("loopback"));
}

#[tokio::test]
async fn a_store_that_is_closed_is_not_told_as_done() {
    let pages = Pages::start().await;
    let stamp = pages.stamp().await;
    pages.store.close().await;
    let answer = pages
        .post("/", &sign_up_form("ann@far.example", &stamp))
        .await;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
    assert!(!answer.text.contains("inbox"));
}

#[tokio::test]
async fn who_is_slow_loses_the_connection() {
    let short = Duration::from_millis(150);
    let timeouts = Timeouts {
        handshake: short,
        head: short,
        idle: short,
        life: Duration::from_secs(5),
        closing: short,
    };
    let pages = Pages::with(NonZeroU32::new(9).unwrap(), timeouts).await;
    let patience = Duration::from_secs(4);
    let closes = |what: &'static str, mut io: Box<dyn Wire>| async move {
        let read = tokio::time::timeout(patience, io.read_to_end(&mut Vec::new())).await;
        assert!(read.is_ok(), "{what}");
    };
    let silent = TcpStream::connect(pages.address).await.unwrap();
    closes("no handshake", Box::new(silent)).await;
    let idle = pages.connect(&[b"http/1.1"]).await;
    closes("no request", Box::new(idle)).await;
    let mut half = pages.connect(&[b"http/1.1"]).await;
    half.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    closes("half a head", Box::new(half)).await;
    let idle = pages.connect(&[b"h2"]).await;
    closes("no preface", Box::new(idle)).await;
    let mut kept = pages.connect(&[b"http/1.1"]).await;
    kept.write_all(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    closes("nothing more after an answer", Box::new(kept)).await;
    assert_eq!(pages.get("/").await.status, 200);
}

trait Wire: tokio::io::AsyncRead + Unpin + Send {}
impl<T: tokio::io::AsyncRead + Unpin + Send> Wire for T {}

#[tokio::test]
async fn stopping_lets_an_answer_end() {
    let pages = Pages::start().await;
    let mut busy = pages.connect(&[b"http/1.1"]).await;
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\n";
    busy.write_all(head).await.unwrap();
    let idle = pages.connect(&[b"http/1.1"]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    pages.stop.cancel();
    busy.write_all(b"a=b").await.unwrap();
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 422"));
    drop(idle);
    pages.door.await.unwrap();
}

#[tokio::test]
async fn requests_that_no_browser_makes_get_an_answer_or_nothing() {
    let pages = Pages::start().await;
    for raw in [
        "GARBAGE\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: a\r\n".repeat(100)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(5_000)),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".to_owned(),
    ] {
        let mut wire = pages.connect(&[b"http/1.1"]).await;
        let _ = wire.write_all(raw.as_bytes()).await;
        let _ = wire.shutdown().await;
        let mut answer = Vec::new();
        let read = wire.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("ends");
        let answer = String::from_utf8_lossy(&answer);
        let fine = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(fine || answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(pages.get("/").await.status, 200);
    let _: &Consent = &pages.consent;
}
