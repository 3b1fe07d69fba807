//! A party that asks strangers, and a zone that vouches for some.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::peer::{Answer, Post};
use hustings::id::{MailboxId, MessageId};
use hustings::store::{SpecialUse, StoreError};

use crate::support::party::{Party, link_in};
use crate::support::zone::Zone;

pub(crate) const OFFICE: &str = "office@party.example";

/// A zone in which good.example and fine.example say that mail of theirs comes from here.
pub(crate) async fn zone() -> Zone {
    let zone = Zone::start().await;
    for domain in ["good.example", "fine.example", "party.example"] {
        zone.txt(domain, "v=spf1 ip4:127.0.0.1 -all").await;
    }
    zone.txt("_dmarc.good.example", "v=DMARC1; p=none").await;
    zone
}

/// The party, with more lines for `[incoming]` and for `[limits]`.
pub(crate) async fn party(zone: &Zone, incoming: &str, limits: &str) -> Party {
    let resolver = format!("resolver = [\"{}\"]", zone.address());
    let incoming = format!("patience = \"60s\"\n{incoming}");
    Party::start_with(vec![
        ("delivery", resolver),
        ("incoming", incoming),
        ("limits", limits.to_owned()),
    ])
    .await
}

/// A letter, with more lines in its header.
pub(crate) fn letter(from: &str, more: &str, body: &str) -> String {
    format!(
        "From: {from}\r\nTo: {OFFICE}\r\nSubject: A question\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{}@good.example>\r\n{more}\r\n{body}\r\n",
        body.len()
    )
}

pub(crate) async fn post_to(party: &Party, from: &str, to: &str, message: &str) -> Answer {
    let mut dialogue = party.mx().await;
    let (to, message) = (&[to][..], message.as_bytes());
    let answer = dialogue.post(Post { from, to, message }).await.unwrap();
    dialogue.quit().await;
    answer
}

/// Somebody writes to the office, and it is taken.
pub(crate) async fn write(party: &Party, from: &str, more: &str, body: &str) {
    let envelope = from.trim_start_matches("Ann <").trim_end_matches('>');
    let answer = post_to(party, envelope, OFFICE, &letter(from, more, body)).await;
    assert_eq!(answer.code, 250, "{answer}");
}

pub(crate) fn office(party: &Party) -> MailboxId {
    party.rooms().store.vault().role_mailbox("office")
}

/// How many mails stand in which folder of a mailbox, and their texts.
pub(crate) async fn kept_of(party: &Party, mailbox: MailboxId) -> BTreeMap<String, Vec<String>> {
    let store = &party.rooms().store;
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in store.entries(mailbox, 1_000).await.unwrap() {
        let bytes = match store.body(entry.message).read_whole(64 << 20).await {
            Ok(bytes) => bytes,
            // The daily work may have taken it since the entries were read; a body that's lost is another matter.
            Err(StoreError::Cut { .. }) if !stands(party, mailbox, entry.message).await => continue,
            Err(error) => panic!("{error}"),
        };
        let text = String::from_utf8(bytes).unwrap();
        kept.entry(entry.folder.into()).or_default().push(text);
    }
    kept
}

async fn stands(party: &Party, mailbox: MailboxId, message: MessageId) -> bool {
    let entries = party.rooms().store.entries(mailbox, 1_000).await.unwrap();
    entries.iter().any(|entry| entry.message == message)
}

/// The office's: (INBOX, Unconfirmed).
pub(crate) async fn counts(party: &Party) -> (usize, usize) {
    let kept = kept_of(party, office(party)).await;
    let count = |folder: SpecialUse| kept.get(folder.name()).map_or(0, Vec::len);
    (count(SpecialUse::Inbox), count(SpecialUse::Unconfirmed))
}

fn is_question(mail: &Mail) -> bool {
    link_in(mail, "/m/").is_some()
}

/// The newest question to an address, held or to come.
pub(crate) async fn question(party: &Party, to: &str) -> Arc<Mail> {
    party.mail(to, is_question).await
}

/// All questions that went out, by whom they went to.
pub(crate) fn questions(party: &Party) -> Vec<String> {
    let all = party.outside.inbox().all();
    let questions = all.iter().filter(|mail| is_question(mail));
    let mut to: Vec<String> = questions.flat_map(|mail| mail.recipients.clone()).collect();
    to.sort();
    to
}

/// Waits until the worker has decided all that is due. What it queued is on its way then.
pub(crate) async fn decided(party: &Party) {
    let (rooms, until) = (party.rooms(), Instant::now() + Duration::from_secs(120));
    loop {
        let due = rooms.store.due_intake(party.clock.now(), 10).await.unwrap();
        let queued = rooms.store.count_queue().await.unwrap();
        if due.is_empty() && queued == 0 {
            return;
        }
        assert!(Instant::now() < until, "the worker doesn't come to an end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
