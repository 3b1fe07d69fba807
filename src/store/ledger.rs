//! The ledger: one row for each (mailing, subscriber), with what became of that copy. It is what makes a mailing reach
//! each person once over crashes, restarts and retries (design §1.3).
//!
//! A row without an outcome is due. At withdrawal a row loses its link to the person; thirty days after the mailing
//! ended its rows are folded into counts.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{QueryBuilder, Row};

use super::record::{self, Record};
use super::rows;
use super::writer::{Tx, Write};
use super::{Page, Store, StoreError};
use crate::id::{CopyId, MailingId, SubscriberId};
use crate::vault::{Clear, Purpose, Vault};

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// It is still to be sent, or to be tried again.
    Due,
    /// The other server took it.
    Sent,
    /// The other server refused it for good, or it expired.
    Failed,
    /// The person withdrew before it was handed over.
    Withdrawn,
    /// The mailing was cancelled before it was handed over.
    Cancelled,
}

/// What a ledger row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// What became of the copy.
    pub state: CopyState,
    /// How many attempts were begun.
    pub attempts: u32,
    /// When the first attempt failed: how long it is tried counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The domain that it goes to; forgotten with the link to the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The cause of the last failure, as the list room names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When this was written.
    pub at: Timestamp,
}

impl Record for LedgerRecord {
    const TABLE: &'static str = "ledger";
    const PURPOSE: Purpose = Purpose::Ledger;
}

/// A ledger row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The copy.
    pub copy: CopyId,
    /// Of which mailing.
    pub mailing: MailingId,
    /// For whom; none once the person withdrew.
    pub subscriber: Option<SubscriberId>,
    /// When the next attempt is due; none once nothing more is to be done.
    pub due_at: Option<Timestamp>,
    /// What the row holds.
    pub record: LedgerRecord,
}

impl LedgerRow {
    fn seal(&self, vault: &Vault) -> Vec<u8> {
        let clear = clear(&self.mailing, self.subscriber.as_ref(), self.due_ms());
        record::seal(vault, self.copy.as_bytes(), &clear, &self.record)
    }

    fn due_ms(&self) -> Option<i64> {
        self.due_at.map(Timestamp::as_millisecond)
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let copy = super::id_of(row.try_get(0)?, CopyId::from_slice, "ledger")?;
        let mailing = super::id_of(row.try_get(1)?, MailingId::from_slice, "ledger")?;
        let subscriber = match row.try_get::<Option<&[u8]>, _>(2)? {
            Some(bytes) => Some(super::id_of(bytes, SubscriberId::from_slice, "ledger")?),
            None => None,
        };
        let due_ms: Option<i64> = row.try_get(3)?;
        let clear = clear(&mailing, subscriber.as_ref(), due_ms);
        let record = record::open(vault, copy.as_bytes(), &clear, row.try_get(4)?)?;
        let due_at = due_ms
            .map(|due| super::time_of(due, "ledger"))
            .transpose()?;
        Ok(Self {
            copy,
            mailing,
            subscriber,
            due_at,
            record,
        })
    }
}

fn clear<'a>(
    mailing: &'a MailingId,
    subscriber: Option<&'a SubscriberId>,
    due_ms: Option<i64>,
) -> [Clear<'a>; 3] {
    [
        Clear::Bytes(mailing.as_bytes()),
        subscriber.map_or(Clear::Null, |id| Clear::Bytes(id.as_bytes())),
        due_ms.map_or(Clear::Null, Clear::Int),
    ]
}

/// Writes rows. A (mailing, subscriber) that already has a row keeps it: expansion may be repeated.
pub(super) async fn insert(new: &[LedgerRow], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    write(new, " ON CONFLICT DO NOTHING", tx).await
}

async fn write(all: &[LedgerRow], tail: &'static str, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let vault = tx.vault;
    rows::insert(
        tx.connection,
        "INSERT INTO ledger (copy_id, mailing_id, subscriber_id, due_at, sealed) ",
        tail,
        all,
        |row, one| {
            row.push_bind(one.copy.as_bytes().as_slice())
                .push_bind(one.mailing.as_bytes().as_slice())
                .push_bind(one.subscriber.as_ref().map(|id| id.as_bytes().as_slice()))
                .push_bind(one.due_ms())
                .push_bind(one.seal(vault));
        },
    )
    .await
}

const OVERWRITE: &str = " ON CONFLICT (copy_id) DO UPDATE SET
    subscriber_id = excluded.subscriber_id, due_at = excluded.due_at, sealed = excluded.sealed";

