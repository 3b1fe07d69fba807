//! The schema test: every column is on this list with the reason why it may stand in the clear, or is sealed. A new
//! clear column without a reason fails here, and so does a column for what must not be held at all (design §1.11).

use sqlx::Row;

use super::tests::store;

/// Table, column, why it may be clear.
const CLEAR: &[(&str, &str, &str)] = &[
    ("keyring", "id", "always 1"),
    ("keyring", "wrapped", "sealed by the root key"),
    (
        "setting",
        "name",
        "a name fixed in the code, or behind one an import's random number or a mailbox's id",
    ),
    ("message", "id", "random"),
    ("message", "staged", "0 or 1: whether the message is whole"),
    ("chunk", "message_id", "random"),
    ("chunk", "idx", "the number of a part"),
    ("chunk", "last", "0 or 1"),
    ("staff", "id", "random"),
    ("staff", "name_index", "keyed hash"),
    ("staff", "version", "a count of changes"),
    ("folder", "id", "random"),
    (
        "folder",
        "mailbox",
        "a random id, or a keyed hash of a role's name",
    ),
    ("folder", "name_index", "keyed hash"),
    ("entry", "folder_id", "random"),
    ("entry", "uid", "SQL orders by it: a count of messages"),
    ("entry", "modseq", "SQL orders by it: a count of changes"),
    ("entry", "message_id", "random"),
    ("expunged", "folder_id", "random"),
    ("expunged", "modseq", "SQL orders by it: a count of changes"),
    ("outline", "message_id", "random"),
    ("subscriber", "id", "random"),
    ("subscriber", "address_index", "keyed hash"),
    ("subscriber", "suppression_index", "keyed hash"),
    ("subscriber", "version", "a count of changes"),
    ("suppression", "suppression_index", "keyed hash"),
    ("suppression", "version", "a random number, then counted on"),
    ("request", "id", "random"),
    ("request", "address_index", "keyed hash"),
    ("request", "token_hash", "hash of 256 random bits"),
    ("request", "expires_at", "SQL deletes by it"),
    ("challenge", "address_index", "keyed hash"),
    ("challenge", "version", "a random number, then counted on"),
    ("challenge", "expires_at", "SQL deletes by it"),
    // One key for these: who presses names no address, and their contact is made of what stands in the question.
    ("contact", "address_index", "keyed hash"),
    ("waiting", "message_id", "random"),
    ("waiting", "address_index", "keyed hash"),
    ("question", "token_hash", "hash of 256 random bits"),
    ("question", "address_index", "keyed hash"),
    ("question", "pace_index", "keyed hash"),
    ("question", "asked_at", "SQL counts and deletes by it"),
    ("intake", "id", "random"),
    ("intake", "due_at", "SQL orders by it"),
    ("wording", "digest", "hash of a public text"),
    ("log_leaf", "log", "1 or 2"),
    ("log_leaf", "seq", "the number of an event"),
    (
        "log_leaf",
        "leaf",
        "hash over a random salt of 256 bits and the event",
    ),
    ("log_leaf", "subject", "keyed hash"),
    ("log_head", "log", "1 or 2"),
    ("log_head", "size", "a count of events"),
    ("log_head", "frontier", "hashes over leaves"),
    ("checkpoint", "log", "1 or 2"),
    ("checkpoint", "size", "a count of events"),
    ("queue", "id", "random"),
    ("queue", "message_id", "random"),
    ("queue", "due_at", "SQL orders by it"),
    ("sts_policy", "domain_index", "keyed hash"),
    ("sts_policy", "due_at", "SQL orders by it"),
    ("tls_day", "id", "random"),
    ("tls_day", "due_at", "SQL orders by it; chance is in it"),
    ("report", "report_index", "keyed hash"),
    ("report", "kept_until", "SQL deletes by it"),
    ("mailing", "id", "random"),
    ("mailing", "message_id", "random"),
    ("mailing", "version", "a count of changes"),
    ("ledger", "copy_id", "derived by a keyed hash"),
    ("ledger", "mailing_id", "random"),
    ("ledger", "subscriber_id", "random; gone at withdrawal"),
    ("ledger", "due_at", "SQL orders by it"),
    ("bounce", "id", "random"),
    ("bounce", "copy_id", "derived by a keyed hash"),
    ("bounce", "message_id", "random"),
];

/// `store verify` names tables, and sends whoever reads it to the book.
#[tokio::test]
async fn the_book_says_what_each_table_means() {
    let (store, _directory) = store().await;
    let tables = sqlx::query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'
         AND name NOT LIKE 'sqlite%'",
    );
    let tables = tables.fetch_all(&store.readers).await;
    let book = include_str!("../../docs/operations.md");
    for table in tables.expect("the schema can be read") {
        let table: String = table.get(0);
        assert!(book.contains(&format!("\n| `{table}` | ")), "{table}");
    }
}

#[tokio::test]
async fn every_column_is_sealed_or_has_a_reason() {
    let (store, _directory) = store().await;
    let tables = sqlx::query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'
         AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&store.readers)
    .await
    .expect("the schema can be read");
    let mut seen = 0;
    for table in tables {
        let table: String = table.get(0);
        let columns = sqlx::query("SELECT name FROM pragma_table_info($1)")
            .bind(&table)
            .fetch_all(&store.readers)
            .await
            .expect("the columns can be read");
        for column in columns {
            let column: String = column.get(0);
            let listed = CLEAR
                .iter()
                .any(|(t, c, why)| (*t, *c) == (&table, &column) && !why.is_empty());
            assert!(
                column == "sealed" || listed,
                "{table}.{column} is clear and not on the list: seal it, or say why it may be clear"
            );
            seen += usize::from(listed);
        }
    }
    assert_eq!(
        seen,
        CLEAR.len(),
        "the list names a column that the schema doesn't have"
    );
}
