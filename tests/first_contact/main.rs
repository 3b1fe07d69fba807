//! First contact: mail of strangers waits until they say that it was them. Who is asked, how often, what the button does,
//! what staff can do, what goes by itself, and that nothing of it can be read on the disk.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod keeping;
mod loops;
mod staff;
mod world;
