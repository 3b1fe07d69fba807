//! Tests of the set-up.

use std::fs;

use super::*;
use crate::address::EmailAddress;
use crate::staff::Role;

fn answers(key: &str) -> Answers {
    Answers {
        domain: "leedsfirst.example".into(),
        hostname: "post.leedsfirst.example".into(),
        party: "Leeds \"First\"".into(),
        postal_address: "5 Kirkgate, Leeds LS2 7AA".into(),
        key: key.into(),
        certificates: "files".into(),
        data_dir: None,
        runtime_dir: None,
        key_file: None,
    }
}

fn config(directory: &Path, key: &str) -> Config {
    let text = config_text(&answers(key)).expect("a configuration");
    let mut config = Config::parse(&text, None).expect("parses");
    config.data_dir = directory.join("data");
    config.runtime_dir = directory.join("run");
    config.key.file = Some(directory.join("etc/root.key"));
    fs::create_dir(&config.runtime_dir).expect("makes a directory");
    config
}

fn ada() -> NewAccount {
    NewAccount {
        name: "ada".into(),
        addresses: vec![EmailAddress::parse("ada@leedsfirst.example").expect("an address")],
        roles: vec![],
        uid: Some(1001),
    }
}

#[test]
fn the_answers_stand_in_the_configuration_and_nothing_of_the_examples() {
    for key in ["credential", "file", "passphrase"] {
        let text = config_text(&answers(key)).expect("a configuration");
        let config = Config::parse(&text, None).expect("parses");
        assert_eq!(config.domain().as_str(), "leedsfirst.example");
        assert_eq!(config.hostname.as_str(), "post.leedsfirst.example");
        assert_eq!(config.party.name, "Leeds \"First\"");
        assert_eq!(config.key.source.as_str(), key);
        assert!(!text.contains("\"party.example\""));
        let party = &config.party;
        assert_eq!(
            (&party.hosting, &party.transfers),
            (&None, &None),
            "nobody said so"
        );
        assert_eq!((&party.dpo, &party.dpo_decision), (&None, &None));
    }
    let mut bad = answers("file");
    bad.postal_address = "nowhere".into();
    assert!(matches!(config_text(&bad), Err(InitError::Config(_))));

    let elsewhere = Answers {
        hostname: "mail.party.example.org".into(),
        party: "party.example".into(),
        data_dir: Some("/srv/party.example/data".into()),
        runtime_dir: Some("/srv/run".into()),
        key_file: Some("/srv/root \"key\"".into()),
        ..answers("file")
    };
    let text = config_text(&elsewhere).expect("a configuration");
    let config = Config::parse(&text, None).expect("parses");
    assert_eq!(config.hostname.as_str(), "mail.party.example.org");
    assert_eq!(config.party.name, "party.example");
    assert_eq!(config.data_dir, Path::new("/srv/party.example/data"));
    assert_eq!(config.runtime_dir, Path::new("/srv/run"));
    assert_eq!(config.key_file(), Path::new("/srv/root \"key\""));
}

#[test]
fn each_answer_is_checked_by_itself() {
    for bad in ["", "not a domain", "mail", "-post-", "a..b", "a\"b.example"] {
        assert!(check_domain(bad).is_err(), "{bad:?}");
    }
    assert_eq!(check_domain("leedsfirst.example"), Ok(()));
    for bad in ["", "  "] {
        assert!(check_party(bad).is_err_and(|why| !why.is_empty()));
        assert!(check_postal_address(bad).is_err_and(|why| !why.is_empty()));
    }
    let why = check_postal_address("nowhere").expect_err("no postcode");
    assert!(why.contains("postcode"), "{why}");
    assert_eq!(check_party("Leeds \"First\""), Ok(()));
    assert_eq!(check_postal_address("5 Kirkgate, Leeds LS2 7AA"), Ok(()));
}

