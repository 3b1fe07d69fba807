//! The elector's pages, over real TLS sockets, with a real store behind them.

#![allow(clippy::unwrap_used)]

mod alike;
mod door;
mod forms;
mod locked;

#[path = "../support/pages.rs"]
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
        assert_eq!(one.unstamped().text, two.unstamped().text, "{path}");
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
