//! FETCH (RFC 9051 §6.4.5, RFC 3516, RFC 7162 §3.1.4): messages are read in batches, each only as far as it was asked for.

use std::collections::{BTreeSet, HashMap};

use super::body;
use super::news::Aloud;
use super::selected::Selected;
use super::{Done, Enabled, No, Sink, Stop};
use crate::id::MessageId;
use crate::imap::command::{Fetch, FetchItem, Numbers};
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::{Known, Marking, News};
use crate::message::outline::Outline;
use crate::store::{Entry, Flags, MarkChange, Uid, Uids};

/// How many messages are read at once.
const BATCH: usize = 256;

/// What a message's answer is written from.
struct Message<'f> {
    place: usize,
    known: Known,
    entry: Option<&'f Entry>,
    outline: Option<&'f Outline>,
}

/// What has to be read for it.
struct Needs {
    entry: bool,
    outline: bool,
}

impl Needs {
    fn of(items: &[FetchItem]) -> Self {
        let outline = |item: &FetchItem| {
            matches!(
                item,
                FetchItem::Envelope | FetchItem::Structure { .. } | FetchItem::Body(_)
            )
        };
        let entry = |item: &FetchItem| matches!(item, FetchItem::Size | FetchItem::InternalDate);
        let needs_outline = items.iter().any(outline);
        Self {
            entry: needs_outline || items.iter().any(entry),
            outline: needs_outline,
        }
    }
}

impl Selected {
    pub(super) async fn fetch<S: Sink>(
        &mut self,
        account: &Account,
        enabled: &mut Enabled,
        mut fetch: Fetch,
        out: &mut S,
    ) -> Result<Done, Stop> {
        if fetch.vanished && !enabled.qresync {
            return Err(No::bad("Enable QRESYNC first").into());
        }
        complete(&mut fetch);
        enabled.condstore |= fetch.items.contains(&FetchItem::ModSeq);
        let mut places = self.places(&fetch.numbers, fetch.uid)?;
        if let Some(since) = fetch.changed_since {
            if fetch.vanished {
                self.tell_vanished(account, &fetch, out).await?;
            }
            let known = self.view.known();
            places.retain(|place| known.get(*place).is_some_and(|one| one.modseq > since));
        }
        let needs = Needs::of(&fetch.items);
        let mut no = None;
        for batch in places.chunks(BATCH) {
            let refused = self
                .fetch_batch(account, *enabled, &fetch, &needs, batch, out)
                .await?;
            no = no.or(refused);
        }
        match no {
            Some(no) => Err(no.into()),
            None => Ok(Done::plain()),
        }
    }

    async fn tell_vanished<S: Sink>(
        &self,
        account: &Account,
        fetch: &Fetch,
        out: &mut S,
    ) -> Result<(), Stop> {
        let (Some(since), Numbers::Set(set)) = (fetch.changed_since, &fetch.numbers) else {
            return Ok(());
        };
        let vanished = account
            .mailboxes
            .vanished_since(self.view.id(), since)
            .await?;
        let gone = self.gone(&self.uids(set), vanished.as_ref());
        self.write_earlier(&gone, out);
        Ok(())
    }

    /// Answers a batch; and says what of it could not be read.
    async fn fetch_batch<S: Sink>(
        &mut self,
        account: &Account,
        enabled: Enabled,
        fetch: &Fetch,
        needs: &Needs,
        places: &[usize],
        out: &mut S,
    ) -> Result<Option<No>, Stop> {
        let mut marked = BTreeSet::new();
        if fetch.marks_seen && !self.read_only {
            marked = self.mark_seen(account, enabled, places, out).await?;
        }
        let known = self.known(places);
        let mut entries = Vec::new();
        if needs.entry {
            let uids = Uids::of(known.iter().map(|one| one.uid));
            entries = account.mailboxes.entries(self.view.id(), &uids).await?;
        }
        let mut outlines = HashMap::new();
        if needs.outline {
            let messages: Vec<MessageId> = entries.iter().map(|entry| entry.message).collect();
            outlines = account.mailboxes.outlines(&messages).await?;
        }
        let mut no = None;
        for (place, known) in places.iter().zip(known) {
            let entry = entries
                .binary_search_by_key(&known.uid, |entry| entry.uid)
                .ok();
            let entry = entry.map(|at| &entries[at]);
            let outline = entry.and_then(|entry| outlines.get(&entry.message));
            if needs.entry && entry.is_none() || needs.outline && outline.is_none() {
                if !fetch.uid {
                    no = Some(No::new("EXPUNGEISSUED", "Some of these messages are gone"));
                }
                continue;
            }
            let message = Message {
                place: *place,
                known,
                entry,
                outline,
            };
            let refused = self
                .write_message(account, enabled, fetch, &message, &marked, out)
                .await?;
            no = refused.or(no);
        }
        Ok(no)
    }

