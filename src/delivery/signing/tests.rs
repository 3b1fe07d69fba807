//! Tests of the keys and of reading a message for its signature.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::store::{Files, LockedStore};
use crate::vault::{KeyRing, Vault};

async fn store() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let locked = LockedStore::open(Files::in_directory(directory.path()))
        .await
        .unwrap();
    let vault = Vault::from_ring(KeyRing::generate());
    (locked.unlock(vault, 1 << 20).await.unwrap(), directory)
}

fn selectors() -> Selectors {
    Selectors {
        rsa: "hustings-rsa".into(),
        ed25519: "hustings-ed".into(),
    }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn read(message: &[u8]) -> HashedMessage {
    let mut hasher = MessageHasher::new();
    hasher.update(message).unwrap();
    hasher.finish()
}

fn time() -> SigningTime {
    SigningTime {
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        expires: None,
    }
}

#[tokio::test]
async fn keys_are_made_once_and_sign_for_the_domain_of_from() {
    let (store, _directory) = store().await;
    let domains = [domain("party.example"), domain("second.example")];
    let signing = Signing::open(&store, &domains, &selectors()).await.unwrap();
    let again = Signing::open(&store, &domains, &selectors()).await.unwrap();
    assert_eq!(signing.records(), again.records());
    assert!(signing.records()[0].text.starts_with("v=DKIM1; k=rsa; p="));
    assert_eq!(signing.records()[1].selector, "hustings-ed");
    for (from, expected) in [
        ("ada@second.example", "d=second.example;"),
        ("Ada <ada@PARTY.example>", "d=party.example;"),
        ("ada@elsewhere.example", "d=party.example;"),
    ] {
        let message = format!("From: {from}\r\n\r\nhello\r\n");
        let fields = signing
            .sign(read(message.as_bytes()), time())
            .await
            .unwrap();
        let repeat = again.sign(read(message.as_bytes()), time()).await.unwrap();
        assert_eq!(fields, repeat, "the same keys");
        assert_eq!(fields.matches("DKIM-Signature:").count(), 2);
        assert_eq!(fields.matches(expected).count(), 2, "{fields}");
    }
    let nobody = signing.sign(read(b"Subject: x\r\n\r\n"), time()).await;
    assert!(matches!(nobody, Err(SigningError::Sign(SignError::NoFrom))));
    let none = Signing::open(&store, &[], &selectors()).await;
    assert!(matches!(none, Err(SigningError::NoDomain)));
}

async fn open(directory: &TempDir, ring: KeyRing) -> Store {
    let files = Files::in_directory(directory.path());
    let locked = LockedStore::open(files).await.unwrap();
    locked
        .unlock(Vault::from_ring(ring), 1 << 20)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_altered_key_is_named_and_only_signing_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let domains = [domain("party.example")];
    let (store, other) = (KeyRing::generate(), KeyRing::generate());
    let store = open(&directory, store).await;
    let whole = Signing::open(&store, &domains, &selectors()).await.unwrap();
    assert!(whole.broken().is_empty() && whole.signer(None).can_sign());
    store.close().await;

    // What another vault sealed doesn't open.
    let store = open(&directory, other).await;
    let signing = Signing::open(&store, &domains, &selectors()).await.unwrap();
    assert_eq!(signing.broken().len(), 2, "{:?}", signing.broken());
    assert!(signing.broken()[0].contains("dkim-rsa") && !signing.signer(None).can_sign());
    let message = || read(b"From: ada@party.example\r\n\r\nhello\r\n");
    let refused = signing.sign(message(), time()).await;
    assert!(
        matches!(refused, Err(SigningError::Sign(SignError::NoKey))),
        "{refused:?}"
    );

    let value = SigningKey::generate_rsa().unwrap().to_pkcs8().unwrap();
    let put = Step::PutSetting(Setting {
        name: RSA.into(),
        value,
    });
    let _ = store.change(Change::new().then(put)).await.unwrap();
    let signing = Signing::open(&store, &domains, &selectors()).await.unwrap();
    assert_eq!(signing.broken().len(), 1, "{:?}", signing.broken());
    assert!(signing.broken()[0].contains("dkim-ed25519"));
    let fields = signing.sign(message(), time()).await.unwrap();
    assert_eq!(fields.matches("DKIM-Signature:").count(), 1, "{fields}");
    assert_eq!(signing.records().len(), 1);
}

#[test]
fn a_header_without_end_is_refused() {
    let mut hasher = MessageHasher::new();
    let line = [b"X-Long: ".as_slice(), &[b'x'; 900], b"\r\n"].concat();
    let refused = (0..400).find_map(|_| hasher.update(&line).err());
    assert!(matches!(refused, Some(SigningError::HeaderTooLong)));
}

proptest! {
    #[test]
    fn however_it_is_cut_the_signed_bytes_are_the_same(
        body in "(\r\n|\\.|[a-z ]{1,9}|\r\n\r\n){0,20}",
        header in prop_oneof![Just("From: a@b.example\r\nX: y\r\n\r\n"), Just("\r\n")],
        cuts in proptest::collection::vec(0usize..120, 0..8),
    ) {
        let message = format!("{header}{body}");
        let message = message.as_bytes();
        let whole = read(message);
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(message.len())).collect();
        cuts.extend([0, message.len()]);
        cuts.sort_unstable();
        let mut hasher = MessageHasher::new();
        for pair in cuts.windows(2) {
            hasher.update(&message[pair[0]..pair[1]]).unwrap();
        }
        let cut = hasher.finish();
        prop_assert_eq!(cut.header(), header.as_bytes());
        prop_assert_eq!(cut.header(), whole.header());
        prop_assert_eq!(cut.body, whole.body);
        let mut expected = BodyHasher::new();
        expected.update(body.as_bytes());
        prop_assert_eq!(cut.body, expected.finish());
    }
}
