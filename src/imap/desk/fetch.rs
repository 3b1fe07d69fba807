//! FETCH (RFC 9051 §6.4.5, RFC 3516, RFC 7162 §3.1.4): messages are read in batches, each only as far as it was asked for.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::batch::{Batch, Lack, Reading};
use super::body::Part;
use super::news::Aloud;
use super::selected::Selected;
use super::{Done, Enabled, No, Sink, Stop};
use crate::id::MessageId;
use crate::imap::command::{Fetch, FetchItem, Numbers};
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::section::{Partial, Section, Wanted};
use crate::mailbox::{Known, MailboxError, Mailboxes, Marking, News, View};
use crate::message::outline::Outline;
use crate::store::{Entry, Flags, MarkChange, StoreError, Uid, Uids};

/// The most of an envelope's fields that is read where they were too long to be kept.
const LONG_FIELDS: u64 = 256 * 1024;

/// What a message's answer is written from.
struct Message<'f> {
    place: usize,
    known: Known,
    entry: Option<&'f Entry>,
    outline: Option<&'f Outline>,
    /// Parts that were read ahead, by the place of their items.
    parts: HashMap<usize, Part>,
    /// Reading it marked it.
    is_marked: bool,
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
        let mut places = self.places(&fetch.numbers, fetch.uid)?;
        if fetch.items.contains(&FetchItem::ModSeq) {
            self.enable_condstore(enabled, out);
        }
        if let Some(since) = fetch.changed_since {
            if fetch.vanished {
                self.tell_vanished(account, &fetch, out).await?;
            }
            let known = self.view.known();
            places.retain(|place| known.get(*place).is_some_and(|one| one.modseq > since));
        }
        let fetch = Arc::new(fetch);
        let begin = |view: &View, places: &[usize]| {
            let known = places.iter().filter_map(|place| view.known().get(*place));
            let uids = Uids::of(known.map(|one| one.uid));
            Reading::begin(account, view.id(), uids, fetch.clone())
        };
        let (mut no, mut ahead) = (None, None);
        let mut batches = places.chunks(Reading::size(&fetch)).peekable();
        while let Some(batch) = batches.next() {
            let reading = ahead.take().unwrap_or_else(|| begin(&self.view, batch));
            // The next is read while this is written.
            ahead = batches.peek().map(|next| begin(&self.view, next));
            let read = reading.end().await?;
            let refused = self.answer_batch(account, *enabled, &fetch, batch, read, out);
            no = no.or(refused.await?);
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
        let gone = self.gone(&self.uids_given(set), vanished.as_ref());
        self.write_earlier(&gone, out);
        Ok(())
    }

    /// Marks a batch as read, where that is asked for, and answers it; and says what of it could not be read.
    async fn answer_batch<S: Sink>(
        &mut self,
        account: &Account,
        enabled: Enabled,
        fetch: &Fetch,
        places: &[usize],
        read: Batch,
        out: &mut S,
    ) -> Result<Option<No>, Stop> {
        let mut marked = BTreeSet::new();
        if fetch.marks_seen && !self.read_only {
            let unseen = self.unseen(account, places, &read).await;
            marked = self.mark_seen(account, enabled, unseen, out).await?;
        }
        let batch = (places, &mut marked);
        let written = self.write_batch(account, enabled, fetch, batch, read, out);
        let written = written.await;
        if let Err(Stop::Ended(_)) = written {
            return written;
        }
        // What couldn't be written after all is marked, and nobody else will say so.
        for place in marked.iter().filter_map(|uid| self.view.place_of(*uid)) {
            let known = self.view.known()[place];
            self.write_change(place, &known, enabled, Aloud::Yes, out);
            out.relieve().await?;
        }
        written
    }

    /// Those of these messages that nobody has read yet, and that can be read. One whose outline is too long to be held with
    /// others is looked at alone, and again when it's written.
    async fn unseen(&self, account: &Account, places: &[usize], read: &Batch) -> Vec<Uid> {
        let mut unseen = Vec::new();
        for known in self.known(places) {
            let entry = read.entry(known.uid);
            let Some(entry) = entry.filter(|_| !known.flags.has(Flags::SEEN)) else {
                continue;
            };
            let is_known = !read.wants_outline() || read.outlines.contains_key(&entry.message);
            let outline = match is_known {
                true => Ok(None),
                false => account.mailboxes.outline(entry.message).await,
            };
            if is_known || matches!(outline, Ok(Some(_))) {
                unseen.push(known.uid);
            }
        }
        unseen
    }

    /// Answers a batch, and takes each message that it answers off those that were marked.
    async fn write_batch<S: Sink>(
        &self,
        account: &Account,
        enabled: Enabled,
        fetch: &Fetch,
        (places, marked): (&[usize], &mut BTreeSet<Uid>),
        mut read: Batch,
        out: &mut S,
    ) -> Result<Option<No>, Stop> {
        let mut no = None;
        let mut parts = std::mem::take(&mut read.parts);
        for (place, known) in places.iter().zip(self.known(places)) {
            let entry = read.entry(known.uid);
            let outline = entry.and_then(|entry| read.outlines.get(&entry.message));
            let long = match entry.filter(|_| read.wants_outline() && outline.is_none()) {
                Some(entry) => account.mailboxes.outline(entry.message).await?,
                None => None,
            };
            let outline = outline.or(long.as_ref());
            match read.lacks(entry, outline) {
                None => {}
                Some(Lack::Entry) if fetch.uid => continue,
                Some(Lack::Entry) => {
                    no = Some(No::new("EXPUNGEISSUED", "Some of these messages are gone"));
                    continue;
                }
                // Who was told that it's gone would forget it.
                Some(Lack::Outline) => {
                    let text = "Some of these messages are damaged; tell an admin";
                    no = Some(No::new("CORRUPTION", text));
                    continue;
                }
            }
            let ahead = entry.and_then(|entry| parts.remove(&entry.message));
            let mut message = Message {
                place: *place,
                known,
                entry,
                outline,
                parts: ahead.unwrap_or_default(),
                is_marked: marked.remove(&known.uid),
            };
            let refused = self
                .write_message(account, enabled, fetch, &mut message, out)
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
        unseen: Vec<Uid>,
        out: &mut S,
    ) -> Result<BTreeSet<Uid>, Stop> {
        if unseen.is_empty() {
            return Ok(BTreeSet::new());
        }
        let marking = Marking {
            change: MarkChange::Add,
            marks: Flags::SEEN.into(),
            unchanged_since: None,
        };
        let marked = account
            .mailboxes
            .mark(self.view.id(), &unseen, &marking)
            .await;
        match marked {
            Ok(_) => self.stirred = true,
            // Who can't write can still read.
            Err(MailboxError::Store(error)) => {
                tracing::warn!(%error, "what was read could not be marked so");
                return Ok(BTreeSet::new());
            }
            Err(refused) => return Err(refused.into()),
        }
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
        message: &mut Message<'_>,
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
                    let part = match (message.parts.remove(&at), message.entry) {
                        (Some(part), _) => part,
                        (None, Some(entry)) => {
                            Part::open(&account.mailboxes, body, entry, message.outline).await
                        }
                        (None, None) => Part::Absent,
                    };
                    no = part.write(body, out).await?.or(no);
                }
                FetchItem::Envelope => {
                    let fields = envelope_fields(account, message.entry, message.outline).await;
                    out.buffer().extend_from_slice(b"ENVELOPE ");
                    write::envelope(out.buffer(), &fields);
                }
                item => self.write_item(item, message, out.buffer()),
            }
        }
        // What reading it changed.
        if message.is_marked {
            let flags = !fetch.items.contains(&FetchItem::Flags);
            let modseq = enabled.condstore && !fetch.items.contains(&FetchItem::ModSeq);
            // RFC 7162 §3.2.4
            let uid = enabled.condstore && !fetch.items.contains(&FetchItem::Uid);
            for (item, wanted) in [
                (FetchItem::Flags, flags),
                (FetchItem::ModSeq, modseq),
                (FetchItem::Uid, uid),
            ] {
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
            FetchItem::Structure { full } => {
                out.extend_from_slice(if *full { b"BODYSTRUCTURE " } else { b"BODY " });
                if let Some(outline) = outline {
                    write::structure(out, outline, *full);
                }
            }
            // These may have to be read.
            FetchItem::Envelope | FetchItem::Body(_) => {}
        }
    }
}

