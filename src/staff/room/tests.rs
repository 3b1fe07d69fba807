//! Tests of the staff room.

use jiff::SignedDuration;
use tempfile::TempDir;

use super::super::actor::NotAllowed;
use super::super::knock::{Door, LoginOutcome};
use super::super::scram::{self, MOST_PASSWORDS};
use super::super::tries::{HeldUp, Proof};
use super::*;
use crate::address::{Domain, EmailAddress};
use crate::audit::Act;
use crate::store::{Files, LockedStore};
use crate::vault::Vault;

mod addresses;
mod grants;
mod passwords;

fn premises() -> Premises {
    let domain = Domain::parse("party.example").expect("a domain");
    let list = EmailAddress::parse("news@party.example").expect("an address");
    Premises::new([domain]).taken(&list, "the list news")
}

/// A staff room over a store of its own, with nobody in it.
pub(crate) async fn room() -> (StaffRoom, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LockedStore::open(Files::in_directory(directory.path()))
        .await
        .expect("opens")
        .unlock(Vault::for_tests(), 1 << 20)
        .await
        .expect("unlocks");
    let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
    let room = StaffRoom::open(store, clock, premises())
        .await
        .expect("opens");
    (room, directory)
}

fn account(name: &str, uid: u32, roles: &[Role]) -> NewAccount {
    NewAccount {
        name: name.into(),
        addresses: vec![EmailAddress::parse(&format!("{name}@party.example")).expect("an address")],
        roles: roles.to_vec(),
        uid: Some(uid),
    }
}

/// Adds an account, as root while there is none and as the first admin afterwards.
pub(crate) async fn add(room: &StaffRoom, name: &str, uid: u32, roles: &[Role]) -> Actor {
    let first = room
        .roll()
        .with_role(Role::Admin)
        .next()
        .map(|admin| admin.id);
    let by = match first.and_then(|id| room.actor(id)) {
        Some(actor) => Caller::Member(actor),
        None => Caller::Nobody { uid: 0 },
    };
    room.add(&by, account(name, uid, roles), None)
        .await
        .expect("adds");
    match room.caller(uid) {
        Caller::Member(actor) => actor,
        Caller::Nobody { .. } => panic!("{name} is not found by uid"),
    }
}

pub(super) async fn acts(room: &StaffRoom) -> Vec<Act> {
    let events = room
        .0
        .store
        .events(LogKind::Audit, 0, 100)
        .await
        .expect("reads");
    events
        .into_iter()
        .filter_map(|event| serde_json::from_slice(&event.event?.1).ok())
        .collect()
}

#[tokio::test]
async fn the_first_admin_needs_nobody_and_the_second_needs_the_first() {
    let (room, _directory) = room().await;
    let root = Caller::Nobody { uid: 0 };
    let reader = room
        .add(&root, account("cy", 1003, &[Role::Reader]), None)
        .await;
    assert!(matches!(reader, Err(StaffError::FirstMustBeAdmin)));
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let more = room
        .add(&root, account("ben", 1002, &[Role::Admin]), None)
        .await;
    assert!(
        matches!(more, Err(StaffError::NotAllowed(_))),
        "root is nobody"
    );
    add(&room, "cy", 1003, &[Role::Reader]).await;
    let by_reader = room
        .add(
            &room.caller(1003),
            account("eve", 1004, &[Role::Admin]),
            None,
        )
        .await;
    assert!(matches!(by_reader, Err(StaffError::NotAllowed(_))));
    let acts = acts(&room).await;
    assert_eq!(acts.len(), 2, "refusals did nothing");
    assert_eq!(acts[0].actor, "nobody (uid 0)");
    assert_eq!(acts[1].actor, ada.id().to_string());
    assert_eq!(acts[1].verb, "staff add");
    let checkpoint = room
        .0
        .store
        .newest_checkpoint(LogKind::Audit)
        .await
        .expect("reads");
    assert_eq!(checkpoint.expect("signed").size, 2);
}

#[tokio::test]
async fn an_account_is_found_by_name_address_and_uid_and_its_password_works() {
    let (room, _directory) = room().await;
    let by = Caller::Nobody { uid: 0 };
    let issued = room
        .add(&by, account("ada", 1001, &[Role::Admin]), None)
        .await
        .expect("adds");
    let roll = room.roll();
    for login in ["ada", "Ada", " ada@party.example", "ADA@PARTY.EXAMPLE"] {
        assert_eq!(roll.by_login(login).expect(login).name, "ada");
        let (verifier, whose) = room.credentials(login, Proof::Hashed);
        assert!(verifier.check_password(issued.password.reveal()), "{login}");
        assert!(whose.is_some());
    }
    assert!(
        matches!(room.caller(0), Caller::Nobody { .. }),
        "root never is a person"
    );
    let (dummy, whose) = room.credentials("nobody-here", Proof::Hashed);
    assert!(whose.is_none());
    assert!(!dummy.check_password(issued.password.reveal()));
}

