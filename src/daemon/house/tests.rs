//! The bell between the rooms and the engine.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::*;
use crate::address::EmailAddress;
use crate::daemon::desks::tests::World;
use crate::daemon::service::work_for;
use crate::daemon::settings::Trust;
use crate::delivery::engine::EngineSettings;
use crate::delivery::parcel::{Boxed, Parcel, Source};
use crate::staff::Caller;
use crate::store::StoreError;

/// Has nothing to send, and counts how often it is asked.
struct Asked(watch::Sender<u64>);

impl Source for Asked {
    fn due(&self, _: Timestamp, _: u32) -> Boxed<'_, Result<Vec<Arc<dyn Parcel>>, StoreError>> {
        self.0.send_modify(|asked| *asked += 1);
        Box::pin(async { Ok(Vec::new()) })
    }

    fn next_due(&self) -> Boxed<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async { Ok(None) })
    }
}

#[test]
fn a_disk_that_gets_full_is_told_of_before_mail_is_refused_and_while_it_is() {
    let told = |left: u64| {
        let space = Space {
            left: left << 20,
            reserve: 256 << 20,
        };
        little_room(Path::new("/var/lib/hustings"), space).unwrap_or_default()
    };
    assert_eq!(told(512), "");
    assert!(told(511).contains("is nearly full: 511 MiB are left; with less than 256 MiB"));
    let refused = told(255);
    assert!(
        refused.starts_with("mail is refused: less than the reserve of 256 MiB"),
        "{refused}"
    );
    assert!(refused.contains("255 MiB"), "{refused}");
    assert!(refused.ends_with("withdrawals go on"), "{refused}");
    // Nothing is said to go on that may be refused.
    assert!(
        told(0).contains("withdrawals may be refused"),
        "{}",
        told(0)
    );
}

#[tokio::test]
async fn the_engine_looks_for_mail_when_the_consent_room_has_written() {
    let world = World::new().await;
    let rooms = world.rooms.clone();
    let network = {
        let config = crate::config::Config::example();
        let settings = Settings::new(config, jiff::civil::date(2026, 11, 21)).unwrap();
        settings.network(None, &Trust::default()).unwrap()
    };
    let (bell, asked) = (Bell::new(), watch::Sender::new(0));
    let mut looks = asked.subscribe();
    let source: Arc<dyn Source> = Arc::new(Asked(asked));
    let settings = EngineSettings::default();
    let clock = rooms.clock.clone();
    let _engine = Engine::start(vec![source], network, clock, settings, bell.clone());
    let ringing = tokio::spawn(super::work::ring(rooms.clone(), bell));
    let patience = Duration::from_secs(10);
    let looked = tokio::time::timeout(patience, looks.wait_for(|looks| *looks == 1));
    assert!(looked.await.is_ok(), "it looks at its start");
    tokio::task::yield_now().await;

    // What is asked for leaves work, the work leaves a letter: both are commits of the room.
    let ann = EmailAddress::parse("ann@far.example").unwrap();
    rooms.consent.subscribe_by_mail(ann, "news").await.unwrap();
    let before = *looks.borrow_and_update();
    let worker = IntakeWorker::new(rooms.consent.clone());
    assert_eq!(worker.step().await.unwrap().pieces, 1);
    assert_eq!(rooms.store.count_queue().await.unwrap(), 1);
    let looked = tokio::time::timeout(patience, looks.wait_for(|looks| *looks > before));
    assert!(looked.await.is_ok(), "it looks once a letter is there");
    ringing.abort();
}

fn settings(change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config::example();
    change(&mut config);
    Settings::new(config, jiff::civil::date(2026, 11, 21)).unwrap()
}

#[tokio::test]
async fn addresses_and_resolvers_of_the_configuration_are_used() {
    let settings = settings(|config| {
        config.delivery.source_addresses = vec!["192.0.2.25".parse().unwrap()];
        config.delivery.resolver = ["192.0.2.53:53", "192.0.2.54:53"]
            .map(|one| one.parse().unwrap())
            .into();
    });
    let network = settings.network(None, &Trust::default()).unwrap();
    assert_eq!(
        network.dialer.sources,
        settings.config.delivery.source_addresses
    );
    let resolver = format!("{:?}", network.router.resolver);
    assert!(
        resolver.contains("192.0.2.53:53") && resolver.contains("192.0.2.54:53"),
        "{resolver}"
    );
}