    /// Marks what is read; the messages that weren't marked so before.
    async fn mark_seen<S: Sink>(
        &mut self,
        account: &Account,
        enabled: Enabled,
        places: &[usize],
        out: &mut S,
    ) -> Result<BTreeSet<Uid>, Stop> {
        let unseen = self.known(places).into_iter();
        let unseen = unseen
            .filter(|one| !one.flags.has(Flags::SEEN))
            .map(|one| one.uid);
        let unseen: Vec<Uid> = unseen.collect();
        if unseen.is_empty() {
            return Ok(BTreeSet::new());
        }
        let marking = Marking {
            change: MarkChange::Add,
            marks: Flags::SEEN.into(),
            unchanged_since: None,
        };
        account
            .mailboxes
            .mark(self.view.id(), &unseen, &marking)
            .await?;
        self.stirred = true;
        let mut own = BTreeSet::new();
        if let Some(News {
            changed, arrived, ..
        }) = self.learn(false).await?
        {
            let mut others = News {
                arrived,
                ..News::default()
            };
            let known: BTreeSet<Uid> = unseen.into_iter().collect();
            (own, others.changed) = (BTreeSet::new(), Vec::new());
            for uid in changed {
                match known.contains(&uid) {
                    true => drop(own.insert(uid)),
                    false => others.changed.push(uid),
                }
            }
            self.write_news(&others, enabled, |_| Aloud::Yes, out)
                .await?;
        }
        Ok(own)
    }

    async fn write_message<S: Sink>(
        &self,
        account: &Account,
        enabled: Enabled,
        fetch: &Fetch,
        message: &Message<'_>,
        marked: &BTreeSet<Uid>,
        out: &mut S,
    ) -> Result<Option<No>, Stop> {
        let mut no = None;
        let buffer = out.buffer();
        buffer.extend_from_slice(b"* ");
        write::number(buffer, message.place as u64 + 1);
        buffer.extend_from_slice(b" FETCH (");
        for (at, item) in fetch.items.iter().enumerate() {
            if at > 0 {
                out.buffer().push(b' ');
            }
            match item {
                FetchItem::Body(body) => {
                    let (Some(entry), Some(outline)) = (message.entry, message.outline) else {
                        continue;
                    };
                    let message = (entry.message, outline);
                    no = body::write(account, body, message, out).await?.or(no);
                }
                item => self.write_item(item, message, out.buffer()),
            }
        }
        // What reading it changed.
        if marked.contains(&message.known.uid) {
            let flags = !fetch.items.contains(&FetchItem::Flags);
            let modseq = enabled.condstore && !fetch.items.contains(&FetchItem::ModSeq);
            for (item, wanted) in [(FetchItem::Flags, flags), (FetchItem::ModSeq, modseq)] {
                if wanted {
                    out.buffer().push(b' ');
                    self.write_item(&item, message, out.buffer());
                }
            }
        }
        out.buffer().extend_from_slice(b")\r\n");
        out.relieve().await?;
        Ok(no)
    }

    fn write_item(&self, item: &FetchItem, message: &Message<'_>, out: &mut Vec<u8>) {
        let Message {
            known,
            entry,
            outline,
            ..
        } = message;
        match item {
            FetchItem::Uid => {
                out.extend_from_slice(b"UID ");
                write::number(out, known.uid.0.into());
            }
            FetchItem::Flags => {
                out.extend_from_slice(b"FLAGS ");
                write::marks(out, &self.view.marks(known));
            }
            FetchItem::ModSeq => {
                out.extend_from_slice(b"MODSEQ (");
                write::number(out, known.modseq.0);
                out.push(b')');
            }
            FetchItem::Size => {
                out.extend_from_slice(b"RFC822.SIZE ");
                write::number(out, entry.map_or(0, |entry| entry.record.size));
            }
            FetchItem::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                write::date(
                    out,
                    entry.map_or_else(jiff::Timestamp::default, |entry| entry.record.received_at),
                );
            }
            FetchItem::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                write::envelope(out, outline.map_or(&[], |outline| &outline.root.fields));
            }
            FetchItem::Structure { full } => {
                out.extend_from_slice(if *full { b"BODYSTRUCTURE " } else { b"BODY " });
                if let Some(outline) = outline {
                    write::structure(out, outline, *full);
                }
            }
            FetchItem::Body(_) => {}
        }
    }
}

/// What has to be told though it wasn't asked for.
fn complete(fetch: &mut Fetch) {
    if fetch.uid && !fetch.items.contains(&FetchItem::Uid) {
        fetch.items.insert(0, FetchItem::Uid);
    }
    if fetch.changed_since.is_some() && !fetch.items.contains(&FetchItem::ModSeq) {
        fetch.items.push(FetchItem::ModSeq);
    }
}