/// Who isn't told whether there is an account must not see it by its salt.
#[tokio::test]
async fn a_name_and_its_address_have_one_salt_whether_or_not_there_is_an_account() {
    let (room, _directory) = room().await;
    add(&room, "ada", 1001, &[Role::Admin]).await;
    let mut new = account("bee", 1002, &[Role::Reader]);
    new.addresses = vec![EmailAddress::parse("beatrice@party.example").expect("an address")];
    let ada = room.actor(room.roll().by_name("ada").expect("is there").id);
    let by = Caller::Member(ada.expect("is live"));
    room.add(&by, new, None).await.expect("adds");
    let salt = |user: &str| {
        let (verifier, whose) = room.credentials(user, Proof::Dialogue);
        (verifier.to_bytes().to_vec(), whose)
    };
    for (name, known) in [
        ("ada", true),
        ("bee", true),
        ("beatrice", true),
        ("nobody", false),
    ] {
        let alone = salt(name);
        assert_eq!(alone.1.is_some(), known, "{name}");
        for spelt in ["@party.example", "@PARTY.example"] {
            assert!(alone == salt(&format!("{name}{spelt}")), "{name}{spelt}");
        }
        assert!(alone != salt(&format!("{name}@elsewhere.example")));
    }
}

/// A password proves by any address; a salt, which anybody is shown, belongs to the name and the main address.
#[tokio::test]
async fn other_addresses_of_a_person_have_a_salt_of_their_own() {
    let (room, _directory) = room().await;
    let mut new = account("ada", 1001, &[Role::Admin]);
    let addresses = ["ada.smith", "treasurer", "chair"].map(|name| format!("{name}@party.example"));
    let parse = |one: &String| EmailAddress::parse(one).expect("an address");
    new.addresses = addresses.iter().map(parse).collect();
    let by = Caller::Nobody { uid: 0 };
    room.add(&by, new, None).await.expect("adds");
    let found = |user: &str, proof| {
        let (verifier, whose) = room.credentials(user, proof);
        (verifier.to_bytes().to_vec(), whose)
    };
    let ada = found("ada", Proof::Dialogue);
    assert!(ada.1.is_some());
    assert!(found("Ada.Smith@party.example", Proof::Dialogue) == ada);
    assert!(found("ada.smith", Proof::Dialogue) == ada);
    let [treasurer, chair] = ["treasurer", "chair"].map(|name| found(name, Proof::Dialogue));
    assert!(treasurer != ada && treasurer != chair && treasurer.1.is_none());
    assert!(found("treasurer@party.example", Proof::Dialogue) == treasurer);
    for login in ["ada", "ada.smith", "treasurer", "chair@party.example"] {
        assert!(found(login, Proof::Hashed) == ada, "{login}");
    }
}

#[tokio::test]
async fn names_addresses_and_uids_are_unique() {
    let (room, _directory) = room().await;
    let ada = Caller::Member(add(&room, "ada", 1001, &[Role::Admin]).await);
    let with = |name: &str, address: &str, uid| NewAccount {
        name: name.into(),
        addresses: vec![EmailAddress::parse(address).expect("an address")],
        roles: vec![Role::Reader],
        uid,
    };
    let cases = [
        (
            with("ada", "ada2@party.example", None),
            "the name ada was given already",
        ),
        (
            with("ben", "ADA@party.example", None),
            "belongs to the account ada",
        ),
        (
            with("ben", "news@party.example", None),
            "belongs to the list news",
        ),
        (
            with("ben", "abuse@party.example", None),
            "belongs to the server itself",
        ),
        (
            with("ben", "ben@other.example", None),
            "own domains (party.example)",
        ),
        (with("ben", "ben+x@party.example", None), "no \"+\""),
        (
            with("ben", "ben@party.example", Some(1001)),
            "belongs to the account ada",
        ),
        (with("ben", "ben@party.example", Some(0)), "root is nobody"),
        (with("Ben", "ben@party.example", None), "login name"),
    ];
    for (new, expected) in cases {
        let error = room.add(&ada, new, None).await.expect_err(expected);
        assert!(
            error.to_string().contains(expected),
            "{error} lacks {expected}"
        );
    }
    assert_eq!(room.roll().all().len(), 1);
}

