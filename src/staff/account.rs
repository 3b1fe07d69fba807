//! What an account may look like.

use super::error::{RoleName, StaffError};
use super::premises::Premises;
use crate::address::EmailAddress;
use crate::store::{Role, StaffRecord};

/// The longest login name.
const NAME_MAX: usize = 32;
/// How many addresses an account may have.
const ADDRESSES_MAX: usize = 20;
/// Names that would be mistaken for somebody else, in the audit log or among the mailboxes.
const RESERVED: [&str; 7] = [
    "root", "nobody", "hustings", "system", "daemon", "admin", "bounced",
];

/// An account to be made.
#[derive(Clone)]
pub struct NewAccount {
    /// The login name.
    pub name: String,
    /// Its addresses; the first is the main one.
    pub addresses: Vec<EmailAddress>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The Unix user by which the command line knows this person.
    pub uid: Option<u32>,
}

/// What is to be different about an account.
#[derive(Debug, Clone, Default)]
pub struct AccountChanges {
    /// Roles that it gets.
    pub add_roles: Vec<Role>,
    /// Roles that it loses.
    pub remove_roles: Vec<Role>,
    /// Role mailboxes that it is let into.
    pub let_into: Vec<String>,
    /// Role mailboxes that it is shut out of.
    pub shut_out_of: Vec<String>,
    /// Addresses that it gets.
    pub add_addresses: Vec<EmailAddress>,
    /// Addresses that it loses. What is sent to them from then on is refused, until somebody else gets them.
    pub remove_addresses: Vec<EmailAddress>,
    /// The address that is its main one from now on; it gets it if it hasn't.
    pub main_address: Option<EmailAddress>,
    /// The Unix user by which the command line knows this person from now on.
    pub uid: Option<u32>,
}

impl AccountChanges {
    /// Whether somebody may do more with them than before.
    pub fn widen(&self) -> bool {
        let rights = !self.add_roles.is_empty() || !self.let_into.is_empty();
        let names = !self.add_addresses.is_empty() || self.main_address.is_some();
        rights || names || self.uid.is_some()
    }

    /// The addresses that it may not have before.
    pub(super) fn new_addresses(&self) -> impl Iterator<Item = &EmailAddress> {
        self.add_addresses.iter().chain(&self.main_address)
    }

    /// Changes the record, and answers each change in the words of the audit log. What is so already is no change.
    pub(super) fn apply(
        &self,
        record: &mut StaffRecord,
        premises: &Premises,
    ) -> Result<Vec<String>, StaffError> {
        let mut acts = Vec::new();
        let stays = |role: &&Role| !self.remove_roles.contains(role);
        for role in self.add_roles.iter().filter(stays) {
            if !record.roles.contains(role) {
                record.roles.push(*role);
                acts.push(format!("staff add role {}", RoleName(*role)));
            }
        }
        for role in &self.remove_roles {
            if record.roles.contains(role) {
                record.roles.retain(|one| one != role);
                acts.push(format!("staff remove role {}", RoleName(*role)));
            }
        }
        record.roles.sort_unstable();
        for name in &self.let_into {
            premises.check_mailbox(name)?;
            if !record.mailboxes.contains(name) {
                record.mailboxes.push(name.clone());
                acts.push(format!("staff let into mailbox {name}"));
            }
        }
        for name in &self.shut_out_of {
            // Perhaps of a mailbox that is no longer configured.
            if record.mailboxes.contains(name) {
                record.mailboxes.retain(|one| one != name);
                acts.push(format!("staff shut out of mailbox {name}"));
            }
        }
        record.mailboxes.sort_unstable();
        if record.roles.is_empty() {
            return Err(StaffError::NoRole);
        }
        acts.extend(self.apply_addresses(&mut record.addresses, premises)?);
        if let Some(uid) = self.uid.filter(|uid| record.uid != Some(*uid)) {
            check_uid(uid)?;
            record.uid = Some(uid);
            acts.push("staff change uid".to_owned());
        }
        Ok(acts)
    }

