//! Tests of second factors.

use jiff::SignedDuration;

use super::super::tests::{acts, add, room};
use super::*;
use crate::clock::Clock;
use crate::store::Setting;

const HALF_A_MINUTE: SignedDuration = SignedDuration::from_secs(30);

fn clock(room: &StaffRoom) -> &Clock {
    &room.0.clock
}

fn pass(room: &StaffRoom, time: SignedDuration) {
    clock(room).advance(time).expect("a frozen clock");
}

fn own<'a>(name: &'a str, code: Option<&'a str>) -> NewFactor<'a> {
    NewFactor {
        name,
        replaces: false,
        code,
        reason: None,
    }
}

/// Sets one up, and lets its first code pass.
pub(crate) async fn enrol(room: &StaffRoom, actor: &Actor) -> (TotpSecret, NewlyProven) {
    let secret = room.begin_factor(actor, own(actor.name(), None)).await;
    let secret = secret.expect("begins");
    let code = secret.code_at(clock(room).now());
    let proven = room.confirm_factor(actor, actor.name(), &code).await;
    let proven = proven.expect("is in force");
    pass(room, HALF_A_MINUTE);
    (secret, proven)
}

fn refused(result: Result<(), StaffError>) -> CodeError {
    match result {
        Err(StaffError::Code(error)) => error,
        Err(error) => panic!("another error: {error}"),
        Ok(()) => panic!("it was taken"),
    }
}

async fn verbs(room: &StaffRoom) -> Vec<String> {
    acts(room).await.into_iter().map(|act| act.verb).collect()
}

#[tokio::test]
async fn it_is_in_force_once_the_app_has_shown_a_code() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    room.prove(&ada, None).await.expect("nothing is asked yet");
    assert!(matches!(
        room.confirm_factor(&ada, "ada", "123456").await,
        Err(StaffError::NoFactorBegun)
    ));
    let secret = room.begin_factor(&ada, own("ada", None)).await;
    let secret = secret.expect("begins");
    room.prove(&ada, None)
        .await
        .expect("nor is one that is shown");
    let now = clock(&room).now();
    let wrong = secret.wrong_at(now);
    for wrong in [wrong.as_str(), "", "abcdef"] {
        let tried = room.confirm_factor(&ada, "ada", wrong).await;
        assert!(matches!(tried, Err(StaffError::NotTheApps)), "{wrong}");
    }
    assert!(
        room.roll()
            .by_name("ada")
            .expect("is there")
            .factor
            .is_none()
    );
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    let code = secret.code_at(now);
    assert!(
        room.confirm_factor(&ben, "ada", &code).await.is_err(),
        "who was not shown it doesn't say so"
    );
    let proven = room.confirm_factor(&ada, "ada", &code).await;
    assert_eq!(proven.expect("is in force").recovery.len(), 8);
    assert_eq!(refused(room.prove(&ada, None).await), CodeError::Needed);
    assert_eq!(
        refused(room.prove(&ada, Some(&code)).await),
        CodeError::Used,
        "the first code was used for this"
    );
    pass(&room, HALF_A_MINUTE);
    let code = secret.code_at(clock(&room).now());
    room.prove(&ada, Some(&code)).await.expect("proves");
    assert_eq!(
        refused(room.prove(&ada, Some(&code)).await),
        CodeError::Used
    );
    let again = room.begin_factor(&ada, own("ada", None)).await;
    assert!(matches!(again, Err(StaffError::HasFactor(_))));
    let verbs = verbs(&room).await;
    assert_eq!(verbs, ["staff add", "staff add", "staff second-factor add"]);
}

#[tokio::test]
async fn a_secret_that_was_shown_too_long_ago_is_forgotten() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let secret = room.begin_factor(&ada, own("ada", None)).await;
    let secret = secret.expect("begins");
    pass(&room, WAITS);
    let code = secret.code_at(clock(&room).now());
    let late = room.confirm_factor(&ada, "ada", &code).await;
    assert!(matches!(late, Err(StaffError::NoFactorBegun)));
}

