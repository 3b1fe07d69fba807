//! Somebody had the database file in his hands: a flipped byte in any sealed value, an edited clear column, a log that was
//! cut or rewritten, yesterday's file put back. Each is named, and nothing else breaks.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use hustings::address::Domain;
use hustings::audit::Frontier;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::control::api::service::LockState;
use hustings::control::api::store::Verify;
use hustings::daemon::sandbox::leak::Secrets;
use hustings::daemon::sandbox::peer::Post;
use hustings::daemon::sandbox::stage::{OFFICE, free_ports};
use hustings::id::TlsDayId;
use hustings::store::{
    Change, FolderAct, Intake, IntakeRecord, MailingState, ReportRecord, ReportRow, SpecialUse,
    Step, Store, StsRecord, StsRow, TlsDayRecord, TlsDayRow, Uids,
};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use support::outside::{Act, At};
use support::party::{Party, Spawned, link_in, said};

const LEAVER: &str = "leaver@elsewhere.example";
const STAYER: &str = "stayer@elsewhere.example";
const ERASED: &str = "Erased.Person@elsewhere.example";
const SENTENCE: &str = "Meet at the verdigris fountain";

fn mailing(subject: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: {OFFICE}\r\nTo: news@party.example\r\nSubject: {subject}\r\nDate: {date}\r\n\r\n{SENTENCE}.\r\n"
    )
}

