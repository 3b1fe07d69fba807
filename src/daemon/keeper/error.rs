//! Why the vault doesn't open.

use std::io;
use std::path::PathBuf;

use super::super::locked_box::LockedBoxError;
use crate::store::StoreError;
use crate::vault::{RootKeyError, UnlockError};

/// Why the vault did not open.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// There are no keys yet.
    #[error(
        "there is no key ring in the data directory yet; set the installation up: hustings init"
    )]
    NotSetUp,
    /// There was an installation, and its database is gone.
    #[error(
        "the database in {0} is empty or new, though this directory was in use: a journal lies in it; put back the newest \
         copy of it, or set data_dir to an empty directory"
    )]
    Emptied(PathBuf),
    /// There are keys already.
    #[error("the data directory has a key ring already; it is kept as it is")]
    AlreadySetUp,
    /// The ring lies in a form that isn't known.
    #[error(
        "the key ring in the database is damaged, or of a newer hustings; stop the service and put back a copy of the database from before"
    )]
    Damaged,
    /// A passphrase is needed and none came.
    #[error("the root key comes from a passphrase and none was given; type it at: hustings unlock")]
    PassphraseNeeded,
    /// Somebody else is trying.
    #[error("the vault is being unlocked or stopped already; look at: hustings status")]
    Busy,
    /// Somebody else has the root key derived.
    #[error("somebody else is typing the passphrase already; try again in a moment")]
    Trying,
    /// No root key.
    #[error(transparent)]
    Root(#[from] RootKeyError),
    /// The root key doesn't open the ring.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came while locked can't be applied.
    #[error(transparent)]
    LockedBox(#[from] LockedBoxError),
    /// The mark can't be left or taken away.
    #[error(
        "the mark {path} that keeps the vault locked can't be changed: {source}; check the runtime directory"
    )]
    Mark {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store could not be opened again after a failed unlock.
    #[error("the store could not be opened again: {0}; restart the service")]
    Reopening(String),
    /// The derivation ended early.
    #[error("the key could not be derived: {0}; try again")]
    Derivation(String),
}

impl KeeperError {
    /// Whether another process, a running service as a rule, has the database.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Store(StoreError::InUse(_)))
    }
}
