//! One group in one transaction, with the journal's lines before and after it.

use sqlx::sqlite::SqliteConnection;

use super::group::Group;
use crate::id::{FolderId, MessageId};
use crate::store::StoreError;
use crate::store::journal::{Journal, JournalEntry, Mark};
use crate::store::mailbox::Touched;
use crate::store::setting;
use crate::vault::Vault;

/// What a write needs while it runs inside the group's transaction.
pub(in crate::store) struct Tx<'a> {
    pub(in crate::store) connection: &'a mut SqliteConnection,
    pub(in crate::store) vault: &'a Vault,
    pub(in crate::store) after: After,
}

impl<'a> Tx<'a> {
    pub(in crate::store) fn new(connection: &'a mut SqliteConnection, vault: &'a Vault) -> Self {
        Self {
            connection,
            vault,
            after: After::default(),
        }
    }
}

/// What follows once the transaction is committed.
#[derive(Default)]
pub(in crate::store) struct After {
    /// Folders that were changed.
    pub(in crate::store) touched: Vec<(FolderId, Touched)>,
    /// The intake's worker has something to do that no room told it of.
    pub(in crate::store) left_to_worker: bool,
    /// Messages that stand nowhere any more.
    pub(in crate::store) freed: Vec<MessageId>,
    /// What goes into the journal now.
    pub(super) journal: Vec<JournalEntry>,
}

/// A group that was not committed.
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// Whether the connection is known to be outside the transaction again.
    pub(super) rolled_back: bool,
}

/// What a group's changes put into the journal.
#[derive(Default)]
pub(super) struct Journaled {
    /// Before the commit: a crash in between suppresses or erases somebody who asked for it and was not yet answered; the
    /// other order could lose a withdrawal that was.
    before: Vec<JournalEntry>,
    /// After the commit: a crash in between leaves a restored backup too silent, never too loud.
    after: Vec<JournalEntry>,
}

impl Journaled {
    /// Of the changes that were made, and not of those that met a conflict.
    fn of(group: &Group) -> Self {
        let made = group
            .made()
            .map(|change| change.journal_entries().collect::<Vec<_>>());
        let accepted = group
            .accepted()
            .map(|message| message.journal_entries().collect());
        let mut all = Self::default();
        made.chain(accepted).for_each(|entries| all.take(entries));
        all
    }

    fn take(&mut self, entries: Vec<JournalEntry>) {
        let lifts = |entry: &JournalEntry| matches!(entry, JournalEntry::Lifted { .. });
        if entries.iter().any(lifts) {
            self.after.extend(entries);
            return;
        }
        // What is suppressed again in the same group stays so.
        self.after.retain(|old| {
            !entries.iter().any(|new| match (old, new) {
                (
                    JournalEntry::Lifted { index, scope, .. },
                    JournalEntry::Suppressed {
                        index: of,
                        scope: on,
                        ..
                    },
                ) => index == of && scope == on,
                _ => false,
            })
        });
        self.before.extend(entries);
    }
}

/// Answers what follows now that the group is committed.
pub(super) async fn transact(
    connection: &mut SqliteConnection,
    vault: &Vault,
    journal: &mut Journal,
    group: &mut Group,
) -> Result<After, Failed> {
    if let Err(error) = statement(connection, "BEGIN IMMEDIATE").await {
        return Err(Failed {
            error,
            rolled_back: false,
        });
    }
    let committed = match write_down(connection, vault, journal, group).await {
        Ok(after) => statement(connection, "COMMIT").await.map(|()| after),
        Err(error) => Err(error),
    };
    match committed {
        Ok(after) => Ok(after),
        // It fails where SQLite has rolled back by itself, and elsewhere; a new connection is right in both cases.
        Err(error) => Err(Failed {
            error,
            rolled_back: statement(connection, "ROLLBACK").await.is_ok(),
        }),
    }
}

/// Applies a group inside its transaction, and syncs what it puts into the journal.
async fn write_down(
    connection: &mut SqliteConnection,
    vault: &Vault,
    journal: &mut Journal,
    group: &mut Group,
) -> Result<After, StoreError> {
    let mut tx = Tx::new(connection, vault);
    group.apply(&mut tx).await?;
    let journaled = Journaled::of(group);
    if let Some(mark) = journal.append(journaled.before).await? {
        setting::put(Mark::SETTING, &mark.to_bytes(), &mut tx).await?;
    }
    tx.after.journal = journaled.after;
    Ok(tx.after)
}

async fn statement(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}
