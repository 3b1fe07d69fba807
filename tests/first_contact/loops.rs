//! Two parties that both ask strangers write to each other, and neither asks the other's question anything.

use std::net::SocketAddr;

use hustings::daemon::sandbox::stage::{Plan, free_ports};

use crate::support::party::Party;
use crate::support::zone::Zone;
use crate::world::{OFFICE, counts, decided, kept_of, until};

const THEIRS: &str = "rival.example";

async fn one(zone: &Zone, domain: Option<&'static str>, ports: [u16; 7], other: u16) -> Party {
    let resolver = format!("resolver = [\"{}\"]", zone.address());
    Party::start_as(|plan: &mut Plan| {
        plan.domain = domain;
        plan.ports = ports;
        plan.outside = SocketAddr::from(([127, 0, 0, 1], other));
        plan.more = vec![
            ("delivery", resolver),
            ("incoming", "patience = \"60s\"".to_owned()),
        ];
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parties_that_ask_do_not_loop() {
    let zone = Zone::start().await;
    // Both are vouched for in all they send, also under the null path: nothing but what their mail says of itself keeps
    // them from asking each other.
    for domain in ["party.example", THEIRS] {
        let policy = format!("_dmarc.{domain}");
        zone.txt(&policy, "v=DMARC1; p=reject").await;
        for name in [domain.to_owned(), format!("mail.{domain}")] {
            zone.txt(&name, "v=spf1 ip4:127.0.0.1 -all").await;
        }
    }
    let (ours, theirs) = (free_ports().unwrap(), free_ports().unwrap());
    let us = one(&zone, None, ours, theirs[0]).await;
    let them = one(&zone, Some(THEIRS), theirs, ours[0]).await;
    let ada = us.sender.address.clone();
    let to = format!("office@{THEIRS}");
    let mail = format!("From: {ada}\r\nTo: {to}\r\nSubject: Debate\r\n\r\nShall we?\r\n");
    let answer = us.submit(&[&to], mail.as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    // It waits there; they ask Ada by the address that she wrote to, so that her server lets the question in, and asks
    // nothing.
    until("it waits there", async || counts(&them).await == (0, 1)).await;
    let roll = us.rooms().staff.roll();
    let id = roll.live().find(|one| one.name == "ada").unwrap().id.into();
    let question = async || {
        let kept = kept_of(&us, id).await;
        let seen = kept.get("INBOX").into_iter().flatten();
        let asked = seen.filter(|mail| mail.contains("/m/"));
        asked.cloned().collect::<Vec<_>>()
    };
    until("she was asked", async || question().await.len() == 1).await;
    let asked = question().await.remove(0);
    assert!(asked.contains("Hustings-Sender: proven"), "{asked}");
    for party in [&us, &them] {
        decided(party).await;
    }
    let asked_by = async |party: &Party| party.rooms().consent.contacts().await.unwrap().asked;
    assert_eq!((asked_by(&us).await, asked_by(&them).await), (0, 1));
    // The other way round, while the first still waits.
    let eve = them.sender.address.clone();
    let mail = format!("From: {eve}\r\nTo: {OFFICE}\r\nSubject: Debate\r\n\r\nShall we not?\r\n");
    let answer = them.submit(&[OFFICE], mail.as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    until("it waits here", async || counts(&us).await == (0, 1)).await;
    until("we ask", async || asked_by(&us).await == 1).await;
    for party in [&us, &them, &us, &them] {
        decided(party).await;
    }
    assert_eq!((asked_by(&us).await, asked_by(&them).await), (1, 1));
    // Ada simply answers the question: who reads her mail has said so.
    let id = asked
        .lines()
        .find_map(|line| line.strip_prefix("Message-ID: "));
    let answer = format!(
        "From: {ada}\r\nTo: {to}\r\nSubject: Re: Did you write?\r\nIn-Reply-To: {}\r\n\r\nYes, it was me.\r\n",
        id.unwrap()
    );
    let answer = us.submit(&[&to], answer.as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    until("all of hers came in", async || {
        counts(&them).await == (2, 0)
    })
    .await;
}
