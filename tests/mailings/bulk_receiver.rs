//! A mailing's copies as a large receiver looks at them: ten shapes of mail to a hundred people each, every copy checked by
//! rules that are not ours, and every signature by a verifier that is not ours.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::dkimpy::Dkimpy;
use crate::support::party::Party;
use crate::support::seed::Crowd;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::stage::{DOMAIN, OFFICE};
use hustings::store::MailingState;

const CROWD: Crowd = Crowd {
    list: "news",
    people: 100,
    domains: 7,
};
const PATIENCE: Duration = Duration::from_secs(120);

/// The ten shapes: what stands after the fields that all have.
fn shapes() -> Vec<(&'static str, String)> {
    let words = "See you on Friday at the town hall, and bring a friend.\r\n".repeat(12);
    let html = format!("<html><body><h1>Friday</h1><p>{words}</p></body></html>\r\n");
    let long = "word ".repeat(700);
    let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let part = |kind: &str, body: &str| format!("Content-Type: {kind}\r\n\r\n{body}\r\n");
    let multi = |kind: &str, boundary: &str, parts: &[String]| {
        let parts: String = parts
            .iter()
            .map(|part| format!("--{boundary}\r\n{part}"))
            .collect();
        format!(
            "Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n{parts}--{boundary}--\r\n"
        )
    };
    let plain = part("text/plain; charset=utf-8", &words);
    let page = part("text/html; charset=utf-8", &html);
    let alternative = multi("alternative", "a", &[plain.clone(), page.clone()]);
    let image = format!(
        "Content-Type: image/png\r\nContent-ID: <one@party.example>\r\nContent-Transfer-Encoding: base64\r\n\r\n{pixel}\r\n"
    );
    let shown = part(
        "text/html; charset=utf-8",
        "<html><body><p>Friday <img src=\"cid:one@party.example\" alt=\"a hall\"></p></body></html>",
    );
    let related = multi("related", "r", &[shown, image]);
    let leaflet = format!(
        "Content-Type: application/pdf; name=leaflet.pdf\r\nContent-Disposition: attachment; filename=leaflet.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        STANDARD
            .encode([b'%'; 300])
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join("\r\n")
    );
    let lines = STANDARD.encode("Ysgrifennwn atoch o Ynys Môn.\r\n".repeat(20));
    let lines: Vec<_> = lines
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let quoted = "D=C3=B4n a Gwyr, =\r\nac eraill.\r\n.ends with a dot\r\n";
    vec![
        ("plain", format!("\r\n{words}")),
        ("eight bits", format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nYnys Môn, dydd Gwener.\r\n{words}")),
        ("quoted-printable", format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}")),
        ("base64", format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n", lines.join("\r\n"))),
        ("HTML alone", page.clone()),
        ("text and HTML", alternative.clone()),
        ("HTML with an image", multi("alternative", "a", &[plain.clone(), related])),
        ("with a leaflet", multi("mixed", "m", &[alternative, leaflet])),
        ("long lines", format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n", long.trim_end().as_bytes().chunks(900).map(|line| String::from_utf8_lossy(line).trim().to_owned()).collect::<Vec<_>>().join("\r\n"))),
        ("dots and flowed text", "Content-Type: text/plain; charset=utf-8; format=flowed\r\n\r\n.\r\n..two\r\n. \r\nflowed \r\ntext\r\n\t\r\n\r\n\r\n".to_owned()),
    ]
}

async fn party() -> Party {
    let mut party = Party::start().await;
    let store = party.rooms().store.clone();
    CROWD.seed(&store, party.stage.config().clone()).await;
    drop(store);
    // What was written beside the rooms is counted at a start.
    party.start_again().await;
    party
}

async fn send(party: &Party, subject: &str, rest: &str) {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    let message = format!(
        "From: {OFFICE}\r\nTo: news@{DOMAIN}\r\nSubject: {subject}\r\nDate: {date}\r\nMIME-Version: 1.0\r\n{rest}"
    );
    let answer = party
        .submit(&[&format!("news@{DOMAIN}")], message.as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{subject}: {answer}");
    let socket = party.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let mailing = held[0].id.to_string();
    let preview = Preview {
        mailing: mailing.clone(),
    };
    let digest = Some(socket.ask(preview).await.unwrap().answer.digest);
    let approve = Approve {
        mailing,
        digest,
        anyway: false,
    };
    let id = socket.ask(approve).await.unwrap().answer.id;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        if all
            .iter()
            .any(|row| row.id == id && row.state == MailingState::Done)
        {
            return;
        }
        assert!(Instant::now() < deadline, "{subject}: it isn't done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The fields of a header, unfolded, names in lower case.
fn fields(message: &[u8]) -> Vec<(String, String)> {
    let end = memchr::memmem::find(message, b"\r\n\r\n").unwrap();
    let header = std::str::from_utf8(&message[..end]).unwrap();
    let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded
        .split("\r\n")
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect()
}

/// The rules of RFC 5322 and of those who receive in bulk.
fn look(mail: &Mail, message: &[u8], subject: &str) -> String {
    for line in message.split(|b| *b == b'\n') {
        assert!(
            line.len() <= 999,
            "{subject}: a line of {} octets",
            line.len()
        );
        assert!(
            line.is_empty() || line.ends_with(b"\r"),
            "{subject}: a bare line feed"
        );
    }
    let fields = fields(message);
    let all = |name: &str| -> Vec<&str> {
        let own = fields.iter().filter(|(field, _)| field == name);
        own.map(|(_, value)| value.as_str()).collect()
    };
    let one = |name: &str| -> String {
        let found = all(name);
        assert_eq!(found.len(), 1, "{subject}: {name}: {found:?}");
        found[0].to_owned()
    };
    assert_eq!(mail.recipients.len(), 1, "one RCPT");
    let to = one("to");
    assert!(
        to.contains(&mail.recipients[0]) && to.matches('@').count() == 1,
        "{to}"
    );
    assert!(all("cc").is_empty() && all("bcc").is_empty());
    let from = one("from");
    assert!(
        from.contains(&format!("@{DOMAIN}>")) && from.matches('@').count() == 1,
        "{from}"
    );
    assert_eq!(one("subject"), subject);
    let date = jiff::fmt::rfc2822::parse(&one("date")).expect("a date");
    let age = jiff::Timestamp::now().duration_since(date.timestamp());
    assert!(age.abs() < jiff::SignedDuration::from_hours(1), "{date}");
    let id = one("message-id");
    let inner = id
        .strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'))
        .unwrap();
    let (left, right) = inner.split_once('@').unwrap();
    let atom = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._=+".contains(&b))
    };
    assert!(atom(left) && right == DOMAIN, "{id}");
    for single in [
        "mime-version",
        "list-id",
        "reply-to",
        "sender",
        "in-reply-to",
        "references",
        "content-type",
    ] {
        assert!(all(single).len() <= 1, "{single} twice");
    }
    assert_eq!(one("list-unsubscribe-post"), "List-Unsubscribe=One-Click");
    let way_out = one("list-unsubscribe");
    assert_eq!(way_out.matches("<https://").count(), 1, "{way_out}");
    let link = way_out
        .split(['<', '>'])
        .find(|part| part.starts_with("https://"));
    link.unwrap().to_owned()
}

fn verified(dkimpy: &mut Dkimpy, message: &[u8], subject: &str) {
    let signatures = dkimpy.look(message);
    let algorithms: Vec<_> = signatures
        .iter()
        .map(|one| one.algorithm.as_str())
        .collect();
    assert_eq!(algorithms, ["rsa-sha256", "ed25519-sha256"], "{subject}");
    for one in &signatures {
        assert!(one.passed, "{subject}: {} fails", one.algorithm);
        assert_eq!(one.domain, DOMAIN, "aligned with From");
        for field in [
            "from",
            "to",
            "subject",
            "date",
            "message-id",
            "list-unsubscribe",
            "list-unsubscribe-post",
        ] {
            assert!(
                one.covers.iter().any(|name| name == field),
                "{subject}: {field} isn't signed"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_copies_of_ten_shapes_pass_a_large_receiver() {
    let Some(mut dkimpy) = Dkimpy::start() else {
        println!("skipped: needs python3 with dkimpy and pynacl");
        return;
    };
    let party = party().await;
    dkimpy.knows_keys_of(&party);
    let (mut links, mut ids, mut copies) = (HashSet::new(), HashSet::new(), 0);
    for (subject, rest) in shapes() {
        party.outside.inbox().clear();
        send(&party, subject, &rest).await;
        let mails = party.outside.inbox().all();
        let own: Vec<Arc<Mail>> = mails
            .into_iter()
            .filter(|mail| mail.header("Subject").as_deref() == Some(subject))
            .collect();
        assert_eq!(own.len(), CROWD.people, "{subject}");
        for mail in own {
            let message = mail.message();
            links.insert(look(&mail, &message, subject));
            assert!(
                ids.insert(mail.header("Message-ID").unwrap()),
                "a Message-ID twice"
            );
            verified(&mut dkimpy, &message, subject);
            copies += 1;
        }
    }
    assert_eq!(copies, 1000);
    assert_eq!(
        links.len(),
        CROWD.people,
        "each has a way out of their own, and keeps it"
    );
    // The verifier does say no.
    let mail = party.outside.inbox().all().pop().unwrap();
    let text = String::from_utf8(mail.message()).unwrap();
    let forged = text.replacen(
        "List-Unsubscribe-Post: List",
        "List-Unsubscribe-Post: Lost",
        1,
    );
    let forged = dkimpy.look(forged.as_bytes());
    assert!(forged.len() == 2 && forged.iter().all(|one| !one.passed));
}
