//! Which addresses are ours, and what becomes of mail at each. It answers from memory: a look-up waits for nothing and
//! takes as long for an address that isn't there.
//!
//! Nothing here tells whether an outside address is known: subscribers and contacts are not looked up at the door.

use std::collections::HashMap;
use std::sync::Arc;

use crate::address::{Domain, EmailAddress, MatchForm};
use crate::config::{Config, ROLE_LOCALS, USUAL_LOCALS};
use crate::consent::constituency::Constituencies;
use crate::id::{CopyId, MailboxId};
use crate::report::DMARC_REPORTS;
use crate::staff::Roll;
use crate::vault::{CopyTokenKind, Index, ListTag, Vault};

/// The detail of a list's address to which a stranger writes to subscribe.
pub const SUBSCRIBE: &str = "subscribe";
/// The local part of withdrawal addresses, before the token.
pub const WITHDRAW: &str = "u";
/// The local part of signed return paths, before the token.
pub const RETURN: &str = "b";

/// What becomes of mail at one of our addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// It is kept in this mailbox.
    Mailbox(MailboxId),
    /// It is to become a mailing: to the whole list, or to one constituency of it.
    List {
        /// The list's key.
        list: String,
        /// The code of the one constituency.
        constituency: Option<String>,
    },
    /// Its sender asks to subscribe to this list.
    Subscribe {
        /// The list's key.
        list: String,
    },
    /// Its sender withdraws: the token is proof enough.
    Withdrawal {
        /// From which list, or from all.
        list: ListTag,
        /// The keyed hash of the address that withdraws.
        who: Index,
    },
    /// A copy came back.
    Returned(CopyId),
    /// It is a report on mail in our name, and nothing else.
    Reports,
}

/// Why mail can't go to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHere {
    /// The domain is not ours.
    #[error("the domain is not one of ours")]
    OtherDomain,
    /// The domain is ours, the address isn't.
    #[error("there is no such mailbox")]
    NoSuchMailbox,
    /// The list is there, but it has no such part.
    #[error("the list has no such part: write LIST+CONSTITUENCY@, as in news+leeds-east@")]
    NoSuchPart,
}

/// All addresses but those of the staff, who come and go: these stand in the roll.
pub struct Directory {
    vault: Vault,
    domains: Vec<Domain>,
    lists: HashMap<String, ListAddress>,
    mailboxes: HashMap<MatchForm, MailboxId>,
    /// Whose each role mailbox is: its name.
    roles: HashMap<MailboxId, String>,
    postmaster: MailboxId,
    constituencies: Arc<Constituencies>,
}

struct ListAddress {
    key: String,
    by_constituency: bool,
}

impl Directory {
    /// The addresses that a configuration declares.
    pub fn new(vault: Vault, config: &Config, constituencies: Arc<Constituencies>) -> Self {
        let role = |name: &str| vault.role_mailbox(name);
        let mut mailboxes = HashMap::new();
        for (name, mailbox) in &config.mailbox {
            for address in &mailbox.addresses {
                mailboxes.insert(address.match_form(), role(name.as_str()));
            }
        }
        for list in config.list.values() {
            if let Some(name) = &list.replies_to {
                mailboxes
                    .entry(list.from.match_form())
                    .or_insert_with(|| role(name.as_str()));
            }
        }
        let lists = config.list.iter().map(|(key, list)| {
            let address = ListAddress {
                key: key.as_str().to_owned(),
                by_constituency: list.by_constituency,
            };
            (key.as_str().to_lowercase(), address)
        });
        Self {
            postmaster: role(config.postmaster.as_str()),
            domains: config.domains.clone(),
            lists: lists.collect(),
            mailboxes,
            roles: config
                .mailbox
                .keys()
                .map(|name| (role(name.as_str()), name.to_string()))
                .collect(),
            constituencies,
            vault,
        }
    }