/// The fields of which an envelope is made: what was kept of them, or if some were too long for that, the message's own.
async fn envelope_fields<'o>(
    account: &Account,
    entry: Option<&Entry>,
    outline: Option<&'o Outline>,
) -> Cow<'o, [u8]> {
    let (Some(entry), Some(outline)) = (entry, outline) else {
        return Cow::Borrowed(&[]);
    };
    let kept = Cow::Borrowed(outline.root.fields.as_slice());
    if outline.whole {
        return kept;
    }
    let names = write::ENVELOPE.map(str::to_owned).to_vec();
    match read_fields(&account.mailboxes, entry.message, outline, names).await {
        Ok(fields) => Cow::Owned(fields),
        Err(error) => {
            tracing::error!(%error, "long fields of a message can't be read");
            kept
        }
    }
}

async fn read_fields(
    mailboxes: &Mailboxes,
    message: MessageId,
    outline: &Outline,
    names: Vec<String>,
) -> Result<Vec<u8>, StoreError> {
    let (first, most) = (0, LONG_FIELDS);
    let section = Section::of_message(Wanted::Fields(names));
    let piece = Some(Partial { first, most });
    let mut fields = Vec::new();
    if let Some(mut opened) = mailboxes.section(message, outline, &section, piece).await? {
        while let Some(piece) = opened.next().await? {
            fields.extend_from_slice(&piece);
        }
    }
    Ok(fields)
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
