//! The keeper of the vault: Locked → Unlocking → Unlocked → Stopping. There's no way from Unlocked back to Locked inside a
//! process, since freed memory keeps secrets: `lock` leaves a mark in the runtime directory and ends the process, and the
//! next one starts locked because of the mark.

mod error;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tokio::sync::{Mutex, MutexGuard, watch};
use zeroize::Zeroizing;

use super::locked_box::{Applied, Effect, LockedBox};
use super::ring_file::RingFile;
use crate::config;
use crate::control::SecretText;
use crate::control::api::service::LockState;
use crate::store::{Files, LockedStore, Store};
use crate::vault::{
    KeyRing, KeySource, PassphraseParams, RecoverySheet, RootKey, UnlockError, Vault,
};

pub use error::KeeperError;

/// The mark of a lock, in the runtime directory.
pub(super) const LOCKED: &str = "locked";
/// How long a wrong passphrase holds up the next try, besides the half second that each takes.
const AFTER_WRONG: Duration = Duration::from_secs(1);

/// The store is open, and nobody knows it yet: doors may open once [`Opening::opened`] is said. Whoever can't open them
/// says [`Opening::abandon`], and then no key is left in memory.
#[must_use]
pub struct Opening<'k> {
    keeper: &'k Keeper,
    slot: MutexGuard<'k, Option<LockedStore>>,
    store: Store,
}

impl Opening<'_> {
    /// The open store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Applies what came while locked. Applying twice must do no harm.
    ///
    /// # Errors
    /// A [`KeeperError`]: what was not applied is kept.
    pub async fn apply<F>(
        &self,
        apply: impl Fn(Zeroizing<Vec<u8>>) -> F,
    ) -> Result<Applied, KeeperError>
    where
        F: Future<Output = Result<Effect, String>>,
    {
        Ok(self.keeper.boxes.open(self.store.vault(), apply).await?)
    }

    /// Takes the mark away that `lock` left: the next process opens the vault by itself, if it can.
    ///
    /// # Errors
    /// [`KeeperError::Mark`].
    pub fn unmark(&self) -> Result<(), KeeperError> {
        self.keeper.unmark()
    }

    /// The doors are open.
    pub fn opened(self) {
        self.keeper.state.send_replace(LockState::Unlocked);
    }

    /// Closes the store again. The caller has dropped everything that held it.
    ///
    /// # Errors
    /// A [`KeeperError`] if there's nothing that a second try could open.
    pub async fn abandon(self) -> Result<(), KeeperError> {
        let Self {
            keeper,
            mut slot,
            store,
        } = self;
        store.close().await;
        drop(store);
        let reopened = keeper.reopen(&mut slot).await;
        keeper.state.send_replace(LockState::Locked);
        reopened
    }
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
    /// One passphrase at a time: each takes 64 MiB and may be a guess.
    trying: Mutex<()>,
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
        let mark = runtime.join(LOCKED);
        Ok(Self {
            start_locked: source.starts_locked() || mark.exists(),
            boxes: LockedBox::in_directory(data),
            state: watch::Sender::new(LockState::Locked),
            locked: Mutex::new(Some(locked)),
            wrapped: Mutex::new(wrapped),
            trying: Mutex::default(),
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

    /// Opens the vault: gets the root key, opens the ring and with it the store. One tries at a time.
    ///
    /// # Errors
    /// A [`KeeperError`]: the vault stays locked.
    pub async fn unlock(
        &self,
        passphrase: Option<&SecretText>,
    ) -> Result<Opening<'_>, KeeperError> {
        let mut slot = self.locked.try_lock().map_err(|_| KeeperError::Busy)?;
        let locked = slot.as_mut().ok_or(KeeperError::Busy)?;
        self.state.send_replace(LockState::Unlocking);
        let opened = match self.open_ring(locked, passphrase).await {
            Ok(vault) => self.open_store(&mut slot, vault).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(store) => Ok(Opening {
                keeper: self,
                slot,
                store,
            }),
            Err(error) => {
                self.state.send_replace(LockState::Locked);
                after_wrong(&error).await;
                Err(error)
            }
        }
    }

    /// Opens the store with a root key that is at hand, for the set-up: no door opens behind it, and nothing that came
    /// while locked is applied.
    ///
    /// # Errors
    /// As [`Keeper::unlock`].
    pub async fn unlock_with(&self, root: &RootKey) -> Result<Store, KeeperError> {
        let mut slot = self.locked.try_lock().map_err(|_| KeeperError::Busy)?;
        let file = RingFile::parse(&self.wrapped.lock().await).ok_or(KeeperError::Damaged)?;
        let vault = Vault::from_ring(KeyRing::unwrap(root, &file.wrapped)?);
        self.boxes.write_key(vault.seal_to())?;
        let locked = slot.take().ok_or(KeeperError::Busy)?;
        let store = locked.unlock(vault, self.budget).await?;
        self.state.send_replace(LockState::Unlocked);
        Ok(store)
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

    async fn open_store(
        &self,
        slot: &mut Option<LockedStore>,
        vault: Vault,
    ) -> Result<Store, KeeperError> {
        self.boxes.write_key(vault.seal_to())?;
        let locked = slot.take().ok_or(KeeperError::Busy)?;
        match locked.unlock(vault, self.budget).await {
            Ok(store) => Ok(store),
            Err(error) => {
                self.reopen(slot).await?;
                Err(error.into())
            }
        }
    }

    /// A second try must find a locked store again.
    async fn reopen(&self, slot: &mut Option<LockedStore>) -> Result<(), KeeperError> {
        *slot = Some(reopen(Files::in_directory(&self.data)).await?);
        Ok(())
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

    /// The root key that opens the ring, for the set-up.
    ///
    /// # Errors
    /// A [`KeeperError`], also if the key that was got is another.
    pub async fn root_from(&self, passphrase: Option<&SecretText>) -> Result<RootKey, KeeperError> {
        let file = RingFile::parse(&self.wrapped.lock().await).ok_or(KeeperError::Damaged)?;
        let root = self.root_key(file.params.as_ref(), passphrase).await?;
        KeyRing::unwrap(&root, &file.wrapped)?;
        Ok(root)
    }

    /// The recovery sheet of an open vault. The root key is got anew: the daemon doesn't keep it. One tries at a time, and
    /// a wrong passphrase takes as long as at an unlock.
    ///
    /// # Errors
    /// A [`KeeperError`], also if the key that was got is not the one that wraps this vault's ring.
    pub async fn recovery_sheet(
        &self,
        vault: &Vault,
        passphrase: Option<&SecretText>,
    ) -> Result<RecoverySheet, KeeperError> {
        let _one = self.trying.try_lock().map_err(|_| KeeperError::Trying)?;
        let file = RingFile::parse(&self.wrapped.lock().await).ok_or(KeeperError::Damaged)?;
        let root = self.root_key(file.params.as_ref(), passphrase).await?;
        match KeyRing::unwrap(&root, &file.wrapped) {
            Ok(_) => Ok(RecoverySheet::new(&root, vault.ring())),
            Err(error) => {
                let error = error.into();
                after_wrong(&error).await;
                Err(error)
            }
        }
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

/// Whoever guesses waits.
async fn after_wrong(error: &KeeperError) {
    if matches!(error, KeeperError::Unlock(UnlockError::WrongKey)) {
        tracing::warn!("a passphrase or root key was tried that does not open the key ring");
        tokio::time::sleep(AFTER_WRONG).await;
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
pub(crate) mod tests;
