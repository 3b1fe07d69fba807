//! COPY, MOVE and EXPUNGE (RFC 9051 §6.4.3, §6.4.7, §6.4.8).

use super::selected::Selected;
use super::{Desk, Done, No, Sink, Stop};
use crate::imap::command::{Numbers, Transfer};
use crate::imap::host::Account;
use crate::imap::write;
use crate::mailbox::Halfway;
use crate::store::{ActDone, Flags, Uid};

impl Desk {
    pub(super) async fn transfer<S: Sink>(
        &mut self,
        transfer: &Transfer,
        out: &mut S,
    ) -> Result<Done, Stop> {
        let (selected, ..) = self.open()?;
        if transfer.moves && selected.read_only {
            return Err(No::read_only().into());
        }
        let places = selected.places(&transfer.numbers, transfer.uid)?;
        let uids = selected.uids_at(&places);
        let (from, whose) = (selected.view.id(), selected.whose.clone());
        let to = self.folder_to_fill(&transfer.to).await?.folder;
        let room = Some(self.account.room.now());
        let boxes = &self.account.mailboxes;
        let done = match transfer.moves {
            true => whose.move_to(boxes, (from, &uids), to.id, room).await,
            false => boxes
                .copy(from, &uids, to.id, room)
                .await
                .map_err(Halfway::from),
        };
        if let Some(selected) = &mut self.selected {
            // Also a copy may go into the open folder.
            selected.stirred = true;
        }
        let (done, failed) = match done {
            Ok(done) => (done, None),
            Err(Halfway { done, error }) => (*done, Some(No::from(error).try_create())),
        };
        let code = copied(&done);
        if let Some(code) = code.as_ref().filter(|_| transfer.moves) {
            // Before the numbers move (RFC 6851 §4.3); and what was moved before it failed has moved.
            out.line(format_args!("* OK [{code}] Moved"));
        }
        match (failed, code) {
            (Some(no), _) => Err(no.into()),
            (None, None) => Ok(Done::plain()),
            (None, Some(code)) if !transfer.moves => Ok(Done::coded(&code)),
            // RFC 6851 §4.4
            (None, Some(_)) if self.enabled.qresync => Ok(Done::AsOfNow),
            (None, Some(_)) => Ok(Done::plain()),
        }
    }
}

/// `COPYUID 38505 304,319:320 3956:3958`; none if nothing was copied.
fn copied(done: &ActDone) -> Option<String> {
    let (_, first) = done.placed.first()?;
    let mut text = format!("COPYUID {} ", first.uid_validity).into_bytes();
    write::set(&mut text, done.placed.iter().map(|(uid, _)| uid.0));
    text.push(b' ');
    write::set(
        &mut text,
        done.placed.iter().map(|(_, placed)| placed.uid.0),
    );
    Some(String::from_utf8_lossy(&text).into_owned())
}

impl Selected {
    /// The last message that the client was told of.
    pub(super) fn newest(&self) -> Option<Uid> {
        self.view.known().last().map(|one| one.uid)
    }

    /// Takes out what is marked as deleted: all up to the newest, or of these UIDs. Whether anything was.
    pub(super) async fn expunge(
        &mut self,
        account: &Account,
        numbers: Option<&Numbers>,
        newest: Option<Uid>,
    ) -> Result<bool, Stop> {
        if self.read_only {
            return Err(No::read_only().into());
        }
        let uids: Vec<Uid> = match numbers {
            None => {
                let all = self.view.known().iter();
                let marked = all.filter(|one| one.flags.has(Flags::DELETED));
                let marked = marked.filter(|one| Some(one.uid) <= newest);
                marked.map(|one| one.uid).collect()
            }
            Some(numbers) => {
                let places = self.places(numbers, true)?;
                self.uids_at(&places)
            }
        };
        if uids.is_empty() {
            return Ok(false);
        }
        let (boxes, folder) = (&account.mailboxes, self.view.id());
        let done = self.whose.expunge(boxes, folder, &uids, true).await?;
        self.stirred = true;
        Ok(!done.expunged.is_empty())
    }
}
