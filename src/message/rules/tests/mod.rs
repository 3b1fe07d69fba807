//! Each refusal, the tricks that try to get around it, and the ordinary mails that must pass.

mod content;

use super::*;
use crate::message::inspect::inspect;
use crate::message::mime::Limits;
use crate::message::testing::mail;

const POLICY: Policy<'_> = Policy {
    identity: "news@party.example",
    lists: &["news@party.example", "news+leeds-east@party.example"],
    max_size: 1_000_000,
};

fn refusals(message: &[u8]) -> Vec<Refusal> {
    check(&inspect(message, &Limits::default()).unwrap(), &POLICY)
}

fn html(body: &str) -> Vec<Refusal> {
    refusals(&mail(
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
        body,
    ))
}

fn header(from: &str, to: &str) -> Vec<Refusal> {
    let text = String::from_utf8(mail("", "Hi\n")).unwrap();
    assert!(text.contains(from), "{from}");
    refusals(text.replacen(from, to, 1).as_bytes())
}

#[test]
fn ordinary_mails_pass() {
    assert_eq!(refusals(&mail("", "Hello\n")), []);
    for body in [
        "<p style=\"color:#333;background:url(#x)\">Hi <a href=\"https://party.example/\">x</a></p>",
        "<img src=\"data:image/png;base64,AAAA\" alt=x><a href=\"mailto:a@b.example\">m</a><a href=tel:+44>t</a><a name=top href=#top>u</a>",
        "<!DOCTYPE html><html><head><meta http-equiv=Content-Type content=\"text/html; charset=utf-8\"><title>x</title>\
         <style>p{scroll-behavior:smooth} .a>b{}</style></head><body>x<o:p></o:p></body></html>",
        "<!--[if mso]><table><tr><td><v:roundrect href=\"https://party.example/\"><![endif]--><b>x</b>",
        "<blockquote type=\"cite\" cite=\"mid:x@y\">q</blockquote>",
        "<p>javascript: is a word, url( too, and <3</p>",
    ] {
        assert_eq!(html(body), [], "{body}");
    }
    for to in [
        "NEWS@party.example",
        "\"News\" <news+Leeds-East@party.example>",
        "news@party.example, news+leeds-east@party.example",
    ] {
        assert_eq!(
            header("To: <news@party.example>", &format!("To: {to}")),
            [],
            "{to}"
        );
    }
    assert_eq!(
        header(
            "From: Staff <news@party.example>",
            "From: =?utf-8?q?X?= <News@Party.Example>"
        ),
        []
    );
}

#[test]
fn the_sender_is_the_list_s_identity_and_nobody_else() {
    let foreign = [Refusal::ForeignFrom {
        identity: "news@party.example".into(),
    }];
    for from in [
        "From: ann@party.example",
        "From: \"news@party.example\" <ann@party.example>",
        "From: news@party.example.evil.example",
        "From: <news@party.example\u{200b}>",
    ] {
        assert_eq!(
            header("From: Staff <news@party.example>", from),
            foreign,
            "{from}"
        );
    }
    for from in [
        "From: news@party.example, ann@party.example",
        "From: group: news@party.example, a@b.example;",
    ] {
        assert_eq!(
            header("From: Staff <news@party.example>", from),
            [Refusal::SeveralFrom(2)],
            "{from}"
        );
    }
    assert_eq!(
        header("From: Staff <news@party.example>\r\n", ""),
        [Refusal::NoFrom]
    );
    let twice = "From: Staff <news@party.example>\r\nFrom: <ann@party.example>";
    assert_eq!(
        header("From: Staff <news@party.example>", twice),
        [Refusal::SeveralFrom(2), Refusal::Repeated("From")]
    );
    assert_eq!(
        header("Subject:", "Subject: x\r\nSubject:"),
        [Refusal::Repeated("Subject")]
    );
}

#[test]
fn nobody_else_stands_among_the_recipients() {
    for (line, header_name, count) in [
        ("Cc: a@b.example", Header::Cc, 1),
        ("Bcc: a@b.example, c@d.example", Header::Bcc, 2),
        ("cC: group: a@b.example;", Header::Cc, 1),
    ] {
        let found = header("Subject:", &format!("{line}\r\nSubject:"));
        assert_eq!(
            found,
            [Refusal::OtherRecipients {
                header: header_name,
                count
            }]
        );
    }
    let to = header(
        "To: <news@party.example>",
        "To: <news@party.example>, a@b.example",
    );
    assert_eq!(
        to,
        [Refusal::OtherRecipients {
            header: Header::To,
            count: 1
        }]
    );
}

#[test]
fn subjects_that_pretend_are_refused() {
    for subject in [
        "Re: x",
        "RE : x",
        "re[2]: x",
        "Re (3): x",
        "Fwd: x",
        "FW:x",
        "AW: x",
        "WG: x",
        "ATB: x",
        "YML: x",
        "SV: x",
        "[news] Re: x",
        "Re\u{ff1a} x",
        "R\u{435}: x",
        "\u{200b}Re: x",
        "R\u{ad}e: x",
        "Re^2: x",
        "Antw: x",
        "Odp: x",
        "回复：x",
    ] {
        assert!(is_fake_reply(subject), "{subject:?}");
    }
    for subject in [
        "Reform: now",
        "Report",
        "Refugees: a debate",
        "Result: we won",
        "News: re: nothing",
        "Fw",
        "Rear: x",
        "Re",
        "1: x",
        "Tomorrow: at 10:30",
        "Re-elect Ann: Friday",
        "",
    ] {
        assert!(!is_fake_reply(subject), "{subject:?}");
    }
    let threaded = "Re: Meeting on Friday\r\nIn-Reply-To: <x@y.example>";
    assert_eq!(header("Meeting on Friday", threaded), [Refusal::FakeReply]);
    assert_eq!(
        header("Meeting on Friday", "=?utf-8?b?UmU6IHg=?="),
        [Refusal::FakeReply]
    );
    assert_eq!(header("Meeting on Friday", ""), [Refusal::NoSubject]);
    assert_eq!(
        header("Subject: Meeting on Friday\r\n", ""),
        [Refusal::NoSubject]
    );
    assert_eq!(
        header("Meeting on Friday", &"x ".repeat(200)),
        [Refusal::LongSubject(300)]
    );
    assert_eq!(
        header("Subject:", "Auto-Submitted: auto-replied\r\nSubject:"),
        [Refusal::AutoSubmitted]
    );
}
