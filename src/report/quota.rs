//! How many reports are taken in a day: of each kind so many that anybody could have written, and of these no more than a
//! share from one network or one domain, so that no stranger uses up what is there for all. Counts are in memory only: a
//! restart forgets them, and there is an end to what is kept at all.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::civil::Date;

use crate::address::Domain;
use crate::net::Network;

/// Reports of one kind that anybody could have written and that are taken in a day. With those whose sender is proven,
/// twice as many.
pub(super) const A_DAY: u32 = 300;
/// Of them, from one network, or from one domain that is proven; for each domain of ours some more, since who reports of
/// all of them sends one each.
pub(super) const SHARE: u32 = 10;
const EACH: u32 = 2;
const MOST: u32 = 60;
/// Proven senders of one network: several domains may be served there.
const PROVEN: u32 = 4;

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tls,
    Dmarc,
}

/// Who hands a report in, as far as it is known.
#[derive(Clone)]
pub(super) struct Giver {
    pub(super) kind: Kind,
    pub(super) network: Network,
    /// The domain that SPF or DKIM vouches for.
    pub(super) proven: Option<Domain>,
}

impl Giver {
    pub(super) fn at(kind: Kind, address: IpAddr) -> Self {
        Self {
            kind,
            network: Network::from(address.to_canonical()),
            proven: None,
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
enum Counted {
    All(Kind),
    Unproven(Kind),
    Network(Kind, Network),
    Domain(Kind, Domain),
}

/// The counts of a day.
#[derive(Default)]
pub(super) struct Quota {
    day: Option<Date>,
    counts: HashMap<Counted, u32>,
}

impl Quota {
    /// What a report of this sender counts among, and how much of it there may be where we have so many domains.
    fn limits(giver: &Giver, domains: usize) -> Vec<(Counted, u32)> {
        let domains = u32::try_from(domains).unwrap_or(u32::MAX);
        let share = domains.saturating_mul(EACH).clamp(SHARE, MOST);
        let kind = giver.kind;
        let network = Counted::Network(kind, giver.network);
        let all = (Counted::All(kind), 2 * A_DAY);
        match &giver.proven {
            None => vec![all, (Counted::Unproven(kind), A_DAY), (network, share)],
            Some(domain) => {
                let domain = Counted::Domain(kind, domain.clone());
                vec![all, (network, share * PROVEN), (domain, share)]
            }
        }
    }

    /// Whether one more is taken.
    pub(super) fn allows(&mut self, giver: &Giver, domains: usize, today: Date) -> bool {
        if self.day != Some(today) {
            *self = Self {
                day: Some(today),
                ..Self::default()
            };
        }
        let mut limits = Self::limits(giver, domains).into_iter();
        limits.all(|(counted, most)| self.counts.get(&counted).is_none_or(|count| *count < most))
    }

    /// Counts one that was kept.
    pub(super) fn count(&mut self, giver: &Giver, domains: usize) {
        for (counted, _) in Self::limits(giver, domains) {
            *self.counts.entry(counted).or_default() += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 21);

    fn giver(kind: Kind, network: u8, proven: Option<&str>) -> Giver {
        Giver {
            proven: proven.map(|name| Domain::parse(name).unwrap()),
            ..Giver::at(kind, [10, network, 0, 1].into())
        }
    }

    /// How many are taken at most.
    fn taken(quota: &mut Quota, giver: &Giver, domains: usize) -> u32 {
        let mut taken = 0;
        while quota.allows(giver, domains, TODAY) {
            quota.count(giver, domains);
            taken += 1;
        }
        taken
    }

    #[test]
    fn nobody_uses_up_what_is_there_for_all() {
        let mut quota = Quota::default();
        let stranger = giver(Kind::Dmarc, 1, None);
        assert_eq!(taken(&mut quota, &stranger, 1), SHARE);
        // Others, proven ones of that network, and the other kind are none the worse for it.
        let other = giver(Kind::Dmarc, 2, None);
        assert_eq!(taken(&mut quota, &other, 1), SHARE);
        let proven = giver(Kind::Dmarc, 1, Some("far.example"));
        assert_eq!(taken(&mut quota, &proven, 1), SHARE);
        let tls = giver(Kind::Tls, 1, None);
        assert_eq!(taken(&mut quota, &tls, 1), SHARE);
        // One who proves ever new names is held to what is his network's.
        let names = (0..99).map(|n| giver(Kind::Dmarc, 3, Some(&format!("a{n}.example"))));
        let all: u32 = names.map(|giver| taken(&mut quota, &giver, 1)).sum();
        assert_eq!(all, SHARE * PROVEN);
        // Who reports of thirty domains sends as many.
        let large = giver(Kind::Dmarc, 4, Some("large.example"));
        assert_eq!(taken(&mut quota, &large, 30), MOST);
        let tomorrow = TODAY.tomorrow().unwrap();
        assert!(quota.allows(&stranger, 1, tomorrow));
    }

    #[test]
    fn of_what_anybody_could_have_written_there_is_an_end() {
        let mut quota = Quota::default();
        let strangers = (0..99).map(|n| giver(Kind::Tls, n, None));
        let all: u32 = strangers.map(|giver| taken(&mut quota, &giver, 1)).sum();
        assert_eq!(all, A_DAY);
        let proven = (0..99).map(|n| giver(Kind::Tls, n, Some(&format!("a{n}.example"))));
        let all: u32 = proven.map(|giver| taken(&mut quota, &giver, 1)).sum();
        assert_eq!(all, A_DAY);
    }
}
