//! What is wrong at the start.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_the_start_and_nothing_is_harmed() {
    let mut party = Spawned::set(|_| ()).await;
    let config = party.stage.config_file();
    let database = party.data().join("hustings.db");
    let key = party.stage.root().join("keys/root.key");

    let instead = Instead::of(&config, before("minimum_age = = 16"));
    refuses(
        &mut party,
        "broken TOML",
        &["hustings.toml:1:", "minimum_age", "config check"],
    )
    .await;
    drop(instead);
    let instead = Instead::of(&config, before("minimum_agee = 16"));
    refuses(
        &mut party,
        "an unknown key",
        &["hustings.toml:1:", "minimum_agee", "`minimum_age`"],
    )
    .await;
    drop(instead);
    let instead = Instead::of(
        &config,
        swapped("[limits]", "[limits]\nmessage_size = \"many\""),
    );
    refuses(
        &mut party,
        "a value of the wrong kind",
        &["message_size", "MiB"],
    )
    .await;
    drop(instead);
    let moved = config.with_extension("moved");
    fs::rename(&config, &moved).unwrap();
    refuses(
        &mut party,
        "no configuration",
        &["hustings.toml", "No such file"],
    )
    .await;
    fs::rename(&moved, &config).unwrap();

    let moved = key.with_extension("moved");
    fs::rename(&key, &moved).unwrap();
    refuses(&mut party, "no key file", &["root.key", "No such file"]).await;
    fs::create_dir(&key).unwrap();
    refuses(&mut party, "a directory for a key", &["root.key"]).await;
    fs::remove_dir(&key).unwrap();
    fs::write(&key, "no key").unwrap();
    refuses(&mut party, "an unreadable key", &["root.key"]).await;
    fs::remove_file(&key).unwrap();
    let other = Spawned::set(|_| ()).await;
    fs::copy(other.stage.root().join("keys/root.key"), &key).unwrap();
    refuses(&mut party, "another party's key", &["does not open"]).await;
    fs::remove_file(&key).unwrap();
    fs::rename(&moved, &key).unwrap();

    let taken = TcpListener::bind(party.door(0)).unwrap();
    let port = party.door(0).to_string();
    refuses(
        &mut party,
        "a port in use",
        &["smtp", &port, "in use", "listen.smtp"],
    )
    .await;
    drop(taken);

    let pair = party.stage.root().join("tls/party.key");
    let others = fs::read(other.stage.root().join("tls/party.key")).unwrap();
    let instead = Instead::of(&pair, |_| others);
    refuses(
        &mut party,
        "a certificate and another's key",
        &["party.key", "does not belong", "party.pem"],
    )
    .await;
    drop(instead);

    edit(&database, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)").await;
    refuses(
        &mut party,
        "a newer version's database",
        &["schema 99", "newer version"],
    )
    .await;
    edit(&database, "DELETE FROM _sqlx_migrations WHERE version = 99").await;

    // The database is closed, so nothing stands in a log beside it.
    let instead = Instead::of(&database, |_| b"This is a letter to my aunt. ".repeat(1000));
    refuses(&mut party, "no database", &["hustings.db", "newest copy"]).await;
    drop(instead);
    let instead = Instead::of(&database, |was| was[..was.len() / 2].to_vec());
    refuses(&mut party, "half a database", &["damaged", "newest copy"]).await;
    drop(instead);
    let aunt = party.stage.root().join("aunt.db");
    edit(&aunt, "CREATE TABLE letter (id INTEGER)").await;
    let foreign = fs::read(&aunt).unwrap();
    let instead = Instead::of(&database, |_| foreign);
    refuses(
        &mut party,
        "somebody else's database",
        &["hustings.db", "another program", "data_dir"],
    )
    .await;
    assert_eq!(
        fs::read(&database).unwrap(),
        fs::read(&aunt).unwrap(),
        "it is left alone"
    );
    drop(instead);
    let instead = Instead::of(&database, |_| Vec::new());
    refuses(&mut party, "an empty file", &["was in use", "newest copy"]).await;
    drop(instead);
    for beside in ["hustings.db-wal", "hustings.db-shm"] {
        let _ = fs::remove_file(party.data().join(beside));
    }

    let data = party.data().to_owned();
    if let Some(disk) = SmallDisk::under(&data, "16m") {
        disk.remount("ro");
        refuses(
            &mut party,
            "a read-only data directory",
            &["read-only", "data directory"],
        )
        .await;
    }

    // After all of it the party is as it was.
    party.run(&[]).await;
    let twice = party.stage.config_file();
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_hustings"));
    let second = second
        .arg("serve")
        .arg("--config")
        .arg(&twice)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said(&second).contains("in use by another hustings"),
        "{}",
        said(&second)
    );
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
}
