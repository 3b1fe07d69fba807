//! The bytes of a mail that is kept, on their way into sealed chunks. The header of a staff member's mail is held until
//! it is whole: it must name nobody else as its author, and it goes on with our own `Received`, without a word of their
//! computer.

use super::super::held::Held;
use super::super::verdict;
use super::mail::Mail;
use crate::address::EmailAddress;
use crate::id::EntryId;
use crate::message::mime::field::header_end;
use crate::message::named::readers;
use crate::message::trace::{Defaults, behind_own_stamp, outgoing_header, relaxes_tls, said_twice};
use crate::smtp::server::Refusal;
use crate::store::{Body, BodyWriter, StoreError};

/// The longest header that a mail program of the staff's may write.
const LONGEST_HEADER: usize = 256 * 1024;

/// A mail on its way into the store.
pub(super) struct Kept {
    writer: BodyWriter,
    /// The header of a staff member's mail, until it is whole and can be rewritten.
    header: Option<Vec<u8>>,
    /// What that header became.
    rewritten: Option<Vec<u8>>,
    /// The header's room in the byte budget.
    held: Held,
    /// It was refused, for the disk has no more room for mail.
    pub(super) is_put_off: bool,
    /// Bytes above 127 were seen.
    pub(super) eight_bit: bool,
    /// The header says `TLS-Required: No` (RFC 8689 §5).
    pub(super) relaxes_tls: bool,
}

impl Kept {
    /// Begins; a mail that is judged gets its header last.
    pub(super) async fn begin(mail: &Mail, judged: bool) -> Result<Self, StoreError> {
        let mut held = mail.held();
        held.body().map_err(StoreError::from)?;
        let mut writer = mail.rooms.store.begin_body().await?;
        if judged {
            writer.head_comes_last();
        }
        Ok(Self {
            writer,
            header: mail.known.submitted_by.map(|_| Vec::new()),
            rewritten: None,
            held,
            is_put_off: false,
            eight_bit: false,
            relaxes_tls: false,
        })
    }

    /// Passes bytes on to the store; the header of a staff member's mail once it is whole.
    pub(super) async fn take(&mut self, mail: &Mail, bytes: &[u8]) -> Result<(), Refusal> {
        self.eight_bit |= !bytes.is_ascii();
        let Some(header) = &mut self.header else {
            return self.write(bytes).await;
        };
        let from = header.len().saturating_sub(3);
        header.extend_from_slice(bytes);
        if header.len() > LONGEST_HEADER {
            return Err(verdict::header_too_long());
        }
        self.held
            .hold(header.capacity())
            .map_err(|_| verdict::no_room())?;
        if memchr::memmem::find(&header[from..], b"\r\n\r\n").is_some() {
            self.pass_header_on(mail).await?;
        }
        Ok(())
    }

    /// Ends the body; `head` is what a mail gets that is judged. Answers as well what a staff member's header became.
    pub(super) async fn end(
        mut self,
        mail: &Mail,
        head: Option<&[u8]>,
    ) -> Result<(Body, Option<Vec<u8>>), Refusal> {
        self.pass_header_on(mail).await?;
        let body = match head {
            Some(head) => self.writer.finish_behind(head),
            None => self.writer.finish(),
        };
        Ok((body, self.rewritten))
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let written = self.writer.write(bytes).await;
        written.map_err(|error| {
            self.is_put_off = matches!(error, StoreError::Reserved { .. });
            verdict::store(&error)
        })
    }

    async fn pass_header_on(&mut self, mail: &Mail) -> Result<(), Refusal> {
        let Some(header) = self.header.take() else {
            return Ok(());
        };
        mail.check_writers(&header)?;
        mail.check_readers(&header)?;
        said_twice(&header).map_or(Ok(()), |name| Err(verdict::said_twice(name)))?;
        self.relaxes_tls = relaxes_tls(&header);
        let mut rewritten = mail.rewritten(&header)?;
        self.write(&rewritten).await?;
        rewritten.truncate(header_end(&rewritten, 0).unwrap_or(rewritten.len()));
        self.rewritten = Some(rewritten);
        Ok(())
    }
}

impl Mail {
    /// A staff member's mail names nobody else as its author.
    fn check_writers(&self, header: &[u8]) -> Result<(), Refusal> {
        let Some(staff) = self.known.submitted_by else {
            return Ok(());
        };
        let roll = self.rooms.staff.roll();
        let member = roll.by_id(staff).ok_or_else(verdict::revoked)?;
        let checked = self.rooms.check_writers(member, header);
        checked.map_err(verdict::wrong_writer)
    }

    /// A staff member's mail is for no more people outside than a list would be needed for, however it was cut up.
    fn check_readers(&self, header: &[u8]) -> Result<(), Refusal> {
        let readers = readers(header).map_err(|error| verdict::unreadable(&error))?;
        let most = self.rooms.config().staff.outside_recipients;
        let outside = self.bound.outside_with(&self.rooms, &readers);
        match outside > usize::try_from(most).unwrap_or(usize::MAX) {
            true => Err(verdict::too_many_outside(most)),
            false => Ok(()),
        }
    }

    /// What the header of a staff member's mail becomes: nothing of their computer, and a date and an id of ours if
    /// there are none. What of the body came with it stays behind it.
    fn rewritten(&self, header: &[u8]) -> Result<Vec<u8>, Refusal> {
        let config = self.rooms.config();
        let id = format!("{}@{}", EntryId::random(), config.domain());
        let defaults = Defaults {
            message_id: &id,
            date: self.known.received_at,
            sender: self.sender.as_ref().map(EmailAddress::as_str),
        };
        let (stamp, written) = behind_own_stamp(header);
        let outgoing = outgoing_header(written, &defaults);
        let (outgoing, used) = outgoing.map_err(|error| verdict::unreadable(&error))?;
        Ok([stamp, &outgoing, &written[used..]].concat())
    }
}
