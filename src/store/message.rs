//! Messages as rows: what is known of each beside its bytes, and the transactions that take one in or make one. The bytes
//! themselves are `body`'s.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::body::{Body, CHUNK, SealedChunk, insert_chunks};
use super::change::{self, Step};
use super::contact::{self, AuthorsMail, Stranger};
use super::journal::JournalEntry;
use super::mailbox::{
    self, Delivery, Filled, OutlineRow, Placed, RoomTaken, StrangersRoom, Working,
};
use super::record::{self, Record};
use super::rows;
use super::writer::{Tx, Write};
use super::{Store, StoreError};
use crate::id::{MessageId, StaffId};
use crate::vault::{Clear, Purpose, Vault};

/// What is known of a message beside its bytes: the envelope it came in, and when.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// When its last byte was taken.
    pub received_at: Timestamp,
    /// Its length in bytes.
    pub size: u64,
    /// The reverse-path of the envelope; none for the null path and for our own mail.
    pub reverse_path: Option<String>,
    /// The recipients of the envelope.
    pub recipients: Vec<String>,
    /// The staff member who submitted it.
    pub submitted_by: Option<StaffId>,
}

impl std::fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (size, to) = (self.size, self.recipients.len());
        write!(f, "MessageRecord({size} bytes, {to} recipients)")
    }
}

impl Record for MessageRecord {
    const TABLE: &'static str = "message";
    const PURPOSE: Purpose = Purpose::Message;
}

pub(super) fn seal_message(
    vault: &Vault,
    id: MessageId,
    staged: bool,
    record: &MessageRecord,
) -> Vec<u8> {
    record::seal(vault, id.as_bytes(), &[Clear::Int(staged.into())], record)
}

impl MessageRecord {
    /// Of a message that is still being received.
    pub(super) fn staged() -> Self {
        Self {
            received_at: Timestamp::UNIX_EPOCH,
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        }
    }
}

/// Accepts a message: its body, where it is kept, and all that follows from it, in one transaction.
pub struct AcceptMessage {
    body: Body,
    sealed: Vec<u8>,
    deliveries: Vec<Delivery>,
    outline: Option<OutlineRow>,
    stranger: Option<Box<Stranger>>,
    room: Option<StrangersRoom>,
    /// How much the mailboxes may hold into which it's put by hand.
    limit: Option<u64>,
    steps: Vec<Step>,
}

/// What becomes of a message that is taken.
struct Fate {
    /// It is a stranger's, and waits.
    waits: bool,
    /// Where it's kept.
    deliveries: Vec<Delivery>,
}

/// What was decided of a group so far. None of it is written yet, and the next have to reckon with it.
#[derive(Default)]
struct SoFar {
    folders: Working,
    authors: AuthorsMail,
    filled: Filled,
    room: RoomTaken,
}

impl AcceptMessage {
    /// Accepts this body with what is known of it. `record.size` is set from the body.
    pub fn new(vault: &Vault, body: Body, mut record: MessageRecord) -> Self {
        record.size = body.size();
        let sealed = seal_message(vault, body.id(), false, &record);
        Self {
            body,
            sealed,
            deliveries: Vec::new(),
            outline: None,
            stranger: None,
            room: None,
            limit: None,
            steps: Vec::new(),
        }
    }

    /// Puts it into a folder as well.
    pub fn keep_in(mut self, delivery: Delivery) -> Self {
        self.deliveries.push(delivery);
        self
    }

    /// Keeps this beside it for lists of messages.
    pub fn outlined(mut self, outline: OutlineRow) -> Self {
        self.outline = Some(outline);
        self
    }

    /// It is a stranger's: what is for an inbox waits, unless its author is known by now.
    pub fn of_stranger(mut self, stranger: Stranger) -> Self {
        self.stranger = Some(Box::new(stranger));
        self
    }

    /// It is from outside: it is taken only if there is room for mail of people who aren't known, or it's none of it.
    pub fn within(mut self, room: StrangersRoom) -> Self {
        self.room = Some(room);
        self
    }

