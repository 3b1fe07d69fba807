//! The counters of the rooms at the control socket, a file per noun. A counter translates between requests and rooms and
//! checks who asks; what may be done, and what goes into the audit log for it, the room decides.
//!
//! | file | requests |
//! |---|---|
//! | `list` | `list show` |
//! | `subscriber/` | `subscriber …`: look, enter a card, erase, count, import, export, agree |
//! | `consent` | `consent show`, `consent bundle` |
//! | `contact` | `contact …` |
//! | `dns`, `reports` | `dns …` |
//! | `mailing` | `mailing …` |
//! | `queue` | `queue …` |
//! | `mailbox`, `retention` | `mailbox …` |
//! | `grants` | `staff grant`, `staff grants`, `staff end-grant`, `staff training` |
//! | `failure` | what a room's error means for who asked |
//!
//! # What must hold
//! - A number under five is told to admins alone.
//! - An address is told to admins alone, and the look at it is in the audit log before it is told.

mod consent;
mod contact;
pub(super) mod dns;
mod failure;
mod grants;
mod list;
mod mailbox;
mod mailing;
mod queue;
mod reports;
mod retention;
mod subscriber;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use super::rooms::Rooms;
use crate::address::EmailAddress;
use crate::config::{Config, MailDoor, MailProtocol};
use crate::consent::By;
use crate::control::api;
use crate::control::api::staff::MailSetting;
use crate::control::handlers::{AuditDesk, MailAccess, StaffDesk, StoreDesk};
use crate::control::{Call, Class, Desk, Failure};
use crate::id::StaffId;
use crate::staff::{Actor, Role};
use crate::web::APPLE_PROFILE;

use consent::ConsentDesk;
use contact::ContactDesk;
use dns::DnsDesk;
use grants::GrantsDesk;
use list::ListDesk;
use mailbox::MailboxDesk;
use mailing::MailingDesk;
use queue::QueueDesk;
use reports::ReportsDesk;
use subscriber::SubscriberDesk;

/// Adds everything that the rooms of an unlocked vault answer. What the service as a whole answers, and `key backup`, is
/// added by the daemon.
pub fn register(desk: Desk, rooms: &Arc<Rooms>) -> Desk {
    let of = rooms.clone();
    let staff = StaffDesk::new(rooms.staff.clone(), move || mail_access(&of.config()));
    let staff = Arc::new(staff);
    let grants = Arc::new(GrantsDesk(rooms.clone()));
    let (store, clock) = (rooms.store.clone(), rooms.clock.clone());
    let audit = Arc::new(AuditDesk::new(store.clone(), clock, rooms.staff.clone()));
    let desk = desk
        .on::<api::staff::Add, _>(&staff)
        .on::<api::staff::List, _>(&staff)
        .on::<api::staff::Revoke, _>(&staff)
        .on::<api::staff::Change, _>(&staff)
        .on::<api::staff::AddPassword, _>(&staff)
        .on::<api::staff::ListPasswords, _>(&staff)
        .on::<api::staff::RevokePassword, _>(&staff)
        .on::<api::staff::AddFactor, _>(&staff)
        .on::<api::staff::ConfirmFactor, _>(&staff)
        .on::<api::staff::RemoveFactor, _>(&staff)
        .on::<api::staff::UnlockStaff, _>(&staff)
        .on::<api::staff::Grant, _>(&grants)
        .on::<api::staff::Grants, _>(&grants)
        .on::<api::staff::EndGrant, _>(&grants)
        .on::<api::staff::Training, _>(&grants)
        .on::<api::audit::Show, _>(&audit)
        .on::<api::audit::Verify, _>(&audit)
        .on::<api::consent::Verify, _>(&audit)
        .on::<api::store::Verify, _>(&Arc::new(StoreDesk(store)));
    mail(people(desk, rooms), rooms)
}

/// What mail programs are to be told.
pub(super) fn mail_access(config: &Config) -> MailAccess {
    let setting = |door: &MailDoor| MailSetting {
        protocol: match door.protocol {
            MailProtocol::Imap => "imap",
            MailProtocol::Pop3 => "pop3",
            MailProtocol::Smtp => "smtp",
        }
        .to_owned(),
        port: door.port,
        security: if door.starttls { "starttls" } else { "tls" }.to_owned(),
    };
    MailAccess {
        server: config.hostname.to_string(),
        party: {
            let party = &config.party;
            party.short_name.as_ref().unwrap_or(&party.name).clone()
        },
        settings: config.mail_doors().iter().map(setting).collect(),
        profile: config
            .dns
            .autoconfig
            .then(|| format!("https://{}{APPLE_PROFILE}", config.hostname)),
    }
}

