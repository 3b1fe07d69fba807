//! The staff's folders through the real port: real mail programs, several clients at once, and one that means harm.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod killed;
mod model;
mod programs;
mod shared;

use support::imap::Imap;
use support::party::Party;

/// Ada's connection.
async fn ada(party: &Party) -> Imap {
    let sender = &party.sender;
    let door = party.door("imaps");
    Imap::log_in(door, party.stage.trust(), sender.name, &sender.password).await
}
