//! Accounts.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing, SecretText};
use crate::staff::Role;

/// `staff add`. The first account may be made by nobody in particular; the room decides.
#[derive(Debug, Serialize, Deserialize)]
pub struct Add {
    /// The login name.
    pub name: String,
    /// Its addresses; the first is the main one.
    pub addresses: Vec<String>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The Unix user by which the command line knows this person.
    pub uid: Option<u32>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Add, "staff add", Needs::Nobody, answer NewPassword);

/// A password that was just made. It is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPassword {
    /// The account.
    pub name: String,
    /// Its main address.
    #[serde(default)]
    pub address: String,
    /// Its password.
    pub password: SecretText,
    /// What the password is called.
    #[serde(default)]
    pub label: String,
    /// Whoever asked made it for themselves.
    #[serde(default)]
    pub own: bool,
    /// Which server a mail program is to use.
    pub server: String,
    /// What else to type into it.
    #[serde(default)]
    pub settings: Vec<MailSetting>,
    /// The profile that an iPhone or a Mac takes, where settings are served: then other programs find them by themselves.
    #[serde(default)]
    pub profile: Option<String>,
}

/// What a mail program has to be told of one of our doors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSetting {
    /// `imap`, `pop3` or `smtp`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// `tls` from the first byte, or `starttls`.
    pub security: String,
}

/// `staff list`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {
    /// Revoked accounts too.
    pub revoked: bool,
}
ask!(List, "staff list", Needs::Staff, rows Account, answer Nothing);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// Its addresses; the first is the main one.
    pub addresses: Vec<String>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// What it may do for a time.
    #[serde(default)]
    pub granted: Vec<Role>,
    /// The role mailboxes that it was let into.
    #[serde(default)]
    pub mailboxes: Vec<String>,
    /// Its Unix user.
    pub uid: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Until when its training counts.
    pub trained_until: Option<Timestamp>,
    /// How many passwords it has.
    #[serde(default)]
    pub passwords: u64,
    /// Wrong passwords that came for it of late; strange networks are answered later then.
    #[serde(default)]
    pub wrong_passwords: u64,
    /// Its second factor, if it has one.
    #[serde(default)]
    pub second_factor: Option<FactorReport>,
}

/// A second factor, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorReport {
    /// Since when it is in force.
    pub since: Timestamp,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
    /// Wrong codes that came in the last 24 hours; after ten none is heard.
    pub wrong_codes: u64,
}

/// `staff revoke`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Revoke {
    /// The login name.
    pub name: String,
    /// Why.
    pub reason: Option<String>,
}
ask!(Revoke, "staff revoke", Needs::Role(Role::Admin), answer Nothing);

/// `staff change`: roles, the role mailboxes that an account is let into, addresses, the Unix user.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Change {
    /// The login name.
    pub name: String,
    /// Roles that it gets.
    pub add_roles: Vec<Role>,
    /// Roles that it loses.
    pub remove_roles: Vec<Role>,
    /// Role mailboxes that it is let into.
    pub let_into: Vec<String>,
    /// Role mailboxes that it is shut out of.
    pub shut_out_of: Vec<String>,
    /// Addresses that it gets.
    #[serde(default)]
    pub add_addresses: Vec<String>,
    /// Addresses that it loses.
    #[serde(default)]
    pub remove_addresses: Vec<String>,
    /// Its main address from now on.
    #[serde(default)]
    pub main_address: Option<String>,
    /// The Unix user by which the command line knows this person from now on.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Change, "staff change", Needs::Role(Role::Admin), answer Account);

/// `staff password add`.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddPassword {
    /// Whose; none is one's own.
    pub name: Option<String>,
    /// What it is called.
    pub label: String,
    /// Whether all others end.
    pub replace: bool,
    /// Why.
    pub reason: Option<String>,
}
ask!(AddPassword, "staff password add", Needs::Staff, answer NewPassword);

/// `staff password list`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListPasswords {
    /// Whose; none is one's own.
    pub name: Option<String>,
}
ask!(ListPasswords, "staff password list", Needs::Staff, rows PasswordRow, answer Nothing);

/// A password, without itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRow {
    /// What it is called.
    pub label: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The last day on which it was used; nobody knows from where.
    pub last_used: Option<Date>,
    /// The doors it was used at then: `submission`, `imap`, `pop3`.
    #[serde(default)]
    pub doors: Vec<String>,
}