#[tokio::test]
async fn a_revoked_account_can_do_nothing_and_the_last_admin_stays() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    room.revoke(ada.admin().expect("an admin"), "ben", Some("left"))
        .await
        .expect("revokes");
    assert!(matches!(room.caller(1002), Caller::Nobody { .. }));
    assert!(room.roll().by_login("ben").is_none());
    assert!(room.roll().by_address(&ben.member().addresses[0]).is_none());
    let again = room
        .revoke(ada.admin().expect("an admin"), "ben", None)
        .await;
    assert!(matches!(again, Err(StaffError::Revoked(_))));
    let last = room
        .revoke(ada.admin().expect("an admin"), "ada", None)
        .await;
    assert!(matches!(last, Err(StaffError::LastAdmin(_))));
    let act = acts(&room).await.pop().expect("an act");
    assert_eq!(
        (act.verb.as_str(), act.reason.as_deref()),
        ("staff revoke", Some("left"))
    );
    let by = Caller::Member(ada);
    let reused = room
        .add(&by, account("ben", 1002, &[Role::Reader]), None)
        .await;
    assert!(
        matches!(reused, Err(StaffError::NameTaken(_))),
        "names are never given again"
    );
    let mut successor = account("ben2", 1002, &[Role::Reader]);
    successor.addresses = ben.member().addresses.clone();
    room.add(&by, successor, None)
        .await
        .expect("uid and address are free");
}

#[tokio::test]
async fn an_admin_lifts_what_wrong_passwords_hold_up() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let client = "192.0.2.1".parse().expect("an address");
    // All doors count alike: at each too few come to hold anybody up.
    let doors = [Door::Imap, Door::Pop3, Door::Submission];
    let names = ["ada", "ADA@party.example", "nobody"];
    for (name, door) in names.iter().zip(doors).cycle().take(12) {
        if let Ok(knocked) = room.knock(client, name, Proof::Hashed).await {
            room.failed(door, client, Some(knocked.tried));
        }
    }
    assert!(matches!(
        room.knock(client, "ada", Proof::Dialogue).await,
        Err(HeldUp::Network { .. })
    ));
    let member = ada.member();
    assert!(room.wrong_for(member) >= 6, "both spellings are hers");
    let admin = || ada.admin().expect("an admin");
    room.unlock(admin(), "ada", Some("her new telephone"))
        .await
        .expect("lifts");
    assert!(room.knock(client, "ada", Proof::Dialogue).await.is_ok());
    assert_eq!(room.wrong_for(member), 0);
    assert!(room.knock(client, "nobody", Proof::Dialogue).await.is_err());
    let lifted = room.unlock(admin(), "192.0.2.0/24", None).await;
    assert_eq!(lifted.expect("lifts"), 1);
    assert!(room.knock(client, "nobody", Proof::Dialogue).await.is_ok());
    let unknown = room.unlock(admin(), "eve", None).await;
    assert!(matches!(unknown, Err(StaffError::Unknown(_))));
    let neither = room.unlock(admin(), "not a name", None).await;
    assert!(matches!(neither, Err(StaffError::UnlockWhat)));
    let acts = acts(&room).await;
    let last: Vec<&str> = acts
        .iter()
        .rev()
        .take(2)
        .map(|act| act.verb.as_str())
        .collect();
    assert_eq!(last, ["staff unlock network", "staff unlock"]);
}

#[tokio::test]
async fn accounts_survive_a_reopening_and_the_dummy_stays_the_same() {
    let (room, _directory) = room().await;
    add(&room, "ada", 1001, &[Role::Admin]).await;
    let again = StaffRoom::open(room.0.store.clone(), room.0.clock.clone(), premises())
        .await
        .expect("opens");
    assert_eq!(again.roll().by_uid(1001).expect("found").name, "ada");
    let (one, other) = (
        room.credentials("eve", Proof::Hashed).0,
        again.credentials("EVE", Proof::Hashed).0,
    );
    assert_eq!(*one.to_bytes(), *other.to_bytes());
}

