//! What systemd needs: the unit files and the service's own user.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{InitError, Step, io_error, write_new};

/// The unit files, as they're installed.
pub const UNITS: [(&str, &str); 2] = [
    (
        "hustings.service",
        include_str!("../../../config/hustings.service"),
    ),
    (
        "hustings.socket",
        include_str!("../../../config/hustings.socket"),
    ),
];

/// The Unix user that the service runs as.
const SERVICE_USER: &str = "hustings";

/// Writes the unit files, unless they're there.
///
/// # Errors
/// [`InitError::Io`].
pub fn write_units(directory: &Path) -> Result<Step, InitError> {
    let mut step = Step::WasThere;
    for (name, text) in UNITS {
        let path = directory.join(name);
        if !path.exists() {
            write_new(&path, text.as_bytes(), 0o644)?;
            step = Step::Done;
        }
    }
    Ok(step)
}

/// The service's own user and group; made now if we're root and there is none.
///
/// # Errors
/// [`InitError::Io`] if it can't be made.
pub fn service_user() -> Result<Option<(u32, u32)>, InitError> {
    if let Some(ids) = known_service_user() {
        return Ok(Some(ids));
    }
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    Command::new("useradd")
        .args(["--system", "--user-group", "--no-create-home"])
        .args([
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            SERVICE_USER,
        ])
        .status()
        .map_err(io_error(Path::new("useradd")))?;
    Ok(known_service_user())
}

/// The service's own user and group, if there is one.
pub fn known_service_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd.lines().find_map(user_ids)
}

/// User and group of a line of passwd(5), if it is the service's.
fn user_ids(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    if fields.next() != Some(SERVICE_USER) {
        return None;
    }
    let _password = fields.next();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Gives what was made to the service's own user, where there is one and we are root.
///
/// # Errors
/// [`InitError::Io`].
pub fn give_to_service(path: &Path, uid: u32, gid: u32) -> Result<(), InitError> {
    let give =
        |path: &Path| std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(io_error(path));
    give(path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(io_error(path))? {
            give(&entry.map_err(io_error(path))?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::user_ids;

    #[test]
    fn the_services_user_is_found_in_passwd() {
        assert_eq!(
            user_ids("hustings:x:997:996::/nonexistent:/usr/sbin/nologin"),
            Some((997, 996))
        );
        assert_eq!(user_ids("hustings2:x:997:996::/:/bin/sh"), None);
        assert_eq!(user_ids("hustings:x"), None);
    }
}
