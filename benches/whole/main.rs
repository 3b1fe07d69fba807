//! What the whole server costs, measured from outside: the real binary as a process of its own, over real sockets and TLS,
//! with its durable store. Figures are rates, CPU time of the daemon alone (user and system), and its resident memory.
//!
//! Processors differ and machines are shared, so the first line says what one RSA-2048 signature costs here and now: compare
//! CPU times as multiples of it.
//!
//! `cargo bench --bench whole -- [SCENARIO …]` with the scenarios `idle`, `intake`, `postfix` (the same load for Postfix,
//! where it is installed), `large`, `mailing`, `electorate`, `mailbox` (beside Dovecot, where that is installed); none means all. The load comes from this process and shares
//! the machine's processors with the daemon, and so do the outside servers that take the mailing: on a small machine half
//! of the time is theirs.

#![allow(missing_docs, clippy::unwrap_used)]

mod dovecot;
mod electorate;
mod house;
mod intake;
mod mailbox;
mod mailing;
mod postfix;
mod process;
mod reference;
mod seed;

use std::time::Duration;

use house::House;

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    println!("{}", reference::signature());
    if wants("idle") {
        idle().await;
    }
    if wants("intake") {
        intake::many_small().await;
    }
    if wants("postfix") {
        intake::by_postfix().await;
    }
    if wants("large") {
        intake::many_large().await;
    }
    if wants("mailing") {
        mailing::to_fifty_destinations().await;
    }
    if wants("electorate") {
        electorate::a_million().await;
    }
    if wants("mailbox") {
        mailbox::beside_dovecot().await;
    }
}

async fn idle() {
    let house = House::start().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("idle: {}", house.process().memory());
}
