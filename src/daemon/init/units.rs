//! What systemd needs: the unit files and the service's own user.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, openat};
use rustix::io::Errno;

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

/// Gives what was made to the service's own user, where there is one and we are root. What lies in a directory may be
/// the service's own already, and the service may not be itself any more: links there, to files of somebody else, are
/// left as they are.
///
/// # Errors
/// [`InitError::Io`].
pub fn give_to_service(path: &Path, uid: u32, gid: u32) -> Result<(), InitError> {
    let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
    let failed = |errno: Errno| io_error(path)(errno.into());
    let top = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    give(&top, owner).map_err(failed)?;
    if kind(&top).map_err(failed)? != FileType::Directory {
        return Ok(());
    }
    for entry in
        Dir::read_from(openat(&top, c".", LIST, Mode::empty()).map_err(failed)?).map_err(failed)?
    {
        let entry = entry.map_err(failed)?;
        if [c".", c".."].contains(&entry.file_name()) {
            continue;
        }
        let name = path.join(OsStr::from_bytes(entry.file_name().to_bytes()));
        openat(&top, entry.file_name(), SEEN, Mode::empty())
            .and_then(|file| give(&file, owner))
            .map_err(|errno| io_error(&name)(errno.into()))?;
    }
    Ok(())
}

const LIST: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// The very entry, be it a link.
const SEEN: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn kind(file: &OwnedFd) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(fstat(file)?.st_mode))
}

/// Gives one file, by what was opened: nothing can be put in its place meanwhile.
fn give(file: &OwnedFd, (uid, gid): (Uid, Gid)) -> Result<(), Errno> {
    if is_link(file)? {
        return Ok(());
    }
    chownat(file, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
}

/// A file with a second name may be somebody else's.
fn is_link(file: &OwnedFd) -> Result<bool, Errno> {
    let many = fstat(file)?.st_nlink > 1;
    Ok(match kind(file)? {
        FileType::Symlink => true,
        FileType::Directory => false,
        _ => many,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    /// What is in the directory is given away, and nothing that a link in it names.
    #[test]
    fn a_link_in_the_data_directory_gives_nothing_else_away() {
        let place = tempfile::tempdir().expect("a directory");
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("data")).expect("makes");
        for name in ["shadow", "group", "data/hustings.db"] {
            fs::write(at(name), b"x").expect("writes");
        }
        symlink(at("shadow"), at("data/journal")).expect("links");
        fs::hard_link(at("group"), at("data/lock")).expect("links");
        for (name, link) in [
            ("data", false),
            ("data/hustings.db", false),
            ("data/journal", true),
            ("data/lock", true),
        ] {
            let file = openat(CWD, at(name), SEEN, Mode::empty()).expect("opens");
            assert_eq!(is_link(&file), Ok(link), "{name}");
        }
        // Who isn't root can give to nobody but themselves.
        let own = fs::metadata(place.path()).expect("is there");
        let root = own.uid() == 0;
        let (uid, gid) = if root {
            (4711, 4712)
        } else {
            (own.uid(), own.gid())
        };
        give_to_service(&at("data"), uid, gid).expect("gives");
        for (name, given) in [
            ("data", true),
            ("data/hustings.db", true),
            ("shadow", false),
            ("group", false),
        ] {
            let about = fs::metadata(at(name)).expect("is there");
            let owner = if given {
                (uid, gid)
            } else {
                (own.uid(), own.gid())
            };
            assert_eq!((about.uid(), about.gid()), owner, "{name}");
        }
    }

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
