//! What needs a second person: imports and exports; and the command line's own side of both.

use super::*;
use crate::cli::{Cli, Global, Programs, run};
use crate::consent::ImportState;
use crate::control::api::subscriber::{
    Agree, Export, Find, Import, Imported, Refuse, RowVerdict, Waiting, WaitingReport,
};
use crate::store::{Scope, Setting};
use crate::vault::{StreamKey, StreamOpener};
use clap::Parser as _;

const A_WHILE: std::time::Duration = std::time::Duration::from_secs(60);
const HEADER: &str = "address,lists,channel,date,batch,age,wording\n";
/// Its wording names the example's party.
fn row(world: &World, who: &str) -> String {
    let party = world.rooms.config().party.name.clone();
    format!(
        "{who},news,paper,2026-05-01,stall 7,18,\"{party} may write to me; it tells of political opinions; I can withdraw\"\n"
    )
}

fn import(suppressions: Option<&str>, dry_run: bool) -> Import {
    Import {
        suppression_bytes: suppressions.map(|text| text.len() as u64),
        dry_run,
        reason: "the old system".into(),
    }
}

async fn bring(
    world: &World,
    suppressions: Option<&str>,
    rows: &str,
    dry_run: bool,
) -> Result<(Vec<RowVerdict>, Imported), Failure> {
    let body = format!("{}{rows}", suppressions.unwrap_or_default());
    let ask = import(suppressions, dry_run);
    let (verdicts, _, imported) = world.talk(&ask, body.as_bytes()).await?;
    Ok((verdicts, imported))
}

async fn waiting(world: &World) -> Vec<WaitingReport> {
    world.ask(&Waiting {}).await.expect("lists").0
}

#[tokio::test]
async fn an_import_waits_for_another_admin_and_each_bad_row_is_named() {
    let world = World::new().await;
    let rows = format!(
        "{HEADER}{}no address,news,paper,2026-05-01,b,18,x\n{}",
        row(&world, "jo@elector.example"),
        row(&world, "bo@elector.example")
    );
    let left = "address\nflo@elector.example\n";
    let (verdicts, imported) = bring(&world, Some(left), &rows, false)
        .await
        .expect("takes");
    assert_eq!(
        (imported.taken, imported.refused, imported.suppressed),
        (2, 1, 1)
    );
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0].line, 3);
    assert!(verdicts[0].why.contains("`address`"), "{verdicts:?}");
    assert_eq!(
        imported.challenges_per_day,
        world.rooms.config().limits.import_challenges_per_day
    );
    let find = Find {
        address: "flo@elector.example".into(),
        reason: None,
    };
    assert_eq!(
        world.ask(&find).await.expect("finds").1.suppressed,
        ["everything"]
    );

    let code = imported.code.expect("waits");
    let waits = waiting(&world).await;
    assert_eq!(
        (waits[0].code.as_str(), waits[0].by.as_str()),
        (code.as_str(), "ada")
    );
    assert_eq!(waits[0].detail.as_deref(), Some("2 people"));
    let own = world
        .ask(&Agree { code: code.clone() })
        .await
        .expect_err("oneself");
    assert!(own.why.contains("second person"), "{own}");
    world.am("ben");
    let (_, agreed) = world
        .ask(&Agree { code: code.clone() })
        .await
        .expect("agrees");
    assert_eq!(
        (agreed.verb.as_str(), agreed.by.as_str()),
        ("subscriber import", "ada")
    );
    assert!(agreed.opens_with.is_none() && waiting(&world).await.is_empty());
    let again = world.ask(&Agree { code }).await.expect_err("once");
    assert_eq!(again.class, Class::Refused);
    let imports = world.rooms.consent.imports().await.expect("reads");
    let first = imports[0].as_ref().expect("is whole");
    assert!(matches!(first.state, ImportState::Released { .. }));
    let expected = [
        "subscriber import",
        "subscriber find",
        "subscriber import approve",
    ];
    assert_eq!(world.verbs().await, expected);
}

