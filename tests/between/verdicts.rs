//! Who wrote this? Mail through the real port, judged by a DNS zone of the story's own.

use std::time::{Duration, Instant};

use crate::support::dkimpy::signed;
use crate::support::party::Party;
use crate::support::zone::{Fault, Zone};
use hickory_server::proto::rr::rdata::PTR;
use hickory_server::proto::rr::{Name, RData};
use hustings::address::EmailAddress;
use hustings::daemon::sandbox::peer::{Answer, Post};
use hustings::dns::{LookupError, Resolver, ResolverSettings};
use hustings::id::CopyId;
use hustings::message::dkim::{SelectedKey, Signer, SigningKey};
use hustings::vault::CopyTokenKind;

const OFFICE: &str = "office@party.example";

/// What was kept in the office's mailbox: the folder and the mail.
async fn office(party: &Party) -> Vec<(String, String)> {
    let store = &party.rooms().store;
    let mut kept = Vec::new();
    let mailbox = store.vault().role_mailbox("office");
    for entry in store.entries(mailbox, 100).await.unwrap() {
        let bytes = store
            .body(entry.message)
            .read_whole(64 << 20)
            .await
            .unwrap();
        kept.push((entry.folder.into(), String::from_utf8(bytes).unwrap()));
    }
    kept
}

async fn party_with(zone: &Zone, incoming: &str) -> Party {
    let resolver = format!("resolver = [\"{}\"]", zone.address());
    let incoming = format!("patience = \"3s\"\nfirst_contact = \"deliver\"\n{incoming}");
    Party::start_with(vec![("delivery", resolver), ("incoming", incoming)]).await
}

/// A zone in which good.example sends from here, signs, and asks to refuse what it didn't write.
async fn world() -> (Zone, Signer) {
    let zone = Zone::start().await;
    zone.txt("good.example", "v=spf1 ip4:127.0.0.1 -all").await;
    zone.txt("_dmarc.good.example", "v=DMARC1; p=reject").await;
    zone.txt("_dmarc.wary.example", "v=DMARC1; p=quarantine")
        .await;
    let mut keys = Vec::new();
    for (selector, key) in [
        ("rsa", SigningKey::generate_rsa().unwrap()),
        ("ed", SigningKey::generate_ed25519().unwrap()),
    ] {
        let record = key.record().unwrap();
        zone.txt(&format!("{selector}._domainkey.good.example"), &record)
            .await;
        let selector = selector.to_owned();
        keys.push(SelectedKey { selector, key });
    }
    (zone, Signer::new("good.example", keys).unwrap())
}

fn header(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: {OFFICE}\r\nSubject: A question\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <1@good.example>\r\n"
    )
}

fn letter(from: &str) -> String {
    header(from) + "\r\nHello.\r\n"
}

