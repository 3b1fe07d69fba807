//! Root keys from files, credentials and passphrases, and everything that is refused.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

struct Host {
    dir: TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("data")).expect("created");
        Self { dir }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        path
    }

    fn read(&self, path: &Path) -> Result<RootKey, RootKeyError> {
        RootKey::from_key_file(path, &self.data())
    }

    fn refused(&self, path: &Path) -> RootKeyError {
        self.read(path).err().expect("refused")
    }
}

#[test]
fn a_key_file_may_be_digits_or_bytes() {
    let host = Host::new();
    let raw: Vec<u8> = (0..32).collect();
    let files = [
        host.file("hex", HEX.as_bytes(), 0o400),
        host.file("lines", format!(" {HEX}\r\n").as_bytes(), 0o600),
        host.file("raw", &raw, 0o400),
    ];
    for path in files {
        let key = host.read(&path).expect("a key");
        assert_eq!(key.bytes().as_slice(), raw);
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let host = Host::new();
    let contents: [&[u8]; 7] = [
        b"",
        &HEX.as_bytes()[1..],
        &[HEX.as_bytes(), b"0"].concat(),
        &[b'g'; 64],
        &[0; 32],
        &[b'0'; 64],
        &[b'1'; 100_000],
    ];
    for (number, content) in contents.iter().enumerate() {
        let path = host.file(&number.to_string(), content, 0o400);
        let error = host.refused(&path);
        assert!(matches!(error, RootKeyError::NotAKey(_)), "{number}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_command() {
    let host = Host::new();
    for mode in [0o644, 0o640, 0o440, 0o700, 0o500, 0o604, 0o4400, 0o000] {
        let path = host.file(&format!("{mode:o}"), HEX.as_bytes(), mode);
        match host.refused(&path) {
            RootKeyError::Mode { mode: said, .. } => assert_eq!(said, mode),
            // Without privileges a file that nobody may read doesn't even open.
            RootKeyError::Io { .. } => assert_eq!(mode, 0),
            other => panic!("{other}"),
        }
    }
    let path = host.file("open", HEX.as_bytes(), 0o644);
    let text = host.refused(&path).to_string();
    assert!(text.contains("0644") && text.contains(&format!("chmod 0400 {}", path.display())));
}

#[test]
fn a_key_in_the_data_directory_is_refused_however_it_is_named() {
    let host = Host::new();
    let inside = host.file("data/key", HEX.as_bytes(), 0o400);
    let link = host.dir.path().join("link");
    symlink(&inside, &link).expect("linked");
    let roundabout = host.dir.path().join("data/../data/key");
    for path in [inside, link, roundabout] {
        assert!(matches!(host.refused(&path), RootKeyError::InsideData(_)));
    }
    let outside = host.file("key", HEX.as_bytes(), 0o400);
    let link = host.dir.path().join("data/out");
    symlink(&outside, &link).expect("linked");
    assert!(host.read(&link).is_ok(), "where the key lies counts");
}

#[test]
fn what_is_not_a_file_is_refused() {
    let host = Host::new();
    assert!(matches!(
        host.refused(host.dir.path()),
        RootKeyError::NotAFile(_)
    ));
    assert!(matches!(
        host.refused(Path::new("/dev/zero")),
        RootKeyError::NotAFile(_)
    ));
    let gone = host.dir.path().join("gone");
    assert!(matches!(
        host.refused(&gone),
        RootKeyError::Io { action: "read", .. }
    ));
}

#[test]
fn a_made_key_file_is_read_back_and_never_overwritten() {
    let host = Host::new();
    let path = host.dir.path().join("root.key");
    let key = RootKey::generate();
    key.create_key_file(&path, &host.data()).expect("made");
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o400);
    assert_eq!(host.read(&path).expect("ours").bytes(), key.bytes());
    let other = RootKey::generate();
    assert!(other.create_key_file(&path, &host.data()).is_err());
    assert_eq!(host.read(&path).expect("ours").bytes(), key.bytes());
    let inside = host.data().join("root.key");
    assert!(matches!(
        key.create_key_file(&inside, &host.data()),
        Err(RootKeyError::InsideData(_))
    ));
    assert!(!inside.exists());
}

#[test]
fn a_credential_is_read_by_its_name_alone() {
    let host = Host::new();
    host.file("hustings.root", HEX.as_bytes(), 0o440);
    let read = |name: &str| RootKey::from_credential(Some(host.dir.path()), name);
    assert_eq!(read("hustings.root").expect("a key").bytes()[31], 31);
    for bad in ["", ".", "..", "../key", "data/key", "/etc/passwd", "key/"] {
        assert!(
            matches!(read(bad).err(), Some(RootKeyError::BadName(_))),
            "{bad:?}"
        );
    }
    assert!(matches!(
        read("absent").err(),
        Some(RootKeyError::Io { .. })
    ));
    assert!(matches!(
        RootKey::from_credential(None, "hustings.root").err(),
        Some(RootKeyError::NoCredentials)
    ));
}

#[test]
fn the_words_of_the_design_are_said() {
    assert!(
        KeySource::ADVICE.starts_with(
            "Only a passphrase, or a credential bound to a TPM, protects a stolen disk"
        )
    );
    let file = KeySource::KeyFile("/etc/hustings/root.key".into());
    assert!(file.protection().contains("not a stolen disk"));
    assert!(!file.starts_locked() && KeySource::Passphrase.starts_locked());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = parse_key(&bytes);
    }
}
