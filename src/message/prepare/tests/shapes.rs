//! Mails of each shape, and what they become.

use super::{leaves, parse, texts, well_formed};
use crate::message::testing::{IMPRINT, copy, mail, prepared, values};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg\ngg==";

const HTML: &str = "<html><head><meta charset=iso-8859-1></head><body><p>Caf\u{e9} &amp; <a href=\"https://party.example/x\">more</a></p></body></html>";
const SIGNATURE: &str = "Content-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
const UTF8: &str = "charset=utf-8\nContent-Transfer-Encoding: 8bit";

/// Its name, its bytes, and the shape that it becomes.
type Shape = (&'static str, Vec<u8>, &'static str);

fn image() -> String {
    format!(
        "Content-Type: image/png; name=\"a b.png\"\nContent-Transfer-Encoding: base64\nContent-ID: <pic@x>\n\
         Content-Disposition: inline; filename=\"a b.png\"\n\n{PNG}\n"
    )
}

/// A mail of each shape, with the shape that it becomes.
pub(super) fn shapes() -> Vec<Shape> {
    [texts_alone(), with_attachments(), signed_and_odd()].concat()
}

fn texts_alone() -> Vec<Shape> {
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
            mail(&format!("Content-Type: text/html; {UTF8}\n"), HTML),
            "multipart/alternative[text/plain text/html]",
        ),
        (
            "alternative",
            mail(
                "Content-Type: multipart/alternative; boundary=\"b1\"\n",
                &format!(
                    "--b1\nContent-Type: text/plain; {UTF8}\n\nCaf\u{e9}\n--b1\nContent-Type: text/html; {UTF8}\n\n{HTML}\n--b1--\n"
                ),
            ),
            "multipart/alternative[text/plain text/html]",
        ),
    ]
}

fn with_attachments() -> Vec<Shape> {
    let image = image();
    vec![
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
                    "--b1\nContent-Type: text/html; {UTF8}\n\n<img src=\"cid:pic@x\" alt=\"A rose\">\n--b1\n{image}--b1--\n"
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
                     Content-Type: text/html; {UTF8}\n\n{HTML}\n--b1x--\n--b1\n{image}--b1--\n"
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
                     Content-Type: multipart/related; boundary=in\n\n--in\nContent-Type: text/html; {UTF8}\n\n{HTML}\n--in\n{image}--in--\n--mid--\n\
                     --outer\nContent-Type: text/csv; charset=utf-8; name=a.csv\nContent-Disposition: attachment; filename=a.csv\n\na,b\n\
                     1,2\n--outer--\n"
                ),
            ),
            "multipart/mixed[multipart/alternative[text/plain multipart/related[text/html image/png]] text/csv]",
        ),
    ]
}

fn signed_and_odd() -> Vec<Shape> {
    let image = image();
    vec![
        (
            "signed",
            mail(
                "Content-Type: multipart/signed; boundary=s1; micalg=pgp-sha256;\n protocol=\"application/pgp-signature\"\n",
                &format!(
                    "--s1\nContent-Type: text/plain; charset=utf-8\n\nSigned  text \t\n\n--s1\n{SIGNATURE}--s1--\n"
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
                     --s1\nContent-Type: text/plain\n\nSigned\n--s1\n{SIGNATURE}--s1--\n--m1\n{image}--m1--\n"
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