/// What is remembered of tries is on the disk: neither a restart nor a clock that was set back makes a code good again.
#[tokio::test]
async fn used_and_wrong_codes_outlive_the_process() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let (secret, proven) = enrol(&room, &ada).await;
    let (store, clock) = (room.0.store.clone(), clock(&room).clone());
    let code = secret.code_at(clock.now());
    room.prove(&ada, Some(&code)).await.expect("proves");
    let old = secret.code_at(clock.now() - SignedDuration::from_hours(1));
    let other = secret.wrong_at(clock.now());
    for _ in 0..4 {
        let wrong = room.prove(&ada, Some(&other)).await;
        assert!(matches!(refused(wrong), CodeError::Wrong { .. }));
    }
    let premises = super::super::Premises::default();
    let room = StaffRoom::open(store, clock.clone(), premises).await;
    let room = room.expect("opens");
    assert_eq!(
        refused(room.prove(&ada, Some(&code)).await),
        CodeError::Used
    );
    pass(&room, SignedDuration::from_hours(-1));
    assert_eq!(
        refused(room.prove(&ada, Some(&old)).await),
        CodeError::ClockWasAhead
    );
    pass(&room, SignedDuration::from_hours(1));
    for left in (0..6).rev() {
        let wrong = refused(room.prove(&ada, Some(&other)).await);
        assert_eq!(wrong, CodeError::Wrong { left });
    }
    pass(&room, HALF_A_MINUTE);
    let good = secret.code_at(clock.now());
    let held = refused(room.prove(&ada, Some(&good)).await);
    assert!(matches!(held, CodeError::HeldUp { .. }));
    let factor = room.roll().by_name("ada").expect("is there").factor.clone();
    let factor = factor.expect("has one");
    assert_eq!(room.wrong_codes_of(&factor), 10);
    room.prove(&ada, Some(&proven.recovery[0]))
        .await
        .expect("whoever has the paper is never held up");
    let verbs = verbs(&room).await;
    let wrong = verbs.iter().filter(|verb| verb.ends_with("wrong code"));
    assert_eq!(wrong.count(), 10);
    assert_eq!(
        verbs.last().map(String::as_str),
        Some("staff second-factor recovery code")
    );
}

#[tokio::test]
async fn one_code_is_good_for_one_of_two_who_come_at_once() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let (secret, _) = enrol(&room, &ada).await;
    let code = secret.code_at(clock(&room).now());
    let (one, other) = tokio::join!(room.prove(&ada, Some(&code)), room.prove(&ada, Some(&code)));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
}

#[tokio::test]
async fn it_is_renewed_with_a_code_of_the_old_one() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    let (old, codes) = enrol(&room, &ada).await;
    let renew = |code| NewFactor {
        replaces: true,
        ..own("ada", code)
    };
    let bare = room.begin_factor(&ada, renew(None)).await.err();
    assert!(matches!(bare, Some(StaffError::Code(CodeError::Needed))));
    let others = room.begin_factor(&ben, renew(None)).await.err();
    assert!(matches!(others, Some(StaffError::NotYourFactor(_))));
    let paper = renew(Some(codes.recovery[0].as_str()));
    let new = room.begin_factor(&ada, paper).await.expect("begins");
    let code = old.code_at(clock(&room).now());
    room.prove(&ada, Some(&code))
        .await
        .expect("the old one is in force still");
    let code = new.code_at(clock(&room).now());
    let proven = room.confirm_factor(&ada, "ada", &code).await;
    let proven = proven.expect("is in force");
    pass(&room, HALF_A_MINUTE);
    let code = old.code_at(clock(&room).now());
    let gone = refused(room.prove(&ada, Some(&code)).await);
    assert!(matches!(gone, CodeError::Wrong { .. }));
    let paper = refused(room.prove(&ada, Some(&codes.recovery[1])).await);
    assert_eq!(paper, CodeError::NoRecovery, "they went with the old one");
    room.prove(&ada, Some(&proven.recovery[0]))
        .await
        .expect("proves");
    assert!(
        verbs(&room)
            .await
            .contains(&"staff second-factor renew".to_owned())
    );
}

#[tokio::test]
async fn an_admin_helps_who_has_lost_it_with_a_reason_and_a_code_of_their_own() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    let cy = add(&room, "cy", 1003, &[Role::Reader]).await;
    let (secret, _) = enrol(&room, &ada).await;
    let (of_ben, of_cy) = (Caller::Member(ben.clone()), Caller::Member(cy.clone()));
    let why = Some("lost her bag");
    let remove = |by, code, why| {
        let room = room.clone();
        async move { room.remove_factor(by, "ada", code, why).await }
    };
    assert!(matches!(
        remove(&of_ben, None, why).await,
        Err(StaffError::OwnFactorFirst)
    ));
    assert!(matches!(
        remove(&of_cy, None, why).await,
        Err(StaffError::NotAllowed(_))
    ));
    let root = remove(&Caller::Nobody { uid: 0 }, None, why).await;
    let root = root.expect_err("there is another admin").to_string();
    for step in ["that of ada", "--remove-role admin", "hustings staff list"] {
        assert!(root.contains(step), "{root}");
    }
    let nobody = Caller::Nobody { uid: 1001 };
    for name in ["ada", "nobody.at.all"] {
        let removed = room.remove_factor(&nobody, name, None, why).await;
        assert!(
            matches!(removed, Err(StaffError::NotAllowed(_))),
            "{name}: who has no account is told no names"
        );
    }
    let (bens, _) = enrol(&room, &ben).await;
    let code = bens.code_at(clock(&room).now());
    assert!(matches!(
        remove(&of_ben, Some(&code), None).await,
        Err(StaffError::Reason(_))
    ));
    let adas = secret.code_at(clock(&room).now());
    assert!(matches!(
        remove(&of_ben, Some(&adas), why).await,
        Err(StaffError::Code(CodeError::Wrong { .. }))
    ));
    remove(&of_ben, Some(&code), why).await.expect("helps");
    room.prove(&ada, None).await.expect("she has none");
    let last = acts(&room).await.pop().expect("an act");
    assert_eq!(last.verb, "staff second-factor remove");
    assert_eq!(
        (last.actor, last.reason.as_deref()),
        (ben.id().to_string(), why)
    );
    // One's own takes no reason, and a code.
    assert_eq!(
        refused(room.remove_factor(&of_ben, "ben", None, None).await),
        CodeError::Needed
    );
    pass(&room, HALF_A_MINUTE);
    let code = bens.code_at(clock(&room).now());
    let removed = room.remove_factor(&of_ben, "ben", Some(&code), None).await;
    removed.expect("takes it away");
}

