//! A glance at a mail that comes in: is it automatic, does it answer a copy of ours, does it say "stop"? Nothing here
//! decides; the glance sees only what its sender wrote, and a sender can write anything.

use crate::message::inspect::inspect;
use crate::message::mime::{self, Limits, field};

/// How many bytes from the beginning of a mail are looked at.
pub const HEAD: usize = 64 * 1024;

/// What people write who want no more mail (law C4), in English and Welsh, in lower case without punctuation.
const STOP_WORDS: [&str; 22] = [
    "stop",
    "stop it",
    "please stop",
    "stop please",
    "stop emailing me",
    "please stop emailing me",
    "stop sending me emails",
    "stop sending me email",
    "unsubscribe",
    "unsubscribe me",
    "please unsubscribe",
    "please unsubscribe me",
    "remove",
    "remove me",
    "please remove me",
    "opt out",
    "optout",
    "dad-danysgrifio",
    "dad danysgrifio",
    "datdanysgrifio",
    "stopiwch",
    "rhowch y gorau iddi",
];

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// A program sent it (RFC 3834, RFC 2919): it must not be answered.
    pub automatic: bool,
    /// It says that no more mail is wanted, and little else.
    pub says_stop: bool,
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
        return Glance {
            automatic: mail.auto_submitted || is_bulk(head, &limits),
            says_stop: is_stop(&subject) || first_line(&mail).is_some_and(|line| is_stop(&line)),
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

/// The first line of text that its writer wrote: not a quotation, not empty.
fn first_line(mail: &crate::message::inspect::Inspection<'_>) -> Option<String> {
    let mut line = None;
    mail.root.walk(&mut |part| {
        if line.is_none() && part.is_body_text() && part.is("text/plain") {
            line = mime::text::decode(part).ok().and_then(|text| {
                text.lines()
                    .map(str::trim)
                    .find(|line| !line.is_empty() && !line.starts_with('>'))
                    .map(str::to_owned)
            });
        }
    });
    line
}

fn is_stop(text: &str) -> bool {
    let lower = text.trim().to_lowercase();
    let bare = lower.strip_prefix("re:").unwrap_or(&lower);
    let words: String = bare
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                ' '
            }
        })
        .collect();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    STOP_WORDS.contains(&words.as_str())
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
