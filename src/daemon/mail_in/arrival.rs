//! A mail on its way in: its bytes go into sealed chunks as they come, its beginning is kept for a glance, and once it
//! is whole everything that follows from it is committed in one transaction, before the `250`.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::rooms::Rooms;
use super::checks::{Checked, Checking};
use super::envelope::Bound;
use super::verdict;
use crate::address::EmailAddress;
use crate::consent::constituency::Code;
use crate::consent::{ConsentError, Extent};
use crate::delivery::queue::{StaffMail, queue_staff_mail};
use crate::id::{EntryId, MessageId};
use crate::list::{Submission, Target};
use crate::mailbox::glance::{Glance, HEAD, glance};
use crate::message::trace::{Defaults, MOST_HOPS, count_received, outgoing_header, relaxes_tls};
use crate::smtp::server::{Accepted, Body, Envelope, Refusal};
use crate::staff::SendPlace;
use crate::store::{
    AcceptMessage, BodyWriter, Bounce, BounceRecord, Entry, EntryRecord, IntakeRecord,
    MessageRecord, Needs, Step, TlsWish,
};

/// The folder in which new mail stands.
const INBOX: &str = "INBOX";
/// The folder of mail that its author's domain warns of.
const JUNK: &str = "Junk";
/// The longest header that a mail program of the staff's may write.
const LONGEST_HEADER: usize = 256 * 1024;

/// A mail that is being received.
pub struct Arrival {
    rooms: Arc<Rooms>,
    bound: Bound,
    known: MessageRecord,
    /// The envelope's sender, if it is an address that can be answered.
    sender: Option<EmailAddress>,
    /// None for mail that only asks something of us: it is read, and not kept.
    writer: Option<BodyWriter>,
    /// The beginning, for a glance.
    head: Vec<u8>,
    /// A mail for a list: it is read whole before it is judged.
    post: Option<Post>,
    /// A stranger's mail, and what is found out about it.
    checking: Option<Checking>,
    /// A staff member's mail counts among those of the day.
    place: Option<SendPlace>,
    /// The header of a staff member's mail, until it is whole and can be rewritten.
    header: Option<Vec<u8>>,
    /// Bytes above 127 were seen.
    eight_bit: bool,
    /// The envelope or the header is in UTF-8 (RFC 6531).
    utf8: bool,
    /// What its sender asks of the connections that it goes on over.
    tls: TlsWish,
    size: u64,
}

/// A mail that is to become a mailing.
struct Post {
    list: String,
    constituency: Option<String>,
    message: Vec<u8>,
    limit: usize,
}

/// What an answer to a copy of ours has done, whose Message-ID proves it.
enum ByReply {
    Nothing,
    Withdrawn,
    /// Sending pauses once this step is taken, and one button is mailed.
    Asked(Box<Step>),
}

impl Arrival {
    pub(super) async fn begin(
        rooms: Arc<Rooms>,
        envelope: &Envelope,
        bound: Bound,
    ) -> Result<Self, Refusal> {
        let sender = envelope.reverse_path.mailbox();
        let known = MessageRecord {
            received_at: rooms.clock.now(),
            size: 0,
            reverse_path: sender.map(|mailbox| mailbox.as_str().to_owned()),
            recipients: envelope
                .recipients
                .iter()
                .map(|path| {
                    path.mailbox()
                        .map_or("postmaster", |mailbox| mailbox.as_str())
                        .to_owned()
                })
                .collect(),
            submitted_by: envelope.caller.staff,
        };
        let place = place(&rooms, &known, &bound)?;
        let checking = (known.submitted_by.is_none() && bound.is_judged())
            .then(|| rooms.checks().begin(envelope));
        let mut writer = if bound.is_kept() {
            Some(
                rooms
                    .store
                    .begin_body()
                    .await
                    .map_err(|error| verdict::store(&error))?,
            )
        } else {
            None
        };
        if let (Some(writer), true) = (&mut writer, checking.is_some()) {
            writer.head_comes_last();
        }
        let post = bound.lists.first().map(|(list, constituency)| Post {
            limit: rooms.max_list_size(list),
            list: list.clone(),
            constituency: constituency.clone(),
            message: Vec::new(),
        });
        Ok(Self {
            header: (known.submitted_by.is_some() && writer.is_some()).then(Vec::new),
            post,
            checking,
            place,
            eight_bit: false,
            sender: sender.and_then(|mailbox| EmailAddress::parse(mailbox.as_str()).ok()),
            utf8: envelope.utf8,
            tls: match envelope.require_tls {
                true => TlsWish::Required,
                false => TlsWish::Usual,
            },
            rooms,
            bound,
            known,
            writer,
            head: Vec::new(),
            size: 0,
        })
    }

