//! A store that was brought back from a copy. Since the copy was made, mail programs may have been told of UIDs that its
//! folders don't know of and will give out again: each folder has to be another one to them.

use jiff::Timestamp;
use sqlx::Row;

use super::working::{Working, next_validity};
use crate::id::FolderId;
use crate::store::writer::Tx;
use crate::store::{Change, Step, Store, StoreError};

/// Gives every folder a UIDVALIDITY that none ever had.
pub(in crate::store) async fn raise_uid_validity(
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT id FROM folder")
        .fetch_all(&mut *tx.connection)
        .await?;
    let mut working = Working::default();
    for row in rows {
        let id = crate::store::id_of(row.try_get(0)?, FolderId::from_slice, "folder")?;
        let folder = match working.change(id, tx).await {
            Ok(Some(folder)) => folder,
            Ok(None) => continue,
            // It gets another one when it is made anew.
            Err(error @ (StoreError::Seal(_) | StoreError::Record { .. })) => {
                tracing::error!(%error, table = "folder", "left out a row");
                continue;
            }
            Err(error) => return Err(error),
        };
        folder.record.forgot_until = folder.next_change();
        folder.record.uid_validity = next_validity(at, tx).await?;
    }
    working.save(tx).await
}

impl Store {
    /// Gives every folder a UIDVALIDITY that none ever had. Whoever brings a store back from a copy has to do this before a
    /// mail program gets in: otherwise it takes new messages for those that it knows.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was done.
    pub async fn raise_uid_validity(&self, at: Timestamp) -> Result<(), StoreError> {
        let raise = Change::new().then(Step::RaiseUidValidity(at));
        self.change(raise).await.map(drop)
    }
}
