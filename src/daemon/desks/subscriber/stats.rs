//! `subscriber stats`. Live numbers are for admins alone. Everybody else gets those of the morning in steps, without the
//! small ones and what they could be worked out from.

use std::collections::BTreeMap;

use super::SubscriberDesk;
use crate::consent::Stats as Counts;
use crate::control::api::Count;
use crate::control::api::subscriber::{Share, Stats, StatsReport};
use crate::control::{Call, Failure, Handle};
use crate::daemon::desks::{constituency_name, failure, is_admin};

/// Below this a number is for admins alone.
const FEWEST: u64 = 5;
/// Who chose no constituency.
const UNSAID: &str = "abroad or not said";

impl Handle<Stats> for SubscriberDesk {
    async fn handle(&self, ask: Stats, call: &mut Call<Stats>) -> Result<StatsReport, Failure> {
        let admin = is_admin(call);
        let counts = match admin {
            true => self
                .0
                .consent
                .stats()
                .await
                .map_err(|error| failure::consent("can't count the subscribers", &error))?,
            false => self.0.consent.morning_stats(),
        };
        for list in self.lists(&counts) {
            let whole = Share {
                subscribed: Count::for_eyes(counts.on_list(&list), admin),
                constituency: None,
                list,
            };
            call.row(&whole).await?;
            if ask.constituencies {
                for share in self.shares(&counts, &whole.list, admin) {
                    call.row(&share).await?;
                }
            }
        }
        Ok(StatsReport {
            subscribers: Count::for_eyes(counts.subscribers, admin),
            pending: admin.then_some(counts.pending),
            expired: admin.then_some(counts.expired),
            suppressed: admin.then_some(counts.suppressed),
            counted_at: (!admin).then(|| self.0.consent.counted_at()),
        })
    }
}

impl SubscriberDesk {
    /// The lists in the order of the configuration, then those that are no longer in it and still have subscribers.
    fn lists(&self, counts: &Counts) -> Vec<String> {
        let settings = self.0.consent.settings();
        let mut lists: Vec<_> = settings.lists.into_iter().map(|list| list.key).collect();
        let mut former: Vec<_> = counts
            .by_constituency
            .keys()
            .map(|(list, _)| list)
            .collect();
        former.sort_unstable();
        for list in former {
            if !lists.contains(list) {
                lists.push(list.clone());
            }
        }
        lists
    }

    /// A list's constituencies, in the order of their names.
    fn shares(&self, counts: &Counts, list: &str, admin: bool) -> Vec<Share> {
        let own = counts.by_constituency.iter();
        let own = own.filter(|((key, _), count)| key == list && **count > 0);
        let mut named = BTreeMap::new();
        for ((_, code), count) in own {
            let name = match code.as_deref() {
                Some(code) => constituency_name(&self.0, code),
                None => UNSAID.to_owned(),
            };
            *named.entry(name).or_default() += count;
        }
        if !admin {
            leave_out_few(&mut named);
        }
        let share = |(name, count)| Share {
            list: list.to_owned(),
            constituency: Some(name),
            subscribed: Count::for_eyes(count, admin),
        };
        named.into_iter().map(share).collect()
    }
}

/// Leaves out what is under five. The list's own number is known, so what was left out could be worked out from it if
/// together it were under five: then the smallest of the others goes as well.
fn leave_out_few(named: &mut BTreeMap<String, u64>) {
    let mut hidden: u64 = named.values().filter(|count| **count < FEWEST).sum();
    named.retain(|_, count| *count >= FEWEST);
    while (1..FEWEST).contains(&hidden) {
        let smallest = named.iter().min_by_key(|(_, count)| **count);
        let Some((name, count)) = smallest.map(|(name, count)| (name.clone(), *count)) else {
            return;
        };
        hidden += count;
        named.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn left(counts: &[u64]) -> Vec<u64> {
        let named = counts.iter().enumerate();
        let mut named = named.map(|(at, count)| (at.to_string(), *count)).collect();
        leave_out_few(&mut named);
        named.into_values().collect()
    }

    #[test]
    fn few_are_left_out_and_nothing_tells_how_few() {
        assert_eq!(left(&[5, 9]), [5, 9]);
        assert_eq!(left(&[4, 1, 9]), [9], "what is left out is five");
        assert_eq!(left(&[4, 7, 9]), [9], "7 goes so that 4 can't be told");
        assert_eq!(left(&[4]), [0; 0]);
        assert_eq!(left(&[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn the_rest_is_nobody_or_no_few(counts in prop::collection::vec(1_u64..20, 0..12)) {
            let shown = left(&counts);
            prop_assert!(shown.iter().all(|count| *count >= FEWEST));
            let hidden = counts.iter().sum::<u64>() - shown.iter().sum::<u64>();
            prop_assert!(hidden == 0 || hidden >= FEWEST || shown.is_empty());
        }
    }
}
