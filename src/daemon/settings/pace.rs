//! How fast providers get copies, as the configuration has it.

use super::Settings;
use crate::config::Config;
use crate::delivery::pace::{Pace, PaceSettings, Provider};

impl Settings {
    /// How fast providers get copies of mailings.
    pub fn pace(&self) -> PaceSettings {
        let delivery = &self.config.delivery;
        let usual = Pace {
            connections: None,
            per_minute: delivery.copies_per_minute,
            first_day: delivery.copies_on_first_day,
        };
        let by = delivery.pace.iter().map(|pace| {
            let connections = pace.connections.and_then(|most| usize::try_from(most).ok());
            let one = Pace {
                connections,
                per_minute: pace.copies_per_minute.unwrap_or(usual.per_minute),
                first_day: pace.copies_on_first_day.unwrap_or(usual.first_day),
            };
            (pace.provider.as_str().into(), one)
        });
        PaceSettings {
            usual,
            by: by.collect(),
        }
    }
}

/// Providers in the configuration that nobody knows by that name.
pub(super) fn unknown(config: &Config) -> Vec<String> {
    let known: Vec<_> = Provider::names().collect();
    let names = config.delivery.pace.iter().map(|pace| &pace.provider);
    let unknown = names.filter(|name| !name.contains('.') && !known.contains(&name.as_str()));
    unknown
        .map(|name| {
            let known = known.join(", ");
            format!(
                "delivery.pace: no provider is known as `{name}`; write the domain of its mail servers, or one of {known}"
            )
        })
        .collect()
}
