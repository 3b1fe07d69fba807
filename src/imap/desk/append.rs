//! APPEND (RFC 9051 §6.3.12, RFC 3502): messages go into sealed chunks as they come, and are taken together once the last is
//! whole.

use super::selected::read_marks;
use super::{Desk, Done, Ended, No, Sink, Stop, Telling};
use crate::imap::command::{AppendHead, RawName, Tag};
use crate::imap::write;
use crate::mailbox::Appended;
use crate::message::outline::Scanner;
use crate::store::{BodyWriter, CHUNK, Folder, Marks, Room};

/// An APPEND that is coming in.
pub(super) struct Appending {
    folder: Folder,
    whole: Vec<Appended>,
    coming: Option<Coming>,
    size: u64,
    /// What whole messages hold in memory.
    room: Room,
}

/// A message of it.
struct Coming {
    head: AppendHead,
    marks: Marks,
    writer: BodyWriter,
    outline: Scanner,
}

impl Desk {
    /// An APPEND to this folder begins.
    pub(in crate::imap) async fn append_to(&mut self, name: &RawName) -> Result<(), No> {
        self.append = None;
        let folder = self.folder(name).await.map_err(No::try_create)?;
        self.append = Some(Appending {
            folder,
            whole: Vec::new(),
            coming: None,
            size: 0,
            room: self.account.mailboxes.held(),
        });
        Ok(())
    }

    /// A message of it begins.
    pub(in crate::imap) async fn append_begin(&mut self, head: AppendHead) -> Result<(), No> {
        let account = &self.account;
        let append = self.append.as_mut().ok_or_else(No::no_folder)?;
        let marks = read_marks(&head.flags)?;
        append.size = append.size.saturating_add(head.size);
        account
            .mailboxes
            .check_room(account.mailbox, append.size, account.room)
            .await?;
        append.coming = Some(Coming {
            head,
            marks,
            writer: account.mailboxes.begin().await?,
            outline: Scanner::default(),
        });
        Ok(())
    }

    /// Octets of the message.
    pub(in crate::imap) async fn append_octets(&mut self, octets: &[u8]) -> Result<(), No> {
        let append = self.append.as_mut().ok_or_else(No::no_folder)?;
        let coming = append.coming.as_mut().ok_or_else(No::no_folder)?;
        if memchr::memchr(0, octets).is_some() {
            return Err(match coming.head.binary {
                // RFC 3516 §4.4
                true => No::new("UNKNOWN-CTE", "A message that holds a NUL can't be kept"),
                false => No::bad("A message holds no NUL"),
            });
        }
        coming.outline.take(octets);
        Ok(coming.writer.write(octets).await?)
    }

    /// The message is whole.
    pub(in crate::imap) fn append_end(&mut self) -> Result<(), No> {
        let append = self.append.as_mut().ok_or_else(No::no_folder)?;
        let coming = append.coming.take().ok_or_else(No::no_folder)?;
        append.whole.push(Appended {
            body: coming.writer.finish(),
            outline: Some(coming.outline.finish()),
            marks: coming.marks,
            received_at: coming.head.date,
        });
        let held = (append.whole.len() - 1).saturating_mul(CHUNK);
        let held = append.room.hold(held);
        held.map_err(|error| No::new("LIMIT", error.to_string()))
    }

    /// Drops what isn't wanted any more.
    pub(in crate::imap) fn forget_append(&mut self) {
        self.append = None;
    }

    /// All messages are whole: they are taken together.
    pub(in crate::imap) async fn append_finish<S: Sink>(
        &mut self,
        tag: &Tag,
        out: &mut S,
    ) -> Result<(), Ended> {
        let done = self.take_append().await;
        self.answer(tag, done, Telling::All, out).await
    }

    async fn take_append(&mut self) -> Result<Done, Stop> {
        let append = self.append.take().ok_or_else(No::no_folder)?;
        let folder = &append.folder;
        let account = &self.account;
        let placed = account
            .mailboxes
            .append_all(folder, append.whole, account.room)
            .await
            .map_err(|error| No::from(error).try_create())?;
        if let Some(selected) = self
            .selected
            .as_mut()
            .filter(|open| open.view.id() == folder.id)
        {
            selected.stirred = true;
        }
        let Some(first) = placed.first() else {
            return Ok(Done::plain());
        };
        let mut code = format!("APPENDUID {} ", first.uid_validity).into_bytes();
        write::set(&mut code, placed.iter().map(|placed| placed.uid.0));
        Ok(Done::coded(&String::from_utf8_lossy(&code)))
    }
}
