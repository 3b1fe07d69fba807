//! What tests of other rooms do to the file behind the store's back, as somebody who has it in their hands: so that SQL
//! stands in this room alone.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::Files;
use crate::id::{MessageId, SubscriberId};

/// A table whose rows are sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Chunk,
    Contact,
    Folder,
    Intake,
    Ledger,
    Message,
    Staff,
    Subscriber,
    Suppression,
}

impl Table {
    /// Its name, and the column by which a row is known.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Chunk => ("chunk", "message_id"),
            Self::Contact => ("contact", "address_index"),
            Self::Folder => ("folder", "id"),
            Self::Intake => ("intake", "id"),
            Self::Ledger => ("ledger", "copy_id"),
            Self::Message => ("message", "id"),
            Self::Staff => ("staff", "id"),
            Self::Subscriber => ("subscriber", "id"),
            Self::Suppression => ("suppression", "suppression_index"),
        }
    }
}

async fn connect(files: &Files) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(files.database());
    SqliteConnection::connect_with(&options)
        .await
        .expect("connects")
}

/// Runs a statement, and says how many rows it changed.
async fn run(files: &Files, sql: &str, id: Option<&[u8]>) -> u64 {
    let mut file = connect(files).await;
    let done = sqlx::query(AssertSqlSafe(sql)).bind(id);
    let done = done.execute(&mut file).await.expect("runs");
    file.close().await.expect("closes");
    done.rows_affected()
}

/// Cuts the first chunks of all messages out.
pub(crate) async fn delete_first_chunks(files: &Files) {
    assert_ne!(run(files, "DELETE FROM chunk WHERE idx = 0", None).await, 0);
}

/// Puts zeros in the place of what is sealed: in the row of this id, or in all. Says in how many.
pub(crate) async fn blank(files: &Files, table: Table, id: Option<&[u8]>) -> u64 {
    let (name, key) = table.names();
    let sql = format!("UPDATE {name} SET sealed = zeroblob(100) WHERE $1 IS NULL OR {key} = $1");
    run(files, &sql, id).await
}

/// The id of the first row.
pub(crate) async fn first(files: &Files, table: Table) -> Vec<u8> {
    let (name, key) = table.names();
    let mut file = connect(files).await;
    let sql = format!("SELECT MIN({key}) FROM {name}");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut file).await;
    let id = row.expect("a row").get(0);
    file.close().await.expect("closes");
    id
}

