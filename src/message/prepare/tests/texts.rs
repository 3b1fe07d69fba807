//! Charsets, the footer's place, and what must be refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::*;
use super::{parse, texts};
use crate::message::segment::SlotValues;
use crate::message::testing::{self, copy, mail, prepared, values};

#[test]
fn charsets_become_utf8() {
    let sources: [(&str, &[u8], &str); 7] = [
        ("windows-1252", b"\x80 5 \x96 \x93q\x94", "€ 5 – “q”"),
        ("iso-8859-14", b"\xde", "Ŷ"),
        ("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
        ("iso-2022-jp", b"\x1b$B$3$s\x1b(B", "こん"),
        ("utf-16", b"\xfe\xff\x00H\x00i", "Hi"),
        ("utf-8", "Ynys M\u{f4}n \u{1F339}".as_bytes(), "Ynys Môn 🌹"),
        ("us-ascii", b"plain", "plain"),
    ];
    for (charset, bytes, expected) in sources {
        let fields = format!(
            "Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n"
        );
        let message = mail(&fields, &format!("{}\n", STANDARD.encode(bytes)));
        let text = texts(&copy(&prepared(&message), &values()), "text/plain").remove(0);
        assert!(
            text.starts_with(&format!("{expected}\n\n----------\nThe Example Party\n")),
            "{charset}: {text}"
        );
    }
    for (charset, bytes, error) in [
        ("utf-8", &b"\xff"[..], MimeError::NotText),
        ("us-ascii", b"\xe9", MimeError::NotText),
        ("x-klingon", b"a", MimeError::Charset),
    ] {
        let fields = format!(
            "Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n"
        );
        let message = mail(&fields, &STANDARD.encode(bytes));
        let refused = prepare(&parse(&message), &testing::letterhead(&testing::footer()));
        assert_eq!(refused, Err(PrepareError::Mime(error)));
    }
}

#[test]
fn the_footer_stands_where_it_is_seen() {
    let text =
        |body: &str| texts(&copy(&prepared(&mail("", body)), &values()), "text/plain").remove(0);
    // Before a signature, which mail programs grey out.
    let signed = text("Hello\n-- \nAnn\n");
    assert!(
        signed.find("Promoted by") < signed.find("-- \nAnn"),
        "{signed}"
    );
    // But after what is too long to be one, and after an inline PGP signature.
    let long = text(&format!("Hello\n-- \n{}", "line\n".repeat(30)));
    assert!(long.trim_end().ends_with("0303 123 1113."), "{long}");
    let pgp = text(
        "-----BEGIN PGP SIGNED MESSAGE-----\n\nHi\n-- \nAnn\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n",
    );
    assert!(pgp.trim_end().ends_with("0303 123 1113."), "{pgp}");

    let html = |body: &str| {
        let message = mail("Content-Type: text/html; charset=utf-8\n", body);
        texts(&copy(&prepared(&message), &values()), "text/html").remove(0)
    };
    // Before the last </body> that is one, outside whatever was left open.
    let page = html(
        "<body><div style='display:none'><table><tr><td>x<!-- </body> --><a title='</body>'>y</body></html>",
    );
    let footer = page.find("<div style=\"color:#1f1f1f").unwrap();
    assert!(
        page[..footer].trim_end().ends_with("y</a></table></div>"),
        "{page}"
    );
    assert!(page[footer..].contains("</div>\n</body></html>"), "{page}");
    // At the end when there is none.
    assert!(html("<p>x").trim_end().ends_with("</div>"));
    assert!(html("<p>x</html>").trim_end().ends_with("</div>\n</html>"));
    // The charset that the page names isn't its charset any more.
    let page = html(
        "<head><META HTTP-EQUIV=Content-Type content='text/html; charset=koi8-r'><meta name=x></head>x",
    );
    assert!(
        !page.contains("koi8-r") && page.contains("<meta name=x>"),
        "{page}"
    );
}

#[test]
fn a_page_that_nests_without_end_is_closed_in_bounded_time() {
    let body = format!("{}x{}", "<b>".repeat(20_000), "</i></body>".repeat(20_000));
    let message = mail("Content-Type: text/html\n", &body);
    let page = texts(&copy(&prepared(&message), &values()), "text/html").remove(0);
    let closed = page.matches("</b>").count();
    assert!((20_000..=40_000).contains(&closed), "{closed}");
}

/// What a browser would take the footer into.
#[test]
fn the_footer_stands_in_nothing_that_was_left_open() {
    let closing = |body: &str| {
        let message = mail("Content-Type: text/html; charset=utf-8\n", body);
        let page = texts(&copy(&prepared(&message), &values()), "text/html").remove(0);
        let footer = page.find("\n<div style=\"color:#1f1f1f").unwrap();
        page[..footer].rsplit('x').next().unwrap().to_owned()
    };
    for (body, expected) in [
        ("<p>x</p>", "</p>"),
        ("<ul><li>a<li>x</ul>", "</ul>"),
        ("<p><b hidden>x</p>", "</p></b></b>"),
        ("<b hidden><div hidden>x</b>", "</b></div></div>"),
        ("<li hidden>x", "</li>"),
        ("<b hidden><table><tr><td><i></b>x", "</i></table></b>"),
        ("<div hidden><p>x</body></html>", "</div>"),
    ] {
        let found = closing(body);
        assert!(
            found == expected || found.starts_with(expected),
            "{body}: {found}"
        );
    }
}

#[test]
fn the_page_itself_hides_nothing_that_stands_in_it() {
    let page = |body: &str| {
        let message = mail("Content-Type: text/html; charset=utf-8\n", body);
        texts(&copy(&prepared(&message), &values()), "text/html").remove(0)
    };
    // Nothing is put on a page that has no style.
    assert!(page("<html><body lang=en><p>x</body></html>").starts_with("<html><body lang=en><p>x"));
    // Ours stands before what is its own, which has no say against it.
    let own = page("<body hidden class=c style='overflow:hidden!important;color:red'>x</body>");
    assert!(
        own.starts_with("<body class=\"c\" style=\"display:block!important;"),
        "{own}"
    );
    assert!(own.contains(";overflow:hidden;color:red\">x"), "{own}");
    // A sheet's rule for elements that aren't written out.
    let sheet = page("<style>body{height:0;overflow:hidden}</style>x");
    assert!(
        sheet.contains("x<html style=\"display:block")
            && sheet.contains("<body style=\"display:block")
    );
    assert!(!sheet.contains("margin:0!important\"><body"), "{sheet}");
    let moved = page("<style>html{margin-left:-9999px}</style><html><body>x</body></html>");
    assert!(moved.contains(";margin:0!important;\">"), "{moved}");
    // The footer is the last of all that is shown.
    let late = page("<body>x</body></html><div style='position:fixed'>y</div>");
    assert!(late.find("y</div>") < late.find("Promoted by"), "{late}");
}

#[test]
fn a_subject_keeps_its_words_and_can_not_end_its_line() {
    for (subject, expected) in [
        ("=?utf-8?q?Caf=C3=A9?= =?utf-8?q?_open?=", "Café open"),
        ("=?utf-8?q?a=0D=0ABcc:_x@y.example?=", "aBcc: x@y.example"),
        (
            "A very long subject that goes on and on, well over the seventy-eight columns that a line should have",
            "",
        ),
    ] {
        let message = String::from_utf8(mail("", "x\n")).unwrap();
        let message = message.replace("Meeting on Friday", subject).into_bytes();
        let copy = copy(&prepared(&message), &values());
        let mail = parse(&copy);
        assert_eq!(mail.bcc, []);
        let expected = if expected.is_empty() {
            subject
        } else {
            expected
        };
        assert_eq!(mail.subject.as_deref(), Some(expected));
        let header = String::from_utf8(copy).unwrap();
        let header = header.split("\r\n\r\n").next().unwrap().to_owned();
        assert!(
            header
                .split("\r\n")
                .filter(|line| !line.contains("/u/"))
                .all(|line| line.len() <= 78),
            "{header}"
        );
    }
}

#[test]
fn a_signed_part_that_would_be_changed_on_the_way_is_refused() {
    let long = "x".repeat(999);
    for text in ["Café", long.as_str()] {
        let message = mail(
            "Content-Type: multipart/signed; boundary=s1\n",
            &format!(
                "--s1\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--s1\nContent-Type: application/pgp-signature\n\nx\n--s1--\n"
            ),
        );
        let refused = prepare(&parse(&message), &testing::letterhead(&testing::footer()));
        assert_eq!(refused, Err(PrepareError::Opaque));
    }
}

#[test]
fn a_list_that_would_break_the_header_is_refused() {
    let message = mail("", "x\n");
    let footer = testing::footer();
    for bad in ["", "a@b>\r\nBcc: <c@d", "a b@c"] {
        let good = testing::letterhead(&footer);
        for letterhead in [
            Letterhead {
                from_address: bad,
                ..good
            },
            Letterhead {
                reply_to: Some(bad),
                ..good
            },
            Letterhead {
                list_id: bad,
                ..good
            },
        ] {
            assert_eq!(
                prepare(&parse(&message), &letterhead),
                Err(PrepareError::Letterhead)
            );
        }
    }
    let name = Letterhead {
        from_name: "Evil\r\nBcc: x@y.example",
        ..testing::letterhead(&footer)
    };
    let prepared = prepare(&parse(&message), &name).unwrap();
    assert!(parse(&copy(&prepared, &values())).bcc.is_empty());
}

#[test]
fn values_that_could_end_a_line_or_a_bracket_are_refused() {
    use crate::message::segment::SlotError;
    let prepared = prepared(&mail("", "x\n"));
    let refused = |values: SlotValues<'_>| prepared.personalise(&values).unwrap_err();
    let long = format!("https://a.example/{}", "x".repeat(900));
    for bad in [
        "",
        "a",
        "a@",
        "@b",
        "a@b\r\nBcc: c@d",
        "a@b>, <c@d",
        "a b@c",
        "a,b@c",
        "\"a\r\nb\"@c",
    ] {
        assert_eq!(
            refused(SlotValues {
                to: bad,
                ..values()
            }),
            SlotError::To,
            "{bad:?}"
        );
    }
    for good in ["\"a b\"@c.example", "o'x+y@c.example", "ä@ö.example"] {
        assert!(
            prepared
                .personalise(&SlotValues {
                    to: good,
                    ..values()
                })
                .is_ok(),
            "{good}"
        );
    }
    for bad in ["", "a", "a@b>", "a b@c", "é@b"] {
        assert_eq!(
            refused(SlotValues {
                message_id: bad,
                ..values()
            }),
            SlotError::MessageId
        );
    }
    for bad in [
        "",
        "http://a.example/u/x",
        "https://a b",
        "https://a>",
        "javascript:x",
        long.as_str(),
    ] {
        assert_eq!(
            refused(SlotValues {
                unsubscribe_url: bad,
                ..values()
            }),
            SlotError::UnsubscribeUrl
        );
    }
    for bad in [
        "",
        "u@a.example",
        "mailto:a@b>\r\nX: y",
        "https://a.example",
    ] {
        assert_eq!(
            refused(SlotValues {
                unsubscribe_mailto: bad,
                ..values()
            }),
            SlotError::UnsubscribeMailto
        );
    }
}

/// The last form that a program knows is what it shows.
#[test]
fn an_invitation_stands_after_the_forms_that_carry_the_footer() {
    let body = "--a\nContent-Type: text/plain\n\nCome\n--a\nContent-Type: text/html\n\n<p>Come\n--a\n\
        Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n--a--\n";
    let message = mail("Content-Type: multipart/alternative; boundary=a\n", body);
    let copy = copy(&prepared(&message), &values());
    let copy = parse(&copy);
    assert!(copy.root.is("multipart/mixed"));
    let kinds: Vec<_> = copy
        .root
        .children
        .iter()
        .map(|part| part.content_type.value.as_str())
        .collect();
    assert_eq!(kinds, ["multipart/alternative", "text/calendar"]);
    for form in &copy.root.children[0].children {
        assert!(
            crate::message::mime::text::decode(form)
                .unwrap()
                .contains("Promoted by")
        );
    }
}
