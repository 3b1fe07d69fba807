//! Every shape a mail program makes: what it becomes (snapshots), and what any reader must find in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::message::copy::CopyPlan;
use crate::message::dkim::SigningTime;
use crate::message::inspect::inspect;
use crate::message::mime::{Limits, text};
use crate::message::segment::SlotValues;
use crate::message::testing::{self, IMPRINT, Zone, copy, mail, prepared, signer, values};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg\ngg==";

/// A mail of each shape, with the shape that it becomes.
fn shapes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let html = "<html><head><meta charset=iso-8859-1></head><body><p>Caf\u{e9} &amp; <a href=\"https://party.example/x\">more</a></p></body></html>";
    let image = format!(
        "Content-Type: image/png; name=\"a b.png\"\nContent-Transfer-Encoding: base64\nContent-ID: <pic@x>\n\
         Content-Disposition: inline; filename=\"a b.png\"\n\n{PNG}\n"
    );
    let signature = "Content-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
    let utf8 = "charset=utf-8\nContent-Transfer-Encoding: 8bit";
    let mut latin1 = mail(
        "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n",
        "",
    );
    latin1.extend_from_slice(b"Caf\xe9 \xa35\r\n");
    vec![
        (
            "plain",
            mail("", "Hello all,\n\nsee you on Friday.\n-- \nAnn\n"),
            "text/plain",
        ),
        ("plain_latin1", latin1, "text/plain"),
        (
            "plain_flowed",
            mail(
                "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\n",
                "A long \nparagraph.\n\n > not a quote \n From here on \n",
            ),
            "text/plain",
        ),
        (
            "html",
            mail(&format!("Content-Type: text/html; {utf8}\n"), html),
            "multipart/alternative[text/plain text/html]",
        ),
        (
            "alternative",
            mail(
                "Content-Type: multipart/alternative; boundary=\"b1\"\n",
                &format!(
                    "--b1\nContent-Type: text/plain; {utf8}\n\nCaf\u{e9}\n--b1\nContent-Type: text/html; {utf8}\n\n{html}\n--b1--\n"
                ),
            ),
            "multipart/alternative[text/plain text/html]",
        ),
        (
            "mixed",
            mail(
                "Content-Type: multipart/mixed; boundary=\"b1\"\n",
                &format!(
                    "This is MIME.\n--b1\nContent-Type: text/plain\n\nHello\n--b1\nContent-Type: application/pdf\n\
                     Content-Transfer-Encoding: base64\nContent-Disposition: attachment;\n \
                     filename*=utf-8''Caf%C3%A9%20plan.pdf; size=4; creation-date=\"Sat, 21 Nov 2026 10:00:00 +0000\"\n\n\
                     JVBERg==\n--b1\n{image}--b1--\nepilogue\n"
                ),
            ),
            "multipart/mixed[text/plain application/pdf image/png]",
        ),
        (
            "related",
            mail(
                "Content-Type: multipart/related; boundary=\"b1\"\n",
                &format!(
                    "--b1\nContent-Type: text/html; {utf8}\n\n<img src=\"cid:pic@x\" alt=\"A rose\">\n--b1\n{image}--b1--\n"
                ),
            ),
            "multipart/related[multipart/alternative[text/plain text/html] image/png]",
        ),
        (
            "alternative_in_related",
            mail(
                "Content-Type: multipart/related; boundary=\"b1\"; type=\"multipart/alternative\"\n",
                &format!(
                    "--b1\nContent-Type: multipart/alternative; boundary=\"b1x\"\n\n--b1x\nContent-Type: text/plain\n\nHello\n--b1x\n\
                     Content-Type: text/html; {utf8}\n\n{html}\n--b1x--\n--b1\n{image}--b1--\n"
                ),
            ),
            "multipart/related[multipart/alternative[text/plain text/html] image/png]",
        ),
        (
            "related_in_alternative_in_mixed",
            mail(
                "Content-Type: multipart/mixed; boundary=outer\n",
                &format!(
                    "--outer\nContent-Type: multipart/alternative; boundary=mid\n\n--mid\nContent-Type: text/plain\n\nHello\n--mid\n\
                     Content-Type: multipart/related; boundary=in\n\n--in\nContent-Type: text/html; {utf8}\n\n{html}\n--in\n{image}--in--\n--mid--\n\
                     --outer\nContent-Type: text/csv; charset=utf-8; name=a.csv\nContent-Disposition: attachment; filename=a.csv\n\na,b\n\
                     1,2\n--outer--\n"
                ),
            ),
            "multipart/mixed[multipart/alternative[text/plain multipart/related[text/html image/png]] text/csv]",
        ),
        (
            "signed",
            mail(
                "Content-Type: multipart/signed; boundary=s1; micalg=pgp-sha256;\n protocol=\"application/pgp-signature\"\n",
                &format!(
                    "--s1\nContent-Type: text/plain; charset=utf-8\n\nSigned  text \t\n\n--s1\n{signature}--s1--\n"
                ),
            ),
            "multipart/mixed[multipart/signed[text/plain application/pgp-signature] multipart/alternative[text/plain text/html]]",
        ),
        (
            "signed_in_mixed",
            mail(
                "Content-Type: multipart/mixed; boundary=m1\n",
                &format!(
                    "--m1\nContent-Type: multipart/signed; boundary=s1; micalg=pgp-sha256;\n protocol=\"application/pgp-signature\"\n\n\
                     --s1\nContent-Type: text/plain\n\nSigned\n--s1\n{signature}--s1--\n--m1\n{image}--m1--\n"
                ),
            ),
            "multipart/mixed[multipart/signed[text/plain application/pgp-signature] multipart/alternative[text/plain text/html] image/png]",
        ),
        (
            "smime",
            mail(
                "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\nContent-Transfer-Encoding: base64\n\
                 Content-Disposition: attachment; filename=smime.p7m\n",
                "MIAGCSqGSIb3DQEHAqCAMIACAQExDTALBglghkgBZQMEAgEwgA==\n",
            ),
            "multipart/mixed[application/pkcs7-mime multipart/alternative[text/plain text/html]]",
        ),
        (
            "attachment_alone",
            mail(
                &image[..image.find("\n\n").unwrap() + 1],
                &format!("{PNG}\n"),
            ),
            "multipart/mixed[image/png multipart/alternative[text/plain text/html]]",
        ),
        (
            "html_between_attachments",
            mail(
                "Content-Type: multipart/alternative; boundary=a\n",
                &format!(
                    "--a\nContent-Type: text/plain\n\nHello\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n\
                     <p>One</p>\n--b\n{image}--b\nContent-Type: text/html\n\n<div><b>Two\n--b--\n--a--\n"
                ),
            ),
            "multipart/alternative[text/plain multipart/mixed[text/html image/png text/html]]",
        ),
    ]
}

