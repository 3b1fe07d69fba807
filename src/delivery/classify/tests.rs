//! Tests of the reading of servers' replies, by what real ones say.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

use Cause::{AddressBusy, AddressDead, Automatic, OurFault, Unknown};
use Fault::{Authentication, Blocked, Content, Rate};

/// Reads `550 5.1.1 text`.
fn of(line: &str) -> Verdict {
    let (code, rest) = match line.split_once(' ') {
        Some((code, rest)) if code.len() == 3 && code.parse::<u16>().is_ok() => {
            (code.parse().ok(), rest)
        }
        _ => (None, line),
    };
    let enhanced = crate::smtp::reply::Enhanced::parse(rest.split(' ').next().unwrap());
    let text = if enhanced.is_some() {
        rest.split_once(' ').map_or("", |(_, text)| text)
    } else {
        rest
    };
    classify(&Refusal {
        code,
        enhanced: enhanced.map(|e| (e.class(), e.subject(), e.detail())),
        text,
    })
}

/// Refusals as the large hosts and common servers write them.
const TABLE: &[(&str, Cause)] = &[
    // Gmail
    (
        "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser x - gsmtp",
        AddressDead,
    ),
    (
        "550 5.2.1 The email account that you tried to reach is disabled. For more information, go to https://support.google.com/mail/?p=DisabledUser",
        AddressDead,
    ),
    (
        "550 5.2.1 The email account that you tried to reach is inactive.",
        AddressDead,
    ),
    (
        "452 4.2.2 The recipient's inbox is out of storage space and inactive.",
        AddressBusy,
    ),
    (
        "552 5.2.2 The recipient's inbox is out of storage space. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm",
        AddressBusy,
    ),
    (
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.",
        AddressBusy,
    ),
    (
        "450 4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time.",
        AddressBusy,
    ),
    (
        "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address.",
        OurFault(Rate),
    ),
    (
        "550 5.7.28 Gmail has detected an unusual rate of unsolicited mail",
        OurFault(Rate),
    ),
    (
        "421 4.7.23 The sending IP does not match the IP address of the hostname specified in the pointer (PTR) record",
        OurFault(Authentication),
    ),
    (
        "550 5.7.25 The IP address sending this message does not have a PTR record setup",
        OurFault(Authentication),
    ),
    (
        "550 5.7.26 This mail has been blocked because the sender is unauthenticated.",
        OurFault(Authentication),
    ),
    (
        "421 4.7.27 Your email has been rate limited because SPF authentication didn't pass",
        OurFault(Authentication),
    ),
    (
        "550 5.7.29 Your email has been blocked because it was not sent over a TLS connection",
        OurFault(Authentication),
    ),
    (
        "550 5.7.30 Your email has been blocked because DKIM authentication didn't pass",
        OurFault(Authentication),
    ),
    (
        "421 4.7.31 rate limited because DMARC authentication didn't pass",
        OurFault(Authentication),
    ),
    (
        "421 4.7.32 From: header isn't aligned with either the authenticated SPF or DKIM organizational domain",
        OurFault(Authentication),
    ),
    (
        "550 5.7.1 Gmail has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked.",
        OurFault(Blocked),
    ),
    (
        "421 4.7.0 This message is suspicious due to the very low reputation of the sending IP address",
        OurFault(Blocked),
    ),
    (
        "552 5.7.0 This message was blocked because its content presents a potential security issue.",
        OurFault(Blocked),
    ),
    (
        "552 5.3.4 Your message exceeded Google's message size limits.",
        OurFault(Content),
    ),
    // Microsoft
    (
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
        AddressDead,
    ),
    (
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        AddressDead,
    ),
    (
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
        AddressDead,
    ),
    (
        "550 5.7.515 Access denied, sending domain party.example does not meet the required authentication level.",
        OurFault(Authentication),
    ),
    (
        "550 5.7.509 Access denied, sending domain does not pass DMARC verification and has a DMARC policy of reject.",
        OurFault(Authentication),
    ),
    (
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).",
        OurFault(Blocked),
    ),
    (
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
        OurFault(Blocked),
    ),
    (
        "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
        OurFault(Rate),
    ),
    (
        "451 4.7.500 Server busy. Please try again later",
        OurFault(Blocked),
    ),
    (
        "550 5.7.708 Access denied, traffic not accepted from this IP",
        OurFault(Blocked),
    ),
    (
        "554 5.2.122 The recipient has exceeded their limit",
        AddressBusy,
    ),
    // Yahoo, AOL
    (
        "554 delivery error: dd Not a valid recipient - atlas-production.v2-mail-prod1",
        AddressDead,
    ),
    (
        "554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]",
        AddressDead,
    ),
    (
        "554 30 Sorry, your message to x@yahoo.com cannot be delivered. This mailbox is disabled (554.30).",
        AddressDead,
    ),
    (
        "552 1 Requested mail action aborted, mailbox not found",
        AddressDead,
    ),
    ("552 5.2.2 Mailbox Full", AddressBusy),
    (
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
        OurFault(Rate),
    ),
    (
        "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
        OurFault(Blocked),
    ),
    (
        "554 5.7.9 Message not accepted for policy reasons.",
        OurFault(Blocked),
    ),
    // Others
    (
        "550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
        AddressDead,
    ),
    ("550 5.1.1 <spf@example.org> User unknown", AddressDead),
    ("551 User not local; no such user here", AddressDead),
    ("550 Unknown recipient", AddressDead),
    ("556 5.1.10 Recipient domain has null MX", AddressDead),
    ("556 no mail here", AddressDead),
    ("525 5.7.13 User Account Disabled", AddressDead),
    ("550 5.1.2 Host unknown", AddressDead),
    ("550 5.1.1 bounced; client host rejected", OurFault(Blocked)),
    (
        "550 5.1.1 rejected, ip listed at zen.spamhaus.org",
        OurFault(Blocked),
    ),
    (
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        OurFault(Blocked),
    ),
    (
        "550 5.1.0 <list@party.example> sender rejected. Please see AUP#1310",
        OurFault(Blocked),
    ),
    (
        "554 5.7.1 The message was rejected because it contains prohibited virus or spam content",
        OurFault(Content),
    ),
    ("550 Message contains a virus (Eicar)", OurFault(Content)),
    ("552 5.3.4 Message too big for system", OurFault(Content)),
    ("550 5.7.1 Command rejected", OurFault(Blocked)),
    (
        "550 5.1.8 Bad sender's system address",
        OurFault(Authentication),
    ),
    (
        "450 4.7.1 Client host rejected: cannot find your reverse hostname",
        OurFault(Blocked),
    ),
    (
        "451 4.7.1 Greylisting in action, please come back later",
        Unknown,
    ),
    (
        "450 4.2.0 Greylisted, see http://postgrey.example/",
        AddressBusy,
    ),
    (
        "450 4.1.1 User unknown in local recipient table",
        AddressBusy,
    ),
    ("421 Service not available", Unknown),
    (
        "550 Requested action not taken: mailbox unavailable",
        Unknown,
    ),
    ("554 Transaction failed", Unknown),
    ("550 5.4.6 Routing loop detected", Unknown),
    ("554 5.7.1 Relay access denied", OurFault(Blocked)),
    ("550 no", Unknown),
    ("452 4.3.1 Insufficient system storage", Unknown),
    ("4.4.7 Message expired", Unknown),
    // Bodies without a code
    ("I am out of the office until Monday.", Automatic),
    ("Rwyf ar wyliau; automatic reply", Automatic),
];

