//! How fast each provider gets our mail. A provider is whoever runs a domain's mail servers: the large ones serve
//! thousands of domains, and count, slow down and block us over all of them.
//!
//! Copies of mailings alone are metered: so many in a minute if the configuration says so, and so many a day while we're
//! new there (warm-up): a server that nobody knows and that sends thousands of mails at once is taken for a spammer's. Mail
//! of staff and our own answers to people are few, and never wait for this.
//!
//! [`book`] counts, [`provider`] names, [`keep`] has the counts outlive the process. None of them knows connections: those
//! are [`super::destination`]'s.

mod book;
mod keep;
mod provider;

pub use book::{OwnPace, Pace, PaceSettings, Standing};
pub use keep::PaceBook;
pub use provider::Provider;
