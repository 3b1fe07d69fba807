//! What one session knows of one folder. The folder changes under it; what became of it is told when the session asks
//! ([`View::catch_up`]), and not before: numbers by which a mail program counts messages must not move meanwhile.
//!
//! A view holds 24 bytes for a message, once for all sessions that saw the same, and reads no body. Nobody else's change is kept for it: it reads from the store what
//! came since the last change that it has seen, so that one who is slow costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::sight::{Sight, Sights};
use crate::id::FolderId;
use crate::store::{
    Changes, Entry, Flags, Folder, FolderRecord, FolderWatch, Keyword, Marks, ModSeq, Store,
    StoreError, Uid, Uids,
};

/// What a session knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its number in the folder.
    pub uid: Uid,
    /// Its system flags.
    pub flags: Flags,
    /// The folder's numbers of its keywords, as bits.
    keywords: u64,
    /// The number of its last change.
    pub modseq: ModSeq,
}

/// What became of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Messages that are gone, in ascending order.
    pub vanished: Vec<Uid>,
    /// Where each of them stood before, from 0.
    pub places: Vec<usize>,
    /// Messages whose marks changed.
    pub changed: Vec<Uid>,
    /// Messages that came.
    pub arrived: Vec<Uid>,
}

/// What a session knows of a folder.
pub struct View {
    store: Store,
    watch: FolderWatch,
    id: FolderId,
    record: FolderRecord,
    known: Arc<Vec<Known>>,
    sights: Arc<Sights>,
    /// Messages that are gone, and that the session hasn't been told of: it still counts them.
    gone: BTreeSet<Uid>,
    /// The last change up to which the session was told all.
    told: ModSeq,
}

impl Known {
    fn of(entry: &Entry) -> Self {
        Self {
            uid: entry.uid,
            flags: entry.record.flags,
            keywords: entry.record.keywords,
            modseq: entry.modseq,
        }
    }
}

impl View {
    /// Opens a folder; `None` if it is gone.
    ///
    /// # Errors
    /// A [`StoreError`] if it can't be read.
    pub(super) async fn open(
        store: &Store,
        sights: &Arc<Sights>,
        id: FolderId,
    ) -> Result<Option<Self>, StoreError> {
        if let Some(sight) = sights.last(id) {
            let is_current = sight.watch.is_quiet();
            let mut seen = Self::of(store, sights, id, sight);
            if is_current || seen.catch_up().await?.is_some() {
                return Ok(Some(seen));
            }
            sights.forget(id);
        }
        // First, so that nothing is missed in between.
        let watch = store.watch(id);
        let Some(opening) = store.open_folder(id).await? else {
            return Ok(None);
        };
        let mut sight = Sight {
            record: opening.folder.record,
            known: Arc::new(opening.entries.iter().map(Known::of).collect()),
            watch,
        };
        sight.known = sights.keep(id, sight.clone());
        Ok(Some(Self::of(store, sights, id, sight)))
    }

    fn of(store: &Store, sights: &Arc<Sights>, id: FolderId, sight: Sight) -> Self {
        Self {
            store: store.clone(),
            watch: sight.watch,
            id,
            told: sight.record.highest_modseq,
            record: sight.record,
            known: sight.known,
            sights: sights.clone(),
            gone: BTreeSet::new(),
        }
    }

    /// Which folder it is.
    pub fn id(&self) -> FolderId {
        self.id
    }

    /// The folder as it was when the session looked last.
    pub fn folder(&self) -> &FolderRecord {
        &self.record
    }

    /// Its messages, in the order of their UIDs: the first has the sequence number 1.
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// A message's place in that order, from 0.
    pub fn place_of(&self, uid: Uid) -> Option<usize> {
        self.known.binary_search_by_key(&uid, |one| one.uid).ok()
    }

    /// A message's marks.
    pub fn marks(&self, known: &Known) -> Marks {
        self.record.marks_of(known.flags, known.keywords)
    }

