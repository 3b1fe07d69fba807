//! `list show`.

use std::sync::Arc;

use super::is_admin;
use crate::config::{Config, List, Name};
use crate::control::api::Count;
use crate::control::api::list::{ListReport, Show};
use crate::control::{Call, Failure, Handle, Nothing};
use crate::daemon::rooms::Rooms;

/// Answers for the lists.
pub(super) struct ListDesk(pub(super) Arc<Rooms>);

impl Handle<Show> for ListDesk {
    async fn handle(&self, ask: Show, call: &mut Call<Show>) -> Result<Nothing, Failure> {
        let reports = self.reports(ask.list.as_deref(), is_admin(call));
        if let (Some(name), true) = (&ask.list, reports.is_empty()) {
            return Err(Failure::refused(
                format!("can't show the list {name}"),
                "there is no list of this name",
                "see them all with: hustings list show",
            ));
        }
        for report in &reports {
            call.row(report).await?;
        }
        Ok(Nothing {})
    }
}

impl ListDesk {
    fn reports(&self, only: Option<&str>, admin: bool) -> Vec<ListReport> {
        let config = self.0.config();
        let lists = config.list.iter();
        let wanted = lists.filter(|(key, _)| only.is_none_or(|only| only == key.as_str()));
        wanted
            .map(|(key, list)| self.report(&config, key, list, admin))
            .collect()
    }

    fn report(&self, config: &Config, key: &Name, list: &List, admin: bool) -> ListReport {
        let address = config.list_address(key);
        let subscribed = match admin {
            true => self.0.consent.count(key.as_str(), None),
            false => self.0.consent.morning_count(key.as_str(), None),
        };
        ListReport {
            list: key.as_str().to_owned(),
            title: list.title.clone(),
            purpose: list.purpose.clone(),
            address: address.map_or_else(String::new, |address| address.to_string()),
            from: list.from.to_string(),
            open: list.open,
            approval: list.approval.as_str().to_owned(),
            by_constituency: list.by_constituency,
            subscribed: Count::for_eyes(subscribed, admin),
            counted_at: (!admin).then(|| self.0.consent.counted_at()),
        }
    }
}