#[tokio::test]
async fn an_import_that_is_refused_is_erased_and_its_suppressions_stay() {
    let world = World::new().await;
    let rows = format!("{HEADER}{}", row(&world, "jo@elector.example"));
    let left = "address\nflo@elector.example\n";
    let brought = bring(&world, Some(left), &rows, false).await;
    let code = brought.expect("takes").1.code.expect("waits");
    let refuse = |reason: &str| Refuse {
        code: code.clone(),
        reason: reason.into(),
    };
    world.am("cy");
    assert!(world.ask(&refuse("curious")).await.is_err(), "no admin");
    world.am("ben");
    let bare = world.ask(&refuse(" ")).await.expect_err("why?");
    assert_eq!(bare.class, Class::Misuse);
    let (_, refused) = world.ask(&refuse("wrong file")).await.expect("refuses");
    let told = (refused.verb.as_str(), refused.by.as_str());
    assert_eq!(told, ("subscriber import", "ada"));
    assert!(waiting(&world).await.is_empty());
    let agree = Agree { code: code.clone() };
    assert!(world.ask(&agree).await.is_err(), "it waits no more");
    let again = world.ask(&refuse("twice")).await.expect_err("once");
    assert_eq!(again.class, Class::Refused);
    let store = &world.rooms.store;
    let work = store.intake_after(None, 10).await.expect("reads");
    assert!(work.rows.is_empty());
    assert_eq!(store.count_suppressed().await.expect("counts"), 1);
    let acts = world.acts().await;
    let last = acts.last().expect("logged");
    assert_eq!(last.verb, "subscriber import cancel");
    assert_eq!(last.actor, world.actor("ben").id().to_string());
    assert_eq!(last.reason.as_deref(), Some("wrong file"));
}

#[tokio::test]
async fn a_damaged_import_is_named_where_others_wait_and_can_be_taken_away() {
    let world = World::new().await;
    let mut codes = Vec::new();
    for who in ["jo@elector.example", "bo@elector.example"] {
        let rows = format!("{HEADER}{}", row(&world, who));
        let brought = bring(&world, Some("address\n"), &rows, false).await;
        codes.push(brought.expect("takes").1.code.expect("waits"));
    }
    let name = format!("consent.import.{}", codes[0]);
    let value = b"{}".to_vec().into();
    let name = name.into();
    done(
        &world.rooms.store,
        Step::PutSetting(Setting { name, value }),
    )
    .await;
    let waits = waiting(&world).await;
    let of = |code: &str| waits.iter().find(|one| one.code == code).expect("waits");
    assert_eq!(of(&codes[1]).by, "ada");
    let said = of(&codes[0]).detail.as_deref().expect("says why");
    assert!(said.starts_with("damaged"), "{said}");
    world.am("ben");
    let refuse = Refuse {
        code: codes[0].clone(),
        reason: "damaged".into(),
    };
    world.ask(&refuse).await.expect("takes it away");
    let waits = waiting(&world).await;
    let left: Vec<_> = waits.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(left, [codes[1].as_str()]);
}

#[tokio::test]
async fn suppressions_of_an_import_that_ends_badly_are_on_the_record() {
    let world = World::new().await;
    let left = "address\nflo@elector.example\n";
    let failed = bring(&world, Some(left), "", false).await;
    let failed = failed.expect_err("there are no people, not even a header");
    assert_eq!(failed.class, Class::Refused, "{failed}");
    let store = &world.rooms.store;
    assert_eq!(store.count_suppressed().await.expect("counts"), 1);
    let acts = world.acts().await;
    let last = acts.last().expect("logged");
    assert_eq!(last.verb, "subscriber import");
    assert_eq!(last.reason.as_deref(), Some("the old system"));
    assert!(waiting(&world).await.is_empty());
    let imports = world.rooms.consent.imports().await.expect("reads");
    assert!(imports.is_empty(), "nothing of it waits");
}

#[tokio::test]
async fn who_is_no_admin_any_more_brings_no_import_in() {
    let world = World::new().await;
    let rows = format!("{HEADER}{}", row(&world, "jo@elector.example"));
    let brought = bring(&world, None, &rows, false).await;
    let code = brought.expect("takes").1.code.expect("waits");
    world.am("ben");
    let ben = world.actor("ben");
    let admin = ben.admin().expect("an admin");
    let revoked = world.rooms.staff.revoke(admin, "ada", Some("left")).await;
    revoked.expect("revokes");
    let refused = world.ask(&Agree { code: code.clone() }).await;
    let refused = refused.expect_err("she brought it");
    assert_eq!(refused.class, Class::Refused, "{refused}");
    assert_eq!(waiting(&world).await.len(), 1, "and can be refused");
}

