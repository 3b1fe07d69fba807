//! Tests of unlocking as a whole: what is left when it fails, and who may.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::address::{Domain, EmailAddress};
use crate::audit::{Act, LogKind};
use crate::daemon::keeper::create_ring;
use crate::daemon::keeper::tests::{installation, keeper};
use crate::staff::{NewAccount, NewFactor, Premises, TotpSecret};
use crate::vault::{KeySource, PassphraseParams, RootKey};

type Gone = Box<dyn Fn() -> bool + Send + Sync>;

fn clock() -> Clock {
    Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"))
}

/// A house whose only room is the staff's.
#[derive(Default)]
struct Hut {
    /// Building fails, once.
    broken: AtomicBool,
    /// Everybody must have a second factor.
    required: AtomicBool,
    opened: AtomicUsize,
    rooms: Mutex<Option<(Store, StaffRoom)>>,
    /// Tells whether the keys of the newest vault are out of memory.
    gone: Mutex<Option<Gone>>,
}

impl Hut {
    fn keys_are_gone(&self) -> bool {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.as_ref().expect("a vault was opened")()
    }
}

impl House for Hut {
    type Rooms = (Store, StaffRoom);

    async fn build(&self, store: Store) -> Result<Self::Rooms, Failure> {
        *self.gone.lock().expect("no panic") = Some(Box::new(store.vault().watch()));
        if self.broken.swap(false, Ordering::Relaxed) {
            return Err(Failure::failed(
                "can't open the rooms",
                "one is flooded",
                "mop",
            ));
        }
        let premises = Premises::new([Domain::parse("party.example").expect("a domain")]);
        let staff = StaffRoom::open(store.clone(), clock(), premises)
            .await
            .expect("opens");
        if self.required.load(Ordering::Relaxed) {
            staff.ask_codes(CodeRule::Required);
        }
        Ok((store, staff))
    }

    fn staff_of<'r>(&self, rooms: &'r Self::Rooms) -> &'r StaffRoom {
        &rooms.1
    }

    async fn apply(&self, _: &Self::Rooms, _: Zeroizing<Vec<u8>>) -> Result<Effect, String> {
        Ok(Effect::Withdrawn)
    }

    fn open(&self, rooms: Self::Rooms) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        *self.rooms.lock().expect("no panic") = Some(rooms);
    }

    async fn report(&self, _: bool) -> HouseReport {
        HouseReport::default()
    }

    async fn reload(&self, _: &str) -> Result<Reloaded, Failure> {
        Err(Failure::failed("can't reload", "a hut has no file", "none"))
    }

    fn staff(&self) -> Option<StaffRoom> {
        let rooms = self.rooms.lock().expect("no panic");
        rooms.as_ref().map(|(_, staff)| staff.clone())
    }

    fn store(&self) -> Option<Store> {
        let rooms = self.rooms.lock().expect("no panic");
        rooms.as_ref().map(|(store, _)| store.clone())
    }

    fn stop(&self) {}
}

async fn desk() -> (Arc<ServiceDesk<Hut>>, tempfile::TempDir) {
    let (directory, source) = installation().await;
    let keeper = Arc::new(keeper(&directory, &source).await);
    let desk = ServiceDesk::new(Arc::new(Hut::default()), keeper, clock(), Vec::new());
    (desk, directory)
}

#[tokio::test]
async fn a_house_that_does_not_open_leaves_the_vault_locked_and_no_key_behind() {
    let (desk, _directory) = desk().await;
    // The first unlock leaves the key that withdrawals are sealed to.
    let opening = desk.keeper.unlock(None).await.expect("unlocks");
    opening.abandon().await.expect("locks");
    let token = Zeroizing::new(b"a token".to_vec());
    desk.keeper.locked_box().keep(token).await.expect("keeps");
    desk.house.broken.store(true, Ordering::Relaxed);
    let failed = desk.unlock(None, None).await;
    assert!(failed.is_err_and(|failure| failure.to_string().contains("flooded")));
    assert_eq!(desk.keeper.state(), LockState::Locked);
    assert!(desk.house.keys_are_gone());
    assert_eq!(desk.keeper.locked_box().waiting(), 1);

    let second = desk.unlock(None, None).await.expect("it is mended");
    assert!(!second.already);
    assert_eq!(second.applied_withdrawals, 1);
    assert_eq!(desk.keeper.state(), LockState::Unlocked);
    assert_eq!(desk.house.opened.load(Ordering::Relaxed), 1);
    let token = Zeroizing::new(b"another".to_vec());
    let late = desk.keeper.locked_box().keep(token).await;
    assert!(late.is_err(), "the rooms take it");
}

