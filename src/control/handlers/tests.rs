//! Tests of the handlers, through a real socket: the process's own Unix user is the staff member.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::address::{Domain, EmailAddress};
use crate::audit::LogKind;
use crate::clock::Clock;
use crate::control::api::audit::{Show, Verify};
use crate::control::api::consent::Verify as ConsentVerify;
use crate::control::api::key::Backup;
use crate::control::api::staff::{Add, AddPassword, List, Revoke};
use crate::control::api::store::Verify as StoreVerify;
use crate::control::testing::{TestServer, serve};
use crate::control::{Class, Desk, Limits, SecretText, WhoIs};
use crate::staff::{Caller, NewAccount, NewFactor, Premises, Role, StaffRoom};
use crate::store::testing::blank_audit_log;
use crate::store::{Change, Files, LockedStore, NewEvent, Step, Store};
use crate::vault::Vault;

/// Everybody at the socket is this account, or nobody.
#[derive(Clone)]
struct Is {
    room: StaffRoom,
    name: Arc<std::sync::Mutex<Option<&'static str>>>,
}

impl WhoIs for Is {
    fn who_is(&self, uid: u32) -> Caller {
        let name = *self.name.lock().expect("no panic");
        let roll = self.room.roll();
        let found = name.and_then(|name| roll.by_name(name).map(|member| member.id));
        match found.and_then(|id| self.room.actor(id)) {
            Some(actor) => Caller::Member(actor),
            None => Caller::Nobody { uid },
        }
    }
}

struct Sheets;

impl SheetSource for Sheets {
    async fn sheet(
        &self,
        passphrase: Option<&SecretText>,
    ) -> Result<(Zeroizing<String>, Timestamp), Failure> {
        if passphrase.is_some_and(|typed| typed.reveal() != "right") {
            return Err(Failure::refused("no sheet", "the passphrase is wrong", ""));
        }
        Ok((Zeroizing::new("SHEET".into()), Timestamp::UNIX_EPOCH))
    }
}

struct Party {
    server: TestServer,
    is: Is,
    store: Store,
    clock: Clock,
    _directory: TempDir,
}

async fn party() -> Party {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LockedStore::open(Files::in_directory(directory.path()))
        .await
        .expect("opens")
        .unlock(Vault::for_tests(), 1 << 20)
        .await
        .expect("unlocks");
    let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
    let frozen = clock.clone();
    let premises = Premises::new([Domain::parse("party.example").expect("a domain")]);
    let room = StaffRoom::open(store.clone(), clock.clone(), premises)
        .await
        .expect("opens");
    let audit = Arc::new(AuditDesk::new(store.clone(), clock, room.clone()));
    let staff = Arc::new(StaffDesk::new(room.clone(), || MailAccess {
        server: "mail.party.example".into(),
        party: "Example Party".into(),
        settings: Vec::new(),
        profile: None,
    }));
    let desk = Desk::new()
        .on::<Add, _>(&staff)
        .on::<List, _>(&staff)
        .on::<Revoke, _>(&staff)
        .on::<AddPassword, _>(&staff)
        .on::<Show, _>(&audit)
        .on::<Verify, _>(&audit)
        .on::<ConsentVerify, _>(&audit)
        .on::<StoreVerify, _>(&Arc::new(StoreDesk(store.clone())))
        .on::<Backup, _>(&Arc::new(KeyDesk::new(room.clone(), Arc::new(Sheets))));
    let is = Is {
        room,
        name: Arc::default(),
    };
    Party {
        server: serve(desk, is.clone(), Limits::default()),
        is,
        store,
        clock: frozen,
        _directory: directory,
    }
}

impl Party {
    fn am(&self, name: &'static str) {
        *self.is.name.lock().expect("no panic") = Some(name);
    }

    async fn add(&self, name: &str, roles: &[Role]) -> Result<String, Failure> {
        let add = Add {
            name: name.into(),
            addresses: vec![format!("{name}@party.example")],
            roles: roles.to_vec(),
            uid: None,
            reason: None,
        };
        let (_, answer) = self.server.ask(&add).await?;
        Ok(answer.password.reveal().to_owned())
    }
}

