//! The engine: pulls due parcels from the rooms, shares them out fairly between destinations, and has couriers bring
//! them. It knows destinations, connections and outcomes; whose mail it is, only the rooms know.
//!
//! ```text
//! Source::due ─► desk (by destination, in turn) ─► courier (a slot) ─► connect ─► chain (one connection, many parcels)
//!                                                     └─ ahead: letters made while the one before is on its way
//! ```
//!
//! # What must hold
//! - The two steps of [`super::parcel`]: a final dot leaves only when the last outcome of its connection is durable and
//!   the parcel's clearance is held.
//! - When an outcome can't be written down, no dot leaves on any connection until it could be.
//! - A parcel is under way at most once.

mod ahead;
mod chain;
mod connect;
mod courier;
mod desk;
mod dispatch;
mod failure;
mod gate;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::desk::Desk;
use self::dispatch::Dispatcher;
use self::gate::Gate;
use super::destination::Limits;
use super::pace::PaceBook;
use super::parcel::Source;
use super::policy::Planner;
use super::route::Router;
use crate::clock::Clock;
use crate::smtp::client::Dialer;

/// How much the engine does at once.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Connections, in all and for each destination, and how many parcels may wait for one.
    pub limits: Limits,
    /// Parcels that are known to the engine at once, waiting or on their way.
    pub under_way: usize,
    /// Letters that each connection has made before it needs them.
    pub ahead: usize,
    /// Connections kept open without work, over all destinations.
    pub parked: usize,
    /// The longest that reaching a destination may take, over all its hosts and addresses.
    pub connect_within: Duration,
    /// How long a message without its final dot waits for a sick store to be well again.
    pub patience: Duration,
    /// How long a parcel that could not be sent for a reason of our own is left alone.
    pub rest: Duration,
    /// How fast each provider gets copies.
    pub pace: PaceBook,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            limits: Limits {
                waiting: 2_000,
                waiting_each: 250,
                ..Limits::default()
            },
            under_way: 2_000,
            ahead: 4,
            parked: 20,
            connect_within: Duration::from_secs(300),
            patience: Duration::from_secs(30),
            rest: Duration::from_secs(2),
            pace: PaceBook::default(),
        }
    }
}

/// How destinations are found and reached. Replaced when the configuration is read again.
#[derive(Debug)]
pub struct Network {
    /// Finds the servers of a domain.
    pub router: Router,
    /// Reaches them.
    pub dialer: Dialer,
    /// Says what they have to prove.
    pub planner: Planner,
}

/// Rings when a room has queued something. Clones ring the same bell.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<BellInner>);

#[derive(Debug, Default)]
struct BellInner {
    rung: Notify,
    /// Somebody has new parcels; otherwise it is only that a slot is free.
    pull: AtomicBool,
}

impl Bell {
    /// A bell that nobody hears yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that something may be due now.
    pub fn wake(&self) {
        self.0.pull.store(true, Ordering::Release);
        self.0.rung.notify_one();
    }

    /// Says that a slot may be free.
    fn slot(&self) {
        self.0.rung.notify_one();
    }

    async fn heard(&self) {
        self.0.rung.notified().await;
    }

    fn take_pull(&self) -> bool {
        self.0.pull.swap(false, Ordering::AcqRel)
    }
}

/// What dispatcher and couriers share.
struct Shared {
    network: ArcSwap<Network>,
    clock: Clock,
    settings: EngineSettings,
    desk: Desk,
    gate: Gate,
    bell: Bell,
    stop: CancellationToken,
}

/// How a provider stands, for `queue list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceStatus {
    /// Its name, if the whole world knows it, or if it got so many copies today that no few people can be behind it.
    pub provider: Option<String>,
    /// Connections to it.
    pub busy: usize,
    /// Parcels that wait for it: those at hand, and those that were put off since the start and aren't due yet.
    pub waiting: usize,
    /// Copies that it got today.
    pub sent_today: u32,
    /// Copies that it may get today; none if there is no limit.
    pub allowed_today: Option<u32>,
    /// Until when it is left alone, since it asked for it.
    pub paused_until: Option<Timestamp>,
    /// What it said then.
    pub said: Option<String>,
}

/// What the engine is doing, for `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineStatus {
    /// Parcels that the engine has taken on.
    pub under_way: usize,
    /// Of these, how many wait for a connection.
    pub waiting: usize,
    /// Connections with work.
    pub busy: usize,
    /// Connections without work.
    pub parked: usize,
    /// Outcomes that could not be written down yet. While there are any, nothing is sent.
    pub unsettled: usize,
    /// Parcels taken by another server since the start.
    pub delivered: u64,
    /// Attempts that ended otherwise since the start.
    pub failed: u64,
}

/// The engine at work. Dropping it ends all connections at once, as a crash would.
pub struct Engine {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Engine {
    /// Starts to send what the sources have. Rooms ring `bell` when they have queued something.
    pub fn start(
        sources: Vec<Arc<dyn Source>>,
        network: Network,
        clock: Clock,
        settings: EngineSettings,
        bell: Bell,
    ) -> Self {
        let shared = Arc::new(Shared {
            network: ArcSwap::from_pointee(network),
            desk: Desk::new(&settings, bell.clone(), clock.clone()),
            clock,
            settings,
            gate: Gate::new(),
            bell,
            stop: CancellationToken::new(),
        });
        let task = tokio::spawn(Dispatcher::new(sources, shared.clone()).run());
        Self { shared, task }
    }

    /// Uses these routes and settings for connections from now on.
    pub fn set_network(&self, network: Network) {
        self.shared.network.store(Arc::new(network));
        // The limits for providers may have changed with it.
        self.shared.desk.unspend();
    }

    /// Looks for due mail now.
    pub fn wake(&self) {
        self.shared.bell.wake();
    }

    /// What it is doing.
    pub fn status(&self) -> EngineStatus {
        EngineStatus {
            unsettled: self.shared.gate.unsettled(),
            ..self.shared.desk.status()
        }
    }

    /// What others may see of it while it's at work.
    pub fn view(&self) -> EngineView {
        EngineView(self.shared.clone())
    }

    /// Stops: final dots that have left get their outcome written down, nothing new is begun. What isn't done `within`
    /// is broken off, and sent again after the next start. Says whether all was done.
    pub async fn stop(mut self, within: Duration) -> bool {
        self.shared.stop.cancel();
        let done = tokio::time::timeout(within, &mut self.task).await.is_ok();
        done && self.shared.gate.unsettled() == 0
    }
}

/// The engine as others may see it. It doesn't keep it at work.
#[derive(Clone)]
pub struct EngineView(Arc<Shared>);

impl EngineView {
    /// How the providers stand that it works for, or that are held up.
    pub fn paces(&self) -> Vec<PaceStatus> {
        self.0.desk.paces()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}
