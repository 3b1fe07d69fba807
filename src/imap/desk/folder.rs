//! Folders as a whole.

use super::place::{Found, Place, SHARED};
use super::{Desk, Done, No, Sink, Stop};
use crate::imap::command::{RawName, StatusItem};
use crate::imap::write;
use crate::mailbox::MailboxError;
use crate::store::{ActRefusal, Folder, FolderName, FolderRecord, SpecialUse};

impl Desk {
    /// How names begin (RFC 2342): one's own, nobody else's, and the roles' for who is let into one.
    pub(super) fn namespace<S: Sink>(&self, out: &mut S) -> Done {
        out.buffer()
            .extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL ");
        match self.has_roles() {
            false => out.line(format_args!("NIL")),
            true => out.line(format_args!("((\"{SHARED}/\" \"/\"))")),
        }
        Done::plain()
    }

    fn has_roles(&self) -> bool {
        !self.account.let_in.roles().is_empty()
    }

    pub(super) async fn create(&self, raw: &RawName, special: bool) -> Result<Done, Stop> {
        // A delimiter at the end says that folders are to stand in it, as they may in all (RFC 9051 §6.3.4).
        let plain = RawName(raw.0.strip_suffix(b"/").unwrap_or(&raw.0).to_vec());
        let place = self.makeable(&plain)?;
        if special {
            let text = "Each special use has its folder already";
            return Err(No::new("USEATTR", text).into());
        }
        self.must_be_free(&place).await?;
        self.make_parents(&place).await?;
        let mailbox = place.whose.mailbox(&self.account);
        self.account.mailboxes.create(mailbox, place.name).await?;
        Ok(Done::plain())
    }

    /// What will be refused isn't begun: parents that were made for it would stay.
    async fn must_be_free(&self, place: &Place) -> Result<(), No> {
        match self.folder_at(place).await? {
            Some(_) => Err(MailboxError::from(ActRefusal::NameTaken).into()),
            None => Ok(()),
        }
    }

    /// Makes the folders in which a name stands, where they aren't there.
    async fn make_parents(&self, place: &Place) -> Result<(), No> {
        let mailbox = place.whose.mailbox(&self.account);
        let boxes = &self.account.mailboxes;
        let mut missing = Vec::new();
        let mut above = place.name.parent();
        while let Some(name) = above {
            if boxes.named(mailbox, &name).await?.is_some() {
                break;
            }
            above = name.parent();
            missing.push(name);
        }
        for name in missing.into_iter().rev() {
            boxes.create(mailbox, name).await?;
        }
        Ok(())
    }

    pub(super) async fn delete<S: Sink>(
        &mut self,
        raw: &RawName,
        out: &mut S,
    ) -> Result<Done, Stop> {
        let (place, folder) = self.find(raw).await?;
        let Some(folder) = folder else {
            self.must_be_above(&place).await?;
            // RFC 9051 §6.3.5
            let text = "No folder has this name, and it's there for those that stand in it: delete or rename these";
            return Err(No::new("HASCHILDREN", text).into());
        };
        let boxes = &self.account.mailboxes;
        place.whose.delete(boxes, folder.id).await?;
        if self
            .selected
            .as_ref()
            .is_some_and(|open| open.view.id() == folder.id)
        {
            self.selected = None;
            out.line(format_args!("* OK [CLOSED] The folder is gone"));
        }
        Ok(Done::plain())
    }

    pub(super) async fn rename(&self, from: &RawName, to: &RawName) -> Result<Done, Stop> {
        let (from, folder) = self.find(from).await?;
        if folder.is_none() {
            self.must_be_above(&from).await?;
        }
        let to = self.makeable(to)?;
        if !from.is_beside(&to) {
            let text = "A folder can't leave its mailbox: make one there, and move the messages";
            return Err(No::new("CANNOT", text).into());
        }
        let refused = match from.name.special_use() {
            Some(special) if special != SpecialUse::Inbox => Some(ActRefusal::Special),
            None if to.name.below(&from.name).is_some() => Some(ActRefusal::IntoItself),
            _ => None,
        };
        if let Some(refused) = refused {
            return Err(MailboxError::from(refused).into());
        }
        self.must_be_free(&to).await?;
        self.must_be_shown(&from, &to).await?;
        self.make_parents(&to).await?;
        let boxes = &self.account.mailboxes;
        match folder {
            Some(folder) => boxes.rename(&folder, to.name).await?,
            None => {
                let mailbox = from.whose.mailbox(&self.account);
                boxes.rename_below(mailbox, from.name, to.name).await?;
            }
        }
        Ok(Done::plain())
    }

