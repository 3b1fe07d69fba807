//! `mailbox list`: what mailboxes hold, in numbers. No mail is opened for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{is_admin, name_of};
use crate::control::api::mailbox::{List, MailboxReport, Room};
use crate::control::{Call, Failure, Handle, Nothing};
use crate::daemon::rooms::Rooms;
use crate::id::{MailboxId, StaffId};
use crate::store::{FolderName, SpecialUse, StoreError, counted_bytes};

/// How many rows are read at once.
const PAGE: u32 = 1000;
/// What the mail is called that came back to signed return paths.
const BOUNCED: &str = "bounced";

/// Answers for the mailboxes.
pub(super) struct MailboxDesk(pub(super) Arc<Rooms>);

/// What a folder holds.
#[derive(Default)]
struct Sum {
    messages: u64,
    bytes: u64,
    newest_at: Option<Timestamp>,
}

impl Sum {
    fn add(&mut self, bytes: u64, at: Timestamp) {
        self.messages += 1;
        self.bytes += bytes;
        self.newest_at = self.newest_at.max(Some(at));
    }

    fn report(self, mailbox: &str, folder: &str) -> MailboxReport {
        MailboxReport {
            mailbox: mailbox.to_owned(),
            revoked: false,
            folder: folder.to_owned(),
            messages: self.messages,
            bytes: self.bytes,
            newest_at: self.newest_at,
            room: None,
        }
    }
}

impl Handle<List> for MailboxDesk {
    async fn handle(&self, _: List, call: &mut Call<List>) -> Result<Nothing, Failure> {
        let failure = |error: StoreError| Failure::store("can't list the mailboxes", &error);
        let actor = call.actor()?;
        if !is_admin(call) {
            let own = MailboxId::from(actor.id());
            for row in self.folders(own, actor.name()).await.map_err(failure)? {
                call.row(&row).await?;
            }
            return Ok(Nothing {});
        }
        let roll = self.0.staff.roll();
        for (id, name) in self.all().await.map_err(failure)? {
            let mut owner = roll.all().iter();
            let owner = owner.find(|member| MailboxId::from(member.id) == id);
            let revoked = owner.is_some_and(|member| !member.is_live());
            for row in self.folders(id, &name).await.map_err(failure)? {
                let row = MailboxReport { revoked, ..row };
                call.row(&row).await?;
            }
        }
        let returned = self.returned().await.map_err(failure)?;
        let inbox = SpecialUse::Inbox.name();
        call.row(&returned.report(BOUNCED, inbox)).await?;
        Ok(Nothing {})
    }
}

impl MailboxDesk {
    /// All mailboxes with their names: of live accounts, of roles, and those of nobody that still hold something.
    pub(super) async fn all(&self) -> Result<Vec<(MailboxId, String)>, StoreError> {
        let roll = self.0.staff.roll();
        let vault = self.0.store.vault();
        let staff = roll.live().map(|one| (one.id.into(), one.name.clone()));
        let config = self.0.config();
        let roles = config
            .mailbox
            .keys()
            .map(|name| (vault.role_mailbox(name.as_str()), name.to_string()));
        let mut all: Vec<(MailboxId, String)> = staff.chain(roles).collect();
        for id in self.0.store.mailboxes().await? {
            if !all.iter().any(|(known, _)| *known == id) {
                // Of an account that is revoked, or of a role that is no longer configured: then its number is its name.
                let name = name_of(&self.0, StaffId::from_bytes(*id.as_bytes()));
                all.push((id, name));
            }
        }
        Ok(all)
    }

    /// What a mailbox holds, by folder; its inbox even if that is empty.
    async fn folders(&self, id: MailboxId, name: &str) -> Result<Vec<MailboxReport>, StoreError> {
        let inbox = FolderName::from(SpecialUse::Inbox);
        let mut folders = BTreeMap::from([(inbox.clone(), Sum::default())]);
        let limit = self.0.config().staff.mailbox_size.bytes();
        let mut used = 0;
        for folder in self.0.store.folders(id).await?.rows {
            let record = folder.record;
            used += counted_bytes(&record.name, record.room(), limit);
            if record.messages > 0 || record.name == inbox {
                let sum = Sum {
                    messages: record.messages,
                    bytes: record.bytes,
                    newest_at: record.newest_at,
                };
                folders.insert(record.name, sum);
            }
        }
        let room = Room { used, limit };
        let report = |(folder, sum): (FolderName, Sum)| MailboxReport {
            room: (folder == inbox).then_some(room),
            ..sum.report(name, folder.as_str())
        };
        let first = folders.remove_entry(&inbox);
        Ok(first.into_iter().chain(folders).map(report).collect())
    }

    async fn returned(&self) -> Result<Sum, StoreError> {
        let (mut sum, mut after) = (Sum::default(), None);
        loop {
            let page = self.0.store.returned_after(after, PAGE).await?;
            for one in page.rows {
                sum.add(one.bytes, one.received_at);
            }
            after = page.next;
            if after.is_none() {
                return Ok(sum);
            }
        }
    }
}