fn people(desk: Desk, rooms: &Arc<Rooms>) -> Desk {
    let subscriber = Arc::new(SubscriberDesk(rooms.clone()));
    let consent = Arc::new(ConsentDesk(rooms.clone()));
    let contact = Arc::new(ContactDesk(rooms.clone()));
    desk.on::<api::list::Show, _>(&Arc::new(ListDesk(rooms.clone())))
        .on::<api::consent::Show, _>(&consent)
        .on::<api::consent::Bundle, _>(&consent)
        .on::<api::contact::List, _>(&contact)
        .on::<api::contact::Forget, _>(&contact)
        .on::<api::subscriber::Find, _>(&subscriber)
        .on::<api::subscriber::Add, _>(&subscriber)
        .on::<api::subscriber::Withdraw, _>(&subscriber)
        .on::<api::subscriber::Erase, _>(&subscriber)
        .on::<api::subscriber::Stats, _>(&subscriber)
        .on::<api::subscriber::Import, _>(&subscriber)
        .on::<api::subscriber::Export, _>(&subscriber)
        .on::<api::subscriber::Waiting, _>(&subscriber)
        .on::<api::subscriber::Agree, _>(&subscriber)
        .on::<api::subscriber::Refuse, _>(&subscriber)
}

fn mail(desk: Desk, rooms: &Arc<Rooms>) -> Desk {
    let mailing = Arc::new(MailingDesk(rooms.clone()));
    let queue = Arc::new(QueueDesk(rooms.clone()));
    let dns = Arc::new(DnsDesk(rooms.clone()));
    let mailbox = Arc::new(MailboxDesk(rooms.clone()));
    desk.on::<api::dns::Records, _>(&dns)
        .on::<api::dns::Check, _>(&dns)
        .on::<api::dns::Dkim, _>(&dns)
        .on::<api::dns::RotateDkim, _>(&dns)
        .on::<api::dns::Reports, _>(&Arc::new(ReportsDesk(rooms.clone())))
        .on::<api::dns::RotateTls, _>(&dns)
        .on::<api::mailing::List, _>(&mailing)
        .on::<api::mailing::Preview, _>(&mailing)
        .on::<api::mailing::Show, _>(&mailing)
        .on::<api::mailing::Approve, _>(&mailing)
        .on::<api::mailing::Watch, _>(&mailing)
        .on::<api::mailing::Pause, _>(&mailing)
        .on::<api::mailing::Resume, _>(&mailing)
        .on::<api::mailing::Cancel, _>(&mailing)
        .on::<api::queue::List, _>(&queue)
        .on::<api::queue::Show, _>(&queue)
        .on::<api::queue::Retry, _>(&queue)
        .on::<api::queue::Drop, _>(&queue)
        .on::<api::mailbox::List, _>(&mailbox)
        .on::<api::mailbox::Retention, _>(&mailbox)
        .on::<api::mailbox::Hold, _>(&mailbox)
        .on::<api::mailbox::Lift, _>(&mailbox)
}

/// What stands in the audit log where no reason has to be given and none was.
const NO_REASON: &str = "no reason was given";

/// Who asks, and why, for the consent room.
fn by(actor: &Actor, reason: Option<&str>) -> By {
    By {
        staff: actor.id(),
        reason: reason.unwrap_or(NO_REASON).to_owned(),
    }
}

/// An address as it was typed.
fn address(what: &str, text: &str) -> Result<EmailAddress, Failure> {
    EmailAddress::parse_typed(text)
        .map_err(|error| Failure::from_error(Class::Misuse, what, &error))
}

/// Whether who asks is an admin.
fn is_admin<A: crate::control::Ask>(call: &Call<A>) -> bool {
    call.caller().require(Role::Admin).is_ok()
}

/// The name of an account, revoked or not; its id if there is none.
fn name_of(rooms: &Rooms, id: StaffId) -> String {
    let roll = rooms.staff.roll();
    let member = roll.all().iter().find(|member| member.id == id);
    member.map_or_else(|| id.to_string(), |member| member.name.clone())
}

/// A constituency as people read it.
fn constituency_name(rooms: &Rooms, code: &str) -> String {
    let known = crate::consent::constituency::Code::parse(code).ok();
    let settings = rooms.consent.settings();
    let found = known.and_then(|code| settings.constituencies.get(code));
    found.map_or_else(|| code.to_owned(), |one| one.name().to_owned())
}
