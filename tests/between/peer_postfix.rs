//! Mail to and from a real Postfix: what we send passes its TLS and a verifier of DKIM that isn't ours, what it sends comes
//! whole, and what can't be delivered comes back, either way.

use std::time::{Duration, Instant};

use crate::support::authority::Authority;
use crate::support::dkimpy::Dkimpy;
use crate::support::mailing::send;
use crate::support::party::Party;
use crate::support::postfix::{FROM, LATE, NAME, PEER, Postfix, Sends, needs_postfix};
use crate::support::seed::Crowd;
use crate::support::zone::Zone;
use hustings::control::api::mailing::List;
use hustings::daemon::sandbox::stage::{DOMAIN, HOST, free_ports};
use hustings::id::MailboxId;

const ADA: &str = "ada@party.example";
/// Subscribers whose mailboxes are no more; their domain finds out late ([`LATE`]).
const GONE: Crowd = Crowd {
    list: "news",
    people: 3,
    domains: 1,
};
/// How long a mail may take, one way or the other.
const SOON: Duration = Duration::from_secs(60);

/// A party, a Postfix, and the DNS that they have in common.
struct World {
    party: Party,
    postfix: Postfix,
    // The rest is there as long as they are.
    _zone: Zone,
    _files: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let (zone, authority) = (Zone::signed().await, Authority::new());
        for domain in [PEER, LATE] {
            zone.mx(domain, 10, NAME).await;
        }
        for name in [PEER, LATE, NAME] {
            zone.txt(name, &format!("v=spf1 ip4:{FROM} -all")).await;
        }
        zone.address_of(NAME, "127.0.0.1").await;
        zone.txt("_dmarc.peer.test", "v=DMARC1; p=reject").await;
        let files = tempfile::tempdir().unwrap();
        let trusted = files.path().join("ca.pem");
        authority.write_to(&trusted);
        let anchor = files.path().join("anchor");
        std::fs::write(&anchor, zone.anchor()).unwrap();
        let ports = free_ports().unwrap();
        let mut party = Party::start_as(|plan| {
            plan.routed = false;
            let delivery = format!(
                "resolver = [\"{}\"]\ntrust_anchor = {anchor:?}\nsmtp_port = {}\nprivate_networks = true\ntrusted_certificates = {trusted:?}\n\
                 tls_policy.\"{PEER}\" = \"verified\"\ntls_policy.\"{LATE}\" = \"verified\"\n",
                zone.address(),
                ports[0],
            );
            plan.more.push(("delivery", delivery));
            plan.more.push(("incoming", "patience = \"10s\"".to_owned()));
        })
        .await;
        let store = party.rooms().store.clone();
        GONE.seed(&store, party.stage.config().clone()).await;
        drop(store);
        party.start_again().await;
        let sends = Sends {
            to: party.door("smtp"),
            domain: (DOMAIN, HOST),
            authority: &party.stage.authority_file(),
        };
        let postfix = Postfix::start([ports[0], ports[1]], &authority.vouch(NAME), sends);
        Self {
            party,
            postfix,
            _zone: zone,
            _files: files,
        }
    }

    /// Somebody who has a mailbox at Postfix subscribes; the challenge.
    async fn subscribe(&self, person: &str) -> Vec<u8> {
        let page = self
            .party
            .sign_up(&format!("{person}@{PEER}"), "", &["news"])
            .await;
        assert_eq!(page.status, 200, "{}", page.heading());
        let challenge = self.postfix.mail(person, "/c/").await;
        let page = self.party.press(&confirm_link(&challenge)).await;
        assert_eq!(page.status, 200, "{}", page.heading());
        challenge
    }

    /// What is in Ada's mailbox: whole mails.
    async fn kept(&self) -> Vec<String> {
        let rooms = self.party.rooms();
        let roll = rooms.staff.roll();
        let ada = roll.live().find(|one| one.name == "ada").unwrap().id;
        let mut kept = Vec::new();
        for entry in rooms
            .store
            .entries(MailboxId::from(ada), 1000)
            .await
            .unwrap()
        {
            let whole = rooms.store.body(entry.message).read_whole(64 << 20).await;
            kept.push(String::from_utf8(whole.unwrap()).unwrap());
        }
        kept
    }

    /// Waits until this many copies of the one mailing have come back.
    async fn bounced(&self, count: u64) {
        let rows = self.party.socket().ask(List { current: false }).await;
        let id = rows.unwrap().rows[0].id;
        let deadline = Instant::now() + SOON;
        loop {
            let store = self.party.rooms().store.clone();
            let bounced = store.count_bounced_copies(id).await.unwrap();
            if bounced == count {
                return;
            }
            let log = self.postfix.log();
            assert!(Instant::now() < deadline, "{bounced} of {count}\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until Ada has this many mails that fit.
    async fn has(&self, count: usize, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let mut kept = self.kept().await;
            kept.retain(|mail| fits(mail));
            if kept.len() >= count {
                return kept;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count}\n{}",
                kept.len(),
                self.postfix.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The link in a challenge that confirms, however its lines are encoded.
fn confirm_link(challenge: &[u8]) -> String {
    let text = String::from_utf8_lossy(challenge).replace("=\r\n", "");
    let from = text.find("https://").unwrap();
    let links = text[from..].split("https://").skip(1);
    let ours = links.filter_map(|link| link.split_whitespace().next());
    let link = ours.into_iter().find(|link| link.contains("/c/")).unwrap();
    format!("https://{link}")
}

/// Both signatures hold, and are the party's.
fn signed(dkimpy: &mut Dkimpy, mail: &[u8], what: &str) -> String {
    let signatures = dkimpy.look(mail);
    let algorithms: Vec<_> = signatures.iter().map(|one| &*one.algorithm).collect();
    assert_eq!(algorithms, ["rsa-sha256", "ed25519-sha256"], "{what}");
    for one in &signatures {
        assert!(one.passed, "{what}: {} fails", one.algorithm);
        assert_eq!(one.domain, DOMAIN, "{what}");
    }
    signatures[0].selector.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_what_we_send_and_tells_what_it_cannot_deliver() {
    if !needs_postfix() {
        return;
    }
    let Some(mut dkimpy) = Dkimpy::start() else {
        println!("skipped: needs python3 with dkimpy and pynacl");
        return;
    };
    let world = World::start().await;
    dkimpy.knows_keys_of(&world.party);
    let challenge = world.subscribe("ann").await;
    world.subscribe("bob").await;
    send(&world.party, "news@party.example", "A meeting").await;
    let copy = world.postfix.mail("bob", "Subject: A meeting").await;
    let letter = b"From: Ada <ada@party.example>\r\nTo: eve@peer.test\r\nSubject: leaflets\r\n\r\n.\r\n..\r\nThe office has them.\r\n";
    let answer = world.party.submit(&["eve@peer.test"], letter).await;
    assert_eq!(answer.code, 250, "{answer}");
    let letter = world.postfix.mail("eve", "Subject: leaflets").await;
    assert!(
        letter.ends_with(b"\r\n\r\n.\r\n..\r\nThe office has them.\r\n"),
        "{}",
        String::from_utf8_lossy(&letter)
    );
    let mut selectors = Vec::new();
    for (what, mail) in [
        ("challenge", &challenge),
        ("copy", &copy),
        ("letter", &letter),
    ] {
        selectors.push(signed(&mut dkimpy, mail, what));
        let text = String::from_utf8_lossy(mail);
        assert!(text.contains("(using TLSv1.3 with cipher"), "{what}");
    }
    selectors.dedup();
    assert_eq!(selectors.len(), 3, "each kind has keys of its own");
    // The verifier does say no.
    let text = String::from_utf8(letter).unwrap();
    let forged = text.replace("has them", "had them");
    let forged = dkimpy.look(forged.as_bytes());
    assert!(forged.len() == 2 && forged.iter().all(|one| !one.passed));

    // Nobody there: refused at once, and refused later by a mail of its own.
    for to in ["gone@peer.test", "gone@voters0.example"] {
        let letter = format!("From: {ADA}\r\nTo: {to}\r\nSubject: to {to}\r\n\r\nHello.\r\n");
        let answer = world.party.submit(&[to], letter.as_bytes()).await;
        assert_eq!(answer.code, 250, "{answer}");
        let told = world
            .has(1, |mail| mail.contains(&format!("rfc822; {to}")))
            .await;
        assert!(
            told[0].contains("Action: failed") && told[0].contains("Status: 5.1.1"),
            "{}",
            told[0]
        );
    }
    // So for three of the copies: each is counted with its mailing, and nobody sees the report.
    world.bounced(3).await;
    // All of it over connections that were encrypted and proven.
    let log = world.postfix.log();
    assert!(log.contains("TLS connection established from"), "{log}");
    assert!(!log.contains("Must issue a STARTTLS"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postfix_sends_comes_whole_or_goes_back() {
    if !needs_postfix() {
        return;
    }
    let world = World::start().await;
    let from = "ann@peer.test";
    // What a client has to take care with on the way: dots, long lines, eight bits, nothing at all, much.
    let long = "x".repeat(990);
    let much = format!("{}\r\n", "0123456789".repeat(7)).repeat(60_000);
    let bodies = [
        ("dots", ".\r\n..\r\n.hidden\r\n\r\n.\r\n"),
        ("long", &format!("{long}\r\n")),
        ("eight", "Ynys M\u{f4}n, dydd Gwener\r\n"),
        ("nothing", ""),
        ("much", &much),
    ];
    for (what, body) in bodies {
        let mail = format!(
            "From: {from}\r\nTo: {ADA}\r\nSubject: {what}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"
        );
        world.postfix.hand(from, &[ADA], mail.as_bytes()).await;
    }
    for (what, body) in bodies {
        let mails = world
            .has(1, |mail| mail.contains(&format!("Subject: {what}\r\n")))
            .await;
        let (header, kept) = mails[0].split_once("\r\n\r\n").unwrap();
        assert!(kept == body, "{what}: {} octets", kept.len());
        let results = header.replace("\r\n\t", " ").replace("\r\n ", " ");
        assert!(
            results.contains("spf=pass") && results.contains("dmarc=pass"),
            "{results}"
        );
        assert!(results.contains("with ESMTPS"), "{results}");
    }

    // Many at once, over some connections.
    // (Of somebody nobody knows no more than 50 wait.)
    world.postfix.hand_many(40, from, ADA, "one of many").await;
    // To several of us in one go, one of whom doesn't exist, and to a list, where strangers can't write.
    let letter = format!("From: {from}\r\nTo: {ADA}\r\nSubject: to some\r\n\r\nHello.\r\n");
    let to = [
        ADA,
        "ben@party.example",
        "nobody@party.example",
        "news@party.example",
    ];
    world.postfix.hand(from, &to, letter.as_bytes()).await;
    world.has(1, |mail| mail.contains("Subject: to some")).await;
    let report = world.postfix.mail("ann", "Undelivered Mail").await;
    let report = String::from_utf8(report).unwrap();
    for (who, status) in [("nobody", "Status: 5.1.1"), ("news", "Status: 5.7.1")] {
        let about = report.split("Final-Recipient: rfc822; ").skip(1);
        let about = about.filter(|part| part.starts_with(&format!("{who}@party.example")));
        let about: Vec<_> = about.collect();
        assert!(
            about.len() == 1 && about[0].contains("Action: failed") && about[0].contains(status),
            "{who}: {report}"
        );
    }
    assert!(
        !report.contains("Final-Recipient: rfc822; ada@"),
        "{report}"
    );
    let many = world
        .has(40, |mail| mail.contains("Subject: one of many\r\n"))
        .await;
    assert_eq!(many.len(), 40, "none twice");
    let said = world.postfix.said_by("smtp");
    let encrypted = |line: &&String| line.contains("TLS connection established");
    let mut encrypted = said.iter().filter(encrypted);
    assert!(
        encrypted.all(|line| line.contains("Verified TLS")),
        "{said:#?}"
    );
    let waited = said.iter().find(|line| line.contains("status=deferred"));
    assert_eq!(waited, None);
}