/// Records what became of one copy, or that its next attempt is due later.
#[derive(Debug, Clone)]
pub struct RecordOutcomes {
    /// The copy.
    pub copy: CopyId,
    /// When it is due again; none if nothing more is to be done.
    pub due_at: Option<Timestamp>,
    /// What became of it.
    pub record: LedgerRecord,
}

impl Write for RecordOutcomes {
    type Outcome = ();

    /// The link to the person is read here, inside the transaction: it may have gone since the copy was made. Of two
    /// outcomes of one copy the later one stands, as it would if they came in two groups.
    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>, StoreError> {
        let copies: Vec<_> = writes.iter().map(|write| write.copy).collect();
        let mut current = links(&copies, tx).await?;
        let rows: Vec<_> = writes
            .iter()
            .rev()
            .filter_map(|write| {
                let (mailing, subscriber) = current.remove(&write.copy)?;
                let mut record = write.record.clone();
                // Who is no longer there has no link, by whatever way they went.
                let subscriber = subscriber.filter(|_| record.state != CopyState::Withdrawn);
                if subscriber.is_none() {
                    record.domain = None;
                    // What was to be tried again is not: the person withdrew during the attempt.
                    if record.state == CopyState::Due {
                        record.state = CopyState::Withdrawn;
                    }
                }
                let due_at = write.due_at.filter(|_| subscriber.is_some());
                Some(LedgerRow {
                    copy: write.copy,
                    mailing,
                    subscriber,
                    due_at,
                    record,
                })
            })
            .collect();
        self::write(&rows, OVERWRITE, tx).await?;
        Ok(vec![(); writes.len()])
    }
}

type Links = HashMap<CopyId, (MailingId, Option<SubscriberId>)>;

async fn links(copies: &[CopyId], tx: &mut Tx<'_>) -> Result<Links, StoreError> {
    let mut links = HashMap::with_capacity(copies.len());
    let mut rest = copies;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 << rest.len().min(64).ilog2());
        let mut builder = QueryBuilder::<Sqlite>::new(
            "SELECT copy_id, mailing_id, subscriber_id FROM ledger WHERE copy_id IN (",
        );
        let mut ids = builder.separated(", ");
        now.iter().for_each(|id| {
            ids.push_bind(id.as_bytes().as_slice());
        });
        builder.push(")");
        for row in builder.build().fetch_all(&mut *tx.connection).await? {
            let copy = super::id_of(row.try_get(0)?, CopyId::from_slice, "ledger")?;
            let mailing = super::id_of(row.try_get(1)?, MailingId::from_slice, "ledger")?;
            let subscriber = match row.try_get::<Option<&[u8]>, _>(2)? {
                Some(bytes) => Some(super::id_of(bytes, SubscriberId::from_slice, "ledger")?),
                None => None,
            };
            links.insert(copy, (mailing, subscriber));
        }
        rest = later;
    }
    Ok(links)
}

/// Forgets rows of a mailing, at most `limit`.
pub(super) async fn remove(
    mailing: MailingId,
    limit: u32,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM ledger WHERE copy_id IN
            (SELECT copy_id FROM ledger WHERE mailing_id = $1 LIMIT $2)",
    )
    .bind(mailing.as_bytes().as_slice())
    .bind(i64::from(limit))
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Takes a person out of the ledger: what is due is not sent, what was sent loses its link. With `only`, the rows of
/// those mailings alone are touched.
pub(super) async fn unlink(
    subscriber: SubscriberId,
    only: Option<&[MailingId]>,
    now: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let found = sqlx::query(
        "SELECT copy_id, mailing_id, subscriber_id, due_at, sealed FROM ledger
         WHERE subscriber_id = $1",
    )
    .bind(subscriber.as_bytes().as_slice())
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut unlinked = Vec::with_capacity(found.len());
    for found in &found {
        let mut row = match LedgerRow::from_row(tx.vault, found) {
            Ok(row) => row,
            Err(error) => {
                tracing::error!(%error, table = "ledger", "took the link off a row that doesn't open");
                unlink_broken(found.try_get(0)?, tx).await?;
                continue;
            }
        };
        if only.is_some_and(|mailings| !mailings.contains(&row.mailing)) {
            continue;
        }
        if row.record.state == CopyState::Due {
            row.record.state = CopyState::Withdrawn;
            row.record.at = now;
        }
        row.record.domain = None;
        (row.subscriber, row.due_at) = (None, None);
        unlinked.push(row);
    }
    write(&unlinked, OVERWRITE, tx).await
}

