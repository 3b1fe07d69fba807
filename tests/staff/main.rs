//! What the party's people do with mail, through the real ports: who they are, what they send, what they fetch.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod log_ins;
mod pop3;
mod staff_mail;
mod submission;