#[tokio::test]
async fn where_the_only_admin_has_lost_it_root_helps() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let cy = add(&room, "cy", 1003, &[Role::Reader]).await;
    enrol(&room, &ada).await;
    enrol(&room, &cy).await;
    let remove = |uid, name: &'static str| {
        let (room, why) = (room.clone(), Some("lost her bag"));
        async move {
            let by = Caller::Nobody { uid };
            room.remove_factor(&by, name, None, why).await
        }
    };
    assert!(remove(4711, "ada").await.is_err(), "not whoever comes");
    assert!(remove(0, "cy").await.is_err(), "ada can");
    remove(0, "ada").await.expect("nobody else could");
    let last = acts(&room).await.pop().expect("an act");
    assert_eq!(last.actor, "nobody (uid 0)");
}

#[tokio::test]
async fn an_admin_sets_one_up_for_who_has_none_with_a_code_of_their_own() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let cy = add(&room, "cy", 1003, &[Role::Reader]).await;
    let dee = add(&room, "dee", 1004, &[Role::Approver]).await;
    assert!(room.begin_factor(&cy, own("dee", None)).await.is_err());
    let (adas, _) = enrol(&room, &ada).await;
    let bare = room.begin_factor(&ada, own("dee", None)).await.err();
    assert!(matches!(bare, Some(StaffError::Code(CodeError::Needed))));
    let code = adas.code_at(clock(&room).now());
    let secret = room.begin_factor(&ada, own("dee", Some(&code))).await;
    let code = secret.expect("begins").code_at(clock(&room).now());
    let proven = room.confirm_factor(&ada, "dee", &code).await;
    proven.expect("is in force");
    assert_eq!(room.code_asked(&dee), CodeAsked::Code);
}

/// What an admin gives doesn't outlast them, and what they began is theirs to end only while they are one.
#[tokio::test]
async fn who_is_no_admin_for_good_sets_none_up_for_others() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let ben = add(&room, "ben", 1002, &[Role::Admin]).await;
    let cy = add(&room, "cy", 1003, &[Role::Reader]).await;
    let dee = add(&room, "dee", 1004, &[Role::Reader]).await;
    let admin = ada.admin().expect("is one");
    let new = super::super::NewGrant {
        role: Role::Admin,
        lasts: SignedDuration::from_hours(4),
        list: None,
        constituencies: Vec::new(),
    };
    room.grant(admin, "cy", new, None).await.expect("grants");
    let cy = room.actor(cy.id()).expect("live");
    let begun = room.begin_factor(&cy, own("dee", None)).await.err();
    let outlasts = |error: Option<StaffError>| {
        let outlasts = NotAllowed::Outlasts { name: "cy".into() };
        assert!(matches!(error, Some(StaffError::NotAllowed(why)) if why == outlasts));
    };
    outlasts(begun);
    // One's own is one's own.
    let secret = room.begin_factor(&cy, own("cy", None)).await;
    let code = secret.expect("begins").code_at(clock(&room).now());
    let proven = room.confirm_factor(&cy, "cy", &code).await;
    proven.expect("is in force");

    let secret = room.begin_factor(&ben, own("dee", None)).await;
    let secret = secret.expect("begins");
    let fewer = crate::staff::AccountChanges {
        add_roles: vec![Role::Reader],
        remove_roles: vec![Role::Admin],
        ..Default::default()
    };
    room.change(admin, "ben", &fewer, None)
        .await
        .expect("takes it");
    let ben = room.actor(ben.id()).expect("live");
    let code = secret.code_at(clock(&room).now());
    let late = room.confirm_factor(&ben, "dee", &code).await.err();
    assert!(matches!(late, Some(StaffError::NotAllowed(_))));
    assert_eq!(room.code_asked(&dee), CodeAsked::Nothing);
}

