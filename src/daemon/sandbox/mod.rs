//! The sandbox: the real daemon on loopback, and a world outside of it to write to.
//!
//! | file | what it holds |
//! |---|---|
//! | `directory` | whose directory it is: its own, one that was kept, or nobody else's |
//! | `stage` | sets a party up from nothing in a directory of its own |
//! | `world` | the stage, the world outside and the daemon, put together |
//! | `outside`, `inbox` | an SMTP host that stands for every other domain, and what it has received |
//! | `inbox_page` | the same as a web page |
//! | `peer`, `browser`, `caller` | outside programs: SMTP, pages, the control socket, each with what it saw |
//! | `reading` | a mail as a person reads it |
//! | `signature` | checks DKIM signatures with somebody else's verifier |
//! | `leak` | looks for what must not be readable |
//! | `walkthrough` | the whole story by itself |
//! | `run` | the command |
//!
//! The stories in `tests/` stand on the same parts.

pub mod browser;
pub mod caller;
mod directory;
pub mod inbox;
pub mod inbox_page;
pub mod leak;
pub mod outside;
pub mod peer;
pub mod reading;
pub mod run;
pub mod signature;
pub mod stage;
pub mod walkthrough;
pub mod world;

pub use directory::running;
