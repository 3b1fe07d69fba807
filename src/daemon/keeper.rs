//! The keeper of the vault: Locked → Unlocking → Unlocked → Stopping. There's no way from Unlocked back to Locked inside a
//! process, since freed memory keeps secrets: `lock` leaves a mark in the runtime directory and ends the process, and the
//! next one starts locked because of the mark.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use super::locked_box::{Applied, Effect, LockedBox, LockedBoxError};
use super::ring_file::RingFile;
use crate::config;
use crate::control::SecretText;
use crate::control::api::service::LockState;
use crate::store::{Files, LockedStore, Store, StoreError};
use crate::vault::{
    KeyRing, KeySource, PassphraseParams, RecoverySheet, RootKey, RootKeyError, UnlockError, Vault,
};

/// How long a wrong passphrase holds up the next try, besides the half second that each takes.
const AFTER_WRONG: Duration = Duration::from_secs(1);

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

/// The vault is open.
pub struct Opened {
    /// The open store.
    pub store: Store,
    /// What came of withdrawals that had come while locked.
    pub applied: Applied,
}

/// The keeper. It owns the locked store until the vault is opened.
pub struct Keeper {
    source: KeySource,
    data: PathBuf,
    mark: PathBuf,
    budget: usize,
    boxes: LockedBox,
    state: watch::Sender<LockState>,
    locked: Mutex<Option<LockedStore>>,
    /// The ring as it lies in the store: it is encrypted, so it may stay in memory.
    wrapped: Mutex<Vec<u8>>,
    start_locked: bool,
}

/// Where the root key comes from, by the configuration.
pub fn key_source(key: &config::RootKey) -> KeySource {
    match (key.source, &key.file) {
        (config::KeySource::File, Some(file)) => KeySource::KeyFile(file.clone()),
        (config::KeySource::Passphrase, _) => KeySource::Passphrase,
        (config::KeySource::Credential | config::KeySource::File, _) => {
            KeySource::Credential(key.credential.clone())
        }
    }
}

impl Keeper {
    /// Opens the store's file without its keys. `budget` is how many bytes of bodies may be in memory at once.
    ///
    /// # Errors
    /// A [`KeeperError`] if the file can't be opened, or holds no keys.
    pub async fn open(
        data: &Path,
        runtime: &Path,
        source: KeySource,
        budget: usize,
    ) -> Result<Self, KeeperError> {
        let mut locked = LockedStore::open(Files::in_directory(data)).await?;
        let Some(wrapped) = locked.wrapped_ring().await? else {
            return Err(missing_ring(data));
        };
        let mark = runtime.join("locked");
        Ok(Self {
            start_locked: source.starts_locked() || mark.exists(),
            boxes: LockedBox::in_directory(data),
            state: watch::Sender::new(LockState::Locked),
            locked: Mutex::new(Some(locked)),
            wrapped: Mutex::new(wrapped),
            data: data.to_owned(),
            source,
            mark,
            budget,
        })
    }

    /// Whether somebody must say `hustings unlock`: the key comes from a passphrase, or somebody said `hustings lock`.
    pub fn waits_for_unlock(&self) -> bool {
        self.start_locked
    }

    /// Where the vault stands.
    pub fn state(&self) -> LockState {
        *self.state.borrow()
    }

    /// Hears of each change.
    pub fn watch(&self) -> watch::Receiver<LockState> {
        self.state.subscribe()
    }

    /// Where the root key comes from.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// The box for withdrawals that come while locked.
    pub fn locked_box(&self) -> &LockedBox {
        &self.boxes
    }

