//! Setting a new installation up, step by step. Each step can be repeated: what is there is kept and said to be there.
//! The command line asks the questions; what is done is done here.

mod answers;
mod dns;
mod standing;
mod units;

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::desks::mail_access;
use super::keeper::{Keeper, KeeperError, create_ring, key_source};
use super::settings::premises;
pub use answers::{Answers, check_domain, check_party, check_postal_address, config_text};
pub use dns::{DnsStep, dns_steps};
pub use standing::{
    Due, FirstAdmin, check_account, due, first_admin_is, known_root, set_due, sheet_again,
};
pub use units::{UNITS, give_to_service, known_service_user, service_user, write_units};

use crate::clock::Clock;
use crate::config::{self, Config, ConfigErrors};
use crate::control::SecretText;
use crate::control::api::staff::NewPassword;
use crate::delivery::signing::SigningError;
use crate::staff::{Caller, Issued, NewAccount, StaffError, StaffRoom};
use crate::store::StoreError;
use crate::vault::{PassphraseParams, RecoverySheet, RootKey, RootKeyError};

/// Whether a step did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was done now.
    Done,
    /// It was done before, and nothing was changed.
    WasThere,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The answers make no good configuration.
    #[error("the answers make no good configuration:\n{0}")]
    Config(ConfigErrors),
    /// A file or directory.
    #[error("{path}: {source}; run init as root, or give other paths")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The root key.
    #[error(transparent)]
    Root(#[from] RootKeyError),
    /// systemd could not encrypt the credential.
    #[error(
        "systemd-creds could not encrypt the root key: {0}; choose a key file or a passphrase instead"
    )]
    Credential(String),
    /// The sheet doesn't fit the database.
    #[error(
        "this recovery sheet is not that of this database: it is another installation's, or the passphrase was changed after \
         it was printed; take the newest sheet of this installation"
    )]
    OtherSheet,
    /// Another key is there.
    #[error("another key is at {0} already; move it away and try again")]
    KeyThere(PathBuf),
    /// A credential is there that can't be read.
    #[error(
        "a credential is at {path} already, and systemd-creds can't decrypt it here ({why}); if no database was made with \
         it, or its key stands on a recovery sheet, move it away and try again"
    )]
    CredentialThere {
        /// Where.
        path: PathBuf,
        /// What systemd-creds said.
        why: String,
    },
    /// The key ring.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first account.
    #[error(transparent)]
    Staff(#[from] StaffError),
    /// The DKIM keys.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// Writes the configuration, unless there is one.
///
/// # Errors
/// [`InitError`].
pub fn write_config(path: &Path, answers: &Answers) -> Result<Step, InitError> {
    if path.exists() {
        return Ok(Step::WasThere);
    }
    let text = config_text(answers)?;
    if let Some(parent) = path.parent() {
        make_directory(parent, 0o755)?;
    }
    write_new(path, text.as_bytes(), 0o644)?;
    Ok(Step::Done)
}

/// Makes a directory, unless it is there.
///
/// # Errors
/// [`InitError::Io`].
pub fn make_directory(path: &Path, mode: u32) -> Result<Step, InitError> {
    if path.is_dir() {
        return Ok(Step::WasThere);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(io_error(path))?;
    Ok(Step::Done)
}

/// A root key by the configuration: got if it's there, made if not.
pub struct NewRoot {
    /// The key.
    pub key: RootKey,
    /// How it came from a passphrase.
    pub params: Option<PassphraseParams>,
    /// Whether it was made now.
    pub step: Step,
}

/// Gets or makes the root key. `passphrase` is needed where the key comes from one; `credential` is where an encrypted
/// credential is written, bound to the TPM if `tpm`.
///
/// # Errors
/// [`InitError`].
pub fn root_key(
    config: &Config,
    passphrase: Option<&SecretText>,
    credential: &Path,
    tpm: bool,
) -> Result<NewRoot, InitError> {
    match config.key.source {
        config::KeySource::Passphrase => {
            let passphrase = passphrase.ok_or(KeeperError::PassphraseNeeded)?;
            let params = PassphraseParams::generate();
            let key = RootKey::from_passphrase(passphrase.reveal(), &params)?;
            Ok(NewRoot {
                key,
                params: Some(params),
                step: Step::Done,
            })
        }
        config::KeySource::File => {
            let path = config.key_file();
            if path.exists() {
                let key = RootKey::from_key_file(&path, &config.data_dir)?;
                return Ok(NewRoot {
                    key,
                    params: None,
                    step: Step::WasThere,
                });
            }
            if let Some(parent) = path.parent() {
                make_directory(parent, 0o755)?;
            }
            let key = RootKey::generate();
            key.create_key_file(&path, &config.data_dir)?;
            Ok(NewRoot {
                key,
                params: None,
                step: Step::Done,
            })
        }
        config::KeySource::Credential => {
            if credential.exists() {
                // An earlier set-up was broken off behind this step.
                return Ok(NewRoot {
                    key: decrypt_credential(&config.key.credential, credential)?,
                    params: None,
                    step: Step::WasThere,
                });
            }
            let key = RootKey::generate();
            encrypt_credential(&key, &config.key.credential, credential, tpm)?;
            Ok(NewRoot {
                key,
                params: None,
                step: Step::Done,
            })
        }
    }
}

/// Has systemd encrypt the key into a file that only this host (or its TPM) can decrypt. The clear key goes through a pipe
/// and into no file.
pub(super) fn encrypt_credential(
    key: &RootKey,
    name: &str,
    to: &Path,
    tpm: bool,
) -> Result<(), InitError> {
    if to.exists() {
        // One that holds another key is somebody's: using ours instead would lock everybody out.
        return match decrypt_credential(name, to)?.is(key) {
            true => Ok(()),
            false => Err(InitError::KeyThere(to.to_owned())),
        };
    }
    if let Some(parent) = to.parent() {
        make_directory(parent, 0o700)?;
    }
    let failed = |error: &dyn std::fmt::Display| InitError::Credential(error.to_string());
    let clear = key.to_clear();
    let mut child = Command::new("systemd-creds")
        .arg("encrypt")
        .arg(format!("--name={name}"))
        .arg(if tpm {
            "--with-key=host+tpm2"
        } else {
            "--with-key=host"
        })
        .arg("-")
        .arg(to)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(clear.as_bytes())
            .map_err(|error| failed(&error))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(&said.trim()))
}

/// The key in a credential that systemd encrypted on this host. It comes through a pipe, and lies in no file.
fn decrypt_credential(name: &str, from: &Path) -> Result<RootKey, InitError> {
    let there = |why: &dyn std::fmt::Display| InitError::CredentialThere {
        path: from.to_owned(),
        why: why.to_string(),
    };
    let output = Command::new("systemd-creds")
        .arg("decrypt")
        .arg(format!("--name={name}"))
        .arg(from)
        .arg("-")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| there(&error))?;
    let clear = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(there(&String::from_utf8_lossy(&output.stderr).trim()));
    }
    RootKey::from_clear(&clear).ok_or_else(|| there(&"it holds no root key"))
}

