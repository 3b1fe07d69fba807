//! The store.

use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::Needs;
use crate::staff::Role;
use crate::store::Verification;

/// `store verify`: opens every sealed value. Reports progress by table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Verify {}
ask!(Verify, "store verify", Needs::Role(Role::Admin), answer Verification);
