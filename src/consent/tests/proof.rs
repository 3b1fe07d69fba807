//! Evidence that proves itself, and logs that show what was done to them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::audit::{Act, LogKind, SignedCheckpoint, Verdict, leaf_input, verify_inclusion};
use crate::vault::Vault;

/// The verbs of the audit log.
pub(super) async fn acts(party: &Party) -> Vec<String> {
    let logged = party
        .store
        .events(LogKind::Audit, 0, 1000)
        .await
        .expect("reads");
    let verb = |one: crate::store::LoggedEvent| {
        let (_, bytes) = one.event.expect("there");
        serde_json::from_slice::<Act>(&bytes).expect("an act").verb
    };
    logged.into_iter().map(verb).collect()
}

fn hex<const N: usize>(value: &serde_json::Value) -> [u8; N] {
    crate::id::parse_hex(value.as_str().expect("text")).expect("hexadecimal")
}

#[tokio::test]
async fn what_is_held_is_shown_with_the_exact_words() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    let ann = address("Ann@elector.example");
    let view = party
        .consent
        .show_evidence(&ann, &by("she asked"))
        .await
        .expect("shows");
    assert_eq!((view.events.len(), view.subscriptions.len()), (1, 1));
    let statement = party.consent.wording("news", Lang::En).expect("in force");
    let shown = view
        .wordings
        .iter()
        .find(|one| one.kind == "consent")
        .expect("there");
    assert_eq!(
        (&shown.text, &shown.sha256),
        (&statement.text, &statement.digest.to_string())
    );
    assert!(view.wordings.iter().any(|one| one.kind == "notice"));
    let none = address("nobody@elector.example");
    let view = party
        .consent
        .find(&none, &by("she asked"))
        .await
        .expect("shows");
    assert!(view.events.is_empty() && view.subscriptions.is_empty());
    assert_eq!(acts(&party).await, ["consent show", "subscriber find"]);
}

#[tokio::test]
async fn a_bundle_proves_itself_without_this_program() {
    let party = Party::new().await;
    for n in 0..5 {
        party
            .join(&format!("n{n}@elector.example"), &["news"])
            .await;
    }
    let made = party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.join("last@elector.example", &["news"]).await;
    let ann = address("ann@elector.example");
    let text = party
        .consent
        .bundle_evidence(&ann, &by("court"))
        .await
        .expect("bundles");
    let bundle: serde_json::Value = serde_json::from_str(&text).expect("JSON");

    let public = STANDARD
        .decode(bundle["public_key"].as_str().expect("text"))
        .expect("base64");
    let public: [u8; 32] = public.try_into().expect("32 bytes");
    let checkpoint = bundle["checkpoint"].as_str().expect("text");
    let signed = SignedCheckpoint::parse(checkpoint).expect("a checkpoint");
    let checkpoint = signed.verify(&public).expect("signed");
    let events = bundle["events"].as_array().expect("events");
    assert_eq!(events.len(), 3);
    for event in events {
        let said = event["event"].as_str().expect("text");
        let leaf = leaf_input(&hex(&event["salt"]), said.as_bytes());
        let path: Vec<_> = event["path"]
            .as_array()
            .expect("a path")
            .iter()
            .map(hex)
            .collect();
        let seq = event["seq"].as_u64().expect("a number");
        let (size, root) = (checkpoint.size, &checkpoint.root);
        assert!(verify_inclusion(&leaf, seq, size, &path, root));
        let other = leaf_input(
            &hex(&event["salt"]),
            said.replace("news", "bews").as_bytes(),
        );
        if said.contains("news") {
            assert!(!verify_inclusion(&other, seq, size, &path, root));
        }
    }
    for wording in bundle["wordings"].as_array().expect("wordings") {
        let named = serde_json::json!([
            wording["kind"],
            wording["list"],
            wording["language"],
            wording["text"]
        ]);
        let bytes = serde_json::to_vec(&named).expect("JSON");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        assert_eq!(digest.as_ref(), hex::<32>(&wording["sha256"]));
    }
}

#[tokio::test]
async fn a_log_is_compared_with_yesterdays_checkpoint() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    let texts = party.consent.sign_checkpoints().await.expect("signs");
    let consent = texts[1].clone();
    let verify = |text: String| {
        let consent = party.consent.clone();
        async move { consent.verify_log(LogKind::Consent, Some(&text)).await }
    };
    let verdict = verify(consent.clone()).await.expect("verifies");
    assert_eq!((verdict.against, verdict.size), (Some(Verdict::Same), 1));
    party.join("ben@elector.example", &["news"]).await;
    let verdict = verify(consent.clone()).await.expect("verifies");
    assert_eq!(verdict.against, Some(Verdict::Grown { by: 1 }));
    assert!(verdict.holds());
    assert!(verify(texts[0].clone()).await.is_err(), "of the other log");
    assert!(
        verify(consent.replace("size 1", "size 2")).await.is_err(),
        "altered"
    );

    // A later log put in the place of this one.
    let other = Party::new().await;
    for who in ["x@elector.example", "y@elector.example"] {
        other.join(who, &["news"]).await;
    }
    let foreign = other
        .consent
        .verify_log(LogKind::Consent, Some(&consent))
        .await;
    assert!(foreign.is_err(), "signed by another vault");
    let journal = party.journal();
    let signed = journal
        .iter()
        .filter(|entry| matches!(entry, JournalEntry::Checkpoint { .. }));
    assert_eq!(signed.count(), 2);
}

#[tokio::test]
async fn yesterdays_file_put_back_is_noticed() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let ring = KeyRing::generate();
    let clock = Clock::frozen(noon());
    let party = Party::open(directory, ring.clone(), clock.clone(), settings()).await;
    party.join("ann@elector.example", &["news"]).await;
    party.join("ben@elector.example", &["news"]).await;
    let today = party.consent.sign_checkpoints().await.expect("signs")[1].clone();
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let old = Party::open(directory, ring, clock, settings()).await;
    old.join("ann@elector.example", &["news"]).await;
    let verdict = old
        .consent
        .verify_log(LogKind::Consent, Some(&today))
        .await
        .expect("verifies");
    assert_eq!(verdict.against, Some(Verdict::Shorter { has: 1, had: 2 }));
    old.join("carl@elector.example", &["news"]).await;
    let verdict = old
        .consent
        .verify_log(LogKind::Consent, Some(&today))
        .await
        .expect("verifies");
    assert_eq!(verdict.against, Some(Verdict::Different { within: 2 }));
    assert!(!verdict.holds());
}

#[tokio::test]
async fn an_export_is_sealed_for_another_vault() {
    use crate::vault::{StreamKey, StreamOpener, StreamSealer, StreamTo};
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    let other = Vault::for_tests();
    let mut sealer = StreamSealer::new(&StreamTo::Vault(other.seal_to())).expect("seals");
    let mut export = party
        .consent
        .export(&by("moving"), second().staff)
        .await
        .expect("begins");
    let mut file = Vec::new();
    while let Some(lines) = export.next().await.expect("reads") {
        file.extend(sealer.push(&lines));
    }
    file.extend(sealer.finish());
    let shows = |bytes: &[u8]| bytes.windows(3).any(|window| window == b"ann");
    assert!(!shows(&file));
    let mut opener = StreamOpener::new(&file, &StreamKey::Vault(&other)).expect("opens");
    let plain = opener.push(&file[opener.header_len()..]).expect("opens");
    opener.finish().expect("whole");
    assert!(shows(&plain));
}
