//! A small disk that can be filled up and made read-only.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own, unmounted when dropped.
pub struct SmallDisk {
    mounted: PathBuf,
    /// Of a disk that stands alone.
    _directory: Option<tempfile::TempDir>,
}

impl SmallDisk {
    /// Mounts one of this size, if this user may.
    pub fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mounted = directory.path().to_owned();
        mount(&mounted, "mode=0711", size).then_some(Self {
            mounted,
            _directory: Some(directory),
        })
    }

    /// Mounts one over a directory, with the files that are in it.
    pub fn under(directory: &Path, size: &str) -> Option<Self> {
        let entries = std::fs::read_dir(directory).expect("the directory can be read");
        let files: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (std::fs::read(&path).expect("a file"), path))
            .collect();
        if !mount(directory, "mode=0700", size) {
            return None;
        }
        for (bytes, path) in files {
            std::fs::write(path, bytes).expect("there is room");
        }
        Some(Self {
            mounted: directory.to_owned(),
            _directory: None,
        })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// Mounts it otherwise: `ro`, `rw`, `size=…`.
    pub fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(self.path())
            .status()
            .expect("mount runs");
        assert!(done.success());
    }
}

/// Whether it could be mounted; in CI it must.
fn mount(at: &Path, mode: &str, size: &str) -> bool {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("{mode},size={size}"), "none"])
        .arg(at)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        assert!(
            std::env::var_os("CI").is_none(),
            "skipped: needs root, to mount a small disk"
        );
        eprintln!("skipped: needs root, to mount a small disk");
    }
    mounted
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Takes the room that is left on the disk, and gives it back when dropped.
pub struct Ballast(PathBuf);

impl Ballast {
    /// Fills the disk that this directory is on.
    pub fn fill(directory: &Path) -> Self {
        let path = directory.join("ballast");
        let mut size: usize = 64 << 20;
        let mut bytes = Vec::new();
        while size >= 512 {
            bytes.resize(bytes.len() + size, 0);
            if std::fs::write(&path, &bytes).is_err() {
                bytes.truncate(bytes.len() - size);
                size /= 2;
            }
        }
        let _ = std::fs::write(&path, &bytes);
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
