//! The words of refusals. Matched as whole words, in lower case, with everything but letters and digits taken for space;
//! addresses are left out, since a refusal often repeats one.

use crate::delivery::classify::{Cause, Fault, Refusal};

const READ: usize = 2_048;

/// Looked for in this order; the first that is found decides.
const TABLE: &[(Cause, &[&str])] = &[
    // Said of recipients, in words that otherwise mean a block.
    (
        Cause::AddressDead,
        &[
            "recipient address rejected access denied",
            "recipient rejected access denied",
        ],
    ),
    (
        Cause::AddressBusy,
        &[
            "mailbox full",
            "mailbox is full",
            "mailbox too full",
            "inbox is full",
            "inbox full",
            "over quota",
            "overquota",
            "quota exceeded",
            "exceeded quota",
            "exceeds quota",
            "exceeded his quota",
            "exceeded their quota",
            "out of storage",
            "storage allocation",
            "receiving mail at a rate",
            "receiving mail too quickly",
            "mailbox is locked",
            "mailbox locked",
            "mailbox busy",
            "mailbox temporarily disabled",
            "account temporarily disabled",
            "account is temporarily",
        ],
    ),
    (
        Cause::OurFault(Fault::Rate),
        &[
            "rate limit",
            "rate limited",
            "rate limits",
            "ratelimit",
            "too many messages",
            "too many connections",
            "too many sessions",
            "too many concurrent",
            "unusual rate",
            "sending rate",
            "throttled",
            "throttling",
            "too much mail",
            "mails per hour",
            "messages per hour",
            "temporarily deferred due to",
            "tss04",
            "tss05",
            "tss07",
            "tss09",
            "slow down",
        ],
    ),
    (
        Cause::OurFault(Fault::Authentication),
        &[
            "spf",
            "dkim",
            "dmarc",
            "unauthenticated",
            "not authenticated",
            "authentication requirements",
            "authentication level",
            "authentication checks",
            "reverse dns",
            "reverse lookup",
            "rdns",
            "ptr",
            "ptr record",
            "helo",
            "ehlo",
            "sender verify failed",
            "sender address rejected",
            "sender domain",
            "domain of sender",
        ],
    ),
    (
        Cause::OurFault(Fault::Blocked),
        &[
            "blacklist",
            "blacklisted",
            "blacklists",
            "blocklist",
            "blocklisted",
            "blocklists",
            "block list",
            "black list",
            "denylist",
            "denylisted",
            "dnsbl",
            "rbl",
            "spamhaus",
            "spamcop",
            "sorbs",
            "barracuda",
            "barracudacentral",
            "uceprotect",
            "abusix",
            "senderbase",
            "senderscore",
            "proofpoint",
            "cloudmark",
            "reputation",
            "banned",
            "client host rejected",
            "client host blocked",
            "host blocked",
            "ip blocked",
            "is blocked",
            "are blocked",
            "been blocked",
            "was blocked",
            "blocked using",
            "blocked by",
            "blocked for",
            "mail from ip",
            "listed at",
            "listed in",
            "listed on",
            "refused to talk",
            "sender rejected",
            "sender denied",
            "not accepted from",
            "not accept mail from",
            "access denied",
            "due to user complaints",
            "user complaints",
            "s3140",
            "s3150",
            "bl21",
            "bl23",
            "aup",
            "policy violation",
            "policy reasons",
            "local policy",
            "policy restrictions",
            "rejected by policy",
            "rejected due to policy",
            "administrative prohibition",
            "administratively prohibited",
        ],
    ),
    (
        Cause::OurFault(Fault::Content),
        &[
            "virus",
            "malware",
            "phishing",
            "spam",
            "unsolicited",
            "junk",
            "message content",
            "content rejected",
            "content filter",
            "suspicious",
            "attachment",
            "attachments",
            "message too large",
            "message is too large",
            "message too big",
            "message size",
            "size limit",
            "too long",
            "exceeds size",
            "exceeds maximum",
            "message rejected",
        ],
    ),
    (
        Cause::AddressDead,
        &[
            "user unknown",
            "unknown user",
            "unknown recipient",
            "recipient unknown",
            "unknown mailbox",
            "mailbox unknown",
            "unknown address",
            "address unknown",
            "unknown local part",
            "no such user",
            "nosuchuser",
            "no such recipient",
            "no such mailbox",
            "no such address",
            "no such person",
            "no such account",
            "no such local user",
            "no mailbox",
            "no user",
            "no account",
            "no recipient here",
            "does not exist",
            "doesn t exist",
            "do not exist",
            "doesn t have",
            "does not have an account",
            "not exist",
            "non existent",
            "nonexistent",
            "user not found",
            "mailbox not found",
            "recipient not found",
            "recipientnotfound",
            "account not found",
            "address not found",
            "not found by smtp address lookup",
            "user doesn t",
            "invalid recipient",
            "invalid mailbox",
            "invalid user",
            "invalid address",
            "bad recipient",
            "not a valid recipient",
            "not a valid mailbox",
            "not a valid user",
            "is not a valid",
            "no longer valid",
            "no longer available",
            "no longer in use",
            "no longer exists",
            "no longer active",
            "no longer on server",
            "not a known user",
            "not a local user",
            "not our customer",
            "account disabled",
            "account is disabled",
            "account has been disabled",
            "account that you tried to reach is disabled",
            "account that you tried to reach is inactive",
            "account inactive",
            "account is inactive",
            "account closed",
            "account has been closed",
            "account deleted",
            "account has been deleted",
            "mailbox disabled",
            "mailbox is disabled",
            "mailbox is inactive",
            "mailbox inactive",
            "mailbox deleted",
            "user disabled",
            "user is disabled",
            "inactive user",
            "address is disabled",
            "has been deactivated",
            "is deactivated",
            "utilisateur inconnu",
            "destinataire inconnu",
            "empfänger unbekannt",
            "unbekannter empfänger",
            "s2017062302",
        ],
    ),
];

