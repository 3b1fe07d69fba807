//! A million subscribers: what looking, counting, writing to and exporting them costs.

use std::time::{Duration, Instant};

use hustings::control::api::subscriber::{Agree, Export, Find, Stats, Waiting};
use hustings::daemon::sandbox::caller::Socket;

use crate::house::House;
use crate::process::Stretch;
use crate::{mailing, seed};

const SUBSCRIBERS: usize = 1_000_000;
const DESTINATIONS: usize = 1_000;
/// Cat's Unix user.
const SECOND: u32 = 65_533;

pub(crate) async fn a_million() {
    let (stage, outside, ports) = House::plan().await;
    let began = Instant::now();
    seed::subscribers(&stage, SUBSCRIBERS, DESTINATIONS).await;
    let seeded = began.elapsed();
    let size = std::fs::metadata(stage.data().join("hustings.db")).unwrap();
    let began = Instant::now();
    let house = House::open(stage, outside, ports).await;
    println!(
        "electorate, {SUBSCRIBERS} subscribers (seeded in {seeded:.1?}, {} MiB): open after {:.2?}, {}",
        size.len() >> 20,
        began.elapsed(),
        house.process().memory()
    );
    find(&house).await;
    let stretch = Stretch::begin(house.process());
    let stats = Stats {
        constituencies: true,
    };
    let answer = house.stage.socket().ask(stats).await.unwrap();
    println!("  stats, {} rows: {}", answer.rows.len(), stretch.report(1));
    export(&house).await;
    first_copies(&house).await;
}

async fn find(house: &House) {
    let mut took = Vec::new();
    for n in (0..SUBSCRIBERS).step_by(SUBSCRIBERS / 100) {
        let find = Find {
            address: seed::address(n, DESTINATIONS),
            reason: Some("she asked".to_owned()),
        };
        let began = Instant::now();
        let found = house.stage.socket().ask(find).await.unwrap().answer;
        took.push(began.elapsed());
        assert!(found.subscriber.is_some());
    }
    took.sort();
    println!("  find: median {:.2?}, slowest {:.2?}", took[50], took[99]);
}

async fn export(house: &House) {
    mailing::second_admin(house, SECOND).await;
    let stretch = Stretch::begin(house.process());
    let socket = house.stage.socket();
    let export = Export {
        reason: "we move to another server".to_owned(),
    };
    let asking = tokio::spawn(async move { socket.ask(export).await });
    let second = Socket::new(house.stage.socket().path(), SECOND);
    let code = loop {
        let waiting = second.ask(Waiting {}).await.unwrap().rows;
        if let Some(row) = waiting.first() {
            break row.code.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    second.ask(Agree { code }).await.unwrap();
    let exported = asking.await.unwrap().unwrap();
    assert_eq!(exported.answer.subscribers, SUBSCRIBERS as u64);
    println!(
        "  export, {} MiB: {}",
        exported.body.len() >> 20,
        stretch.report(SUBSCRIBERS)
    );
}

async fn first_copies(house: &House) {
    let sender = house.stage.sender().await.unwrap();
    mailing::submit(house, &sender).await;
    let stretch = Stretch::begin(house.process());
    let began = Instant::now();
    mailing::approve(house).await;
    mailing::until_sent(house, 1).await;
    println!("  first copy after {:.2?}", began.elapsed());
    mailing::until_sent(house, 20_000).await;
    println!("  20,000 copies: {}", stretch.report(20_000));
}
