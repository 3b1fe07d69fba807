//! `store verify`: opens every sealed value and names the rows that don't open, whose parts are missing, or that stand
//! where nothing refers to them. It changes nothing.

mod tables;

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use self::tables::{TABLES, Table, by_id, by_pair};
use super::{Blanks, Store, StoreError, log};
use crate::audit::{Frontier, LogKind, leaf_input};
use crate::vault::OpenError;

/// How many broken rows are named; beyond that they are counted.
const NAMED: usize = 1000;

/// A row that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The table, or `journal`.
    pub table: String,
    /// The row's id.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// How many sealed values were opened, by table.
    pub opened: Vec<(String, u64)>,
    /// The broken rows, the first thousand.
    pub findings: Vec<Finding>,
    /// How many more broken rows there are.
    pub unnamed: u64,
}

impl Verification {
    /// Whether everything opened and is whole.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.unnamed == 0
    }

    fn find(&mut self, table: &str, row: String, what: impl Into<String>) {
        if self.findings.len() < NAMED {
            self.findings.push(Finding {
                table: table.into(),
                row,
                what: what.into(),
            });
        } else {
            self.unnamed += 1;
        }
    }
}

/// What is wrong with a row that stands named beside it.
fn what(error: &StoreError) -> String {
    match error {
        StoreError::Seal(OpenError::Altered { .. }) => {
            "it was altered or moved, or its row was edited".to_owned()
        }
        StoreError::Seal(OpenError::Malformed { .. }) => {
            "it is no sealed value: cut off, or of a newer version".to_owned()
        }
        StoreError::Record { .. } => "what is in it can't be read by this version".to_owned(),
        error => error.to_string(),
    }
}

impl Store {
    /// Opens every sealed value. `progress` hears the table and how many of its rows were opened, now and then.
    ///
    /// # Errors
    /// A [`StoreError`] only if a table can't be read at all; broken rows are findings.
    pub async fn verify(
        &self,
        mut progress: impl FnMut(&str, u64) + Send,
    ) -> Result<Verification, StoreError> {
        let mut verification = Verification::default();
        for table in TABLES {
            self.verify_table(table, &mut verification, &mut progress)
                .await?;
        }
        self.verify_bodies(&mut verification).await?;
        self.verify_staged(&mut verification).await?;
        self.verify_unowned(&mut verification).await?;
        self.verify_folders(&mut verification).await?;
        for log in log::LOGS {
            self.verify_log(log, &mut verification).await?;
        }
        self.verify_journal(&mut verification).await?;
        self.verify_structure(&mut verification).await?;
        Ok(verification)
    }

    async fn verify_table(
        &self,
        table: &Table,
        verification: &mut Verification,
        progress: &mut (impl FnMut(&str, u64) + Send),
    ) -> Result<(), StoreError> {
        let mut opened = 0;
        let mut rows = sqlx::query(table.sql).fetch(&self.readers);
        while let Some(row) = rows.try_next().await? {
            match (table.open)(&self.vault, &row) {
                Ok(()) => opened += 1,
                Err(error) => {
                    verification.find(table.name, (table.name_row)(&row), what(&error));
                }
            }
            if opened % 1000 == 0 {
                progress(table.name, opened);
            }
        }
        verification.opened.push((table.name.into(), opened));
        Ok(())
    }

