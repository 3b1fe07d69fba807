//! Builds the parts from the configuration, starts them and stops them.
//!
//! | file | what it does |
//! |---|---|
//! | `settings` | from the configuration to what each room is told |
//! | `rooms` | the rooms over an open store, as the doors find them |
//! | `door_limits` | how many may come in at once, and how much they may bring |
//! | `duties` | what the law asks of the party itself, as reminders |
//! | `identity` | as whom a staff member may write |
//! | `names` | what the party publishes in DNS: looked up, kept for a while, and the rotation of DKIM keys |
//! | `mail_in` | answers the SMTP doors from the rooms |
//! | `logging` | the service's log: levels, formats, and what may never stand in it |
//! | `notify` | talks with systemd: ready, status, reloading, stopping, watchdog; sockets by name |
//! | `on_record` | each start and reload in the audit log, with the configuration's digest |
//! | `signals` | SIGTERM and SIGINT stop, SIGHUP reloads; how long a stop may take |
//! | `hardening` | no core dumps, no files for others, no swap |
//! | `keeper` | locked, unlocked: the root key's way to the open store |
//! | `key_restore` | the root key's way back from the recovery sheet |
//! | `ring_file` | how the key ring and the passphrase's settings lie in the store |
//! | `locked_box` | withdrawals that come while the vault is locked |
//! | `service` | answers status, unlock, lock and reload on the control socket |
//! | `desks` | answers of the rooms on the control socket |
//! | `init` | sets a new installation up, step by step |
//! | `sandbox` | a world of its own to try it in |

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod adapters;
pub mod desks;
pub mod door_limits;
mod duties;
pub use duties::{config_warnings, file_warnings};
pub mod hardening;
pub mod house;
mod identity;
mod imap_in;
pub mod init;
pub mod keeper;
pub mod key_restore;
pub mod locked_box;
pub mod logging;
pub mod mail_in;
mod maildrops;
pub mod names;
pub mod notify;
pub mod on_record;
mod ring_file;
pub mod rooms;
pub mod sandbox;
pub mod serve;
pub mod service;
pub mod settings;
pub mod signals;
