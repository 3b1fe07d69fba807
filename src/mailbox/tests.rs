//! Two sessions do at random what staff do, each with its own, often stale, view; a model does the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::id::{FolderId, MailboxId, MessageId};
use crate::store::testing::{Table, flip};
use crate::store::{
    ActRefusal, Files, Flags, Folder, FolderName, Keyword, LockedStore, MarkChange, Marks, ModSeq,
    NotAName, SpecialUse, Store, Uid, Uids,
};
use crate::vault::Vault;

mod acts;

const FLAGS: [Flags; 5] = [
    Flags::SEEN,
    Flags::ANSWERED,
    Flags::FLAGGED,
    Flags::DELETED,
    Flags::DRAFT,
];

async fn store() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let locked = LockedStore::open(Files::in_directory(directory.path())).await;
    let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
    (store.unwrap(), directory)
}

fn clock() -> Clock {
    Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap())
}

fn name(text: &str) -> FolderName {
    FolderName::parse(text).unwrap()
}

/// What a session does. Messages are picked among those that it knows, by the bits of a number.
#[derive(Debug, Clone)]
enum Do {
    Append {
        to: usize,
        flags: u8,
    },
    Mark {
        who: usize,
        pick: u16,
        change: MarkChange,
        flags: u8,
        word: Option<u8>,
        only_unchanged: bool,
    },
    Copy {
        who: usize,
        pick: u16,
        to: usize,
    },
    Move {
        who: usize,
        pick: u16,
        to: usize,
    },
    Expunge {
        who: usize,
        pick: u16,
        only_deleted: bool,
    },
    CatchUp {
        who: usize,
    },
}

fn anything() -> impl Strategy<Value = Do> {
    let change = prop_oneof![
        Just(MarkChange::Add),
        Just(MarkChange::Remove),
        Just(MarkChange::Replace)
    ];
    prop_oneof![
        4 => (0..2_usize, 0..32_u8).prop_map(|(to, flags)| Do::Append { to, flags }),
        5 => (0..2_usize, any::<u16>(), change, 0..32_u8, prop::option::of(0..3_u8), any::<bool>())
            .prop_map(|(who, pick, change, flags, word, only_unchanged)| Do::Mark {
                who, pick, change, flags, word, only_unchanged
            }),
        1 => (0..2_usize, any::<u16>(), 0..2_usize).prop_map(|(who, pick, to)| Do::Copy { who, pick, to }),
        2 => (0..2_usize, any::<u16>(), 0..2_usize).prop_map(|(who, pick, to)| Do::Move { who, pick, to }),
        2 => (0..2_usize, any::<u16>(), any::<bool>())
            .prop_map(|(who, pick, only_deleted)| Do::Expunge { who, pick, only_deleted }),
        3 => (0..2_usize).prop_map(|who| Do::CatchUp { who }),
    ]
}

fn flags(bits: u8) -> Flags {
    let set = FLAGS
        .iter()
        .enumerate()
        .filter(|(at, _)| bits >> at & 1 == 1);
    set.fold(Flags::NONE, |all, (_, one)| all.with(*one))
}

/// What must be so of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    message: MessageId,
    marks: Marks,
    modseq: ModSeq,
}

/// What a mail program that went away had seen.
struct Away {
    folder: usize,
    since: ModSeq,
    seen: BTreeMap<Uid, Marks>,
}

struct World {
    store: Store,
    boxes: Mailboxes,
    folders: [FolderId; 2],
    model: [BTreeMap<Uid, Model>; 2],
    /// The highest UID that a folder ever gave.
    given: [u32; 2],
    ever: BTreeSet<MessageId>,
    views: Vec<View>,
    away: Vec<Away>,
    _directory: TempDir,
}

impl World {
    async fn new() -> Self {
        let (store, directory) = store().await;
        let boxes = Mailboxes::new(store.clone(), clock());
        let all = boxes.folders(MailboxId::from_bytes([7; 16])).await.unwrap();
        let folders = [all[0].id, all[5].id];
        let views = vec![
            boxes.open(folders[0]).await.unwrap(),
            boxes.open(folders[0]).await.unwrap(),
            boxes.open(folders[1]).await.unwrap(),
        ];
        Self {
            store,
            boxes,
            folders,
            model: [BTreeMap::new(), BTreeMap::new()],
            given: [0; 2],
            ever: BTreeSet::new(),
            views,
            away: Vec::new(),
            _directory: directory,
        }
    }