#[tokio::test]
async fn a_trial_keeps_nothing_and_suppresses_nobody() {
    let world = World::new().await;
    let rows = format!("{HEADER}{}bad\n", row(&world, "jo@elector.example"));
    let left = "address\nflo@elector.example\n";
    let (verdicts, imported) = bring(&world, Some(left), &rows, true).await.expect("reads");
    assert_eq!(
        (imported.taken, imported.refused, imported.code),
        (1, 1, None)
    );
    assert_eq!(verdicts.len(), 1);
    assert!(
        world
            .rooms
            .consent
            .imports()
            .await
            .expect("reads")
            .is_empty()
    );
    let work = world
        .rooms
        .store
        .intake_after(None, 10)
        .await
        .expect("reads");
    assert!(work.rows.is_empty());
    assert_eq!(
        world.rooms.store.count_suppressed().await.expect("counts"),
        0
    );
    assert!(world.verbs().await.is_empty());
}

#[tokio::test]
async fn each_of_many_bad_rows_is_named_whoever_is_slow() {
    let world = World::new().await;
    let mut rows = HEADER.to_owned();
    for _ in 0..3000 {
        rows += "x\n";
    }
    rows += &row(&world, "jo@elector.example");
    let server = &world.server.socket;
    let client = Client::connect(server).await.expect("connects");
    let (mut conversation, mut sender) = client.ask(&import(None, false)).await.expect("asks");
    let sending = tokio::spawn(async move {
        for piece in rows.as_bytes().chunks(64 * 1024) {
            sender.send(piece).await.expect("sends");
        }
        sender.end().await.expect("ends");
        sender
    });
    let mut lines = Vec::new();
    let imported = loop {
        match conversation.next().await.expect("goes on") {
            Event::Row(row) => lines.push(row.line),
            Event::Answer(answer) => break answer,
            _ => {}
        }
    };
    sending.await.expect("sent");
    assert_eq!(lines, (2..3002).collect::<Vec<u64>>());
    assert_eq!((imported.taken, imported.refused), (1, 3000));
}

