//! Passwords: one for each program, made, used and ended.

use super::*;
use crate::staff::tries::Proof;

fn named(label: &str) -> NewPassword<'_> {
    NewPassword {
        label,
        replaces: false,
    }
}

fn labels(room: &StaffRoom, name: &str) -> Vec<String> {
    let roll = room.roll();
    let passwords = roll.by_name(name).expect("live").passwords.iter();
    passwords.map(|one| one.label.clone()).collect()
}

#[tokio::test]
async fn each_program_has_a_password_of_its_own_and_is_shut_out_alone() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let cy = add(&room, "cy", 1003, &[Role::Reader]).await;
    let salt = |room: &StaffRoom| {
        let parsed = scram::ClientFirst::parse(b"n,,n=cy,r=abc", scram::Binding::NotOffered);
        let challenge = parsed
            .expect("well formed")
            .challenge(room.credentials("cy", Proof::Hashed).0);
        let (_, salt) = challenge.message().split_once(",s=").expect("a salt");
        salt.to_owned()
    };
    let before = salt(&room);
    let phone = room.add_password(&cy, "cy", named("Phone"), None).await;
    let phone = phone.expect("one's own").password;
    let laptop = room.add_password(&ada, "cy", named("laptop"), None).await;
    let laptop = laptop.expect("as an admin").password;
    assert_eq!(labels(&room, "cy"), ["first", "Phone", "laptop"]);
    assert_eq!(salt(&room), before, "they share it");
    let fits = |password: &Password| {
        room.credentials("cy", Proof::Hashed)
            .0
            .check_password(password.reveal())
    };
    assert!(fits(&phone) && fits(&laptop));
    let twice = room.add_password(&cy, "cy", named(" phone"), None).await;
    assert!(matches!(twice, Err(StaffError::LabelTaken)));
    for bad in ["", " ", "a\nb", &"x".repeat(41)] {
        let bad = room.add_password(&cy, "cy", named(bad), None).await;
        assert!(matches!(bad, Err(StaffError::Label)));
    }

    let which = WhichPasswords::Named("PHONE");
    let gone = room.revoke_passwords(&cy, "cy", which, None).await;
    assert_eq!(gone.expect("hers"), 1);
    assert!(!fits(&phone) && fits(&laptop));
    let again = room.revoke_passwords(&cy, "cy", which, None).await;
    assert!(matches!(again, Err(StaffError::NoSuchPassword(_))));

    let new = NewPassword {
        label: "desk",
        replaces: true,
    };
    let desk = room.add_password(&cy, "cy", new, None).await;
    let desk = desk.expect("one's own").password;
    assert!(!fits(&laptop) && fits(&desk));
    assert_eq!(labels(&room, "cy"), ["desk"]);
    let all = room
        .revoke_passwords(&ada, "cy", WhichPasswords::All, None)
        .await;
    assert_eq!(all.expect("as an admin"), 1);
    assert_eq!(
        room.credentials("cy", Proof::Hashed).1,
        None,
        "nobody's any more"
    );

    for n in 0..MOST_PASSWORDS {
        let label = format!("program {n}");
        let added = room.add_password(&cy, "cy", named(&label), None).await;
        added.expect("there is room");
    }
    let more = room.add_password(&cy, "cy", named("more"), None).await;
    assert!(matches!(more, Err(StaffError::TooManyPasswords { .. })));
    let foreign = room.add_password(&cy, "ada", named("x"), None).await;
    assert!(matches!(foreign, Err(StaffError::NotAllowed(_))));
    let foreign = room
        .revoke_passwords(&cy, "ada", WhichPasswords::All, None)
        .await;
    assert!(matches!(foreign, Err(StaffError::NotAllowed(_))));
    let unknown = room.add_password(&ada, "eve", named("x"), None).await;
    assert!(matches!(unknown, Err(StaffError::Unknown(_))));
    let verbs: Vec<String> = acts(&room).await.into_iter().map(|act| act.verb).collect();
    assert_eq!(
        verbs[2..7],
        [
            "staff password add",
            "staff password add",
            "staff password revoke",
            "staff password revoke all",
            "staff password add"
        ]
    );
}

