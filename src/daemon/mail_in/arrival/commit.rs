//! The one transaction in which a mail is taken: the message, who keeps it, to whom it goes on, what it asks.

use super::super::checks::Checked;
use super::super::verdict;
use super::asked::{Stop, refusal};
use super::mail::Mail;
use super::{Arrival, Bytes};
use crate::address::EmailAddress;
use crate::config::FirstContact;
use crate::delivery::queue::{LocalDelivery, StaffMail, needs_of_staff_mail, queue_staff_mail};
use crate::id::{EntryId, MessageId};
use crate::mailbox::directory::Destination;
use crate::mailbox::glance::{Glance, is_programs};
use crate::smtp::server::Refusal;
use crate::store::{
    AcceptMessage, Bounce, BounceRecord, Delivery, Intake, IntakeRecord, Needs, OutlineRow,
    SpecialUse, Step, Stranger, StrangersRoom, TlsWish, contact_indexes,
};

impl Arrival {
    /// Takes the mail, and with it the question that it raised.
    pub(super) async fn take(
        self,
        checked: Option<Checked>,
        stop: Stop,
        glance: &Glance,
    ) -> Result<(), Refusal> {
        let stranger = checked.as_ref();
        let stranger = stranger.and_then(|checked| self.mail.stranger(checked, &stop, glance));
        let question = match stop {
            Stop::Asked(question) => Some(*question),
            Stop::None | Stop::ToNobody | Stop::Withdrawn => None,
        };
        let (mail, place) = (self.mail, self.place);
        let Bytes::Kept(kept) = self.bytes else {
            return mail.ask(question).await;
        };
        let folder = match &checked {
            // Its author's domain warns of it.
            Some(checked) if checked.junk => SpecialUse::Junk,
            _ => SpecialUse::Inbox,
        };
        let eight_bit = kept.eight_bit;
        let tls = match (mail.require_tls, kept.relaxes_tls) {
            // Beside REQUIRETLS the header doesn't count (RFC 8689 §5).
            (true, _) => TlsWish::Required,
            (false, true) => TlsWish::Relaxed,
            (false, false) => TlsWish::Usual,
        };
        let head = checked.as_ref().map(|checked| checked.head.as_slice());
        let (body, rewritten) = kept.end(&mail, head).await?;
        let mut outline = self.outline.finish();
        if let Some(head) = head.or(rewritten.as_deref()) {
            outline = outline.behind(head);
        }
        let id = body.id();
        let vault = mail.rooms.store.vault();
        let outline = OutlineRow::new(vault, id, &outline.to_bytes());
        let mut message = AcceptMessage::new(vault, body, mail.known.clone()).outlined(outline);
        for delivery in mail.deliveries(id, folder) {
            message = message.keep_in(delivery);
        }
        let asks = question.is_some() || stranger.as_ref().is_some_and(|one| one.ask.is_some());
        if let Some(stranger) = stranger {
            message = message.of_stranger(stranger);
        }
        if let Some(checked) = &checked {
            message = message.within(mail.strangers_room(checked));
        }
        let question = question.map(|record| mail.rooms.consent.intake_step(record));
        let counted = place.as_ref().map(|place| place.sent.step());
        let told = mail.told(rewritten.as_deref());
        let needs = needs_of_staff_mail(mail.sender.as_ref(), rewritten.as_deref(), eight_bit);
        let steps = mail.returned(id).chain(mail.leaving(id, needs, tls));
        let known = mail.written_to(glance);
        message = steps
            .chain(question)
            .chain(known)
            .chain(counted)
            .chain(told)
            .fold(message, AcceptMessage::and);
        let accepted = mail.rooms.store.accept(message).await;
        accepted.map_err(|error| verdict::store(&error))?;
        if let Some(place) = place {
            place.use_up();
        }
        mail.wake(asks);
        Ok(())
    }
}

impl Mail {
    /// What a mail raised that is not kept.
    async fn ask(&self, question: Option<IntakeRecord>) -> Result<(), Refusal> {
        match question {
            Some(question) => self.rooms.consent.take_in(question).await.map_err(refusal),
            None => Ok(()),
        }
    }

