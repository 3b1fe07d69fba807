//! What a mail may hold.

use super::super::*;
use super::{html, refusals};
use crate::message::mime::MimeError;
use crate::message::testing::mail;

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let remote = |element: &str| Refusal::Remote {
        element: element.to_owned(),
    };
    for (body, expected) in [
        ("<img src=http://x/y>", remote("img")),
        ("<IMG SRC='HTTPS://x/y'>", remote("img")),
        ("<img src=//x/y>", remote("img")),
        ("<img src=pic.png>", remote("img")),
        ("<img/src=\"&#104;ttp://x\">", remote("img")),
        ("<img src=\" h\tttp://x\">", remote("img")),
        ("<img src=data:image/svg+xml,x>", remote("img")),
        ("<img src=data:text/html,x>", remote("img")),
        ("<img src=cid:pic src=http://x>", remote("img")),
        ("<img srcset='cid:a 1x, http://x 2x'>", remote("img")),
        ("<table background=http://x>", remote("table")),
        ("<body background=http://x>", remote("body")),
        ("<a href=https://x ping=https://y>x</a>", remote("a")),
        ("<v:fill src=http://x>", remote("v:fill")),
        ("<!--[if mso]><img src=http://x><![endif]-->", remote("img")),
        (
            "<img width=1 height=\"1px\" src=http://x>",
            Refusal::TrackingPixel,
        ),
        (
            "<p style='background:url(http://x)'>",
            Refusal::RemoteStyle("a font or picture"),
        ),
        (
            "<p style='background:\\75rl(http://x)'>",
            Refusal::RemoteStyle("a font or picture"),
        ),
        (
            "<p style=\"background:&#117;rl(http://x)\">",
            Refusal::RemoteStyle("a font or picture"),
        ),
        (
            "<style>body::after{content:'';position:fixed}</style>",
            Refusal::Beside,
        ),
        (
            "<style>@import 'http://x';</style>",
            Refusal::RemoteStyle("@import"),
        ),
        (
            "<STYLE>a{b:url(//x)}</STYLE>",
            Refusal::RemoteStyle("a font or picture"),
        ),
        (
            "<!--[if gte mso 9]><style>a{b:url(//x)}</style><![endif]-->",
            Refusal::RemoteStyle("a font or picture"),
        ),
        (
            "<p fill='url(http://x)'>",
            Refusal::RemoteStyle("a font or picture"),
        ),
        (
            "<img src=cid:nobody>",
            Refusal::MissingPart {
                element: "img".into(),
            },
        ),
    ] {
        let found = html(&format!("x{body}"));
        assert!(found.contains(&expected), "{body}: {found:?}");
    }
}

#[test]
fn nothing_runs_asks_or_nests() {
    for (body, element) in [
        ("<script>x</script>", "script"),
        ("<ScRiPt src=x></sCrIpT>", "script"),
        ("<svg><script>x</script></svg>", "svg"),
        ("<form action=https://x></form>", "form"),
        ("<input>", "input"),
        ("<iframe src=x></iframe>", "iframe"),
        ("<object data=x></object>", "object"),
        ("<embed src=x>", "embed"),
        ("<link rel=stylesheet href=https://x>", "link"),
        ("<base href=https://x>", "base"),
        (
            "<meta http-equiv=refresh content='0;url=https://x'>",
            "meta http-equiv",
        ),
        ("<video poster=x></video>", "video"),
        ("<math></math>", "math"),
        ("<plaintext>", "plaintext"),
        ("<svg:script>x</svg:script>", "svg:script"),
        ("<!--[if mso]><script>x</script><![endif]-->", "script"),
        ("<!--[if mso]><!x><script>x</script><!-->", "script"),
        ("<x:iframe src=x>", "x:iframe"),
        ("<?xml-stylesheet href='http://x'?>", "xml-stylesheet"),
    ] {
        let found = html(&format!("x{body}"));
        assert!(
            found.contains(&Refusal::Element(element.to_owned())),
            "{body}: {found:?}"
        );
    }
    for body in [
        "<p onclick=x>",
        "<p OnMouseOver=x>",
        "<p/onload=x>",
        "<a href=https://x onclick>",
        "<p a=\"\"onclick=x>",
    ] {
        assert!(matches!(html(body)[..], [Refusal::Script { .. }]), "{body}");
    }
    for link in [
        "javascript:x",
        "JaVaScRiPt:x",
        " java\tscript:x",
        "&#106;avascript:x",
        "java&NewLine;script:x",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
        "page.html",
        "www.party.example",
        "//party.example",
        "\u{1}javascript:x",
        "cid:x",
    ] {
        assert_eq!(
            html(&format!("<a href=\"{link}\">x</a>")),
            [Refusal::Link],
            "{link}"
        );
    }
    for open in [
        "x<!-- y",
        "x<style>p{}",
        "x<a href='y",
        "x<title>y",
        "x<textarea>y",
        "x<p",
    ] {
        assert!(html(open).contains(&Refusal::Unclosed), "{open}");
    }
}

fn mixed(part: &str) -> Vec<u8> {
    mail(
        "Content-Type: multipart/mixed; boundary=b\n",
        &format!("--b\n\nHi\n--b\n{part}\n--b--\n"),
    )
}

