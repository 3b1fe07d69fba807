//! How fast providers get copies, as the configuration has it.

use std::collections::{BTreeMap, BTreeSet};

use super::Settings;
use crate::config::Config;
use crate::delivery::pace::{OwnPace, Pace, PaceSettings, Provider};

impl Settings {
    /// How fast providers get copies of mailings.
    pub fn pace(&self) -> PaceSettings {
        let delivery = &self.config.delivery;
        let usual = Pace {
            connections: None,
            per_minute: delivery.copies_per_minute,
            first_day: delivery.copies_on_first_day,
        };
        let by = named(&self.config).into_iter().map(|name| {
            let number = |of: &BTreeMap<String, u32>| of.get(name).copied();
            let connections = number(&delivery.connections_to);
            let one = OwnPace {
                connections: connections.and_then(|most| usize::try_from(most).ok()),
                per_minute: number(&delivery.copies_per_minute_to),
                first_day: number(&delivery.copies_on_first_day_to),
            };
            (name.into(), one)
        });
        PaceSettings {
            usual,
            by: by.collect(),
        }
    }
}

/// The providers that the configuration names.
fn named(config: &Config) -> BTreeSet<&str> {
    let delivery = &config.delivery;
    [
        &delivery.connections_to,
        &delivery.copies_on_first_day_to,
        &delivery.copies_per_minute_to,
    ]
    .into_iter()
    .flat_map(|numbers| numbers.keys().map(String::as_str))
    .collect()
}

/// Says which of them nobody knows.
pub(super) fn unknown(config: &Config) -> Vec<String> {
    let known: Vec<_> = Provider::names().collect();
    let unknown = named(config)
        .into_iter()
        .filter(|name| !name.contains('.') && !known.contains(name));
    unknown
        .map(|name| {
            let known = known.join(", ");
            format!(
                "[delivery]: no provider is known as `{name}`; write the domain of its mail servers, or one of {known}"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_provider_has_its_own_numbers_and_a_misspelt_one_is_named() {
        let mut config = Config::example();
        let numbers = |name: &str, number| BTreeMap::from([(name.to_owned(), number)]);
        config.delivery.connections_to = numbers("google", 2);
        config.delivery.copies_per_minute_to = numbers("goggle", 60);
        let faults = unknown(&config);
        assert!(
            faults.len() == 1 && faults[0].contains("`goggle`"),
            "{faults:?}"
        );
        let settings = Settings::new(config, jiff::civil::date(2026, 11, 22)).unwrap();
        let google = Provider::of(["aspmx.l.google.com"]).unwrap();
        let pace = settings.pace().of(&google);
        assert_eq!((pace.connections, pace.first_day), (Some(2), 2_000));
    }
}