    /// A name that is no folder's has others in it, which LIST shows it for.
    async fn must_be_above(&self, place: &Place) -> Result<(), No> {
        let mailbox = place.whose.mailbox(&self.account);
        let folders = self.account.mailboxes.folders(mailbox).await?;
        let is_below = |folder: &Folder| folder.record.name.below(&place.name).is_some();
        match folders.iter().any(is_below) {
            true => Ok(()),
            false if place.name.as_str() == SHARED && self.has_roles() => {
                let text = "In Shared stand the mailboxes of roles: it stays as it is";
                Err(No::new("CANNOT", text))
            }
            false => Err(No::no_folder()),
        }
    }

    /// What stands in a folder that gets another name can still be called by its own: a role's folders are shown by longer
    /// ones than they have.
    async fn must_be_shown(&self, from: &Place, to: &Place) -> Result<(), No> {
        if !from.whose.is_role() {
            return Ok(());
        }
        let mailbox = from.whose.mailbox(&self.account);
        for folder in self.account.mailboxes.folders(mailbox).await? {
            let Some(rest) = folder.record.name.below(&from.name) else {
                continue;
            };
            let shown = format!("{}{rest}", to.whose.shown(&to.name));
            if FolderName::parse(&shown).is_err() {
                return Err(MailboxError::from(ActRefusal::NameTooLong).into());
            }
        }
        Ok(())
    }

    pub(super) async fn subscribe(&self, raw: &RawName, wanted: bool) -> Result<Done, Stop> {
        let Found { whose, folder } = self.folder(raw).await?;
        if whose.is_role() {
            // It isn't written down: what one of them doesn't want to see would be hidden from all.
            let text = "A role's folder is shown to all who are let into its mailbox";
            let no = No::new("CANNOT", text);
            return wanted.then(Done::plain).ok_or(no.into());
        }
        if folder.record.subscribed != wanted {
            self.account.mailboxes.subscribe(folder.id, wanted).await?;
        }
        Ok(Done::plain())
    }

    pub(super) async fn status<S: Sink>(
        &mut self,
        raw: &RawName,
        items: &[StatusItem],
        out: &mut S,
    ) -> Result<Done, Stop> {
        let Found { whose, folder } = self.folder(raw).await?;
        if items.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore(out);
        }
        let mut freed = 0;
        if items.contains(&StatusItem::DeletedStorage) {
            freed = self.deleted_room(&whose, &folder).await?;
        }
        let name = whose.shown(&folder.record.name);
        self.write_status(out.buffer(), &name, (&folder.record, freed), items);
        Ok(Done::plain())
    }

    /// `* STATUS INBOX (MESSAGES 3)`; beside the folder's row stands how much room an EXPUNGE would free, if it's asked for.
    pub(super) fn write_status(
        &self,
        out: &mut Vec<u8>,
        shown: &str,
        (folder, freed): (&FolderRecord, u64),
        items: &[StatusItem],
    ) {
        out.extend_from_slice(b"* STATUS ");
        write::name(out, shown, self.enabled.rev2);
        for (at, item) in items.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b" (" } else { b" " });
            let (name, number) = match item {
                StatusItem::Messages => ("MESSAGES", folder.messages),
                StatusItem::Recent => ("RECENT", 0),
                StatusItem::UidNext => ("UIDNEXT", folder.uid_next.0.into()),
                StatusItem::UidValidity => ("UIDVALIDITY", folder.uid_validity.into()),
                StatusItem::Unseen => ("UNSEEN", folder.unseen),
                StatusItem::Deleted => ("DELETED", folder.deleted),
                StatusItem::Size => ("SIZE", folder.bytes),
                StatusItem::HighestModSeq => ("HIGHESTMODSEQ", folder.highest_modseq.0),
                StatusItem::AppendLimit => ("APPENDLIMIT", self.message_size),
                StatusItem::DeletedStorage => ("DELETED-STORAGE", freed),
            };
            out.extend_from_slice(name.as_bytes());
            out.push(b' ');
            write::number(out, number);
        }
        out.extend_from_slice(b")\r\n");
    }
}
