//! By what an account is known: its addresses and its Unix user.

use super::*;

fn address(local: &str) -> EmailAddress {
    EmailAddress::parse(&format!("{local}@party.example")).expect("an address")
}

fn changes(add: &[&str], remove: &[&str], main: Option<&str>) -> AccountChanges {
    AccountChanges {
        add_addresses: add.iter().map(|local| address(local)).collect(),
        remove_addresses: remove.iter().map(|local| address(local)).collect(),
        main_address: main.map(address),
        ..AccountChanges::default()
    }
}

fn locals(room: &StaffRoom, name: &str) -> Vec<String> {
    let roll = room.roll();
    let member = roll.by_name(name).expect("live");
    let locals = member.addresses.iter().map(|one| one.local().to_owned());
    locals.collect()
}

#[tokio::test]
async fn a_person_gets_and_loses_addresses() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "ben", 1002, &[Role::Reader]).await;
    let change = async |changes| {
        room.change(ada.admin().expect("an admin"), "ben", &changes, None)
            .await
    };
    change(changes(&["press-desk"], &[], None))
        .await
        .expect("adds");
    assert_eq!(locals(&room, "ben"), ["ben", "press-desk"]);
    // One that is new may be the main one at once; the others stay in their order.
    change(changes(&[], &[], Some("ben.moor")))
        .await
        .expect("adds and puts first");
    assert_eq!(locals(&room, "ben"), ["ben.moor", "ben", "press-desk"]);
    change(changes(&[], &["ben"], Some("press-desk")))
        .await
        .expect("does both");
    assert_eq!(locals(&room, "ben"), ["press-desk", "ben.moor"]);
    let roll = room.roll();
    assert!(roll.by_address(&address("ben")).is_none(), "it is free");
    assert_eq!(
        roll.by_address(&address("Ben.Moor")).expect("ben's").name,
        "ben"
    );
    // Whoever needs it next may have it.
    let admin = ada.admin().expect("an admin");
    room.change(admin, "ada", &changes(&["ben"], &[], None), None)
        .await
        .expect("is free");
    let verbs: Vec<String> = acts(&room).await.into_iter().map(|act| act.verb).collect();
    assert_eq!(
        verbs[2..],
        [
            "staff add address",
            "staff add address",
            "staff change main address",
            "staff change main address",
            "staff remove address",
            "staff add address"
        ]
    );
}

#[tokio::test]
async fn addresses_stay_one_persons() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "ben", 1002, &[Role::Reader]).await;
    let refused = async |changes: AccountChanges| {
        let admin = ada.admin().expect("an admin");
        let before = acts(&room).await.len();
        let refused = room.change(admin, "ben", &changes, None).await;
        assert_eq!(acts(&room).await.len(), before, "nothing is done");
        assert_eq!(locals(&room, "ben"), ["ben"]);
        refused.expect_err("refused")
    };
    for taken in ["ada", "news", "postmaster", "Mailer-Daemon", "dmarc", "b"] {
        for changes in [changes(&[taken], &[], None), changes(&[], &[], Some(taken))] {
            let why = refused(changes).await;
            assert!(matches!(why, StaffError::AddressTaken(_)), "{why:?}");
        }
    }
    let mut elsewhere = AccountChanges {
        add_addresses: vec![EmailAddress::parse("ben@elsewhere.example").expect("an address")],
        ..AccountChanges::default()
    };
    let why = refused(elsewhere.clone()).await;
    assert!(matches!(why, StaffError::OtherDomain { .. }), "{why:?}");
    let why = refused(changes(&["ben+news"], &[], None)).await;
    assert!(matches!(why, StaffError::Plus), "{why:?}");
    let why = refused(changes(&["new"], &["new"], None)).await;
    assert!(matches!(why, StaffError::AddressTwice), "{why:?}");
    let why = refused(changes(&[], &["ada"], None)).await;
    assert!(matches!(why, StaffError::NotItsAddress), "{why:?}");
    let why = refused(changes(&[], &["ben"], None)).await;
    assert!(matches!(why, StaffError::NoAddress), "{why:?}");
    let many: Vec<String> = (0..20).map(|n| format!("ben{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let why = refused(changes(&many, &[], None)).await;
    assert!(
        matches!(why, StaffError::TooManyAddresses { .. }),
        "{why:?}"
    );
    let why = refused(changes(&["ben"], &[], Some("BEN"))).await;
    assert!(matches!(why, StaffError::NoChange(_)), "{why:?}");
    elsewhere.add_addresses.clear();
    for (uid, is) in [(0, "root"), (u32::MAX, "nobody"), (1001, "ada's")] {
        elsewhere.uid = Some(uid);
        let why = refused(elsewhere.clone()).await;
        let expected = match uid {
            0 => matches!(why, StaffError::Root),
            u32::MAX => matches!(why, StaffError::NoUser),
            _ => matches!(why, StaffError::UidTaken(_)),
        };
        assert!(expected, "{is}: {why:?}");
    }
}

#[tokio::test]
async fn a_person_gets_a_unix_user() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "ben", 1002, &[Role::Reader]).await;
    let moved = AccountChanges {
        uid: Some(2002),
        ..AccountChanges::default()
    };
    assert!(moved.widen(), "a code is asked for");
    let admin = ada.admin().expect("an admin");
    room.change(admin, "ben", &moved, None)
        .await
        .expect("changes");
    assert!(matches!(room.caller(1002), Caller::Nobody { .. }));
    assert!(matches!(room.caller(2002), Caller::Member(_)));
    let last = acts(&room).await.pop().expect("an act");
    assert_eq!(last.verb, "staff change uid");
}