    /// What a stranger's mail is to wait for; none for a mail that goes where it is addressed in any case. Who wrote that
    /// nothing more is wanted is not asked, nor a program, nor anybody of ours.
    fn stranger(&self, checked: &Checked, stop: &Stop, glance: &Glance) -> Option<Stranger> {
        let incoming = &self.rooms.config().incoming;
        let waits = incoming.verify && incoming.first_contact == FirstContact::Challenge;
        if !waits || checked.junk || self.bound.mailboxes.is_empty() {
            return None;
        }
        let proven = checked.proven_author.as_ref();
        let is_ours = |who: &EmailAddress| self.rooms.directory().is_ours(who.domain());
        if proven.is_some_and(is_ours) {
            return None;
        }
        let quiet = glance.automatic || glance.bulk || glance.says_stop;
        let nobody_there = self.sender.is_none() || !matches!(stop, Stop::None | Stop::ToNobody);
        let asked = proven.filter(|who| !(quiet || nobody_there || is_programs(who)));
        let at = self.known.received_at;
        let vault = self.rooms.store.vault();
        let author = checked.author.as_ref();
        Some(Stranger {
            author: author.map_or_else(Vec::new, |who| contact_indexes(vault, who)),
            proven: proven.is_some(),
            ask: asked.cloned().map(|address| {
                let to = self.written_to_of_ours();
                Intake::new(at, IntakeRecord::FirstContact { address, at, to })
            }),
        })
    }

    /// The first address of ours with a mailbox that it goes to, without its detail: a stranger chooses no words in what we
    /// sign.
    fn written_to_of_ours(&self) -> Option<EmailAddress> {
        let (directory, roll) = (self.rooms.directory(), self.rooms.staff.roll());
        let leads =
            |one: &EmailAddress| matches!(directory.find(&roll, one), Ok(Destination::Mailbox(_)));
        let recipients = self.known.recipients.iter();
        let addresses = recipients.filter_map(|one| EmailAddress::parse(one).ok());
        let plain = |one: EmailAddress| {
            let (name, _) = one.local_and_detail();
            EmailAddress::from_parts(name, one.domain()).ok()
        };
        addresses.filter(leads).filter_map(plain).find(leads)
    }

    /// How much strangers may leave in the mailboxes that it's for.
    fn strangers_room(&self, checked: &Checked) -> StrangersRoom {
        StrangersRoom {
            limit: self.rooms.config().staff.mailbox_size.bytes(),
            own: self.bound.own(),
            proven: checked.proven_author.is_some(),
        }
    }

    /// Whom a staff member writes to is known from then on. A program's answer in their name knows nobody.
    fn written_to(&self, glance: &Glance) -> Vec<Step> {
        if self.known.submitted_by.is_none() || glance.automatic {
            return Vec::new();
        }
        let vault = self.rooms.store.vault();
        let at = self.known.received_at;
        let outside = self.bound.outside.iter();
        outside
            .map(|to| Step::Meet(contact_indexes(vault, &to.address), at))
            .collect()
    }

    /// Whom it is kept for.
    fn deliveries(&self, id: MessageId, folder: SpecialUse) -> impl Iterator<Item = Delivery> {
        let at = self.known.received_at;
        let mailboxes = self.bound.mailboxes.iter();
        mailboxes.map(move |mailbox| Delivery::new(*mailbox, folder, id, at))
    }

    /// The copies that came back with it.
    fn returned(&self, id: MessageId) -> impl Iterator<Item = Step> {
        self.bound.returned.iter().map(move |copy| {
            Step::PutBounce(Bounce {
                id: EntryId::random(),
                copy: *copy,
                message: id,
                record: BounceRecord {
                    received_at: self.known.received_at,
                },
            })
        })
    }

    /// What its sender is told of recipients that have a mailbox here.
    fn told(&self, header: Option<&[u8]>) -> Vec<Step> {
        let (Some(sender), Some(path)) = (self.known.submitted_by, &self.sender) else {
            return Vec::new();
        };
        self.rooms.queue.delivered(LocalDelivery {
            sender,
            reverse_path: path.as_str(),
            recipients: self.bound.told_of.values(),
            header: header.unwrap_or_default(),
            at: self.known.received_at,
        })
    }

    /// The queue's rows for recipients outside.
    fn leaving(&self, message: MessageId, needs: Needs, tls: TlsWish) -> Vec<Step> {
        let Some(sender) = self.known.submitted_by else {
            return Vec::new();
        };
        let mail = StaffMail {
            message,
            sender,
            reverse_path: self.sender.as_ref(),
            recipients: &self.bound.outside,
            prefix: None,
            needs,
            tls,
        };
        queue_staff_mail(&self.rooms.schedule(), &mail, self.known.received_at).collect()
    }

    /// Wakes whoever has work now.
    fn wake(&self, asks: bool) {
        let writes_to_strangers = !self.bound.outside.is_empty();
        if asks || writes_to_strangers {
            self.rooms.consent.work_came();
        }
        if writes_to_strangers {
            self.rooms.bell.wake();
        }
    }
}