async fn release(party: &Party) {
    let socket = party.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let mailing = held.first().expect("a held mailing").id.to_string();
    let preview = Preview {
        mailing: mailing.clone(),
    };
    let digest = Some(socket.ask(preview).await.unwrap().answer.digest);
    socket
        .ask(Approve {
            mailing,
            digest,
            anyway: false,
        })
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        if all.iter().all(|row| row.state == MailingState::Done) {
            return;
        }
        assert!(Instant::now() < deadline, "the mailing doesn't end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A party that has lived a little: each table has rows. It is stopped.
async fn lived() -> Spawned {
    let ports = free_ports().unwrap();
    let party = Party::start_as(|plan| plan.ports = ports).await;
    for address in [LEAVER, STAYER, ERASED] {
        party.subscribe(address, "", &["news"]).await;
    }
    party
        .sign_up("pending@elsewhere.example", "", &["news"])
        .await;
    party.challenge("pending@elsewhere.example").await;
    let answer = party
        .submit(&["news@party.example"], mailing("A rally").as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    release(&party).await;
    let welcome = party
        .mail(LEAVER, |mail| link_in(mail, "/u/").is_some())
        .await;
    let page = party.press(&link_in(&welcome, "/u/").unwrap()).await;
    assert_eq!(page.status, 200);
    // Somebody writes, a copy comes back, and a mail to somebody outside waits.
    let copy = party.mail(STAYER, |mail| mail.contains(SENTENCE)).await;
    let mut mx = party.mx().await;
    for (from, to) in [
        ("stranger@elsewhere.example", OFFICE),
        ("", &*copy.reverse_path),
    ] {
        let message = b"From: stranger@elsewhere.example\r\nSubject: a\r\n\r\nb\r\n";
        let post = Post {
            from,
            to: &[to],
            message,
        };
        assert_eq!(mx.post(post).await.unwrap().code, 250);
    }
    mx.quit().await;
    let later = Act::Reply("451 4.2.0 not now".to_owned());
    party
        .outside
        .for_address(At::Recipient, "busy@elsewhere.example", later);
    let letter = format!(
        "From: {}\r\nTo: busy@elsewhere.example\r\n\r\nb\r\n",
        party.sender.address
    );
    let answer = party
        .submit(&["busy@elsewhere.example"], letter.as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    // Work for the intake's worker is done within a moment; this is for next year.
    let record = IntakeRecord::BareStop {
        address: hustings::address::EmailAddress::parse(STAYER).unwrap(),
        at: party.clock.now(),
    };
    let due = party.clock.now() + jiff::SignedDuration::from_hours(24 * 365);
    let store = party.rooms().store.clone();
    let policy = StsRecord {
        domain: Domain::parse("elsewhere.example").unwrap(),
        id: "1".to_owned(),
        policy: Value::Null,
        fetched_at: party.clock.now(),
        expires_at: due,
        used_at: party.clock.now(),
    };
    // What is moved within a folder left it as well.
    let office = store.vault().role_mailbox("office");
    let inbox = store.folder_named(office, &SpecialUse::Inbox.into()).await;
    let inbox = inbox.unwrap().unwrap().id;
    let moved = FolderAct::Move {
        from: inbox,
        uids: Uids::all(),
        to: inbox,
        at: due,
    };
    store.act(moved).await.unwrap().unwrap();
    let put = Change::new()
        .then(Step::PutIntake(Intake::new(due, record)))
        .then(Step::PutStsPolicy(StsRow::new(store.vault(), due, policy)))
        .then_all(reports(&store, due));
    let _ = store.change(put).await.unwrap();
    drop(store);
    party.into_spawned().await
}

/// Of reports between servers.
fn reports(store: &Store, due: jiff::Timestamp) -> [Step; 2] {
    let record = ReportRecord {
        received_at: due,
        report: Value::Null,
    };
    let day = TlsDayRow {
        id: TlsDayId::random(),
        due_at: due,
        record: TlsDayRecord {
            domain: Domain::parse("elsewhere.example").unwrap(),
            day: jiff::civil::date(2026, 11, 21),
            results: Value::Null,
        },
    };
    let report = ReportRow::new(store.vault(), b"a report", due, record);
    [Step::PutTlsDay(day), Step::PutReport(report)]
}

async fn database(party: &Spawned) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(party.data().join("hustings.db"));
    let options = options.foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Runs a statement on the file, as somebody who isn't the daemon.
async fn run(database: &mut SqliteConnection, statement: &str) {
    let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
    let done = query.execute(database).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

fn edited(table: &str) -> &'static str {
    match table {
        "log_head" => "log = 1",
        _ => "sealed IN (SELECT sealed FROM temp.kept)",
    }
}

/// Edits a random row; it is kept, to be put back.
async fn edit(database: &mut SqliteConnection, table: &str, change: &str) {
    let one = match table {
        "log_head" => "log = 1".to_owned(),
        _ => format!(
            "sealed = (SELECT sealed FROM {table} WHERE sealed IS NOT NULL ORDER BY random() LIMIT 1)"
        ),
    };
    run(database, "DROP TABLE IF EXISTS temp.kept").await;
    run(
        database,
        &format!("CREATE TEMP TABLE kept AS SELECT * FROM {table} WHERE {one}"),
    )
    .await;
    run(
        database,
        &format!("UPDATE {table} SET {change} WHERE {}", edited(table)),
    )
    .await;
}

async fn put_back(database: &mut SqliteConnection, table: &str) {
    run(
        database,
        &format!("DELETE FROM {table} WHERE {}", edited(table)),
    )
    .await;
    run(
        database,
        &format!("INSERT INTO {table} SELECT * FROM temp.kept"),
    )
    .await;
}

/// A table's key columns, and whether it has a sealed one.
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

async fn verified(party: &Spawned) -> Vec<hustings::store::Finding> {
    party
        .stage
        .socket()
        .ask(Verify {})
        .await
        .unwrap()
        .answer
        .findings
}

/// What a party does all day, done once: pages, mail in, a withdrawal, a mailing that reaches who is left.
async fn works(party: &Spawned) {
    assert_eq!(party.browser().get("/").await.unwrap().status, 200);
    let mut mx = party.mx().await;
    let message = b"From: stranger@elsewhere.example\r\nSubject: a\r\n\r\nb\r\n";
    let post = Post {
        from: "stranger@elsewhere.example",
        to: &[OFFICE],
        message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    mx.quit().await;
    for command in [
        &["mailing", "list"][..],
        &["queue", "list"],
        &["mailbox", "list"],
        &["staff", "list"],
    ] {
        let output = party.cli(command).await;
        assert!(output.status.success(), "{command:?}: {}", said(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_or_an_edited_column_is_named_and_nothing_else_breaks() {
    let mut party = lived().await;
    party.run(&[]).await;
    assert_eq!(verified(&party).await, [], "it begins whole");
    let mut database = database(&party).await;
    let tables = tables(&mut database).await;
    assert!(tables.len() >= 23, "{tables:?}");
    for table in &tables {
        let flipped = Flipped::choose(&mut database, table, "").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_root_key_comes_back_from_the_sheet() {
    let mut party = lived().await;
    party.run(&[]).await;
    let backup = party.cli(&["key", "backup"]).await;
    assert!(backup.status.success(), "{}", said(&backup));
    let sheet = String::from_utf8(backup.stdout).unwrap();
    party.stop().await;
    let key = party.stage.config().key_file();
    let before = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let (_, why) = party.fails_to_start().await;
    assert!(why.contains("root.key can't be read"), "{why}");

    // As root, or whoever the service runs as: no daemon is asked.
    let config = party.stage.config_file();
    let restore = |sheet: &str| {
        let mut command = assert_cmd::Command::cargo_bin("hustings").unwrap();
        let command = command
            .arg("--config")
            .arg(&config)
            .args(["key", "restore", "-"]);
        let output = command.write_stdin(sheet).output().unwrap();
        (output.status.code(), said(&output))
    };
    // Another installation's sheet, and one with a line that is missing.
    let other = Party::start().await;
    let theirs = String::from_utf8(other.cli(&["key", "backup"]).await.stdout).unwrap();
    let (code, why) = restore(&theirs);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("not that of this database"), "{why}");
    let gap: Vec<&str> = sheet
        .lines()
        .filter(|line| !line.starts_with("03 "))
        .collect();
    let (code, why) = restore(&gap.join("\n"));
    assert_eq!(code, Some(1), "{why}");
    assert!(!key.exists(), "{why}");

    let (code, told) = restore(&sheet);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(std::fs::read(&key).unwrap(), before, "the same key");
    assert_eq!(restore(&sheet).0, Some(0), "it can be repeated");

    party.run(&[]).await;
    assert_eq!(verified(&party).await, []);
    works(&party).await;
    let log = said(&party.cli(&["audit", "show"]).await);
    assert!(log.contains("key restore"), "{log}");
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

/// Copies a data directory; the daemon must be stopped.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

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

/// A log's signed checkpoint, saved in a file that others may read.
async fn checkpoint(party: &Spawned, log: &str) -> String {
    let output = party.cli(&["--json", log, "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = verdict["checkpoint"].as_str().unwrap();
    assert!(text.starts_with("hustings checkpoint v1"), "{text}");
    text.to_owned()
}

/// `verify` of a log, against a checkpoint if there is one: its exit status and what it said.
async fn verify(party: &Spawned, log: &str, against: Option<&str>) -> (Option<i32>, String) {
    let output = match against {
        Some(text) => {
            party
                .cli_told(&[log, "verify", "--against", "-"], text)
                .await
        }
        None => party.cli(&[log, "verify"]).await,
    };
    (output.status.code(), said(&output))
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
        statements: &[
            "UPDATE log_leaf SET sealed = substr(sealed, 1, 40) || x'00' || substr(sealed, 42) WHERE log = 1 AND seq = 1",
        ],
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

/// Erases somebody: both logs verify, and no byte knows the address any more.
async fn erase(party: &Spawned) {
    let mut secrets = Secrets::new();
    secrets.add(ERASED);
    let before = [
        checkpoint(party, "audit").await,
        checkpoint(party, "consent").await,
    ];
    let found = party
        .cli_told(
            &["subscriber", "find", "-", "--reason", "asked by letter"],
            &format!("{ERASED}\n"),
        )
        .await;
    assert!(
        said(&found).to_lowercase().contains("news"),
        "{}",
        said(&found)
    );
    let command = [
        "subscriber",
        "erase",
        "-",
        "--reason",
        "asked by letter",
        "--yes",
    ];
    let output = party.cli_told(&command, &format!("{ERASED}\n")).await;
    assert!(output.status.success(), "{}", said(&output));
    for (log, before) in ["audit", "consent"].into_iter().zip(before) {
        let (code, text) = verify(party, log, Some(&before)).await;
        assert_eq!(code, Some(0), "{text}");
    }
    let (_, text) = verify(party, "consent", None).await;
    assert!(!text.contains(" 0 of them erased"), "{text}");
    assert_eq!(verified(party).await, []);
    for place in [party.data(), &party.log()] {
        let found = match place.is_dir() {
            true => secrets.search_directory(place).unwrap(),
            false => secrets.search(place, &std::fs::read(place).unwrap()),
        };
        assert_eq!(found.leaks, [], "{}", place.display());
    }
}
