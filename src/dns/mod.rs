//! Looking names up: MX, A and AAAA, with limits on time and on what is taken from an answer.
//!
//! Answers come from strangers. This room says what DNS says, in types; what mail does with it is for
//! `delivery::route` to decide.

mod authority;
mod blocklist;
mod data;
mod error;
mod mx;
mod proof;
mod reach;
mod records;
mod resolver;
mod secure;

pub use self::authority::NameServer;
pub use self::blocklist::{is_listing, listing_name};
pub use self::data::{Data, Kind, reverse_name};
pub use self::error::{Hitch, LookupError};
pub use self::mx::{MailHosts, MxHost, Shuffle};
pub use self::reach::is_public;
pub use self::resolver::{Resolver, ResolverSettings};
pub use self::secure::{Dnssec, ProvenAddresses, ProvenHosts, SecureResolver, is_trust_anchor};
