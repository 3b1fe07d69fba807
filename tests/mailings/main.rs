//! Lists, from the first page to the last copy: how people come in and leave, what is kept of it, and what others check.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod bulk_receiver;
mod dns;
mod main_job;
mod on_record;
mod ways_in;
mod ways_out;
