//! A mailing through the real delivery engine, over TLS, to a server on loopback.

use std::collections::BTreeMap;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;

use super::*;
use crate::daemon::sandbox::inbox::{Inbox, InboxLimits};
use crate::daemon::sandbox::outside::{Outside, Polite};
use crate::delivery::destination::Limits;
use crate::delivery::engine::{Engine, EngineSettings, Network};
use crate::delivery::policy::Planner;
use crate::delivery::route::{Ourselves, Reach, Router, StaticRoutes};
use crate::dns::{Resolver, ResolverSettings};
use crate::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};

/// Connections at once.
const CONNECTIONS: usize = 4;

async fn outside() -> Outside {
    let made = rcgen::generate_simple_self_signed(vec!["outside.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let limits = InboxLimits {
        mails: 10_000,
        octets: 1 << 30,
        each: 1 << 20,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inbox = Inbox::new(limits);
    Outside::start(listener, Arc::new(tls), inbox, Clock::movable(), Polite).unwrap()
}

fn engine(world: &World, outside: &Outside) -> Engine {
    let to = outside.address().to_string();
    let router = Router {
        resolver: Resolver::new(ResolverSettings {
            servers: vec!["127.0.0.1:9".parse().unwrap()],
            ..ResolverSettings::default()
        })
        .unwrap(),
        secure: None,
        routes: StaticRoutes::parse([("*", to.as_str())]).unwrap(),
        ourselves: Ourselves::default(),
        port: 25,
        reach: Reach::Anywhere,
    };
    let dialer = Dialer {
        hello: HelloName::parse("mail.party.example").unwrap(),
        tls: TlsSetup::new(None).unwrap(),
        timeouts: Timeouts::all(Duration::from_secs(20)),
        limits: SessionLimits::default(),
        sources: Vec::new(),
    };
    let settings = EngineSettings {
        limits: Limits {
            total: CONNECTIONS,
            each: 2,
            ..EngineSettings::default().limits
        },
        rest: Duration::from_millis(50),
        ..EngineSettings::default()
    };
    let sources: Vec<Arc<dyn Source>> = vec![Arc::new(world.room.clone())];
    let bell = world.room.0.bell.clone();
    Engine::start(
        sources,
        Network {
            router,
            dialer,
            planner: Planner::default(),
        },
        world.clock.clone(),
        settings,
        bell,
    )
}

fn received(outside: &Outside) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in outside.inbox().all() {
        assert_eq!(mail.recipients.len(), 1, "one recipient for each message");
        *counts.entry(mail.recipients[0].clone()).or_default() += 1;
    }
    counts
}

async fn until(outside: &Outside, count: usize) {
    for _ in 0..3000 {
        if outside.inbox().all().len() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} of {count} came", outside.inbox().all().len());
}

async fn done_with(world: &World, id: MailingId) {
    for _ in 0..3000 {
        world.room.tick().await.unwrap();
        if world.state(id).await == MailingState::Done {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the mailing does not end: {:?}", world.progress(id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_withdrawals_and_a_crash_brings_everybody_one() {
    const PEOPLE: usize = 120;
    let outside = outside().await;
    let world = World::new().await;
    world.people(PEOPLE).await;
    let id = world.released().await;
    let sending = engine(&world, &outside);
    let room = world.room.clone();
    let background = tokio::spawn(async move { room.run().await });
    until(&outside, 15).await;
    // What had come when the withdrawal was answered; nothing more may come after that.
    let mut gone = Vec::new();
    for n in (0..PEOPLE).step_by(7) {
        world.withdraw(&person(n), "news").await;
        let before = received(&outside).get(&person(n)).copied().unwrap_or(0);
        gone.push((person(n), before));
    }
    until(&outside, 40).await;
    background.abort();
    let _ = background.await;
    drop(sending);
    let world = world.crash().await;
    let sending = engine(&world, &outside);
    done_with(&world, id).await;
    drop(sending);
    let received = received(&outside);
    for (who, before) in &gone {
        let now = received.get(who).copied().unwrap_or(0);
        // The dot may have left, and the mail be still on its way into the inbox, when the answer came.
        assert!(now <= (*before).max(1), "a copy after a withdrawal");
    }
    let stayed = (0..PEOPLE).filter(|n| n % 7 != 0).map(person);
    for who in stayed {
        assert!(received.contains_key(&who), "somebody got none");
    }
    let twice: usize = received.values().map(|count| count - 1).sum();
    assert!(twice <= CONNECTIONS, "{twice} came twice over one crash");
    assert!(world.store.verify(|_, _| ()).await.unwrap().is_clean());
}
