//! Our own certificates over a store, without an authority: what is served is what the book says, whoever changes it when.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::book::{Issued, Next};
use super::*;
use crate::dns::{Resolver, ResolverSettings};
use crate::store::{Files, LockedStore};
use crate::tls::{trusted_roots, verified_client};
use crate::vault::Vault;

const NAME: &str = "mail.party.example";

struct World {
    own: Arc<OwnCertificates>,
    clock: Clock,
    directory: tempfile::TempDir,
}

/// An authority of which nobody has heard.
fn acme(directory: &str) -> AcmeSettings {
    AcmeSettings {
        directory: directory.to_owned(),
        contact: None,
        kinds: vec![ChallengeKind::Http],
        http: Http {
            resolver: Resolver::new(ResolverSettings::default()).unwrap(),
            tls: verified_client(trusted_roots(None).unwrap()).unwrap(),
        },
    }
}

async fn world(acme: Option<AcmeSettings>) -> World {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
    let locked = LockedStore::open(Files::in_directory(directory.path())).await;
    let unlocking = locked.unwrap().unlock(Vault::for_tests(), 1 << 20);
    let settings = CertificateSettings {
        names: vec![NAME.to_owned()],
        directory: directory.path().join("tls"),
        acme,
    };
    let (store, served) = (unlocking.await.unwrap(), Certificates::fixed(Vec::new()));
    let own = OwnCertificates::open(store, clock.clone(), served, settings).await;
    World {
        own: own.unwrap(),
        clock,
        directory,
    }
}

impl World {
    /// Keys that follow, which nobody waits for.
    async fn next(&self) {
        let mut book = self.own.book();
        let (number, now) = (book.live.number + 1, self.clock.now());
        let set = KeySet::make(number, now).unwrap();
        book.next = Some(Next::of(set, Some(SignedDuration::ZERO)));
        book.seen(now, SignedDuration::ZERO);
        self.own.take(book, Vec::new()).await.unwrap();
    }

    /// Whether the doors and the files have what the book says.
    fn is_served(&self) -> bool {
        let wanted = self.own.book().live.digests();
        let kept = at_start(&self.directory.path().join("tls"), &[], self.clock.now()).unwrap();
        let is = |pairs: &[crate::tls::Pair]| {
            let digests = pairs.iter().filter_map(|pair| pair.public_key_digest());
            digests.eq(wanted.iter().copied())
        };
        is(&self.own.served.pairs()) && is(&kept)
    }

    fn later(&self, span: SignedDuration) {
        self.clock.advance(span).unwrap();
    }
}

/// What is said of all keys.
struct Says(Mutex<Found>);

