//! What has to last: through kills, faults of the disk, and a start without the key.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod durable_before_done;
mod key_credential;
mod kills_intake;
mod kills_mailing;
mod locked;
mod store_faults;