#[tokio::test]
async fn accounts_are_made_listed_revoked_and_it_all_stands_in_the_log() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    let refused = party.add("ben", &[Role::Admin]).await.expect_err("nobody");
    assert_eq!(refused.what, "can't make the account ben");
    party.am("ada");
    let password = party.add("ben", &[Role::Reader]).await.expect("by ada");
    assert!(password.len() >= 24);
    let list = List { revoked: false };
    let (rows, _) = party.server.ask(&list).await.expect("lists");
    assert_eq!(
        rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["ada", "ben"]
    );
    let revoke = Revoke {
        name: "ben".into(),
        reason: Some("left".into()),
    };
    party.server.ask(&revoke).await.expect("revokes");
    let (rows, _) = party.server.ask(&list).await.expect("lists");
    assert_eq!(rows.len(), 1);
    let last = Revoke {
        name: "ada".into(),
        reason: None,
    };
    let last = party.server.ask(&last).await.expect_err("the last admin");
    assert!(
        last.why.contains("last admin") && last.next.contains("--add-role admin"),
        "{last}"
    );

    let show = Show {
        from: None,
        limit: 2,
    };
    let (rows, _) = party.server.ask(&show).await.expect("shows");
    assert_eq!(rows.len(), 2, "the newest two of three");
    assert_eq!(
        (rows[1].actor.as_str(), rows[1].verb.as_str()),
        ("ada", "staff revoke")
    );
    assert_eq!(rows[1].object.as_deref(), Some("staff ben"));
    assert_eq!(rows[1].reason.as_deref(), Some("left"));
}

#[tokio::test]
async fn a_reader_sees_no_audit_log_and_makes_their_own_password() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    party.am("ada");
    let first = party.add("cy", &[Role::Reader]).await.expect("by ada");
    party.am("cy");
    let show = Show {
        from: None,
        limit: 9,
    };
    let refused = party.server.ask(&show).await.expect_err("a reader");
    assert!(refused.why.contains("role admin"), "{refused}");
    let own = AddPassword {
        name: None,
        label: "phone".into(),
        replace: false,
        reason: None,
    };
    let (_, new) = party.server.ask(&own).await.expect("one's own");
    assert_ne!(new.password.reveal(), first);
    assert!(new.own, "nobody has to hand it over");
    let foreign = AddPassword {
        name: Some("ada".into()),
        label: "phone".into(),
        replace: false,
        reason: None,
    };
    assert!(party.server.ask(&foreign).await.is_err());
}

#[tokio::test]
async fn the_log_holds_and_a_checkpoint_of_yesterday_is_built_upon() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    party.am("ada");
    let (_, before) = party
        .server
        .ask(&Verify::default())
        .await
        .expect("verifies");
    assert!(before.holds && before.size == 1, "{before:?}");
    party.add("ben", &[Role::Admin]).await.expect("by ada");
    let against = Verify {
        against: Some(before.checkpoint.clone()),
        public_key: None,
    };
    let (_, after) = party.server.ask(&against).await.expect("verifies");
    assert!(after.holds, "{after:?}");
    assert!(after.against.expect("compared").contains("grown by 1"));
    let wrong = ConsentVerify(Verify {
        against: Some(before.checkpoint.clone()),
        public_key: None,
    });
    let wrong = party.server.ask(&wrong).await.expect_err("another log's");
    assert!(wrong.why.contains("audit log"), "{wrong}");
    let forged = Verify {
        against: Some(before.checkpoint.replace("size 1", "size 2")),
        public_key: None,
    };
    let forged = party.server.ask(&forged).await.expect_err("forged");
    assert!(forged.why.contains("signature"), "{forged}");
}

#[tokio::test]
async fn an_event_that_was_erased_is_counted_and_the_log_still_holds() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    party.am("ada");
    let subject = party
        .store
        .vault()
        .index(crate::vault::IndexColumn::EvidenceSubject, b"x");
    let event = |text: &str| {
        Step::Append(NewEvent {
            log: LogKind::Consent,
            subject: Some(subject),
            event: text.as_bytes().to_vec(),
        })
    };
    let change = Change::new().then(event("{}")).then(event("[]"));
    assert_eq!(
        party.store.change(change).await.expect("appends"),
        crate::store::ChangeOutcome::Done
    );
    let tombstone = serde_json::json!({"event": "erased", "subject": subject}).to_string();
    let erase = Change::new()
        .then(Step::EraseEvidence(subject))
        .then(event(&tombstone));
    assert_eq!(
        party.store.change(erase).await.expect("erases"),
        crate::store::ChangeOutcome::Done
    );
    let (_, verdict) = party
        .server
        .ask(&ConsentVerify(Verify::default()))
        .await
        .expect("verifies");
    assert!(verdict.holds && verdict.erased == 2, "{verdict:?}");
}