#[test]
fn table() {
    for (line, cause) in TABLE {
        assert_eq!(of(line).cause, *cause, "{line}");
    }
}

#[test]
fn permanence_is_the_codes() {
    assert!(of("550 x").permanent);
    assert!(!of("451 x").permanent);
    assert!(of("5.1.1 x").permanent);
    assert!(!of("x").permanent);
    // RFC 3463: where the two differ, the reply code is what the server meant to do.
    assert!(!of("450 5.1.1 User unknown").permanent);
    assert_eq!(of("450 5.1.1 User unknown").cause, AddressBusy);
}

#[test]
fn who_says_too_much_is_left_alone() {
    assert_eq!(
        of("421 4.7.28 x").pause,
        Some(SignedDuration::from_mins(10))
    );
    assert_eq!(
        of("550 5.7.606 x").pause,
        Some(SignedDuration::from_mins(30))
    );
    assert_eq!(of("550 5.1.1 x").pause, None);
    // Law §4: all that is about who we are. For good, each try would cost a person their copy.
    for code in ["7.23", "7.26", "7.27", "7.29", "7.30", "7.31", "7.32"] {
        let pause = |line: String| of(&line).pause;
        assert_eq!(pause(format!("450 4.{code} x")), Some(RATE_PAUSE), "{code}");
        assert_eq!(
            pause(format!("550 5.{code} x")),
            Some(DISTRUST_PAUSE),
            "{code}"
        );
    }
    assert_eq!(of("550 5.7.25 no PTR").pause, Some(DISTRUST_PAUSE));
    assert_eq!(
        of("550 5.7.515 Access denied, sending domain").pause,
        Some(DISTRUST_PAUSE)
    );
    // One message's wish, and one server's own words.
    assert_eq!(of("550 5.7.30 REQUIRETLS support required").pause, None);
    let words = of("550 5.7.1 SPF check failed");
    assert_eq!(words.pause, None, "{words:?}");
}

#[test]
fn a_domain_without_mail_is_a_dead_address_and_a_silent_one_is_not() {
    assert_eq!(
        classify_lookup(&LookupError::NoSuchDomain).cause,
        AddressDead
    );
    assert_eq!(classify_lookup(&LookupError::NullMx).cause, AddressDead);
    assert_eq!(classify_lookup(&LookupError::NoAddress).cause, Unknown);
    assert!(!classify_lookup(&LookupError::Temporary(crate::dns::Hitch::TimedOut)).permanent);
}

proptest! {
    #[test]
    fn a_dead_address_is_always_a_permanent_refusal(
        code in proptest::option::of(400u16..600), enhanced in proptest::option::of((4u8..6, 0u16..8, 0u16..40)),
        text in ".{0,60}", phrase in 0usize..TABLE.len(),
    ) {
        for text in [&*text, TABLE[phrase].0] {
            let verdict = classify(&Refusal { code, enhanced, text });
            prop_assert!(verdict.cause != AddressDead || verdict.permanent);
        }
    }
}