/// A row that doesn't open must keep nobody from leaving: it is neither sent nor linked any more.
async fn unlink_broken(copy: &[u8], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("UPDATE ledger SET subscriber_id = NULL, due_at = NULL WHERE copy_id = $1")
        .bind(copy)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// Records what became of a copy. Once this answers `Ok` the outcome is on the disk.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was recorded.
    pub async fn record_outcome(&self, outcome: RecordOutcomes) -> Result<(), StoreError> {
        self.writer.write(outcome).await
    }

    /// The copies of a mailing that are due, the longest due first, at most `limit`. Rows that don't open are passed over,
    /// so that a broken one holds nobody else's copy up.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn due_copies(
        &self,
        mailing: MailingId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let mut rows = sqlx::query(
            "SELECT copy_id, mailing_id, subscriber_id, due_at, sealed FROM ledger
             WHERE mailing_id = $1 AND due_at <= $2 ORDER BY due_at",
        )
        .bind(mailing.as_bytes().as_slice())
        .bind(now.as_millisecond())
        .fetch(&self.readers);
        let mut due = Vec::new();
        while due.len() < limit as usize {
            let Some(row) = rows.try_next().await? else {
                break;
            };
            match LedgerRow::from_row(&self.vault, &row) {
                Ok(row) => due.push(row),
                Err(error) => tracing::error!(%error, table = "ledger", "passed over a row"),
            }
        }
        Ok(due)
    }

    /// When the next copy of a mailing is due.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn next_copy(&self, mailing: MailingId) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(due_at) FROM ledger WHERE mailing_id = $1 AND due_at IS NOT NULL",
        )
        .bind(mailing.as_bytes().as_slice())
        .fetch_one(&self.readers)
        .await?;
        let due_at: Option<i64> = row.try_get(0)?;
        due_at.map(|due| super::time_of(due, "ledger")).transpose()
    }

    /// When the next copy of a mailing is due that is not due yet.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn next_copy_after(
        &self,
        mailing: MailingId,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row =
            sqlx::query("SELECT MIN(due_at) FROM ledger WHERE mailing_id = $1 AND due_at > $2")
                .bind(mailing.as_bytes().as_slice())
                .bind(after.as_millisecond())
                .fetch_one(&self.readers)
                .await?;
        let due_at: Option<i64> = row.try_get(0)?;
        due_at.map(|due| super::time_of(due, "ledger")).transpose()
    }

    /// How many copies of a mailing are still to be sent or tried again.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_due_copies(&self, mailing: MailingId) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT COUNT(*) FROM ledger WHERE mailing_id = $1 AND due_at IS NOT NULL")
                .bind(mailing.as_bytes().as_slice())
                .fetch_one(&self.readers)
                .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// How many copies of a mailing could be sent now. Those that are put off until later don't count.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_copies_due_by(
        &self,
        mailing: MailingId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM ledger WHERE mailing_id = $1 AND due_at <= $2")
            .bind(mailing.as_bytes().as_slice())
            .bind(now.as_millisecond())
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// Whether a mailing has rows.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn has_copies(&self, mailing: MailingId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM ledger WHERE mailing_id = $1 LIMIT 1")
            .bind(mailing.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.is_some())
    }

    /// Of how many copies of a mailing something came back.
    ///
    /// # Errors
    /// A [`StoreError`] if the tables can't be read.
    pub async fn count_bounced_copies(&self, mailing: MailingId) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(DISTINCT bounce.copy_id) FROM bounce
             JOIN ledger ON ledger.copy_id = bounce.copy_id WHERE ledger.mailing_id = $1",
        )
        .bind(mailing.as_bytes().as_slice())
        .fetch_one(&self.readers)
        .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// One ledger row.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn copy(&self, copy: CopyId) -> Result<Option<LedgerRow>, StoreError> {
        let row = sqlx::query(
            "SELECT copy_id, mailing_id, subscriber_id, due_at, sealed FROM ledger
             WHERE copy_id = $1",
        )
        .bind(copy.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| LedgerRow::from_row(&self.vault, &row))
            .transpose()
    }

    /// A page of a mailing's rows in the order of their ids, after the id given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn copies_after(
        &self,
        mailing: MailingId,
        after: Option<CopyId>,
        limit: u32,
    ) -> Result<Page<LedgerRow, CopyId>, StoreError> {
        let rows = sqlx::query(
            "SELECT copy_id, mailing_id, subscriber_id, due_at, sealed FROM ledger
             WHERE mailing_id = $1 AND copy_id > $2 ORDER BY copy_id LIMIT $3",
        )
        .bind(mailing.as_bytes().as_slice())
        .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Page::of(&rows, limit, "ledger", CopyId::from_slice, |row| {
            LedgerRow::from_row(&self.vault, row)
        })
    }
}