#[tokio::test]
async fn a_file_that_is_none_leaves_nothing_and_one_that_is_cut_is_not_taken() {
    let world = World::new().await;
    let register = bring(&world, None, "Elector Number,address\n", false).await;
    let register = register.expect_err("no register");
    assert_eq!(register.class, Class::Refused);
    assert!(register.why.contains("unlawful"), "{register}");
    let empty = bring(&world, None, "", false).await.expect_err("empty");
    assert!(empty.why.contains("columns"), "{empty}");
    let short = Import {
        suppression_bytes: Some(1000),
        ..import(None, false)
    };
    let short = world.talk(&short, b"address\nflo@elector.example\n").await;
    assert!(short.expect_err("cut").why.contains("shorter"));
    let imports = world.rooms.consent.imports().await.expect("reads");
    let left = imports.iter().flatten();
    let left: Vec<_> = left.map(|one| one.state.clone()).collect();
    assert!(
        left.iter().all(|state| *state == ImportState::Reading),
        "{left:?}"
    );
    // Its suppressions are in force, so that it came is logged.
    assert_eq!(world.verbs().await, ["subscriber import"]);
    assert!(waiting(&world).await.is_empty());

    let client = Client::connect(&world.server.socket)
        .await
        .expect("connects");
    let (conversation, mut sender) = client.ask(&import(None, false)).await.expect("asks");
    sender.send(HEADER.as_bytes()).await.expect("sends");
    sender
        .send(row(&world, "jo@elector.example").as_bytes())
        .await
        .expect("sends");
    drop((conversation, sender));
    for _ in 0..500 {
        let work = world
            .rooms
            .store
            .intake_after(None, 10)
            .await
            .expect("reads");
        let imports = world.rooms.consent.imports().await.expect("reads");
        if work.rows.is_empty() && imports.len() == left.len() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("what a client left behind is still there");
}

/// Asks for an export and agrees to it as ben; gives the sealed file and the phrase.
async fn export(world: &World) -> (Result<(Vec<u8>, String), Failure>, String) {
    let export = Export {
        reason: "moving host".into(),
    };
    let agree = async {
        loop {
            if let Some(one) = waiting(world).await.first() {
                world.am("ben");
                let code = one.code.clone();
                let (_, agreed) = world.ask(&Agree { code }).await.expect("agrees");
                break agreed.opens_with.expect("a phrase").reveal().to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(world.talk(&export, b""), agree) };
    let (exported, phrase) = tokio::time::timeout(A_WHILE, both).await.expect("ends");
    (
        exported.map(|(_, file, answer)| (file, answer.sha256)),
        phrase,
    )
}

#[tokio::test]
async fn an_export_is_a_sealed_file_that_the_second_person_opens() {
    let world = World::new().await;
    world.subscribe("jo@elector.example", None).await;
    let (exported, phrase) = export(&world).await;
    let (file, sha256) = exported.expect("exports");
    assert!(
        !String::from_utf8_lossy(&file).contains("jo@"),
        "it is sealed"
    );
    let wrong = StreamOpener::new(&file, &StreamKey::Passphrase("wrong"));
    assert!(
        wrong.is_err()
            || wrong.is_ok_and(|mut opener| {
                let from = opener.header_len();
                opener.push(&file[from..]).is_err()
            })
    );
    let mut opener = StreamOpener::new(&file, &StreamKey::Passphrase(&phrase)).expect("opens");
    let from = opener.header_len();
    let plain = opener.push(&file[from..]).expect("opens").to_vec();
    opener.finish().expect("is whole");
    let plain = String::from_utf8(plain).expect("text");
    assert!(plain.contains("jo@elector.example") && plain.ends_with("}\n"));

    let acts = world.acts().await;
    let verbs: Vec<_> = acts.iter().map(|act| act.verb.as_str()).collect();
    assert_eq!(verbs, ["subscriber export", "subscriber exported"]);
    let ben = world.actor("ben").id().to_string();
    assert_eq!(acts[0].second.as_deref(), Some(ben.as_str()));
    assert_eq!(acts[0].reason.as_deref(), Some("moving host"));
    assert_eq!(acts[1].object.as_ref().expect("the file").id, sha256);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, sha256);
}

#[tokio::test]
async fn an_export_that_is_refused_ends_and_says_by_whom() {
    let world = World::new().await;
    let export = Export {
        reason: "moving host".into(),
    };
    let refuse = async {
        loop {
            if let Some(one) = waiting(&world).await.first() {
                world.am("ben");
                let refuse = Refuse {
                    code: one.code.clone(),
                    reason: "no need".into(),
                };
                return world.ask(&refuse).await.expect("refuses").1;
            }
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(world.talk(&export, b""), refuse) };
    let (exported, refused) = tokio::time::timeout(A_WHILE, both).await.expect("ends");
    let failure = exported.expect_err("refused");
    assert_eq!(failure.class, Class::Refused);
    assert!(failure.why.contains("ben refused"), "{failure}");
    assert_eq!(refused.verb, "subscriber export");
    assert!(waiting(&world).await.is_empty());
    assert_eq!(world.verbs().await, ["subscriber refuse"]);
}

#[tokio::test]
async fn an_export_without_a_reason_or_an_admin_does_not_begin() {
    let world = World::new().await;
    let bare = Export { reason: " ".into() };
    assert_eq!(
        world.ask(&bare).await.expect_err("why?").class,
        Class::Misuse
    );
    world.am("cy");
    let asked = Export {
        reason: "curious".into(),
    };
    assert_eq!(
        world.ask(&asked).await.expect_err("no admin").class,
        Class::Refused
    );
    assert!(world.acts().await.is_empty());
}

struct NoPrograms;

impl Programs for NoPrograms {
    fn serve(&self, _: &crate::cli::serve::Args, _: &Global) -> Result<(), Failure> {
        unreachable!("not asked for")
    }
    fn sandbox(&self, _: &crate::cli::sandbox::Args, _: &Global) -> Result<(), Failure> {
        unreachable!("not asked for")
    }
    fn sandboxes(&self) -> Result<Vec<std::path::PathBuf>, Failure> {
        unreachable!("not asked for")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_sends_the_suppression_file_before_the_rows() {
    let world = World::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let (left, rows) = (
        directory.path().join("left.csv"),
        directory.path().join("rows.csv"),
    );
    std::fs::write(&left, "address\njo@elector.example\n").expect("writes");
    std::fs::write(
        &rows,
        format!("{HEADER}{}", row(&world, "jo@elector.example")),
    )
    .expect("writes");
    let words = [
        "hustings".as_ref(),
        "--json".as_ref(),
        "--socket".as_ref(),
        world.server.socket.as_os_str(),
        "subscriber".as_ref(),
        "import".as_ref(),
        "--reason".as_ref(),
        "the old system".as_ref(),
        "--suppressions".as_ref(),
        left.as_os_str(),
        rows.as_os_str(),
    ];
    let cli = Cli::try_parse_from(words).expect("is sound");
    let ran = tokio::task::spawn_blocking(move || run(cli, &NoPrograms)).await;
    ran.expect("no panic").expect("imports");
    assert_eq!(waiting(&world).await[0].detail.as_deref(), Some("1 person"));
    let form = typed("jo@elector.example").match_form();
    let vault = world.rooms.store.vault();
    let index = vault.index(crate::vault::IndexColumn::Suppression, form.as_bytes());
    let held = world.rooms.store.suppression(index).await.expect("reads");
    assert!(held.record.forbids(Scope::All));
}
