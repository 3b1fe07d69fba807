//! What is read of several messages at once, on a task of its own: while one batch is written the next is read. What is held
//! of parts is bounded, and taken from the byte budget; where there is no room, they are read when they are written.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio_util::task::AbortOnDropHandle;

use super::No;
use super::body::Part;
use crate::id::{FolderId, MessageId};
use crate::imap::command::{BodyItem, Fetch, FetchItem, PartWhat};
use crate::imap::host::Account;
use crate::mailbox::Mailboxes;
use crate::message::outline::Outline;
use crate::store::{CHUNK, Entry, Room, Uid, Uids};

/// How many messages are read at once: for a list, and with parts.
const LISTED: usize = 256;
const WITH_PARTS: usize = 16;
/// How much of parts is held of a batch.
const AHEAD: usize = 4 * CHUNK;
/// How many parts are read at the same time.
const AT_ONCE: usize = 3;

/// A batch that is being read.
pub(super) struct Reading(Option<AbortOnDropHandle<Result<Batch, No>>>);

/// A part on its way: of which message, and the place of its item.
type Opening<'r> = Pin<Box<dyn Future<Output = (MessageId, usize, Part)> + Send + 'r>>;

/// What was read.
#[derive(Default)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    /// By message: it may stand in several places. Those that are short; others are read when they are written.
    pub(super) outlines: HashMap<MessageId, Outline>,
    /// Parts that were read ahead, by message and the place of their items.
    pub(super) parts: HashMap<MessageId, HashMap<usize, Part>>,
    needs: Needs,
    /// What the parts hold.
    _room: Option<Room>,
}

/// What isn't there.
pub(super) enum Lack {
    /// The message is gone.
    Entry,
    /// It's there, and what it is can't be read.
    Outline,
}

/// What has to be read.
#[derive(Debug, Clone, Copy, Default)]
struct Needs {
    entry: bool,
    outline: bool,
}

impl Needs {
    fn of(fetch: &Fetch) -> Self {
        let mut needs = Self::default();
        for item in &fetch.items {
            match item {
                FetchItem::Size | FetchItem::InternalDate => needs.entry = true,
                FetchItem::Body(body) if body.is_whole_message() => needs.entry = true,
                FetchItem::Envelope | FetchItem::Structure { .. } | FetchItem::Body(_) => {
                    (needs.entry, needs.outline) = (true, true);
                }
                FetchItem::Flags | FetchItem::Uid | FetchItem::ModSeq => {}
            }
        }
        needs
    }
}

fn bodies(fetch: &Fetch) -> impl Iterator<Item = (usize, &BodyItem)> {
    fetch
        .items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| match item {
            FetchItem::Body(body) => Some((at, body)),
            _ => None,
        })
}

/// Some fields, which mostly stand in the outline.
fn is_short(item: &BodyItem) -> bool {
    matches!(item.what, PartWhat::Fields(_))
}

impl Reading {
    /// How many messages a batch has.
    pub(super) fn size(fetch: &Fetch) -> usize {
        match bodies(fetch).all(|(_, item)| is_short(item)) {
            true => LISTED,
            false => WITH_PARTS,
        }
    }

    /// Begins to read.
    pub(super) fn begin(
        account: &Account,
        folder: FolderId,
        uids: Uids,
        fetch: Arc<Fetch>,
    ) -> Self {
        let needs = Needs::of(&fetch);
        if !needs.entry {
            return Self(None);
        }
        let mailboxes = account.mailboxes.clone();
        let reading = tokio::spawn(read(mailboxes, folder, uids, fetch, needs));
        Self(Some(AbortOnDropHandle::new(reading)))
    }

    /// What was read.
    pub(super) async fn end(self) -> Result<Batch, No> {
        let Some(reading) = self.0 else {
            return Ok(Batch::default());
        };
        let broken = |_| No::new("SERVERBUG", "The messages could not be read");
        reading.await.map_err(broken)?
    }
}

async fn read(
    mailboxes: Mailboxes,
    folder: FolderId,
    uids: Uids,
    fetch: Arc<Fetch>,
    needs: Needs,
) -> Result<Batch, No> {
    let (entries, outlines) = match needs.outline {
        true => mailboxes.listed(folder, &uids).await?,
        false => (mailboxes.entries(folder, &uids).await?, HashMap::new()),
    };
    let mut batch = Batch {
        entries,
        outlines,
        needs,
        ..Batch::default()
    };
    batch.read_parts(&mailboxes, &fetch).await;
    Ok(batch)
}

impl Batch {
    /// The entry of this message, if it is still there.
    pub(super) fn entry(&self, uid: Uid) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid);
        at.ok().map(|at| &self.entries[at])
    }

    /// Whether outlines have to be read.
    pub(super) fn wants_outline(&self) -> bool {
        self.needs.outline
    }

    /// What has to be read of a message and isn't there.
    pub(super) fn lacks(&self, entry: Option<&Entry>, outline: Option<&Outline>) -> Option<Lack> {
        if self.needs.entry && entry.is_none() {
            return Some(Lack::Entry);
        }
        (self.needs.outline && outline.is_none()).then_some(Lack::Outline)
    }

    /// Reads short parts, as far as there is room.
    async fn read_parts(&mut self, mailboxes: &Mailboxes, fetch: &Fetch) {
        let (mut wanted, mut longest) = (Vec::new(), 0);
        for entry in &self.entries {
            let outline = self.outlines.get(&entry.message);
            let can = |(_, item): &(usize, &BodyItem)| outline.is_some() || item.is_whole_message();
            for (at, item) in bodies(fetch).filter(can) {
                longest = longest.max(entry.record.size.min(CHUNK as u64));
                wanted.push((entry, outline, at, item));
            }
        }
        // While some are read, nobody knows yet how much they hold.
        let mut held = AT_ONCE * usize::try_from(longest).unwrap_or(CHUNK);
        let mut room = mailboxes.held();
        if wanted.is_empty() || room.hold(held).is_err() {
            return;
        }
        let most = held + AHEAD;
        let mut opening: Vec<Opening<'_>> = Vec::with_capacity(wanted.len());
        for (entry, outline, at, item) in wanted {
            opening.push(Box::pin(async move {
                let part = Part::open(mailboxes, item, entry, outline).await;
                (entry.message, at, part.read_ahead().await)
            }));
        }
        let mut opened = stream::iter(opening).buffered(AT_ONCE);
        let mut parts: HashMap<MessageId, HashMap<usize, Part>> = HashMap::new();
        while let Some((message, at, part)) = opened.next().await {
            held += part.held();
            if held > most || room.hold(held).is_err() {
                break;
            }
            parts.entry(message).or_default().insert(at, part);
        }
        drop(opened);
        self.parts = parts;
        self._room = Some(room);
    }
}
