//! Between servers: how mail comes in and goes out, what is proven of it, and how that is encrypted.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod limits;
mod outbound;
mod peer_dane;
mod peer_postfix;
mod reports;
mod smtp_swaks;
mod verdicts;
