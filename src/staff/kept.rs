//! The checkpoints that the installation keeps of its own logs, in the database and in the journal. They tell a cut tail
//! or an older file put back at once, as long as whoever did it left the journal alone; a checkpoint kept elsewhere tells
//! it in any case.

use crate::audit::{Checkpoint, LogKind, SignedCheckpoint};
use crate::store::{Store, StoreError};

/// All checkpoints of a log that the database and the journal hold and that this vault signed, by size. A journal that
/// can't be read is the error's matter, never a reason to pass it over.
///
/// # Errors
/// A [`StoreError`] if the journal can't be read or was changed.
pub async fn kept_checkpoints(store: &Store, log: LogKind) -> Result<Vec<Checkpoint>, StoreError> {
    let mut kept = store.checkpoints_in_journal(log).await?;
    // One that doesn't open is named by `store verify`.
    if let Ok(Some(newest)) = store.newest_checkpoint(log).await {
        let signed = SignedCheckpoint::parse(&newest.text).ok();
        let public = store.vault().checkpoint_public();
        let checkpoint = signed.and_then(|signed| signed.verify(&public).cloned().ok());
        kept.extend(checkpoint.filter(|checkpoint| checkpoint.log == log));
    }
    kept.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.at));
    Ok(kept)
}
