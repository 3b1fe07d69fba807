//! What goes to a list, what is refused, and what staff are shown.

use super::*;
use crate::message::inspect::inspect;
use crate::message::mime::{Limits, text};
use crate::message::testing::Zone;
use crate::staff::NotAllowed;

#[tokio::test]
async fn a_mail_is_held_with_a_preview_and_goes_to_nobody() {
    let world = World::new().await;
    world.people(6).await;
    let world = world.counted().await;
    let held = world.submit("cy", "news").await;
    assert!(held.second_person);
    assert_eq!(held.audience.to_string(), "5", "in steps");
    assert!(world.bring(delivered).await.is_empty());
    let info = world.room.show(held.id).await.unwrap();
    assert_eq!(
        (info.state, info.sender.as_str()),
        (MailingState::Held, "cy")
    );
    assert_eq!(world.room.counts(), (1, 0));
    let preview = world.mailbox("cy").await;
    assert_eq!(preview.len(), 1);
    let id = held.id.to_string();
    assert!(preview[0].contains(&format!("hustings mailing approve {}", &id[..8])));
    assert!(preview[0].contains("message/rfc822"));
    assert!(preview[0].contains("See you at the town hall."));
    assert!(!preview[0].contains("@d0.example"), "no reader's address");
    // The whole notice is a message that our own reader can take apart.
    let read = inspect(preview[0].as_bytes(), &Limits::default()).unwrap();
    assert_eq!(read.shape(), "multipart/mixed[text/plain message/rfc822]");
    assert_eq!(world.acts().await, ["mailing submit"]);
    assert!(world.store.verify(|_, _| ()).await.unwrap().is_clean());
}

#[tokio::test]
async fn few_people_are_shown_as_few_to_all_but_admins() {
    let world = World::new().await;
    world.people(4).await;
    let world = world.counted().await;
    assert_eq!(world.submit("cy", "news").await.audience.to_string(), "<5");
    assert_eq!(world.submit("dee", "news").await.audience.to_string(), "4");
    assert!(world.mailbox("cy").await[0].contains("Recipients: <5"));
    assert!(world.mailbox("dee").await[0].contains("Recipients: 4"));
    let asked = world.mailbox("ben").await;
    assert!(asked.iter().all(|mail| mail.contains("Recipients: <5")));
    let id = world.released().await;
    let eve = world.room.progress(id, &world.who("eve")).await.unwrap();
    assert_eq!(eve.audience.to_string(), "<5");
    assert_eq!(eve.tried.to_string(), "<5", "nor that there is nobody");
    assert_eq!(world.progress(id).await.audience.to_string(), "4");
}

#[tokio::test]
async fn what_is_refused_is_refused_with_its_reasons_and_kept_nowhere() {
    let world = World::new().await;
    let good = mail("news");
    let with = |from: &str, to: &str| good.replace(from, to);
    let cases = [
        (
            with("office@party.example", "cy@party.example"),
            "office@party.example",
        ),
        (
            with("<news@party.example>", "<news@party.example>, a@b.example"),
            "To holds 1",
        ),
        (
            with("Subject: M", "Cc: a@b.example\r\nSubject: M"),
            "Cc holds 1",
        ),
        (with("Subject: M", "Subject: Re: M"), "prefix"),
        (with("Subject: Meeting on Friday\r\n", ""), "no subject"),
        (with("<news@", "<appeals@"), "To holds 1"),
        (
            with(
                "\r\n\r\nSee",
                "\r\nContent-Type: text/html\r\n\r\n<img src=\"https://x.example/p.png\">See",
            ),
            "embed",
        ),
        (with("See you", &"x".repeat(1 << 20)), "octets"),
        (with("See you", "a\nb"), "CRLF"),
    ];
    for (message, reason) in cases {
        let refused = world.submit_as("cy", "news", Target::Whole, &message).await;
        let error = refused.unwrap_err();
        assert!(!error.is_temporary());
        let lines = error.lines().join("\n");
        assert!(lines.contains(reason), "{reason}: {lines}");
        assert!(lines.is_ascii() && lines.lines().all(|line| line.len() <= 400));
    }
    assert!(world.store.mailings().await.unwrap().is_empty());
    assert!(world.mailbox("cy").await.is_empty());
    assert!(world.acts().await.is_empty());
}

#[tokio::test]
async fn only_senders_with_current_training_write_to_a_list_that_is_there() {
    let world = World::new().await;
    let as_ = |who: &'static str, list: &'static str| {
        let world = &world;
        async move { world.submit_as(who, list, Target::Whole, &mail(list)).await }
    };
    for who in ["ben", "eve"] {
        let refused = as_(who, "news").await.unwrap_err();
        assert!(matches!(refused, SubmitError::NotAllowed(_)));
        assert!(refused.is_about_policy());
    }
    assert!(matches!(as_("cy", "none").await, Err(SubmitError::NoList)));
    let mut all = world.store.staff().await.unwrap().rows;
    let cy = all.iter_mut().find(|one| one.record.name == "cy").unwrap();
    cy.record.trained_until = Some(noon());
    done(&world.store, Change::new().then(Step::PutStaff(cy.clone()))).await;
    let world = world.crash().await;
    assert!(
        world
            .submit_as("cy", "news", Target::Whole, &mail("news"))
            .await
            .is_ok()
    );
    world.wait(SignedDuration::from_secs(1));
    let refused = world
        .submit_as("cy", "news", Target::Whole, &mail("news"))
        .await;
    assert!(matches!(
        refused,
        Err(SubmitError::NotAllowed(NotAllowed::Training))
    ));
}