    /// Each message has chunks 0 to n, the last one alone flagged as the last.
    async fn verify_bodies(&self, verification: &mut Verification) -> Result<(), StoreError> {
        let mut rows = sqlx::query(
            "SELECT message.id FROM message LEFT JOIN (
                SELECT message_id, COUNT(*) AS parts, MAX(idx) AS top, SUM(last) AS ends,
                       MAX(CASE WHEN last = 1 THEN idx ELSE -1 END) AS end_at
                FROM chunk GROUP BY message_id
             ) AS body ON body.message_id = message.id
             WHERE message.staged = 0 AND NOT COALESCE(
                body.parts = body.top + 1 AND body.ends = 1 AND body.end_at = body.top, FALSE)",
        )
        .fetch(&self.readers);
        while let Some(row) = rows.try_next().await? {
            verification.find("message", by_id(&row), "a part of its body is missing");
        }
        Ok(())
    }

    /// A message that is still being received is nobody's: whatever refers to one shows that its row was edited.
    async fn verify_staged(&self, verification: &mut Verification) -> Result<(), StoreError> {
        let mut rows = sqlx::query(
            "SELECT id FROM message WHERE staged <> 0 AND (
                id IN (SELECT message_id FROM entry) OR id IN (SELECT message_id FROM bounce)
                OR id IN (SELECT message_id FROM queue) OR id IN (SELECT message_id FROM mailing))",
        )
        .fetch(&self.readers);
        while let Some(row) = rows.try_next().await? {
            let what = "it is marked as not wholly received, and is somebody's already";
            verification.find("message", by_id(&row), what);
        }
        Ok(())
    }

    /// A message that nothing refers to would be kept for ever by nobody.
    async fn verify_unowned(&self, verification: &mut Verification) -> Result<(), StoreError> {
        let mut rows = sqlx::query(
            "SELECT id FROM message WHERE staged = 0
             AND NOT EXISTS (SELECT 1 FROM entry WHERE message_id = message.id)
             AND NOT EXISTS (SELECT 1 FROM queue WHERE message_id = message.id)
             AND NOT EXISTS (SELECT 1 FROM mailing WHERE message_id = message.id)
             AND NOT EXISTS (SELECT 1 FROM bounce WHERE message_id = message.id)",
        )
        .fetch(&self.readers);
        while let Some(row) = rows.try_next().await? {
            let what = "nothing refers to it: what did was taken out";
            verification.find("message", by_id(&row), what);
        }
        drop(rows);
        for id in self.waiting_nowhere().await? {
            verification.find("waiting", id.to_string(), "its message waits nowhere");
        }
        Ok(())
    }

    async fn verify_folders(&self, verification: &mut Verification) -> Result<(), StoreError> {
        for (folder, what) in self.folder_faults().await? {
            verification.find("folder", folder.to_string(), what);
        }
        Ok(())
    }

    /// Each leaf is the hash of its salt and event, none is missing, and the head is the head of these leaves.
    async fn verify_log(
        &self,
        log: LogKind,
        verification: &mut Verification,
    ) -> Result<(), StoreError> {
        let (mut frontier, mut blanks) = (Frontier::default(), Blanks::default());
        let (mut opened, mut next) = (0, 0_i64);
        // One snapshot: what is appended meanwhile stands neither in the leaves nor in the head.
        let mut reading = self.readers.begin().await?;
        let mut rows = sqlx::query(
            "SELECT seq, leaf, subject, sealed FROM log_leaf WHERE log = $1 ORDER BY seq",
        )
        .bind(log::number(log))
        .fetch(&mut *reading);
        while let Some(row) = rows.try_next().await? {
            let seq: i64 = row.try_get(0)?;
            let name = format!("{}/{seq}", log.name());
            if seq != next {
                verification.find(
                    "log_leaf",
                    format!("{}/{next}", log.name()),
                    "it was cut out",
                );
            }
            next = seq + 1;
            match log::open_event(&self.vault, log, &row) {
                Ok(event) => {
                    frontier.push(&event.leaf);
                    blanks.take(log, &event);
                    let intact = event.event.is_none_or(|(salt, text)| {
                        <[u8; 32]>::try_from(salt)
                            .is_ok_and(|salt| leaf_input(&salt, &text) == event.leaf)
                    });
                    if intact {
                        opened += 1;
                    } else {
                        verification.find("log_leaf", name, "its leaf is not the event's hash");
                    }
                }
                Err(error) => {
                    verification.find("log_leaf", name, what(&error));
                    // The tree is made of the leaves alone: they show whether the head is right.
                    if let Some(leaf) = row.try_get::<&[u8], _>(1)?.first_chunk() {
                        frontier.push(leaf);
                    }
                }
            }
        }
        drop(rows);
        let head = log::committed_head(&mut reading, log).await;
        reading.rollback().await?;
        for (first, count) in blanks.finish() {
            let more = count - 1;
            let what = match more {
                0 => "it is blank, and no erasure explains that".to_owned(),
                _ => format!(
                    "it and {more} more of that person are blank, and no erasure explains that"
                ),
            };
            verification.find("log_leaf", format!("{}/{first}", log.name()), what);
        }
        verification
            .opened
            .push((format!("{} log", log.name()), opened));
        if !head.is_ok_and(|head| head.size() == frontier.size() && head.root() == frontier.root())
        {
            verification.find(
                "log_head",
                log.name().into(),
                "it is not the head of the log's leaves",
            );
        }
        self.verify_checkpoints(log, verification).await
    }

    async fn verify_checkpoints(
        &self,
        log: LogKind,
        verification: &mut Verification,
    ) -> Result<(), StoreError> {
        let rows = sqlx::query("SELECT log, size, sealed FROM checkpoint WHERE log = $1")
            .bind(log::number(log))
            .fetch_all(&self.readers)
            .await?;
        for row in rows {
            if let Err(error) = log::open_checkpoint(&self.vault, log, &row) {
                verification.find("checkpoint", by_pair(&row), what(&error));
            }
        }
        Ok(())
    }

    async fn verify_journal(&self, verification: &mut Verification) -> Result<(), StoreError> {
        let (each, mut found) = tokio::sync::mpsc::unbounded_channel();
        let (count, mut opened) = (std::sync::Arc::new(AtomicU64::new(0)), 0);
        let counter = count.clone();
        let read = self.each_journal_entry(move |number, entry| match entry {
            Ok(_) => {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let _ = each.send((number, what(&error)));
            }
        });
        match read.await {
            Ok(()) => opened = count.load(Ordering::Relaxed),
            Err(StoreError::Stopped) => return Err(StoreError::Stopped),
            Err(error) => verification.find("journal", "file".into(), error.to_string()),
        }
        while let Some((number, what)) = found.recv().await {
            verification.find("journal", format!("entry {number}"), what);
        }
        verification.opened.push(("journal".into(), opened));
        Ok(())
    }

    /// What SQLite itself can tell: pages and indexes, and rows that refer to nothing.
    async fn verify_structure(&self, verification: &mut Verification) -> Result<(), StoreError> {
        for row in sqlx::query("PRAGMA integrity_check(20)")
            .fetch_all(&self.readers)
            .await?
        {
            let verdict: String = row.try_get(0)?;
            if verdict != "ok" {
                verification.find("database", "file".into(), verdict);
            }
        }
        for row in sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&self.readers)
            .await?
        {
            let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            verification.find(
                &table,
                "?".into(),
                format!("it refers to a missing row of {parent}"),
            );
        }
        Ok(())
    }
}
