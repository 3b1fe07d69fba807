//! Which tables are verified, and how a row of each is named and opened.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::record::{self, Record};
use crate::store::{self, StoreError};
use crate::vault::{Clear, Purpose, Vault};

/// A table to be verified: its rows in order, and how one is named and opened.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) name_row: fn(&SqliteRow) -> String,
    pub(super) open: fn(&Vault, &SqliteRow) -> Result<(), StoreError>,
}

/// Names a row by the hexadecimal digits of its first column.
pub(super) fn by_id(row: &SqliteRow) -> String {
    row.try_get::<Vec<u8>, _>(0)
        .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
        .unwrap_or_else(|_| "?".into())
}

/// Names a row by its first two columns, the first a number or an id.
pub(super) fn by_pair(row: &SqliteRow) -> String {
    let first = row
        .try_get::<i64, _>(0)
        .map_or_else(|_| by_id(row), |number| number.to_string());
    let second = row
        .try_get::<i64, _>(1)
        .map_or_else(|_| "?".into(), |number| number.to_string());
    format!("{first}/{second}")
}

/// Opens a record whose row is: id, clear columns of these kinds, sealed.
fn open_record<R: Record>(
    vault: &Vault,
    row: &SqliteRow,
    clear: &[Clear<'_>],
) -> Result<(), StoreError> {
    let id: &[u8] = row.try_get(0)?;
    let sealed: &[u8] = row.try_get(row.len() - 1)?;
    record::open::<R>(vault, id, clear, sealed).map(drop)
}

fn int(row: &SqliteRow, column: usize) -> Result<Clear<'static>, StoreError> {
    Ok(row
        .try_get::<Option<i64>, _>(column)?
        .map_or(Clear::Null, Clear::Int))
}

fn bytes(row: &SqliteRow, column: usize) -> Result<Clear<'_>, StoreError> {
    Ok(row
        .try_get::<Option<&[u8]>, _>(column)?
        .map_or(Clear::Null, Clear::Bytes))
}