    /// It is put there by hand: it is taken only if it has room in a mailbox that may hold so much.
    pub fn if_room(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Does this as well, in the same transaction. Guards don't belong here: a message is accepted unconditionally.
    pub fn and(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn journal_entries(&self) -> impl Iterator<Item = JournalEntry> + '_ {
        change::journal_entries(&self.steps)
    }

    /// Whether anything refers to the message; one that nothing refers to would be kept for ever by nobody.
    fn is_kept(&self) -> bool {
        !self.deliveries.is_empty() || !self.steps.is_empty()
    }

    /// Decides where it goes, or why it can't be taken.
    async fn fate(
        &self,
        so_far: &mut SoFar,
        tx: &mut Tx<'_>,
    ) -> Result<Result<Fate, StoreError>, StoreError> {
        let waits = match &self.stranger {
            Some(stranger) => stranger.waits(tx).await?,
            None => false,
        };
        let mut deliveries = self.deliveries.clone();
        if waits {
            if let Some(stranger) = &self.stranger
                && stranger.has_much(&mut so_far.authors, tx).await?
            {
                return Ok(Err(StoreError::StrangersFull));
            }
            deliveries = deliveries.iter().map(contact::to_wait).collect();
        }
        if let Some(room) = &self.room {
            match room.spare(deliveries, &so_far.filled, tx).await? {
                Some(spared) => deliveries = spared,
                None => return Ok(Err(StoreError::StrangersFull)),
            }
        }
        for delivery in &deliveries {
            if !mailbox::takes(delivery, &mut so_far.folders, tx).await? {
                return Ok(Err(StoreError::NoFolder));
            }
        }
        if let Some(limit) = self.limit {
            for delivery in &deliveries {
                let room = (self.body.size(), limit);
                if !so_far
                    .room
                    .take(delivery, room, &mut so_far.folders, tx)
                    .await?
                {
                    return Ok(Err(StoreError::MailboxFull));
                }
            }
        }
        if let Some(stranger) = self.stranger.as_ref().filter(|_| waits) {
            so_far.authors.count(stranger, self.body.size());
        }
        so_far.filled.count(&deliveries, self.body.size());
        Ok(Ok(Fate { waits, deliveries }))
    }
}

impl Write for AcceptMessage {
    /// Where it stands now, or why it was not taken: that is nothing that concerns the others of its group.
    type Outcome = Result<Vec<Placed>, StoreError>;

    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Outcome>, StoreError> {
        let alone: Vec<&[Self]> = writes.chunks(1).collect();
        let taken = take(&alone, tx).await?.into_iter();
        let flat = |each: Vec<Vec<Placed>>| each.into_iter().flatten().collect();
        Ok(taken.map(|placed| placed.map(flat)).collect())
    }
}

/// Accepts several messages or none of them.
pub(super) struct AcceptTogether(pub(super) Vec<AcceptMessage>);

impl Write for AcceptTogether {
    /// Where each stands now, or why none was taken.
    type Outcome = Together;

    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Together>, StoreError> {
        let all = writes.iter().map(|Self(messages)| messages.as_slice());
        take(&all.collect::<Vec<_>>(), tx).await
    }
}

type Together = Result<Vec<Vec<Placed>>, StoreError>;

/// Takes the messages of each of these, all of them or none. What becomes of them is known before anything is written: a
/// refusal is in no other's way.
async fn take(writes: &[&[AcceptMessage]], tx: &mut Tx<'_>) -> Result<Vec<Together>, StoreError> {
    let all: Vec<&AcceptMessage> = writes.iter().copied().flatten().collect();
    debug_assert!(
        all.iter().all(|message| message.is_kept()),
        "an accepted message belongs somewhere"
    );
    let mut so_far = SoFar::default();
    let deliveries = all.iter().flat_map(|message| &message.deliveries);
    mailbox::read_ahead(deliveries, &mut so_far.folders, tx).await?;
    let mut fates = Vec::with_capacity(writes.len());
    for messages in writes {
        fates.push(fates_of(messages, &mut so_far, tx).await?);
    }
    let mut taken = Vec::with_capacity(all.len());
    for (messages, fates) in writes.iter().zip(&fates) {
        taken.extend(messages.iter().zip(fates.iter().flatten()));
    }
    let mut placed = keep(&taken, so_far.folders, tx).await?.into_iter();
    let mut places = |fate: Fate| placed.by_ref().take(fate.deliveries.len()).collect();
    let mut each = |fates: Vec<Fate>| fates.into_iter().map(&mut places).collect();
    let outcomes = fates.into_iter().map(|fates| fates.map(&mut each));
    Ok(outcomes.collect())
}

/// Decides where messages go that belong together, or why they can't be taken. Of some that are refused stays counted what
/// was decided before: for this group, which is all that counts it.
async fn fates_of(
    messages: &[AcceptMessage],
    so_far: &mut SoFar,
    tx: &mut Tx<'_>,
) -> Result<Result<Vec<Fate>, StoreError>, StoreError> {
    let mut fates = Vec::with_capacity(messages.len());
    for message in messages {
        match message.fate(so_far, tx).await? {
            Ok(fate) => fates.push(fate),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    Ok(Ok(fates))
}

/// Writes messages that are taken, and tells where they stand.
async fn keep(
    taken: &[(&AcceptMessage, &Fate)],
    folders: Working,
    tx: &mut Tx<'_>,
) -> Result<Vec<Placed>, StoreError> {
    rows::insert(
        tx.connection,
        "INSERT INTO message (id, staged, sealed) ",
        " ON CONFLICT (id) DO UPDATE SET staged = excluded.staged, sealed = excluded.sealed",
        taken,
        |row, (message, _)| {
            row.push_bind(message.body.id().as_bytes().as_slice())
                .push_bind(0_i64)
                .push_bind(message.sealed.as_slice());
        },
    )
    .await?;
    let chunks: Vec<_> = taken
        .iter()
        .flat_map(|(message, _)| message.body.unwritten())
        .collect();
    insert_chunks(tx, &chunks).await?;
    let outlines: Vec<_> = taken
        .iter()
        .filter_map(|(message, _)| message.outline.as_ref())
        .collect();
    mailbox::insert_outlines(&outlines, tx).await?;
    let mut all = Vec::with_capacity(taken.len());
    for (message, fate) in taken {
        let size = message.body.size();
        if let Some(stranger) = message.stranger.as_ref().filter(|_| fate.waits) {
            stranger.wait(message.body.id(), size, tx).await?;
        }
        all.extend(fate.deliveries.iter().map(|one| (one, size)));
    }
    let placed = mailbox::deliver(&all, folders, tx).await?;
    for step in taken.iter().flat_map(|(message, _)| &message.steps) {
        change::apply_step(step, tx).await?;
    }
    Ok(placed)
}

/// So many chunks are overwritten in the transaction of others. More would make the write-ahead log as long as all of them.
const AT_ONCE: i64 = 8;

/// A whole message that we made ourselves, small enough to be held: service mail, notices.
pub struct OwnMessage {
    id: MessageId,
    sealed: Vec<u8>,
    chunks: Vec<SealedChunk>,
}

impl OwnMessage {
    /// Seals a message of ours. `record.size` is set from the bytes.
    pub fn new(vault: &Vault, mut record: MessageRecord, bytes: &[u8]) -> Self {
        let id = MessageId::random();
        record.size = bytes.len() as u64;
        let count = bytes.chunks(CHUNK).len().max(1);
        let chunk = |(idx, plain): (usize, &[u8])| {
            let number = u32::try_from(idx).unwrap_or(u32::MAX);
            SealedChunk::seal(vault, id, number, idx + 1 == count, plain)
        };
        let chunks = if bytes.is_empty() {
            vec![chunk((0, &[]))]
        } else {
            bytes.chunks(CHUNK).enumerate().map(chunk).collect()
        };
        Self {
            id,
            sealed: seal_message(vault, id, false, &record),
            chunks,
        }
    }

    /// The id under which the message will stand.
    pub fn id(&self) -> MessageId {
        self.id
    }

    pub(super) async fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO message (id, staged, sealed) VALUES ($1, 0, $2)")
            .bind(self.id.as_bytes().as_slice())
            .bind(self.sealed.as_slice())
            .execute(&mut *tx.connection)
            .await?;
        insert_chunks(tx, &self.chunks.iter().collect::<Vec<_>>()).await
    }
}

/// Lets go of a message that was for the queue, or came back: a short one goes at once, a long one as of [`free`].
pub(super) async fn let_go(id: MessageId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let long = sqlx::query("SELECT 1 FROM chunk WHERE message_id = $1 AND idx >= $2 LIMIT 1")
        .bind(id.as_bytes().as_slice())
        .bind(AT_ONCE)
        .fetch_optional(&mut *tx.connection)
        .await?;
    match long {
        Some(_) => free(id, tx).await,
        None => delete_if_unreferenced(id, tx).await,
    }
}

/// Deletes a message that nothing refers to any more; its chunks go with it, all of them at once.
pub(super) async fn delete_if_unreferenced(
    id: MessageId,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM message WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM entry WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM queue WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM mailing WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM bounce WHERE message_id = $1)",
    )
    .bind(id.as_bytes().as_slice())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// The message that a column names.
pub(super) fn id_in(row: &SqliteRow, column: usize) -> Result<MessageId, StoreError> {
    super::id_of(row.try_get(column)?, MessageId::from_slice, "message")
}

/// The length of a message that is kept; 0 if its row can't be read.
pub(super) async fn size_in(id: MessageId, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT sealed FROM message WHERE id = $1 AND staged = 0")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    let Some(row) = row else { return Ok(0) };
    let clear = [Clear::Int(0)];
    match record::open::<MessageRecord>(tx.vault, id.as_bytes(), &clear, row.try_get(0)?) {
        Ok(record) => Ok(record.size),
        Err(error) => {
            tracing::error!(%error, table = "message", "its length isn't known");
            Ok(0)
        }
    }
}

/// Lets go of a message that stood somewhere: if that was the last place its outline goes now, and the rest after the
/// commit, a piece at a time, as of one that was only half received. After a crash the next start does it.
pub(super) async fn free(id: MessageId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let freed = sqlx::query(
        "UPDATE message SET staged = 1 WHERE id = $1 AND staged = 0
         AND NOT EXISTS (SELECT 1 FROM entry WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM queue WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM mailing WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM bounce WHERE message_id = $1)",
    )
    .bind(id.as_bytes().as_slice())
    .execute(&mut *tx.connection)
    .await?;
    if freed.rows_affected() > 0 {
        mailbox::remove_outline(id, tx).await?;
        contact::no_longer_waits(id, tx).await?;
        tx.after.freed.push(id);
    }
    Ok(())
}

impl Store {
    /// Accepts a message. Once this answers `Ok` the message is on the disk. It tells where it stands, in the order in which
    /// that was asked.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was kept.
    pub async fn accept(&self, message: AcceptMessage) -> Result<Vec<Placed>, StoreError> {
        self.writer.write(message).await?
    }

    /// Accepts several messages, or none of them, that follow nothing else. It tells where each stands.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was kept.
    pub async fn accept_together(
        &self,
        messages: Vec<AcceptMessage>,
    ) -> Result<Vec<Vec<Placed>>, StoreError> {
        debug_assert!(messages.iter().all(|message| message.steps.is_empty()));
        self.writer.write(AcceptTogether(messages)).await?
    }

    /// What is known of a message.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM message WHERE id = $1 AND staged = 0")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| {
            record::open(
                &self.vault,
                id.as_bytes(),
                &[Clear::Int(0)],
                row.try_get(0)?,
            )
        })
        .transpose()
    }
}
