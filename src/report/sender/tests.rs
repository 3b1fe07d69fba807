//! The reporter without a network: what is due when, what survives, what is dropped.

#![allow(clippy::unwrap_used)]

use jiff::civil::Date;

use super::*;
use crate::delivery::policy::results::{
    FoundPolicy, PolicyKind, ResultType, TlsAttempt, TlsResults as _,
};
use crate::delivery::route::Reach;
use crate::dns::{Resolver, ResolverSettings};
use crate::id::TlsDayId;
use crate::report::desk::tests::{clock, store};
use crate::store::testing::spoil_tls_days;
use crate::store::{
    ChangeOutcome, Files, Scope, Suppressed, Suppression, SuppressionReason, TlsDayRecord,
};

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

#[tokio::test]
async fn a_store_that_takes_nothing_is_asked_once_a_minute() {
    let world = world().await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    let _watched = tracing::subscriber::set_default(subscriber);
    world.store.close().await;
    world.note("far.example", None);
    let what = "could not be written down";
    let working = world.reporter.clone().run();
    let story = async {
        let moment = std::time::Duration::from_millis(500);
        tokio::time::sleep(moment).await;
        assert_eq!(log.lines(what), 1, "{}", log.text());
        assert_eq!(log.lines("WARN"), 2, "counts, and reports");
        world.clock.advance(SignedDuration::from_secs(61)).unwrap();
        tokio::time::sleep(moment).await;
        assert_eq!(log.lines(what), 2, "{}", log.text());
        assert_eq!(log.lines("WARN"), 2, "told once");
    };
    tokio::select! {
        () = working => {}
        () = story => {}
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self, with: &str) -> usize {
        self.text()
            .lines()
            .filter(|line| line.contains(with))
            .count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nobody_is_mailed_many_nor_whoever_wants_none() {
    let world = world().await;
    let to = |name: &str| EmailAddress::parse(&format!("{name}@elector.example")).unwrap();
    let left = to("left");
    let form = left.match_form();
    let index = world
        .store
        .vault()
        .index(IndexColumn::Suppression, form.as_bytes());
    let mut suppression = Suppression::none(index);
    suppression.record.scopes.push(Suppressed {
        scope: Scope::List(world.store.vault().list_tag("news")),
        at: world.clock.now(),
        reason: SuppressionReason::Withdrawn,
    });
    let put = Change::new().then(Step::PutSuppression(suppression));
    assert_eq!(world.store.change(put).await.unwrap(), ChangeOutcome::Done);
    let mut mailed = Vec::new();
    for n in 0..7 {
        let domain = format!("d{n}.example");
        let row = TlsDayRow {
            id: TlsDayId::random(),
            due_at: world.clock.now(),
            record: TlsDayRecord {
                domain: self::domain(&domain),
                day: TODAY,
                results: serde_json::Value::Null,
            },
        };
        let places = [left.clone(), to("ada"), to(&format!("bo{n}"))].map(Place::Mail);
        let mut results = DayResults::default();
        let tried = world
            .reporter
            .tell(&road(), &row, &mut results, &places)
            .await;
        assert!(!tried.failed);
        assert_eq!(results.report.done.len(), 3, "each is done with");
        mailed.push(world.reporter.counts().mailed);
    }
    // Each day one to somebody else, and five to the one whom all name.
    assert_eq!(mailed, [2, 4, 6, 8, 10, 11, 12]);
    world.advance(24);
    assert!(world.reporter.may_mail(&to("ada")).await.unwrap());
    assert!(!world.reporter.may_mail(&left).await.unwrap());
}

#[tokio::test]
async fn rows_that_do_not_open_are_in_nobodys_way() {
    let world = world().await;
    for n in 0..u64::from(READ) + 6 {
        world.note(&format!("d{n}.example"), None);
    }
    world.reporter.save().await.unwrap();
    spoil_tls_days(&Files::in_directory(world._directory.path())).await;
    world.note("far.example", None);
    world.reporter.save().await.unwrap();
    let open = world.store.tls_days(Timestamp::MIN, Timestamp::MAX, READ);
    let open = open.await.unwrap();
    let names: Vec<_> = open.iter().map(|row| row.record.domain.as_str()).collect();
    assert_eq!(names, ["far.example"]);
}
