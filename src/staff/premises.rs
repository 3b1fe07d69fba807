//! What the staff room must know of the configuration: the party's own domains, and addresses that belong to lists and
//! role mailboxes. The daemon makes it from the configuration, anew at each reload.

use std::collections::{BTreeSet, HashMap};

use super::error::StaffError;
use crate::address::{Domain, EmailAddress, MatchForm};

/// Local parts that a mailbox may have and an account may not: they are the postmaster's, in every own domain (RFC 2142).
const ROLE_LOCALS: [&str; 2] = ["postmaster", "abuse"];

/// The party's domains and the addresses in them that no account may have.
#[derive(Clone, Default)]
pub struct Premises {
    domains: Vec<Domain>,
    taken: HashMap<MatchForm, String>,
    mailboxes: BTreeSet<String>,
}

impl Premises {
    /// The premises of a party with these domains.
    pub fn new(domains: impl IntoIterator<Item = Domain>) -> Self {
        Self {
            domains: domains.into_iter().collect(),
            taken: HashMap::new(),
            mailboxes: BTreeSet::new(),
        }
    }

    /// Marks an address as taken by `what`, such as `the list news`.
    pub fn taken(mut self, address: &EmailAddress, what: impl Into<String>) -> Self {
        self.taken.insert(address.match_form(), what.into());
        self
    }

    /// There is this role mailbox.
    pub fn mailbox(mut self, name: impl Into<String>) -> Self {
        self.mailboxes.insert(name.into());
        self
    }

    /// A user name without a domain of the party's.
    pub(super) fn without_own_domain<'u>(&self, user: &'u str) -> &'u str {
        match user.rsplit_once('@') {
            Some((name, domain)) if self.domains.iter().any(|own| own.as_str() == domain) => name,
            _ => user,
        }
    }

    /// A name that has no domain, in each of the party's.
    pub(super) fn in_own_domains(&self, name: &str) -> impl Iterator<Item = String> {
        let own = self.domains.iter().filter(move |_| !name.contains('@'));
        own.map(move |domain| format!("{name}@{domain}"))
    }

    /// The names of the role mailboxes.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &str> {
        self.mailboxes.iter().map(String::as_str)
    }

    /// Whether there is a role mailbox of this name.
    pub(super) fn has_mailbox(&self, name: &str) -> bool {
        self.mailboxes.contains(name)
    }

    /// Checks that there is such a role mailbox.
    pub(super) fn check_mailbox(&self, name: &str) -> Result<(), StaffError> {
        if self.mailboxes.contains(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.mailboxes.iter().map(String::as_str).collect();
        Err(StaffError::UnknownMailbox {
            name: name.to_owned(),
            known: known.join(", "),
        })
    }

    /// Checks that an account may have this address.
    pub(super) fn check(&self, address: &EmailAddress) -> Result<(), StaffError> {
        if !self.domains.contains(address.domain()) {
            return Err(StaffError::OtherDomain {
                own: self
                    .domains
                    .iter()
                    .map(Domain::as_str)
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
        if address.local().contains('+') {
            return Err(StaffError::Plus);
        }
        let local = address.local().to_ascii_lowercase();
        if address.is_reserved() || ROLE_LOCALS.contains(&local.as_str()) {
            return Err(StaffError::AddressTaken("the server itself".into()));
        }
        match self.taken.get(&address.match_form()) {
            Some(what) => Err(StaffError::AddressTaken(what.clone())),
            None => Ok(()),
        }
    }
}