impl Records for Says {
    fn look<'a>(&'a self, _: &'a [[u8; 32]]) -> Looking<'a> {
        Box::pin(async { self.0.lock().unwrap().clone() })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_serves_last_serves_the_last_book() {
    let world = world(None).await;
    assert!(world.is_served());
    // One that began before the book changed, and is done after it.
    let held = world.own.publishing.clone().lock_owned().await;
    let own = world.own.clone();
    let publishing = tokio::spawn(async move { own.publish().await });
    tokio::task::yield_now().await;
    world.next().await;
    let mut book = world.own.book();
    assert!(book.switch());
    world.own.take(book, Vec::new()).await.unwrap();
    assert!(!world.is_served());
    drop(held);
    publishing.await.unwrap().unwrap();
    assert!(world.is_served());
    // Many at once.
    for _ in 0..3 {
        world.next().await;
        world.later(SignedDuration::from_hours(2));
        let reload = async {
            let settings = (**world.own.settings.load()).clone();
            world.own.reload(settings).await
        };
        let (one, other, third) =
            tokio::join!(world.own.switch_if_published(), reload, world.own.publish());
        one.unwrap();
        other.unwrap();
        third.unwrap();
        assert!(world.is_served());
    }
}

#[tokio::test]
async fn what_could_not_be_served_is_made_up_for() {
    let world = world(None).await;
    world.next().await;
    let mut book = world.own.book();
    book.switch();
    world.own.take(book, Vec::new()).await.unwrap();
    assert!(!world.is_served(), "somebody was broken off here");
    world.own.round(false).await.unwrap();
    assert!(world.is_served());
    // And so are files.
    let files = world.directory.path().join("tls");
    std::fs::remove_dir_all(&files).unwrap();
    std::fs::write(&files, "in the way").unwrap();
    world.own.publish().await.unwrap();
    assert!(world.own.unwritten().is_some());
    std::fs::remove_file(&files).unwrap();
    world.own.round(false).await.unwrap();
    assert!(world.own.unwritten().is_none() && world.is_served());
}

#[tokio::test]
async fn it_is_looked_once_more_before_new_keys_are_served() {
    let world = world(None).await;
    let says = Arc::new(Says(Mutex::new(Found::Unknown(
        "nobody answers".to_owned(),
    ))));
    let records: Weak<Says> = Arc::downgrade(&says);
    world.own.look_before_a_switch(records);
    let say = |found| *says.0.lock().unwrap() = found;
    world.next().await;
    let first = world.own.book().live.digests();
    world.later(SignedDuration::from_hours(2));
    assert!(world.own.round(false).await.is_err(), "it can't be known");
    assert!(world.own.rotation().unwrap().seen_at.is_some());
    say(Found::Missing("1 of 2 not there".to_owned()));
    world.own.round(false).await.unwrap();
    assert_eq!(world.own.book().live.digests(), first);
    assert_eq!(world.own.rotation().unwrap().seen_at, None, "waits again");
    say(Found::All);
    world.own.seen(Some(SignedDuration::ZERO)).await.unwrap();
    world.later(SignedDuration::from_hours(2));
    world.own.round(false).await.unwrap();
    assert_ne!(world.own.book().live.digests(), first);
    assert_eq!(world.own.retired(), first);

    // Keys that never had records wait for none.
    say(Found::None);
    for (ttl, switches) in [(Some(SignedDuration::ZERO), false), (None, true)] {
        let act = rotate::by_itself("dns rotate-tls", "9", world.clock.now()).unwrap();
        let none = Some(SignedDuration::ZERO);
        world.own.rotate(act, none).await.unwrap();
        world.own.seen(ttl).await.unwrap();
        world.later(SignedDuration::from_hours(2));
        world.own.round(false).await.unwrap();
        assert_eq!(world.own.rotation().is_none(), switches);
    }
}

#[tokio::test]
async fn an_authority_that_is_not_asked_any_more_renews_nothing() {
    let world = world(Some(acme("https://a.example/"))).await;
    let mut book = world.own.book();
    let now = world.clock.now();
    let names = [NAME.to_owned()];
    for kept in &mut book.live.keys {
        kept.issued = Some(Issued {
            chain: kept.key().self_signed(&names, now).unwrap(),
            asked: names.to_vec(),
            left_out: vec![("other.party.example".to_owned(), "why".to_owned())],
            got_at: now,
            from: now,
            until: now + SignedDuration::from_hours(24 * 90),
            directory: "https://a.example/".to_owned(),
        });
    }
    world.own.take(book, Vec::new()).await.unwrap();
    let hint = Hint {
        renew_at: now,
        ask_again: now,
    };
    world.own.hints().insert(KeyKind::Ecdsa, hint);
    assert!(world.own.renews_at(KeyKind::Ecdsa).is_some());
    assert_eq!(world.own.left_out().len(), 1);
    world.later(SignedDuration::from_hours(24 * 80));
    let mut settings = (**world.own.settings.load()).clone();
    settings.acme = None;
    world.own.reload(settings).await.unwrap();
    assert_eq!(world.own.renews_at(KeyKind::Ecdsa), None);
    assert!(world.own.left_out().is_empty() && world.own.hints().is_empty());
    let now = world.clock.now();
    let next = world.own.next_look(now);
    assert!(next > now + SignedDuration::from_hours(1), "{next}");
}

#[tokio::test]
async fn a_key_that_fails_keeps_no_other_from_its_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    let hangs_up = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let world = world(Some(acme(&format!("https://127.0.0.1:{}/", at.port())))).await;
    assert!(world.own.round(false).await.is_err());
    assert_eq!(came.load(Ordering::SeqCst), 2, "once for each key");
    hangs_up.abort();
}

#[tokio::test]
async fn an_authority_that_wants_to_be_left_alone_is() {
    let world = world(Some(acme("https://a.example/"))).await;
    let own = &world.own;
    let asked_of = own.settings.load_full();
    let woken = async |slow_down| {
        let moment = Duration::from_millis(50);
        let woken = timeout(moment, own.woken(&asked_of, slow_down)).await;
        woken.is_ok()
    };
    // Records that were seen are a reason to look, and not to ask for more.
    world.next().await;
    let mut book = own.book();
    book.unseen();
    own.take(book, Vec::new()).await.unwrap();
    own.seen(Some(SignedDuration::ZERO)).await.unwrap();
    assert!(!own.asked.load(Ordering::SeqCst));
    assert!(woken(false).await);

    own.reload((*asked_of).clone()).await.unwrap();
    assert!(own.asked.load(Ordering::SeqCst));
    assert!(!woken(true).await, "whoever asks");
    let mut other = (*asked_of).clone();
    other.acme = Some(acme("https://b.example/"));
    own.reload(other).await.unwrap();
    assert!(woken(true).await);
}
