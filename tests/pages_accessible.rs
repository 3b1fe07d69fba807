//! Every page, as a bright desk and a dark telephone show it, under axe-core: no violation of WCAG 2.2 A and AA, nor of
//! axe's best practices. `HUSTINGS_AXE` names the file `axe.min.js` of the npm package axe-core.

#![allow(clippy::unwrap_used)]

#[path = "support/chromium.rs"]
mod chromium;
#[path = "support/pages.rs"]
mod support;

use chromium::Browser;
use hustings::address::EmailAddress;
use jiff::SignedDuration;
use serde_json::Value;
use support::Pages;
use tokio::runtime::Handle;

const ANN: &str = "ann@far.example";
const BEA: &str = "bea@far.example";

/// What axe found on the page, a line each.
const RUN: &str = "axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
}).then(found => ({
    passed: found.passes.length,
    violations: found.violations.map(v => v.id + ': ' + v.help + ' at ' + v.nodes.map(n => n.target).join(', ')),
}))";

/// The source of axe-core; none where it isn't given, which is an error in CI.
fn axe() -> Option<String> {
    let Some(file) = std::env::var_os("HUSTINGS_AXE") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set HUSTINGS_AXE");
        println!("skipped: needs HUSTINGS_AXE, the path of axe-core's axe.min.js");
        return None;
    };
    Some(std::fs::read_to_string(file).unwrap())
}

/// A browser that judges.
struct Judge {
    browser: Browser,
    axe: String,
    origin: String,
    looks: usize,
}

impl Judge {
    fn look(&mut self, name: &str) {
        for (width, dark) in [(1280, false), (320, true)] {
            self.browser.look(width, dark);
            let script = format!("{};\n{RUN}", self.axe);
            let found = self.browser.evaluate(&script);
            assert_eq!(
                found["violations"].as_array().map(Vec::len),
                Some(0),
                "{name} at {width} px, dark: {dark}: {}",
                found["violations"]
            );
            assert!(
                found["passed"].as_u64() > Some(10),
                "axe looked at the page"
            );
            self.looks += 1;
            let shade = if dark { "dark" } else { "light" };
            self.browser.picture(&format!("axe-{name}-{width}-{shade}"));
        }
    }

    fn go(&mut self, name: &str, path: &str) {
        self.browser.go(&format!("{}{path}", self.origin));
        self.look(name);
    }

    fn press(&mut self, name: &str, attribute: &str, value: &str) {
        self.browser.tab_to(attribute, value);
        self.browser.enter();
        self.look(name);
    }
}

fn open_pages(judge: &mut Judge, pages: &Pages, run: &Handle) {
    judge.go("sign-up", "/");
    pages.pass(SignedDuration::from_secs(5));
    judge.press("problems", "type", "submit");
    judge.go("sign-up-welsh", "/?lang=cy");
    judge.go("privacy", "/privacy");
    judge.go("privacy-welsh", "/privacy?lang=cy");
    judge.go("nowhere", "/nowhere");
    judge.go("bad-link", "/c/not-a-token");
    let answer = run.block_on(pages.sign_up(ANN));
    assert_eq!(answer.status, 200);
    run.block_on(pages.work());
    let link = run.block_on(pages.link_to(ANN, "/c/"));
    let never = run.block_on(pages.link_to(ANN, "/n/"));
    judge.go("confirm", &link);
    judge.press("subscribed", "type", "submit");
    let out = run.block_on(pages.link_to(ANN, "/u/"));
    judge.go("unsubscribe", &out);
    judge.press("unsubscribed", "value", "list");
    judge.go("never", &never);
    judge.press("never-again", "type", "submit");
    judge.go("approve", "/a/good");
    judge.press("approved", "value", "approve");
    judge.go("approve-with-code", "/a/coded");
    judge.press("approve-code-missing", "value", "approve");
    judge.go("approve-with-code-welsh", "/a/coded?lang=cy");
    judge.press("approve-code-missing-welsh", "value", "approve");
    judge.go("approval-gone", "/a/other");
    let mail = pages
        .consent
        .subscribe_by_mail(EmailAddress::parse(BEA).unwrap(), "news");
    run.block_on(mail).unwrap();
    run.block_on(pages.work());
    let link = run.block_on(pages.link_to(BEA, "/c/"));
    judge.go("full-form", &link);
    judge.press("full-form-problems", "type", "submit");
}

fn judge(browser: Browser, axe: &str, pages: &Pages) -> Judge {
    Judge {
        browser,
        axe: axe.to_owned(),
        origin: format!("https://{}", pages.address),
        looks: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_violates_wcag() {
    let Some(axe) = axe() else { return };
    let (pages, locked) = (Pages::start().await, Pages::start_locked().await);
    let run = Handle::current();
    let told = tokio::task::spawn_blocking(move || {
        let Some(browser) = Browser::start() else {
            return;
        };
        let mut judge = judge(browser, &axe, &pages);
        open_pages(&mut judge, &pages, &run);
        judge.origin = format!("https://{}", locked.address);
        judge.go("locked", "/");
        assert_eq!(judge.looks, 2 * 23, "each page was looked at");
    });
    told.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_violates_it_is_found() {
    let Some(axe) = axe() else { return };
    let told = tokio::task::spawn_blocking(move || {
        let Some(mut browser) = Browser::start() else {
            return;
        };
        browser.go("data:text/html,<img src=x><p style='color:%23999'>pale");
        let found = browser.evaluate(&format!("{axe};\n{RUN}"));
        let violations: Vec<&str> = found["violations"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let has = |id: &str| violations.iter().any(|found| found.starts_with(id));
        assert!(has("image-alt") && has("color-contrast"), "{violations:?}");
    });
    told.await.unwrap();
}
