//! A glance at a mail that comes in: is it automatic, does it answer a copy of ours, does it say "stop"? Nothing here
//! decides; the glance sees only what its sender wrote, and a sender can write anything.

use super::wish::{Wish, is_stop, speaks_of_stop, wish};
use crate::address::EmailAddress;
use crate::message::html::plain;
use crate::message::mime::field::Field;
use crate::message::mime::tree::Part;
use crate::message::mime::{self, Limits};

/// So many messages of a thread are looked at.
const MOST_ANSWERS: usize = 100;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// A program sent it (RFC 3834, RFC 2919): it must not be answered.
    pub automatic: bool,
    /// It is one of many of its kind, or nobody reads what is sent back to it: its author is not asked anything.
    pub bulk: bool,
    /// It says that no more mail is wanted, and little else.
    pub says_stop: bool,
    /// It is short, and speaks of wanting no more: too little for a stranger's mail, enough to ask whoever answers us.
    pub speaks_of_stop: bool,
    /// The ids of the messages that it answers, the nearest first, without angle brackets.
    pub answers: Vec<String>,
}

/// Looks at a mail, or at its beginning: it may be cut anywhere behind its header, and what is damaged is passed over. A
/// header that can't be read is taken for a program's: the mail is kept, and nothing answers it.
pub fn glance(beginning: &[u8]) -> Glance {
    let Ok(mail) = Part::parse_leniently(beginning, &Limits::default()) else {
        return Glance {
            automatic: true,
            bulk: true,
            ..Glance::default()
        };
    };
    let subject = mail.field("Subject").map(Field::text).unwrap_or_default();
    let said = body_text(&mail).map_or_else(Wish::default, |text| wish(&text));
    Glance {
        automatic: mail.fields.iter().any(is_a_program_s) || is_by_a_program(&subject),
        bulk: mail.fields.iter().any(is_of_many) || mail.is("multipart/report"),
        says_stop: is_stop(&subject) || said.stop,
        // Behind "Re:" stand our own words.
        speaks_of_stop: said.speaks_of_stop || (!is_answer(&subject) && speaks_of_stop(&subject)),
        answers: answers(&mail),
    }
}

/// What it answers, the nearest first: what it says that it answers, then its thread, which begins with the oldest.
fn answers(mail: &Part<'_>) -> Vec<String> {
    let named = |name: &'static str| {
        let fields = mail.fields.iter().filter(move |field| field.is(name));
        fields.flat_map(Field::message_ids).collect::<Vec<_>>()
    };
    let thread = named("References").into_iter().rev();
    let all = named("In-Reply-To").into_iter().chain(thread);
    all.take(MOST_ANSWERS).collect()
}

/// Programs say that they are some; lists and other senders of many mails mark them so.
fn is_a_program_s(field: &Field<'_>) -> bool {
    let text = || field.text().trim().to_ascii_lowercase();
    field.is("List-Id")
        || field.is("List-Unsubscribe")
        || field.is("X-Auto-Response-Suppress")
        || (field.is("Precedence")
            && ["bulk", "list", "junk", "auto_reply"].contains(&text().as_str()))
        || (field.is("Auto-Submitted") && field.parameterized().value != "no")
}

/// What senders of many mails write into them (RFC 2369 among others), and what a program's report looks like.
fn is_of_many(field: &Field<'_>) -> bool {
    const MARKS: [&str; 9] = [
        "List-Help",
        "List-Subscribe",
        "List-Post",
        "List-Owner",
        "List-Archive",
        "Mailing-List",
        "Feedback-ID",
        "X-Loop",
        "X-Autoreply",
    ];
    let empty_path = || field.is("Return-Path") && field.text().trim() == "<>";
    is_a_program_s(field) || MARKS.iter().any(|mark| field.is(mark)) || empty_path()
}