fn parse(message: &[u8]) -> Inspection<'_> {
    inspect(message, &Limits::default()).unwrap()
}

fn leaves<'p, 'm>(part: &'p Part<'m>) -> Vec<&'p Part<'m>> {
    let mut found = Vec::new();
    part.walk(&mut |part| {
        if !part.is_multipart() {
            found.push(part);
        }
    });
    found
}

fn texts(message: &[u8], media_type: &str) -> Vec<String> {
    let mail = parse(message);
    let leaves = leaves(&mail.root);
    leaves
        .iter()
        .filter(|part| part.is(media_type))
        .map(|part| text::decode(part).unwrap())
        .collect()
}

#[test]
fn every_shape_becomes_what_it_should() {
    for (name, message, shape) in shapes() {
        let copy = copy(&prepared(&message), &values());
        assert_eq!(parse(&copy).shape(), shape, "{name}");
        insta::assert_snapshot!(name, String::from_utf8(copy).unwrap().replace("\r\n", "\n"));
    }
}

#[test]
fn every_copy_has_one_header_of_ours_and_a_footer_in_text_and_html() {
    for (name, message, _) in shapes() {
        let copy = copy(&prepared(&message), &values());
        let mail = parse(&copy);
        assert!(mail.repeated.is_empty(), "{name}");
        assert_eq!(mail.from[0].address, "news@party.example");
        assert_eq!(mail.from[0].name, "The Example Party");
        assert_eq!(mail.to.len(), 1);
        assert_eq!(mail.to[0].address, "ann@voter.example");
        assert_eq!(mail.subject.as_deref(), Some("Meeting on Friday"));
        assert_eq!(
            mail.message_id.as_deref(),
            Some("mabcdefgh234567@party.example")
        );
        let unsubscribe = mail.root.field("List-Unsubscribe").unwrap().text();
        let expected = format!(
            "<{}>, <{}>",
            values().unsubscribe_url,
            values().unsubscribe_mailto
        );
        assert_eq!(
            unsubscribe.split_whitespace().collect::<String>(),
            expected.replace(' ', "")
        );
        for gone in [
            "Received",
            "User-Agent",
            "X-Originating-IP",
            "Precedence",
            "Auto-Submitted",
            "Bcc",
        ] {
            assert!(mail.root.field(gone).is_none(), "{name}: {gone}");
        }
        assert!(!String::from_utf8_lossy(&copy).contains("laptop"), "{name}");
        let with = |texts: Vec<String>| {
            texts
                .into_iter()
                .filter(|text| text.contains(values().unsubscribe_url))
                .count()
        };
        let html = mail.shape().contains("text/html");
        assert_eq!(with(texts(&copy, "text/plain")), 1, "{name}");
        assert_eq!(with(texts(&copy, "text/html")), usize::from(html), "{name}");
        for text in texts(&copy, "text/plain")
            .into_iter()
            .filter(|text| text.contains("/u/"))
        {
            assert!(
                text.contains(IMPRINT)
                    && text.contains("\n\nYour right to stop this\nYou have the right"),
                "{name}"
            );
        }
        well_formed(&copy);
    }
}

