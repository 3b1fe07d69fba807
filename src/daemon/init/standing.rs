//! How far an earlier set-up came: whether the recovery sheet was taken, and whether there is a first admin. What is
//! still due is noted beside the database, in a file that goes when nothing is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{InitError, decrypt_credential, io_error, keeper, write_new};
use crate::clock::Clock;
use crate::config::{Config, KeySource};
use crate::control::SecretText;
use crate::daemon::settings::premises;
use crate::staff::{NewAccount, Role, StaffRoom};
use crate::vault::{RecoverySheet, RootKey};

/// The note.
const NOTE: &str = "set-up-unfinished";
/// What it says while nobody has taken the sheet.
const SHEET: &str = "The recovery sheet was not taken yet. Run hustings init again.\n";
const ACCOUNT: &str = "The first account was not made yet. Run hustings init again.\n";

/// What a set-up that was broken off left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing, or it was never noted.
    Nothing,
    /// The first account.
    Account,
    /// Somebody must take the sheet, and then the account.
    Sheet,
}

/// What is due.
pub fn due(config: &Config) -> Due {
    match fs::read_to_string(note(config)) {
        Ok(text) if text == ACCOUNT => Due::Account,
        Ok(_) => Due::Sheet,
        Err(_) => Due::Nothing,
    }
}

/// Notes what is due.
///
/// # Errors
/// [`InitError::Io`].
pub fn set_due(config: &Config, due: Due) -> Result<(), InitError> {
    let path = note(config);
    let text = match due {
        Due::Nothing => return gone(&path),
        Due::Account => ACCOUNT,
        Due::Sheet => SHEET,
    };
    let new = path.with_extension("new");
    gone(&new)?;
    write_new(&new, text.as_bytes(), 0o600)?;
    fs::rename(&new, &path).map_err(io_error(&path))
}

fn note(config: &Config) -> PathBuf {
    config.data_dir.join(NOTE)
}

fn gone(path: &Path) -> Result<(), InitError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// The root key of a database that is there. None is made: another one would open nothing.
///
/// # Errors
/// [`InitError`] if it can't be had, or doesn't open the database.
pub async fn known_root(
    config: &Config,
    passphrase: Option<&SecretText>,
    credential: &Path,
) -> Result<RootKey, InitError> {
    match config.key.source {
        KeySource::File => Ok(RootKey::from_key_file(
            &config.key_file(),
            &config.data_dir,
        )?),
        KeySource::Credential => decrypt_credential(&config.key.credential, credential),
        KeySource::Passphrase => Ok(keeper(config).await?.root_from(passphrase).await?),
    }
}

/// The recovery sheet of a database that is there.
///
/// # Errors
/// [`InitError`].
pub async fn sheet_again(config: &Config, root: &RootKey) -> Result<RecoverySheet, InitError> {
    let store = keeper(config).await?.unlock_with(root).await?;
    let sheet = RecoverySheet::new(root, store.vault().ring());
    store.close().await;
    Ok(sheet)
}

/// Whether there is an admin, and whether it is the one that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAdmin {
    /// There never was one.
    Missing,
    /// The one that is named.
    Same,
    /// Somebody else.
    Another,
}

/// Looks for the admin of this name and Unix user, as far as they are named.
///
/// # Errors
/// [`InitError`] if the database can't be opened with this key.
pub async fn first_admin_is(
    config: &Config,
    root: &RootKey,
    name: Option<&str>,
    uid: Option<u32>,
) -> Result<FirstAdmin, InitError> {
    let store = keeper(config).await?.unlock_with(root).await?;
    let staff = StaffRoom::open(store.clone(), Clock::system(), premises(config)).await?;
    let is_new = staff.is_new().await;
    let roll = staff.roll();
    let fits = roll.all().iter().any(|member| {
        member.revoked_at.is_none()
            && member.has(Role::Admin)
            && name.is_none_or(|name| member.name == name)
            && uid.is_none_or(|uid| member.uid == Some(uid))
    });
    store.close().await;
    Ok(match (is_new?, fits) {
        (true, _) => FirstAdmin::Missing,
        (false, true) => FirstAdmin::Same,
        (false, false) => FirstAdmin::Another,
    })
}

/// Whether this account can be made here, as far as it can be told before there is a database.
///
/// # Errors
/// [`InitError::Staff`].
pub fn check_account(config: &Config, account: &NewAccount) -> Result<(), InitError> {
    Ok(account.check(&premises(config))?)
}
