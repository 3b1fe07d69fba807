//! The way back when the root key is lost: the recovery sheet holds it. The key is checked against the database, put
//! where the configuration says that it comes from, and the act is logged.

use std::path::Path;

use super::init::{InitError, encrypt_credential, make_directory};
use super::keeper::{Keeper, KeeperError, key_source};
use super::ring_file::RingFile;
use super::settings::premises;
use crate::clock::Clock;
use crate::config::{Config, KeySource};
use crate::control::SecretText;
use crate::staff::{Caller, StaffRoom};
use crate::store::{Files, LockedStore};
use crate::vault::{KeyRing, PassphraseParams, RecoverySheet, RootKey};

/// The key is back. Nothing that went wrong afterwards undoes that.
pub struct Restored {
    /// The sheet from now on, where the key is a new one.
    pub sheet: Option<RecoverySheet>,
    /// Whether it stands in the audit log.
    pub logged: Result<(), InitError>,
}

/// Puts the root key of a sheet back. With a passphrase as its source the key is a new one, made from `passphrase`, and
/// so is the sheet that is given back: the old one opens nothing any more.
///
/// # Errors
/// An [`InitError`]; what a key was and where it lay stays as it was.
pub async fn restore(
    config: &Config,
    sheet: &RecoverySheet,
    passphrase: Option<&SecretText>,
    credential: &Path,
    tpm: bool,
) -> Result<Restored, InitError> {
    // Made by nobody but `init`: a lost database must not be hidden by an empty one.
    if !config.data_dir.join("hustings.db").exists() {
        return Err(KeeperError::NotSetUp.into());
    }
    let mut locked = LockedStore::open(Files::in_directory(&config.data_dir)).await?;
    let wrapped = locked.wrapped_ring().await?.ok_or(KeeperError::NotSetUp)?;
    let mut file = RingFile::parse(&wrapped).ok_or(KeeperError::Damaged)?;
    let root = sheet.root_key();
    let ring = KeyRing::unwrap(&root, &file.wrapped)
        .ok()
        .filter(|ring| sheet.matches(ring))
        .ok_or(InitError::OtherSheet)?;
    let (root, new_sheet) = match config.key.source {
        KeySource::File => (to_file(config, root)?, None),
        KeySource::Credential => {
            encrypt_credential(&root, &config.key.credential, credential, tpm)?;
            (root, None)
        }
        KeySource::Passphrase => {
            let passphrase = passphrase.ok_or(KeeperError::PassphraseNeeded)?;
            let params = PassphraseParams::generate();
            let root = RootKey::from_passphrase(passphrase.reveal(), &params)?;
            file = RingFile {
                params: Some(params),
                wrapped: ring.wrap(&root),
            };
            locked.keep_ring(&file.to_bytes()).await?;
            let sheet = RecoverySheet::new(&root, &ring);
            (root, Some(sheet))
        }
    };
    let closed = locked.close().await.map_err(InitError::from);
    let logged = match closed {
        Ok(()) => log(config, &root).await,
        Err(error) => Err(error),
    };
    Ok(Restored {
        sheet: new_sheet,
        logged,
    })
}

/// Writes the key file, unless it is there and the same.
fn to_file(config: &Config, root: RootKey) -> Result<RootKey, InitError> {
    let path = config.key_file();
    if !path.exists() {
        if let Some(parent) = path.parent() {
            make_directory(parent, 0o755)?;
        }
        root.create_key_file(&path, &config.data_dir)?;
        return Ok(root);
    }
    let there = RootKey::from_key_file(&path, &config.data_dir);
    match there {
        Ok(there) if there.is(&root) => Ok(root),
        _ => Err(InitError::KeyThere(path)),
    }
}

/// Whoever did it is nobody in particular: somebody with the sheet, and root or the service's own user.
async fn log(config: &Config, root: &RootKey) -> Result<(), InitError> {
    let source = key_source(&config.key);
    let keeper = Keeper::open(&config.data_dir, &config.runtime_dir, source, 1 << 20).await?;
    let store = keeper.unlock_with(root).await?;
    let staff = StaffRoom::open(store.clone(), Clock::system(), premises(config)).await?;
    let caller = Caller::Nobody {
        uid: rustix::process::getuid().as_raw(),
    };
    let logged = staff
        .record(
            &caller,
            "key restore",
            None,
            Some("from the recovery sheet"),
        )
        .await;
    store.close().await;
    Ok(logged?)
}
