//! As whom a staff member may write: their own addresses, those of the role mailboxes that they were let into, and
//! towards a list, with the role for it, that list's identity.
//!
//! It is asked of the envelope's sender and of every author that the header names, so that no mail that we sign says it
//! is from somebody else (RFC 6409 §6.1, §8).

use crate::address::EmailAddress;
use crate::message::mime::MimeError;
use crate::message::named::Writers;
use crate::staff::{Member, Role};

use super::rooms::Rooms;

/// Why a header may not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongWriter {
    /// It can't be read.
    #[error(transparent)]
    Unreadable(#[from] MimeError),
    /// There is none, more than one field, or one that programs would read in different ways.
    #[error(
        "a mail has one From field, with an address that every program reads alike: Ada Lovelace <ada@party.example>, a name \
         with other characters in quotes"
    )]
    From,
    /// From names somebody else.
    #[error(
        "From is not yours: write from an address of your own, or of a mailbox that an admin let you into"
    )]
    NotYours,
    /// From is a list's identity, and the mail goes elsewhere.
    #[error(
        "From is a list's identity, which writes to its list alone: use your own address, or have an admin let you into \
         its mailbox"
    )]
    ListIdentity,
    /// Sender, or a field of who sends a mail again, names somebody else.
    #[error(
        "Sender, Resent-From or Resent-Sender is not yours, or not legible: take the field away, or set an address of \
         your own"
    )]
    Sender,
}

impl Rooms {
    /// Whether a staff member may send as this address, to anybody: one of their own or of a role mailbox that they were
    /// let into, with or without a detail. One that a role has and an account as well is the account's, as its mail is.
    pub fn may_send_as(&self, member: &Member, address: &EmailAddress) -> bool {
        let (local, _) = address.local_and_detail();
        let plain = EmailAddress::from_parts(local, address.domain()).ok();
        let (config, roll) = (self.config(), self.staff.roll());
        let mut is_an_accounts = false;
        [Some(address), plain.as_ref()]
            .into_iter()
            .flatten()
            .any(|address| {
                let form = address.match_form();
                let own = member.addresses.iter().any(|own| own.match_form() == form);
                is_an_accounts |= roll.by_address(address).is_some();
                let mailbox = || config.mailbox_of(address).map(|name| name.as_str());
                own || (!is_an_accounts && mailbox().is_some_and(|name| member.is_let_into(name)))
            })
    }

    /// Whether a staff member may send as this address towards this list: it's the list's identity, and they write to
    /// lists.
    pub fn may_send_as_list(&self, member: &Member, list: &str, address: &EmailAddress) -> bool {
        let config = self.config();
        let found = config.list.iter().find(|(key, _)| key.as_str() == list);
        member.has(Role::Sender)
            && found.is_some_and(|(_, list)| list.from.match_form() == address.match_form())
    }

    /// The same, towards some list: at MAIL the recipients are not known yet.
    pub fn may_send_as_some_list(&self, member: &Member, address: &EmailAddress) -> bool {
        let config = self.config();
        let mut lists = config.list.keys();
        lists.any(|key| self.may_send_as_list(member, key.as_str(), address))
    }

    /// Whether a header of a staff member's mail names nobody else as its author.
    pub(super) fn check_writers(&self, member: &Member, header: &[u8]) -> Result<(), WrongWriter> {
        let writers = Writers::of(header)?;
        let authors = writers.from.filter(|_| writers.from_fields == 1);
        let authors = authors.ok_or(WrongWriter::From)?;
        for author in &authors {
            if self.may_send_as(member, author) {
                continue;
            }
            return Err(match self.may_send_as_some_list(member, author) {
                true => WrongWriter::ListIdentity,
                false => WrongWriter::NotYours,
            });
        }
        let senders = writers.senders.ok_or(WrongWriter::Sender)?;
        match senders
            .iter()
            .all(|sender| self.may_send_as(member, sender))
        {
            true => Ok(()),
            false => Err(WrongWriter::Sender),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::daemon::desks::tests::World;

    #[tokio::test]
    async fn who_is_let_into_a_role_writes_as_nobody_who_has_an_account() {
        let world = World::new().await;
        let address = |text: &str| EmailAddress::parse(text).unwrap();
        world.reload(|config| {
            let office = config.mailbox.values_mut().next().unwrap();
            let more = ["cy@party.example", "dee+press@party.example"];
            office.addresses.extend(more.map(address));
        });
        world.let_into("eve", "office").await;
        let roll = world.rooms.staff.roll();
        let may = |name: &str, text: &str| {
            let member = roll.by_name(name).unwrap();
            world.rooms.may_send_as(member, &address(text))
        };
        for own in ["office@party.example", "office+x@party.example"] {
            assert!(may("eve", own) && !may("cy", own), "{own}");
        }
        for cys in ["cy@party.example", "Cy+x@party.example"] {
            assert!(may("cy", cys) && !may("eve", cys), "{cys}");
        }
        // What comes to this one is the role's.
        assert!(may("eve", "dee+press@party.example"));
        assert!(!may("eve", "dee@party.example") && !may("eve", "dee+x@party.example"));
    }
}