fn as_user<'a>(caller: &'a Caller, code: Option<&'a str>) -> Unlocker<'a> {
    Unlocker { caller, code }
}

/// Makes an account with this Unix user, and locks again.
async fn with_account(desk: &ServiceDesk<Hut>, name: &str, uid: u32, role: Role) {
    let opening = desk.keeper.unlock(None).await.expect("unlocks");
    let rooms = desk.house.build(opening.store().clone()).await;
    let (_, staff) = rooms.expect("builds");
    let by = match staff.roll().with_role(Role::Admin).next() {
        Some(admin) => staff.caller(admin.uid.expect("a uid")),
        None => Caller::Nobody { uid: 0 },
    };
    let account = NewAccount {
        name: name.to_owned(),
        addresses: vec![EmailAddress::parse(&format!("{name}@party.example")).expect("one")],
        roles: vec![role],
        uid: Some(uid),
    };
    staff.add(&by, account, None).await.expect("adds");
    drop(staff);
    opening.abandon().await.expect("locks");
}

/// With the key at hand, who may come to the socket must not undo an admin's lock.
#[tokio::test]
async fn without_a_passphrase_it_takes_an_admin_or_root_and_stands_in_the_log() {
    let own = rustix::process::geteuid().as_raw();
    let [ada, ben, nobody] = [own + 4711, own + 4712, own + 4713];
    for (uid, may) in [
        (nobody, false),
        (ben, false),
        (ada, true),
        (0, true),
        (own, true),
    ] {
        let (desk, _directory) = desk().await;
        with_account(&desk, "ada", ada, Role::Admin).await;
        with_account(&desk, "ben", ben, Role::Sender).await;
        desk.keeper.lock().expect("an admin locks");
        let unlocked = desk
            .unlock(None, Some(as_user(&Caller::Nobody { uid }, None)))
            .await;
        assert_eq!(unlocked.is_ok(), may, "{uid}");
        if let Err(refused) = unlocked {
            assert_eq!(refused.class, Class::Refused);
            assert_eq!(desk.keeper.state(), LockState::Locked);
            assert!(desk.house.keys_are_gone());
            assert_eq!(desk.house.opened.load(Ordering::Relaxed), 0);
            continue;
        }
        let store = desk.house.store().expect("open");
        let events = store.events(LogKind::Audit, 0, 100).await.expect("reads");
        let last = events.into_iter().last().and_then(|event| event.event);
        let act: Act = serde_json::from_slice(&last.expect("an act").1).expect("reads");
        assert_eq!(act.verb, "unlock");
        let who = desk.house.staff().expect("open").caller(uid);
        assert_eq!(act.actor, who.audit_name());
    }
}

/// Makes an admin who has a second factor, and locks again.
async fn with_factor(desk: &ServiceDesk<Hut>, uid: u32) -> TotpSecret {
    with_account(desk, "ada", uid, Role::Admin).await;
    let opening = desk.keeper.unlock(None).await.expect("unlocks");
    let rooms = desk.house.build(opening.store().clone()).await;
    let (_, staff) = rooms.expect("builds");
    let ada = staff.caller(uid);
    let ada = ada.actor().expect("is known");
    let new = NewFactor {
        name: "ada",
        replaces: false,
        code: None,
        reason: None,
    };
    let secret = staff.begin_factor(ada, new).await.expect("begins");
    // By the code of the half minute before, so that the one of now is good still.
    let before = desk.clock.now() - SignedDuration::from_secs(30);
    let code = secret.code_at(before);
    let proven = staff.confirm_factor(ada, "ada", &code).await;
    proven.expect("is in force");
    drop(staff);
    opening.abandon().await.expect("locks");
    secret
}

