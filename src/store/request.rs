//! Sign-ups that wait for their confirmation, and how often each address was asked. One live request for an
//! address, one token for a request, gone after seven days (law B8). What it holds doesn't change; another that takes its
//! place may keep its token, and asks for the full form then.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::address::{EmailAddress, MatchForm};
use crate::id::RequestId;
use crate::vault::{Clear, Index, IndexColumn, Purpose, TokenHash, Vault};

/// Where somebody said yes (law B6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// On the sign-up page.
    Web,
    /// By a mail to a list's `+subscribe` address.
    Mail,
    /// On a paper form.
    Paper,
    /// At an event.
    Event,
}

/// A list that was asked for, with the wording that stood beside its box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedList {
    /// The list's key in the configuration.
    pub list: String,
    /// The SHA-256, in hexadecimal, of the wording shown; none where the form is still to be shown.
    pub wording: Option<String>,
}

/// What was asked, and how: all that the evidence will need once it is confirmed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFor {
    /// The address as it was typed.
    pub address: EmailAddress,
    /// For which lists.
    pub lists: Vec<AskedList>,
    /// The constituency's code, if one was chosen.
    pub constituency: Option<String>,
    /// Where.
    pub channel: Channel,
    /// When.
    pub asked_at: Timestamp,
    /// The language of the form: `en` or `cy`.
    pub language: String,
    /// The SHA-256, in hexadecimal, of the privacy notice in force.
    pub notice: String,
    /// The minimum age that was stated, in years.
    pub stated_age: Option<u8>,
    /// The batch of an import or of paper cards.
    pub batch: Option<String>,
    /// Who entered it, for what was not typed by the person.
    pub entered_by: Option<String>,
}

impl std::fmt::Debug for AskedFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "AskedFor({} lists by {:?})",
            self.lists.len(),
            self.channel
        )
    }
}

/// What a request's row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// What was asked.
    pub asked: AskedFor,
    /// An import brought it: what it says of a consent is where we have the address from, and no consent here.
    #[serde(default)]
    pub imported: bool,
    /// Something else was asked for while it waited: its page is the full form.
    #[serde(default)]
    pub again: bool,
}

impl Record for RequestRecord {
    const TABLE: &'static str = "request";
    const PURPOSE: Purpose = Purpose::Request;
}

/// A sign-up that waits for its confirmation.
#[derive(Debug, Clone)]
pub struct Request {
    /// The row.
    pub id: RequestId,
    /// The keyed hash of the address.
    pub address_index: Index,
    /// The hash of the one token that confirms it.
    pub token_hash: TokenHash,
    /// When it is deleted if nobody confirms.
    pub expires_at: Timestamp,
    /// What the row holds.
    pub record: RequestRecord,
}

impl Request {
    /// A new request for this token.
    pub fn new(
        vault: &Vault,
        token_hash: TokenHash,
        expires_at: Timestamp,
        record: RequestRecord,
    ) -> Self {
        let form = record.asked.address.match_form();
        let address_index = vault.index(IndexColumn::RequestAddress, form.as_bytes());
        Self {
            id: RequestId::random(),
            address_index,
            token_hash,
            expires_at,
            record,
        }
    }

    /// Writes the row; an older request of the same address goes, and its token with it.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let expires_at = self.expires_at.as_millisecond();
        let clear = clear(&self.address_index, &self.token_hash, expires_at);
        let sealed = record::seal(tx.vault, self.id.as_bytes(), &clear, &self.record);
        sqlx::query("DELETE FROM request WHERE address_index = $1")
            .bind(self.address_index.as_bytes().as_slice())
            .execute(&mut *tx.connection)
            .await?;
        sqlx::query(
            "INSERT INTO request (id, address_index, token_hash, expires_at, sealed)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(self.id.as_bytes().as_slice())
        .bind(self.address_index.as_bytes().as_slice())
        .bind(self.token_hash.0.as_slice())
        .bind(expires_at)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = super::id_of(row.try_get(0)?, RequestId::from_slice, "request")?;
        let address_index = super::index_of(row.try_get(1)?, "request")?;
        let token_hash = TokenHash::from_slice(row.try_get(2)?)
            .ok_or(StoreError::Record { table: "request" })?;
        let expires_at: i64 = row.try_get(3)?;
        let clear = clear(&address_index, &token_hash, expires_at);
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(4)?)?;
        let expires_at = super::time_of(expires_at, "request")?;
        Ok(Self {
            id,
            address_index,
            token_hash,
            expires_at,
            record,
        })
    }
}

fn clear<'a>(address: &'a Index, token: &'a TokenHash, expires_at: i64) -> [Clear<'a>; 3] {
    [
        Clear::Bytes(address.as_bytes()),
        Clear::Bytes(&token.0),
        Clear::Int(expires_at),
    ]
}

