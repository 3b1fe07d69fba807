//! Into which roles' mailboxes somebody is let. It's asked anew before each thing that is done there, so that who was shut
//! out, or has no account any more, is out at once; and nobody comes to such a mailbox but by what is answered here.

use std::collections::HashMap;

use super::knock::Entrant;
use super::room::StaffRoom;
use crate::id::MailboxId;

#[cfg(any(test, fuzzing))]
use tokio::sync::watch;

/// A role's mailbox into which somebody was let when the roll was looked at. It's good for what is done at once; after that
/// [`LetIn::again`] says whether it still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMailbox {
    name: String,
    id: MailboxId,
}

impl RoleMailbox {
    /// What the role is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its mailbox.
    pub fn id(&self) -> MailboxId {
        self.id
    }

    /// One that nobody configured.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn pretended(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: crate::id::StaffId::random().into(),
        }
    }
}

/// What the roll says of one who came in.
#[derive(Clone)]
pub struct LetIn(Asked);

#[derive(Clone)]
enum Asked {
    Roll(StaffRoom, Entrant),
    #[cfg(any(test, fuzzing))]
    Pretended(watch::Receiver<Vec<RoleMailbox>>),
}

impl LetIn {
    /// The mailboxes into which they are let now, by name.
    pub fn roles(&self) -> Vec<RoleMailbox> {
        match &self.0 {
            Asked::Roll(staff, who) => staff.role_mailboxes(*who),
            #[cfg(any(test, fuzzing))]
            Asked::Pretended(roles) => roles.borrow().clone(),
        }
    }

    /// The one of this role, if they are let into it now.
    pub fn role(&self, name: &str) -> Option<RoleMailbox> {
        self.roles().into_iter().find(|role| role.name == name)
    }

    /// The same mailbox, if they still are let into it.
    pub fn again(&self, role: &RoleMailbox) -> Option<RoleMailbox> {
        self.role(&role.name).filter(|again| again == role)
    }

    /// Waits until they are let into it no more.
    pub async fn shut_out_of(&self, role: &RoleMailbox) {
        let mut changes = match &self.0 {
            Asked::Roll(staff, _) => Changes::Roll(staff.changes()),
            #[cfg(any(test, fuzzing))]
            Asked::Pretended(roles) => Changes::Pretended(roles.clone()),
        };
        // Looked at behind the subscription, so that no change is missed.
        while self.again(role).is_some() {
            if !changes.next().await {
                return std::future::pending().await;
            }
        }
    }

    /// What a test says of them.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn pretended(roles: watch::Receiver<Vec<RoleMailbox>>) -> Self {
        Self(Asked::Pretended(roles))
    }

    /// They are let into none.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self::pretended(watch::channel(Vec::new()).1)
    }
}

enum Changes {
    Roll(tokio::sync::watch::Receiver<()>),
    #[cfg(any(test, fuzzing))]
    Pretended(watch::Receiver<Vec<RoleMailbox>>),
}

impl Changes {
    /// Waits for the next; `false` if there will be none.
    async fn next(&mut self) -> bool {
        match self {
            Self::Roll(changes) => changes.changed().await.is_ok(),
            #[cfg(any(test, fuzzing))]
            Self::Pretended(roles) => roles.changed().await.is_ok(),
        }
    }
}

impl StaffRoom {
    /// What somebody who came in may be asked about.
    pub fn let_in(&self, who: Entrant) -> LetIn {
        LetIn(Asked::Roll(self.clone(), who))
    }

    /// The names of the configured roles by their mailboxes, for who reads of them by number.
    pub fn role_mailboxes_by_id(&self) -> HashMap<MailboxId, String> {
        let premises = self.premises();
        let vault = self.store().vault();
        let names = premises.mailboxes();
        names
            .map(|name| (vault.role_mailbox(name), name.to_owned()))
            .collect()
    }

    /// The configured roles' mailboxes into which somebody who came in is let, by name.
    fn role_mailboxes(&self, who: Entrant) -> Vec<RoleMailbox> {
        let (roll, premises) = (self.roll(), self.premises());
        let member = roll.by_id(who.staff);
        let Some(member) = member.filter(|member| member.has_password(who.password)) else {
            return Vec::new();
        };
        let mut names: Vec<&String> = member.mailboxes.iter().collect();
        names.retain(|name| premises.has_mailbox(name));
        names.sort_unstable();
        names.dedup();
        let role = |name: &String| RoleMailbox {
            name: name.clone(),
            id: self.store().vault().role_mailbox(name),
        };
        names.into_iter().map(role).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PasswordId;
    use crate::staff::room::tests::{add, room};
    use crate::staff::{AccountChanges, Premises};
    use crate::store::Role;

    fn changes(let_into: &[&str], shut_out_of: &[&str]) -> AccountChanges {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        AccountChanges {
            let_into: names(let_into),
            shut_out_of: names(shut_out_of),
            ..AccountChanges::default()
        }
    }

    fn names(let_in: &LetIn) -> Vec<String> {
        let roles = let_in.roles().into_iter();
        roles.map(|role| role.name().to_owned()).collect()
    }

    #[tokio::test]
    async fn who_is_shut_out_is_out_at_once() {
        let (room, _directory) = room().await;
        let domain = crate::address::Domain::parse("party.example").expect("a domain");
        let premises = || Premises::new([domain.clone()]).mailbox("office");
        room.reload(premises().mailbox("press"));
        let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
        add(&room, "ben", 1002, &[Role::Reader]).await;
        let roll = room.roll();
        let ben = roll.by_name("ben").expect("there");
        let entrant = Entrant {
            staff: ben.id,
            password: ben.passwords[0].id,
        };
        let let_in = room.let_in(entrant);
        assert!(names(&let_in).is_empty() && let_in.role("office").is_none());
        let change = async |let_into: &[&str], shut_out_of: &[&str]| {
            let changes = changes(let_into, shut_out_of);
            let admin = ada.admin().expect("an admin");
            let changed = room.change(admin, "ben", &changes, None).await;
            changed.expect("changes");
        };
        change(&["press", "office"], &[]).await;
        assert_eq!(names(&let_in), ["office", "press"]);
        let office = let_in.role("office").expect("let in");
        assert_eq!(office.id(), room.store().vault().role_mailbox("office"));
        assert_eq!(let_in.again(&office), Some(office.clone()));
        // By another password, which is none, nobody is.
        let password = PasswordId::random();
        let other = Entrant {
            password,
            ..entrant
        };
        assert!(room.let_in(other).roles().is_empty());
        let waiting = tokio::spawn({
            let (let_in, office) = (let_in.clone(), office.clone());
            async move { let_in.shut_out_of(&office).await }
        });
        change(&[], &["press"]).await;
        assert!(!waiting.is_finished() && let_in.again(&office).is_some());
        change(&[], &["office"]).await;
        waiting.await.expect("hears of it");
        assert_eq!(let_in.again(&office), None);
        // A role that is no longer configured is gone for all.
        change(&["office"], &[]).await;
        let waiting = tokio::spawn({
            let (let_in, office) = (let_in.clone(), office.clone());
            async move { let_in.shut_out_of(&office).await }
        });
        room.reload(Premises::new([domain.clone()]));
        waiting.await.expect("hears of it");
        room.reload(premises());
        assert_eq!(names(&let_in), ["office"]);
        let admin = ada.admin().expect("an admin");
        room.revoke(admin, "ben", None).await.expect("revokes");
        assert!(let_in.roles().is_empty());
    }
}