    /// What the mail asks of us, beside being kept.
    fn glance(&self) -> Glance {
        glance(&self.head, self.size == self.head.len() as u64)
    }

    /// Withdrawals whose proof is a token: no verdict about the mail refuses or delays them.
    async fn withdraw(&self, glance: &Glance) -> Result<ByReply, Refusal> {
        for (list, who) in &self.bound.withdrawals {
            let token = self.rooms.store.vault().withdrawal_token(*list, who);
            self.rooms
                .consent
                .withdraw(
                    &token,
                    Extent::AsToken,
                    crate::consent::WithdrawalChannel::Mail,
                )
                .await
                .map_err(consent_refusal)?;
        }
        self.stop_by_reply(glance).await
    }

    /// A mail to a list's `+subscribe`: its sender gets a challenge.
    async fn subscribe(&self, glance: &Glance) -> Result<(), Refusal> {
        if glance.automatic {
            return Ok(());
        }
        let Some(sender) = &self.sender else {
            return Ok(());
        };
        for list in &self.bound.subscribe {
            match self
                .rooms
                .consent
                .subscribe_by_mail(sender.clone(), list)
                .await
            {
                Ok(()) => {}
                Err(ConsentError::UnknownList(_)) => return Err(Refusal::no_such_mailbox()),
                Err(error) => return Err(consent_refusal(error)),
            }
        }
        Ok(())
    }

    /// Whether a stop in this mail may do anything: a program's never does, nor a staff member's.
    fn may_stop(&self, glance: &Glance) -> bool {
        !glance.automatic && self.known.submitted_by.is_none()
    }

    /// A stop in answer to a copy of ours is a withdrawal: the Message-ID that it names is signed. An answer that only
    /// speaks of it in a sentence pauses, and asks.
    async fn stop_by_reply(&self, glance: &Glance) -> Result<ByReply, Refusal> {
        let speaks = glance.says_stop || glance.speaks_of_stop;
        if !speaks || !self.may_stop(glance) || !self.bound.is_kept() {
            return Ok(ByReply::Nothing);
        }
        let consent = &self.rooms.consent;
        let domains = self.rooms.config().domains.clone();
        let ids = glance.answers.iter().filter_map(|id| id.split_once('@'));
        for (token, _) in
            ids.filter(|(_, domain)| domains.iter().any(|own| own.as_str() == *domain))
        {
            if !glance.says_stop {
                let question = consent.question_by_reply(token).await;
                if let Some(question) = question.map_err(consent_refusal)? {
                    return Ok(ByReply::Asked(Box::new(consent.intake_step(question))));
                }
            } else if consent
                .withdraw_by_reply(token)
                .await
                .map_err(consent_refusal)?
            {
                return Ok(ByReply::Withdrawn);
            }
        }
        Ok(ByReply::Nothing)
    }

    /// Any other stop only pauses, and asks.
    fn pause(&self, glance: &Glance) -> Option<Step> {
        if !glance.says_stop || !self.may_stop(glance) {
            return None;
        }
        self.sender.clone().map(|address| {
            let at = self.rooms.clock.now();
            self.rooms.consent.intake_step(IntakeRecord::BareStop {
                address,
                list: None,
                at,
            })
        })
    }