pub(super) async fn remove(id: RequestId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM request WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// How often an address was asked, and what it answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeRecord {
    /// When the last challenges were sent, the newest last.
    pub sent: Vec<Timestamp>,
    /// How many in a row stayed unanswered.
    pub unanswered: u32,
    /// Until when nothing is sent, after too many unanswered ones.
    pub quiet_until: Option<Timestamp>,
}

impl Record for ChallengeRecord {
    const TABLE: &'static str = "challenge";
    const PURPOSE: Purpose = Purpose::Challenge;
}

/// The row that counts the challenges of one address.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The keyed hash of the address.
    pub address_index: Index,
    /// Another after each change, and never one that the row had before it was last deleted; 0 for a row that is not yet
    /// stored.
    pub version: i64,
    /// When the row is of no use any more.
    pub expires_at: Timestamp,
    /// What the row holds.
    pub record: ChallengeRecord,
}

impl Challenge {
    /// Writes the row as its next version.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let version = record::next_version(self.version)?;
        let expires_at = self.expires_at.as_millisecond();
        let clear = [Clear::Int(version), Clear::Int(expires_at)];
        let sealed = record::seal(
            tx.vault,
            self.address_index.as_bytes(),
            &clear,
            &self.record,
        );
        sqlx::query(
            "INSERT INTO challenge (address_index, version, expires_at, sealed)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (address_index) DO UPDATE SET version = excluded.version,
                expires_at = excluded.expires_at, sealed = excluded.sealed",
        )
        .bind(self.address_index.as_bytes().as_slice())
        .bind(version)
        .bind(expires_at)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

pub(super) async fn remove_challenge(index: &Index, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM challenge WHERE address_index = $1")
        .bind(index.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Deletes requests and challenge counts whose time is over.
pub(super) async fn expire(now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM request WHERE expires_at <= $1",
        "DELETE FROM challenge WHERE expires_at <= $1",
    ] {
        sqlx::query(statement)
            .bind(now.as_millisecond())
            .execute(&mut *tx.connection)
            .await?;
    }
    Ok(())
}

impl Store {
    /// The request that this token confirms, unless it has expired.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn request_by_token(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Request>, StoreError> {
        let row = sqlx::query(
            "SELECT id, address_index, token_hash, expires_at, sealed FROM request
             WHERE token_hash = $1 AND expires_at > $2",
        )
        .bind(hash.0.as_slice())
        .bind(now.as_millisecond())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Request::from_row(&self.vault, &row))
            .transpose()
    }

    /// The live request of this address.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn request_of(
        &self,
        form: &MatchForm,
        now: Timestamp,
    ) -> Result<Option<Request>, StoreError> {
        let index = self
            .vault
            .index(IndexColumn::RequestAddress, form.as_bytes());
        let row = sqlx::query(
            "SELECT id, address_index, token_hash, expires_at, sealed FROM request
             WHERE address_index = $1 AND expires_at > $2",
        )
        .bind(index.as_bytes().as_slice())
        .bind(now.as_millisecond())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Request::from_row(&self.vault, &row))
            .transpose()
    }

    /// A page of requests, live or not, in the order of their ids, after the id given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn requests_after(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Page<Request, RequestId>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, address_index, token_hash, expires_at, sealed FROM request
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Page::of(&rows, limit, "request", RequestId::from_slice, |row| {
            Request::from_row(&self.vault, row)
        })
    }

    /// How many sign-ups wait for their confirmation, and how many of them have expired and will be deleted.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_requests(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN expires_at <= $1 THEN 1 ELSE 0 END), 0)
             FROM request",
        )
        .bind(now.as_millisecond())
        .fetch_one(&self.readers)
        .await?;
        let (all, expired): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let expired = u64::try_from(expired).unwrap_or(0);
        Ok((
            u64::try_from(all).unwrap_or(0).saturating_sub(expired),
            expired,
        ))
    }

    /// How often this address was asked; an empty row if never.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn challenge(&self, form: &MatchForm) -> Result<Challenge, StoreError> {
        let index = self
            .vault
            .index(IndexColumn::ChallengeAddress, form.as_bytes());
        let row = sqlx::query(
            "SELECT version, expires_at, sealed FROM challenge WHERE address_index = $1",
        )
        .bind(index.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else {
            return Ok(Challenge {
                address_index: index,
                version: 0,
                expires_at: Timestamp::UNIX_EPOCH,
                record: ChallengeRecord::default(),
            });
        };
        let (version, expires_at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let clear = [Clear::Int(version), Clear::Int(expires_at)];
        let record = record::open(&self.vault, index.as_bytes(), &clear, row.try_get(2)?)?;
        let expires_at = super::time_of(expires_at, "challenge")?;
        Ok(Challenge {
            address_index: index,
            version,
            expires_at,
            record,
        })
    }
}
