//! Every way out but the link: replies, bare words, above long quotations, with and without somebody who vouches; and the
//! staff's own commands for whoever rang or wrote. All through the real ports.

use std::time::{Duration, Instant};

use crate::support::mailing;
use crate::support::party::{Party, link_in, said};
use crate::support::zone::{Fault, Zone};
use hustings::control::api::subscriber::{Find, SubscriberReport};
use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::peer::{Answer, Post};
use jiff::SignedDuration;

const OFFICE: &str = "office@party.example";
const NEWS: &str = "news@party.example";
const APPEALS: &str = "appeals@party.example";
const BOTH: &[&str] = &["news", "appeals"];
const SENTENCE: &str = "Hello, could you take me off this, please? I have moved.";

/// A zone in which good.example sends from here and asks to refuse what it didn't write, wary.example sends from
/// elsewhere and asks to be wary, bare.example sends from here and has no policy; plain.example says nothing.
async fn party() -> (Party, Zone) {
    let zone = Zone::start().await;
    zone.txt("good.example", "v=spf1 ip4:127.0.0.1 -all").await;
    zone.txt("_dmarc.good.example", "v=DMARC1; p=reject").await;
    zone.txt("bare.example", "v=spf1 ip4:127.0.0.1 -all").await;
    zone.txt("strict.example", "v=spf1 -all").await;
    zone.txt("_dmarc.wary.example", "v=DMARC1; p=quarantine")
        .await;
    let resolver = format!("resolver = [\"{}\"]", zone.address());
    let incoming = "patience = \"3s\"".to_owned();
    let more = vec![("delivery", resolver), ("incoming", incoming)];
    (Party::start_with(more).await, zone)
}

/// What somebody's mail program sends to the office.
struct Letter<'a> {
    from: &'a str,
    /// Who the connection says it is; the author if nothing else is said.
    envelope: Option<&'a str>,
    answers: Option<&'a str>,
    text: &'a str,
    quote: Option<Quote>,
}

/// In which shape a program writes a long quotation.
#[derive(Debug, Clone, Copy)]
enum Quote {
    Plain,
    Html,
    Attached,
}

impl Letter<'_> {
    async fn send(&self, party: &Party) -> Answer {
        let mut dialogue = party.mx().await;
        let message = self.written();
        let post = Post {
            from: self.envelope.unwrap_or(self.from),
            to: &[OFFICE],
            message: message.as_bytes(),
        };
        let answer = dialogue.post(post).await.unwrap();
        dialogue.quit().await;
        answer
    }

    fn written(&self) -> String {
        let answers = self.answers.map_or_else(String::new, |id| {
            format!("In-Reply-To: {id}\r\nReferences: {id}\r\n")
        });
        let header = format!(
            "From: {}\r\nTo: {OFFICE}\r\nSubject: Re: A question\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
             Message-ID: <1@client.example>\r\nMIME-Version: 1.0\r\n{answers}",
            self.from
        );
        let text = self.text;
        let line = "News of every kind, and a long story about it.\r\n";
        match self.quote {
            None => format!("{header}\r\n{text}\r\n"),
            Some(Quote::Plain) => {
                let quoted = format!("> {line}").repeat(5_000);
                format!("{header}\r\n{text}\r\n\r\nOn Friday, the party wrote:\r\n{quoted}")
            }
            Some(Quote::Html) => format!(
                "{header}Content-Type: text/html; charset=utf-8\r\n\r\n<div>{text}</div>\r\n<blockquote>\r\n{}\
                 </blockquote>\r\n",
                format!("<p>{line}</p>\r\n").repeat(5_000)
            ),
            Some(Quote::Attached) => format!(
                "{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\nContent-Type: \
                 image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
                format!("{}\r\n", "QUJD".repeat(19)).repeat(4_000)
            ),
        }
    }
}

fn letter<'a>(from: &'a str, text: &'a str) -> Letter<'a> {
    Letter {
        from,
        envelope: None,
        answers: None,
        text,
        quote: None,
    }
}

async fn standing(party: &Party, address: &str) -> Option<SubscriberReport> {
    let find = Find {
        address: address.to_owned(),
        reason: Some("to see".to_owned()),
    };
    party.socket().ask(find).await.unwrap().answer.subscriber
}

