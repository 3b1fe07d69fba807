//! Keys.

use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, SecretText};
use crate::staff::Role;

/// `key backup`: the recovery sheet.
#[derive(Debug, Serialize, Deserialize)]
pub struct Backup {
    /// The passphrase, where the root key comes from one: the daemon doesn't keep it.
    pub passphrase: Option<SecretText>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Backup, "key backup", Needs::Role(Role::Admin), answer Sheet);

/// The recovery sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// Its text, to be printed and kept away from the host.
    pub text: SecretText,
}