/// Makes the store and its key ring, unless they're there. The sheet is given only when they were made now; until it was
/// taken that is noted as [due](Due).
///
/// # Errors
/// [`InitError`].
pub async fn make_store(
    config: &Config,
    root: &NewRoot,
) -> Result<Option<RecoverySheet>, InitError> {
    make_directory(&config.data_dir, 0o700)?;
    // First: whatever ends us behind this, there are no keys without a sheet that nobody is told of.
    let before = due(config);
    set_due(config, Due::Sheet)?;
    match create_ring(&config.data_dir, &root.key, root.params.clone()).await {
        Ok(ring) => Ok(Some(RecoverySheet::new(&root.key, &ring))),
        Err(error) => {
            set_due(config, before)?;
            match error {
                KeeperError::AlreadySetUp => Ok(None),
                error => Err(error.into()),
            }
        }
    }
}

/// Whether the data directory has keys.
///
/// # Errors
/// [`InitError`] if its store can't be opened.
pub async fn has_store(config: &Config) -> Result<bool, InitError> {
    if !config.data_dir.join("hustings.db").exists() {
        return Ok(false);
    }
    match keeper(config).await {
        Ok(_) => Ok(true),
        Err(KeeperError::NotSetUp) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn keeper(config: &Config) -> Result<Keeper, KeeperError> {
    let source = key_source(&config.key);
    Keeper::open(&config.data_dir, &config.runtime_dir, source, 1 << 20).await
}

/// Makes the first admin, who has all roles, unless there is an admin. `root` opens the store that [`make_store`] made.
///
/// # Errors
/// [`InitError`].
pub async fn first_admin(
    config: &Config,
    root: &RootKey,
    mut account: NewAccount,
) -> Result<Option<Issued>, InitError> {
    use crate::staff::Role;
    account.roles = vec![Role::Reader, Role::Sender, Role::Approver, Role::Admin];
    let keeper = keeper(config).await?;
    let store = keeper.unlock_with(root).await?;
    let staff = StaffRoom::open(store.clone(), Clock::system(), premises(config)).await?;
    let issued = if !staff.is_new().await? {
        None
    } else {
        let caller = Caller::Nobody {
            uid: rustix::process::getuid().as_raw(),
        };
        Some(staff.add(&caller, account, Some("set-up")).await?)
    };
    store.close().await;
    Ok(issued)
}

/// What a mail program of theirs has to be told, as `staff add` says it.
pub fn card(config: &Config, issued: &Issued) -> NewPassword {
    mail_access(config).card(issued)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InitError> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(io_error(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_error(path))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    move |source| InitError::Io { path, source }
}

#[cfg(test)]
mod tests;