#[tokio::test]
async fn the_store_is_verified_and_the_sheet_is_logged_before_it_is_shown() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    party.am("ada");
    let (_, verification) = party.server.ask(&StoreVerify {}).await.expect("verifies");
    assert!(verification.is_clean());
    let backup = Backup {
        passphrase: None,
        reason: Some("new host".into()),
    };
    let (_, sheet) = party.server.ask(&backup).await.expect("a sheet");
    assert_eq!(sheet.text.reveal(), "SHEET");
    let show = Show {
        from: None,
        limit: 1,
    };
    let (rows, _) = party.server.ask(&show).await.expect("shows");
    assert_eq!(rows[0].verb, "key backup");
}

#[tokio::test]
async fn the_sheet_takes_a_code_of_who_has_a_second_factor() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    party.am("ada");
    let roll = party.is.room.roll();
    let ada = roll
        .by_name("ada")
        .and_then(|ada| party.is.room.actor(ada.id));
    let ada = ada.expect("live");
    let new = NewFactor {
        name: "ada",
        replaces: false,
        code: None,
        reason: None,
    };
    let secret = party.is.room.begin_factor(&ada, new).await.expect("begins");
    let code = secret.code_at(party.clock.now());
    let proven = party.is.room.confirm_factor(&ada, "ada", &code).await;
    proven.expect("is in force");
    let half_a_minute = jiff::SignedDuration::from_secs(30);
    party.clock.advance(half_a_minute).expect("moves");
    let backup = Backup {
        passphrase: None,
        reason: None,
    };
    let refused = party
        .server
        .ask(&backup)
        .await
        .expect_err("it takes a code");
    assert_eq!(refused.class, Class::CodeNeeded);
    let code = secret.code_at(party.clock.now());
    let mistyped = Backup {
        passphrase: Some(SecretText::new("wrong".to_owned())),
        reason: None,
    };
    let refused = party.server.ask_with(&mistyped, Some(&code)).await;
    let refused = refused.expect_err("it's wrong");
    assert!(refused.why.contains("passphrase"), "{refused}");
    // That used no code up.
    let (_, sheet) = party
        .server
        .ask_with(&backup, Some(&code))
        .await
        .expect("a sheet");
    assert_eq!(sheet.text.reveal(), "SHEET");
}

#[tokio::test]
async fn addresses_that_are_none_are_misuse() {
    let party = party().await;
    let add = Add {
        name: "ada".into(),
        addresses: vec!["not an address".into()],
        roles: vec![Role::Admin],
        uid: None,
        reason: None,
    };
    let failure = party.server.ask(&add).await.expect_err("no address");
    assert_eq!(failure.class, Class::Misuse);
    let good = NewAccount {
        name: "ada".into(),
        addresses: vec![EmailAddress::parse("ada@party.example").expect("an address")],
        roles: vec![],
        uid: None,
    };
    let nobody = Caller::Nobody { uid: 1 };
    assert!(
        party.is.room.add(&nobody, good, None).await.is_err(),
        "no role"
    );
}

#[tokio::test]
async fn a_blank_act_is_a_finding_and_the_log_is_not_signed() {
    let party = party().await;
    party.add("ada", &[Role::Admin]).await.expect("the first");
    party.am("ada");
    blank_audit_log(party.store.files()).await;
    let verify = Verify {
        against: None,
        public_key: None,
    };
    let (_, verdict) = party.server.ask(&verify).await.expect("verifies");
    assert!(!verdict.holds);
    assert_eq!(verdict.checkpoint, "");
    assert!(
        verdict.findings[0].contains("entry 0 was blanked"),
        "{verdict:?}"
    );
}