/// Every table with a sealed column whose seal binds the columns as they are selected here. Logs, chunks and
/// checkpoints have rules of their own below.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "setting",
        sql: "SELECT CAST(name AS BLOB), sealed FROM setting ORDER BY name",
        name_row: |row| {
            row.try_get::<Vec<u8>, _>(0)
                .ok()
                .and_then(|name| String::from_utf8(name).ok())
                .unwrap_or_else(|| "?".into())
        },
        open: |vault, row| {
            let place = record::place("setting", row.try_get(0)?, &[]);
            Ok(vault
                .open(Purpose::Setting, &place, row.try_get(1)?)
                .map(drop)?)
        },
    },
    Table {
        name: "message",
        sql: "SELECT id, staged, sealed FROM message WHERE staged = 0 ORDER BY id",
        name_row: by_id,
        open: |vault, row| open_record::<store::MessageRecord>(vault, row, &[int(row, 1)?]),
    },
    Table {
        name: "staff",
        sql: "SELECT id, name_index, version, sealed FROM staff ORDER BY id",
        name_row: by_id,
        open: |vault, row| {
            open_record::<store::StaffRecord>(vault, row, &[bytes(row, 1)?, int(row, 2)?])
        },
    },
    Table {
        name: "folder",
        sql: "SELECT id, mailbox, name_index, sealed FROM folder ORDER BY id",
        name_row: by_id,
        open: |vault, row| store::Folder::open(vault, row).map(drop),
    },
    Table {
        name: "entry",
        sql: "SELECT folder_id, uid, modseq, message_id, sealed FROM entry ORDER BY folder_id, uid",
        name_row: by_pair,
        open: |vault, row| store::Entry::open(vault, row).map(drop),
    },
    Table {
        name: "expunged",
        sql: "SELECT folder_id, modseq, sealed FROM expunged ORDER BY folder_id, modseq",
        name_row: by_pair,
        open: |vault, row| store::mailbox::ExpungedRecord::open(vault, row).map(drop),
    },
    Table {
        name: "outline",
        sql: "SELECT message_id, sealed FROM outline ORDER BY message_id",
        name_row: by_id,
        open: |vault, row| store::mailbox::open_outline(vault, row).map(drop),
    },
    Table {
        name: "bounce",
        sql: "SELECT id, copy_id, message_id, sealed FROM bounce ORDER BY id",
        name_row: by_id,
        open: |vault, row| {
            open_record::<store::BounceRecord>(vault, row, &[bytes(row, 1)?, bytes(row, 2)?])
        },
    },
    Table {
        name: "subscriber",
        sql: "SELECT id, address_index, suppression_index, version, sealed FROM subscriber ORDER BY id",
        name_row: by_id,
        open: |vault, row| {
            let clear = [bytes(row, 1)?, bytes(row, 2)?, int(row, 3)?];
            open_record::<store::SubscriberRecord>(vault, row, &clear)
        },
    },
    Table {
        name: "suppression",
        sql: "SELECT suppression_index, version, sealed FROM suppression ORDER BY suppression_index",
        name_row: by_id,
        open: |vault, row| open_record::<store::SuppressionRecord>(vault, row, &[int(row, 1)?]),
    },
    Table {
        name: "request",
        sql: "SELECT id, address_index, token_hash, expires_at, sealed FROM request ORDER BY id",
        name_row: by_id,
        open: |vault, row| {
            let clear = [bytes(row, 1)?, bytes(row, 2)?, int(row, 3)?];
            open_record::<store::RequestRecord>(vault, row, &clear)
        },
    },
    Table {
        name: "challenge",
        sql: "SELECT address_index, version, expires_at, sealed FROM challenge ORDER BY address_index",
        name_row: by_id,
        open: |vault, row| {
            open_record::<store::ChallengeRecord>(vault, row, &[int(row, 1)?, int(row, 2)?])
        },
    },
    Table {
        name: "intake",
        sql: "SELECT id, due_at, sealed FROM intake ORDER BY id",
        name_row: by_id,
        open: |vault, row| open_record::<store::IntakeRecord>(vault, row, &[int(row, 1)?]),
    },
    Table {
        name: "contact",
        sql: "SELECT address_index, sealed FROM contact ORDER BY address_index",
        name_row: by_id,
        open: |vault, row| open_record::<store::ContactRecord>(vault, row, &[]),
    },
    Table {
        name: "waiting",
        sql: "SELECT message_id, address_index, sealed FROM waiting ORDER BY message_id",
        name_row: by_id,
        open: |vault, row| open_record::<store::WaitingRecord>(vault, row, &[bytes(row, 1)?]),
    },
    Table {
        name: "question",
        sql: "SELECT token_hash, address_index, pace_index, asked_at, sealed FROM question ORDER BY token_hash",
        name_row: by_id,
        open: |vault, row| store::Question::open(vault, row).map(drop),
    },
    Table {
        name: "wording",
        sql: "SELECT digest, sealed FROM wording ORDER BY digest",
        name_row: by_id,
        open: |vault, row| open_record::<store::WordingRecord>(vault, row, &[]),
    },
    Table {
        name: "queue",
        sql: "SELECT id, message_id, due_at, sealed FROM queue ORDER BY id",
        name_row: by_id,
        open: |vault, row| {
            open_record::<store::QueueRecord>(vault, row, &[bytes(row, 1)?, int(row, 2)?])
        },
    },
    Table {
        name: "sts_policy",
        sql: "SELECT domain_index, due_at, sealed FROM sts_policy ORDER BY domain_index",
        name_row: by_id,
        open: |vault, row| open_record::<store::StsRecord>(vault, row, &[int(row, 1)?]),
    },
    Table {
        name: "tls_day",
        sql: "SELECT id, due_at, sealed FROM tls_day ORDER BY id",
        name_row: by_id,
        open: |vault, row| open_record::<store::TlsDayRecord>(vault, row, &[int(row, 1)?]),
    },
    Table {
        name: "report",
        sql: "SELECT report_index, kept_until, sealed FROM report ORDER BY report_index",
        name_row: by_id,
        open: |vault, row| open_record::<store::ReportRecord>(vault, row, &[int(row, 1)?]),
    },
    Table {
        name: "mailing",
        sql: "SELECT id, message_id, version, sealed FROM mailing ORDER BY id",
        name_row: by_id,
        open: |vault, row| {
            open_record::<store::MailingRecord>(vault, row, &[bytes(row, 1)?, int(row, 2)?])
        },
    },
    Table {
        name: "ledger",
        sql: "SELECT copy_id, mailing_id, subscriber_id, due_at, sealed FROM ledger ORDER BY copy_id",
        name_row: by_id,
        open: |vault, row| {
            let clear = [bytes(row, 1)?, bytes(row, 2)?, int(row, 3)?];
            open_record::<store::LedgerRecord>(vault, row, &clear)
        },
    },
    Table {
        name: "chunk",
        sql: "SELECT message_id, idx, last, sealed FROM chunk ORDER BY message_id, idx",
        name_row: by_pair,
        open: |vault, row| {
            let clear = [int(row, 1)?, int(row, 2)?];
            let place = record::place("chunk", row.try_get(0)?, &clear);
            Ok(vault
                .open(Purpose::Body, &place, row.try_get(3)?)
                .map(drop)?)
        },
    },
];