/// Said by machines in answer to a mail that arrived; only looked for where no code was given.
const AUTOMATIC: &[&str] = &[
    "out of office",
    "out of the office",
    "automatic reply",
    "automatic response",
    "auto reply",
    "autoreply",
    "auto response",
    "autoresponder",
    "on vacation",
    "on annual leave",
    "on holiday",
    "on leave",
    "away from my desk",
    "allan o r swyddfa",
    "y tu allan i r swyddfa",
];

pub(super) fn cause(refusal: &Refusal<'_>) -> Option<Cause> {
    let text = as_words(refusal.text);
    let says = |phrase: &&str| text.contains(&format!(" {phrase} "));
    if refusal.code.is_none() && refusal.enhanced.is_none() && AUTOMATIC.iter().any(says) {
        return Some(Cause::Automatic);
    }
    TABLE
        .iter()
        .find(|(_, phrases)| phrases.iter().any(says))
        .map(|(cause, _)| *cause)
}

/// ` like this text with single spaces also at both ends `.
fn as_words(text: &str) -> String {
    let end = (0..=READ.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let mut words = String::with_capacity(end + 2);
    words.push(' ');
    for token in text[..end]
        .split_whitespace()
        .filter(|token| !token.contains('@'))
    {
        for c in token.chars().flat_map(char::to_lowercase).chain([' ']) {
            let c = if c.is_alphanumeric() { c } else { ' ' };
            if c != ' ' || !words.ends_with(' ') {
                words.push(c);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_words() {
        assert_eq!(
            as_words("  <spf@x.example>: User\tUNKNOWN, doesn't?p=NoSuchUser "),
            " user unknown doesn t p nosuchuser "
        );
        assert_eq!(as_words(""), " ");
        assert_eq!(as_words(&"ü".repeat(5_000)).chars().count(), 2_048 / 2 + 2);
    }

    #[test]
    fn phrases_are_in_the_form_they_are_looked_for() {
        for phrase in TABLE
            .iter()
            .flat_map(|(_, phrases)| *phrases)
            .chain(AUTOMATIC)
        {
            assert_eq!(as_words(phrase), format!(" {phrase} "));
        }
    }
}
