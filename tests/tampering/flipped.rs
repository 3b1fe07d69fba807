//! Each sealed value and each clear column, touched one by one.

use super::*;

/// The tables that have sealed values, with their key columns.
async fn tables(database: &mut SqliteConnection) -> Vec<(String, Vec<String>)> {
    let rows = sqlx::query(
        "SELECT s.name, (SELECT group_concat(c.name) FROM pragma_table_info(s.name) c
            WHERE c.pk > 0 OR c.name IN ('message_id', 'idx') AND s.name = 'chunk')
         FROM sqlite_schema s WHERE s.type = 'table'
            AND EXISTS (SELECT 1 FROM pragma_table_info(s.name) c WHERE c.name = 'sealed')",
    );
    let rows = rows.fetch_all(database).await.unwrap();
    rows.iter()
        .map(|row| {
            let keys: String = row.get(1);
            (row.get(0), keys.split(',').map(str::to_owned).collect())
        })
        .collect()
}

/// A sealed value with one bit flipped at random, and how its row is named.
struct Flipped {
    table: String,
    row: String,
    was: Vec<u8>,
    is: Vec<u8>,
}

impl Flipped {
    /// Of a random row; `only` narrows it.
    async fn choose(
        database: &mut SqliteConnection,
        table: &(String, Vec<String>),
        only: &str,
    ) -> Self {
        let (table, keys) = table;
        let names: Vec<_> = keys
            .iter()
            .map(|key| {
                format!("CASE typeof({key}) WHEN 'blob' THEN lower(hex({key})) ELSE {key} END")
            })
            .collect();
        let query = format!(
            "SELECT {}, sealed, abs(random()) % length(sealed), abs(random()) % 8 FROM {table}
             WHERE sealed IS NOT NULL {only} ORDER BY random() LIMIT 1",
            names.join(" || '/' || ")
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_optional(database)
            .await;
        let row = row.unwrap().unwrap_or_else(|| panic!("{table} has a row"));
        let (was, at, bit): (Vec<u8>, i64, i64) = (row.get(1), row.get(2), row.get(3));
        let mut is = was.clone();
        is[usize::try_from(at).unwrap()] ^= 1 << bit;
        let row: String = row.get(0);
        let row = match table.as_str() {
            "log_leaf" => row
                .replacen("1/", "audit/", 1)
                .replacen("2/", "consent/", 1),
            _ => row,
        };
        Self {
            table: table.clone(),
            row,
            was,
            is,
        }
    }

    async fn write(&self, database: &mut SqliteConnection, from: &[u8], to: &[u8]) {
        let update = format!("UPDATE {} SET sealed = $1 WHERE sealed = $2", self.table);
        let update = sqlx::query(sqlx::AssertSqlSafe(update)).bind(to).bind(from);
        let done = update.execute(database).await.unwrap();
        assert_eq!(
            done.rows_affected(),
            1,
            "{} {} has changed",
            self.table,
            self.row
        );
    }

    async fn flip(&self, database: &mut SqliteConnection) {
        self.write(database, &self.was, &self.is).await;
    }

    async fn mend(&self, database: &mut SqliteConnection) {
        self.write(database, &self.is, &self.was).await;
    }

    fn is_named(&self, said: &str) -> bool {
        said.lines()
            .any(|line| line.contains(&self.table) && line.contains(&self.row))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_or_an_edited_column_is_named_and_nothing_else_breaks() {
    let mut party = lived().await;
    party.run(&[]).await;
    assert_eq!(verified(&party).await, [], "it begins whole");
    let mut database = database(&party).await;
    let tables = tables(&mut database).await;
    assert!(tables.len() >= 26, "{tables:?}");
    for table in &tables {
        // What providers got is written by the running daemon.
        let only = match table.0.as_str() {
            "setting" => "AND name <> 'pace'",
            _ => "",
        };
        let flipped = Flipped::choose(&mut database, table, only).await;
        flipped.flip(&mut database).await;
        let findings = verified(&party).await;
        let named = |finding: &hustings::store::Finding| {
            finding.table == flipped.table && finding.row == flipped.row
        };
        assert!(
            !findings.is_empty(),
            "{} {} is not named",
            flipped.table,
            flipped.row
        );
        assert!(
            findings.iter().all(named),
            "{} {}: {findings:?}",
            flipped.table,
            flipped.row
        );
        flipped.mend(&mut database).await;
    }
    assert_eq!(verified(&party).await, [], "it is whole again");

    // Each clear column that something hangs on, edited and put back.
    for (table, change) in [
        ("message", "staged = 1"),
        ("chunk", "last = 1 - last"),
        ("chunk", "idx = idx + 1000"),
        ("staff", "version = version + 1"),
        ("staff", "name_index = zeroblob(32)"),
        ("folder", "mailbox = zeroblob(16)"),
        ("folder", "name_index = zeroblob(17)"),
        ("entry", "uid = uid + 1000"),
        ("entry", "modseq = modseq + 1"),
        ("expunged", "modseq = modseq + 1000"),
        ("subscriber", "version = version + 1"),
        ("subscriber", "suppression_index = zeroblob(32)"),
        ("suppression", "version = version + 1"),
        ("request", "expires_at = expires_at + 1"),
        ("challenge", "expires_at = expires_at + 1"),
        ("intake", "due_at = due_at - 1"),
        ("contact", "address_index = zeroblob(33)"),
        ("waiting", "address_index = zeroblob(33)"),
        ("waiting", "message_id = zeroblob(16)"),
        ("question", "token_hash = zeroblob(32)"),
        ("question", "address_index = zeroblob(33)"),
        ("question", "pace_index = zeroblob(33)"),
        ("question", "asked_at = asked_at + 1"),
        ("outline", "message_id = zeroblob(16)"),
        ("queue", "due_at = due_at + 999999999"),
        ("mailing", "version = version + 1"),
        ("ledger", "due_at = 1"),
        ("bounce", "copy_id = zeroblob(16)"),
        ("sts_policy", "due_at = due_at + 1"),
        ("tls_day", "due_at = due_at + 1"),
        ("report", "kept_until = kept_until + 1"),
        ("wording", "digest = zeroblob(32)"),
        ("setting", "name = 'another'"),
        ("log_leaf", "leaf = zeroblob(32)"),
        ("log_leaf", "subject = zeroblob(32)"),
        ("log_head", "size = size - 1"),
        ("log_head", "frontier = zeroblob(40)"),
        ("checkpoint", "size = size + 100000"),
    ] {
        edit(&mut database, table, change).await;
        let findings = verified(&party).await;
        let named = findings.iter().any(|finding| finding.table == table);
        assert!(named, "{table} SET {change}: {findings:?}");
        put_back(&mut database, table).await;
    }
    assert_eq!(verified(&party).await, [], "it is whole again");

    // A row that is cut out.
    let waits = "message_id IN (SELECT message_id FROM waiting)";
    for (table, only, named) in [
        ("expunged", "1 = 1", "folder"),
        ("entry", waits, "folder"),
        ("entry", waits, "waiting"),
        ("entry", waits, "message"),
    ] {
        cut_out(&mut database, table, only).await;
        let findings = verified(&party).await;
        let is_named = findings.iter().any(|finding| finding.table == named);
        assert!(is_named, "{table} cut out, {named}: {findings:?}");
        put_back(&mut database, table).await;
    }
    assert_eq!(verified(&party).await, [], "it is whole again");

    // An edited head keeps no act from being logged.
    run(&mut database, "UPDATE log_head SET size = size + 1").await;
    let add = [
        "staff",
        "add",
        "fay",
        "--address",
        "fay@party.example",
        "--role",
        "reader",
    ];
    let output = party.cli(&add).await;
    assert!(output.status.success(), "{}", said(&output));
    run(&mut database, "UPDATE log_head SET size = (SELECT COUNT(*) FROM log_leaf WHERE log_leaf.log = log_head.log)").await;
    assert_eq!(verified(&party).await, [], "it is whole again");

    // The command says the same, and fails. The row is chosen anew: adding Fay wrote some of the others again.
    let flipped = Flipped::choose(&mut database, &tables[0], "").await;
    flipped.flip(&mut database).await;
    let output = party.cli(&["store", "verify"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(flipped.is_named(&said(&output)), "{}", said(&output));
    flipped.mend(&mut database).await;
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    party.stop().await;

    // A row of each table at once, but for the DKIM keys, without which nothing may be sent, and Ben.
    let mut both = Vec::new();
    for table in &tables {
        let only = match table.0.as_str() {
            "setting" => "AND name NOT LIKE 'dkim%'",
            "staff" => "AND length(sealed) > 0",
            _ => "",
        };
        let flipped = Flipped::choose(&mut database, table, only).await;
        flipped.flip(&mut database).await;
        both.push(flipped);
    }
    party.launch(&[]);
    let status = party
        .wait_for(|status| status.state == LockState::Unlocked && status.doors[0].state == "open")
        .await;
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("staff")),
        "{status:?}"
    );
    let staff = both
        .iter()
        .find(|flipped| flipped.table == "staff")
        .unwrap();
    if status.you != "ben" {
        // It was Ben's. Nobody may become the first admin in his place.
        let add = [
            "staff",
            "add",
            "eve",
            "--address",
            "eve@party.example",
            "--role",
            "admin",
        ];
        let output = party.cli(&add).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        party.stop().await;
        staff.mend(&mut database).await;
        party.run(&[]).await;
    }
    works(&party).await;
    let output = party.cli(&["store", "verify"]).await;
    assert_eq!(output.status.code(), Some(1));
    // The daemon has made two of them anew meanwhile.
    let mended = ["staff", "setting", "checkpoint"];
    for flipped in both
        .iter()
        .filter(|flipped| !mended.contains(&flipped.table.as_str()))
    {
        assert!(
            flipped.is_named(&said(&output)),
            "{} {}: {}",
            flipped.table,
            flipped.row,
            said(&output)
        );
    }
    let log = std::fs::read_to_string(party.log()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_setting_keeps_the_service_from_starting() {
    let mut party = lived().await;
    let mut database = database(&party).await;
    let mut tables = tables(&mut database).await.into_iter();
    let table = tables.find(|(name, _)| name == "setting").unwrap();
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM setting")
        .fetch_all(&mut database)
        .await
        .unwrap();
    for known in ["dkim-keys", "staff-dummy-secret"] {
        assert!(names.iter().any(|name| name == known), "{names:?}");
    }
    for name in names {
        let only = format!("AND name = '{name}'");
        let flipped = Flipped::choose(&mut database, &table, &only).await;
        flipped.flip(&mut database).await;
        party.launch(&[]);
        let status = party
            .wait_for(|status| {
                status.state == LockState::Unlocked && status.doors[0].state == "open"
            })
            .await;
        let told = status
            .warnings
            .iter()
            .any(|warning| warning.contains(&name));
        assert_eq!(told, name.starts_with("dkim"), "{name}: {status:?}");
        let log = std::fs::read_to_string(party.log()).unwrap();
        assert!(!log.contains("panicked"), "{log}");
        party.stop().await;
        let update = "UPDATE setting SET sealed = $1 WHERE name = $2";
        let mended = sqlx::query(update).bind(&flipped.was).bind(&name);
        mended.execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
}