    /// A mail for a list: the list room judges it.
    async fn submit(&mut self) -> Result<Option<Accepted>, Refusal> {
        let Some(post) = self.post.take() else {
            return Ok(None);
        };
        let actor = self
            .known
            .submitted_by
            .and_then(|staff| self.rooms.staff.actor(staff))
            .ok_or_else(verdict::revoked)?;
        let code = post.constituency.as_deref().map(Code::parse);
        let target = Target::from(code.and_then(Result::ok));
        let submission = Submission {
            target,
            list: post.list,
            reverse_path: self.sender.clone(),
            message: post.message.into(),
        };
        match self.rooms.mailings.submit(&actor, submission).await {
            Ok(held) => {
                self.rooms.bell.wake();
                let note = format!("Held as mailing {}", held.id).into();
                Ok(Some(Accepted { note }))
            }
            Err(error) => Err(verdict::not_a_mailing(&error)),
        }
    }

    /// A staff member's mail names nobody else as its author.
    fn check_writers(&self, header: &[u8]) -> Result<(), Refusal> {
        let Some(staff) = self.known.submitted_by else {
            return Ok(());
        };
        let roll = self.rooms.staff.roll();
        let member = roll.by_id(staff).ok_or_else(verdict::revoked)?;
        self.rooms
            .check_writers(member, header)
            .map_err(verdict::wrong_writer)
    }

    /// What the header of a staff member's mail becomes: nothing of their computer, and a date and an id of ours if
    /// there are none.
    fn rewritten(&self, header: &[u8]) -> Result<Vec<u8>, Refusal> {
        let config = self.rooms.config();
        let id = format!("{}@{}", EntryId::random(), config.domain());
        let defaults = Defaults {
            message_id: &id,
            date: self.known.received_at,
        };
        let (mut rewritten, used) =
            outgoing_header(header, &defaults).map_err(|error| verdict::unreadable(&error))?;
        rewritten.extend_from_slice(&header[used..]);
        Ok(rewritten)
    }

    /// Passes bytes on to the store; the header of a staff member's mail once it is whole.
    async fn pass_on(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let bytes = match &mut self.checking {
            Some(checking) => checking.take(bytes)?,
            None => bytes,
        };
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let Some(header) = &mut self.header else {
            let written = writer.write(bytes).await;
            return written.map_err(|error| verdict::store(&error));
        };
        let from = header.len().saturating_sub(3);
        header.extend_from_slice(bytes);
        if header.len() > LONGEST_HEADER {
            return Err(verdict::header_too_long());
        }
        if memchr::memmem::find(&header[from..], b"\r\n\r\n").is_some() {
            self.pass_header_on().await?;
        }
        Ok(())
    }

    async fn pass_header_on(&mut self) -> Result<(), Refusal> {
        let Some(header) = self.header.take() else {
            return Ok(());
        };
        self.check_writers(&header)?;
        // REQUIRETLS goes before it (RFC 8689 §5).
        if self.tls == TlsWish::Usual && relaxes_tls(&header) {
            self.tls = TlsWish::Relaxed;
        }
        let rewritten = self.rewritten(&header)?;
        match &mut self.writer {
            Some(writer) => {
                let written = writer.write(&rewritten).await;
                written.map_err(|error| verdict::store(&error))
            }
            None => Ok(()),
        }
    }

    /// The queue's rows for recipients outside.
    fn leaving(&self, message: MessageId) -> Vec<Step> {
        let Some(sender) = self.known.submitted_by else {
            return Vec::new();
        };
        let mail = StaffMail {
            message,
            sender,
            reverse_path: self.sender.as_ref(),
            recipients: &self.bound.outside,
            prefix: None,
            needs: Needs {
                smtputf8: self.utf8,
                eight_bit: self.eight_bit,
            },
            tls: self.tls,
        };
        queue_staff_mail(&self.rooms.schedule(), &mail, self.known.received_at).collect()
    }

    /// What was found out about a stranger's mail.
    async fn check(&mut self) -> Result<Option<Checked>, Refusal> {
        let Some(checking) = self.checking.take() else {
            return Ok(None);
        };
        let now = self.rooms.clock.now();
        let checks = self.rooms.checks();
        checks.finish(checking, now).await.map(Some)
    }