    /// The log, from which nothing is ever taken out, names no address: the account has it as long as it stands.
    fn apply_addresses(
        &self,
        addresses: &mut Vec<EmailAddress>,
        premises: &Premises,
    ) -> Result<Vec<String>, StaffError> {
        let mut acts = Vec::new();
        let is = |one: &EmailAddress, other: &EmailAddress| one.match_form() == other.match_form();
        for address in self.new_addresses() {
            if !addresses.iter().any(|one| is(one, address)) {
                premises.check(address)?;
                addresses.push(address.clone());
                acts.push("staff add address".to_owned());
            }
        }
        if let Some(main) = &self.main_address {
            let at = addresses.iter().position(|one| is(one, main));
            if let Some(at) = at.filter(|at| *at > 0) {
                addresses[..=at].rotate_right(1);
                acts.push("staff change main address".to_owned());
            }
        }
        for address in &self.remove_addresses {
            if self.new_addresses().any(|new| is(new, address)) {
                return Err(StaffError::AddressTwice);
            }
            let at = addresses.iter().position(|one| is(one, address));
            addresses.remove(at.ok_or(StaffError::NotItsAddress)?);
            acts.push("staff remove address".to_owned());
        }
        check_count(addresses)?;
        Ok(acts)
    }
}

fn check_count(addresses: &[EmailAddress]) -> Result<(), StaffError> {
    match addresses.len() {
        0 => Err(StaffError::NoAddress),
        1..=ADDRESSES_MAX => Ok(()),
        _ => Err(StaffError::TooManyAddresses {
            most: ADDRESSES_MAX,
        }),
    }
}

/// Root may be anybody, and the highest number, (uid_t) -1, says "no user" to the system.
fn check_uid(uid: u32) -> Result<(), StaffError> {
    match uid {
        0 => Err(StaffError::Root),
        u32::MAX => Err(StaffError::NoUser),
        _ => Ok(()),
    }
}

/// Checks a login name: 1 to 32 lower-case letters, digits, `.`, `-` and `_`, the first a letter.
///
/// # Errors
/// [`StaffError::Name`] or [`StaffError::ReservedName`].
pub fn check_name(name: &str) -> Result<(), StaffError> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let fits = name.len() <= NAME_MAX
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_lowercase());
    if !fits {
        return Err(StaffError::Name);
    }
    if RESERVED.contains(&name) {
        return Err(StaffError::ReservedName(name.to_owned()));
    }
    Ok(())
}

impl NewAccount {
    /// Checks all that can be told of a first admin before there is a database.
    ///
    /// # Errors
    /// A [`StaffError`].
    pub fn check(&self, premises: &Premises) -> Result<(), StaffError> {
        let mut account = self.clone();
        account.roles = vec![Role::Admin];
        account.checked(premises).map(drop)
    }

    /// Checks all that can be told without a look at other accounts, and puts the roles in order.
    pub(super) fn checked(mut self, premises: &Premises) -> Result<Self, StaffError> {
        check_name(&self.name)?;
        if premises.has_mailbox(&self.name) {
            return Err(StaffError::RoleMailbox(self.name));
        }
        if self.roles.is_empty() {
            return Err(StaffError::NoRole);
        }
        self.roles.sort_unstable();
        self.roles.dedup();
        self.uid.map_or(Ok(()), check_uid)?;
        check_count(&self.addresses)?;
        for (at, address) in self.addresses.iter().enumerate() {
            premises.check(address)?;
            let form = address.match_form();
            if self.addresses[..at]
                .iter()
                .any(|other| other.match_form() == form)
            {
                return Err(StaffError::AddressTwice);
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_like_login_names() {
        for good in ["ada", "a", "j.smith-2_x", &"a".repeat(32)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Ada",
            "1ada",
            "-ada",
            "ada lovelace",
            "ada@party.example",
            "ädä",
            "a\n",
            &"a".repeat(33),
        ] {
            assert!(matches!(check_name(bad), Err(StaffError::Name)), "{bad:?}");
        }
        for reserved in ["root", "bounced"] {
            let refused = check_name(reserved);
            assert!(matches!(refused, Err(StaffError::ReservedName(_))));
        }
    }

    #[test]
    fn nobody_is_called_as_a_roles_mailbox_is() {
        let own = crate::address::Domain::parse("party.example").expect("a domain");
        let premises = Premises::new([own]).mailbox("press");
        let account = |name: &str| NewAccount {
            name: name.to_owned(),
            addresses: vec![EmailAddress::parse("ben@party.example").expect("an address")],
            roles: vec![Role::Reader],
            uid: None,
        };
        let refused = account("press").checked(&premises);
        assert!(matches!(refused, Err(StaffError::RoleMailbox(_))));
        assert!(account("ben").checked(&premises).is_ok());
    }
}