/// Flips a bit of what is sealed in the row of this id, or in the first.
pub(crate) async fn flip(files: &Files, table: Table, id: Option<&[u8]>) {
    let (name, key) = table.names();
    let mut file = connect(files).await;
    let sql = format!("SELECT {key}, sealed FROM {name} WHERE $1 IS NULL OR {key} = $1 LIMIT 1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id);
    let row = row.fetch_one(&mut file).await.expect("a row");
    let (id, mut sealed): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    sealed[40] ^= 1;
    let sql = format!("UPDATE {name} SET sealed = $1 WHERE {key} = $2");
    let flipped = sqlx::query(AssertSqlSafe(sql)).bind(sealed).bind(id);
    flipped.execute(&mut file).await.expect("writes");
    file.close().await.expect("closes");
}

/// Makes the first chunk of every message unreadable, at its length.
pub(crate) async fn spoil_first_chunks(files: &Files) {
    let sql = "UPDATE chunk SET sealed = zeroblob(length(sealed)) WHERE idx = 0";
    assert_ne!(run(files, sql, None).await, 0);
}

/// From now on nothing can be written that says where messages stand, or what lists show of them.
pub(crate) async fn refuse_entries(files: &Files) {
    for table in ["entry", "outline"] {
        let sql = format!(
            "CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        );
        run(files, &sql, None).await;
    }
}

/// A directory for a store of which nothing is asked that a disk alone can show: in memory, where there is such a place, so
/// that thousands of commits wait for no disk.
pub(crate) fn swift_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a directory")
}

/// From now on there can be only so many entries in all folders together.
pub(crate) async fn refuse_more_entries(files: &Files, most: u32) {
    refuse_entries_where(files, &format!("(SELECT COUNT(*) FROM entry) >= {most}")).await;
}

/// From now on no message gets this number or a higher one.
pub(crate) async fn refuse_entries_from(files: &Files, uid: u32) {
    refuse_entries_where(files, &format!("NEW.uid >= {uid}")).await;
}

async fn refuse_entries_where(files: &Files, what: &str) {
    let sql = format!(
        "CREATE TRIGGER refuse_more BEFORE INSERT ON entry WHEN {what}
         BEGIN SELECT RAISE(ABORT, 'refused'); END"
    );
    run(files, &sql, None).await;
}

/// Takes away what lists show of messages.
pub(crate) async fn delete_outlines(files: &Files) {
    assert_ne!(run(files, "DELETE FROM outline", None).await, 0);
}

/// Takes all accounts away; with `traces`, the audit log and whatever was signed of it as well.
pub(crate) async fn delete_staff(files: &Files, traces: bool) {
    let all = ["staff", "log_leaf", "log_head", "checkpoint"];
    for table in &all[..if traces { all.len() } else { 1 }] {
        run(files, &format!("DELETE FROM {table}"), None).await;
    }
}

/// Takes the last chunk of every long message away.
pub(crate) async fn cut_bodies(files: &Files) {
    let sql = "DELETE FROM chunk WHERE last = 1 AND idx > 0";
    assert_ne!(run(files, sql, None).await, 0);
}

/// Says of the first chunk of every message that it's the last.
pub(crate) async fn end_bodies_early(files: &Files) {
    let sql = "UPDATE chunk SET last = 1 WHERE idx = 0";
    assert_ne!(run(files, sql, None).await, 0);
}

/// Makes the settings whose names begin so unreadable, and says how many those were.
pub(crate) async fn spoil_settings(files: &Files, beginning: &str) -> u64 {
    let sql = "UPDATE setting SET sealed = zeroblob(100) WHERE name LIKE CAST($1 AS TEXT) || '%'";
    run(files, sql, Some(beginning.as_bytes())).await
}

/// Makes all counts of TLS connections unreadable, and due long ago.
pub(crate) async fn spoil_tls_days(files: &Files) {
    let sql = "UPDATE tls_day SET sealed = x'00', due_at = 1795262400000";
    assert_ne!(run(files, sql, None).await, 0);
}

/// Blanks the audit log's entries, as an erasure does with those of the other log.
pub(crate) async fn blank_audit_log(files: &Files) {
    let sql = "UPDATE log_leaf SET sealed = NULL WHERE log = 1";
    assert_ne!(run(files, sql, None).await, 0);
}

/// The sealed bytes of a subscriber, and of the first event in the consent log.
pub(crate) async fn sealed_of(files: &Files, subscriber: SubscriberId) -> [Vec<u8>; 2] {
    let mut file = connect(files).await;
    let sql = "SELECT sealed FROM subscriber WHERE id = $1
               UNION ALL SELECT sealed FROM log_leaf WHERE log = 2 AND seq = 0";
    let rows = sqlx::query(sql).bind(subscriber.as_bytes().as_slice());
    let rows = rows.fetch_all(&mut file).await.expect("reads");
    file.close().await.expect("closes");
    let sealed: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
    sealed.try_into().expect("both")
}

/// No file outside of this room speaks SQL, not even to test something.
#[test]
fn sql_stands_in_this_room_alone() {
    const WORDS: [&str; 8] = [
        "sqlx",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "PRAGMA ",
        "CREATE TABLE ",
        "ALTER TABLE ",
        "DROP TABLE ",
    ];
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut read) = (Vec::new(), 0);
    let mut directories = vec![source.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("reads") {
            let path = entry.expect("an entry").path();
            if path == source.join("store") {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            if path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            read += 1;
            // IMAP has a SELECT as well; a statement begins with it.
            let begins =
                |line: &str| line.contains("\"SELECT ") || line.trim_start().starts_with("SELECT ");
            let speaks = |line: &&str| begins(line) || WORDS.iter().any(|word| line.contains(word));
            found.extend(
                text.lines()
                    .filter(speaks)
                    .map(|line| format!("{}: {line}", path.display())),
            );
        }
    }
    assert!(read > 300, "{read} files");
    assert_eq!(found, [""; 0]);
}

/// A sealed chunk of a message, as it lies in the file.
pub(crate) async fn sealed_chunk(files: &Files, message: MessageId, number: i64) -> Vec<u8> {
    let mut file = connect(files).await;
    sqlx::query("SELECT sealed FROM chunk WHERE message_id = $1 AND idx = $2")
        .bind(message.as_bytes().as_slice())
        .bind(number)
        .fetch_one(&mut file)
        .await
        .expect("is there")
        .get(0)
}