#[test]
fn an_account_is_checked_before_there_is_a_database() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path(), "file");
    check_account(&config, &ada()).expect("good");
    let why = |account: NewAccount| {
        let refused = check_account(&config, &account).expect_err("refused");
        refused.to_string()
    };
    let office = EmailAddress::parse("office@leedsfirst.example").expect("an address");
    let taken = why(NewAccount {
        addresses: vec![office],
        ..ada()
    });
    assert!(taken.contains("the mailbox office"), "{taken}");
    let root = why(NewAccount {
        uid: Some(0),
        ..ada()
    });
    assert!(root.contains("root"), "{root}");
}

#[tokio::test]
async fn what_was_broken_off_is_known() {
    for source in ["file", "passphrase"] {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path(), source);
        let phrase = SecretText::new("correct horse battery staple, thrice".to_owned());
        let phrase = (source == "passphrase").then_some(phrase);
        let nowhere = Path::new("/nonexistent");
        let root = root_key(&config, phrase.as_ref(), nowhere, false).expect("a key");
        let sheet = make_store(&config, &root).await.expect("makes");
        assert_eq!(due(&config), Due::Sheet);
        assert!(make_store(&config, &root).await.expect("keeps").is_none());
        assert_eq!(due(&config), Due::Sheet, "still");
        let known = known_root(&config, phrase.as_ref(), nowhere)
            .await
            .expect("is there");
        assert!(known.is(&root.key));
        let again = sheet_again(&config, &known).await.expect("again");
        let at = jiff::Timestamp::UNIX_EPOCH;
        assert!(sheet.expect("new").to_text(at) == again.to_text(at));
        set_due(&config, Due::Account).expect("notes");
        assert_eq!(due(&config), Due::Account);
        let first = async |name, uid| {
            first_admin_is(&config, &known, Some(name), uid)
                .await
                .expect("looks")
        };
        assert_eq!(first("ada", Some(1001)).await, FirstAdmin::Missing);
        first_admin(&config, &known, ada()).await.expect("adds");
        set_due(&config, Due::Nothing).expect("notes");
        assert_eq!(due(&config), Due::Nothing);
        assert_eq!(first("ada", None).await, FirstAdmin::Same);
        assert_eq!(first("ada", Some(7)).await, FirstAdmin::Another);
        assert_eq!(first("bob", None).await, FirstAdmin::Another);
        // A key that was lost is not made anew.
        if source == "file" {
            fs::remove_file(config.key_file()).expect("removes");
            assert!(known_root(&config, None, nowhere).await.is_err());
            assert!(!config.key_file().exists());
        }
    }
}

#[tokio::test]
async fn each_step_can_be_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path(), "file");
    assert!(!has_store(&config).await.expect("looks"));
    let credential = directory.path().join("credential");
    let root = root_key(&config, None, &credential, false).expect("makes a key");
    assert_eq!(root.step, Step::Done);
    let sheet = make_store(&config, &root)
        .await
        .expect("makes")
        .expect("new");
    assert!(has_store(&config).await.expect("looks"));
    let again = root_key(&config, None, &credential, false).expect("finds the key");
    assert_eq!(again.step, Step::WasThere);
    assert!(make_store(&config, &again).await.expect("keeps").is_none());
    assert!(RecoverySheet::parse(&sheet.to_text(jiff::Timestamp::now())).is_ok());

    let issued = first_admin(&config, &again.key, ada())
        .await
        .expect("adds")
        .expect("the first");
    assert_eq!(issued.name, "ada");
    let second = first_admin(&config, &again.key, ada())
        .await
        .expect("looks");
    assert!(second.is_none(), "there is an admin");

    let records = async || -> Vec<String> {
        let steps = dns_steps(&config, &again.key).await.expect("makes keys");
        assert_eq!(steps[0].what, "this machine");
        let records = steps.iter().flat_map(DnsStep::records);
        records.map(|record| record.line).collect()
    };
    let made = records().await;
    assert_eq!(records().await, made, "made once");
    for name in ["hustings-rsa-list1", "hustings-ed-staff1"] {
        let record = format!("{name}._domainkey.leedsfirst.example. IN TXT \"v=DKIM1; k=");
        assert!(
            made.iter().any(|line| line.starts_with(&record)),
            "{made:?}"
        );
    }

    let keeper = keeper(&config).await.expect("opens");
    let opening = keeper.unlock(None).await.expect("unlocks by the key file");
    let store = opening.store().clone();
    let staff = StaffRoom::open(store, Clock::system(), premises(&config))
        .await
        .expect("opens");
    assert!(staff.roll().by_uid(1001).expect("found").has(Role::Admin));
}

