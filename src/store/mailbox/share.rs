//! How much of a mailbox is used, and how much of that strangers may use. What waits and what is junk has a share of its own:
//! whoever writes to somebody who doesn't know them takes no room from the mail that is wanted.

use std::collections::{BTreeSet, HashMap, hash_map};

use super::deliver::{DeliverTo, Delivery};
use super::folder::{Folder, name_indexes, room_of};
use super::working::Working;
use super::{FolderName, SpecialUse};
use crate::id::MailboxId;
use crate::store::StoreError;
use crate::store::writer::Tx;

/// The share of each of the two folders: this part of what a mailbox may hold.
const SHARE: u64 = 10;
/// Of what waits, this part may be mail for which nobody vouches: the rest is for who can be asked.
const UNPROVEN: u64 = 2;

/// How much of the room that a folder takes ([`FolderRecord::room`](super::FolderRecord::room)) counts, in a mailbox that
/// may hold `limit`. Of the two folders that strangers fill, what is beyond their share.
pub fn counted_bytes(name: &FolderName, room: u64, limit: u64) -> u64 {
    match fills(name) {
        true => room.saturating_sub(limit / SHARE),
        false => room,
    }
}

/// Room for mail from outside.
#[derive(Debug, Clone)]
pub struct StrangersRoom {
    /// How much a mailbox may hold.
    pub limit: u64,
    /// Each recipient's own mailbox: the mail is taken only if these have room. Others that are full are left out, of those
    /// who were let into a role.
    pub own: Vec<MailboxId>,
    /// Its author's domain vouches for it.
    pub proven: bool,
}

impl StrangersRoom {
    /// Those of the deliveries for which there is room; `None` if a recipient's own mailbox has none.
    pub(in crate::store) async fn spare(
        &self,
        mut deliveries: Vec<Delivery>,
        filled: &Filled,
        tx: &mut Tx<'_>,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        let mut full = BTreeSet::new();
        for delivery in &deliveries {
            if let DeliverTo::Named(mailbox, name) = &delivery.to
                && let Some(share) = self.share(name)
                && filled.bytes_in(*mailbox, name, tx).await? >= share
            {
                full.insert(*mailbox);
            }
        }
        let has_room = |mailbox: &MailboxId| !full.contains(mailbox);
        if !self.own.iter().all(has_room) {
            return Ok(None);
        }
        deliveries.retain(|delivery| match &delivery.to {
            DeliverTo::Named(mailbox, _) => has_room(mailbox),
            DeliverTo::Folder(_) => true,
        });
        Ok(Some(deliveries))
    }

    /// What a folder may hold of it; none for one that strangers don't fill.
    fn share(&self, name: &FolderName) -> Option<u64> {
        let share = self.limit / SHARE;
        match name.special_use()? {
            SpecialUse::Junk => Some(share),
            SpecialUse::Unconfirmed if self.proven => Some(share),
            SpecialUse::Unconfirmed => Some(share / UNPROVEN),
            _ => None,
        }
    }
}

/// How much is used of mailboxes into which messages of one group are put by hand, with those of them that were taken.
#[derive(Default)]
pub(in crate::store) struct RoomTaken(HashMap<MailboxId, u64>);

impl RoomTaken {
    /// Takes room for a message of this length, if its mailbox, which may hold `limit`, has it.
    pub(in crate::store) async fn take(
        &mut self,
        delivery: &Delivery,
        (size, limit): (u64, u64),
        working: &mut Working,
        tx: &mut Tx<'_>,
    ) -> Result<bool, StoreError> {
        let mailbox = match &delivery.to {
            DeliverTo::Named(mailbox, _) => Some(*mailbox),
            DeliverTo::Folder(id) => working.mailbox_of(*id, tx).await?,
        };
        let Some(mailbox) = mailbox else {
            return Ok(true);
        };
        let used = match self.0.entry(mailbox) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(unknown) => {
                unknown.insert(working.room_taken(mailbox, limit, tx).await?)
            }
        };
        let then = used.saturating_add(room_of(size));
        let fits = then <= limit;
        if fits {
            *used = then;
        }
        Ok(fits)
    }
}

/// How much a group puts into folders that strangers fill, as far as was decided: it is not written yet.
#[derive(Default)]
pub(in crate::store) struct Filled(HashMap<(MailboxId, FolderName), u64>);

impl Filled {
    /// A message of so many bytes is going to stand there.
    pub(in crate::store) fn count(&mut self, deliveries: &[Delivery], size: u64) {
        for delivery in deliveries {
            if let DeliverTo::Named(mailbox, name) = &delivery.to
                && fills(name)
            {
                let bytes = self.0.entry((*mailbox, name.clone())).or_default();
                *bytes = bytes.saturating_add(room_of(size));
            }
        }
    }

    /// How much a folder holds then.
    async fn bytes_in(
        &self,
        mailbox: MailboxId,
        name: &FolderName,
        tx: &mut Tx<'_>,
    ) -> Result<u64, StoreError> {
        let more = self.0.get(&(mailbox, name.clone())).copied();
        let there = bytes_in(mailbox, name, tx).await?;
        Ok(there.saturating_add(more.unwrap_or(0)))
    }
}

/// Whether it's one of the two folders that strangers fill.
fn fills(name: &FolderName) -> bool {
    matches!(
        name.special_use(),
        Some(SpecialUse::Unconfirmed | SpecialUse::Junk)
    )
}

/// How much a folder holds; one that isn't there, or doesn't open, nothing.
async fn bytes_in(
    mailbox: MailboxId,
    name: &FolderName,
    tx: &mut Tx<'_>,
) -> Result<u64, StoreError> {
    for index in name_indexes(tx.vault, mailbox, name) {
        let row = sqlx::query(
            "SELECT id, mailbox, name_index, sealed FROM folder
             WHERE mailbox = $1 AND name_index = $2",
        )
        .bind(mailbox.as_bytes().as_slice())
        .bind(index.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
        if let Some(row) = row {
            return Ok(Folder::open(tx.vault, &row).map_or(0, |folder| folder.record.room()));
        }
    }
    Ok(0)
}
