//! What stories stand on: the world outside of a party's server.

#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod authority;
pub mod chance;
pub mod collector;
pub mod disk;
pub mod dkimpy;
pub mod factor;
pub mod imap;
pub mod mailbox;
pub mod mailing;
pub mod memory;
pub mod outside;
pub mod party;
pub mod pebble;
pub mod policies;
pub mod pop;
pub mod postfix;
pub mod scram;
pub mod seed;
pub mod signed_names;
pub mod world;
pub mod zone;
