//! Roles for a time.

use super::*;

fn for_hours(role: Role, hours: i64) -> NewGrant {
    NewGrant {
        role,
        lasts: SignedDuration::from_hours(hours),
        list: None,
        constituencies: Vec::new(),
    }
}

/// A room whose clock moves.
async fn moving_room() -> (StaffRoom, TempDir) {
    let (room, directory) = room().await;
    let (store, clock) = (room.0.store.clone(), Clock::movable());
    let room = StaffRoom::open(store, clock, premises())
        .await
        .expect("opens");
    (room, directory)
}

#[tokio::test]
async fn a_grant_ends_by_itself() {
    let (room, _directory) = moving_room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "cy", 1003, &[Role::Reader]).await;
    let admin = || ada.admin().expect("an admin");
    let has = |role| room.roll().by_name("cy").expect("live").has(role);
    let grant = async |new| room.grant(admin(), "cy", new, Some("today")).await;
    grant(for_hours(Role::Sender, 4)).await.expect("grants");
    grant(for_hours(Role::Admin, 2)).await.expect("grants");
    assert!(has(Role::Sender) && has(Role::Admin));
    let last = AccountChanges {
        remove_roles: vec![Role::Admin],
        add_roles: vec![Role::Reader],
        ..AccountChanges::default()
    };
    let last = room.change(admin(), "ada", &last, None).await;
    assert!(
        matches!(last, Err(StaffError::LastAdmin(_))),
        "hers is for good"
    );
    room.0
        .clock
        .advance(SignedDuration::from_mins(3 * 60))
        .expect("moves");
    assert!(has(Role::Sender) && !has(Role::Admin));
    assert!(room.caller(1003).require(Role::Admin).is_err());
    room.0
        .clock
        .advance(SignedDuration::from_mins(60))
        .expect("moves");
    assert!(!has(Role::Sender), "to the minute");
    assert!(room.roll().by_name("cy").expect("live").grants.is_empty());

    grant(for_hours(Role::Sender, 4)).await.expect("grants");
    let ended = room.end_grants(admin(), "cy", Role::Sender, None).await;
    assert_eq!(ended.expect("ends"), 1);
    assert!(!has(Role::Sender));
    let again = room.end_grants(admin(), "cy", Role::Sender, None).await;
    assert!(matches!(again, Err(StaffError::NoGrant(..))));
    for hours in [0, -1, 32 * 24] {
        let wrong = grant(for_hours(Role::Sender, hours)).await;
        assert!(matches!(wrong, Err(StaffError::GrantTime)), "{hours}");
    }
    let had = grant(for_hours(Role::Reader, 1)).await;
    assert!(matches!(had, Err(StaffError::HasRole(..))));
    let acts = acts(&room).await;
    let granted = &acts[2];
    assert!(
        granted.verb.starts_with("staff grant sender until "),
        "{}",
        granted.verb
    );
    assert_eq!(granted.reason.as_deref(), Some("today"));
    assert_eq!(acts.last().expect("an act").verb, "staff end grant sender");
}

