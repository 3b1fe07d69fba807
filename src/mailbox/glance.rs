//! A glance at a mail that comes in: is it automatic, does it answer a copy of ours, does it say "stop"? Nothing here
//! decides; the glance sees only what its sender wrote, and a sender can write anything.

use super::wish::{Wish, is_stop, speaks_of_stop, wish};
use crate::message::html::plain;
use crate::message::inspect::{Inspection, inspect};
use crate::message::mime::{self, Limits, field};

/// How many bytes from the beginning of a mail are looked at.
pub const HEAD: usize = 64 * 1024;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// A program sent it (RFC 3834, RFC 2919): it must not be answered.
    pub automatic: bool,
    /// It says that no more mail is wanted, and little else.
    pub says_stop: bool,
    /// It is short, and speaks of wanting no more: too little for a stranger's mail, enough to ask whoever answers us.
    pub speaks_of_stop: bool,
    /// The ids of the messages that it answers, without angle brackets.
    pub answers: Vec<String>,
}

/// Looks at the head of a mail; `whole` says that it is the whole mail. What can't be read is taken for automatic: it
/// is kept, and nothing answers it.
pub fn glance(head: &[u8], whole: bool) -> Glance {
    let limits = Limits::default();
    if whole && let Ok(mail) = inspect(head, &limits) {
        let mut answers = mail.in_reply_to.clone();
        answers.extend(mail.references.clone());
        let subject = mail.subject.clone().unwrap_or_default();
        let said = body_text(&mail).map_or_else(Wish::default, |text| wish(&text));
        return Glance {
            automatic: mail.auto_submitted || is_bulk(head, &limits),
            says_stop: is_stop(&subject) || said.stop,
            // Behind "Re:" stand our own words.
            speaks_of_stop: said.speaks_of_stop
                || (!is_answer(&subject) && speaks_of_stop(&subject)),
            answers,
        };
    }
    from_header(head, &limits)
}

/// What the header alone tells.
fn from_header(head: &[u8], limits: &Limits) -> Glance {
    let Ok((fields, _)) = field::split(head, limits) else {
        return Glance {
            automatic: true,
            ..Glance::default()
        };
    };
    let one = |name: &str| fields.iter().find(|field| field.is(name));
    let answers = fields
        .iter()
        .filter(|field| field.is("In-Reply-To") || field.is("References"))
        .flat_map(field::Field::message_ids)
        .collect();
    let auto = one("Auto-Submitted")
        .map(field::Field::text)
        .unwrap_or_default();
    Glance {
        automatic: is_bulk(head, limits)
            || !(auto.is_empty() || auto.trim().eq_ignore_ascii_case("no")),
        says_stop: one("Subject").is_some_and(|subject| is_stop(&subject.text())),
        speaks_of_stop: false,
        answers,
    }
}

/// Lists and other senders of many mails mark them so.
fn is_bulk(head: &[u8], limits: &Limits) -> bool {
    let Ok((fields, _)) = field::split(head, limits) else {
        return true;
    };
    fields.iter().any(|field| {
        let text = || field.text().trim().to_ascii_lowercase();
        field.is("List-Id")
            || field.is("List-Unsubscribe")
            || field.is("X-Auto-Response-Suppress")
            || (field.is("Precedence")
                && ["bulk", "list", "junk", "auto_reply"].contains(&text().as_str()))
    })
}

/// The text that its writer sees: the first plain one that isn't empty, otherwise HTML without what it quotes.
fn body_text(mail: &Inspection<'_>) -> Option<String> {
    let (mut text, mut from_html) = (None, None);
    mail.root.walk(&mut |part| {
        if !part.is_body_text() {
            return;
        }
        let html = part.is("text/html");
        let found = if html { &mut from_html } else { &mut text };
        if found.is_none() {
            let read = mime::text::decode(part).ok();
            let read = if html {
                read.map(|html| plain::unquoted(&html))
            } else {
                read
            };
            *found = read.filter(|text| !text.trim().is_empty());
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
            assert!(
                glance(&mail(header, body), true).says_stop,
                "{header}{body}"
            );
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
            assert!(glance(&mail(html, body), true).says_stop, "{body}");
        }
        let speaks = "<p>I'd like you to stop writing to me</p>";
        let seen = glance(&mail(html, speaks), true);
        assert!(!seen.says_stop && seen.speaks_of_stop);
        for body in [
            "<p>I will not stop supporting you</p>",
            "<p>Thanks</p><blockquote><p>To leave, answer stop</p></blockquote>",
            "<p>Thanks</p><style>stop</style><!-- stop -->",
        ] {
            let seen = glance(&mail(html, body), true);
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
            glance(&mail(header, &body), true)
        };
        assert!(both("", "<p>stop</p>").says_stop);
        assert!(both("stop", "<p>x</p>").says_stop);
        assert!(!both("thanks", "<p>stop</p>").says_stop);
    }

    #[test]
    fn words_of_ours_behind_re_are_not_the_answerers() {
        let seen =
            |subject: &str| glance(&mail(&format!("Subject: {subject}\r\n"), "Good\r\n"), true);
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
                !glance(&mail("Subject: The bypass\r\n", body), true).says_stop,
                "{body}"
            );
        }
    }

    #[test]
    fn programs_are_told_from_people() {
        for header in [
            "Auto-Submitted: auto-replied\r\n",
            "Precedence: bulk\r\n",
            "List-Id: <x.example>\r\n",
        ] {
            assert!(glance(&mail(header, ""), true).automatic, "{header}");
            assert!(glance(&mail(header, ""), false).automatic, "{header}");
        }
        assert!(!glance(&mail("Auto-Submitted: no\r\n", "hi\r\n"), true).automatic);
        assert!(glance(b"\xff\xfe nonsense", true).automatic);
    }

    #[test]
    fn what_it_answers_is_found() {
        let mail = mail(
            "In-Reply-To: <t1@party.example>\r\nReferences: <t0@x> <t1@party.example>\r\n",
            "",
        );
        assert!(
            glance(&mail, true)
                .answers
                .contains(&"t1@party.example".to_owned())
        );
        assert!(glance(&mail, false).answers.contains(&"t0@x".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_glanced_at(bytes: Vec<u8>, whole: bool) {
            let _ = glance(&bytes, whole);
        }
    }
}
