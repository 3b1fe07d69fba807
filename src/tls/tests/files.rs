//! Pairs in files: read, watched, refused.

use std::cell::Cell;
use std::time::SystemTime;

use super::*;

struct Files {
    dir: tempfile::TempDir,
    ca: SelfMadeCa,
    stamps: Cell<u64>,
}

impl Files {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ca: ca(),
            stamps: Cell::new(0),
        }
    }

    fn issue(&self, name: &str) -> PairFiles {
        let names = ["mail.party.example"];
        let pair = self.ca.issue_to(self.dir.path(), name, &names).unwrap();
        self.stamp(&pair.chain);
        self.stamp(&pair.key);
        pair
    }

    fn copy(&self, from: &Path, to: &Path) {
        std::fs::copy(from, to).unwrap();
        self.stamp(to);
    }

    /// Gives a file a time of its own: the kernel may give two writes the same.
    fn stamp(&self, path: &Path) {
        self.stamps.set(self.stamps.get() + 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.stamps.get());
        let file = std::fs::File::open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[track_caller]
fn fails(chain: &Path, key: &Path, expected: &str, about_key: bool) {
    let error = Pair::load(chain, key, Timestamp::now()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(expected), "{text:?} has no {expected:?}");
    assert!(!text.contains("PRIVATE KEY"), "{text:?}");
    assert!(!error.next_step().is_empty());
    assert_eq!(error.is_about_key(), about_key, "{text}");
}

#[test]
fn pairs_that_cannot_be_used_say_why() {
    let files = Files::new();
    let (good, other) = (files.issue("good"), files.issue("other"));
    let none = files.dir.path().join("none");

    fails(&none, &good.key, "none can't be read: No such file", false);
    fails(&good.chain, &none, "none can't be read: No such file", true);
    fails(
        files.dir.path(),
        &good.key,
        "can't be read: Is a directory",
        false,
    );
    fails(
        &good.chain,
        &other.key,
        "does not belong to the certificate in",
        true,
    );
    fails(
        &good.key,
        &good.key,
        "has no certificate in it, but a private key",
        false,
    );
    fails(
        &good.chain,
        &good.chain,
        "has no private key in it, but a certificate",
        true,
    );
    fails(
        &files.write("empty", ""),
        &good.key,
        "has no certificate in it, but nothing",
        false,
    );
    fails(
        &files.write("text", "hello"),
        &good.key,
        "but no PEM at all",
        false,
    );
    fails(
        &files.write("der", files.ca.der()),
        &good.key,
        "but a DER file",
        false,
    );
    fails(
        &good.chain,
        &files.write("empty", ""),
        "has no private key in it, but nothing",
        true,
    );
}

#[test]
fn pairs_that_are_damaged_say_where() {
    let files = Files::new();
    let good = files.issue("good");
    let chain_text = std::fs::read_to_string(&good.chain).unwrap();
    let key_text = std::fs::read_to_string(&good.key).unwrap();
    fails(
        &files.write("cut", &chain_text[..200]),
        &good.key,
        "is not well-formed PEM",
        false,
    );
    fails(
        &good.chain,
        &files.write("cut.key", &key_text[..80]),
        "is not well-formed PEM",
        true,
    );
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fails(
        &good.chain,
        &files.write("enc.key", encrypted),
        "is encrypted with a passphrase",
        true,
    );
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    fails(
        &good.chain,
        &files.write("bad.key", nonsense),
        "is of no kind that TLS takes here",
        true,
    );
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fails(
        &files.write("bad", nonsense),
        &good.key,
        "certificate 1 in",
        false,
    );
    fails(
        &files.write("bad2", chain_text.clone() + nonsense),
        &good.key,
        "certificate 3 in",
        false,
    );
    fails(
        &files.write("many", chain_text.repeat(6)),
        &good.key,
        "more than 10 certificates",
        false,
    );
    fails(
        &files.write("huge", vec![b'x'; 2 << 20]),
        &good.key,
        "is larger than",
        false,
    );
    fails(
        &good.chain,
        &files.write("huge", vec![b'x'; 2 << 20]),
        "is larger than",
        true,
    );
}

#[test]
fn pairs_out_of_date_say_when() {
    let files = Files::new();
    let good = files.issue("good");
    let at = |days: i64| {
        let now = Timestamp::now() + SignedDuration::from_hours(24 * days);
        Pair::load(&good.chain, &good.key, now)
    };
    assert!(at(0).unwrap().expires() > Timestamp::now() + SignedDuration::from_hours(24 * 363));
    let late = at(400).unwrap_err();
    assert!(
        matches!(late, PairError::Expired { .. }) && late.to_string().contains(" expired on 20"),
        "{late}"
    );
    let early = at(-10).unwrap_err();
    assert!(
        matches!(early, PairError::NotYetValid { .. })
            && early.to_string().contains("only valid from 20"),
        "{early}"
    );
    assert!(!late.is_about_key() && !early.is_about_key());
}

#[test]
fn keys_are_written_for_the_service_alone() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    for _ in 0..2 {
        let pair = files.issue("again");
        let mode = std::fs::metadata(&pair.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
    }
    assert!(files.ca.issue(&["not a name"]).is_err() || files.ca.issue(&["é"]).is_err());
    assert!(files.ca.pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn changed_files_are_read_again_and_broken_ones_are_not() {
    let files = Files::new();
    let now = Timestamp::now();
    let pair = files.issue("mail");
    let certificates = Certificates::open(vec![pair.clone()], now).unwrap();
    let in_use = || certificates.pairs()[0].certificate().to_vec();
    let first = in_use();
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Unchanged
    );

    files.issue("mail");
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Changed
    );
    let second = in_use();
    assert_ne!(first, second);
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Unchanged
    );

    // The chain is replaced, the key not yet.
    let other = files.issue("other");
    files.copy(&other.chain, &pair.chain);
    assert!(matches!(
        certificates.reload_if_changed(now),
        Err(PairError::Mismatch { .. })
    ));
    assert!(certificates.read_again(now).is_err());
    assert_eq!(in_use(), second, "the old pair stays");
    std::fs::remove_file(&pair.key).unwrap();
    assert!(certificates.reload_if_changed(now).is_err());
    files.copy(&other.key, &pair.key);
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Changed
    );
    let third = in_use();
    assert_ne!(third, second);

    // A new configuration names other files.
    assert!(
        certificates
            .replace(
                vec![PairFiles {
                    chain: "/none".into(),
                    key: "/none".into()
                }],
                now
            )
            .is_err()
    );
    assert_eq!(in_use(), third);
    certificates.replace(vec![files.issue("new")], now).unwrap();
    assert_ne!(in_use(), third);
    assert!(certificates.expires().unwrap() > now);
    // What was read is served once it is taken, as long as the same files are watched.
    let fourth = in_use();
    files.issue("new");
    let read = certificates.read_again(now).unwrap();
    assert_eq!(in_use(), fourth);
    certificates.take(read);
    let fifth = in_use();
    assert_ne!(fifth, fourth);
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Unchanged
    );
    let late = certificates.read_again(now).unwrap();
    certificates.put(Vec::new());
    certificates.take(late);
    assert!(certificates.pairs().is_empty(), "others are served by now");
}

#[tokio::test]
async fn watching_brings_new_certificates_into_use() {
    let files = Files::new();
    let pair = files.issue("mail");
    let certificates = Certificates::open(vec![pair], Timestamp::now()).unwrap();
    let first = certificates.pairs()[0].certificate().to_vec();
    let watch = tokio::spawn(
        certificates
            .clone()
            .watch(Duration::from_millis(5), Clock::system()),
    );
    files.issue("mail");
    let changed = async {
        while certificates.pairs()[0].certificate().to_vec() == first {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), changed)
        .await
        .unwrap();
    watch.abort();
    // A handshake that comes now sees the new one.
    let server = server_config(certificates.clone(), Door::Mx);
    let (client, _) = shake(encrypting_client(), server, "mail.party.example").unwrap();
    assert_ne!(served(&client), first);
}
