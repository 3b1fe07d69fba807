//! Does its writer want no more mail? The words that they wrote themselves, without quotations and signatures, and what
//! these say. It knows texts alone: what follows from a wish is decided elsewhere.

/// What people write who want no more mail (law C4), in English and Welsh, in lower case without punctuation.
const STOP_WORDS: [&str; 33] = [
    "stop",
    "stop it",
    "please stop",
    "stop please",
    "stop emailing me",
    "please stop emailing me",
    "stop sending me emails",
    "stop sending me email",
    "stop sending me these emails",
    "please stop sending me emails",
    "please stop sending me these emails",
    "unsubscribe",
    "unsubscribe me",
    "please unsubscribe",
    "please unsubscribe me",
    "remove",
    "remove me",
    "please remove me",
    "remove me from your list",
    "please remove me from your list",
    "take me off",
    "please take me off",
    "take me off your list",
    "please take me off your list",
    "opt out",
    "optout",
    "dad-danysgrifio",
    "dad danysgrifio",
    "datdanysgrifio",
    "stopiwch",
    "stopiwch os gwelwch yn dda",
    "rhowch y gorau iddi",
    "tynnwch fi oddi ar y rhestr",
];
/// Words that speak of it within a sentence.
const SPEAKS_OF: [&str; 11] = [
    "stop",
    "unsubscribe",
    "remove me",
    "take me off",
    "opt out",
    "optout",
    "dad-danysgrifio",
    "dad danysgrifio",
    "datdanysgrifio",
    "stopiwch",
    "tynnwch fi",
];
/// Before such words, they turn them round: "I will not stop".
const NEGATIONS: [&str; 12] = [
    "not", "never", "dont", "wont", "cant", "cannot", "didnt", "doesnt", "wouldnt", "couldnt",
    "peidiwch", "non",
];
/// These may stand between a negation and what it turns round.
const BETWEEN: [&str; 7] = ["ever", "going", "to", "want", "wish", "be", "please"];
/// In a longer text, the words are about something else as likely as not.
const SHORT: usize = 50;
/// How a line begins that only greets or thanks.
const COURTESIES: [&str; 19] = [
    "hi", "hello", "hey", "hiya", "dear", "sir", "madam", "good", "thanks", "thank", "many",
    "regards", "kind", "best", "helo", "annwyl", "bore", "prynhawn", "diolch",
];
/// The most words in such a line.
const COURTEOUS: usize = 5;
/// What mail programs write beneath, when nobody signed.
const PROGRAM_LINES: [&str; 4] = ["sent from ", "get outlook for ", "anfonwyd o ", "sent via "];
/// Behind such a line stands what is answered.
const QUOTES_BELOW: [&str; 6] = [
    "from:",
    "oddi wrth:",
    "-----original message",
    "----- original message",
    "________________",
    "---------- forwarded message",
];

/// What a text says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// No more mail is wanted: it says that, and little else.
    pub stop: bool,
    /// A short text that speaks of it in a sentence.
    pub speaks_of_stop: bool,
}

/// Reads a text as its writer sent it, with quotations.
pub fn wish(text: &str) -> Wish {
    let own = own_lines(text);
    let said = own.iter().copied().find(|line| !is_courtesy(line));
    let words: usize = own.iter().map(|line| words(line).len()).sum();
    Wish {
        stop: said.is_some_and(is_stop),
        speaks_of_stop: words <= SHORT && own.iter().any(|line| speaks_of_stop(line)),
    }
}

/// Whether a line, or a subject, says this alone.
pub fn is_stop(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    let bare = lower.strip_prefix("re:").unwrap_or(&lower);
    STOP_WORDS.contains(&words(bare).join(" ").as_str())
}

/// Whether a line holds words for it which nothing turns round.
pub fn speaks_of_stop(line: &str) -> bool {
    line.split(['.', '!', '?', ';', ':'])
        .map(words)
        .any(|words| {
            SPEAKS_OF.iter().any(|phrase| {
                let phrase: Vec<&str> = phrase.split(' ').collect();
                let found = |at: &usize| words[*at..].iter().zip(&phrase).all(|(a, b)| a == b);
                let last = (words.len() + 1).saturating_sub(phrase.len());
                (0..last)
                    .filter(found)
                    .any(|at| !is_turned_round(&words[..at]))
            })
        })
}

