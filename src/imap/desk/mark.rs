//! STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use std::collections::BTreeSet;

use super::news::Aloud;
use super::selected::{Selected, read_marks};
use super::{Done, Enabled, No, Sink, Stop};
use crate::imap::command::StoreMarks;
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::{Known, Marking, News};
use crate::store::{Keyword, MarkChange, Marks, Uid};

impl Selected {
    pub(super) async fn store<S: Sink>(
        &mut self,
        account: &Account,
        enabled: &mut Enabled,
        store: &StoreMarks,
        out: &mut S,
    ) -> Result<Done, Stop> {
        if self.read_only {
            return Err(No::read_only().into());
        }
        if store.unchanged_since.is_some() {
            self.enable_condstore(enabled, out);
        }
        let marks = read_marks(&store.flags)?;
        let places = self.places(&store.numbers, store.uid)?;
        let before = self.known(&places);
        let uids: Vec<Uid> = before.iter().map(|known| known.uid).collect();
        let marking = Marking {
            change: store.change,
            marks,
            unchanged_since: store.unchanged_since,
        };
        let done = account
            .mailboxes
            .mark(self.view.id(), &uids, &marking)
            .await?;
        self.stirred = true;
        let kept_back: BTreeSet<Uid> = done.kept_back.iter().copied().collect();
        let code = match kept_back.is_empty() {
            true => None,
            false => Some(self.modified(&kept_back, store.uid)),
        };
        // A UID command may move numbers, but its own answers come first.
        if let Some(news) = self.learn(false).await? {
            let own = Own {
                before: &before,
                marking: &marking,
                kept_back: &kept_back,
                silent: store.silent,
            };
            self.tell_own(&own, &news, *enabled, out).await?;
        }
        Ok(code.map_or_else(Done::plain, |code| Done::coded(&code)))
    }

    /// The numbers of those that were left alone, as the client counts.
    fn modified(&self, kept_back: &BTreeSet<Uid>, uid: bool) -> String {
        let mut text = b"MODIFIED ".to_vec();
        let numbers = kept_back.iter().filter_map(|one| match uid {
            true => Some(one.0),
            false => u32::try_from(self.view.place_of(*one)? + 1).ok(),
        });
        write::set(&mut text, numbers);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Tells what the command did, and what others did meanwhile.
    async fn tell_own<S: Sink>(
        &mut self,
        own: &Own<'_>,
        news: &News,
        enabled: Enabled,
        out: &mut S,
    ) -> Result<(), Stop> {
        let mut others = news.clone();
        others.changed.retain(|uid| own.place(*uid).is_none());
        self.write_news(&others, enabled, |_| Aloud::Yes, out)
            .await?;
        let changed: BTreeSet<Uid> = news.changed.iter().copied().collect();
        for was in own.before {
            let Some(place) = self.view.place_of(was.uid) else {
                continue;
            };
            let known = self.view.known()[place];
            let aloud = match (own.silent, changed.contains(&was.uid)) {
                // It was changed by somebody else, and be it that its marks are again what they were: without the number of
                // that change the client would be refused for ever.
                _ if own.kept_back.contains(&was.uid) => Aloud::Yes,
                // A client that doesn't ask to be told what it did isn't, but for what somebody else did.
                (true, false) => Aloud::No,
                (true, true) if self.is_as_expected(&known, was, own) => Aloud::ModSeq,
                _ => Aloud::Yes,
            };
            self.write_change(place, &known, enabled, aloud, out);
            out.relieve().await?;
        }
        Ok(())
    }

    fn is_as_expected(&self, known: &Known, was: &Known, own: &Own<'_>) -> bool {
        // Keywords keep their numbers, so that it can be said now what they were.
        let expected = after(&self.view.marks(was), own.marking);
        let now = self.view.marks(known);
        let lower = |keywords: &BTreeSet<Keyword>| -> BTreeSet<String> {
            keywords
                .iter()
                .map(|keyword| keyword.as_str().to_ascii_lowercase())
                .collect()
        };
        now.flags == expected.flags && lower(&now.keywords) == lower(&expected.keywords)
    }
}

/// What a STORE was to do.
struct Own<'s> {
    before: &'s [Known],
    marking: &'s Marking,
    kept_back: &'s BTreeSet<Uid>,
    silent: bool,
}

impl Own<'_> {
    fn place(&self, uid: Uid) -> Option<usize> {
        self.before
            .binary_search_by_key(&uid, |known| known.uid)
            .ok()
    }
}

/// What marks become.
fn after(before: &Marks, marking: &Marking) -> Marks {
    let is_meant = |keyword: &&Keyword| marking.marks.keywords.iter().any(|one| one.is(keyword));
    let mut marks = before.clone();
    match marking.change {
        MarkChange::Replace => marks = marking.marks.clone(),
        MarkChange::Add => {
            marks.flags = marks.flags.with(marking.marks.flags);
            let new = marking.marks.keywords.iter();
            let new = new.filter(|one| !before.keywords.iter().any(|known| known.is(one)));
            marks.keywords.extend(new.cloned());
        }
        MarkChange::Remove => {
            marks.flags = marks.flags.without(marking.marks.flags);
            marks.keywords.retain(|keyword| !is_meant(&keyword));
        }
    }
    marks
}