#[tokio::test]
async fn nobody_puts_out_what_another_began_and_no_secret_waits_for_good() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let dee = add(&room, "dee", 1004, &[Role::Reader]).await;
    let hers = room.begin_factor(&dee, own("dee", None)).await;
    let hers = hers.expect("begins");
    let adas = room.begin_factor(&ada, own("dee", None)).await;
    let adas = adas.expect("begins");
    let now = clock(&room).now();
    let proven = room.confirm_factor(&dee, "dee", &hers.code_at(now)).await;
    proven.expect("hers still waits");
    let late = room.confirm_factor(&ada, "dee", &adas.code_at(now)).await;
    assert!(
        matches!(late, Err(StaffError::NoFactorBegun)),
        "she has one"
    );

    let kept = || room.0.factors.shown.lock().expect("no panic").len();
    let begin = || room.begin_factor(&ada, own("ada", None));
    begin().await.expect("begins");
    assert_eq!(kept(), 1);
    pass(&room, WAITS);
    let late = room.confirm_factor(&dee, "dee", "123456").await;
    assert!(late.is_err() && kept() == 0, "a look here forgets it");
    begin().await.expect("begins");
    pass(&room, WAITS);
    let root = Caller::Nobody { uid: 0 };
    let refused = room.remove_factor(&root, "dee", None, None).await;
    assert!(refused.is_err() && kept() == 0);
}

#[tokio::test]
async fn where_everybody_must_have_one_who_has_none_is_told_the_next_step() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    room.ask_codes(CodeRule::Required);
    let none = refused(room.prove(&ada, Some("123456")).await);
    assert_eq!(none, CodeError::NotEnrolled("ada".into()));
    assert!(
        none.to_string()
            .contains("hustings staff second-factor add")
    );
    let (secret, _) = enrol(&room, &ada).await;
    let code = secret.code_at(clock(&room).now());
    room.prove(&ada, Some(&code)).await.expect("proves");
    room.ask_codes(CodeRule::Enrolled);
    assert_eq!(room.code_asked(&ada), CodeAsked::Code);
}

#[tokio::test]
async fn it_goes_with_the_account() {
    let (room, _directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let cy = add(&room, "cy", 1003, &[Role::Reader]).await;
    enrol(&room, &cy).await;
    let admin = ada.admin().expect("is one");
    room.revoke(admin, "cy", None).await.expect("revokes");
    let kept = room.0.store.staff().await.expect("reads").rows;
    let kept = kept.iter().find(|staff| staff.record.name == "cy");
    assert!(kept.expect("its row stays").record.second_factor.is_none());
    let before = room.prove(&cy, None).await;
    assert!(matches!(before, Err(StaffError::Revoked(_))));
    assert!(room.begin_factor(&cy, own("cy", None)).await.is_err());
}

/// The roll is in memory for as long as the vault is open, and so is what the log says: neither has the secret.
#[tokio::test]
async fn the_secret_is_in_the_store_alone() {
    let (room, directory) = room().await;
    let ada = add(&room, "ada", 1001, &[Role::Admin]).await;
    let (secret, proven) = enrol(&room, &ada).await;
    let shown = format!("{:?} {:?}", room.roll().by_name("ada"), acts(&room).await);
    let text = secret.base32();
    assert!(!shown.contains(text.as_str()) && !shown.contains(proven.recovery[0].as_str()));
    // So that it's in a file at all.
    let setting = Setting {
        name: "spare".into(),
        value: b"spare".to_vec().into(),
    };
    let change = crate::store::Change::new().then(crate::store::Step::PutSetting(setting));
    let _ = room.0.store.change(change).await.expect("writes");
    // As it is shown, as the octets that it is, and what is on paper.
    let raw = crate::vault::base32::decode::<20>(text.as_str()).expect("base 32");
    let mut hidden = vec![
        text.as_bytes().to_vec(),
        raw.to_vec(),
        b"last_step".to_vec(),
    ];
    for code in &proven.recovery {
        let code = code.as_str();
        hidden.extend([code.to_owned(), code.replace('-', "")].map(String::into_bytes));
    }
    for file in std::fs::read_dir(directory.path()).expect("reads") {
        let bytes = std::fs::read(file.expect("a file").path()).unwrap_or_default();
        for hidden in &hidden {
            assert!(memchr::memmem::find(&bytes, hidden).is_none());
        }
    }
}
