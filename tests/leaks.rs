//! Nothing in the clear on the disk: after sign-ups, a mailing with an attachment, mail that came in and withdrawals, no
//! address, constituency, subject or text is found in any byte of the data directory or the log, however it is written.

#![allow(clippy::unwrap_used)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hustings::consent::constituency::Constituencies;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::daemon::sandbox::leak::Secrets;
use hustings::daemon::sandbox::peer::Post;
use hustings::daemon::sandbox::stage::OFFICE;
use hustings::store::MailingState;
use support::party::{Party, link_in};

/// A debug build takes its time; the benchmark's numbers come from elsewhere.
/// `HUSTINGS_SUBSCRIBERS`, or as many as a usual run can afford.
fn subscribers() -> usize {
    let wanted = std::env::var("HUSTINGS_SUBSCRIBERS").ok();
    let usual = if cfg!(debug_assertions) { 100 } else { 1_000 };
    wanted.map_or(usual, |wanted| wanted.parse().unwrap())
}
const SUBJECT: &str = "Heliotrope rally on Saturday";
const SENTENCE: &str = "Meet at the verdigris fountain at noon";
const QUESTION: &str = "Is the amaranth pavilion wheelchair accessible";
const LEAFLET: &str = "Leaflet: the vermilion pledge in full";

fn mailing() -> String {
    let leaflet = STANDARD.encode(LEAFLET.repeat(200));
    let leaflet: Vec<_> = leaflet
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: {OFFICE}\r\nTo: news@party.example\r\nSubject: {SUBJECT}\r\nDate: {date}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         {SENTENCE}.\r\n--b\r\nContent-Type: application/pdf; name=\"leaflet.pdf\"\r\n\
         Content-Disposition: attachment; filename=\"leaflet.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        leaflet.join("\r\n")
    )
}

/// Releases what is held, as Ben, and waits until it is done.
async fn release(party: &Party) {
    let socket = party.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let id = held.first().expect("a held mailing").id;
    let mailing = id.to_string();
    let preview = Preview {
        mailing: mailing.clone(),
    };
    let digest = Some(socket.ask(preview).await.unwrap().answer.digest);
    socket
        .ask(Approve {
            mailing,
            digest,
            anyway: false,
        })
        .await
        .unwrap();
    loop {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        let row = all.iter().find(|row| row.id == id).unwrap();
        if row.state == MailingState::Done {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_on_the_disk_gives_anybody_away() {
    let mut party = Party::start().await;
    let seats = Constituencies::builtin();
    let seats: Vec<_> = seats
        .iter()
        .step_by(7)
        .map(|seat| (seat.code().as_str().to_owned(), seat.name().to_owned()))
        .collect();
    let mut secrets = Secrets::new();
    secrets.add_all([
        SUBJECT,
        SENTENCE,
        QUESTION,
        LEAFLET,
        "stranger@elsewhere.example",
    ]);
    secrets.add(&party.sender.password);
    let people: Vec<_> = (0..subscribers())
        .map(|n| format!("Elector.{n:04}@voters{}.example", n % 13))
        .collect();
    for (n, address) in people.iter().enumerate() {
        let (code, name) = &seats[n % seats.len()];
        party.subscribe(address, code, &["news"]).await;
        secrets.add(address);
        secrets.add(name);
    }
    let mut mx = party.mx().await;
    let message =
        format!("From: stranger@elsewhere.example\r\nSubject: {QUESTION}?\r\n\r\n{QUESTION}?\r\n");
    let post = Post {
        from: "stranger@elsewhere.example",
        to: &[OFFICE],
        message: message.as_bytes(),
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    mx.quit().await;
    let answer = party
        .submit(&["news@party.example"], mailing().as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    release(&party).await;
    for address in &people {
        let copies = party.outside.inbox().to(address);
        let copies: Vec<_> = copies
            .iter()
            .filter(|mail| mail.contains(SENTENCE))
            .collect();
        assert_eq!(copies.len(), 1, "one copy each");
    }
    // Some go, by the link in the welcome mail; what is left of them must not show them either.
    for address in people.iter().step_by(5) {
        let welcome = party
            .mail(address, |mail| link_in(mail, "/u/").is_some())
            .await;
        let page = party.press(&link_in(&welcome, "/u/").unwrap()).await;
        assert_eq!(page.status, 200);
    }
    let running = party.leaks(&secrets);
    assert!(
        running.bytes > 100_000,
        "{} bytes in {} files",
        running.bytes,
        running.files
    );
    assert_eq!(running.leaks, [], "while it runs");
    party.stop().await;
    assert_eq!(party.leaks(&secrets).leaks, [], "when it has stopped");
}