/// An account that was made while there was one password alone keeps it, and gets more beside it.
#[tokio::test]
async fn an_account_of_old_keeps_its_password() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let desk = room
        .add_password(&ada, "ada", named("x"), None)
        .await
        .expect("one's own")
        .password;
    // As it was written then: one password, and no name.
    let mut staff = room.stored(ada.id(), "ada").await.expect("it is there");
    let new = crate::staff::roll::read_verifier(&staff.record).expect("reads");
    let id = staff.record.passwords[1].id;
    let other = staff.record.passwords[0].id;
    let bytes = new.without(other).to_bytes();
    let old = [&[1], &bytes[1..21], &bytes[21 + 16..]].concat();
    use base64::Engine as _;
    staff.record.verifier = Some(base64::engine::general_purpose::STANDARD.encode(&old));
    staff.record.passwords.clear();
    let change = Change::new().then(Step::PutStaff(staff));
    let _ = room.0.store.change(change).await.expect("writes");
    let room = StaffRoom::open(room.0.store.clone(), room.0.clock.clone(), premises())
        .await
        .expect("opens");
    assert_eq!(labels(&room, "ada"), ["first"]);
    let ada = room.actor(ada.id()).expect("live");
    let phone = room.add_password(&ada, "ada", named("phone"), None).await;
    let phone = phone.expect("one's own").password;
    let fits = |password: &Password| {
        room.credentials("ada", Proof::Hashed)
            .0
            .which_password(password.reveal())
    };
    assert!(fits(&desk).is_some_and(|first| first != id) && fits(&phone).is_some());
    let which = WhichPasswords::Named("first");
    room.revoke_passwords(&ada, "ada", which, None)
        .await
        .expect("hers");
    assert!(fits(&desk).is_none() && fits(&phone).is_some());
}

/// When and by which door, and never from where.
#[tokio::test]
async fn the_last_use_of_a_password_is_kept() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let issued = room.add_password(&ada, "ada", named("phone"), None).await;
    let password = issued.expect("one's own").password;
    let client = "192.0.2.1".parse().expect("an address");
    let knocked = room
        .knock(client, "Ada@party.example", Proof::Hashed)
        .await
        .expect("may try");
    let which = knocked.verifier.which_password(password.reveal());
    let proven = LoginOutcome::of(knocked.tried, which);
    let entrant = room.ended(Door::Imap, client, proven).await.expect("in");
    let entrant = entrant.expect("somebody");
    let whose = entrant.staff;
    let which = which.expect("it is hers");
    let again = StaffRoom::open(room.0.store.clone(), room.0.clock.clone(), premises())
        .await
        .expect("opens");
    let used = again.used().last(whose, which).expect("it was used");
    assert_eq!(
        (used.0.to_string().as_str(), used.1),
        ("2026-11-21", vec![Door::Imap])
    );
    // Each of that day is told, and none of the days before.
    let day = used.0;
    room.used()
        .note(whose, which, Door::Pop3, day.yesterday().expect("a day"));
    let then = room.used().last(whose, which);
    assert_eq!(then, Some((day, vec![Door::Imap])));
    room.used().note(whose, which, Door::Submission, day);
    room.used().note(whose, which, Door::Pop3, day);
    let then = room.used().last(whose, which).expect("it was used");
    assert_eq!(then.1, [Door::Submission, Door::Imap, Door::Pop3]);
    let fetchers = |since| room.used().at(Door::Pop3, since).contains(&whose);
    assert!(fetchers(day) && !fetchers(day.tomorrow().expect("a day")));
    let first = room.roll().by_id(whose).expect("hers").passwords[0].id;
    assert_eq!(again.used().last(whose, first), None);
    assert!(room.lets_in(entrant));
    let watching = room.clone();
    let out = tokio::spawn(async move { watching.shut_out(entrant).await });

    // What was revoked between the proof and the log-in lets nobody in.
    let all = room
        .revoke_passwords(&ada, "ada", WhichPasswords::All, None)
        .await;
    assert_eq!(all.expect("hers"), 2);
    let late = room.ended(Door::Imap, client, proven).await;
    assert!(matches!(late, Err(StaffError::Revoked(_))));
    assert_eq!(room.used().last(whose, which), None);
    assert!(!room.lets_in(entrant));
    let out = tokio::time::timeout(std::time::Duration::from_secs(20), out);
    out.await.expect("at once").expect("no panic");
}
