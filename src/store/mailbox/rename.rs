//! How folders get other names, with those that stand in them.

use jiff::Timestamp;

use super::act::{ActDone, ActRefusal};
use super::doing::{Step, must, of};
use super::working::Working;
use super::{Folder, FolderName};
use crate::id::{FolderId, MailboxId};
use crate::store::writer::Tx;

/// Gives a folder, and those that stand in it, another name.
pub(super) async fn folder(
    id: FolderId,
    name: &FolderName,
    at: Timestamp,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let folder = must(working.change(id, tx).await?)?;
    let (mailbox, old) = (folder.mailbox, folder.record.name.clone());
    if old.special_use().is_some() {
        return Err(ActRefusal::Special.into());
    }
    if name.below(&old).is_some() {
        return Err(ActRefusal::IntoItself.into());
    }
    let mut renamed = vec![(id, name.clone())];
    renamed.append(&mut standing_in(mailbox, &old, name, tx).await?);
    give_names(mailbox, renamed, at, working, tx).await?;
    Ok(of(id))
}

/// Gives those that stand in a name, which is no folder's, another one.
pub(super) async fn below(
    mailbox: MailboxId,
    from: &FolderName,
    name: &FolderName,
    at: Timestamp,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    if name.below(from).is_some() {
        return Err(ActRefusal::IntoItself.into());
    }
    let renamed = standing_in(mailbox, from, name, tx).await?;
    if renamed.is_empty() {
        return Err(ActRefusal::NoFolder.into());
    }
    give_names(mailbox, renamed, at, working, tx).await?;
    Ok(ActDone::default())
}

/// What stands in a name, and what it's called once that has become another.
async fn standing_in(
    mailbox: MailboxId,
    old: &FolderName,
    new: &FolderName,
    tx: &mut Tx<'_>,
) -> Step<Vec<(FolderId, FolderName)>> {
    let mut renamed = Vec::new();
    for (folder, its_name) in named_in(mailbox, tx).await? {
        if let Some(rest) = its_name.below(old) {
            let new = format!("{}{rest}", new.as_str());
            let new = FolderName::parse(&new).map_err(|_| ActRefusal::NameTooLong)?;
            renamed.push((folder, new));
        }
    }
    Ok(renamed)
}

async fn give_names(
    mailbox: MailboxId,
    renamed: Vec<(FolderId, FolderName)>,
    at: Timestamp,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<()> {
    for (folder, new) in &renamed {
        let taken = working.named(mailbox, new, tx).await?;
        if taken.is_some_and(|other| other != *folder) {
            return Err(ActRefusal::NameTaken.into());
        }
    }
    for (folder, new) in renamed {
        let vault = tx.vault;
        must(working.change(folder, tx).await?)?.rename(vault, new, at);
    }
    Ok(())
}

/// The folders of a mailbox, as far as they can be read.
pub(super) async fn named_in(
    mailbox: MailboxId,
    tx: &mut Tx<'_>,
) -> Step<Vec<(FolderId, FolderName)>> {
    let rows = sqlx::query("SELECT id, mailbox, name_index, sealed FROM folder WHERE mailbox = $1")
        .bind(mailbox.as_bytes().as_slice())
        .fetch_all(&mut *tx.connection)
        .await?;
    let folders = rows
        .iter()
        .filter_map(|row| Folder::open(tx.vault, row).ok());
    Ok(folders
        .map(|folder| (folder.id, folder.record.name))
        .collect())
}