fn well_formed(copy: &[u8]) {
    let text = String::from_utf8(copy.to_vec()).unwrap();
    assert!(text.ends_with("\r\n") && !text.contains('\0'));
    assert!(
        !text.replace("\r\n", "").contains(['\r', '\n']),
        "CRLF only"
    );
    assert!(
        text.split("\r\n").all(|line| line.len() <= 998),
        "lines of 998 at most"
    );
}

#[test]
fn a_signed_part_and_every_attachment_keep_their_octets() {
    for (name, message, _) in shapes() {
        let copy = copy(&prepared(&message), &values());
        let (before, after) = (parse(&message), parse(&copy));
        let contains = |raw: &[u8]| copy.windows(raw.len()).any(|window| window == raw);
        before.root.walk(&mut |part| {
            if part.is("multipart/signed") {
                assert!(contains(part.body.trim_ascii_end()), "{name}");
            } else if !part.is_multipart() && !part.is_body_text() {
                let octets = part.decoded().unwrap();
                let kept = leaves(&after.root).iter().any(|kept| {
                    kept.content_type.value == part.content_type.value
                        && kept.decoded().unwrap().trim_ascii_end() == octets.trim_ascii_end()
                        && kept.file_name() == part.file_name()
                        && kept.content_id() == part.content_id()
                });
                assert!(kept, "{name}: {}", part.content_type.value);
            }
        });
    }
}

#[tokio::test]
async fn every_shape_is_signed_so_that_an_independent_verifier_accepts_it() {
    let zone = Zone::new();
    let time = SigningTime {
        at: "2026-11-21T10:00:00Z".parse().unwrap(),
        expires: None,
    };
    for (name, message, _) in shapes() {
        let prepared = prepared(&message);
        let plan = CopyPlan::new(prepared.clone());
        let signed = plan.signed_copy(&values(), signer(), time).unwrap();
        let bytes = signed.chunks().concat();
        assert_eq!(bytes.len(), signed.len());
        assert!(
            bytes.ends_with(&copy(&prepared, &values())),
            "{name}: the copy is what was approved"
        );
        assert_eq!(zone.verify(&bytes).await, [true, true], "{name}");
        assert_eq!(
            plan.signed_copy(&values(), signer(), time)
                .unwrap()
                .chunks()
                .concat(),
            bytes,
            "byte-alike"
        );
        testing::dkimpy_verifies(&bytes);
    }
}

#[test]
fn python_reads_the_same_texts() {
    const PROGRAM: &str = "
import email, email.policy, sys
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
defects = [d for part in message.walk() for d in part.defects]
texts = [p.get_content() for p in message.walk() if p.get_content_type() in ('text/plain', 'text/html')]
names = [p.get_filename() or '' for p in message.walk()]
sys.stdout.buffer.write(repr(defects).encode() + b'\\0' + message['From'].encode() + b'\\0' + '\\x01'.join(names).encode() + b'\\0' + '\\0'.join(texts).encode())
";
    for (name, message, _) in shapes() {
        let copy = copy(&prepared(&message), &values());
        let Some(output) = testing::python("email", PROGRAM, &[], &copy) else {
            println!("skipped: needs python3");
            return;
        };
        let mut output = output.split('\0');
        assert_eq!(output.next(), Some("[]"), "{name}: no defects");
        assert_eq!(
            output.next(),
            Some("The Example Party <news@party.example>"),
            "{name}"
        );
        let names = output.next().unwrap();
        if name == "mixed" {
            assert!(names.contains("Caf\u{e9} plan.pdf"), "{names}");
        }
        let mail = parse(&copy);
        let ours: Vec<String> = leaves(&mail.root)
            .iter()
            .filter(|part| part.is("text/plain") || part.is("text/html"))
            .map(|part| text::decode(part).unwrap())
            .collect();
        let theirs: Vec<&str> = output.collect();
        let trim = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
        assert_eq!(
            theirs.iter().map(|t| trim(t)).collect::<Vec<_>>(),
            ours.iter().map(|t| trim(t)).collect::<Vec<_>>(),
            "{name}"
        );
    }
}

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

