//! The messages of a folder, one after the other, each asked as little as possible.

use super::body::Looking;
use super::test::{Facts, Query};
use crate::mailbox::room::{MailboxError, Mailboxes};
use crate::mailbox::view::{Known, View};
use crate::message::outline::Outline;
use crate::store::{Entry, StoreError, Uid, Uids};

/// How many messages are asked by what the session knows, until others have their turn.
const TURN: usize = 1000;
/// How many entries and outlines are in memory at once.
const PAGE: usize = 32;

impl Mailboxes {
    /// The messages that a session knows of a folder and of which this is so, in the order of their UIDs. One whose text
    /// can't be read, and has to be, is left out.
    ///
    /// # Errors
    /// A [`MailboxError`] if the store can't be read.
    pub async fn search(&self, view: &View, query: &Query) -> Result<Vec<Uid>, MailboxError> {
        let now = self.clock.now();
        let facts = |known| Facts {
            view,
            known,
            entry: None,
            sent: None,
            answers: vec![None; query.asked.len()],
            now,
        };
        let (mut found, mut open) = (Vec::new(), Vec::new());
        for turn in view.known().chunks(TURN) {
            for known in turn {
                match facts(known).answer(&query.test) {
                    Some(true) => found.push(known.uid),
                    Some(false) => {}
                    None => open.push(known),
                }
            }
            tokio::task::yield_now().await;
        }
        for page in open.chunks(PAGE) {
            let page: Vec<_> = page.iter().map(|known| facts(known)).collect();
            self.ask_page(view, query, page, &mut found).await?;
        }
        found.sort_unstable();
        Ok(found)
    }

    async fn ask_page(
        &self,
        view: &View,
        query: &Query,
        mut page: Vec<Facts<'_>>,
        found: &mut Vec<Uid>,
    ) -> Result<(), MailboxError> {
        let uids = Uids::of(page.iter().map(|facts| facts.known.uid));
        let entries = self.store.entries_of(view.id(), &uids).await?;
        let mut open = Vec::new();
        for mut facts in page.drain(..) {
            // Who went meanwhile is not found.
            let Some(entry) = entry_of(&entries, facts.known) else {
                continue;
            };
            facts.entry = Some(entry);
            match facts.answer(&query.test) {
                Some(true) => found.push(facts.known.uid),
                Some(false) => {}
                None => open.push((facts, entry)),
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let messages: Vec<_> = open.iter().map(|(_, entry)| entry.message).collect();
        let outlines = self.outlines(&messages).await?;
        for (facts, entry) in open {
            let long = match outlines.contains_key(&entry.message) {
                true => None,
                false => self.outline(entry.message).await?,
            };
            let Some(outline) = outlines.get(&entry.message).or(long.as_ref()) else {
                continue;
            };
            let uid = facts.known.uid;
            if self.ask(query, facts, entry, outline).await? {
                found.push(uid);
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Asks one message, by its outline, its header and its body.
    async fn ask(
        &self,
        query: &Query,
        facts: Facts<'_>,
        entry: &Entry,
        outline: &Outline,
    ) -> Result<bool, MailboxError> {
        let mut looking = Looking::new(self, query, facts, entry.message, outline);
        match looking.answer().await {
            Ok(answer) => Ok(answer),
            Err(error @ (StoreError::Cut { .. } | StoreError::Seal(_))) => {
                tracing::error!(%error, "a message can't be searched");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn entry_of<'e>(entries: &'e [Entry], known: &Known) -> Option<&'e Entry> {
    let at = entries.binary_search_by_key(&known.uid, |entry| entry.uid);
    at.ok().map(|at| &entries[at])
}