#[test]
fn units_and_configuration_that_are_there_stay() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(write_units(directory.path()).expect("writes"), Step::Done);
    assert_eq!(
        write_units(directory.path()).expect("keeps"),
        Step::WasThere
    );
    let path = directory.path().join("hustings.toml");
    assert_eq!(
        write_config(&path, &answers("file")).expect("writes"),
        Step::Done
    );
    fs::write(&path, "mine").expect("writes");
    assert_eq!(
        write_config(&path, &answers("file")).expect("keeps"),
        Step::WasThere
    );
    assert_eq!(fs::read_to_string(&path).expect("reads"), "mine");
}

#[tokio::test]
async fn the_passphrase_is_made_anew_from_the_sheet_and_another_sheet_opens_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path(), "passphrase");
    let old = SecretText::new("correct horse battery staple, thrice".to_owned());
    let root = root_key(&config, Some(&old), Path::new("/nonexistent"), false).expect("a key");
    let sheet = make_store(&config, &root)
        .await
        .expect("makes")
        .expect("a sheet");
    first_admin(&config, &root.key, ada()).await.expect("adds");
    let new = SecretText::new("an other long phrase that nobody guesses".to_owned());
    let nowhere = Path::new("/nonexistent");
    let restored =
        super::super::key_restore::restore(&config, &sheet, Some(&new), nowhere, false).await;
    let restored = restored.expect("restores");
    restored.logged.expect("is in the log");
    let newer = restored.sheet.expect("a new sheet");
    let again =
        super::super::key_restore::restore(&config, &sheet, Some(&new), nowhere, false).await;
    assert!(
        matches!(again, Err(InitError::OtherSheet)),
        "the old sheet opens nothing"
    );
    let keeper = keeper(&config).await.expect("opens");
    let store = keeper
        .unlock_with(&newer.root_key())
        .await
        .expect("unlocks");
    let staff = store.staff().await.expect("reads");
    assert_eq!(staff.rows.len(), 1, "everybody is there");
    store.close().await;
    drop(store);

    // The key was changed, and only then something fails: whoever did it must get the new sheet.
    let journal = crate::store::Files::in_directory(&config.data_dir).journal();
    std::fs::remove_file(&journal).expect("removes");
    std::fs::create_dir(&journal).expect("no journal can be there");
    let restored =
        super::super::key_restore::restore(&config, &newer, Some(&old), nowhere, false).await;
    let restored = restored.expect("the key is changed");
    assert!(restored.logged.is_err());
    let newest = restored.sheet.expect("the sheet isn't lost");
    std::fs::remove_dir(&journal).expect("removes");
    let store = super::keeper(&config).await.expect("opens");
    let store = store.unlock_with(&newest.root_key()).await;
    store.expect("opens with it").close().await;
}

#[test]
fn certificates_come_from_where_one_says() {
    use crate::config::{CertificateSource, StsMode};
    let config = |source: &str| {
        let mut answers = answers("file");
        answers.certificates = source.to_owned();
        Config::parse(&config_text(&answers).expect("a configuration"), None).expect("parses")
    };
    assert_eq!(config("files").tls.certificate.len(), 1);
    let acme = config("acme");
    assert_eq!(acme.tls.source, CertificateSource::Acme);
    assert!(acme.tls.certificate.is_empty() && acme.tls.acme.terms_agreed);
    assert_eq!(acme.mta_sts.mode, StsMode::Testing);
    let own = config("self-made");
    assert_eq!(own.tls.source, CertificateSource::SelfMade);
    assert_eq!(own.mta_sts.mode, StsMode::Off);
}