    async fn keep(mut self, checked: Option<Checked>, stop: Option<Step>) -> Result<(), Refusal> {
        self.pass_header_on().await?;
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let junk = checked.as_ref().is_some_and(|checked| checked.junk);
        let body = match &checked {
            Some(checked) => writer.finish_behind(&checked.head),
            None => writer.finish(),
        };
        let (vault, id) = (self.rooms.store.vault(), body.id());
        let now = self.known.received_at;
        let mut message = AcceptMessage::new(vault, body, self.known.clone());
        for mailbox in &self.bound.mailboxes {
            let record = EntryRecord {
                folder: if junk { JUNK } else { INBOX }.into(),
                kept_at: now,
            };
            message = message.keep_in(Entry::new(vault, *mailbox, id, record));
        }
        for copy in &self.bound.returned {
            let record = BounceRecord { received_at: now };
            let bounce = Bounce {
                id: EntryId::random(),
                copy: *copy,
                message: id,
                record,
            };
            message = message.and(Step::PutBounce(bounce));
        }
        let (asks, leaves) = (stop.is_some(), !self.bound.outside.is_empty());
        message = self
            .leaving(id)
            .into_iter()
            .fold(message, AcceptMessage::and);
        message = stop.into_iter().fold(message, AcceptMessage::and);
        let place = self.place.take();
        let counted = place.as_ref().map(SendPlace::step);
        message = counted.into_iter().fold(message, AcceptMessage::and);
        self.rooms
            .store
            .accept(message)
            .await
            .map_err(|error| verdict::store(&error))?;
        if let Some(place) = place {
            place.use_up();
        }
        if asks {
            self.rooms.consent.work_came();
        }
        if leaves {
            self.rooms.bell.wake();
        }
        Ok(())
    }
}

/// What a staff member sends counts, mailings aside: those have a second person. Nor does what only asks something of
/// us count, so that nobody's withdrawal waits.
fn place(
    rooms: &Rooms,
    known: &MessageRecord,
    bound: &Bound,
) -> Result<Option<SendPlace>, Refusal> {
    let Some(staff) = known.submitted_by.filter(|_| bound.is_kept()) else {
        return Ok(None);
    };
    let most = rooms.config().staff.messages_per_day;
    let place = rooms.staff.sent().place(staff, known.received_at, most);
    place.map(Some).ok_or_else(|| verdict::too_many_today(most))
}

impl Bound {
    fn is_kept(&self) -> bool {
        !self.mailboxes.is_empty() || !self.returned.is_empty() || !self.outside.is_empty()
    }

    /// Whether it matters who wrote it. What came to a signed address alone proves itself.
    fn is_judged(&self) -> bool {
        !self.mailboxes.is_empty() || !self.subscribe.is_empty()
    }
}

fn consent_refusal(error: ConsentError) -> Refusal {
    match error {
        ConsentError::Store(error) => verdict::store(&error),
        error => {
            tracing::error!(%error, "a mail's request was not taken");
            Refusal::try_later()
        }
    }
}

impl Body for Arrival {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.size += bytes.len() as u64;
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.eight_bit |= !bytes.is_ascii();
        if let Some(post) = &mut self.post {
            if post.message.len() + bytes.len() > post.limit {
                return Err(verdict::too_big_for_a_list(post.limit));
            }
            post.message.extend_from_slice(bytes);
            return Ok(());
        }
        self.pass_on(bytes).await
    }

    async fn finish(mut self) -> Result<Accepted, Refusal> {
        if count_received(&self.head) > MOST_HOPS {
            return Err(verdict::loops());
        }
        if let Some(held) = self.submit().await? {
            return Ok(held);
        }
        let glance = self.glance();
        let by_reply = self.withdraw(&glance).await?;
        let checked = self.check().await?;
        let junk = checked.as_ref().is_some_and(|checked| checked.junk);
        if junk && !self.bound.is_kept() {
            return Err(verdict::suspect_request());
        }
        let mut stop = None;
        if !junk {
            self.subscribe(&glance).await?;
            // A forged stop must not pause anybody.
            stop = self.pause(&glance);
        }
        let stop = match by_reply {
            ByReply::Nothing => stop,
            ByReply::Asked(question) => Some(*question),
            ByReply::Withdrawn => None,
        };
        self.keep(checked, stop).await?;
        Ok(Accepted {
            note: Cow::Borrowed("Taken"),
        })
    }
}
