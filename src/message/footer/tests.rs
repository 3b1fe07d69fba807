//! What a footer must have, and that it can be read.

use super::default::{BLOCK, PARAGRAPH};
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

/// WCAG 2.2: relative luminance of a colour such as `#1f1f1f`.
fn luminance(colour: &str) -> f64 {
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn the_default_footer_can_be_read() {
    let footer = testing::footer();
    let html = footer.html().words();
    let background = luminance("#ffffff");
    assert!(BLOCK.contains("background:#ffffff") && !html.contains("font-size:0"));
    let colours: Vec<&str> = html
        .match_indices(";color:")
        .chain(html.match_indices("\"color:"))
        .map(|(at, _)| &html[at + 7..at + 14])
        .collect();
    assert!(colours.len() > 6, "{colours:?}");
    for colour in colours {
        let contrast = (background + 0.05) / (luminance(colour) + 0.05);
        assert!(contrast >= 4.5, "{colour}: {contrast}");
    }
    // No smaller than the text around it.
    for style in [BLOCK, PARAGRAPH] {
        assert!(style.contains("font-size:100%"));
    }
    // The imprint stands above the way out, the right to object in a paragraph of its own.
    assert!(html.find("Promoted by") < html.find("Stop these e-mails"));
    let own = html
        .split("</p>")
        .find(|p| p.contains("You have the right to object"))
        .unwrap();
    assert!(!own.contains("Promoted") && !own.contains("You get this because"));
    assert!(footer.text().words().contains(IMPRINT));
}
