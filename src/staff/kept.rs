//! The checkpoints that the installation keeps of its own logs, in the database and in the journal. They tell a cut tail
//! or an older file put back at once, as long as whoever did it left the journal alone; a checkpoint kept elsewhere tells
//! it in any case.

use crate::audit::{Checkpoint, LogKind, SignedCheckpoint};
use crate::store::{JournalEntry, Store, StoreError, read_journal};

/// All checkpoints of a log that the database and the journal hold and that this vault signed, by size. A journal that
/// can't be read is the error's matter, never a reason to pass it over.
///
/// # Errors
/// A [`StoreError`] if the journal can't be read or was changed.
pub async fn kept_checkpoints(store: &Store, log: LogKind) -> Result<Vec<Checkpoint>, StoreError> {
    let (path, vault) = (store.files().journal(), store.vault().clone());
    let journal = tokio::task::spawn_blocking(move || read_journal(&path, &vault))
        .await
        .map_err(|_| StoreError::Stopped)??;
    let mut texts: Vec<String> = journal
        .into_iter()
        .filter_map(|entry| match entry {
            JournalEntry::Checkpoint { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    // One that doesn't open is named by `store verify`.
    if let Ok(Some(newest)) = store.newest_checkpoint(log).await {
        texts.push(newest.text);
    }
    let public = store.vault().checkpoint_public();
    let mut kept: Vec<Checkpoint> = texts
        .iter()
        .filter_map(|text| {
            SignedCheckpoint::parse(text)
                .ok()?
                .verify(&public)
                .cloned()
                .ok()
        })
        .filter(|checkpoint| checkpoint.log == log)
        .collect();
    kept.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.at));
    Ok(kept)
}

/// What is wrong if a log is shorter than it was when it was last signed. Cheap: nothing but the heads is looked at.
///
/// # Errors
/// As [`kept_checkpoints`].
pub async fn fell_short(store: &Store, log: LogKind) -> Result<Option<String>, StoreError> {
    let has = store.log_head(log).await?.size();
    let kept = kept_checkpoints(store, log).await?;
    Ok(kept.last().filter(|last| last.size > has).map(|last| {
        format!(
            "the {log} log has {has} entries and had {} on {}: its end was cut off, or an older file was put back; see \
             hustings {log} verify",
            last.size,
            last.at.strftime("%F")
        )
    }))
}
