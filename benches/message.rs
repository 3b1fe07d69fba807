//! What a mailing's copies cost: preparing once, then making and signing each copy.
//!
//! `cargo bench --bench message`. Items are copies, so that divan prints copies per second of one core.

#![allow(missing_docs, clippy::unwrap_used)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use hustings::message::copy::CopyPlan;
use hustings::message::dkim::{BodyHasher, SelectedKey, Signer, SigningKey, SigningTime};
use hustings::message::footer::{Footer, FooterText};
use hustings::message::inspect::inspect;
use hustings::message::mime::Limits;
use hustings::message::prepare::{Letterhead, prepare};
use hustings::message::rules::{Policy, check};
use hustings::message::segment::{Prepared, SlotValues};

fn main() {
    divan::main();
}

/// The sizes of attachments that are measured, in octets; 0 is none.
const ATTACHMENTS: [usize; 3] = [0, 50_000, 1_000_000];

fn footer() -> Footer {
    FooterText {
        party: "The Example Party",
        imprint: "Promoted by The Example Party of 1 High Street, Anytown, AB1 2CD.",
        why: "You get this because you asked for News at party.example.",
        right_heading: "Your right to stop this",
        right: "You have the right to object at any time to our using your data to send you political e-mail.",
        way_out: "Stop these e-mails",
        postal_address: "The Example Party, 1 High Street, Anytown, AB1 2CD",
        complaints: "Unhappy with how we handle your data? Complain to us: privacy@party.example.",
    }
    .footer()
    .unwrap()
}

/// A mail with text and HTML of about 4 KB each, and an attachment of this size.
fn mail(attachment: usize) -> Vec<u8> {
    let words = "See you on Friday at the town hall, and bring a friend.\r\n".repeat(70);
    let lines = format!("{}\r\n", "QUJD".repeat(19)).repeat(attachment / 57);
    format!(
        "From: <news@party.example>\r\nTo: <news@party.example>\r\nSubject: Meeting on Friday\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
         --a\r\n\r\n{words}\r\n--a\r\nContent-Type: text/html\r\n\r\n<html><body><p>{words}</p></body></html>\r\n--a--\r\n\
         --m\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}QUJD\r\n--m--\r\n"
    )
    .into_bytes()
}

fn prepared(attachment: usize) -> Prepared {
    let footer = footer();
    let letterhead = Letterhead {
        from_name: "The Example Party",
        from_address: "news@party.example",
        reply_to: None,
        list_id: "news.party.example",
        list_name: "News",
        footer: &footer,
    };
    prepare(
        &inspect(&mail(attachment), &Limits::default()).unwrap(),
        &letterhead,
    )
    .unwrap()
}

fn signer(rsa: bool, ed25519: bool) -> Signer {
    let mut keys = Vec::new();
    if rsa {
        let key = SigningKey::generate_rsa().unwrap();
        keys.push(SelectedKey {
            selector: "r1".into(),
            key,
        });
    }
    if ed25519 {
        let key = SigningKey::generate_ed25519().unwrap();
        keys.push(SelectedKey {
            selector: "e1".into(),
            key,
        });
    }
    Signer::new("party.example", keys).unwrap()
}

fn values() -> SlotValues<'static> {
    SlotValues {
        to: "ann@voter.example",
        message_id: "mabcdefghijklmnopqrstuvwxyz234567@party.example",
        date: jiff::Timestamp::UNIX_EPOCH,
        unsubscribe_url: "https://party.example/u/abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwxyz",
        unsubscribe_mailto: "mailto:u+abcdefghijklmnopqrstuvwxyz234567abcdefghijk@party.example",
    }
}

const TIME: SigningTime = SigningTime {
    at: jiff::Timestamp::UNIX_EPOCH,
    expires: None,
};

#[divan::bench(args = ATTACHMENTS)]
fn copy_with_both_signatures(bencher: Bencher<'_, '_>, attachment: usize) {
    let (plan, signer) = (CopyPlan::new(prepared(attachment)), signer(true, true));
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        plan.signed_copy(black_box(&values()), &signer, TIME)
            .unwrap()
    });
}

#[divan::bench(args = ATTACHMENTS)]
fn copy_with_ed25519_alone(bencher: Bencher<'_, '_>, attachment: usize) {
    let (plan, signer) = (CopyPlan::new(prepared(attachment)), signer(false, true));
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        plan.signed_copy(black_box(&values()), &signer, TIME)
            .unwrap()
    });
}

#[divan::bench(args = ATTACHMENTS)]
fn copy_unsigned(bencher: Bencher<'_, '_>, attachment: usize) {
    let plan = CopyPlan::new(prepared(attachment));
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| plan.copy(black_box(&values())).unwrap());
}

#[divan::bench(args = ATTACHMENTS)]
fn check_and_prepare(bencher: Bencher<'_, '_>, attachment: usize) {
    let (mail, footer) = (mail(attachment), footer());
    let letterhead = Letterhead {
        from_name: "The Example Party",
        from_address: "news@party.example",
        reply_to: None,
        list_id: "news.party.example",
        list_name: "News",
        footer: &footer,
    };
    let lists = ["news@party.example"];
    let policy = Policy {
        identity: "news@party.example",
        lists: &lists,
        max_size: 50_000_000,
    };
    bencher.counter(BytesCount::new(mail.len())).bench(|| {
        let inspection = inspect(black_box(&mail), &Limits::default()).unwrap();
        assert!(check(&inspection, &policy).is_empty());
        prepare(&inspection, &letterhead).unwrap()
    });
}

#[divan::bench]
fn hash_a_body_of_words(bencher: Bencher<'_, '_>) {
    let body = "See you  on Friday \tat the town hall,\r\n and bring a friend. \r\n".repeat(1000);
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let mut hasher = BodyHasher::new();
        hasher.update(black_box(body.as_bytes()));
        hasher.finish()
    });
}