    /// Whether a message has a keyword.
    pub fn has_keyword(&self, known: &Known, keyword: &Keyword) -> bool {
        let mut used = self.record.keywords.iter();
        let number = used.position(|used| used.is(keyword));
        number.is_some_and(|at| known.keywords >> at & 1 == 1)
    }

    /// The keywords that are used in the folder.
    pub fn keywords(&self) -> &[Keyword] {
        &self.record.keywords
    }

    /// Of these, the UIDs of messages that the session knows.
    pub fn select(&self, uids: &Uids) -> Vec<Uid> {
        let mut found = Vec::new();
        for (first, last) in uids.ranges() {
            let from = self.known.partition_point(|one| one.uid.0 < *first);
            let within = self.known[from..].iter().map(|one| one.uid);
            found.extend(within.take_while(|uid| uid.0 <= *last));
        }
        found
    }

    /// Whether something may have changed since this was last asked.
    pub fn is_stale(&mut self) -> bool {
        self.watch.is_stale()
    }

    /// Whether there are messages that are gone and still count.
    pub fn holds_back(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The last change up to which the session was told all. It's before the last that it looked at, where messages are gone
    /// that still count.
    pub fn told(&self) -> ModSeq {
        self.told
    }

    /// Waits until something changed; `false` if the folder is gone. It may also answer when nothing did.
    pub async fn wait(&mut self) -> bool {
        self.watch.changed().await
    }

    /// Learns what became of the folder; `None` if it is gone, or has another UIDVALIDITY.
    ///
    /// # Errors
    /// A [`StoreError`] if it can't be read: the session knows what it knew.
    pub async fn catch_up(&mut self) -> Result<Option<News>, StoreError> {
        self.learn(true).await
    }

    /// The same, but messages that are gone still count, and are told the next time: for the moments at which numbers may
    /// not move (RFC 9051 §7.5.1).
    ///
    /// # Errors
    /// As [`View::catch_up`].
    pub async fn catch_up_in_place(&mut self) -> Result<Option<News>, StoreError> {
        self.learn(false).await
    }

    async fn learn(&mut self, may_move: bool) -> Result<Option<News>, StoreError> {
        let since = self.record.highest_modseq;
        // What is told from here on is news, also where it's read below.
        self.watch.is_stale();
        let watch = self.watch.clone();
        let Some(changes) = self.store.changes_since(self.id, since).await? else {
            return Ok(None);
        };
        let Changes {
            folder,
            entries,
            vanished,
        } = changes;
        // Its row had to be made anew: what the session knows are the numbers of another folder.
        if folder.record.uid_validity != self.record.uid_validity {
            return Ok(None);
        }
        let vanished = match vanished {
            Some(vanished) => self.select(&vanished),
            None => match self.missing().await? {
                Some(missing) => missing,
                None => return Ok(None),
            },
        };
        self.gone.extend(vanished);
        let vanished = match may_move {
            true => std::mem::take(&mut self.gone),
            false => BTreeSet::new(),
        };
        Ok(Some(self.take(folder, &entries, &vanished, watch)))
    }

    /// What the session knows and isn't there any more, by a look at all that is.
    async fn missing(&self) -> Result<Option<Vec<Uid>>, StoreError> {
        let Some(opening) = self.store.open_folder(self.id).await? else {
            return Ok(None);
        };
        let there: BTreeSet<Uid> = opening.entries.iter().map(|entry| entry.uid).collect();
        let known = self.known.iter().map(|one| one.uid);
        Ok(Some(known.filter(|uid| !there.contains(uid)).collect()))
    }

    /// `watch` listens since before this was read.
    fn take(
        &mut self,
        folder: Folder,
        entries: &[Entry],
        vanished: &BTreeSet<Uid>,
        watch: FolderWatch,
    ) -> News {
        let mut news = News {
            vanished: vanished.iter().copied().collect(),
            places: vanished
                .iter()
                .filter_map(|uid| self.place_of(*uid))
                .collect(),
            ..News::default()
        };
        if !vanished.is_empty() {
            let known = Arc::make_mut(&mut self.known);
            known.retain(|one| !vanished.contains(&one.uid));
        }
        let mut came = Vec::new();
        for entry in entries {
            match self.place_of(entry.uid) {
                Some(place) => {
                    let was = &mut Arc::make_mut(&mut self.known)[place];
                    let was = std::mem::replace(was, Known::of(entry));
                    if (was.flags, was.keywords) != (entry.record.flags, entry.record.keywords) {
                        news.changed.push(entry.uid);
                    }
                }
                None => came.push(Known::of(entry)),
            }
        }
        news.arrived = came.iter().map(|one| one.uid).collect();
        if !came.is_empty() {
            let known = Arc::make_mut(&mut self.known);
            known.append(&mut came);
            // What comes has the highest numbers; one that is there again since its row was mended may have any.
            known.sort_by_key(|one| one.uid);
        }
        self.record = folder.record;
        // What still counts though it's gone is nobody else's.
        if self.gone.is_empty() {
            self.told = self.record.highest_modseq;
            let sight = Sight {
                record: self.record.clone(),
                known: std::mem::take(&mut self.known),
                watch,
            };
            self.known = self.sights.keep(self.id, sight);
        }
        news
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::{MailboxId, StaffId};
    use crate::mailbox::{Appended, Mailboxes, Marking};
    use crate::store::{Files, LockedStore, MarkChange};
    use crate::vault::Vault;

    async fn append(boxes: &Mailboxes, folder: &Folder) {
        let mut writer = boxes.begin().await.unwrap();
        writer.write(b"Subject: x\r\n\r\n").await.unwrap();
        let appended = Appended {
            body: writer.finish(),
            outline: None,
            marks: Marks::default(),
            received_at: None,
        };
        boxes.append(folder, appended, 1 << 20).await.unwrap();
    }

    #[tokio::test]
    async fn who_saw_the_same_holds_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        let boxes = Mailboxes::new(store.unwrap(), clock);
        let mailbox = MailboxId::from(StaffId::random());
        let inbox = boxes.folders(mailbox).await.unwrap().remove(0);
        for _ in 0..3 {
            append(&boxes, &inbox).await;
        }
        let mut one = boxes.open(inbox.id).await.unwrap();
        append(&boxes, &inbox).await;
        // It's opened by what came since, and who comes later has no less.
        let mut other = boxes.open(inbox.id).await.unwrap();
        assert_eq!((one.known().len(), other.known().len()), (3, 4));
        assert_eq!(one.catch_up().await.unwrap().unwrap().arrived, [Uid(4)]);
        assert!(Arc::ptr_eq(&one.known, &other.known));
        // While one still counts what is gone, its list is its own.
        let all = other.select(&Uids::all());
        boxes.expunge(inbox.id, &all[..1], false).await.unwrap();
        let marking = Marking {
            change: MarkChange::Add,
            marks: Flags::SEEN.into(),
            unchanged_since: None,
        };
        boxes.mark(inbox.id, &all[1..2], &marking).await.unwrap();
        one.catch_up_in_place().await.unwrap().unwrap();
        let news = other.catch_up().await.unwrap().unwrap();
        assert_eq!((news.vanished, news.places), (vec![Uid(1)], vec![0]));
        assert_eq!((one.known().len(), other.known().len()), (4, 3));
        assert!(one.holds_back() && one.known()[1].flags.has(Flags::SEEN));
        let news = one.catch_up().await.unwrap().unwrap();
        assert_eq!((news.vanished, news.changed), (vec![Uid(1)], Vec::new()));
        assert!(Arc::ptr_eq(&one.known, &other.known));
        let third = boxes.open(inbox.id).await.unwrap();
        assert!(Arc::ptr_eq(&third.known, &other.known) && !third.holds_back());
    }
}
