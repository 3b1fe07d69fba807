//! First contact: who is known to have written themselves, which mail of strangers waits, and who was asked "was it you?".
//! All of it stands under keyed hashes; no address is kept.
//!
//! Where a stranger's mail goes is decided in the transaction that takes it: no door looks anybody up, and no answer to a
//! question comes between the look and the commit.
//!
//! Here are the contacts; `waiting` has the mail that waits, `release` how it comes in, `question` who was asked, `read` what
//! the rooms may know of it all.

mod question;
mod read;
mod release;
mod waiting;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use super::record::{self, Record};
use super::writer::Tx;
use crate::address::EmailAddress;
use crate::vault::{Index, IndexColumn, Purpose, Vault};

pub(super) use self::question::forget_old;
pub use self::question::{Question, QuestionRecord};
pub use self::read::ContactCounts;
pub(super) use self::release::{
    erase_waiting, meet_and_release, meet_and_release_later, release_on,
};
pub(super) use self::waiting::{AuthorsMail, authors_of, no_longer_waits, to_wait};
pub use self::waiting::{Stranger, WaitingRecord};

/// A contact.
const CONTACT: &str = "SELECT address_index, sealed FROM contact WHERE address_index = $1";

/// What a contact's row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Since when.
    pub met_at: Timestamp,
}

impl Record for ContactRecord {
    const TABLE: &'static str = "contact";
    const PURPOSE: Purpose = Purpose::Challenge;
}

/// The keyed hashes under which an address may stand, the newest first.
pub fn contact_indexes(vault: &Vault, address: &EmailAddress) -> Vec<Index> {
    let form = address.match_form();
    vault.index_all(IndexColumn::ContactAddress, form.as_bytes())
}

/// The same for how often somebody is asked: whatever the tag of their address.
pub fn contact_pace_indexes(vault: &Vault, address: &EmailAddress) -> Vec<Index> {
    let form = address.match_form().without_tag();
    vault.index_all(IndexColumn::ContactAddress, form.as_bytes())
}

async fn is_met(address: &[Index], tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    for index in address {
        let row = sqlx::query(CONTACT)
            .bind(index.as_bytes().as_slice())
            .fetch_optional(&mut *tx.connection)
            .await?;
        if row.is_some_and(|row| is_sound(tx.vault, &row)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a row of a contact was written by us: who has the file and no key makes no contact.
fn is_sound(vault: &Vault, row: &SqliteRow) -> bool {
    let open = || -> Result<ContactRecord, StoreError> {
        record::open(vault, row.try_get(0)?, &[], row.try_get(1)?)
    };
    match open() {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(%error, table = "contact", "left out a row");
            false
        }
    }
}

/// Makes an address a contact.
pub(super) async fn meet(
    address: &[Index],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let Some(newest) = address.first() else {
        return Ok(());
    };
    if is_met(address, tx).await? {
        return Ok(());
    }
    let record = ContactRecord { met_at: at };
    let sealed = record::seal(tx.vault, newest.as_bytes(), &[], &record);
    sqlx::query(
        "INSERT INTO contact (address_index, sealed) VALUES ($1, $2)
         ON CONFLICT (address_index) DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(newest.as_bytes().as_slice())
    .bind(sealed)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Forgets that an address is a contact, and that it was asked.
pub(super) async fn forget(address: &[Index], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for index in address {
        for statement in [
            "DELETE FROM contact WHERE address_index = $1",
            "DELETE FROM question WHERE address_index = $1",
        ] {
            sqlx::query(statement)
                .bind(index.as_bytes().as_slice())
                .execute(&mut *tx.connection)
                .await?;
        }
    }
    Ok(())
}
