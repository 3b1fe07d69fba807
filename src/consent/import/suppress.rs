//! The suppression file of an import: who left the old system's lists. It is in force at once, without a second person:
//! it can only silence. Who confirmed here after the day that it names stays: that consent is the fresher word.

use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Import, ImportError, read_header};
use crate::address::EmailAddress;
use crate::consent::csv::Row;
use crate::consent::person::Person;
use crate::consent::withdraw::Withdrawal;
use crate::consent::{Consent, ConsentError, WithdrawalChannel};
use crate::store::{Scope, SuppressionReason};

/// How many rows are written at once.
const AT_ONCE: usize = 32;

/// A row of the file.
struct Entry {
    address: EmailAddress,
    /// The lists that were left; none means all.
    lists: Vec<String>,
    /// When; without a day the row counts as newer than anything.
    at: Timestamp,
}

impl Import {
    /// Takes the next bytes of the suppression file.
    ///
    /// # Errors
    /// As [`Import::feed`].
    pub async fn feed_suppressions(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        let most = self.consent.live().settings.limits.import_bytes;
        let lines = self.suppressions.take(bytes, most)?;
        self.suppress(&lines).await
    }

    /// States that the old system has no list of those who left. It goes on the record.
    pub fn state_no_suppressions(&mut self) {
        self.batch.suppressions_given = true;
        self.batch.stated_no_suppressions = true;
    }

    pub(super) async fn end_suppressions(&mut self) -> Result<(), ImportError> {
        let last: Vec<_> = self.suppressions.end_line().into_iter().collect();
        self.suppress(&last).await
    }

    async fn suppress(&mut self, lines: &[(usize, Vec<u8>)]) -> Result<(), ImportError> {
        let mut entries = Vec::new();
        for (line, text) in lines {
            let Some(header) = &self.suppressions.header else {
                let header = read_header(*line, text, &["address"], &["lists", "date"])?;
                self.suppressions.header = Some(header);
                self.batch.suppressions_given = true;
                continue;
            };
            let read = header
                .row(*line, text)
                .map_err(|error| error.problem.to_string());
            let entry = read.and_then(|row| self.entry(&row).map_err(str::to_owned));
            match entry {
                Ok(entry) => entries.push(entry),
                Err(why) => self.reject(*line, format!("suppression file: {why}")),
            }
        }
        for some in entries.chunks(AT_ONCE) {
            let all = some
                .iter()
                .map(|entry| self.consent.import_suppression(entry, self.trial));
            for done in join_all(all).await {
                match done? {
                    true => self.report.suppressed += 1,
                    false => self.report.outdated += 1,
                }
            }
        }
        Ok(())
    }

    fn entry(&self, row: &Row<'_, '_>) -> Result<Entry, &'static str> {
        let address = EmailAddress::parse_typed(row.get("address"))
            .map_err(|_| "`address` is no mail address: correct it")?;
        let at = match row.get("date") {
            "" => Timestamp::MAX,
            text => end_of_day(text).ok_or("`date` must be a day, as 2026-11-21, or empty")?,
        };
        let live = self.consent.live();
        let named = row.get("lists").split([' ', ';', ',']);
        let mut lists: Vec<_> = named.filter(|key| !key.is_empty()).collect();
        if lists.contains(&"all") {
            lists.clear();
        }
        if !lists.iter().all(|key| live.settings.list(key).is_some()) {
            return Err("`lists` names a list that doesn't exist: leave it empty for all");
        }
        let lists = lists.into_iter().map(str::to_owned).collect();
        Ok(Entry { address, lists, at })
    }
}

fn end_of_day(text: &str) -> Option<Timestamp> {
    let day: Date = text.parse().ok()?;
    let next = day.tomorrow().ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

impl Consent {
    /// Whether anything of it is in force: a later yes beats it, list by list.
    async fn import_suppression(&self, entry: &Entry, trial: bool) -> Result<bool, ConsentError> {
        let person = Person::of(self.vault(), &entry.address);
        let subscriber = self.find_person(&person).await?;
        let fresher: Vec<_> = subscriber
            .iter()
            .flat_map(|one| &one.record.subscriptions)
            .filter(|one| one.confirmed_at >= entry.at)
            .map(|one| one.list.clone())
            .collect();
        let scopes = self.scopes_of(&entry.lists, &fresher);
        for scope in scopes.iter().filter(|_| !trial) {
            let reason = SuppressionReason::Imported;
            let withdrawal = Withdrawal::new(*scope, reason, WithdrawalChannel::Import);
            self.withdraw_indexes(&person.indexes, &withdrawal).await?;
        }
        Ok(!scopes.is_empty())
    }

    fn scopes_of(&self, lists: &[String], fresher: &[String]) -> Vec<Scope> {
        if lists.is_empty() && fresher.is_empty() {
            return vec![Scope::All];
        }
        let live = self.live();
        let configured = live.settings.lists.iter().map(|list| &list.key);
        configured
            .filter(|key| lists.is_empty() || lists.contains(key))
            .filter(|key| !fresher.contains(key))
            .map(|key| Scope::List(self.vault().list_tag(key)))
            .collect()
    }
}