/// The address in a mail that withdraws.
fn way_out(message: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(message).replace("=\r\n", "");
    let text = text.replace("\r\n ", "").replace("\r\n\t", "");
    let end = "@party.example";
    // A signature's base64 may hold the first two letters as well.
    let is_token = |token: &&str| {
        token
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let tokens = text.split("u+").skip(1);
    let token = tokens
        .filter_map(|rest| Some(rest.split_once(end)?.0))
        .find(is_token)?;
    Some(format!("u+{token}{end}"))
}

async fn post(party: &Party, from: &str, message: &str) -> Answer {
    let mut dialogue = party.mx().await;
    let (to, message) = (&[OFFICE][..], message.as_bytes());
    let answer = dialogue.post(Post { from, to, message }).await.unwrap();
    dialogue.quit().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_verdicts_ask_dns_answers() {
    let zone = Zone::start().await;
    let named = |text| Name::from_ascii(text).unwrap();
    let reverse = "1.2.0.192.in-addr.arpa";
    zone.add(reverse, RData::PTR(PTR(named("MX.good.example."))))
        .await;
    zone.mx("good.example", 20, "b.good.example").await;
    zone.mx("good.example", 10, "a.good.example").await;
    let long = format!("v=spf1 {}-all", "ip4:192.0.2.1 ".repeat(40));
    zone.txt("_spf.good.example", &long).await;
    zone.fault("broken.example", Some(Fault::ServerFailure));
    zone.fault("silent.example", Some(Fault::Silence));
    let settings = ResolverSettings::for_verdicts(vec![zone.address()], Duration::from_secs(1));
    let resolver = Resolver::new(settings).unwrap();
    let ip = "192.0.2.1".parse().unwrap();
    assert_eq!(resolver.names_of(ip).await.unwrap(), ["mx.good.example"]);
    let hosts = resolver.exchanges("good.example").await.unwrap();
    assert_eq!(hosts, ["a.good.example", "b.good.example"]);
    let texts = resolver.texts("_spf.good.example").await.unwrap();
    assert_eq!(texts, [long.into_bytes()]);
    assert_eq!(resolver.texts("good.example").await, Ok(vec![]));
    let missing = resolver.texts("missing.example").await;
    assert_eq!(missing, Err(LookupError::NoSuchDomain));
    for name in ["broken.example", "silent.example"] {
        let failed = resolver.texts(name).await.unwrap_err();
        assert!(failed.is_temporary(), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_vouched_for_is_kept_and_says_so() {
    let (zone, signer) = world().await;
    let party = party_with(&zone, "").await;
    let forged = "Authentication-Results: mail.party.example; dmarc=pass header.from=bank.example\r\n\
                  authentication-results: (x) PARTY.example\r\n ; spf=pass\r\n";
    let theirs = "Authentication-Results: mx.good.example; auth=pass\r\n";
    let body = "Hello \t there.\r\n\r\n  \r\n\t\r\n   \r\n";
    let message = signed(&signer, &header("Ann <ann@good.example>"), body);
    let message = format!("{forged}{theirs}{message}");
    let answer = post(&party, "ann@good.example", &message).await;
    assert_eq!(answer.code, 250, "{answer}");
    let kept = office(&party).await;
    let [(folder, mail)] = kept.as_slice() else {
        panic!("{} mails", kept.len());
    };
    assert_eq!(folder, "INBOX");
    assert!(
        mail.starts_with("Authentication-Results: mail.party.example;\r\n"),
        "{mail}"
    );
    for said in [
        // The resolver knows loopback by itself.
        "iprev=pass (localhost) policy.iprev=127.0.0.1",
        "spf=pass smtp.mailfrom=good.example",
        "dkim=pass (2048-bit key) header.d=good.example",
        "header.a=ed25519-sha256",
        "dmarc=pass (p=reject of good.example) header.from=good.example",
        "(localhost [127.0.0.1])\r\n\tby mail.party.example",
        theirs,
    ] {
        assert!(mail.contains(said), "{said}: {mail}");
    }
    assert!(
        !mail.contains("bank.example") && !mail.contains("PARTY.example"),
        "{mail}"
    );
    assert!(mail.ends_with(body), "{mail:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_author_is_refused_in_the_name_of_the_policy() {
    let (zone, signer) = world().await;
    let party = party_with(&zone, "").await;
    let from = "x@evil.example";
    let answer = post(&party, from, &letter("ann@good.example")).await;
    assert!(answer.to_string().starts_with("550 5.7.1"), "{answer}");
    assert!(
        answer.to_string().contains("policy of good.example"),
        "{answer}"
    );
    let changed = signed(&signer, &header("ann@good.example"), "Hello.\r\n");
    let changed = changed.replace("A question", "An order");
    let answer = post(&party, from, &changed).await;
    assert_eq!(answer.code, 550, "{answer}");
    let two = letter("ann@good.example\r\nFrom: eve@evil.example");
    let answer = post(&party, "ann@good.example", &two).await;
    assert_eq!(answer.code, 550, "{answer}");
    assert_eq!(party.kept().await, 0);
    // The same, unforged: it was not for another reason.
    let whole = signed(&signer, &header("ann@good.example"), "Hello.\r\n");
    assert_eq!(post(&party, from, &whole).await.code, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_domain_warns_of_is_junk_and_what_it_says_nothing_of_is_not() {
    let (zone, _) = world().await;
    let party = party_with(&zone, "").await;
    for author in ["a@wary.example", "a@plain.example"] {
        let answer = post(&party, "x@evil.example", &letter(author)).await;
        assert_eq!(answer.code, 250, "{answer}");
    }
    let mut kept = office(&party).await;
    kept.sort();
    let folders: Vec<_> = kept.iter().map(|(folder, _)| folder.as_str()).collect();
    assert_eq!(folders, ["INBOX", "Junk"]);
    assert!(
        kept[0].1.contains("dmarc=none header.from=plain.example"),
        "{}",
        kept[0].1
    );
    assert!(
        kept[1]
            .1
            .contains("dmarc=fail (p=quarantine of wary.example)"),
        "{}",
        kept[1].1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_dns_puts_mail_off_and_nobody_s_withdrawal() {
    let (zone, _) = world().await;
    let party = party_with(&zone, "").await;
    zone.fault("silent.example", Some(Fault::Silence));
    zone.txt("_dmarc.silent.example", "v=DMARC1; p=reject")
        .await;
    zone.fault("_dmarc.mute.example", Some(Fault::Silence));
    zone.fault("_dmarc.broken.example", Some(Fault::ServerFailure));
    let began = Instant::now();
    let answer = post(&party, "a@silent.example", &letter("a@silent.example")).await;
    assert!(answer.to_string().starts_with("451 4.7.24"), "{answer}");
    for author in ["a@mute.example", "a@broken.example"] {
        let answer = post(&party, "a@plain.example", &letter(author)).await;
        assert!(answer.to_string().starts_with("451 4.4.3"), "{answer}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "{:?}",
        began.elapsed()
    );
    // What one passes by, the other need not say.
    let answer = post(&party, "a@good.example", &letter("a@good.example")).await;
    assert_eq!(answer.code, 250, "{answer}");
    // The token in a copy is all the proof that a withdrawal needs.
    party
        .subscribe("sue@elsewhere.example", "", &["news"])
        .await;
    let welcome = party
        .mail("sue@elsewhere.example", |mail| {
            way_out(&mail.message()).is_some()
        })
        .await;
    let way_out = way_out(&welcome.message()).unwrap();
    // Beside somebody else, too: the mail waits, and the withdrawal doesn't.
    let mut dialogue = party.mx().await;
    let message = letter("a@mute.example");
    let post = Post {
        from: "a@plain.example",
        to: &[way_out.as_str(), OFFICE],
        message: message.as_bytes(),
    };
    let answer = dialogue.post(post).await.unwrap();
    assert_eq!(answer.code, 451, "{answer}");
    assert_eq!(standing(&party, "sue@elsewhere.example").await, None);
    let (from, to) = ("a@silent.example", &[way_out.as_str()][..]);
    let message = letter("a@mute.example");
    let message = message.as_bytes();
    let answer = dialogue.post(Post { from, to, message }).await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    // Staff have shown who they are.
    let message = letter("ada@party.example");
    let answer = party.submit(&[OFFICE], message.as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    let kept = office(&party).await;
    let judged = kept
        .iter()
        .filter(|(_, mail)| mail.contains("Authentication-Results"));
    assert_eq!((kept.len(), judged.count()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_answers_for_keep_no_vouched_mail_out() {
    let (zone, signer) = world().await;
    let party = party_with(&zone, "").await;
    zone.fault("silent.example", Some(Fault::Silence));
    let mut dead = String::new();
    for n in 0..5 {
        zone.fault(
            &format!("s._domainkey.dead{n}.example"),
            Some(Fault::Silence),
        );
        dead += &format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=dead{n}.example; s=s; h=From;\r\n\
             \tbh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA\r\n"
        );
    }
    // SPF vouches, or a signature does; nobody asks for anything.
    let by_spf = dead.clone() + &letter("a@good.example");
    let by_key = dead.clone() + &signed(&signer, &header("a@good.example"), "Hello.\r\n");
    let unasked = dead + &letter("a@plain.example");
    for (sender, message) in [
        ("a@good.example", by_spf),
        ("a@silent.example", by_key),
        ("a@silent.example", unasked),
    ] {
        let answer = post(&party, sender, &message).await;
        assert_eq!(answer.code, 250, "{answer}");
    }
    let kept = office(&party).await;
    assert!(kept.iter().all(|(folder, _)| folder == "INBOX"));
    assert_eq!(kept.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tricky_header_gets_no_forged_author_in() {
    let (zone, _) = world().await;
    let party = party_with(&zone, "").await;
    let broken = format!("X Foo: bar\r\n{}", letter("Ann <ann@good.example>"));
    let many = "X: y\r\n".repeat(1_200) + &letter("Ann <ann@good.example>");
    let joined = letter("<ann@good.example> <x@plain.example>");
    let group = letter("Ann: ann@good.example;");
    for (message, said) in [
        (&broken, "550 5.7.1"),
        (&many, "550 5.7.1"),
        (&joined, "550 5.7.1"),
        (&group, "554 5.6.0"),
    ] {
        for sender in ["", "x@plain.example"] {
            let answer = post(&party, sender, message).await.to_string();
            assert!(answer.starts_with(said), "{answer}: {message:.60}");
        }
    }
    assert_eq!(party.kept().await, 0);
    // Honest ones with the same flaws come in.
    for message in [&broken, &many] {
        let answer = post(&party, "ann@good.example", message).await;
        assert_eq!(answer.code, 250, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_mail_comes_out_as_it_came_in() {
    let (zone, signer) = world().await;
    let party = party_with(&zone, "").await;
    let body = "0123456789 abcdefghij 0123456789 abcdefghij\r\n".repeat(120_000);
    let message = signed(&signer, &header("ann@good.example"), &body);
    let answer = post(&party, "x@evil.example", &message).await;
    assert_eq!(answer.code, 250, "{answer}");
    let kept = office(&party).await;
    assert!(kept[0].1.ends_with(&message), "it was changed");
    assert!(kept[0].1.contains("dkim=pass"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_a_blocklist() {
    let (zone, _) = world().await;
    let party = party_with(&zone, "mails_per_sender = 2\nmails_per_network = 5").await;
    let mut answers = Vec::new();
    for from in ["a", "a", "A", "b", "b", "c"] {
        let from = format!("{from}@good.example");
        answers.push(post(&party, &from, &letter(&from)).await.code);
    }
    assert_eq!(answers, [250, 250, 450, 250, 250, 450]);
    drop(party);
    zone.address_of("1.0.0.127.list.example", "127.0.0.2").await;
    zone.address_of("1.0.0.127.odd.example", "127.255.255.254")
        .await;
    zone.fault("1.0.0.127.dead.example", Some(Fault::Silence));
    for (list, code) in [("list", 554), ("odd", 250), ("dead", 250), ("empty", 250)] {
        let party = party_with(&zone, &format!("blocklist = \"{list}.example\"")).await;
        let from = "a@good.example";
        let answer = post(&party, from, &letter(from)).await;
        assert_eq!(answer.code, code, "{list}: {answer}");
    }
}

/// How many subscriptions an address has that aren't paused, and how many are; none if it isn't held.
async fn standing(party: &Party, who: &str) -> Option<(usize, usize)> {
    let form = EmailAddress::parse(who).unwrap().match_form();
    let found = party.rooms().store.subscriber(&form).await.unwrap()?;
    let all = found.record.subscriptions;
    let paused = all.iter().filter(|one| one.paused_until.is_some()).count();
    Some((all.len() - paused, paused))
}

/// Waits until the worker has paused somebody, and mailed them the question.
async fn wait_for_pause(party: &Party, who: &str) {
    let asked = |mail: &hustings::daemon::sandbox::inbox::Mail| {
        String::from_utf8_lossy(&mail.message()).contains("Subject: Stop email from")
    };
    party.mail(who, asked).await;
    assert_eq!(standing(party, who).await, Some((0, 1)), "{who}");
}

fn stop(from: &str, answers: &str) -> String {
    header(from).replace("A question", "Re: May news") + answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_final_where_the_author_is_vouched_for_and_never_dropped() {
    let (zone, signer) = world().await;
    zone.txt("bare.example", "v=spf1 ip4:127.0.0.1 -all").await;
    let party = party_with(&zone, "").await;
    let (ann, eve, kim) = ("ann@good.example", "eve@good.example", "kim@good.example");
    let (sue, joe, jim) = ("sue@bare.example", "joe@plain.example", "jim@plain.example");
    for who in [ann, eve, kim, sue, joe, jim] {
        party.subscribe(who, "", &["news"]).await;
    }
    // DMARC passes by a signature, or by SPF; without a policy SPF of the author's own domain is enough.
    let by_signature = signed(&signer, &stop(ann, ""), "Stop.\r\n");
    let from = "list@elsewhere.example";
    assert_eq!(post(&party, from, &by_signature).await.code, 250);
    assert_eq!(standing(&party, ann).await, None, "before the 250");
    for who in [eve, sue] {
        let mail = stop(who, "") + "\r\nStop.\r\n";
        assert_eq!(post(&party, who, &mail).await.code, 250);
        assert_eq!(standing(&party, who).await, None, "{who}");
    }
    // Nobody vouches: it may be forged, so it pauses and asks.
    let mail = stop(joe, "") + "\r\nStop.\r\n";
    assert_eq!(post(&party, joe, &mail).await.code, 250);
    wait_for_pause(&party, joe).await;
    // An answer to a copy behind which nobody stands any more, as after thirty days: in a word or in a sentence.
    let vault_of = party.rooms();
    let token = vault_of
        .store
        .vault()
        .copy_token(CopyTokenKind::MessageId, CopyId::random());
    let old = format!("In-Reply-To: <{token}@party.example>\r\n");
    let mail = stop(jim, &old) + "\r\nI'd like you to stop writing to me\r\n";
    assert_eq!(post(&party, jim, &mail).await.code, 250);
    wait_for_pause(&party, jim).await;
    let mail = stop(kim, &old);
    let by_signature = signed(&signer, &mail, "Stop.\r\n");
    assert_eq!(post(&party, kim, &by_signature).await.code, 250);
    assert_eq!(standing(&party, kim).await, None);
}
