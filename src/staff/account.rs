//! What an account may look like.

use super::error::StaffError;
use super::premises::Premises;
use crate::address::EmailAddress;
use crate::store::Role;

/// The longest login name.
const NAME_MAX: usize = 32;
/// How many addresses an account may have.
const ADDRESSES_MAX: usize = 20;
/// Names that would be mistaken for somebody else in the audit log.
const RESERVED: [&str; 6] = ["root", "nobody", "hustings", "system", "daemon", "admin"];

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
    /// Checks all that can be told without a look at other accounts, and puts the roles in order.
    pub(super) fn checked(mut self, premises: &Premises) -> Result<Self, StaffError> {
        check_name(&self.name)?;
        if self.roles.is_empty() {
            return Err(StaffError::NoRole);
        }
        self.roles.sort_unstable();
        self.roles.dedup();
        if self.uid == Some(0) {
            return Err(StaffError::Root);
        }
        if self.addresses.is_empty() || self.addresses.len() > ADDRESSES_MAX {
            return Err(StaffError::Addresses {
                most: ADDRESSES_MAX,
            });
        }
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
        assert!(matches!(
            check_name("root"),
            Err(StaffError::ReservedName(_))
        ));
    }
}