    /// Whether a domain is one of ours.
    pub fn is_ours(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// In which mailboxes mail for this one is kept. What comes for a role is kept in the role's own, so that it outlives
    /// whoever holds the role, and for each live account that was let into it.
    pub fn keepers(&self, roll: &Roll, mailbox: MailboxId) -> Vec<MailboxId> {
        let role = self.roles.get(&mailbox);
        let holders = roll
            .live()
            .filter(|one| role.is_some_and(|name| one.is_let_into(name)));
        [mailbox]
            .into_iter()
            .chain(holders.map(|one| one.id.into()))
            .collect()
    }

    /// Whether mail at this address is kept for a member of staff, and not for a role.
    pub fn is_staff(&self, roll: &Roll, address: &EmailAddress) -> bool {
        let kept = |mailbox: MailboxId| roll.live().any(|one| MailboxId::from(one.id) == mailbox);
        matches!(self.find(roll, address), Ok(Destination::Mailbox(mailbox)) if kept(mailbox))
    }

    /// The mailbox of whoever runs the server.
    pub fn postmaster(&self) -> MailboxId {
        self.postmaster
    }

    /// What becomes of mail at this address.
    ///
    /// # Errors
    /// [`NotHere`] if it isn't ours.
    pub fn find(&self, roll: &Roll, address: &EmailAddress) -> Result<Destination, NotHere> {
        if !self.is_ours(address.domain()) {
            return Err(NotHere::OtherDomain);
        }
        if let Some(mailbox) = self.mailbox_of(roll, address) {
            return Ok(Destination::Mailbox(mailbox));
        }
        let local = address.local().to_lowercase();
        if ROLE_LOCALS.contains(&local.as_str()) {
            return Ok(Destination::Mailbox(self.postmaster));
        }
        if local == DMARC_REPORTS {
            return Ok(Destination::Reports);
        }
        let (name, detail) = match local.split_once('+') {
            Some((name, detail)) => (name, Some(detail)),
            None => (local.as_str(), None),
        };
        match (name, detail) {
            (WITHDRAW, Some(token)) => {
                if let Some((list, who)) = self.vault.open_withdrawal_token(token) {
                    return Ok(Destination::Withdrawal { list, who });
                }
            }
            (RETURN, Some(token)) => {
                if let Some(copy) = self.vault.open_copy_token(CopyTokenKind::ReturnPath, token) {
                    return Ok(Destination::Returned(copy));
                }
            }
            _ => {}
        }
        if address.domain() == &self.domains[0]
            && let Some(list) = self.lists.get(name)
        {
            return self.list(list, detail);
        }
        let found = self.with_detail(roll, address);
        match USUAL_LOCALS.contains(&local.as_str()) {
            true => found.or(Ok(Destination::Mailbox(self.postmaster))),
            false => found,
        }
    }

    fn list(&self, list: &ListAddress, detail: Option<&str>) -> Result<Destination, NotHere> {
        let key = list.key.clone();
        match detail {
            None => Ok(Destination::List {
                list: key,
                constituency: None,
            }),
            Some(SUBSCRIBE) => Ok(Destination::Subscribe { list: key }),
            Some(slug) if list.by_constituency => {
                let found = self
                    .constituencies
                    .by_slug(slug)
                    .ok_or(NotHere::NoSuchPart)?;
                let code = found.code().as_str().to_owned();
                Ok(Destination::List {
                    list: key,
                    constituency: Some(code),
                })
            }
            Some(_) => Err(NotHere::NoSuchPart),
        }
    }

    /// `ada+anything@` is ada's.
    fn with_detail(&self, roll: &Roll, address: &EmailAddress) -> Result<Destination, NotHere> {
        let (name, Some(_)) = address.local_and_detail() else {
            return Err(NotHere::NoSuchMailbox);
        };
        let plain =
            EmailAddress::from_parts(name, address.domain()).map_err(|_| NotHere::NoSuchMailbox)?;
        self.mailbox_of(roll, &plain)
            .map(Destination::Mailbox)
            .ok_or(NotHere::NoSuchMailbox)
    }

    fn mailbox_of(&self, roll: &Roll, address: &EmailAddress) -> Option<MailboxId> {
        let staff = roll
            .by_address(address)
            .map(|member| MailboxId::from(member.id));
        staff.or_else(|| self.mailboxes.get(&address.match_form()).copied())
    }
}
