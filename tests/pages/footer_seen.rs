//! The footer of a list mail, as a browser shows it under style sheets that would hide it (law row G2).

use base64::Engine as _;
use hustings::message::footer::FooterText;
use hustings::message::inspect::inspect;
use hustings::message::mime::{Limits, text};
use hustings::message::prepare::{Letterhead, prepare};
use hustings::message::rules;
use hustings::message::segment::SlotValues;
use serde_json::json;

use super::chromium::Browser;

/// What the sender wrote above the footer: sheets first, then elements, then what is left open.
const HOSTILE: [&str; 27] = [
    "<style>div[lang]{display:none}</style><h1>x</h1>",
    "<style>body *{color:#fff!important;font-size:1px!important}h1{color:#000!important}</style><h1>x</h1>",
    "<body style='background:#111;color:#eee'><p>x</body>",
    "<style>*{visibility:hidden!important}h1{visibility:visible!important}</style><h1>x</h1>",
    "<style>*{opacity:0!important;-webkit-text-fill-color:transparent!important}</style><h1>x</h1>",
    "<style>body{height:90px;overflow:hidden!important}</style><h1>x</h1>",
    "<style>html{height:90px;overflow:hidden!important}</style><html><body><h1>x</h1></body></html>",
    "<body style='max-height:90px;overflow:hidden!important;clip-path:inset(0 0 90% 0)'><h1>x</h1></body>",
    "<style>body{position:absolute;left:-9999px;top:-9999px}</style><h1>x</h1>",
    "<style>html{margin:-9999px 0 0 -9999px!important}</style><h1>x</h1>",
    "<style>body{transform:scale(0)!important;zoom:.01;filter:opacity(0)}</style><h1>x</h1>",
    "<style>p,a,div{position:absolute!important;left:-9999px!important;transform:translateX(-9999px)!important}</style>x",
    "<style>p,a,div,strong{font:0/0 a!important;text-indent:-9999px!important;letter-spacing:-1em!important}</style>x",
    "<style>p,a,div,strong{max-height:0!important;overflow:hidden!important;clip-path:circle(0)!important}</style>x",
    "<style>@keyframes a{from,to{opacity:0;color:#fff}}*{animation:a 1s infinite!important}</style>x",
    "<style>@starting-style{*{opacity:0;color:#fff}}*{transition:all 9999s!important}</style>x",
    "<style>@layer a{*{display:none!important;color:#fff!important}}</style>x",
    "<style>@font-face{font-family:Arial;src:local('x')}*{writing-mode:vertical-rl!important;direction:rtl!important;unicode-bidi:bidi-override!important}</style>x",
    "<style>.c{position:fixed;inset:0;background:#fff;z-index:2147483647}</style><div class=c>x</div>",
    "x</body></html><div style='position:fixed;inset:0;background:#fff;z-index:2147483647'>y</div>",
    "<div style='margin-bottom:-600px;height:600px;background:#fff;position:relative;z-index:9'>x</div>",
    "<p><b style='display:none'>x</p>",
    "<p><font color=white size=1>x</p>",
    "<li style='display:none'>x",
    "<b hidden><div style='display:none'></b>x",
    "<b hidden><table><tr><td></b>x",
    "<body hidden><style>html{content-visibility:hidden;contain:strict}</style>x</body>",
];

fn page(body: &str) -> String {
    let footer = FooterText {
        party: "The Example Party",
        imprint: "Promoted by The Example Party of 1 High Street, Anytown, AB1 2CD.",
        why: "You get this because you asked for it.",
        right_heading: "Your right to stop this",
        right: "You have the right to object.",
        way_out: "Stop these e-mails",
        postal_address: "1 High Street, Anytown, AB1 2CD",
        complaints: "Unhappy? Complain to us.",
    };
    let footer = footer.footer().unwrap();
    let letterhead = Letterhead {
        from_name: "The Example Party",
        from_address: "news@party.example",
        reply_to: None,
        list_id: "news.party.example",
        list_name: "News",
        footer: &footer,
    };
    let mail = format!(
        "From: <news@party.example>\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n{body}\r\n"
    );
    let mail = inspect(mail.as_bytes(), &Limits::default()).unwrap();
    let mut refusals = Vec::new();
    rules::check_html(body, &[], true, &mut refusals);
    assert_eq!(refusals, [], "{body}");
    let values = SlotValues {
        to: "ann@far.example",
        message_id: "m@party.example",
        date: jiff::Timestamp::UNIX_EPOCH,
        unsubscribe_url: "https://party.example/u/token",
        unsubscribe_mailto: "mailto:u+token@party.example",
    };
    let prepared = prepare(&mail, &letterhead).unwrap();
    let copy = prepared.personalise(&values).unwrap().concat();
    let copy = inspect(&copy, &Limits::default()).unwrap();
    let mut html = None;
    copy.root.walk(&mut |part| {
        if part.is("text/html") {
            html = Some(text::decode(part).unwrap());
        }
    });
    html.unwrap()
}

/// How many dots of ink the way out and the block around it show once one has scrolled to the end, and how much of the
/// block is paper.
fn ink(browser: &mut Browser, body: &str) -> (f64, f64) {
    let engine = base64::engine::general_purpose::STANDARD;
    let html = format!("<!doctype html><meta charset=utf-8>{}", page(body));
    browser.go(&format!("data:text/html;base64,{}", engine.encode(html)));
    let place = browser.evaluate(
        "(async () => {
            scrollTo(0, 1e9);
            let block = document.querySelector('a[href$=\"/u/token\"]');
            while (block.style.zIndex !== '2147483647') block = block.parentElement;
            const box = block.getBoundingClientRect();
            return [box.left, box.top, box.width, box.height, innerWidth, innerHeight];
        })()",
    );
    let place: Vec<f64> = serde_json::from_value(place).unwrap();
    let [left, top, width, height, wide, high] = place[..] else {
        panic!("{place:?}")
    };
    let inside =
        left >= 0.0 && top >= 0.0 && left + width <= wide + 1.0 && top + height <= high + 1.0;
    assert!(inside && height > 100.0, "{body}: {place:?}");
    let picture = browser.call("Page.captureScreenshot", json!({"format": "png"}));
    let picture = picture["data"].as_str().unwrap();
    let counted = browser.evaluate(&format!(
        "(async () => {{
            const bytes = Uint8Array.from(atob('{picture}'), c => c.charCodeAt(0));
            const image = await createImageBitmap(new Blob([bytes], {{type: 'image/png'}}));
            const canvas = new OffscreenCanvas(image.width, image.height);
            const paint = canvas.getContext('2d');
            paint.drawImage(image, 0, 0);
            const dots = paint.getImageData({left}, {top}, {width}, {height}).data;
            let [ink, paper] = [0, 0];
            for (let at = 0; at < dots.length; at += 4) {{
                const light = dots[at] + dots[at + 1] + dots[at + 2];
                if (light < 300) ink++;
                if (light > 750) paper++;
            }}
            return [ink, paper / (dots.length / 4)];
        }})()"
    ));
    serde_json::from_value(counted).unwrap()
}

#[test]
fn no_style_of_the_sender_hides_the_footer() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.look(800, false);
    let (plain, _) = ink(&mut browser, "<p>x</p>");
    assert!(plain > 1000.0, "{plain}");
    for body in HOSTILE {
        let (ink, paper) = ink(&mut browser, body);
        let close = (0.9..1.1).contains(&(ink / plain));
        assert!(
            close && paper > 0.8,
            "{body}: {ink} dots of {plain}, paper {paper}"
        );
    }
}
