//! What is known of a mail before its first byte: from whom, to whom, and by which hands.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::super::rooms::Rooms;
use super::super::envelope::Bound;
use super::super::held::Held;
use super::super::verdict;
use crate::address::EmailAddress;
use crate::smtp::server::{Envelope, Refusal};
use crate::staff::{ReachPlace, SendPlace};
use crate::store::MessageRecord;

/// A mail, before its first byte.
pub(super) struct Mail {
    pub(super) rooms: Arc<Rooms>,
    pub(super) bound: Bound,
    pub(super) known: MessageRecord,
    /// Where it comes from.
    pub(super) client: IpAddr,
    /// The envelope's sender, if it is an address that can be answered.
    pub(super) sender: Option<EmailAddress>,
    /// REQUIRETLS was said (RFC 8689).
    pub(super) require_tls: bool,
}

impl Mail {
    pub(super) fn of(rooms: Arc<Rooms>, envelope: &Envelope, bound: Bound) -> Self {
        let sender = envelope.reverse_path.mailbox();
        let recipients = envelope.recipients.iter().map(|one| {
            let mailbox = one.path.mailbox();
            mailbox
                .map_or("postmaster", |mailbox| mailbox.as_str())
                .to_owned()
        });
        let known = MessageRecord {
            received_at: rooms.clock.now(),
            size: 0,
            reverse_path: sender.map(|mailbox| mailbox.as_str().to_owned()),
            recipients: recipients.collect(),
            submitted_by: envelope.caller.staff.map(|who| who.staff),
        };
        Self {
            sender: sender.and_then(|mailbox| EmailAddress::parse(mailbox.as_str()).ok()),
            client: envelope.caller.client,
            require_tls: envelope.require_tls,
            rooms,
            bound,
            known,
        }
    }

    /// What a piece of it holds in memory.
    pub(super) fn held(&self) -> Held {
        let stranger = self.known.submitted_by.is_none().then_some(self.client);
        let rooms = &self.rooms;
        Held::of(rooms.store.room(), rooms.in_memory(), stranger)
    }

    /// What a staff member sends counts, mailings aside: those have a second person. Nor does what only asks something
    /// of us count, so that nobody's withdrawal waits.
    pub(super) fn place(&self) -> Result<Option<Places>, Refusal> {
        let Some(staff) = self.known.submitted_by.filter(|_| self.bound.is_kept()) else {
            return Ok(None);
        };
        let (config, now) = (self.rooms.config(), self.known.received_at);
        let most = config.staff.messages_per_day;
        let sent = self.rooms.staff.sent().place(staff, now, most);
        let sent = sent.ok_or_else(|| verdict::too_many_today(most))?;
        let most = config.staff.outside_per_hour;
        let outside = self.bound.outside.iter().map(|one| &one.address);
        let reach = self.rooms.staff.reach().place(staff, outside, now, most);
        let reach = reach.ok_or_else(|| verdict::too_many_in_an_hour(most))?;
        Ok(Some(Places { sent, reach }))
    }
}

/// What a staff member's mail takes up of what they may send. Dropped, it's given back: the mail was not taken.
pub(super) struct Places {
    pub(super) sent: SendPlace,
    reach: ReachPlace,
}

impl Places {
    /// The mail was taken.
    pub(super) fn use_up(self) {
        self.sent.use_up();
        self.reach.use_up();
    }
}