#[tokio::test]
async fn roles_come_and_go_and_each_change_is_in_the_log() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "ben", 1002, &[Role::Reader]).await;
    let admin = ada.admin().expect("an admin");
    let change = AccountChanges {
        add_roles: vec![Role::Sender, Role::Reader],
        remove_roles: vec![Role::Reader],
        ..AccountChanges::default()
    };
    let entries = room
        .0
        .store
        .log_head(LogKind::Audit)
        .await
        .expect("a head")
        .size();
    room.change(admin, "ben", &change, Some("writes now"))
        .await
        .expect("changes");
    assert_eq!(
        room.roll().by_name("ben").expect("there").roles,
        [Role::Sender]
    );
    let after = room
        .0
        .store
        .log_head(LogKind::Audit)
        .await
        .expect("a head")
        .size();
    assert_eq!(after, entries + 2, "one role came and one went");
    let again = room.change(admin, "ben", &change, None).await;
    assert!(matches!(again, Err(StaffError::NoChange(_))), "{again:?}");
    let none = AccountChanges {
        remove_roles: vec![Role::Sender],
        ..AccountChanges::default()
    };
    let refused = room.change(admin, "ben", &none, None).await;
    assert!(matches!(refused, Err(StaffError::NoRole)), "{refused:?}");
    let last = AccountChanges {
        add_roles: vec![Role::Reader],
        remove_roles: vec![Role::Admin],
        ..AccountChanges::default()
    };
    let refused = room.change(admin, "ada", &last, None).await;
    assert!(
        matches!(refused, Err(StaffError::LastAdmin(_))),
        "{refused:?}"
    );
    let cellar = AccountChanges {
        let_into: vec!["cellar".into()],
        ..AccountChanges::default()
    };
    let refused = room.change(admin, "ben", &cellar, None).await;
    assert!(
        matches!(refused, Err(StaffError::UnknownMailbox { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn deleted_accounts_make_nobody_the_first_admin() {
    for also_the_log in [false, true] {
        let (room, directory) = room().await;
        add(&room, "ada", 1001, &[Role::Admin]).await;
        let vault = room.0.store.vault().clone();
        room.0.store.close().await;
        let files = Files::in_directory(directory.path());
        crate::store::testing::delete_staff(&files, also_the_log).await;
        let locked = LockedStore::open(files).await;
        let store = locked.expect("opens").unlock(vault, 1 << 20).await;
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
        let room = StaffRoom::open(store.expect("unlocks"), clock, premises()).await;
        let room = room.expect("opens");
        assert!(room.roll().is_new(), "nobody is there");
        let root = Caller::Nobody { uid: 0 };
        let refused = room
            .add(&root, account("eve", 1002, &[Role::Admin]), None)
            .await;
        match also_the_log {
            false => assert!(matches!(refused, Err(StaffError::Deleted)), "{refused:?}"),
            true => assert!(matches!(refused, Err(StaffError::Store(_))), "{refused:?}"),
        }
    }
}

/// What was committed holds, even if nothing can be read afterwards.
#[tokio::test]
async fn a_change_counts_though_the_accounts_cannot_be_read_again() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1000, &[Role::Admin]).await;
    add(&room, "ben", 1001, &[Role::Reader]).await;
    let sick = || Err(StoreError::Sick("the disk is gone".to_owned()));
    let mut ben = room.0.store.staff().await.expect("reads").rows;
    ben.retain(|staff| staff.record.name == "ben");
    let mut ben = ben.remove(0);
    ben.record.revoked_at = Some(room.0.clock.now());
    room.refresh(Some(ben), sick());
    let roll = room.roll();
    assert!(roll.by_name("ben").is_none() && roll.by_uid(1001).is_none());
    assert!(roll.by_login("ben@party.example").is_none());
    assert!(roll.by_name("ada").is_some(), "the others stay");
    assert_eq!(roll.all().len(), 2);
    room.refresh(None, sick());
    assert!(room.actor(ada.id()).is_some());
}

/// Names that are guessed at from all over are answered late, and whoever asks does wait.
#[tokio::test]
async fn who_knocks_where_many_guess_waits() {
    let (room, _directory) = room().await;
    add(&room, "ada", 1001, &[Role::Admin]).await;
    let delay = std::time::Duration::from_millis(250);
    let knock = async |network: u8| {
        let client = std::net::IpAddr::from([203, 0, network, 1]);
        let begun = std::time::Instant::now();
        let knocked = room
            .knock(client, "ada", Proof::Dialogue)
            .await
            .expect("may try");
        let outcome = LoginOutcome::Refused(Some(knocked.tried));
        let ended = room.ended(Door::Submission, client, outcome).await;
        assert_eq!(ended.expect("is told"), None);
        begun.elapsed()
    };
    let mut waited = Vec::new();
    for network in 0..40 {
        waited.push(knock(network).await);
        if waited.last() >= Some(&delay) {
            break;
        }
    }
    assert!(waited.last() >= Some(&delay), "{waited:?}");
    assert!(waited.len() > 3, "not at once: {waited:?}");
}
