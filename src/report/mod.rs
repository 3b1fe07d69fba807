//! Reports between servers: what we tell other domains of TLS on the way to them (RFC 8460), and what others tell us, of
//! TLS on the way to us and of mail in our name (DMARC, RFC 7489, RFC 9990).
//!
//! | file | its job |
//! |---|---|
//! | `tally` | what came of our connections, by day and domain: counted in memory, kept in the store |
//! | `rua` | where a domain wants to hear of it |
//! | `write` | the report itself, and the mail around it |
//! | `sender` | when it goes, by which way, and what becomes of one that can't go |
//! | `unpack` | what strangers packed, with an end to what comes out |
//! | `tls`, `dmarc` | a report as it is kept: cut down to what concerns us, in bounds |
//! | `desk` | takes reports in, keeps them for a while, forgets them |
//! | `quota` | how many are taken in a day, and from whom |
//! | `summary` | what they say all together |
//!
//! It must not know who is a subscriber: a report speaks of servers and domains, never of people.

mod desk;
pub mod dmarc;
mod quota;
pub mod rua;
pub mod sender;
pub mod summary;
pub mod tally;
pub mod tls;
pub mod unpack;
pub mod write;

pub use desk::{Kept, KeptReport, MOST_PACKED, Ours, Reports, TakeError, Taken};
pub use sender::{Reporter, ReporterSettings};
pub use tally::TlsTally;

/// The local part of the address that DMARC reports are mailed to, in each domain of ours.
pub const DMARC_REPORTS: &str = "dmarc";

/// A stranger's words as they may be kept and shown: one line, no longer than this.
fn words(text: &str) -> String {
    const LONGEST: usize = 200;
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(LONGEST).collect::<String>().trim().to_owned()
}