    fn pick(&self, who: usize, bits: u16) -> Vec<Uid> {
        let known = self.views[who].known().iter().enumerate();
        let picked = known.filter(|(at, _)| bits >> (at % 16) & 1 == 1);
        picked.map(|(_, one)| one.uid).collect()
    }

    fn give(&mut self, to: usize, uid: Uid, model: Model) {
        assert!(uid.0 > self.given[to], "{uid} was given before");
        self.given[to] = uid.0;
        self.model[to].insert(uid, model);
    }

    async fn run(&mut self, act: Do) {
        match act {
            Do::Append { to, flags: bits } => self.append(to, flags(bits)).await,
            Do::Mark {
                who,
                pick,
                change,
                flags: bits,
                word,
                only_unchanged,
            } => {
                let words = word.map(|word| Keyword::parse(&format!("word{word}")).unwrap());
                let marking = Marking {
                    change,
                    marks: Marks {
                        flags: flags(bits),
                        keywords: words.into_iter().collect(),
                    },
                    unchanged_since: only_unchanged
                        .then(|| self.views[who].folder().highest_modseq),
                };
                self.mark(&self.pick(who, pick), &marking).await;
            }
            Do::Copy { who, pick, to } => {
                let uids = self.pick(who, pick);
                self.copy(&uids, to, false).await;
            }
            Do::Move { who, pick, to } => {
                let uids = self.pick(who, pick);
                self.copy(&uids, to, true).await;
            }
            Do::Expunge {
                who,
                pick,
                only_deleted,
            } => {
                let uids = self.pick(who, pick);
                self.expunge(&uids, only_deleted).await;
            }
            Do::CatchUp { who } => self.catch_up(who).await,
        }
    }

    async fn append(&mut self, to: usize, flags: Flags) {
        let mut writer = self.store.begin_body().await.unwrap();
        writer.write(b"Subject: x\r\n\r\ny\r\n").await.unwrap();
        let body = writer.finish();
        let message = body.id();
        let folder = self.boxes.open(self.folders[to]).await.unwrap();
        assert_eq!(folder.known().len(), self.model[to].len());
        let all = self.boxes.folders(MailboxId::from_bytes([7; 16])).await;
        let folder = all.unwrap().into_iter().find(|one| one.id == folder.id());
        let appended = Appended {
            outline: None,
            body,
            marks: flags.into(),
            received_at: None,
        };
        let placed = self
            .boxes
            .append(&folder.unwrap(), appended, 1 << 30)
            .await
            .unwrap();
        let model = Model {
            message,
            marks: flags.into(),
            modseq: placed.modseq,
        };
        self.ever.insert(message);
        self.give(to, placed.uid, model);
    }

    async fn mark(&mut self, uids: &[Uid], marking: &Marking) {
        let done = self
            .boxes
            .mark(self.folders[0], uids, marking)
            .await
            .unwrap();
        let (mut marked, mut kept_back) = (Vec::new(), Vec::new());
        for uid in uids {
            let Some(one) = self.model[0].get_mut(uid) else {
                continue;
            };
            if marking
                .unchanged_since
                .is_some_and(|since| one.modseq > since)
            {
                kept_back.push(*uid);
                continue;
            }
            let mut new = one.marks.clone();
            let words = &marking.marks.keywords;
            match marking.change {
                MarkChange::Add => {
                    new.flags = new.flags.with(marking.marks.flags);
                    new.keywords.extend(words.iter().cloned());
                }
                MarkChange::Remove => {
                    new.flags = new.flags.without(marking.marks.flags);
                    new.keywords.retain(|word| !words.contains(word));
                }
                MarkChange::Replace => new.clone_from(&marking.marks),
            }
            if new != one.marks {
                assert!(done.modseq > one.modseq, "mod-sequences rise");
                one.modseq = done.modseq;
                one.marks = new;
                marked.push(*uid);
            }
        }
        assert_eq!((done.marked, done.kept_back), (marked, kept_back));
    }

    async fn copy(&mut self, uids: &[Uid], to: usize, moves: bool) {
        let (from, target) = (self.folders[0], self.folders[to]);
        let done = match moves {
            true => self.boxes.move_to(from, uids, target, None).await.unwrap(),
            false => self.boxes.copy(from, uids, target, None).await.unwrap(),
        };
        let there: Vec<Uid> = uids
            .iter()
            .filter(|uid| self.model[0].contains_key(uid))
            .copied()
            .collect();
        let copied: Vec<Uid> = done.placed.iter().map(|(uid, _)| *uid).collect();
        assert_eq!(copied, there);
        for (uid, placed) in &done.placed {
            let mut one = self.model[0][uid].clone();
            one.modseq = placed.modseq;
            self.give(to, placed.uid, one);
        }
        if moves {
            assert_eq!(done.expunged, Uids::of(there.iter().copied()));
            self.model[0].retain(|uid, _| !there.contains(uid));
        }
    }