    /// Opens the vault: gets the root key, opens the ring, applies what came while locked, and gives the open store.
    /// Doors may open only after this. Applying twice must do no harm.
    ///
    /// # Errors
    /// A [`KeeperError`]: the vault stays locked.
    pub async fn unlock<F>(
        &self,
        passphrase: Option<&SecretText>,
        apply: impl Fn(Store, Zeroizing<Vec<u8>>) -> F,
    ) -> Result<Opened, KeeperError>
    where
        F: Future<Output = Result<Effect, String>>,
    {
        let mut slot = self.locked.try_lock().map_err(|_| KeeperError::Busy)?;
        let locked = slot.as_mut().ok_or(KeeperError::Busy)?;
        self.state.send_replace(LockState::Unlocking);
        let opened = self.open_ring(locked, passphrase).await;
        let opened = match opened {
            Ok(vault) => self.open_store(&mut slot, vault, apply).await,
            Err(error) => Err(error),
        };
        match &opened {
            Ok(_) => {
                self.state.send_replace(LockState::Unlocked);
            }
            Err(error) => {
                self.state.send_replace(LockState::Locked);
                if matches!(error, KeeperError::Unlock(UnlockError::WrongKey)) {
                    tokio::time::sleep(AFTER_WRONG).await;
                }
            }
        }
        opened
    }

    /// Opens the vault with a root key that is at hand, for the set-up: nothing came while locked yet, and nothing is
    /// applied.
    ///
    /// # Errors
    /// As [`Keeper::unlock`].
    pub async fn unlock_with(&self, root: &RootKey) -> Result<Opened, KeeperError> {
        let mut slot = self.locked.try_lock().map_err(|_| KeeperError::Busy)?;
        let file = RingFile::parse(&self.wrapped.lock().await).ok_or(KeeperError::Damaged)?;
        let vault = Vault::from_ring(KeyRing::unwrap(root, &file.wrapped)?);
        self.boxes.write_key(vault.seal_to())?;
        let locked = slot.take().ok_or(KeeperError::Busy)?;
        let store = locked.unlock(vault, self.budget).await?;
        self.state.send_replace(LockState::Unlocked);
        Ok(Opened {
            store,
            applied: Applied::default(),
        })
    }

    async fn open_ring(
        &self,
        locked: &mut LockedStore,
        passphrase: Option<&SecretText>,
    ) -> Result<Vault, KeeperError> {
        let mut wrapped = self.wrapped.lock().await;
        let mut file = RingFile::parse(&wrapped).ok_or(KeeperError::Damaged)?;
        let root = self.root_key(file.params.as_ref(), passphrase).await?;
        let ring = KeyRing::unwrap(&root, &file.wrapped)?;
        if ring.needs_saving() {
            file.wrapped = ring.wrap(&root);
            let bytes = file.to_bytes();
            locked.keep_ring(&bytes).await?;
            *wrapped = bytes;
        }
        Ok(Vault::from_ring(ring))
    }

    async fn open_store<F>(
        &self,
        slot: &mut Option<LockedStore>,
        vault: Vault,
        apply: impl Fn(Store, Zeroizing<Vec<u8>>) -> F,
    ) -> Result<Opened, KeeperError>
    where
        F: Future<Output = Result<Effect, String>>,
    {
        let locked = slot.take().ok_or(KeeperError::Busy)?;
        let opened = self.fill(locked, vault, apply).await;
        if opened.is_err() {
            // A second try must find a locked store again.
            *slot = Some(reopen(Files::in_directory(&self.data)).await?);
        }
        opened
    }