/// Local parts of addresses behind which a program stands (RFC 3834 §2, RFC 2142).
const PROGRAMS: [&str; 9] = [
    "mailer-daemon",
    "postmaster",
    "noreply",
    "no-reply",
    "donotreply",
    "do-not-reply",
    "listserv",
    "majordomo",
    "bounces",
];

/// Whether a program stands behind an address, so that nobody there would press a button.
pub fn is_programs(address: &EmailAddress) -> bool {
    let local = address.local().to_lowercase();
    let name = local
        .split_once('+')
        .map_or(local.as_str(), |(name, _)| name);
    PROGRAMS.contains(&name)
        || local.starts_with("owner-")
        || local.starts_with("bounce-")
        || ["-request", "-bounces", "-owner"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// What programs that don't mark their answers put before the subject that they answer.
const PROGRAM_SUBJECTS: [&str; 10] = [
    "automatic reply:",
    "auto reply:",
    "auto-reply:",
    "autoreply:",
    "out of office:",
    "out of office reply:",
    "undeliverable:",
    "undelivered mail returned to sender",
    "delivery status notification",
    "ateb awtomatig:",
];

fn is_by_a_program(subject: &str) -> bool {
    let subject = subject.trim().to_lowercase();
    PROGRAM_SUBJECTS
        .iter()
        .any(|start| subject.starts_with(start))
}

/// The text that its writer sees: the first plain one that isn't empty, otherwise HTML without what it quotes.
fn body_text(mail: &Part<'_>) -> Option<String> {
    let (mut text, mut from_html) = (None, None);
    mail.walk(&mut |part| {
        if !part.is_body_text() {
            return;
        }
        let html = part.is("text/html");
        let found = if html { &mut from_html } else { &mut text };
        if found.is_none() {
            let read = mime::text::decode_leniently(part);
            let read = if html { plain::unquoted(&read) } else { read };
            *found = Some(read).filter(|text| !text.trim().is_empty());
        }
    });
    text.or(from_html)
}

fn is_answer(subject: &str) -> bool {
    let start = subject.trim_start().get(..3);
    start.is_some_and(|start| start.eq_ignore_ascii_case("re:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(header: &str, body: &str) -> Vec<u8> {
        format!("From: a@example.org\r\nTo: office@party.example\r\n{header}\r\n{body}")
            .into_bytes()
    }

    #[test]
    fn programs_that_do_not_say_so_are_known_by_their_subjects() {
        for subject in [
            "Automatic reply: stop",
            "Undeliverable: news",
            "Out of Office: stop",
        ] {
            let seen = glance(&mail(&format!("Subject: {subject}\r\n"), "stop\r\n"));
            assert!(seen.automatic, "{subject}");
        }
        assert!(!glance(&mail("Subject: Re: automatic reply\r\n", "stop\r\n")).automatic);
    }

    #[test]
    fn a_stop_is_seen_in_the_subject_and_in_the_first_line() {
        for (header, body) in [
            ("Subject: STOP\r\n", "hello\r\n"),
            ("Subject: Re: Unsubscribe!\r\n", ""),
            (
                "Subject: Re: May news\r\n",
                "\r\n> quoted\r\nPlease stop.\r\n\r\n> more\r\n",
            ),
            ("Subject: x\r\n", "dad-danysgrifio\r\n"),
        ] {
            assert!(glance(&mail(header, body)).says_stop, "{header}{body}");
        }
    }

    #[test]
    fn html_alone_is_read_as_text() {
        let html = "Subject: Re: May news\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n";
        for body in [
            "<p>stop</p>",
            "<html><body><div dir=\"ltr\">Stop</div><br><div>Sent from my iPhone</div></body></html>",
            "<div>Hi,</div><div><br></div><div>stop</div>",
            "<div>stop</div><div class=\"gmail_quote\"><div>On Sat, the party wrote:<br></div>\
             <blockquote><p>News</p></blockquote></div>",
            "<blockquote><p>News</p></blockquote><p>Stop</p>",
            "<p>STOP</p><hr><p><b>From:</b> The Party<br><b>Sent:</b> Saturday</p><p>News</p>",
        ] {
            assert!(glance(&mail(html, body)).says_stop, "{body}");
        }
        let speaks = "<p>I'd like you to stop writing to me</p>";
        let seen = glance(&mail(html, speaks));
        assert!(!seen.says_stop && seen.speaks_of_stop);
        for body in [
            "<p>I will not stop supporting you</p>",
            "<p>Thanks</p><blockquote><p>To leave, answer stop</p></blockquote>",
            "<p>Thanks</p><style>stop</style><!-- stop -->",
        ] {
            let seen = glance(&mail(html, body));
            assert!(!seen.says_stop && !seen.speaks_of_stop, "{body}");
        }
    }

    #[test]
    fn an_empty_text_gives_way_to_html() {
        let header = "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n";
        let both = |text: &str, html: &str| {
            let body = format!(
                "--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\nContent-Type: text/html\r\n\r\n\
                 {html}\r\n--b--\r\n"
            );
            glance(&mail(header, &body))
        };
        assert!(both("", "<p>stop</p>").says_stop);
        assert!(both("stop", "<p>x</p>").says_stop);
        assert!(!both("thanks", "<p>stop</p>").says_stop);
    }

    /// A mail that says "stop" above a long quotation, by the shapes in which programs write it, and where the stop ends.
    fn long_answers() -> Vec<Vec<u8>> {
        use base64::Engine as _;
        let quote = "> News of every kind, and more of it below.\r\n".repeat(5_000);
        let html = format!(
            "<p>Stop</p><blockquote><p>{}</p></blockquote>",
            "News of every kind. ".repeat(12_000)
        );
        let coded = base64::engine::general_purpose::STANDARD.encode(&html);
        let lines: Vec<_> = coded.as_bytes().chunks(76).collect();
        let coded = String::from_utf8(lines.join(&b"\r\n"[..])).expect("ASCII");
        let typed =
            |header: &str, body: &str| mail(&format!("MIME-Version: 1.0\r\n{header}"), body);
        let part = |header: &str, body: &str| format!("--b\r\n{header}\r\n{body}\r\n");
        let html_type = "Content-Type: text/html; charset=utf-8\r\n";
        let base64 = format!("{html_type}Content-Transfer-Encoding: base64\r\n");
        let quoted = format!("{html_type}Content-Transfer-Encoding: quoted-printable\r\n");
        let soft = html.replace("kind. ", "kind.=20=\r\n");
        let both = part(
            "Content-Type: text/plain\r\n",
            &format!("Stop\r\n\r\n{quote}"),
        ) + &part(&base64, &coded);
        let image = part(
            "Content-Type: image/png\r\nno field\r\n",
            &"\0\u{1}".repeat(90_000),
        );
        let mixed = "Content-Type: multipart/mixed; boundary=b\r\n";
        let alternative = "Content-Type: multipart/alternative; boundary=b\r\n";
        vec![
            typed("", &format!("Stop\r\n\r\n{quote}")),
            typed(html_type, &html),
            typed(&base64, &coded),
            typed(&quoted, &soft),
            typed(alternative, &format!("{both}--b--\r\n")),
            typed(mixed, &format!("{}{image}--b--\r\n", part("", "Stop\r\n"))),
            // An eight-bit word in a text that claims to be ASCII, behind what is said.
            typed("", &format!("Stop\r\n\r\nSi\u{e2}n\r\n{quote}")),
        ]
    }

    #[test]
    fn a_stop_above_a_long_quotation_is_heard_wherever_the_mail_is_cut() {
        for (shape, mail) in long_answers().iter().enumerate() {
            assert!(mail.len() > 150_000, "{shape}: {}", mail.len());
            for cut in (4_000..mail.len()).step_by(15_013).chain([mail.len()]) {
                assert!(glance(&mail[..cut]).says_stop, "{shape} cut at {cut}");
            }
        }
    }

    /// In a mail each of whose parts says something false of itself.
    #[test]
    fn a_stop_is_heard_from_text_that_is_not_what_it_claims_to_be() {
        for (header, body) in [
            ("", &b"Stop\r\n\r\nSi\xe2n\r\n"[..]),
            (
                "Content-Type: text/plain; charset=x-unheard-of\r\n",
                b"Stop\r\n",
            ),
            (
                "Content-Type: text/plain; charset=utf-8\r\n",
                b"Stop\r\n\r\nSi\xe2n\r\n",
            ),
            ("Content-Transfer-Encoding: base64\r\n", b"Please stop.\r\n"),
            ("Content-Transfer-Encoding: x-unheard-of\r\n", b"Stop\r\n"),
        ] {
            let header = format!("MIME-Version: 1.0\r\n{header}");
            let mail = [&mail(&header, ""), body].concat();
            assert!(glance(&mail).says_stop, "{header}");
        }
    }

    #[test]
    fn the_nearest_message_is_answered_first() {
        let seen = glance(&mail(
            "References: <t0@x> <t1@x>\r\nIn-Reply-To: <t2@x>\r\n",
            "",
        ));
        assert_eq!(seen.answers, ["t2@x", "t1@x", "t0@x"]);
        let many = "<t@x> ".repeat(1_000);
        let seen = glance(&mail(&format!("References: {many}\r\n"), ""));
        assert!(seen.answers.len() <= MOST_ANSWERS);
    }

    #[test]
    fn words_of_ours_behind_re_are_not_the_answerers() {
        let seen = |subject: &str| glance(&mail(&format!("Subject: {subject}\r\n"), "Good\r\n"));
        assert!(!seen("Re: Stop the bypass").speaks_of_stop);
        assert!(seen("Please take me off this").speaks_of_stop);
    }

    #[test]
    fn a_sentence_with_the_word_is_no_stop() {
        for body in [
            "Please stop the bypass.\r\n",
            "Don't stop!\r\n",
            "> stop\r\nThanks\r\n",
            "",
        ] {
            assert!(
                !glance(&mail("Subject: The bypass\r\n", body)).says_stop,
                "{body}"
            );
        }
    }

    #[test]
    fn programs_are_told_from_people() {
        for header in [
            "Auto-Submitted: auto-replied\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Precedence: bulk\r\n",
            "List-Id: <x.example>\r\n",
        ] {
            assert!(glance(&mail(header, "")).automatic, "{header}");
        }
        assert!(!glance(&mail("Auto-Submitted: no\r\n", "hi\r\n")).automatic);
        assert!(glance(b"\xff\xfe nonsense").automatic);
    }

    #[test]
    fn one_of_many_is_known_by_its_marks() {
        for header in [
            "List-Post: <mailto:x@y.example>\r\n",
            "Feedback-ID: 1:2:3\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
        ] {
            assert!(glance(&mail(header, "hello\r\n")).bulk, "{header}");
        }
        assert!(!glance(&mail("Subject: A question\r\n", "hello\r\n")).bulk);
        for (address, is) in [
            ("MAILER-DAEMON@y.example", true),
            ("no-reply+x@y.example", true),
            ("fans-request@y.example", true),
            ("owner-fans@y.example", true),
            ("ann@y.example", false),
            ("requests@y.example", false),
        ] {
            let address = EmailAddress::parse(address).expect("an address");
            assert_eq!(is_programs(&address), is);
        }
    }

    #[test]
    fn what_it_answers_is_found() {
        let mail = mail(
            "In-Reply-To: <t1@party.example>\r\nReferences: <t0@x> <t1@party.example>\r\n",
            "",
        );
        assert!(
            glance(&mail)
                .answers
                .contains(&"t1@party.example".to_owned())
        );
        assert!(glance(&mail).answers.contains(&"t0@x".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_glanced_at(bytes: Vec<u8>) {
            let _ = glance(&bytes);
        }
    }
}
