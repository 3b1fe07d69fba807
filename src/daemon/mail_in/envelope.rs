//! Where one mail is bound: its recipients, sorted by what becomes of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::rooms::{Rooms, read};
use super::verdict;
use crate::address::{EmailAddress, MatchForm};
use crate::delivery::queue::Outsider;
use crate::id::{CopyId, MailboxId};
use crate::mailbox::directory::{Destination, NotHere};
use crate::smtp::path::ForwardPath;
use crate::smtp::server::{Recipient, Refusal};
use crate::store::{DsnWish, StoreError};
use crate::vault::{Index, ListTag};

/// The destinations of one mail, each once.
#[derive(Default)]
pub(super) struct Bound {
    pub(super) mailboxes: BTreeSet<MailboxId>,
    /// Of each recipient that is kept here.
    each: Vec<Kept>,
    pub(super) lists: Vec<(String, Option<String>)>,
    pub(super) subscribe: BTreeSet<String>,
    pub(super) withdrawals: Vec<(ListTag, Index)>,
    pub(super) returned: Vec<CopyId>,
    pub(super) outside: Vec<Outsider>,
    /// Those with a mailbox here, as they were first written, where the sender wants to be told of it.
    pub(super) told_of: BTreeMap<MailboxId, (String, DsnWish)>,
    /// It is, or should be, a report on mail in our name.
    pub(super) reports: bool,
}

/// In which mailboxes a recipient's mail is.
struct Kept {
    /// Its own, a role's or a person's: a mail that isn't here is not taken.
    own: MailboxId,
    /// This one, and those of whoever was let into the role.
    all: Vec<MailboxId>,
}

impl Bound {
    /// Where these recipients lead.
    pub(super) fn of(rooms: &Rooms, recipients: &[Recipient]) -> Result<Self, Refusal> {
        let mut bound = Self::default();
        for Recipient { path, dsn } in recipients {
            bound.add(rooms, path, dsn)?;
        }
        Ok(bound)
    }

    /// Adds a recipient. One that is not ours is taken for an outside one; whether it may be is asked elsewhere.
    pub(super) fn add(
        &mut self,
        rooms: &Rooms,
        path: &ForwardPath,
        dsn: &DsnWish,
    ) -> Result<(), Refusal> {
        match rooms.find(path) {
            Ok(Destination::Mailbox(mailbox_id)) => {
                if let Some(mailbox) = path.mailbox().filter(|_| dsn.success()) {
                    let told_of = (mailbox.as_str().to_owned(), dsn.clone());
                    self.told_of.entry(mailbox_id).or_insert(told_of);
                }
                let roll = rooms.staff.roll();
                let all = rooms.directory().keepers(&roll, mailbox_id);
                self.mailboxes.extend(&all);
                let own = mailbox_id;
                self.each.push(Kept { own, all });
            }
            Ok(Destination::List { list, constituency }) => {
                let post = (list, constituency);
                if !self.lists.contains(&post) {
                    self.lists.push(post);
                }
            }
            Ok(Destination::Subscribe { list }) => {
                self.subscribe.insert(list);
            }
            Ok(Destination::Withdrawal { list, who }) => self.withdrawals.push((list, who)),
            Ok(Destination::Returned(copy)) => self.returned.push(copy),
            Ok(Destination::Reports) => self.reports = true,
            Err(verdict::Unknown::NotHere(NotHere::OtherDomain)) => {
                if let ForwardPath::Mailbox(mailbox) = path {
                    let address = read(mailbox).map_err(|unknown| unknown.refusal(true))?;
                    self.add_outside(address, dsn);
                }
            }
            Err(unknown) => return Err(unknown.refusal(false)),
        }
        Ok(())
    }

    /// Leaves out mailboxes that are full, or would be with so many bytes more, of those who were let into a role. A
    /// recipient's own is not left out: one that was taken gets its mail, and whoever comes to a role later finds it there.
    /// Answers whether each of these has room.
    pub(super) async fn spare_the_full(
        &mut self,
        rooms: &Rooms,
        more: u64,
    ) -> Result<bool, StoreError> {
        let limit = rooms.config().staff.mailbox_size.bytes();
        let mut full = BTreeSet::new();
        for mailbox in &self.mailboxes {
            let used = rooms.store.mailbox_size(*mailbox, limit).await?;
            if used.saturating_add(more.max(1)) > limit {
                full.insert(*mailbox);
            }
        }
        let mut all_have_room = true;
        let mut left = BTreeSet::new();
        for Kept { own, all } in &self.each {
            all_have_room &= !full.contains(own);
            left.insert(*own);
            left.extend(all.iter().filter(|one| !full.contains(one)));
        }
        self.mailboxes = left;
        Ok(all_have_room)
    }

