//! A mailing: one text, thousands of copies, each personal and signed twice, each written down before and after.

use std::time::{Duration, Instant};

use hustings::control::api::mailing::{Approve, List};
use hustings::control::api::staff::Add;
use hustings::daemon::sandbox::peer::{Dialogue, Post};
use hustings::daemon::sandbox::stage::{DOMAIN, HOST, OFFICE, Person};
use hustings::staff::Role;
use hustings::store::MailingState;

use crate::house::House;
use crate::process::Stretch;
use crate::seed;

const COPIES: usize = 20_000;
const DESTINATIONS: usize = 50;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn to_fifty_destinations() {
    let (stage, outside, ports) = House::plan().await;
    seed::subscribers(&stage, COPIES, DESTINATIONS).await;
    let house = House::open(stage, outside, ports).await;
    let sender = house.stage.sender().await.unwrap();
    submit(&house, &sender).await;
    let stretch = Stretch::begin(house.process());
    approve(&house).await;
    until_sent(&house, COPIES as u64).await;
    println!(
        "mailing, {COPIES} copies to {DESTINATIONS} destinations: {}",
        stretch.report(COPIES)
    );
    until_done(&house).await;
    println!(
        "  over {} connections; settled {:?} after the last",
        house.outside.counters().connections(),
        house.process().memory()
    );
}

/// Ada writes to the list; 10 KB in text and HTML.
pub(crate) async fn submit(house: &House, sender: &Person) {
    let (mut dialogue, _) =
        Dialogue::connect_secured(house.submissions(), house.stage.trust(), HOST)
            .await
            .unwrap();
    dialogue.command("EHLO client.example").await.unwrap();
    let answer = dialogue.log_in(sender.name, &sender.password).await;
    assert_eq!(answer.unwrap().code, 235);
    let words = "See you on Friday at the town hall, and bring a friend along.\r\n".repeat(75);
    let message = format!(
        "From: {}\r\nTo: {}@{DOMAIN}\r\nSubject: Meeting\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n{words}\r\n--a\r\nContent-Type: text/html\r\n\r\n\
         <html><body><p>{words}</p></body></html>\r\n--a--\r\n",
        OFFICE,
        seed::LIST,
    );
    let to = format!("{}@{DOMAIN}", seed::LIST);
    let post = Post {
        from: &sender.address,
        to: &[&to],
        message: message.as_bytes(),
    };
    let answer = dialogue.post(post).await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
}

/// Ben lets it go.
pub(crate) async fn approve(house: &House) {
    let held = house.stage.socket().ask(List { current: true }).await;
    let approve = Approve {
        mailing: held.unwrap().rows[0].id.to_string(),
        digest: None,
        anyway: false,
    };
    house.stage.socket().ask(approve).await.unwrap();
}

/// Waits until the outside has so many.
pub(crate) async fn until_sent(house: &House, copies: u64) {
    let deadline = Instant::now() + PATIENCE;
    while house.outside.counters().messages() < copies {
        assert!(Instant::now() < deadline, "it takes too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn until_done(house: &House) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = house.stage.socket().ask(List { current: false }).await;
        if rows.unwrap().rows[0].state == MailingState::Done {
            return;
        }
        assert!(Instant::now() < deadline, "it isn't done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Cat, the second person whom an export needs, known by a Unix user of her own.
pub(crate) async fn second_admin(house: &House, uid: u32) {
    let add = Add {
        name: "cat".to_owned(),
        addresses: vec![format!("cat@{DOMAIN}")],
        roles: vec![Role::Admin],
        uid: Some(uid),
        reason: Some("to export".to_owned()),
    };
    house.stage.socket().ask(add).await.unwrap();
}