#[test]
fn a_faulty_template_is_named_and_the_built_in_one_used() {
    let directory = tempfile::tempdir().unwrap();
    let strings = directory.path().join("strings");
    std::fs::create_dir(&strings).unwrap();
    let written = "[privacy]\ntitle = \"Your data\"\n[no-such-thing]\nx = \"y\"\n";
    std::fs::write(strings.join("en.toml"), written).unwrap();
    let usual = settings(|_| {});
    let settings = settings(|config| config.templates = Some(directory.path().to_owned()));
    assert_eq!(settings.faults.len(), 1, "{:?}", settings.faults);
    assert!(settings.faults[0].contains("en.toml") && settings.faults[0].contains("built-in"));
    let list = settings.config.list.values().next().unwrap();
    assert_eq!(
        settings.statement(list),
        usual.statement(list),
        "words of consent"
    );
    let _ = settings.site();
}

#[tokio::test]
async fn a_writer_that_is_gone_is_noticed() {
    let world = World::new().await;
    let store = &world.rooms.store;
    assert!(writer_answers(store).await);
    store.close().await;
    assert!(!writer_answers(store).await);
}

#[tokio::test]
async fn the_queues_length_is_for_admins() {
    let world = World::new().await;
    let roll = world.rooms.staff.roll();
    let caller = |name: &str| {
        let id = roll.by_name(name).unwrap().id;
        Caller::Member(world.rooms.staff.actor(id).unwrap())
    };
    let ann = EmailAddress::parse("ann@far.example").unwrap();
    let consent = &world.rooms.consent;
    consent.subscribe_by_mail(ann, "news").await.unwrap();
    let step = IntakeWorker::new(consent.clone()).step().await;
    assert_eq!(step.unwrap().pieces, 1);
    let work = super::work::work(&world.rooms).await;
    assert_eq!(work_for(&caller("ada"), work.clone()).queued, Some(1));
    let others = ["cy", "dee", "eve"].map(caller);
    for other in others.iter().chain([&Caller::Nobody { uid: 0 }]) {
        assert_eq!(work_for(other, work.clone()).queued, None);
    }
}

#[tokio::test]
async fn an_account_that_is_called_as_a_mailbox_is_is_told_of() {
    let world = World::new().await;
    let rooms = &world.rooms;
    assert!(same_names::warnings(rooms).is_empty());
    let name = rooms.config().mailbox.keys().next().unwrap().to_string();
    // As it was before the mailbox was configured.
    let domain = crate::address::Domain::parse("party.example").unwrap();
    rooms.staff.reload(crate::staff::Premises::new([domain]));
    let new = crate::staff::NewAccount {
        name: name.clone(),
        addresses: vec![EmailAddress::parse("flo@party.example").unwrap()],
        roles: vec![crate::staff::Role::Reader],
        uid: None,
    };
    let ada = rooms.staff.roll().by_name("ada").unwrap().id;
    let ada = Caller::Member(rooms.staff.actor(ada).unwrap());
    rooms.staff.add(&ada, new, None).await.unwrap();
    let warned = same_names::warnings(rooms);
    assert!(
        warned[0].starts_with(&format!("[mailbox.{name}]")),
        "{warned:?}"
    );
}

#[tokio::test]
async fn an_address_that_a_role_and_an_account_have_is_told_of() {
    let world = World::new().await;
    world.reload(|config| {
        let office = config.mailbox.values_mut().next().unwrap();
        let cys = EmailAddress::parse("Cy@party.example").unwrap();
        office.addresses.push(cys);
    });
    let warned = same_names::warnings(&world.rooms);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].contains("[mailbox.office] is the account cy's"),
        "{warned:?}"
    );
}

#[tokio::test]
async fn a_role_that_left_mail_behind_is_told_of() {
    let world = World::new().await;
    let rooms = &world.rooms;
    world.let_into("eve", "office").await;
    let told = async || gone_roles::warnings(rooms).await;
    let renamed = |config: &mut Config| {
        let office = config.mailbox.pop_first().unwrap().1;
        config.postmaster = crate::config::Name::parse("bureau").unwrap();
        config.mailbox.insert(config.postmaster.clone(), office);
    };
    world.reload(renamed);
    assert!(told().await.is_empty(), "nothing is in it");
    let office = rooms.store.vault().role_mailbox("office");
    world.keep(office, "Archive", rooms.clock.now(), 7).await;
    let warned = told().await;
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].contains("put [mailbox.office] back"),
        "{warned:?}"
    );
    world.reload(|_| {});
    assert!(told().await.is_empty(), "it is back");
}