    /// Each recipient's own mailbox.
    pub(super) fn own(&self) -> Vec<MailboxId> {
        self.each.iter().map(|kept| kept.own).collect()
    }

    fn add_outside(&mut self, address: EmailAddress, dsn: &DsnWish) {
        let form = address.match_form();
        let known = |other: &Outsider| other.address.match_form() == form;
        if !self.outside.iter().any(known) {
            let dsn = dsn.clone();
            self.outside.push(Outsider { address, dsn });
        }
    }

    /// Whoever is outside, by the envelope or by these addresses of the header: each once. What the envelope leaves out
    /// may have been sent in a mail of its own.
    pub(super) fn outside_with(&self, rooms: &Rooms, named: &[String]) -> usize {
        let config = rooms.config();
        let named = named.iter().filter_map(|one| EmailAddress::parse(one).ok());
        let named = named.filter(|one| !config.domains.contains(one.domain()));
        let bound = self.outside.iter().map(|one| one.address.match_form());
        let all: HashSet<MatchForm> = bound.chain(named.map(|one| one.match_form())).collect();
        all.len()
    }

    /// Whether the mail itself is kept, or only what it asks.
    pub(super) fn is_kept(&self) -> bool {
        !self.mailboxes.is_empty() || !self.returned.is_empty() || !self.outside.is_empty()
    }

    /// Whether it matters who wrote it. What came to a signed address alone proves itself.
    pub(super) fn is_judged(&self) -> bool {
        !self.mailboxes.is_empty() || !self.subscribe.is_empty() || self.reports
    }

    /// What may not go together: a list with anything else, and too many people outside (design §1.7).
    pub(super) fn check(&self, outside_at_most: u32) -> Result<(), Refusal> {
        let people = self.each.len() + self.outside.len() + self.subscribe.len();
        let others =
            people + self.withdrawals.len() + self.returned.len() + usize::from(self.reports);
        if self.lists.len() > 1 || (!self.lists.is_empty() && others > 0) {
            return Err(verdict::list_goes_alone());
        }
        if self.outside.len() > usize::try_from(outside_at_most).unwrap_or(usize::MAX) {
            return Err(verdict::too_many_outside(outside_at_most));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::daemon::desks::tests::World;

    /// Whether mail to the office is taken while one of these mailboxes is full, and where it is kept: in the role's own,
    /// and in that of who was let into it.
    async fn with_full(full: &str) -> (bool, [bool; 2]) {
        let world = World::new().await;
        world.reload(|config| config.staff.mailbox_size = "64 KiB".parse().unwrap());
        world.let_into("eve", "office").await;
        let rooms = &world.rooms;
        let eve = rooms.staff.roll().by_name("eve").unwrap().id.into();
        let office = rooms.store.vault().role_mailbox("office");
        for (name, mailbox) in [("office", office), ("eve", eve)] {
            if name == full {
                world
                    .keep(mailbox, "INBOX", rooms.clock.now(), 70_000)
                    .await;
            }
        }
        let mut bound = Bound::default();
        let path = ForwardPath::parse("<office@party.example>").unwrap();
        bound.add(rooms, &path, &DsnWish::default()).unwrap();
        let taken = bound.spare_the_full(rooms, 1).await.unwrap();
        assert_eq!(bound.own(), [office]);
        (
            taken,
            [office, eve].map(|one| bound.mailboxes.contains(&one)),
        )
    }

    #[tokio::test]
    async fn a_roles_mail_is_taken_while_its_own_mailbox_has_room() {
        assert_eq!(with_full("nobody").await, (true, [true, true]));
        assert_eq!(with_full("eve").await, (true, [true, false]));
        // If it filled up behind RCPT the mail is kept all the same.
        assert_eq!(with_full("office").await, (false, [true, true]));
    }
}
