//! Tests of the keys and of reading a message for its signature.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::message::dkim::{BodyHasher, SigningKey};
use crate::store::{Change, ChangeOutcome, Files, LockedStore, Setting, Step};
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

fn now() -> Timestamp {
    time().at
}

fn later(days: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_hours(24 * days)
}

async fn signing(store: &Store, domains: &[&str]) -> Signing {
    let domains: Vec<_> = domains.iter().map(|text| domain(text)).collect();
    Signing::open(store, &domains, &selectors(), now())
        .await
        .unwrap()
}

async fn fields(signing: &Signing, stream: Stream, from: &str) -> String {
    // As most mail programs write them.
    let message = format!(
        "Content-Type: multipart/alternative; boundary=b\r\nFrom: {from}\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n"
    );
    let signed = signing.sign(stream, read(message.as_bytes()), time()).await;
    signed.unwrap()
}

/// The selectors that sign this kind of mail.
async fn signs(signing: &Signing, stream: Stream) -> Vec<String> {
    let fields = fields(signing, stream, "ada@party.example").await;
    let parts = fields.split(" s=").skip(1);
    parts
        .map(|part| part.split(';').next().unwrap().to_owned())
        .collect()
}

fn in_phase(signing: &Signing, phase: Phase, at: Timestamp) -> Vec<String> {
    let records = signing.records(at).into_iter();
    let fitting = records.filter(|record| record.phase == phase);
    fitting.map(|record| record.selector).collect()
}

fn act() -> Step {
    let act = crate::audit::Act::new("ada", "dns rotate-dkim", now());
    Step::Append(crate::store::NewEvent {
        log: crate::audit::LogKind::Audit,
        subject: None,
        event: act.to_canonical().unwrap(),
    })
}

#[tokio::test]
async fn each_domain_and_kind_of_mail_has_its_keys_made_once() {
    let (store, _directory) = store().await;
    let domains = ["party.example", "second.example"];
    let first = signing(&store, &domains).await;
    let again = signing(&store, &domains).await;
    let records = first.records(now());
    assert_eq!(records, again.records(now()));
    assert_eq!(records.len(), 2 * 3 * 2);
    let texts: std::collections::HashSet<_> = records.iter().map(|one| &one.text).collect();
    assert_eq!(texts.len(), records.len(), "no key twice");
    assert_eq!(
        records[0].name(),
        "hustings-rsa-list1._domainkey.party.example"
    );
    assert!(records[0].text.starts_with("v=DKIM1; k=rsa; p="));
    assert!(records[1].text.starts_with("v=DKIM1; k=ed25519; p="));
    for (from, expected) in [
        ("ada@second.example", "d=second.example;"),
        ("Ada <ada@PARTY.example>", "d=party.example;"),
        ("ada@elsewhere.example", "d=party.example;"),
    ] {
        for stream in Stream::ALL {
            let made = fields(&first, stream, from).await;
            assert_eq!(made, fields(&again, stream, from).await, "the same keys");
            assert_eq!(made.matches("DKIM-Signature:").count(), 2);
            assert_eq!(made.matches(expected).count(), 2, "{made}");
            let selector = format!("s=hustings-rsa-{stream}1;");
            assert!(made.contains(&selector), "{made}");
        }
    }
    let nobody = first.sign(Stream::Staff, read(b"Subject: x\r\n\r\n"), time());
    assert!(matches!(
        nobody.await,
        Err(SigningError::Sign(SignError::NoFrom))
    ));
    let none = Signing::open(&store, &[], &selectors(), now()).await;
    assert!(matches!(none, Err(SigningError::NoDomain)));
}

#[tokio::test]
async fn new_keys_sign_after_the_switch_alone_and_old_ones_stay_for_14_days() {
    let (store, _directory) = store().await;
    let domains = ["party.example"];
    let signing = signing(&store, &domains).await;
    let which = Which {
        domain: None,
        stream: Some(Stream::List),
    };
    signing.rotate(&which, act(), now()).await.unwrap();
    let next = ["hustings-rsa-list2", "hustings-ed-list2"];
    assert_eq!(in_phase(&signing, Phase::Next, now()), next);
    assert_eq!(signs(&signing, Stream::List).await[0], "hustings-rsa-list1");
    // Asked again, they're the same.
    let before = signing.records(now());
    signing.rotate(&which, act(), later(1)).await.unwrap();
    assert_eq!(signing.records(now()), before);

    // A restart goes on where it was.
    let signing = self::signing(&store, &domains).await;
    let waiting = signing.waiting();
    assert_eq!(waiting.len(), 1);
    assert!(signing.switch(&waiting[0], later(2)).await.unwrap());
    assert!(
        !signing.switch(&waiting[0], later(2)).await.unwrap(),
        "once"
    );
    assert_eq!(signs(&signing, Stream::List).await, next);
    assert_eq!(
        signs(&signing, Stream::Staff).await[0],
        "hustings-rsa-staff1"
    );
    let signing = self::signing(&store, &domains).await;
    assert_eq!(signs(&signing, Stream::List).await, next);

    let old = ["hustings-rsa-list1", "hustings-ed-list1"];
    assert_eq!(in_phase(&signing, Phase::Kept, later(15)), old);
    assert!(signing.removable(later(15)).is_empty());
    let of_old = signing.records(now()).remove(0).pair;
    assert!(
        !signing.forget(&of_old, later(15)).await.unwrap(),
        "too early"
    );
    assert_eq!(in_phase(&signing, Phase::Removable, later(16)), old);
    assert_eq!(signing.removable(later(16)), std::slice::from_ref(&of_old));
    assert!(signing.forget(&of_old, later(16)).await.unwrap());
    assert_eq!(signing.records(later(16)).len(), 6);
    // A selector never comes again.
    signing.rotate(&which, act(), later(17)).await.unwrap();
    assert_eq!(
        in_phase(&signing, Phase::Next, later(17))[0],
        "hustings-rsa-list3"
    );
}

