//! What a verdict asks of DNS. The verdicts know no resolver: a room that has one answers by this trait, and the tests
//! answer from a table.

use std::net::IpAddr;

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The name doesn't exist (NXDOMAIN).
    NoSuchName,
    /// It exists, and has no such record.
    NoRecord,
    /// DNS gave no answer that can be relied on; another try may.
    Later,
}

/// The answer to one look-up: never an empty list.
pub type Answer<T> = Result<Vec<T>, NoAnswer>;

/// Looks names up. Names are given without a dot at the end, and may be anything: a name that no name server could
/// have is [`NoAnswer::NoSuchName`].
pub trait Names: Send + Sync {
    /// TXT records, each with its strings put together.
    fn txt(&self, name: &str) -> impl Future<Output = Answer<Vec<u8>>> + Send;
    /// A records, or AAAA if `v6`.
    fn addresses(&self, name: &str, v6: bool) -> impl Future<Output = Answer<IpAddr>> + Send;
    /// The hosts of the MX records, in order of preference.
    fn mx(&self, name: &str) -> impl Future<Output = Answer<String>> + Send;
    /// The names that an address has.
    fn names_of(&self, address: IpAddr) -> impl Future<Output = Answer<String>> + Send;
}

/// Whether a name server could have this name: labels of 1 to 63 octets, 253 in all.
pub fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253
        && name.is_ascii()
        && name
            .split('.')
            .all(|label| !label.is_empty() && label.len() <= 63)
}