#[tokio::test]
async fn who_is_an_admin_for_a_time_gives_nothing_that_outlasts_it() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "ben", 1002, &[Role::Reader]).await;
    add(&room, "cy", 1003, &[Role::Reader]).await;
    let granted = room.grant(
        ada.admin().expect("an admin"),
        "ben",
        for_hours(Role::Admin, 2),
        None,
    );
    granted.await.expect("grants");
    let ben = room.caller(1002);
    let actor = ben.actor().expect("somebody").clone();
    let admin = || actor.admin().expect("an admin for two hours");
    let outlasts = |result: Result<(), StaffError>| {
        let said = result.expect_err("it would outlast it");
        let expected = NotAllowed::Outlasts { name: "ben".into() };
        assert!(
            matches!(&said, StaffError::NotAllowed(why) if *why == expected),
            "{said:?}"
        );
    };
    let changes = |add_roles: &[Role], let_into: &[&str]| AccountChanges {
        add_roles: add_roles.to_vec(),
        let_into: let_into.iter().map(|one| (*one).to_owned()).collect(),
        ..AccountChanges::default()
    };
    for who in ["ben", "cy"] {
        outlasts(
            room.change(admin(), who, &changes(&[Role::Admin], &[]), None)
                .await,
        );
        outlasts(
            room.change(admin(), who, &changes(&[], &["press"]), None)
                .await,
        );
    }
    let longer = room.grant(admin(), "cy", for_hours(Role::Sender, 3), None);
    outlasts(longer.await.map(drop));
    let new = account("eve", 1004, &[Role::Reader]);
    outlasts(room.add(&ben, new, None).await.map(drop));
    let password = NewPassword {
        label: "mine",
        replaces: false,
    };
    outlasts(
        room.add_password(&actor, "cy", password, None)
            .await
            .map(drop),
    );
    // What an emergency needs goes: a password of one's own, a role for as long, and whatever takes rights away.
    let own = room.add_password(&actor, "ben", password, None).await;
    own.expect("one's own");
    let within = room.grant(admin(), "cy", for_hours(Role::Sender, 2), None);
    within.await.expect("no longer than ben's");
    room.revoke(admin(), "cy", None).await.expect("revokes");
}

#[tokio::test]
async fn a_grant_may_be_for_a_part_of_a_list() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    add(&room, "cy", 1003, &[Role::Reader]).await;
    let admin = || ada.admin().expect("an admin");
    let part = NewGrant {
        list: Some("news".into()),
        constituencies: vec!["E14001327".into()],
        ..for_hours(Role::Sender, 4)
    };
    let wrong = NewGrant {
        role: Role::Approver,
        ..part.clone()
    };
    let wrong = room.grant(admin(), "cy", wrong, None).await;
    assert!(matches!(wrong, Err(StaffError::OnlySendersAreLimited)));
    room.grant(admin(), "cy", part, None).await.expect("grants");
    let may = |list, constituency: Option<&str>| {
        let Caller::Member(cy) = room.caller(1003) else {
            panic!("cy is somebody");
        };
        let codes = constituency.map(|code| vec![code.to_owned()]);
        cy.may_mail(list, codes.as_deref(), room.0.clock.now())
            .is_ok()
    };
    assert!(may("news", Some("E14001327")));
    assert!(!may("news", Some("E14001328")) && !may("news", None));
    assert!(!may("appeals", Some("E14001327")));
    let other = NewGrant {
        list: Some("appeals".into()),
        ..for_hours(Role::Sender, 4)
    };
    room.grant(admin(), "cy", other, None)
        .await
        .expect("grants");
    assert!(may("appeals", None) && !may("news", None));
}

#[tokio::test]
async fn a_training_ends_none_that_counts_longer() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let now = room.0.clock.now();
    let train = async |days: i64, correct| {
        let until = now + SignedDuration::from_hours(24 * days);
        let new = NewTraining { until, correct };
        let admin = ada.admin().expect("an admin");
        let noted = room.trained(admin, "ada", new, None).await;
        noted.map(|()| room.roll().by_name("ada").expect("live").trained_until)
    };
    let over = train(-1, false).await;
    assert!(matches!(over, Err(StaffError::TrainingOver(_))), "{over:?}");
    let noted = train(90, false).await.expect("notes");
    let shorter = train(30, false).await;
    assert!(
        matches!(shorter, Err(StaffError::TrainedLonger(until)) if Some(until) == noted),
        "{shorter:?}"
    );
    assert!(train(120, false).await.expect("a later one") > noted);
    assert!(train(30, true).await.expect("corrects") < noted);
    assert!(train(-1, true).await.expect("corrects") < Some(now));
}

/// What ends with a day ends at the midnight after it, and that is another day.
#[test]
fn the_last_day_is_said() {
    let error = StaffError::TrainedLonger("2028-11-22T00:00:00Z".parse().expect("a time"));
    assert!(
        error.to_string().contains("to the end of 2028-11-21"),
        "{error}"
    );
}