    async fn fill<F>(
        &self,
        locked: LockedStore,
        vault: Vault,
        apply: impl Fn(Store, Zeroizing<Vec<u8>>) -> F,
    ) -> Result<Opened, KeeperError>
    where
        F: Future<Output = Result<Effect, String>>,
    {
        self.boxes.write_key(vault.seal_to())?;
        let store = locked.unlock(vault.clone(), self.budget).await?;
        let applied = self
            .boxes
            .open(&vault, |withdrawal| apply(store.clone(), withdrawal))
            .await;
        let opened = applied
            .map_err(KeeperError::from)
            .and_then(|applied| self.unmark().map(|()| applied));
        match opened {
            Ok(applied) => Ok(Opened { store, applied }),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn root_key(
        &self,
        params: Option<&PassphraseParams>,
        passphrase: Option<&SecretText>,
    ) -> Result<RootKey, KeeperError> {
        match &self.source {
            KeySource::KeyFile(path) => Ok(RootKey::from_key_file(path, &self.data)?),
            KeySource::Credential(name) => {
                let directory = RootKey::credentials_directory();
                Ok(RootKey::from_credential(directory.as_deref(), name)?)
            }
            KeySource::Passphrase => {
                let passphrase = passphrase.ok_or(KeeperError::PassphraseNeeded)?.clone();
                let params = params.ok_or(KeeperError::Damaged)?.clone();
                tokio::task::spawn_blocking(move || {
                    RootKey::from_passphrase(passphrase.reveal(), &params)
                })
                .await
                .map_err(|error| KeeperError::Derivation(error.to_string()))?
                .map_err(KeeperError::from)
            }
        }
    }

    /// The recovery sheet of an open vault. The root key is got anew: the daemon doesn't keep it.
    ///
    /// # Errors
    /// A [`KeeperError`], also if the key that was got is not the one that wraps this vault's ring.
    pub async fn recovery_sheet(
        &self,
        vault: &Vault,
        passphrase: Option<&SecretText>,
    ) -> Result<RecoverySheet, KeeperError> {
        let file = RingFile::parse(&self.wrapped.lock().await).ok_or(KeeperError::Damaged)?;
        let root = self.root_key(file.params.as_ref(), passphrase).await?;
        KeyRing::unwrap(&root, &file.wrapped)?;
        Ok(RecoverySheet::new(&root, vault.ring()))
    }

    /// Leaves the mark because of which the next process starts locked, and goes to Stopping. The caller drains and ends
    /// the process.
    ///
    /// # Errors
    /// [`KeeperError::Mark`]: nothing was done.
    pub fn lock(&self) -> Result<(), KeeperError> {
        fs::write(&self.mark, b"").map_err(|source| KeeperError::Mark {
            path: self.mark.clone(),
            source,
        })?;
        self.stopping();
        Ok(())
    }

    /// The daemon is stopping.
    pub fn stopping(&self) {
        self.state.send_replace(LockState::Stopping);
    }

    fn unmark(&self) -> Result<(), KeeperError> {
        match fs::remove_file(&self.mark) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(KeeperError::Mark {
                path: self.mark.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// Why there is no ring: a new installation, or one whose database was lost. Keys made anew would bury the old ones.
fn missing_ring(data: &Path) -> KeeperError {
    let journal = Files::in_directory(data).journal();
    if fs::metadata(journal).is_ok_and(|about| about.len() > 0) {
        KeeperError::Emptied(data.to_owned())
    } else {
        KeeperError::NotSetUp
    }
}

/// Opens the store on a thread of its own: the future of a migration can't be sent between threads.
async fn reopen(files: Files) -> Result<LockedStore, KeeperError> {
    let here = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || here.block_on(LockedStore::open(files)))
        .await
        .map_err(|error| KeeperError::Reopening(error.to_string()))?
        .map_err(KeeperError::from)
}

/// Makes the keys of a new installation and keeps them in its store.
///
/// # Errors
/// [`KeeperError::AlreadySetUp`] if there are keys: nothing was changed.
pub async fn create_ring(
    data: &Path,
    root: &RootKey,
    params: Option<PassphraseParams>,
) -> Result<KeyRing, KeeperError> {
    let mut locked = LockedStore::open(Files::in_directory(data)).await?;
    if locked.wrapped_ring().await?.is_some() {
        locked.close().await?;
        return Err(KeeperError::AlreadySetUp);
    }
    if let emptied @ KeeperError::Emptied(_) = missing_ring(data) {
        return Err(emptied);
    }
    let ring = KeyRing::generate();
    let file = RingFile {
        params,
        wrapped: ring.wrap(root),
    };
    locked.keep_ring(&file.to_bytes()).await?;
    locked.close().await?;
    Ok(ring)
}

#[cfg(test)]
mod tests;
