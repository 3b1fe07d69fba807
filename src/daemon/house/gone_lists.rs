//! Lists that were taken out of the configuration while people are on them or mailings wait: nothing goes to them, and
//! somebody should know. It warns, and decides nothing.

use std::collections::BTreeMap;

use crate::consent::MaskedCount;
use crate::daemon::rooms::Rooms;

/// A warning for each such list. Who isn't an admin is told by the counts of the morning, in steps, and of no list on
/// which there were fewer than five: that there's anybody on it may tell of somebody.
pub(super) fn warnings(rooms: &Rooms, admin: bool) -> Vec<String> {
    let config = rooms.config();
    let mailings = rooms.mailings.current_by_list();
    let mut lists: BTreeMap<String, (MaskedCount, u64)> = BTreeMap::new();
    for (list, subscribed) in rooms.consent.by_list(admin) {
        let subscribed = MaskedCount::of(subscribed, admin);
        if !matches!(
            subscribed,
            MaskedCount::FewerThanFive | MaskedCount::Exact(0)
        ) {
            lists.insert(list, (subscribed, 0));
        }
    }
    for (list, count) in mailings {
        let none = MaskedCount::of(0, admin);
        lists.entry(list).or_insert((none, 0)).1 = count;
    }
    lists.retain(|list, _| config.list.keys().all(|key| key.as_str() != list));
    lists
        .iter()
        .map(|(list, (subscribed, mailings))| warning(list, *subscribed, *mailings))
        .collect()
}

fn warning(list: &str, subscribed: MaskedCount, mailings: u64) -> String {
    let people = match subscribed {
        MaskedCount::Exact(1) => "1 subscriber".to_owned(),
        count => format!("{count} subscribers"),
    };
    let mailings = match mailings {
        0 => String::new(),
        1 => " and 1 mailing that is not over".to_owned(),
        many => format!(" and {many} mailings that are not over"),
    };
    format!(
        "the list {list} is not in the configuration any more and has {people}{mailings}; nothing goes to it: put \
         [list.{list}] back and reload, or cancel its mailings; who is on it stays so until they leave or are erased"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_on_a_list_is_counted_in_words() {
        let all = warning("news", MaskedCount::Exact(1), 1);
        assert!(
            all.contains("1 subscriber and 1 mailing that is not over"),
            "{all}"
        );
        let none = warning("news", MaskedCount::FewerThanFive, 2);
        assert!(none.contains("has <5 subscribers and 2 mailings"), "{none}");
        assert!(!warning("news", MaskedCount::Exact(20), 0).contains("mailing that"));
    }
}