/// On which lists somebody is, the paused ones with a mark.
async fn lists(party: &Party, address: &str) -> Vec<String> {
    let found = standing(party, address).await;
    let on = found.iter().flat_map(|one| {
        let keys = one.subscriptions.keys();
        keys.map(|list| match one.paused.contains_key(list) {
            true => format!("{list} paused"),
            false => list.clone(),
        })
    });
    on.collect()
}

/// Waits until it is so: what only pauses is decided behind the answer.
async fn comes_to(party: &Party, address: &str, expected: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let now = lists(party, address).await;
        if now == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{address}: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether it's the mail with the button, after a pause.
fn asks(mail: &Mail) -> bool {
    let subject = mail.header("Subject").unwrap_or_default();
    subject.starts_with("Stop email from")
}

/// A copy's Message-ID, as an answer names it.
async fn copy_id(party: &Party, address: &str) -> String {
    let copy = party
        .mail(address, |mail| mail.header("List-Id").is_some())
        .await;
    copy.header("Message-ID").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_copy_is_heard_above_whatever_it_quotes() {
    let (party, _zone) = party().await;
    let shapes = [
        ("a@good.example", None),
        ("b@good.example", Some(Quote::Plain)),
        ("c@good.example", Some(Quote::Html)),
        ("d@good.example", Some(Quote::Attached)),
        ("keeps@good.example", None),
    ];
    for (who, _) in shapes {
        party.subscribe(who, "", BOTH).await;
    }
    mailing::send(&party, NEWS, "The May news").await;
    // The copy's id is the proof: neither the author nor the envelope is who got it.
    for (who, quote) in &shapes[..4] {
        let id = copy_id(&party, who).await;
        let stop = Letter {
            answers: Some(&id),
            quote: *quote,
            ..letter("somebody@plain.example", "Please stop.")
        };
        let answer = stop.send(&party).await;
        assert_eq!(answer.code, 250, "{quote:?}: {answer}");
        assert_eq!(lists(&party, who).await, ["appeals"], "{quote:?}");
    }
    assert_eq!(lists(&party, "keeps@good.example").await, BOTH_SORTED);
}

/// The copy's id proves it, so no verdict about the mail has a say: it is done before any is asked for. And of several
/// copies the nearest is meant.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_answer_to_a_copy_is_done_first_whatever_becomes_of_the_mail() {
    let (party, zone) = party().await;
    zone.fault("_dmarc.mute.example", Some(Fault::Silence));
    let people = ["a@plain.example", "b@plain.example", "c@plain.example"];
    for who in people {
        party.subscribe(who, "", BOTH).await;
    }
    mailing::send(&party, APPEALS, "An appeal").await;
    let mut appeals = Vec::new();
    for who in people {
        appeals.push(copy_id(&party, who).await);
    }
    mailing::send(&party, NEWS, "The May news").await;
    // Put off, refused as forged, and taken.
    let authors = ["x@mute.example", "x@good.example", "x@plain.example"];
    for (n, (author, code)) in authors.into_iter().zip([451, 550, 250]).enumerate() {
        let copy = party
            .mail(people[n], |mail| {
                mail.header("Subject").as_deref() == Some("The May news")
            })
            .await;
        let (news, appeal) = (copy.header("Message-ID").unwrap(), &appeals[n]);
        // The thread began with the appeal; what is answered is the news.
        let message = format!(
            "From: {author}\r\nTo: {OFFICE}\r\nSubject: Re: The May news\r\n\
             Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n\
             References: {appeal} {news}\r\n\r\nPlease stop.\r\n"
        );
        let mut dialogue = party.mx().await;
        let post = Post {
            from: "x@plain.example",
            to: &[OFFICE],
            message: message.as_bytes(),
        };
        let answer = dialogue.post(post).await.unwrap();
        assert_eq!(answer.code, code, "{author}: {answer}");
        assert_eq!(lists(&party, people[n]).await, ["appeals"], "{author}");
    }
}

const BOTH_SORTED: [&str; 2] = ["appeals", "news"];

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_in_answer_to_a_copy_pauses_and_asks_whoever_wrote_it() {
    let (party, _zone) = party().await;
    // Proven by SPF; unproven; unproven in a domain that warns of it; and above a quotation.
    let cases = [
        ("ann@good.example", None, None),
        ("bob@plain.example", None, None),
        ("cat@wary.example", Some("x@plain.example"), None),
        ("dan@plain.example", None, Some(Quote::Html)),
    ];
    for (who, ..) in cases {
        party.subscribe(who, "", BOTH).await;
    }
    mailing::send(&party, NEWS, "The May news").await;
    for (who, envelope, quote) in cases {
        let id = copy_id(&party, who).await;
        let sentence = Letter {
            answers: Some(&id),
            envelope,
            quote,
            ..letter(who, SENTENCE)
        };
        let answer = sentence.send(&party).await;
        assert_eq!(answer.code, 250, "{who}: {answer}");
        // "Please stop writing to me" is said of everything.
        comes_to(&party, who, &["appeals paused", "news paused"]).await;
        let question = party.mail(who, asks).await;
        let page = party.press(&link_in(&question, "/u/").unwrap()).await;
        assert_eq!(page.status, 200, "{}", page.heading());
        assert_eq!(lists(&party, who).await, [""; 0], "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_stop_is_worth_what_vouches_for_it() {
    let (party, _zone) = party().await;
    let people = [
        "ann@good.example",
        "bea@good.example",
        "cat@bare.example",
        "dan@plain.example",
        "eve@wary.example",
        "fay@wary.example",
    ];
    for who in people {
        party.subscribe(who, "", BOTH).await;
    }
    // Their domain vouches: it is done when the mail is taken. With DMARC, above a quotation, and without a policy.
    let [ann, bea, cat, dan, eve, fay] = people;
    let quoted = Letter {
        quote: Some(Quote::Plain),
        ..letter(bea, "Stop")
    };
    for stop in [letter(ann, "Stop"), quoted, letter(cat, "Stop")] {
        let answer = stop.send(&party).await;
        assert_eq!(answer.code, 250, "{answer}");
        assert_eq!(lists(&party, stop.from).await, [""; 0], "{}", stop.from);
    }
    // Anybody can write that in their names: refused by their policy, so that nothing comes of it.
    party.subscribe("gil@good.example", "", BOTH).await;
    let forged = Letter {
        envelope: Some("x@plain.example"),
        ..letter("gil@good.example", "Stop")
    };
    assert_eq!(forged.send(&party).await.code, 550);
    // The domain warns of such mail: it is kept among the junk, and silences nobody, nor is anybody asked.
    for (who, quote) in [(eve, None), (fay, Some(Quote::Html))] {
        let suspect = Letter {
            quote,
            ..letter(who, "Stop")
        };
        assert_eq!(suspect.send(&party).await.code, 250);
    }
    // Whoever only stands in the envelope, against their domain's word or beside another author, said nothing.
    for who in ["hal@strict.example", "ivy@plain.example"] {
        party.subscribe(who, "", BOTH).await;
        let forged = Letter {
            envelope: Some(who),
            ..letter("x@other.example", "Stop")
        };
        assert_eq!(forged.send(&party).await.code, 250, "{who}");
    }
    // Nothing vouches, nothing warns: a pause, and a question whose button is the way out. The worker takes one piece
    // after the other, so what the others left for it is decided by then.
    let plain = Letter {
        quote: Some(Quote::Attached),
        ..letter(dan, "Stop")
    };
    assert_eq!(plain.send(&party).await.code, 250);
    comes_to(&party, dan, &["appeals paused", "news paused"]).await;
    let question = party.mail(dan, asks).await;
    let forged = [
        "gil@good.example",
        "hal@strict.example",
        "ivy@plain.example",
    ];
    for who in [eve, fay].into_iter().chain(forged) {
        assert_eq!(lists(&party, who).await, BOTH_SORTED, "{who}");
        let asked = party.outside.inbox().to(who);
        assert!(!asked.iter().any(|mail| asks(mail)), "{who}");
    }
    let page = party.press(&link_in(&question, "/u/").unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.heading());
    assert_eq!(lists(&party, dan).await, [""; 0]);
}

/// Mail is put off while the disk is short. It is heard all the same.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_by_mail_leaves_though_there_is_no_room_to_keep_it() {
    let (party, _zone) = party().await;
    let people = ["ann@good.example", "bob@plain.example", "cat@plain.example"];
    for who in people {
        party.subscribe(who, "", BOTH).await;
    }
    mailing::send(&party, NEWS, "The May news").await;
    let [ann, bob, cat] = people;
    let id = copy_id(&party, bob).await;
    let store = party.rooms().store.clone();
    store.keep_free(Some(4 * store.space().unwrap().left + (1 << 40)));
    let answer = Letter {
        answers: Some(&id),
        ..letter("somebody@plain.example", "Please stop.")
    };
    for (stop, who, left) in [
        (letter(ann, "Stop"), ann, &[][..]),
        (answer, bob, &["appeals"][..]),
        // Nobody is asked for a mail that comes again.
        (letter(cat, "Stop"), cat, &BOTH_SORTED[..]),
    ] {
        let answer = stop.send(&party).await;
        assert_eq!(answer.code, 452, "{who}: {answer}");
        assert_eq!(lists(&party, who).await, left, "{who}");
    }
    store.keep_free(Some(0));
    assert_eq!(letter(cat, "Stop").send(&party).await.code, 250);
    comes_to(&party, cat, &["appeals paused", "news paused"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_subscribe_subscribes_nobody() {
    let (party, _zone) = party().await;
    party.subscribe("ann@good.example", "", BOTH).await;
    let mut dialogue = party.mx().await;
    let message = letter("ann@good.example", "Unsubscribe").written();
    let post = Post {
        from: "ann@good.example",
        to: &["news+subscribe@party.example"],
        message: message.as_bytes(),
    };
    let answer = dialogue.post(post).await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    assert_eq!(lists(&party, "ann@good.example").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_whom_a_stranger_only_names() {
    let (party, _zone) = party().await;
    for (envelope, code) in [
        ("jon@strict.example", 550),
        ("kim@plain.example", 550),
        ("x@other.example", 250),
    ] {
        let message = letter("x@other.example", "yes please").written();
        let post = Post {
            from: envelope,
            to: &["news+subscribe@party.example"],
            message: message.as_bytes(),
        };
        let answer = party.mx().await.post(post).await.unwrap();
        assert_eq!(answer.code, code, "{envelope}: {answer}");
    }
    party.challenge("x@other.example").await;
    for who in ["jon@strict.example", "kim@plain.example"] {
        assert!(party.outside.inbox().to(who).is_empty(), "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staff_take_somebody_off_who_rang() {
    let party = Party::start().await;
    for who in ["ann@x.example", "bob@x.example"] {
        party.subscribe(who, "", BOTH).await;
    }
    let withdraw = |who: &'static str, more: &'static [&'static str]| {
        let arguments = ["subscriber", "withdraw", who, "--reason", "rang on 3 May"];
        let arguments: Vec<_> = arguments.into_iter().chain(more.iter().copied()).collect();
        let party = &party;
        async move {
            let output = party.cli(&arguments).await;
            (output.status.code(), said(&output))
        }
    };
    let (code, why) = withdraw("ann@x.example", &["--list", "gossip"]).await;
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("gossip") && why.contains("list show"), "{why}");
    assert_eq!(lists(&party, "ann@x.example").await, BOTH_SORTED);
    let (code, told) = withdraw("ann@x.example", &["--list", "news"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(lists(&party, "ann@x.example").await, ["appeals"]);
    // The same words whether or not somebody is there.
    let (code, again) = withdraw("nobody@x.example", &["--list", "news"]).await;
    assert_eq!((code, again), (Some(0), told));
    let (code, told) = withdraw("bob@x.example", &["--never-again"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(lists(&party, "bob@x.example").await, [""; 0]);
    // Not even a challenge reaches him; one reaches her, since she asks herself.
    party.clock.advance(SignedDuration::from_hours(48)).unwrap();
    let challenges = |who: &str| {
        let all = party.outside.inbox().to(who);
        all.iter()
            .filter(|mail| link_in(mail, "/c/").is_some())
            .count()
    };
    party.sign_up("bob@x.example", "", &["news"]).await;
    party.sign_up("ann@x.example", "", &["news"]).await;
    let deadline = Instant::now() + Duration::from_secs(120);
    while challenges("ann@x.example") < 2 {
        assert!(Instant::now() < deadline, "she isn't asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(challenges("bob@x.example"), 1);
    let log = said(&party.cli(&["audit", "show"]).await);
    assert_eq!(log.matches("subscriber withdraw").count(), 3, "{log}");
    assert!(!log.contains("x.example"), "{log}");
}
