//! Logs that were cut or rewritten, and yesterday's file.

use super::*;

/// Makes a log's head fit its leaves, as somebody would who knows how it's made.
async fn forge_head(database: &mut SqliteConnection, log: i64) {
    let rows = sqlx::query("SELECT leaf FROM log_leaf WHERE log = $1 ORDER BY seq").bind(log);
    let mut frontier = Frontier::new();
    for row in rows.fetch_all(&mut *database).await.unwrap() {
        let leaf: Vec<u8> = row.get(0);
        frontier.push(&leaf.try_into().unwrap());
    }
    let update = sqlx::query("UPDATE log_head SET size = $1, frontier = $2 WHERE log = $3");
    let update = update
        .bind(i64::try_from(frontier.size()).unwrap())
        .bind(frontier.to_bytes());
    update.bind(log).execute(database).await.unwrap();
}

/// What somebody does to a stopped party's logs.
struct Attack {
    what: &'static str,
    log: &'static str,
    statements: &'static [&'static str],
    forged: bool,
}

const ATTACKS: &[Attack] = &[
    Attack {
        what: "the end is cut off",
        log: "audit",
        statements: &[
            "DELETE FROM log_leaf WHERE log = 1 AND seq = (SELECT MAX(seq) FROM log_leaf WHERE log = 1)",
        ],
        forged: false,
    },
    Attack {
        what: "the end is cut off and the head forged",
        log: "audit",
        statements: &[
            "DELETE FROM log_leaf WHERE log = 1 AND seq > (SELECT MAX(seq) FROM log_leaf WHERE log = 1) - 2",
        ],
        forged: true,
    },
    Attack {
        what: "the end is cut off and the head forged",
        log: "consent",
        statements: &[
            "DELETE FROM log_leaf WHERE log = 2 AND seq = (SELECT MAX(seq) FROM log_leaf WHERE log = 2)",
        ],
        forged: true,
    },
    Attack {
        what: "an event is edited",
        log: "audit",
        statements: &["UPDATE log_leaf SET sealed = substr(sealed, 1, 40)
                || CASE substr(sealed, 41, 1) WHEN x'00' THEN x'01' ELSE x'00' END
                || substr(sealed, 42) WHERE log = 1 AND seq = 1"],
        forged: false,
    },
    Attack {
        what: "an event is edited and its leaf too",
        log: "consent",
        statements: &[
            "UPDATE log_leaf SET leaf = randomblob(32), sealed = NULL WHERE log = 2 AND seq = 1",
        ],
        forged: true,
    },
    Attack {
        what: "a middle event is removed",
        log: "audit",
        statements: &["DELETE FROM log_leaf WHERE log = 1 AND seq = 1"],
        forged: false,
    },
    Attack {
        what: "a middle event is removed and the rest closes up",
        log: "audit",
        statements: &[
            "DELETE FROM log_leaf WHERE log = 1 AND seq = 1",
            "UPDATE log_leaf SET seq = -seq WHERE log = 1 AND seq > 1",
            "UPDATE log_leaf SET seq = -seq - 1 WHERE log = 1 AND seq < 0",
        ],
        forged: true,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_or_rewritten_and_yesterdays_file_are_found() {
    let mut party = lived().await;
    let aside = tempfile::tempdir().unwrap();
    let (yesterday, today) = (aside.path().join("yesterday"), aside.path().join("today"));
    copy(party.data(), &yesterday);
    party.run(&[]).await;
    for name in ["cy", "dot"] {
        let address = format!("{name}@party.example");
        let add = [
            "staff",
            "add",
            name,
            "--address",
            &address,
            "--role",
            "reader",
        ];
        let output = party.cli(&add).await;
        assert!(output.status.success(), "{}", said(&output));
    }
    erase(&party).await;
    let audit = checkpoint(&party, "audit").await;
    let consent = checkpoint(&party, "consent").await;
    let at = |log: &str| {
        if log == "audit" {
            audit.as_str()
        } else {
            consent.as_str()
        }
    };
    party.stop().await;
    copy(party.data(), &today);

    for attack in ATTACKS {
        copy(&today, party.data());
        let mut database = database(&party).await;
        for statement in attack.statements {
            run(&mut database, statement).await;
        }
        if attack.forged {
            forge_head(&mut database, if attack.log == "audit" { 1 } else { 2 }).await;
        }
        database.close().await.unwrap();
        party.run(&[]).await;
        let (code, text) = verify(&party, attack.log, Some(at(attack.log))).await;
        assert_eq!(code, Some(1), "{}: {text}", attack.what);
        assert!(text.contains("does not hold"), "{}: {text}", attack.what);
        // Our own checkpoints in the journal show it too, and what is broken isn't signed anew.
        let (code, text) = verify(&party, attack.log, None).await;
        assert_eq!(
            code,
            Some(1),
            "{} without a checkpoint: {text}",
            attack.what
        );
        assert!(!text.contains("hustings checkpoint v1"), "{text}");
        // The other log is as it was.
        let other = if attack.log == "audit" {
            "consent"
        } else {
            "audit"
        };
        let (code, text) = verify(&party, other, Some(at(other))).await;
        assert_eq!(code, Some(0), "{}: {text}", attack.what);
        works(&party).await;
        party.stop().await;
    }

    // Yesterday's database beside today's journal: seen at the start already.
    copy(&today, party.data());
    for file in ["hustings.db", "hustings.db-wal", "hustings.db-shm"] {
        let _ = std::fs::remove_file(party.data().join(file));
        let _ = std::fs::copy(yesterday.join(file), party.data().join(file));
    }
    party.launch(&[]);
    let status = party.wait_for(|status| status.work.is_some()).await;
    let warned = |log: &str| {
        status
            .warnings
            .iter()
            .any(|warning| warning.contains(log) && warning.contains("older file"))
    };
    assert!(
        warned("audit") && warned("consent"),
        "{:?}",
        status.warnings
    );
    party.wait_open().await;
    for log in ["audit", "consent"] {
        let (code, text) = verify(&party, log, Some(at(log))).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("shorter than at the checkpoint"), "{text}");
        let (code, text) = verify(&party, log, None).await;
        assert_eq!(code, Some(1), "{text}");
    }
    party.stop().await;

    // All of yesterday's files: only what was kept elsewhere shows it.
    copy(&yesterday, party.data());
    party.run(&[]).await;
    for log in ["audit", "consent"] {
        let (code, text) = verify(&party, log, Some(at(log))).await;
        assert_eq!(code, Some(1), "{text}");
        let (code, text) = verify(&party, log, None).await;
        assert_eq!(code, Some(0), "{text}");
    }
    party.stop().await;

    // And today's, untouched, holds.
    copy(&today, party.data());
    party.run(&[]).await;
    for log in ["audit", "consent"] {
        let (code, text) = verify(&party, log, Some(at(log))).await;
        assert_eq!(code, Some(0), "{text}");
    }
    // A checkpoint that was changed, or is of the other log, is told from a broken log.
    let forged = audit.replacen("size ", "size 1", 1);
    let (code, text) = verify(&party, "audit", Some(&forged)).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("signature is wrong"), "{text}");
    let (code, text) = verify(&party, "audit", Some(&consent)).await;
    assert_eq!(code, Some(2), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_verify_printed_can_be_given_back_to_it() {
    let party = Party::start().await;
    let place = tempfile::tempdir().unwrap();
    // The command runs as Ben.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path(), open).unwrap();
    for log in ["audit", "consent"] {
        let file = |name: &str| {
            place
                .path()
                .join(format!("{log}-{name}"))
                .display()
                .to_string()
        };
        let cut = file("cut");
        let printed = party.cli(&[log, "verify", "--checkpoint-to", &cut]).await;
        assert!(printed.status.success(), "{}", said(&printed));
        let json = party.cli(&["--json", log, "verify"]).await;
        std::fs::write(file("printed"), &printed.stdout).unwrap();
        std::fs::write(file("json"), &json.stdout).unwrap();
        let mailed = format!(
            "> kept for you\r\n\r\n{}\r\nAda\r\n",
            said(&printed).replace('\n', "\r\n")
        );
        std::fs::write(file("mailed"), mailed).unwrap();
        for kept in ["cut", "printed", "json", "mailed"] {
            let verified = party.cli(&[log, "verify", "--against", &file(kept)]).await;
            assert!(verified.status.success(), "{kept}: {}", said(&verified));
            assert!(said(&verified).contains("Against the checkpoint"), "{kept}");
        }
        let begins = std::fs::read_to_string(&cut).unwrap();
        assert!(begins.starts_with("hustings checkpoint v1\n"), "{begins}");
        // One that was changed is still refused.
        let forged = begins.replacen("size ", "size 1", 1);
        std::fs::write(file("forged"), forged).unwrap();
        let refused = party
            .cli(&[log, "verify", "--against", &file("forged")])
            .await;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    }
}
