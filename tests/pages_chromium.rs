//! An elector with a real browser, without a mouse and without scripts.

#![allow(clippy::unwrap_used)]

#[path = "support/chromium.rs"]
mod chromium;
#[path = "pages/footer_seen.rs"]
mod footer_seen;
#[path = "support/pages.rs"]
mod support;

use chromium::Browser;
use jiff::SignedDuration;
use support::Pages;
use tokio::runtime::Handle;

const ANN: &str = "ann@far.example";

/// Looks at the page as a telephone, a desk and a dark room show it; at 320 px, which is also 400 % zoom of 1280 px, it
/// must not need to be scrolled sideways (WCAG 2.2, 1.4.10).
fn look(browser: &mut Browser, name: &str) {
    for (width, dark) in [(1280, true), (1280, false), (320, true), (320, false)] {
        browser.look(width, dark);
        let wide = browser.width();
        assert!(
            wide <= f64::from(width),
            "{name} is {wide} px wide at {width}"
        );
        let shade = if dark { "dark" } else { "light" };
        browser.picture(&format!("{name}-{width}-{shade}"));
    }
}

fn story(browser: &mut Browser, pages: &Pages, run: &Handle) {
    let origin = format!("https://{}", pages.address);
    browser.go(&origin);
    look(browser, "1-signup");
    browser.tab_to("id", "email");
    browser.type_text("ann");
    browser.tab_to("type", "submit");
    pages.pass(SignedDuration::from_secs(5));
    browser.enter();
    assert!(browser.html().contains("Please mend this first"));
    look(browser, "2-signup-problems");
    // The summary has the focus; its first link leads to the field.
    browser.tab_to("href", "#email");
    browser.picture("2-focus");
    browser.press("Enter", "Enter", 13, "\r");
    browser.tab_to("id", "email");
    browser.press("End", "End", 35, "");
    browser.type_text("@far.example");
    browser.tab_to("id", "constituency");
    browser.type_text("leeds east");
    browser.tab_to("value", "news");
    browser.space();
    browser.picture("3-focus");
    browser.tab_to("id", "age");
    browser.space();
    browser.tab_to("type", "submit");
    browser.picture("3-signup-filled");
    pages.pass(SignedDuration::from_secs(5));
    browser.enter();
    assert!(browser.html().contains("Now look into your inbox"));
    look(browser, "4-inbox");

    run.block_on(pages.work());
    let link = run.block_on(pages.link_to(ANN, "/c/"));
    browser.go(&format!("{origin}{link}"));
    look(browser, "5-confirm");
    browser.tab_to("type", "submit");
    browser.enter();
    assert!(browser.html().contains("you are subscribed"));
    look(browser, "6-subscribed");
    let people = run
        .block_on(pages.consent.audience("news", None, 9))
        .unwrap();
    let code = people.subscriptions[0].constituency().unwrap();
    assert_eq!(code.as_str(), "E14001320", "Leeds East, found by typing");

    let out = run.block_on(pages.link_to(ANN, "/u/"));
    browser.go(&format!("{origin}{out}"));
    look(browser, "7-unsubscribe");
    browser.tab_to("value", "list");
    browser.picture("7-focus");
    browser.enter();
    assert!(browser.html().contains("sends you no more of"));
    look(browser, "8-unsubscribed");
    assert_eq!(run.block_on(pages.subscribers()), 0);

    for (name, path) in [
        ("9-privacy", "/privacy"),
        ("9-welsh", "/?lang=cy"),
        ("9-nowhere", "/nowhere"),
    ] {
        browser.go(&format!("{origin}{path}"));
        look(browser, name);
    }
    assert_eq!(browser.cookies(), 0);
    let own = |url: &&String| url.starts_with(&origin) || url.starts_with("about:");
    let foreign: Vec<_> = browser.asked.iter().filter(|url| !own(url)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_enough_and_scripts_are_not_needed() {
    let pages = Pages::start().await;
    let run = Handle::current();
    let told = tokio::task::spawn_blocking(move || {
        if let Some(mut browser) = Browser::start() {
            story(&mut browser, &pages, &run);
        }
    });
    told.await.unwrap();
}
