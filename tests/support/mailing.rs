//! A mailing from Ada's mail program to its copies.

use std::time::{Duration, Instant};

use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::daemon::sandbox::peer::Answer;
use hustings::store::MailingState;

use super::party::Party;

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(120);

/// A short mail to a list.
pub fn written(to: &str, subject: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: office@party.example\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\n\r\n{subject}, in short.\r\n"
    )
}

/// Ada hands it in.
pub async fn hand_in(party: &Party, to: &str, subject: &str) -> Answer {
    party.submit(&[to], written(to, subject).as_bytes()).await
}

/// Ada hands it in, Ben approves it; it is sent when this returns.
pub async fn send(party: &Party, to: &str, subject: &str) {
    let answer = hand_in(party, to, subject).await;
    assert_eq!(answer.code, 250, "{answer}");
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
    let deadline = Instant::now() + WITHIN;
    loop {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        let row = all.iter().find(|row| row.id == id);
        if row.is_some_and(|row| row.state == MailingState::Done) {
            return;
        }
        assert!(Instant::now() < deadline, "the mailing doesn't end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
