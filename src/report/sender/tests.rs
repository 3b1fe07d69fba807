//! The reporter without a network: what is due when, what survives, what is dropped.

#![allow(clippy::unwrap_used)]

use jiff::civil::Date;

use super::*;
use crate::delivery::policy::results::{
    FoundPolicy, PolicyKind, ResultType, TlsAttempt, TlsResults as _,
};
use crate::delivery::route::Reach;
use crate::dns::{Resolver, ResolverSettings};
use crate::report::desk::tests::{clock, store};

const TODAY: Date = Date::constant(2026, 11, 21);

struct World {
    store: Store,
    clock: Clock,
    tally: Arc<TlsTally>,
    reporter: Reporter,
    _directory: tempfile::TempDir,
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn settings(on: bool) -> ReporterSettings {
    ReporterSettings {
        on,
        author: Author {
            organization: "Party".to_owned(),
            submitter: domain("party.example"),
            contact: EmailAddress::parse("postmaster@party.example").unwrap(),
        },
        host: domain("mail.party.example"),
        own: vec![domain("party.example")],
    }
}

/// Nobody answers there: each look-up fails.
fn road() -> Road {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let servers = vec![closed.local_addr().unwrap()];
    drop(closed);
    let settings = ResolverSettings {
        servers,
        deadline: std::time::Duration::from_millis(50),
        ..ResolverSettings::default()
    };
    Road {
        resolver: Resolver::new(settings).unwrap(),
        tls: None,
        reach: Reach::Public,
    }
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock) = (store(directory.path()).await, clock());
    let tally = Arc::new(TlsTally::new(clock.clone()));
    let reporter = Reporter::new(
        store.clone(),
        clock.clone(),
        tally.clone(),
        Bell::new(),
        settings(true),
    );
    World {
        store,
        clock,
        tally,
        reporter,
        _directory: directory,
    }
}

impl World {
    fn note(&self, name: &str, failure: Option<ResultType>) {
        self.tally.note(&TlsAttempt {
            domain: &domain(name),
            policy: &FoundPolicy::none(),
            host: Some("mx.far.example"),
            address: None,
            failure,
        });
    }

    async fn days(&self) -> Vec<TlsDayRow> {
        let all = self.store.tls_days(Timestamp::MIN, Timestamp::MAX, 100);
        all.await.unwrap()
    }

    fn advance(&self, hours: i64) {
        self.clock
            .advance(SignedDuration::from_hours(hours))
            .unwrap();
    }
}

#[tokio::test]
async fn a_days_counts_outlive_a_restart() {
    let world = world().await;
    world.note("far.example", None);
    world.note("far.example", Some(ResultType::CertificateExpired));
    world.reporter.save().await.unwrap();
    let again = TlsTally::new(world.clock.clone());
    again.load(&world.store).await.unwrap();
    let of = |tally: &TlsTally| tally.of(TODAY, &domain("far.example"), PolicyKind::None);
    assert_eq!(of(&again), of(&world.tally));
    assert_eq!(of(&again).successes, 1);
    again.note(&TlsAttempt {
        domain: &domain("far.example"),
        policy: &FoundPolicy::none(),
        host: None,
        address: None,
        failure: None,
    });
    again.save(&world.store).await.unwrap();
    assert_eq!(world.days().await.len(), 1, "it goes on with the same row");
    let due = world.days().await[0].due_at;
    let midnight: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let wait = due.duration_since(midnight);
    assert!(wait >= SignedDuration::from_mins(30) && wait <= SignedDuration::from_hours(4));
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_tried_for_a_day_and_dropped() {
    let world = world().await;
    world.reporter.go_by(road());
    world.note("far.example", None);
    let next = world.reporter.round().await.unwrap();
    assert_eq!(next, after(world.clock.now(), LOOK), "nothing is due yet");
    assert_eq!(world.days().await.len(), 1);
    world.advance(12 + 5);
    world.reporter.round().await.unwrap();
    let [day] = &world.days().await[..] else {
        panic!("it is put off");
    };
    assert!(day.due_at > world.clock.now());
    // What comes now is another day's.
    world.note("far.example", None);
    world.reporter.save().await.unwrap();
    assert_eq!(world.days().await.len(), 2);
    let mut tries = 0;
    while world.reporter.counts().given_up == 0 {
        world.advance(6);
        world.reporter.round().await.unwrap();
        tries += 1;
        assert!(tries <= 5, "it is tried for a day, and no longer");
    }
    assert!(tries >= 4, "{tries}");
    let days = world.days().await;
    assert!(days.iter().all(|day| day.record.day > TODAY), "{days:?}");
}

#[tokio::test]
async fn nobody_reports_to_ourselves_nor_after_a_week_nor_when_it_is_off() {
    let world = world().await;
    world.reporter.go_by(road());
    world.note("party.example", None);
    world.reporter.save().await.unwrap();
    world.advance(12 + 5);
    world.reporter.round().await.unwrap();
    assert!(world.days().await.is_empty());

    world.note("far.example", None);
    world.reporter.save().await.unwrap();
    world.advance(24 * 8);
    world.reporter.round().await.unwrap();
    assert!(world.days().await.is_empty());

    world.note("far.example", None);
    world.reporter.save().await.unwrap();
    assert_eq!(world.days().await.len(), 1);
    world.reporter.reload(settings(false));
    world.note("near.example", None);
    world.reporter.round().await.unwrap();
    assert!(world.days().await.is_empty(), "no domain stays on the disk");
    assert_eq!(world.reporter.counts(), SentCounts::default());
}

#[tokio::test]
async fn there_is_an_end_to_what_is_counted() {
    let world = world().await;
    for n in 0..5_100 {
        world.note(&format!("d{n}.example"), Some(ResultType::TlsaInvalid));
    }
    assert_eq!(world.tally.failures()["tlsa-invalid"], 5_100);
    let last = world
        .tally
        .of(TODAY, &domain("d5099.example"), PolicyKind::None);
    assert!(last.failures.is_empty());
    for n in 0..300u64 {
        world.tally.note(&TlsAttempt {
            domain: &domain("d0.example"),
            policy: &FoundPolicy {
                lines: vec![n.to_string(); 100],
                ..FoundPolicy::none()
            },
            host: Some(&format!("mx{n}.example")),
            address: None,
            failure: Some(ResultType::TlsaInvalid),
        });
    }
    let of = world
        .tally
        .of(TODAY, &domain("d0.example"), PolicyKind::None);
    assert_eq!(of.failures.values().sum::<u64>(), 301);
    assert!(of.failures.len() <= 110, "{}", of.failures.len());
    world.advance(24 * 5);
    world.note("far.example", None);
    assert!(world.tally.failures().is_empty());
}