    async fn expunge(&mut self, uids: &[Uid], only_deleted: bool) {
        let done = self
            .boxes
            .expunge(self.folders[0], uids, only_deleted)
            .await;
        let goes = |uid: &Uid, one: &Model| {
            uids.contains(uid) && (!only_deleted || one.marks.flags.has(Flags::DELETED))
        };
        let gone = self.model[0].iter().filter(|(uid, one)| goes(uid, one));
        assert_eq!(done.unwrap().expunged, Uids::of(gone.map(|(uid, _)| *uid)));
        self.model[0].retain(|uid, one| !goes(uid, one));
    }

    /// A session learns what the news say and knows then what is.
    async fn catch_up(&mut self, who: usize) {
        let folder = usize::from(who == 2);
        let view = &mut self.views[who];
        let before: BTreeMap<Uid, Marks> = seen(view);
        let news = view.catch_up().await.unwrap().unwrap();
        let after = seen(view);
        let model = &self.model[folder];
        let marks = model.iter().map(|(uid, one)| (*uid, one.marks.clone()));
        assert_eq!(after, marks.collect());
        let modseqs = view.known().iter().map(|one| (one.uid, one.modseq));
        assert!(modseqs.eq(model.iter().map(|(uid, one)| (*uid, one.modseq))));
        let gone = before.keys().filter(|uid| !after.contains_key(uid));
        assert!(gone.eq(&news.vanished));
        let came = after.keys().filter(|uid| !before.contains_key(uid));
        assert!(came.eq(&news.arrived));
        let changed = after
            .iter()
            .filter(|(uid, marks)| before.get(uid).is_some_and(|was| was != *marks));
        assert!(changed.map(|(uid, _)| uid).eq(&news.changed));
        let since = self.views[who].folder().highest_modseq;
        self.away.push(Away {
            folder,
            since,
            seen: after,
        });
    }

    /// All know the same at last, however long they were away, and nothing else is left.
    async fn end(mut self) {
        for who in 0..3 {
            self.catch_up(who).await;
        }
        for away in std::mem::take(&mut self.away) {
            let id = self.folders[away.folder];
            let changes = self.store.changes_since(id, away.since).await.unwrap();
            let changes = changes.unwrap();
            let mut seen = away.seen;
            let vanished = changes.vanished.expect("is remembered");
            seen.retain(|uid, _| !vanished.contains(*uid));
            for entry in &changes.entries {
                let marks = changes.folder.record.marks(&entry.record);
                seen.insert(entry.uid, marks);
            }
            let model = self.model[away.folder].iter();
            assert_eq!(
                seen,
                model.map(|(uid, one)| (*uid, one.marks.clone())).collect()
            );
        }
        let mut kept = BTreeSet::new();
        for (id, model) in self.folders.iter().zip(&self.model) {
            let opening = self.store.open_folder(*id).await.unwrap().unwrap();
            let record = &opening.folder.record;
            let unseen = model
                .values()
                .filter(|one| !one.marks.flags.has(Flags::SEEN));
            assert_eq!(record.messages, model.len() as u64);
            assert_eq!(record.unseen, unseen.count() as u64);
            let all = self.store.entries_of(*id, &Uids::all()).await.unwrap();
            assert_eq!(all, opening.entries);
            for entry in opening.entries {
                assert_eq!(entry.message, model[&entry.uid].message);
                kept.insert(entry.message);
            }
        }
        for message in &self.ever {
            let is_there = self.store.message(*message).await.unwrap().is_some();
            assert_eq!(
                is_there,
                kept.contains(message),
                "a body for each that is kept"
            );
        }
        let verified = self.store.verify(|_, _| ()).await.unwrap();
        assert_eq!(verified.findings, []);
        self.store.close().await;
    }
}

fn seen(view: &View) -> BTreeMap<Uid, Marks> {
    let known = view.known().iter();
    known.map(|one| (one.uid, view.marks(one))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn two_sessions_and_a_model_agree(acts in prop::collection::vec(anything(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for act in acts {
                world.run(act).await;
            }
            world.end().await;
        });
    }
}