/// `staff password revoke`.
#[derive(Debug, Serialize, Deserialize)]
pub struct RevokePassword {
    /// Whose; none is one's own.
    pub name: Option<String>,
    /// Which; none is all.
    pub label: Option<String>,
    /// Why.
    pub reason: Option<String>,
}
ask!(RevokePassword, "staff password revoke", Needs::Staff, answer PasswordsRevoked);

/// Passwords were ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordsRevoked {
    /// Whose.
    pub name: String,
    /// How many.
    pub revoked: u64,
}

/// `staff second-factor add`: makes its secret, which is not in force yet.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddFactor {
    /// Whose; none is one's own.
    pub name: Option<String>,
    /// Whether it takes the place of the one that is there.
    pub replace: bool,
    /// Why.
    pub reason: Option<String>,
}
ask!(AddFactor, "staff second-factor add", Needs::Staff, answer FactorSecret);

/// What an authenticator app has to be told. It is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorSecret {
    /// The account.
    pub name: String,
    /// The secret in base 32, to be typed.
    pub secret: SecretText,
    /// All of it, as `otpauth:` URI: what the picture says.
    pub uri: SecretText,
}

/// The second half of `staff second-factor add`: a code, which goes in its own frame as all do, shows that the app has the
/// secret, and it is in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConfirmFactor {
    /// Whose.
    pub name: String,
}
ask!(ConfirmFactor, "staff second-factor confirm", Needs::Staff, answer RecoveryCodes);

/// A second factor is in force. Its recovery codes are shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// The account.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Each of them stands for a code of the app, once.
    pub codes: Vec<SecretText>,
}

/// `staff second-factor remove`. Root may take the only admin's away; the room decides.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemoveFactor {
    /// Whose; none is one's own.
    pub name: Option<String>,
    /// Why; it must be said of another's.
    pub reason: Option<String>,
}
ask!(RemoveFactor, "staff second-factor remove", Needs::Nobody, answer FactorRemoved);

/// A second factor is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorRemoved {
    /// Whose.
    pub name: String,
}

/// `staff unlock`.
#[derive(Debug, Serialize, Deserialize)]
pub struct UnlockStaff {
    /// A login name, an IP address or a network.
    pub what: String,
    /// Why.
    pub reason: Option<String>,
}
ask!(UnlockStaff, "staff unlock", Needs::Role(Role::Admin), answer StaffUnlocked);

/// What wrong passwords held up is lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffUnlocked {
    /// How many networks had to wait until now.
    pub networks: u64,
}

/// `staff grant`: a role for a time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The login name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// For how many seconds from now.
    pub seconds: i64,
    /// Of a sender: the only list that they may write to.
    pub list: Option<String>,
    /// Of a sender: the only constituencies, by name, code or as in the list's address.
    pub constituencies: Vec<String>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Grant, "staff grant", Needs::Role(Role::Admin), answer GrantRow);

/// `staff grants`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grants {}
ask!(Grants, "staff grants", Needs::Staff, rows GrantRow, answer Nothing);

/// A role for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Whose.
    pub name: String,
    /// The role.
    pub role: Role,
    /// When it ends.
    pub until: Timestamp,
    /// The only list.
    pub list: Option<String>,
    /// The only constituencies, as in the list's address; none is all.
    pub constituencies: Vec<String>,
    /// When it was given.
    pub given_at: Timestamp,
}

/// `staff end-grant`.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndGrant {
    /// The login name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Why.
    pub reason: Option<String>,
}
ask!(EndGrant, "staff end-grant", Needs::Role(Role::Admin), answer GrantsEnded);

/// Grants were ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsEnded {
    /// How many.
    pub ended: u64,
}

/// `staff training`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Training {
    /// The login name.
    pub name: String,
    /// The day on which it was.
    pub date: Date,
    /// What was noted was wrong: this one stands even if that counts longer, or if its own time is over.
    #[serde(default)]
    pub correct: bool,
    /// Why.
    pub reason: Option<String>,
}
ask!(Training, "staff training", Needs::Role(Role::Admin), answer Trained);

/// A training is noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// Until when it counts.
    pub until: Timestamp,
}
