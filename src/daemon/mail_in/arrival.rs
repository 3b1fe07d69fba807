//! A mail on its way in: its bytes go into sealed chunks as they come, its beginning is kept for a glance, and once it
//! is whole everything that follows from it is committed in one transaction, before the `250`.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::rooms::Rooms;
use super::envelope::Bound;
use super::verdict;
use crate::address::EmailAddress;
use crate::consent::{ConsentError, Extent};
use crate::id::EntryId;
use crate::mailbox::glance::{Glance, HEAD, glance};
use crate::message::trace::{MOST_HOPS, count_received};
use crate::smtp::server::{Accepted, Body, Envelope, Refusal};
use crate::store::{
    AcceptMessage, BodyWriter, Bounce, BounceRecord, Entry, EntryRecord, IntakeRecord,
    MessageRecord, Step,
};

/// The folder in which new mail stands.
const INBOX: &str = "INBOX";

/// A mail that is being received.
pub struct Arrival {
    rooms: Arc<Rooms>,
    bound: Bound,
    known: MessageRecord,
    /// The envelope's sender, if it is an address that can be answered.
    sender: Option<EmailAddress>,
    /// None for mail that only asks something of us: it is read, and not kept.
    writer: Option<BodyWriter>,
    head: Vec<u8>,
    size: u64,
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
        let writer = if bound.is_kept() {
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
        Ok(Self {
            sender: sender.and_then(|mailbox| EmailAddress::parse(mailbox.as_str()).ok()),
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

    /// Everything that a mail without a mailbox asks: withdrawals, subscriptions.
    async fn ask(&self, glance: &Glance) -> Result<(), Refusal> {
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

    /// A stop in answer to a copy of ours is a withdrawal: the Message-ID that it names is signed. Any other only
    /// pauses, and asks.
    async fn stop(&self, glance: &Glance) -> Result<Option<Step>, Refusal> {
        if !glance.says_stop || glance.automatic || self.known.submitted_by.is_some() {
            return Ok(None);
        }
        for id in &glance.answers {
            let Some((token, domain)) = id.split_once('@') else {
                continue;
            };
            let ours = self
                .rooms
                .config()
                .domains
                .iter()
                .any(|own| own.as_str() == domain);
            if ours
                && self
                    .rooms
                    .consent
                    .withdraw_by_reply(token)
                    .await
                    .map_err(consent_refusal)?
            {
                return Ok(None);
            }
        }
        Ok(self.sender.clone().map(|address| {
            let at = self.rooms.clock.now();
            self.rooms.consent.intake_step(IntakeRecord::BareStop {
                address,
                list: None,
                at,
            })
        }))
    }

    async fn keep(mut self, glance: &Glance) -> Result<(), Refusal> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let stop = self.stop(glance).await?;
        let body = writer.finish();
        let (vault, id) = (self.rooms.store.vault(), body.id());
        let now = self.known.received_at;
        let mut message = AcceptMessage::new(vault, body, self.known.clone());
        for mailbox in &self.bound.mailboxes {
            let record = EntryRecord {
                folder: INBOX.into(),
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
        let asks = stop.is_some();
        message = stop.into_iter().fold(message, AcceptMessage::and);
        self.rooms
            .store
            .accept(message)
            .await
            .map_err(|error| verdict::store(&error))?;
        if asks {
            self.rooms.consent.work_came();
        }
        Ok(())
    }
}

impl Bound {
    fn is_kept(&self) -> bool {
        !self.mailboxes.is_empty() || !self.returned.is_empty()
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
        match &mut self.writer {
            Some(writer) => writer
                .write(bytes)
                .await
                .map_err(|error| verdict::store(&error)),
            None => Ok(()),
        }
    }

    async fn finish(self) -> Result<Accepted, Refusal> {
        if count_received(&self.head) > MOST_HOPS {
            return Err(verdict::loops());
        }
        let glance = self.glance();
        self.ask(&glance).await?;
        self.keep(&glance).await?;
        Ok(Accepted {
            note: Cow::Borrowed("Taken"),
        })
    }
}
