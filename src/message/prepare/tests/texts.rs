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
    let footer = page.find("<div style=\"display:block").unwrap();
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
    assert!(page.contains(&format!("{}\n<div style", "</b>".repeat(512))));
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