fn arb_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z .=\n]{0,300}",
        "(From |>| |\t|\\.|é|🌹|=|--|\n|[a-z]{1,90}){0,40}",
        "\\PC{0,80}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_reader_finds_the_text_and_the_values_whatever_their_length(
        body in arb_text(),
        token in "[a-z2-7]{1,700}",
        query in "(\\?a=b&c=d|%20|\\.|=|#x){0,3}",
    ) {
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        let message = mail(fields, &STANDARD.encode(body.replace('\n', "\r\n")));
        let prepared = prepared(&message);
        let url = format!("https://party.example/u/{token}{query}");
        let mailto = format!("mailto:u+{token}@party.example");
        let values = SlotValues { unsubscribe_url: &url, unsubscribe_mailto: &mailto, ..values() };
        let copy = copy(&prepared, &values);
        well_formed(&copy);
        let header_end = copy.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        prop_assert!(copy[header_end..].split(|&b| b == b'\n').all(|line| line.len() <= 77));
        let text = texts(&copy, "text/plain").remove(0);
        let way_out = format!("Stop these e-mails\n{url}\n\nThe Example Party, 1 High");
        prop_assert!(text.contains(&way_out), "{}", text);
        let (before, signature) = match body.rfind("\n-- \n") {
            Some(at) if body[at + 1..].lines().count() <= 12 => body.split_at(at + 1),
            _ => (body.as_str(), ""),
        };
        let expected = format!("{}\n\n----------\n", before.trim_end_matches('\n'));
        prop_assert!(text.starts_with(&expected), "{:?} {:?}", text, expected);
        prop_assert!(text.trim_end().ends_with(signature.trim_end()));
        // The body is its own relaxed form, so that copies are hashed as they are.
        let body_octets = &copy[header_end + 4..];
        prop_assert!(crate::message::dkim::is_relaxed(body_octets));
    }

    #[test]
    fn html_keeps_its_text_and_the_values_are_escaped(body in "(<p>|</p>|<b>|é|&amp;|[a-z ]{1,90}|\n){0,30}", token in "[a-z2-7]{1,700}") {
        let fields = "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        let message = mail(fields, &STANDARD.encode(&body));
        let url = format!("https://party.example/u/{token}?a=1&b=2");
        let values = SlotValues { unsubscribe_url: &url, ..values() };
        let copy = copy(&prepared(&message), &values);
        well_formed(&copy);
        let html = texts(&copy, "text/html").remove(0);
        prop_assert!(html.starts_with(body.as_str()), "{}", html);
        let link = format!("<a href=\"{}\" style", url.replace('&', "&amp;"));
        prop_assert!(html.contains(&link), "{}", html);
        prop_assert!(texts(&copy, "text/plain").remove(0).contains(&url));
    }

    #[test]
    fn a_prepared_mailing_survives_its_bytes_and_binds_all_of_them(body in arb_text(), flip in any::<prop::sample::Index>()) {
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        let message = mail(fields, &STANDARD.encode(&body));
        let mailing = prepared(&message);
        prop_assert_eq!(prepared(&message).digest(), mailing.digest(), "the same mail is prepared alike");
        let bytes = mailing.to_bytes();
        let again = Prepared::from_bytes(bytes.clone().into()).unwrap();
        prop_assert_eq!(&again, &mailing);
        prop_assert_eq!(again.digest(), mailing.digest());
        let mut bad = bytes.clone();
        let at = flip.index(bad.len());
        bad[at] ^= 1;
        if let Ok(other) = Prepared::from_bytes(bad.into()) {
            prop_assert_ne!(other.digest(), mailing.digest());
        }
        prop_assert!(Prepared::from_bytes(bytes[..at].to_vec().into()).is_err());
    }

    #[test]
    fn garbage_is_no_prepared_mailing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Prepared::from_bytes(bytes.into());
    }
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
