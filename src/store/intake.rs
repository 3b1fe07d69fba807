//! What public pages and mails left for a worker to decide. A public handler looks nothing up: it commits one sealed
//! row and answers, so that neither its answer nor its timing tells who is known (design §1.6).

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::request::AskedFor;
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::address::EmailAddress;
use crate::id::{IntakeId, MessageId};
use crate::vault::{Clear, Purpose, Vault};

/// What is to be decided.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum IntakeRecord {
    /// Somebody asked for lists, on the page or by mail.
    SignUp {
        /// What was asked.
        asked: AskedFor,
    },
    /// A mail said "stop" without proving whose address it came from.
    BareStop {
        /// The address that it named as its sender.
        address: EmailAddress,
        /// When it came.
        at: Timestamp,
    },
    /// A stranger wrote to the party, and their mail waits: their domain vouches that they did.
    FirstContact {
        /// Who wrote.
        address: EmailAddress,
        /// When it came.
        at: Timestamp,
        /// To which address of ours; none of old.
        #[serde(default)]
        to: Option<EmailAddress>,
    },
    /// Somebody is a contact since a moment ago, and more of their mail waits than one transaction brings in.
    Release {
        /// The keyed hashes of their address.
        author: Vec<Vec<u8>>,
        /// Up to which message it has been gone over.
        #[serde(default)]
        behind: Option<MessageId>,
    },
    /// A row of an import. It waits for a second person's approval, and then for its turn.
    Import {
        /// The import that it came with.
        batch: String,
        /// What was asked, as the imported evidence says.
        asked: AskedFor,
    },
}

impl IntakeRecord {
    /// The address that it is about, where that is kept.
    pub fn address(&self) -> Option<&EmailAddress> {
        match self {
            Self::SignUp { asked } | Self::Import { asked, .. } => Some(&asked.address),
            Self::BareStop { address, .. } | Self::FirstContact { address, .. } => Some(address),
            Self::Release { .. } => None,
        }
    }
}

impl std::fmt::Debug for IntakeRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SignUp { .. } => "SignUp(..)",
            Self::BareStop { .. } => "BareStop(..)",
            Self::FirstContact { .. } => "FirstContact(..)",
            Self::Release { .. } => "Release(..)",
            Self::Import { .. } => "Import(..)",
        })
    }
}

impl Record for IntakeRecord {
    const TABLE: &'static str = "intake";
    const PURPOSE: Purpose = Purpose::Intake;
}

/// A row of work.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The row.
    pub id: IntakeId,
    /// Not to be worked on before.
    pub due_at: Timestamp,
    /// What is to be decided.
    pub record: IntakeRecord,
}

impl Intake {
    /// New work, due from `due_at` on.
    pub fn new(due_at: Timestamp, record: IntakeRecord) -> Self {
        Self {
            id: IntakeId::random(),
            due_at,
            record,
        }
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = super::id_of(row.try_get(0)?, IntakeId::from_slice, "intake")?;
        let due_at: i64 = row.try_get(1)?;
        let clear = [Clear::Int(due_at)];
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(2)?)?;
        Ok(Self {
            id,
            due_at: super::time_of(due_at, "intake")?,
            record,
        })
    }

    fn seal(&self, vault: &Vault) -> Vec<u8> {
        let clear = [Clear::Int(self.due_at.as_millisecond())];
        record::seal(vault, self.id.as_bytes(), &clear, &self.record)
    }

    /// Writes the row, or puts it off if it is already there.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO intake (id, due_at, sealed) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, sealed = excluded.sealed",
        )
        .bind(self.id.as_bytes().as_slice())
        .bind(self.due_at.as_millisecond())
        .bind(self.seal(tx.vault))
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

pub(super) async fn remove(id: IntakeId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM intake WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// Waits until there is work that was left by what no room knows of: a mail program's act.
    pub(crate) async fn work_left(&self) {
        self.writer.shared.work_left.notified().await;
    }

    /// The oldest work that is due, at most `limit` rows. Rows that don't open are passed over, so that a broken one
    /// holds nothing up.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn due_intake(&self, now: Timestamp, limit: u32) -> Result<Vec<Intake>, StoreError> {
        let mut rows =
            sqlx::query("SELECT id, due_at, sealed FROM intake WHERE due_at <= $1 ORDER BY due_at")
                .bind(now.as_millisecond())
                .fetch(&self.readers);
        let mut due = Vec::new();
        while let Some(row) = rows.try_next().await? {
            match Intake::from_row(&self.vault, &row) {
                Ok(intake) => due.push(intake),
                Err(error) => tracing::error!(%error, "passed over a row of intake"),
            }
            if due.len() >= limit as usize {
                break;
            }
        }
        Ok(due)
    }

    /// A page of work, due or not, in the order of its ids, after the id given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn intake_after(
        &self,
        after: Option<IntakeId>,
        limit: u32,
    ) -> Result<Page<Intake, IntakeId>, StoreError> {
        let rows =
            sqlx::query("SELECT id, due_at, sealed FROM intake WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await?;
        Page::of(&rows, limit, "intake", IntakeId::from_slice, |row| {
            Intake::from_row(&self.vault, row)
        })
    }

    /// When the next work is due.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn next_intake(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT MIN(due_at) FROM intake")
            .fetch_one(&self.readers)
            .await?;
        let due_at: Option<i64> = row.try_get(0)?;
        due_at
            .map(|due_at| super::time_of(due_at, "intake"))
            .transpose()
    }
}