#[tokio::test]
async fn the_private_half_goes_with_the_switch() {
    let (store, _directory) = store().await;
    let signing = signing(&store, &["party.example"]).await;
    let before = store.setting(keep::BOOK).await.unwrap().unwrap();
    let private = |bytes: &[u8]| -> Vec<String> {
        let book = Book::read(bytes).unwrap();
        let halves = book.pairs.iter().flat_map(|pair| &pair.halves);
        halves
            .filter_map(|half| Some(half.private.as_ref()?.0.to_string()))
            .collect()
    };
    signing
        .rotate(&Which::default(), act(), now())
        .await
        .unwrap();
    for pair in signing.waiting() {
        assert!(signing.switch(&pair, now()).await.unwrap());
    }
    let after = store.setting(keep::BOOK).await.unwrap().unwrap();
    let (before, after) = (private(&before), private(&after));
    assert_eq!((before.len(), after.len()), (6, 6));
    assert!(before.iter().all(|key| !after.contains(key)));
}

#[tokio::test]
async fn the_one_pair_of_an_older_installation_serves_until_all_are_rotated() {
    let (store, _directory) = store().await;
    let keys = [SigningKey::generate_rsa(), SigningKey::generate_ed25519()];
    let mut change = Change::new();
    for (name, key) in ["dkim-rsa", "dkim-ed25519"].into_iter().zip(keys) {
        let value = key.unwrap().to_pkcs8().unwrap();
        change = change.then(Step::PutSetting(Setting {
            name: name.into(),
            value,
        }));
    }
    assert_eq!(store.change(change).await.unwrap(), ChangeOutcome::Done);
    let signing = signing(&store, &["party.example"]).await;
    let first = ["hustings-rsa", "hustings-ed"];
    assert_eq!(in_phase(&signing, Phase::Live, now()), first);
    for stream in Stream::ALL {
        assert_eq!(signs(&signing, stream).await, first);
    }
    let which = Which {
        domain: Some(domain("party.example")),
        stream: Some(Stream::Staff),
    };
    signing.rotate(&which, act(), now()).await.unwrap();
    signing.switch(&signing.waiting()[0], now()).await.unwrap();
    assert_eq!(signs(&signing, Stream::List).await, first);
    assert_eq!(
        signs(&signing, Stream::Staff).await[0],
        "hustings-rsa-staff1"
    );
    let kept = async |name| store.setting(name).await.unwrap().unwrap().len();
    assert!(kept("dkim-rsa").await > 0);
    signing
        .rotate(&Which::default(), act(), now())
        .await
        .unwrap();
    // Those that were rotated before are rotated once more; the first pair ends with its last use.
    for pair in signing.waiting() {
        assert!(!in_phase(&signing, Phase::Kept, now()).contains(&first[0].to_owned()));
        signing.switch(&pair, now()).await.unwrap();
    }
    assert!(in_phase(&signing, Phase::Kept, now()).contains(&first[0].to_owned()));
    assert_eq!(kept("dkim-rsa").await + kept("dkim-ed25519").await, 0);
    let again = self::signing(&store, &["party.example"]).await;
    assert_eq!(again.records(now()), signing.records(now()));
    let elsewhere = Which {
        domain: Some(domain("elsewhere.example")),
        stream: None,
    };
    let refused = again.rotate(&elsewhere, act(), now()).await;
    assert!(matches!(refused, Err(SigningError::NotOurs(_))));
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
async fn altered_keys_are_named_and_only_signing_waits_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (KeyRing::generate(), KeyRing::generate());
    let store = open(&directory, ours).await;
    let whole = signing(&store, &["party.example"]).await;
    assert!(whole.broken().is_empty());
    assert!(whole.signer(Stream::List, None).now().can_sign());
    store.close().await;

    // What another vault sealed doesn't open.
    let store = open(&directory, other).await;
    let signing = self::signing(&store, &["party.example"]).await;
    assert_eq!(signing.broken().len(), 1, "{:?}", signing.broken());
    assert!(signing.broken()[0].contains("dkim-keys"));
    assert!(!signing.signer(Stream::List, None).now().can_sign());
    let message = read(b"From: ada@party.example\r\n\r\nhello\r\n");
    let refused = signing.sign(Stream::Staff, message, time()).await;
    assert!(
        matches!(refused, Err(SigningError::Sign(SignError::NoKey))),
        "{refused:?}"
    );
    let refused = signing.rotate(&Which::default(), act(), now()).await;
    assert!(matches!(refused, Err(SigningError::Broken)));
}

#[tokio::test]
async fn without_the_second_key_of_an_older_installation_the_first_signs() {
    let directory = tempfile::tempdir().unwrap();
    let put = async |store: &Store, name: &'static str, key: SigningKey| {
        let value = key.to_pkcs8().unwrap();
        let put = Step::PutSetting(Setting {
            name: name.into(),
            value,
        });
        let _ = store.change(Change::new().then(put)).await.unwrap();
    };
    let store = open(&directory, KeyRing::generate()).await;
    put(
        &store,
        "dkim-ed25519",
        SigningKey::generate_ed25519().unwrap(),
    )
    .await;
    store.close().await;
    let store = open(&directory, KeyRing::generate()).await;
    put(&store, "dkim-rsa", SigningKey::generate_rsa().unwrap()).await;
    let signing = signing(&store, &["party.example"]).await;
    assert!(signing.broken()[0].contains("dkim-ed25519"));
    assert_eq!(signs(&signing, Stream::List).await, ["hustings-rsa"]);
    assert_eq!(signing.records(now()).len(), 1);
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
