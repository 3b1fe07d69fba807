//! Tests of what waits for a second person.

use super::super::room::tests::{add, room};
use super::*;
use crate::store::Role;

#[tokio::test]
async fn another_admin_agrees_and_gets_the_secret() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    let reader = add(&room, "cy", 1003, &[Role::Reader]).await;
    let desk = room.second_person();
    let secret = Some(Zeroizing::new("phrase".to_owned()));
    let mut waiting = desk
        .ask(&ada, Role::Admin, "subscriber export", "moving", secret)
        .expect("asks");
    let code = waiting.pending.code.clone();
    assert_eq!(desk.all().len(), 1);
    assert!(matches!(
        desk.agree(&ada, &code),
        Err(StaffError::SamePerson(_))
    ));
    assert!(matches!(
        desk.agree(&reader, &code),
        Err(StaffError::NotAllowed(_))
    ));
    assert!(matches!(
        desk.agree(&ben, "00000000"),
        Err(StaffError::NothingWaits)
    ));
    let (pending, secret) = desk.agree(&ben, &code).expect("agrees");
    assert_eq!(pending.by, "ada");
    assert_eq!(secret.as_deref().map(String::as_str), Some("phrase"));
    assert_eq!(waiting.agreed().await.expect("agreed").name(), "ben");
    assert!(
        matches!(desk.agree(&ben, &code), Err(StaffError::NothingWaits)),
        "only once"
    );
}

#[tokio::test]
async fn one_admin_is_enough_to_refuse_and_who_asked_may_take_it_back() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    let reader = add(&room, "cy", 1003, &[Role::Reader]).await;
    let desk = room.second_person();
    for who in [&ben, &ada] {
        let mut waiting = desk
            .ask(&ada, Role::Admin, "subscriber export", "moving", None)
            .expect("asks");
        let code = waiting.pending.code.clone();
        let curious = desk.refuse(&reader, &code);
        assert!(matches!(curious, Err(StaffError::NotAllowed(_))));
        assert_eq!(desk.find(&code).expect("waits").by, "ada");
        assert_eq!(desk.refuse(who, &code).expect("refuses").by, "ada");
        let told = waiting.agreed().await;
        assert!(matches!(told, Err(StaffError::Refused(by)) if by == who.name()));
        assert!(desk.find(&code).is_none());
        let late = desk.agree(&ben, &code);
        assert!(matches!(late, Err(StaffError::NothingWaits)));
    }
}

#[tokio::test]
async fn what_is_not_wanted_any_more_waits_no_longer() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let desk = room.second_person();
    let waiting = desk
        .ask(&ada, Role::Admin, "subscriber export", "moving", None)
        .expect("asks");
    drop(waiting);
    assert!(desk.all().is_empty());
    let held: Vec<_> = (0..MOST)
        .map(|_| desk.ask(&ada, Role::Admin, "x", "y", None).expect("asks"))
        .collect();
    let more = desk.ask(&ada, Role::Admin, "x", "y", None);
    assert!(matches!(more, Err(StaffError::TooManyWait)));
    drop(held);
}