#[tokio::test]
async fn whoever_has_a_second_factor_unlocks_with_a_code_of_it_and_else_no_key_stays() {
    let own = rustix::process::geteuid().as_raw();
    let (desk, _directory) = desk().await;
    let secret = with_factor(&desk, own + 4711).await;
    desk.keeper.lock().expect("an admin locks");
    let ada = Caller::Nobody { uid: own + 4711 };
    let wrong = secret.wrong_at(desk.clock.now());
    for (code, class) in [
        (None, Class::CodeNeeded),
        (Some(wrong.as_str()), Class::Refused),
        (Some("letmein"), Class::Refused),
    ] {
        let refused = desk.unlock(None, Some(as_user(&ada, code))).await;
        let refused = refused.expect_err("it takes a code");
        assert_eq!(refused.class, class, "{refused}");
        assert_eq!(desk.keeper.state(), LockState::Locked);
        assert!(desk.house.keys_are_gone());
        assert_eq!(desk.house.opened.load(Ordering::Relaxed), 0);
    }
    let code = secret.code_at(desk.clock.now());
    let unlocked = desk.unlock(None, Some(as_user(&ada, Some(&code)))).await;
    unlocked.expect("unlocks");
    assert_eq!(desk.house.opened.load(Ordering::Relaxed), 1);
    let store = desk.house.store().expect("open");
    let events = store.events(LogKind::Audit, 0, 100).await.expect("reads");
    let verbs = events.into_iter().filter_map(|event| event.event);
    let verbs: Vec<String> = verbs
        .map(|(_, text)| serde_json::from_slice::<Act>(&text).expect("an act").verb)
        .collect();
    let wrong = "staff second-factor wrong code";
    assert_eq!(
        verbs[2..],
        [wrong, "unlock"],
        "a wrong code is counted: {verbs:?}"
    );
}

/// Root has no account that could have one, and must be able to help.
#[tokio::test]
async fn where_everybody_must_have_one_root_unlocks_and_whoever_has_none_does_not() {
    let own = rustix::process::geteuid().as_raw();
    let [ada, ben] = [own + 4711, own + 4712];
    for (uid, may) in [(ben, false), (0, true), (own, true)] {
        let (desk, _directory) = desk().await;
        desk.house.required.store(true, Ordering::Relaxed);
        with_account(&desk, "ada", ada, Role::Admin).await;
        with_account(&desk, "ben", ben, Role::Admin).await;
        desk.keeper.lock().expect("an admin locks");
        let caller = Caller::Nobody { uid };
        let unlocked = desk.unlock(None, Some(as_user(&caller, None))).await;
        assert_eq!(unlocked.is_ok(), may, "{uid}");
        if let Err(refused) = unlocked {
            assert!(refused.next.contains("sudo hustings unlock"), "{refused}");
            assert!(desk.house.keys_are_gone());
        }
    }
}

/// A passphrase proves enough, but where everybody must have a second factor, and a Unix user without an account has none.
#[tokio::test]
async fn a_passphrase_alone_unlocks_unless_everybody_must_have_a_second_factor() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("makes a directory");
    let (params, words) = (PassphraseParams::generate(), "five random words on paper");
    let key = RootKey::from_passphrase(words, &params).expect("derives");
    let ring = create_ring(&data, &key, Some(params)).await;
    ring.expect("makes the ring");
    let keeper = Arc::new(keeper(&directory, &KeySource::Passphrase).await);
    let desk = ServiceDesk::new(Arc::new(Hut::default()), keeper, clock(), Vec::new());
    let caller = Caller::Nobody {
        uid: rustix::process::geteuid().as_raw() + 4713,
    };
    let words = SecretText::new(words.to_owned());
    for (required, may) in [(true, false), (false, true)] {
        desk.house.required.store(required, Ordering::Relaxed);
        let unlocked = desk
            .unlock(Some(&words), Some(as_user(&caller, None)))
            .await;
        assert_eq!(unlocked.is_ok(), may, "{required}");
        assert_eq!(desk.house.keys_are_gone(), !may);
    }
}
