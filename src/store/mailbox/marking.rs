//! How marks are changed. Those of a group of writes are looked at one after the other, and read and written together as
//! far as that goes: twenty people who mark what they read cost little more than one.

use std::collections::HashSet;

use super::act::{ActDone, ActOutcome, ActRefusal, MarkAct, MarkChange};
use super::doing::{Step, Stop, of, standing};
use super::entry::{self, Entry};
use super::working::Working;
use super::{EntryRecord, Flags};
use crate::store::StoreError;
use crate::store::writer::Tx;

/// How many changed entries wait to be written together.
const MOST: usize = 1000;

/// Changes marks, one act after the other; each sees what those before it did.
pub(super) async fn together(
    acts: &[&MarkAct],
    tx: &mut Tx<'_>,
) -> Result<Vec<ActOutcome>, StoreError> {
    let mut working = Working::default();
    working
        .read_all(acts.iter().map(|act| act.folder), tx)
        .await?;
    let mut outcomes = Vec::with_capacity(acts.len());
    let (mut changed, mut folders) = (Vec::new(), HashSet::new());
    for act in acts {
        // What an act reads must be written.
        if !folders.insert(act.folder) || changed.len() > MOST {
            entry::put(&changed, tx).await?;
            changed.clear();
            folders = HashSet::from([act.folder]);
        }
        match act.run(&mut working, &mut changed, tx).await {
            Ok(done) => outcomes.push(Ok(done)),
            Err(Stop::Refused(refusal)) => outcomes.push(Err(refusal)),
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
    entry::put(&changed, tx).await?;
    working.save(tx).await?;
    Ok(outcomes)
}

impl MarkAct {
    /// Changes marks by itself.
    pub(super) async fn alone(&self, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
        let mut changed = Vec::new();
        let done = self.run(working, &mut changed, tx).await?;
        entry::put(&changed, tx).await?;
        Ok(done)
    }

    /// Says what is changed, and leaves it to be written.
    async fn run(
        &self,
        working: &mut Working,
        changed: &mut Vec<Entry>,
        tx: &mut Tx<'_>,
    ) -> Step<ActDone> {
        let entries = standing(self.folder, &self.uids, tx).await?;
        let read = working.read(self.folder, tx).await?;
        let (folder, is_changed) = read.ok_or(ActRefusal::NoFolder)?;
        let named = &self.marks.keywords;
        let keywords = match self.change {
            MarkChange::Remove => Some(folder.record.known_numbers(named)),
            MarkChange::Add | MarkChange::Replace => folder.record.numbers(named),
        };
        let keywords = keywords.ok_or(ActRefusal::TooManyKeywords)?;
        let (mut done, before) = (of(self.folder), changed.len());
        for mut entry in entries {
            if self
                .unchanged_since
                .is_some_and(|since| entry.modseq > since)
            {
                done.kept_back.push(entry.uid);
                continue;
            }
            let new = self.change.of(&entry.record, self.marks.flags, keywords);
            if new != entry.record {
                folder.record.count_out(&entry.record);
                folder.record.count_in(&new);
                entry.record = new;
                done.marked.push(entry.uid);
                changed.push(entry);
            }
        }
        if changed.len() > before {
            *is_changed = true;
            done.modseq = folder.next_change();
            let new = changed[before..].iter_mut();
            new.for_each(|entry| entry.modseq = done.modseq);
        }
        Ok(done)
    }
}

impl MarkChange {
    fn of(self, record: &EntryRecord, flags: Flags, keywords: u64) -> EntryRecord {
        let (flags, keywords) = match self {
            Self::Add => (record.flags.with(flags), record.keywords | keywords),
            Self::Remove => (record.flags.without(flags), record.keywords & !keywords),
            Self::Replace => (flags, keywords),
        };
        EntryRecord {
            flags,
            keywords,
            ..*record
        }
    }
}