fn is_turned_round(before: &[String]) -> bool {
    let mut back = before.iter().rev().map(String::as_str);
    back.find(|word| !BETWEEN.contains(word))
        .is_some_and(|word| NEGATIONS.contains(&word))
}

/// The words of a line in lower case, without punctuation.
fn words(line: &str) -> Vec<String> {
    let kept = line.chars().filter(|c| !['\'', '\u{2019}'].contains(c));
    let plain: String = kept
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                ' '
            }
        })
        .collect();
    let words = plain.split_whitespace().map(str::to_lowercase);
    words.filter(|word| word != "-").collect()
}

fn is_courtesy(line: &str) -> bool {
    let words = words(line);
    let greets = words
        .first()
        .is_some_and(|first| COURTESIES.contains(&first.as_str()));
    greets && words.len() <= COURTEOUS && !speaks_of_stop(line)
}

/// The lines that the writer wrote: no quotation, no signature, none empty.
fn own_lines(text: &str) -> Vec<&str> {
    let mut own: Vec<&str> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // RFC 3676 §4.3; most programs lose the space.
        if line.trim_end() == "--" {
            break;
        }
        let line = line.trim();
        let lower = line.to_lowercase();
        if QUOTES_BELOW.iter().any(|start| lower.starts_with(start)) {
            break;
        }
        if line.is_empty()
            || line.starts_with('>')
            || PROGRAM_LINES.iter().any(|start| lower.starts_with(start))
        {
            continue;
        }
        if lower.ends_with("wrote:") || lower.ends_with("ysgrifennodd:") {
            // The line above may hold its beginning.
            let begins = |line: &&str| line.starts_with("On ") || line.starts_with("Ar ");
            if !begins(&line) && own.last().is_some_and(begins) {
                own.pop();
            }
            // Below words of their own, what isn't marked as a quotation is one all the same.
            let next = lines.clone().map(str::trim).find(|line| !line.is_empty());
            if !own.is_empty() && next.is_some_and(|line| !line.starts_with('>')) {
                break;
            }
            continue;
        }
        own.push(line);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_else_than_a_stop_is_one() {
        for text in [
            "stop",
            "STOP!",
            "Please stop.",
            "Stopiwch",
            "Please stop sending me these emails.",
            "Please remove me from your list",
            "Hi,\n\nstop\n\nThanks\nJo",
            "Dear Sir or Madam\n\nUnsubscribe me\n",
            "stop\n\nSent from my iPhone",
            "On Sat, Nov 21, 2026, the party wrote:\n> news\n> more\n\nStop",
            "On Sat, Nov 21, 2026 at 9:00, The Party\n<news@party.example> wrote:\n> news\n\nStop",
            "Stop\n\nFrom: The Party\nSent: Saturday\nTo: Ann\n\nNews of all kinds",
            "dad-danysgrifio\n-- \nAnn",
        ] {
            assert!(wish(text).stop, "{text}");
        }
    }

    #[test]
    fn a_short_text_that_speaks_of_it_is_seen() {
        for text in [
            "Hi, please stop",
            "Could you take me off this thing, please?",
            "I want you to stop mailing me",
            "How do I unsubscribe?",
            "Thanks, but remove me.",
            "Allwch chi dynnu fi? Stopiwch anfon y rhain",
            "Don't write to me. Please just stop writing",
        ] {
            assert_eq!(
                wish(text),
                Wish {
                    stop: false,
                    speaks_of_stop: true
                },
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_wish_nothing() {
        let long = format!("{} stop {}", "word ".repeat(40), "word ".repeat(40));
        for text in [
            "",
            "I will not stop supporting you",
            "Don\u{2019}t stop!",
            "I'm not ever going to stop.",
            "Thanks\n> To leave, answer \"stop\"\n",
            "Thanks\n-- \nUnsubscribe from boredom",
            "Great.\n\nFrom: The Party\n\nTo leave, answer stop",
            "a non-stop effort",
            "Thanks\n\nOn Sat, Nov 21, 2026, the party wrote:\nTo leave:\nstop",
            &long,
        ] {
            assert_eq!(wish(text), Wish::default(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_read(text: String) {
            let _ = wish(&text);
        }
    }
}