#[test]
fn what_can_not_be_checked_is_refused() {
    for (part, hidden) in [
        (
            "Content-Type: message/rfc822\n\nFrom: a@b\n\nx",
            Hidden::AttachedMessage,
        ),
        (
            "Content-Type: message/external-body; access-type=URL\n\n",
            Hidden::AttachedMessage,
        ),
        (
            "Content-Type: multipart/encrypted; boundary=e\n\n--e\n\nx\n--e--",
            Hidden::Encrypted,
        ),
        (
            "Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx",
            Hidden::OpaqueSignature,
        ),
        (
            "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx",
            Hidden::Encrypted,
        ),
        (
            "Content-Type: application/x-pkcs7-mime\n\nx",
            Hidden::Encrypted,
        ),
        ("Content-Type: text/x-amp-html\n\nx", Hidden::Amp),
    ] {
        let found = refusals(&mixed(part));
        assert!(
            found.contains(&Refusal::Hidden(hidden)),
            "{part}: {found:?}"
        );
    }
    // Attached HTML and SVG are read, by type and by name.
    for part in [
        "Content-Type: text/html\nContent-Disposition: attachment; filename=a\n\n<img src=http://x>",
        "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=A.HTM\n\n<img src=http://x>",
        "Content-Type: image/svg+xml\n\n<svg><image href=http://x></svg>",
    ] {
        assert!(
            matches!(refusals(&mixed(part))[..], [Refusal::Remote { .. }]),
            "{part}"
        );
    }
    assert_eq!(
        refusals(&mixed(
            "Content-Type: image/svg+xml\n\n<svg><path d='M0 0'/></svg>"
        )),
        []
    );
    for svg in [
        "<!DOCTYPE svg [<!ENTITY a \"<image href='http://x'/>\">]><svg>&a;</svg>",
        "<svg><set attributeName=href to='http://x'/></svg>",
        "<svg><foreignObject><p>x</p></foreignObject></svg>",
    ] {
        let found = refusals(&mixed(&format!("Content-Type: image/svg+xml\n\n{svg}")));
        assert!(
            matches!(found[..], [Refusal::Element(_), ..]),
            "{svg}: {found:?}"
        );
    }
    // A clear-signed body is read too.
    let signed = "Content-Type: multipart/signed; boundary=s\n\n--s\nContent-Type: text/html\n\n<img src=http://x>\n--s\nContent-Type: application/pgp-signature\n\nx\n--s--";
    assert!(matches!(
        refusals(&mixed(signed))[..],
        [Refusal::Remote { .. }]
    ));
    assert_eq!(
        refusals(&mixed(
            "Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nQUJD"
        )),
        []
    );
}

#[test]
fn what_can_not_be_read_is_refused() {
    for (fields, body, error) in [
        (
            "Content-Type: text/plain; charset=x-nope\n",
            "x",
            MimeError::Charset,
        ),
        (
            "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: base64\n",
            "/w==",
            MimeError::NotText,
        ),
        (
            "Content-Transfer-Encoding: base64\n",
            "!!!",
            MimeError::TransferEncoding,
        ),
        (
            "Content-Transfer-Encoding: uuencode\n",
            "x",
            MimeError::TransferEncoding,
        ),
        (
            "Content-Transfer-Encoding: quoted-printable\n",
            "=XY",
            MimeError::TransferEncoding,
        ),
    ] {
        assert_eq!(
            refusals(&mail(fields, body)),
            [Refusal::Unreadable(error)],
            "{fields}{body}"
        );
    }
    let mut garbage = mail("X-Bad: ", "x\n");
    let at = garbage.windows(6).position(|w| w == b"X-Bad:").unwrap();
    garbage.splice(at + 7..at + 7, [0xff, 0xfe, b'\r', b'\n']);
    assert_eq!(refusals(&garbage)[0], Refusal::BrokenHeader);
    assert_eq!(refusals(&mail("", "\n \n")), [Refusal::NoText]);
    let large = mail("", &"x\n".repeat(600_000));
    assert_eq!(
        refusals(&large),
        [Refusal::TooLarge {
            size: large.len(),
            limit: 1_000_000
        }]
    );
}

#[test]
fn a_content_identifier_is_found_however_it_is_spelled() {
    let message = |src: &str| {
        mail(
            "Content-Type: multipart/related; boundary=b\n",
            &format!(
                "--b\nContent-Type: text/html\n\n<img src=\"{src}\"><p style='background:url({src})'>\n--b\nContent-Type: image/png\nContent-ID: <Pic%1@x>\nContent-Transfer-Encoding: base64\n\nQUJD\n--b--\n"
            ),
        )
    };
    for src in ["cid:Pic%251@x", "CID:pic%251%40x", "cid:pic%1@x"] {
        assert_eq!(refusals(&message(src)), [], "{src}");
    }
    assert!(!refusals(&message("cid:other@x")).is_empty());
}

#[test]
fn a_refusal_says_why_and_what_to_do_and_nothing_of_the_mail() {
    let found =
        html("<img src=http://secret.example><scr<p onsecret=x><a href='javascript:secret'>");
    assert!(!found.is_empty());
    for refusal in &found {
        let text = refusal.to_string();
        assert!(text.contains(':'), "{text}");
        assert!(
            !text.contains("secret.example") && text.len() < 200,
            "{text}"
        );
    }
    let many = html(&(0..100).map(|n| format!("<p on{n}=x>")).collect::<String>());
    assert!(many.len() <= 20);
}
