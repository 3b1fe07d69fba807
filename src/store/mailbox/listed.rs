//! What a list shows: messages of a folder with their outlines, by one statement for all that stand side by side.

use sqlx::Row;
use zeroize::Zeroizing;

use super::entry::open_said;
use super::outline::{SHORT, unseal_said};
use super::{Entry, Uids};
use crate::id::FolderId;
use crate::store::{Store, StoreError};

/// A message's place, and its outline if that is short and opens.
pub type Listed = (Entry, Option<Zeroizing<Vec<u8>>>);

impl Store {
    /// The messages of these UIDs that there are, in their order, each with its outline. Who wants many asks for them in
    /// pages. A long outline is left out: a stranger's mail may have one, and many are asked for at once.
    ///
    /// # Errors
    /// A [`StoreError`] if the rows can't be read. A message whose place does not open is left out.
    pub async fn listed(&self, folder: FolderId, uids: &Uids) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        for (first, last) in uids.ranges() {
            let rows = sqlx::query(
                "SELECT folder_id, uid, modseq, entry.message_id, entry.sealed,
                        CASE WHEN length(outline.sealed) <= $4 THEN outline.sealed END
                 FROM entry LEFT JOIN outline ON outline.message_id = entry.message_id
                 WHERE folder_id = $1 AND uid BETWEEN $2 AND $3 ORDER BY uid",
            )
            .bind(folder.as_bytes().as_slice())
            .bind(i64::from(*first))
            .bind(i64::from(*last))
            .bind(SHORT)
            .fetch_all(&self.readers)
            .await?;
            for row in &rows {
                let Some(entry) = open_said(&self.vault, row) else {
                    continue;
                };
                let sealed: Option<&[u8]> = row.try_get(5)?;
                let outline =
                    sealed.and_then(|sealed| unseal_said(&self.vault, entry.message, sealed));
                listed.push((entry, outline));
            }
        }
        Ok(listed)
    }
}
