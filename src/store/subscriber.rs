//! Subscribers: one row for each address, with its constituency and all its subscriptions inside the seal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::suppression::{self, SuppressionRecord};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::address::{EmailAddress, MatchForm};
use crate::id::SubscriberId;
use crate::vault::{Clear, Index, IndexColumn, Purpose, Vault};

/// One standing on one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// The list's key in the configuration.
    pub list: String,
    /// When the owner of the address confirmed it.
    pub confirmed_at: Timestamp,
    /// Nothing is sent before: a mail said "stop" without proving whose address it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
}

/// What a subscriber's row holds (design §1.11: nothing else has a place).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberRecord {
    /// The address as its owner spelt it.
    pub address: EmailAddress,
    /// The constituency's code; none if its owner lives abroad or preferred not to say.
    pub constituency: Option<String>,
    /// On which lists, each confirmed.
    pub subscriptions: Vec<SubscriptionRecord>,
}

impl Record for SubscriberRecord {
    const TABLE: &'static str = "subscriber";
    const PURPOSE: Purpose = Purpose::Subscriber;
}

/// A subscriber's row.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The row.
    pub id: SubscriberId,
    /// Counts the changes of this row; guards compare it.
    pub version: i64,
    /// The keyed hash by which the address is looked up.
    pub address_index: Index,
    /// The keyed hash that outlives the row.
    pub suppression_index: Index,
    /// What the row holds.
    pub record: SubscriberRecord,
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscriber({}, version {})", self.id, self.version)
    }
}

impl Subscriber {
    /// A subscriber that is not yet stored.
    pub fn new(vault: &Vault, record: SubscriberRecord) -> Self {
        let form = record.address.match_form();
        Self {
            id: SubscriberId::random(),
            version: 0,
            address_index: vault.index(IndexColumn::SubscriberAddress, form.as_bytes()),
            suppression_index: vault.index(IndexColumn::Suppression, form.as_bytes()),
            record,
        }
    }

    fn clear(&self) -> [Clear<'_>; 3] {
        clear(&self.address_index, &self.suppression_index, self.version)
    }

    pub(super) fn seal(&self, vault: &Vault) -> Vec<u8> {
        record::seal(vault, self.id.as_bytes(), &self.clear(), &self.record)
    }

    /// Writes the row as its next version.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let next = Self {
            version: self.version + 1,
            ..self.clone()
        };
        sqlx::query(
            "INSERT INTO subscriber (id, address_index, suppression_index, version, sealed)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET address_index = excluded.address_index,
                suppression_index = excluded.suppression_index, version = excluded.version,
                sealed = excluded.sealed",
        )
        .bind(next.id.as_bytes().as_slice())
        .bind(next.address_index.as_bytes().as_slice())
        .bind(next.suppression_index.as_bytes().as_slice())
        .bind(next.version)
        .bind(next.seal(tx.vault))
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = super::id_of(row.try_get(0)?, SubscriberId::from_slice, "subscriber")?;
        let address_index = super::index_of(row.try_get(1)?, "subscriber")?;
        let suppression_index = super::index_of(row.try_get(2)?, "subscriber")?;
        let version = row.try_get(3)?;
        let clear = clear(&address_index, &suppression_index, version);
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(4)?)?;
        Ok(Self {
            id,
            version,
            address_index,
            suppression_index,
            record,
        })
    }
}

fn clear<'a>(address: &'a Index, suppression: &'a Index, version: i64) -> [Clear<'a>; 3] {
    [
        Clear::Bytes(address.as_bytes()),
        Clear::Bytes(suppression.as_bytes()),
        Clear::Int(version),
    ]
}

pub(super) async fn remove(id: SubscriberId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM subscriber WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// A subscriber with what forbids writing to the same address, read in one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The subscriber.
    pub subscriber: Subscriber,
    /// The suppressions under the row's own suppression index; empty for most.
    pub suppression: SuppressionRecord,
}

impl Standing {
    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let subscriber = Subscriber::from_row(vault, row)?;
        let suppression = match row.try_get::<Option<i64>, _>(5)? {
            None => SuppressionRecord::default(),
            Some(version) => suppression::open(
                vault,
                &subscriber.suppression_index,
                version,
                row.try_get(6)?,
            )?,
        };
        Ok(Self {
            subscriber,
            suppression,
        })
    }
}

impl Store {
    /// The subscriber with this id, with what forbids writing to it. This is what is read just before a final dot.
    ///
    /// # Errors
    /// A [`StoreError`] if a row can't be read or does not open.
    pub async fn standing(&self, id: SubscriberId) -> Result<Option<Standing>, StoreError> {
        let row = sqlx::query(
            "SELECT subscriber.id, address_index, subscriber.suppression_index,
                subscriber.version, subscriber.sealed, suppression.version, suppression.sealed
             FROM subscriber LEFT JOIN suppression
                ON suppression.suppression_index = subscriber.suppression_index
             WHERE subscriber.id = $1",
        )
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Standing::from_row(&self.vault, &row))
            .transpose()
    }

    /// A page of subscribers with what forbids writing to them, in the order of their ids, after the id given.
    ///
    /// # Errors
    /// A [`StoreError`] if the tables can't be read. A row that does not open is left out.
    pub async fn standings_after(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Page<Standing, SubscriberId>, StoreError> {
        let rows = sqlx::query(
            "SELECT subscriber.id, address_index, subscriber.suppression_index,
                subscriber.version, subscriber.sealed, suppression.version, suppression.sealed
             FROM subscriber LEFT JOIN suppression
                ON suppression.suppression_index = subscriber.suppression_index
             WHERE subscriber.id > $1 ORDER BY subscriber.id LIMIT $2",
        )
        .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Page::of(
            &rows,
            limit,
            "subscriber",
            SubscriberId::from_slice,
            |row| Standing::from_row(&self.vault, row),
        )
    }

    /// The subscriber with this address.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn subscriber(&self, form: &MatchForm) -> Result<Option<Subscriber>, StoreError> {
        let index = self
            .vault
            .index(IndexColumn::SubscriberAddress, form.as_bytes());
        let row = sqlx::query(
            "SELECT id, address_index, suppression_index, version, sealed FROM subscriber
             WHERE address_index = $1",
        )
        .bind(index.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Subscriber::from_row(&self.vault, &row))
            .transpose()
    }

    /// The subscriber whose address has this suppression index: how a withdrawal token finds its row.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn subscriber_by_suppression(
        &self,
        index: &Index,
    ) -> Result<Option<Subscriber>, StoreError> {
        let row = sqlx::query(
            "SELECT id, address_index, suppression_index, version, sealed FROM subscriber
             WHERE suppression_index = $1",
        )
        .bind(index.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Subscriber::from_row(&self.vault, &row))
            .transpose()
    }

    /// The subscriber with this id.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn subscriber_by_id(
        &self,
        id: SubscriberId,
    ) -> Result<Option<Subscriber>, StoreError> {
        let row = sqlx::query(
            "SELECT id, address_index, suppression_index, version, sealed FROM subscriber
             WHERE id = $1",
        )
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Subscriber::from_row(&self.vault, &row))
            .transpose()
    }
}
