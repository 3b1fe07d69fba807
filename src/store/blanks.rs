//! Events of a log without salt and text. In the consent log a person may be erased, and a tombstone of that person
//! follows (law 3.2); nothing else may be blank, and in the audit log nothing at all.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::log::LoggedEvent;
use crate::audit::LogKind;
use crate::vault::Index;

/// A walk over a log that finds blank events which no erasure explains.
#[derive(Debug, Default)]
pub struct Blanks {
    /// Blank events that no tombstone was seen for yet: the first's number and how many, by person.
    open: BTreeMap<Vec<u8>, (u64, u64)>,
    found: Vec<(u64, u64)>,
}

/// As much of a tombstone as says whom it is of.
#[derive(Deserialize)]
struct Tombstone {
    event: String,
    subject: Index,
    #[serde(default)]
    formerly: Vec<Index>,
}

impl Blanks {
    /// Takes a log's next event.
    pub fn take(&mut self, log: LogKind, event: &LoggedEvent) {
        match (&event.event, log, &event.subject) {
            (None, LogKind::Consent, Some(subject)) => {
                let open = self.open.entry(subject.as_bytes().to_vec());
                open.or_insert((event.seq, 0)).1 += 1;
            }
            (None, ..) => self.found.push((event.seq, 1)),
            (Some((_, text)), LogKind::Consent, _) if !self.open.is_empty() => {
                let Ok(read) = serde_json::from_slice::<Tombstone>(text) else {
                    return;
                };
                if read.event == "erased" {
                    for subject in read.formerly.iter().chain([&read.subject]) {
                        self.open.remove(subject.as_bytes().as_slice());
                    }
                }
            }
            _ => {}
        }
    }

    /// What is left at the log's end: of each unexplained lot the first event's number and how many there are.
    pub fn finish(self) -> Vec<(u64, u64)> {
        let mut found = self.found;
        found.extend(self.open.into_values());
        found.sort_unstable();
        found
    }
}
