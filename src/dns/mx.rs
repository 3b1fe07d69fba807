//! Which hosts take a domain's mail, in which order (RFC 5321 §5.1).

use std::cmp::Reverse;

/// A mail host of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    /// Its preference: smaller is tried first.
    pub preference: u16,
    /// Its name: lower case, no dot at the end.
    pub name: Box<str>,
}

/// Where a domain's mail goes by DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailHosts {
    /// MX records, in the order in which they are to be tried.
    Mx(Vec<MxHost>),
    /// No MX record: the domain's own address is its mail server.
    Implicit,
}

/// Random order among equals, so that load spreads (RFC 5321 §5.1). Not a source of secrets.
#[derive(Debug, Clone)]
pub struct Shuffle(u64);

impl Shuffle {
    /// The order that this seed gives, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A fresh order.
    pub fn random() -> Self {
        Self(getrandom::u64().unwrap_or_default())
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Puts hosts in order: by preference, at random among equals, each name once (with its best preference), and no more
/// than `limit`.
pub(super) fn in_order(hosts: Vec<MxHost>, limit: usize, shuffle: &mut Shuffle) -> Vec<MxHost> {
    let mut keyed: Vec<_> = hosts
        .into_iter()
        .map(|host| (host.preference, shuffle.next(), host))
        .collect();
    keyed.sort_by_key(|(preference, lot, _)| (*preference, Reverse(*lot)));
    let mut ordered: Vec<MxHost> = Vec::with_capacity(keyed.len().min(limit));
    for (_, _, host) in keyed {
        if ordered.len() == limit {
            break;
        }
        if !ordered.iter().any(|known| known.name == host.name) {
            ordered.push(host);
        }
    }
    ordered
}

/// A host name from an MX record that can be looked up and asked for in TLS. Address literals, which some people put
/// there, are no names.
pub(super) fn host_name(text: &str) -> Option<Box<str>> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let labels = name.split('.').all(|label| !label.is_empty());
    let good = name.len() <= 253
        && labels
        && name.bytes().all(fits)
        && name.parse::<std::net::IpAddr>().is_err();
    good.then(|| name.into_boxed_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn host(preference: u16, name: &str) -> MxHost {
        MxHost {
            preference,
            name: name.into(),
        }
    }

    #[test]
    fn preference_decides_and_equals_take_turns() {
        let hosts = vec![host(20, "c"), host(10, "a"), host(10, "b"), host(30, "d")];
        let mut firsts = std::collections::BTreeMap::<String, usize>::new();
        for seed in 0..1_000 {
            let ordered = in_order(hosts.clone(), 10, &mut Shuffle::seeded(seed));
            let preferences: Vec<u16> = ordered.iter().map(|host| host.preference).collect();
            assert_eq!(preferences, [10, 10, 20, 30]);
            *firsts.entry(ordered[0].name.to_string()).or_default() += 1;
        }
        assert!(firsts["a"] > 400 && firsts["b"] > 400, "{firsts:?}");
    }

    #[test]
    fn a_name_twice_is_one_host() {
        let hosts = vec![host(20, "a"), host(10, "a"), host(15, "b")];
        assert_eq!(
            in_order(hosts, 10, &mut Shuffle::seeded(1)),
            [host(10, "a"), host(15, "b")]
        );
    }

    #[test]
    fn host_names() {
        assert_eq!(
            host_name("MX.Example.ORG.").as_deref(),
            Some("mx.example.org")
        );
        assert_eq!(
            host_name("mx_1.example.org").as_deref(),
            Some("mx_1.example.org")
        );
        for text in [
            "",
            ".",
            "192.0.2.1.",
            "192.0.2.1",
            "a..b",
            "a b.example",
            "m\\195\\188.example",
            "a/b.example",
        ] {
            assert_eq!(host_name(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_limit_keeps_the_best(
            preferences in proptest::collection::vec(0u16..5, 0..40), limit in 0usize..12, seed in any::<u64>(),
        ) {
            let hosts: Vec<MxHost> = preferences.iter().enumerate().map(|(n, p)| host(*p, &format!("h{n}"))).collect();
            let ordered = in_order(hosts, limit, &mut Shuffle::seeded(seed));
            let mut best = preferences;
            best.sort_unstable();
            best.truncate(limit);
            prop_assert_eq!(ordered.iter().map(|host| host.preference).collect::<Vec<_>>(), best);
        }
    }
}