#[tokio::test]
async fn a_mailing_is_narrowed_to_constituencies_that_are_known() {
    let world = World::new().await;
    let code = |text: &str| Target::Constituencies(vec![Code::parse(text).unwrap()]);
    let to = |to: &str| mail("news").replace("<news@", to);
    for spelled in ["<news@", "<news+leeds-south@", "<news+E14001323@"] {
        let sent = world
            .submit_as("cy", "news", code(LEEDS), &to(spelled))
            .await;
        assert!(sent.is_ok(), "{spelled}: {sent:?}");
    }
    let elsewhere = world
        .submit_as("cy", "news", code(LEEDS), &to("<news+leeds-east@"))
        .await;
    assert!(
        matches!(elsewhere, Err(SubmitError::Mail(_))),
        "To names another"
    );
    let unknown = world
        .submit_as("cy", "news", code("E99"), &mail("news"))
        .await;
    assert!(matches!(unknown, Err(SubmitError::NoConstituency(_))));
    let whole = world
        .submit_as("cy", "appeals", code(LEEDS), &mail("appeals"))
        .await;
    assert!(matches!(whole, Err(SubmitError::WholeListOnly)));
    let preview = world.mailbox("cy").await;
    assert!(preview.iter().all(|mail| mail.contains("Leeds South")));
}

#[tokio::test]
async fn too_many_held_mailings_are_refused() {
    let world = World::new().await;
    let first = world.submit("dee", "appeals").await;
    for _ in 1..50 {
        world.submit("dee", "appeals").await;
    }
    let refused = world
        .submit_as("dee", "appeals", Target::Whole, &mail("appeals"))
        .await;
    assert!(matches!(refused, Err(SubmitError::TooManyHeld(50))));
    world
        .room
        .cancel(first.id, &world.who("dee"), None)
        .await
        .unwrap();
    world.submit("dee", "appeals").await;
}

/// Bodies of every shape, by name.
fn shapes() -> Vec<(&'static str, String)> {
    let pdf = "Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n";
    let alternative = "Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nWords here.\r\n\
        --a\r\nContent-Type: text/html\r\n\r\n<html><body><p>Words <b>here</b>.</p></body></html>\r\n--a--\r\n";
    vec![
        ("plain", "Content-Type: text/plain\r\n\r\nWords here.\r\n".into()),
        ("flowed", "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nWords \r\nhere.\r\n-- \r\nCy\r\n".into()),
        ("latin", "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nWords caf=E9.\r\n".into()),
        ("html", "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>Words here.</p></body></html>\r\n".into()),
        ("alternative", alternative.into()),
        ("mixed", format!("Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n{alternative}\r\n--m\r\n{pdf}\r\n--m--\r\n")),
        (
            "related",
            "Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n<p>Words <img src=\"cid:p@x\" alt=\"a\"></p>\r\n\
             --r\r\nContent-Type: image/png\r\nContent-ID: <p@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--r--\r\n"
                .into(),
        ),
        (
            "signed",
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=s\r\n\r\n--s\r\n\
             Content-Type: text/plain\r\n\r\nWords here.\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--s--\r\n"
                .into(),
        ),
    ]
}

#[tokio::test]
async fn every_shape_arrives_signed_with_the_footer_and_one_recipient() {
    let zone = Zone::new();
    for (name, body) in shapes() {
        let world = World::new().await;
        world.people(1).await;
        let message = format!(
            "From: office@party.example\r\nTo: news@party.example\r\nSubject: A subject\r\nX-Originating-IP: 192.0.2.1\r\n\
             MIME-Version: 1.0\r\n{body}"
        );
        let held = world
            .submit_as("cy", "news", Target::Whole, &message)
            .await
            .unwrap();
        world
            .room
            .approve(held.id, &world.who("ben"), None)
            .await
            .unwrap();
        let left = world.bring(delivered).await;
        assert_eq!(left.len(), 1, "{name}");
        let copy = &left[0].bytes;
        let passed = zone.verify(copy).await;
        assert_eq!(passed, [true, true], "{name}: both signatures");
        let read = inspect(copy, &Limits::default()).unwrap();
        assert_eq!(read.to.len(), 1, "{name}");
        assert_eq!(read.to[0].address, "p0@d0.example", "{name}");
        assert_eq!(read.from[0].address, "office@party.example", "{name}");
        assert!(read.cc.is_empty() && read.bcc.is_empty(), "{name}");
        let field = |field: &str| {
            read.root
                .field(field)
                .map(|one| one.text())
                .unwrap_or_default()
        };
        assert!(
            field("List-Unsubscribe").contains("https://lists.party.example/u/"),
            "{name}"
        );
        assert_eq!(
            field("List-Unsubscribe-Post"),
            "List-Unsubscribe=One-Click",
            "{name}"
        );
        assert!(field("List-Id").contains("<news.party.example>"), "{name}");
        let whole = String::from_utf8_lossy(copy);
        for leak in ["192.0.2.1", "client-id", "laptop", "User-Agent"] {
            assert!(!whole.contains(leak), "{name}: {leak}");
        }
        let mut texts = 0;
        read.root.walk(&mut |part| {
            if part.is("text/plain") || part.is("text/html") {
                let words = text::decode(part).unwrap();
                texts += usize::from(
                    words.contains("Promoted by The Fair Party of 12 Mill Lane, Leeds LS1 4AP")
                        && words.contains("https://lists.party.example/u/")
                        && words.contains("right to object"),
                );
            }
        });
        assert!(texts >= 1, "{name}: {texts} footers in {}", read.shape());
        assert!(whole.contains("Words"), "{name}");
    }
}
