//! The delivery engine against an outside server that does what servers do.

#![allow(clippy::unwrap_used)]

mod dots;
mod ends;
mod limits;
mod refused;

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hustings::address::{Domain, EmailAddress};
use hustings::clock::Clock;
use hustings::config::Config;
use hustings::daemon::sandbox::inbox::{Inbox, InboxLimits};
use hustings::daemon::sandbox::outside::{Manners, Outside};
use hustings::daemon::settings::Settings;
use hustings::delivery::classify::{Cause, Fault};
use hustings::delivery::destination::Limits;
use hustings::delivery::engine::{Bell, Engine, EngineSettings, Network};
use hustings::delivery::parcel::Source;
use hustings::delivery::policy::Planner;
use hustings::delivery::queue::{AlwaysWanted, MailQueue, QueueSettings, queue_service_mail};
use hustings::delivery::route::{Ourselves, Reach, Router, StaticRoutes};
use hustings::delivery::schedule::Schedule;
use hustings::delivery::signing::{Selectors, Signing};
use hustings::dns::{Resolver, ResolverSettings};
use hustings::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use hustings::store::{Change, ChangeOutcome, Files, LockedStore, Store};
use hustings::vault::{KeyRing, Vault};
use jiff::SignedDuration;
use support::chance::until;
use support::memory::Room;
use support::outside::{Act, At, OutsideMta, self_made};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(120);

fn network(routes: &[(&str, SocketAddr)], each: Duration) -> Network {
    let routes: Vec<_> = routes
        .iter()
        .map(|(domain, to)| (*domain, to.to_string()))
        .collect();
    Network {
        router: Router {
            resolver: Resolver::new(ResolverSettings {
                servers: vec!["127.0.0.1:9".parse().unwrap()],
                ..ResolverSettings::default()
            })
            .unwrap(),
            secure: None,
            routes: StaticRoutes::parse(routes.iter().map(|(k, v)| (*k, v.as_str()))).unwrap(),
            ourselves: Ourselves::default(),
            port: 25,
            reach: Reach::Anywhere,
        },
        dialer: Dialer {
            hello: HelloName::parse("mail.party.example").unwrap(),
            tls: TlsSetup::new(None).unwrap(),
            timeouts: Timeouts::all(each),
            limits: SessionLimits::default(),
            sources: Vec::new(),
        },
        planner: Planner::default(),
    }
}

fn settings(total: usize, each: usize) -> EngineSettings {
    EngineSettings {
        limits: Limits {
            total,
            each,
            jobs_per_slot: 5,
            waiting: 2_000,
            waiting_each: 250,
            ..Limits::default()
        },
        rest: Duration::from_millis(50),
        ..EngineSettings::default()
    }
}

struct Post {
    engine: Engine,
    room: Arc<Room>,
    clock: Clock,
    bell: Bell,
}

/// An engine for this room that sends everything to one place.
fn start(room: &Arc<Room>, to: SocketAddr, settings: EngineSettings) -> Post {
    start_with(
        room,
        network(&[("*", to)], Duration::from_secs(20)),
        settings,
    )
}

fn start_with(room: &Arc<Room>, network: Network, settings: EngineSettings) -> Post {
    let (clock, bell) = (Clock::movable(), Bell::new());
    let sources: Vec<Arc<dyn Source>> = vec![room.clone()];
    Post {
        engine: Engine::start(sources, network, clock.clone(), settings, bell.clone()),
        room: room.clone(),
        clock,
        bell,
    }
}

/// How often each recipient got a mail.
fn received(outside: &Outside) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in outside.inbox().all() {
        for to in &mail.recipients {
            *counts.entry(to.clone()).or_default() += 1;
        }
    }
    counts
}

async fn hasty_world() -> (OutsideMta, Arc<Room>, Post) {
    let (outside, room) = (OutsideMta::start().await, Room::new(200));
    let network = network(&[("*", outside.address())], Duration::from_secs(4));
    let post = start_with(&room, network, settings(4, 1));
    (outside, room, post)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_parcels_to_twenty_destinations_arrive_once_each() {
    let (outside, room) = (OutsideMta::start().await, Room::new(2_000));
    for n in 0..1_000 {
        room.post(&format!("r{n}@d{}.example", n % 20));
    }
    let post = start(&room, outside.address(), settings(10, 2));
    room.all_settled().await;
    let counts = received(&outside);
    assert_eq!(counts.len(), 1_000);
    assert!(counts.values().all(|count| *count == 1));
    assert!(
        room.rows()
            .iter()
            .all(|row| row.delivered() == 1 && row.loads == 1)
    );
    let connections = outside.counters().connections();
    assert!(
        connections <= 60,
        "{connections} connections for 20 destinations"
    );
    let status = post.engine.status();
    assert_eq!(
        (status.delivered, status.failed, status.unsettled),
        (1_000, 0, 0)
    );
    assert!(post.engine.stop(Duration::from_secs(60)).await);
    assert_eq!(outside.counters().plaintext(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_later_goes_out_over_the_parked_connection() {
    let (outside, room) = (OutsideMta::start().await, Room::new(200));
    let post = start(&room, outside.address(), settings(4, 2));
    for n in 0..5 {
        room.post(&format!("r{n}@one.example"));
        post.bell.wake();
        room.all_settled().await;
        // It's parked a moment after its last outcome stands.
        until("it is parked", PATIENCE, || {
            post.engine.status().parked == 1
        })
        .await;
    }
    assert_eq!(outside.counters().connections(), 1);
    assert_eq!(outside.inbox().count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_connection_that_the_server_closed_costs_nobody_an_attempt() {
    let (outside, room) = (OutsideMta::start().await, Room::new(200));
    let post = start(&room, outside.address(), settings(4, 1));
    room.post("a@one.example");
    post.bell.wake();
    room.all_settled().await;
    // It answers the next MAIL with an end, once.
    outside.next(1, At::Mail, Act::Close);
    room.post("b@one.example");
    post.bell.wake();
    room.all_settled().await;
    let row = room.row("b@one.example");
    assert_eq!((row.delivered(), row.fates.len(), row.loads), (1, 1, 1));
    assert_eq!(outside.counters().connections(), 2);
}
