//! Folders as a whole.

use super::{Desk, Done, No, Sink, Stop};
use crate::imap::command::{RawName, StatusItem};
use crate::imap::write;
use crate::store::{Folder, FolderName, FolderRecord};

impl Desk {
    /// The folder of this name.
    pub(super) async fn folder(&self, raw: &RawName) -> Result<Folder, No> {
        let name = self.name(raw)?;
        let mailbox = self.account.mailbox;
        let found = self.account.mailboxes.named(mailbox, &name).await?;
        found.ok_or_else(No::no_folder)
    }

    pub(super) async fn create(&self, raw: &RawName, special: bool) -> Result<Done, Stop> {
        // A delimiter at the end says that folders are to stand in it, as they may in all (RFC 9051 §6.3.4).
        let plain = RawName(raw.0.strip_suffix(b"/").unwrap_or(&raw.0).to_vec());
        let name = self.name(&plain)?;
        if special {
            let text = "Each special use has its folder already";
            return Err(No::new("USEATTR", text).into());
        }
        self.make_parents(&name).await?;
        self.account
            .mailboxes
            .create(self.account.mailbox, name)
            .await?;
        Ok(Done::plain())
    }

    /// Makes the folders in which a name stands, where they aren't there.
    async fn make_parents(&self, name: &FolderName) -> Result<(), No> {
        let mut missing = Vec::new();
        let mut above = name.parent();
        while let Some(name) = above {
            if self
                .account
                .mailboxes
                .named(self.account.mailbox, &name)
                .await?
                .is_some()
            {
                break;
            }
            above = name.parent();
            missing.push(name);
        }
        for name in missing.into_iter().rev() {
            self.account
                .mailboxes
                .create(self.account.mailbox, name)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn delete<S: Sink>(
        &mut self,
        raw: &RawName,
        out: &mut S,
    ) -> Result<Done, Stop> {
        let folder = self.folder(raw).await?;
        self.account.mailboxes.delete(folder.id).await?;
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
        let folder = self.folder(from).await?;
        let name = self.name(to)?;
        self.make_parents(&name).await?;
        self.account.mailboxes.rename(&folder, name).await?;
        Ok(Done::plain())
    }

    pub(super) async fn subscribe(&self, raw: &RawName, wanted: bool) -> Result<Done, Stop> {
        let folder = self.folder(raw).await?;
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
        let folder = self.folder(raw).await?;
        self.enabled.condstore |= items.contains(&StatusItem::HighestModSeq);
        write_status(out.buffer(), &folder.record, items, self.enabled.rev2);
        Ok(Done::plain())
    }
}

/// `* STATUS INBOX (MESSAGES 3)`
pub(super) fn write_status(
    out: &mut Vec<u8>,
    folder: &FolderRecord,
    items: &[StatusItem],
    utf8: bool,
) {
    out.extend_from_slice(b"* STATUS ");
    write::name(out, folder.name.as_str(), utf8);
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
        };
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        write::number(out, number);
    }
    out.extend_from_slice(b")\r\n");
}
