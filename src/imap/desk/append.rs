//! APPEND (RFC 9051 §6.3.12, RFC 3502): messages go into sealed chunks as they come, and are taken together once the last is
//! whole.

use super::place::Found;
use super::selected::read_marks;
use super::{Desk, Done, Ended, No, Sink, Stop, Telling};
use crate::imap::command::{AppendHead, RawName, Tag};
use crate::imap::write;
use crate::mailbox::Appended;
use crate::message::outline::Scanner;
use crate::net::{Load, Whose};
use crate::store::{BodyWriter, CHUNK, Marks, Room, room_of};

/// The most that the messages of one APPEND hold in memory until the last is whole: of each its end, and its outline.
const MOST: usize = 16 * CHUNK;

/// An APPEND that is coming in.
pub(super) struct Appending {
    to: Found,
    whole: Vec<Appended>,
    coming: Option<Coming>,
    /// How much room they take.
    size: u64,
    /// What whole messages hold in memory.
    held: usize,
    room: Room,
    /// What lies on the disk of it and isn't anybody's yet, among all that comes in.
    under_way: Load,
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
        let to = self.folder_to_fill(name).await?;
        self.append = Some(Appending {
            to,
            whole: Vec::new(),
            coming: None,
            size: 0,
            held: 0,
            room: self.account.mailboxes.held(),
            under_way: self
                .account
                .under_way
                .begin(Whose::Staff(self.account.entrant.staff)),
        });
        Ok(())
    }

    /// A message of it begins.
    pub(in crate::imap) async fn append_begin(&mut self, head: AppendHead) -> Result<(), No> {
        let account = &self.account;
        let append = self.append.as_mut().ok_or_else(No::no_folder)?;
        let marks = read_marks(&head.flags)?;
        append.size = append.size.saturating_add(room_of(head.size));
        account
            .mailboxes
            .check_room(append.to.folder.mailbox, append.size, account.room.now())
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
        let more = append.under_way.add(octets.len() as u64);
        more.map_err(|_| {
            let text = "Too much mail is coming in at once, please try again later";
            No::new("UNAVAILABLE", text)
        })?;
        coming.outline.take(octets);
        Ok(coming.writer.write(octets).await?)
    }

    /// The message is whole.
    pub(in crate::imap) fn append_end(&mut self) -> Result<(), No> {
        let append = self.append.as_mut().ok_or_else(No::no_folder)?;
        let coming = append.coming.take().ok_or_else(No::no_folder)?;
        let whole = Appended {
            body: coming.writer.finish(),
            outline: Some(coming.outline.finish()),
            marks: coming.marks,
            received_at: coming.head.date,
        };
        append.held += whole.held();
        append.whole.push(whole);
        // One alone is taken at once.
        if append.whole.len() == 1 {
            return Ok(());
        }
        if append.held > MOST {
            let text = "The messages of one APPEND are too much together; append them in several";
            return Err(No::new("LIMIT", text));
        }
        let held = append.room.hold(append.held);
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
        self.look_again()?;
        let done = self.take_append().await;
        self.answer(tag, done, Telling::All, out).await
    }

    async fn take_append(&mut self) -> Result<Done, Stop> {
        let append = self.append.take().ok_or_else(No::no_folder)?;
        let account = &self.account;
        // It may have taken its time, and they may have been shut out meanwhile.
        let still = append.to.whose.again(&account.let_in);
        still.ok_or_else(No::no_folder)?;
        let folder = &append.to.folder;
        let placed = account
            .mailboxes
            .append_all(folder, append.whole, account.room.now())
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
