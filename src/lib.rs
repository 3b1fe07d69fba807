//! Hustings: a mail server that only writes to people who said yes.
//!
//! One binary and one sealed SQLite file are a small party's whole mail system: it takes mail in (MX, submission),
//! keeps it sealed, sends it on (STARTTLS only), and runs the party's lists on proven consent.
//!
//! # The house
//!
//! Dependencies point down only. A *door* speaks a protocol and decides nothing; a *room* decides and speaks no
//! protocol; the *ground* knows neither.
//!
//! | floor | rooms |
//! |---|---|
//! | top | [`cli`] (one file per noun, a thin client), [`daemon`] (builds the parts, starts and stops them) |
//! | doors | [`smtp`] (server and client), [`imap`] (the staff's folders), [`pop3`] (the staff's INBOX, to be fetched), [`web`] (the elector's pages), [`control`] (the CLI's socket) |
//! | rooms | [`consent`] (ask, confirm, withdraw), [`list`] (mailings), [`mailbox`], [`staff`] |
//! | post room | [`certificate`] (our own keys and certificates), [`zone`] (what we publish in DNS, and whether it's there), [`report`] (reports between servers), [`delivery`] (queue, routes, attempts), [`message`] (parse, compose, footer, DKIM) |
//! | ground | [`store`] (all SQL), [`vault`] (keys, sealing), [`audit`] (Merkle logs), [`config`], [`net`], [`dns`], [`tls`], [`template`] (the words), [`address`], [`clock`], [`id`] |
//!
//! `docs/design.md` says what must always be true and which test fails when it isn't.

pub mod address;
pub mod audit;
pub mod certificate;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consent;
pub mod control;
pub mod daemon;
pub mod delivery;
pub mod dns;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod id;
pub mod imap;
pub mod list;
pub mod mailbox;
pub mod message;
pub mod net;
pub mod pop3;
pub mod report;
pub mod smtp;
pub mod staff;
pub mod store;
pub mod template;
pub mod tls;
pub mod vault;
pub mod web;
pub mod zone;
