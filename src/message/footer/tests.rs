//! What a footer must have.

use super::*;
use crate::message::rules::Refusal;
use crate::message::testing::{self, IMPRINT};

const TEXT: &str = "The Party\nPromoted by X of Y, AB1 2CD.\nStop: {}\n";
const HTML: &str = "<p>Promoted by X of Y,<br>\nAB1&nbsp;2CD.</p><p><a href=\"{}\">Stop</a></p>";

fn new(text: &str, html: &str, imprint: &str) -> Result<Footer, FooterError> {
    let url = Slot::UnsubscribeUrl.marker();
    let text = Template::new(&text.replace("{}", &url))?;
    let html = Template::new(&html.replace("{}", &url))?;
    Footer::new(text, html, imprint)
}

#[test]
fn a_footer_without_way_out_or_imprint_is_refused() {
    let imprint = "Promoted by X\nof Y, AB1 2CD.";
    assert!(new(TEXT, HTML, imprint).is_ok());
    assert_eq!(
        new("Promoted by X of Y, AB1 2CD.", HTML, imprint),
        Err(FooterError::NoWayOut("text"))
    );
    assert_eq!(
        new(TEXT, "<p>Promoted by X of Y, AB1 2CD.</p>", imprint),
        Err(FooterError::NoWayOut("HTML"))
    );
    assert_eq!(
        new("Stop: {}", HTML, imprint),
        Err(FooterError::NoImprint("text"))
    );
    let hidden = "<!-- Promoted by X of Y, AB1 2CD. --><a href=\"{}\">Stop</a>";
    assert_eq!(
        new(TEXT, hidden, imprint),
        Err(FooterError::NoImprint("HTML"))
    );
    assert_eq!(new(TEXT, HTML, " \n"), Err(FooterError::NoImprint("text")));
    let long = format!("{TEXT}{}", "x".repeat(40_000));
    assert_eq!(new(&long, HTML, imprint), Err(FooterError::TooLong("text")));
    let remote = format!("{HTML}<img src=https://x/y>");
    let refused = Refusal::Remote {
        element: "img".into(),
    };
    assert_eq!(new(TEXT, &remote, imprint), Err(FooterError::Html(refused)));
    assert_eq!(
        new(TEXT, &format!("{HTML}<!--"), imprint),
        Err(FooterError::Html(Refusal::Unclosed))
    );
}

#[test]
fn markers_that_stand_for_nothing_are_refused() {
    for bad in [
        "\u{E000}",
        "\u{E001}",
        "\u{E000}x\u{E001}",
        "\u{E001}\u{E000}u\u{E001}",
        "\u{E000}uu\u{E001}",
    ] {
        assert_eq!(Template::new(bad), Err(FooterError::Marker), "{bad:?}");
    }
    let template = Template::new(&format!("  a  \n\n{}\n", Slot::To.marker())).unwrap();
    assert!(template.has(Slot::To) && !template.has(Slot::UnsubscribeUrl));
    // A marker survives being escaped for HTML, as templates do.
    let marker = Slot::UnsubscribeMailto.marker();
    assert_eq!(crate::message::html::entity::escape(&marker), marker);
}

#[test]
fn the_default_footer_has_its_order() {
    let footer = testing::footer();
    let html = footer.html().words();
    // The imprint stands above the way out, the right to object in a paragraph of its own.
    assert!(html.find("Promoted by") < html.find("Stop these e-mails"));
    let own = html
        .split("</p>")
        .find(|p| p.contains("You have the right to object"))
        .unwrap();
    assert!(!own.contains("Promoted") && !own.contains("You get this because"));
    assert!(footer.text().words().contains(IMPRINT));
}
