//! How much room there is (RFC 9208). Each mailbox has one root: one's own has no name, a role's has the role's.

use super::place::Whose;
use super::{Desk, Done, No, Sink, Stop};
use crate::imap::command::RawName;
use crate::imap::write;
use crate::store::{Folder, goes_for_good};

/// RFC 9208 §5.1
const UNIT: u64 = 1024;

impl Whose {
    /// What its room is called.
    fn root(&self) -> &str {
        match self {
            Self::Own => "",
            Self::Role(role) => role.name(),
        }
    }
}

impl Desk {
    /// GETQUOTA: a root that isn't theirs is none.
    pub(super) async fn quota<S: Sink>(&self, raw: &RawName, out: &mut S) -> Result<Done, Stop> {
        let root = std::str::from_utf8(&raw.0).ok();
        let whose = root.and_then(|root| match root {
            "" => Some(Whose::Own),
            root => self.account.let_in.role(root).map(Whose::Role),
        });
        let none = || No::new("NONEXISTENT", "There is no such quota root");
        self.write_quota(&whose.ok_or_else(none)?, out).await
    }

    /// GETQUOTAROOT: the folder needn't be there, if it could be made.
    pub(super) async fn quota_root<S: Sink>(
        &self,
        raw: &RawName,
        out: &mut S,
    ) -> Result<Done, Stop> {
        let (place, folder) = self.find(raw).await?;
        if place.is_reserved() && folder.is_none() {
            return Err(No::no_folder().into());
        }
        let buffer = out.buffer();
        buffer.extend_from_slice(b"* QUOTAROOT ");
        write::name(buffer, &place.whose.shown(&place.name), self.enabled.rev2);
        out.line(format_args!(" \"{}\"", place.whose.root()));
        self.write_quota(&place.whose, out).await
    }

    /// `* QUOTA "" (STORAGE 10 2097152)`
    async fn write_quota<S: Sink>(&self, whose: &Whose, out: &mut S) -> Result<Done, Stop> {
        let (account, root) = (&self.account, whose.root());
        let (mailbox, limit) = (whose.mailbox(account), account.room.now());
        let used = account.mailboxes.room_used(mailbox, limit).await?;
        let (used, limit) = (used.div_ceil(UNIT), limit / UNIT);
        out.line(format_args!("* QUOTA \"{root}\" (STORAGE {used} {limit})"));
        Ok(Done::plain())
    }

    /// How much room an EXPUNGE of a folder would free (RFC 9208 §4.1.4): none where it goes into the Trash.
    pub(super) async fn deleted_room(&self, whose: &Whose, folder: &Folder) -> Result<u64, No> {
        match whose.is_role() && !goes_for_good(&folder.record.name) {
            true => Ok(0),
            false => Ok(self.account.mailboxes.deleted_room(folder).await?),
        }
    }
}
