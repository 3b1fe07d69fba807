//! The house behind the lock: the rooms and the doors, opened once the vault is, read anew on a reload.

mod build;
mod certificates;
mod doors;
mod gone_lists;
mod gone_roles;
mod refusals;
mod reload;
mod room;
mod same_names;
mod work;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use doors::say_what_is_gone;
use room::little_room;

use super::door_limits::DoorLimits;
use super::locked_box::LockedBox;
use super::on_record::{Deed, OnRecord, SERVICE};
use super::rooms::{Rooms, RoomsCell};
use super::service::ServiceDesk;
use super::settings::{Settings, SettingsError};
use crate::audit::LogKind;
use crate::clock::Clock;
use crate::config::{self, ByteSize, Config, FileDigest};
use crate::consent::IntakeWorker;
use crate::control::api::key;
use crate::control::api::service::DoorReport;
use crate::control::handlers::KeyDesk;
use crate::control::{Desk, Server};
use crate::delivery::engine::{Bell, Engine, EngineSettings, Network};
use crate::store::{Change, Health, Space, Store, StoreError};
use crate::tls::Certificates;
use crate::web::{Web, WebParts};

/// Rooms and doors.
pub struct PartyHouse {
    clock: Clock,
    settings: ArcSwap<Settings>,
    reload_from: Option<PathBuf>,
    certificates: Arc<Certificates>,
    cell: RoomsCell,
    web: Arc<Web>,
    control: OnceLock<(Arc<Server>, Desk)>,
    service: OnceLock<Arc<ServiceDesk<Self>>>,
    doors: OnceLock<Vec<DoorReport>>,
    mail_door: OnceLock<SocketAddr>,
    limits: DoorLimits,
    /// What was in force at the start: what needs a restart is told from it, however often there was a reload since.
    started: Arc<Config>,
    engine: Mutex<Option<Engine>>,
    /// What was found wrong with the logs when the vault was opened.
    found: Mutex<Vec<String>>,
    /// Starts and reloads, for the audit log.
    record: Arc<OnRecord>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    bell: Bell,
    stop: CancellationToken,
}

/// What a house is built from.
pub struct HouseParts {
    /// The clock.
    pub clock: Clock,
    /// What the configuration says.
    pub settings: Settings,
    /// The file that a reload reads; none in the sandbox.
    pub reload_from: Option<PathBuf>,
    /// Which configuration that is, as it was read for the start.
    pub digest: Option<FileDigest>,
    /// The certificates that the doors show.
    pub certificates: Arc<Certificates>,
    /// Where withdrawals go while the vault is locked.
    pub locked: LockedBox,
    /// Whether browsers are told to come over HTTPS for ever.
    pub https: bool,
    /// Ends everything.
    pub stop: CancellationToken,
}

impl PartyHouse {
    /// A house whose rooms are still closed.
    ///
    /// # Errors
    /// [`SettingsError`] if the pages can't be made.
    pub fn new(parts: HouseParts) -> Result<Arc<Self>, SettingsError> {
        let limits = &parts.settings.config.limits;
        let web = Web::new(WebParts {
            site: parts.settings.site(),
            https: parts.https,
            clock: parts.clock.clone(),
            signups_per_network: signups(limits),
            locked: Arc::new(parts.locked),
        });
        web.host(parts.settings.hosted());
        let record = OnRecord::default();
        // Nothing waits yet, so there is room.
        let _ = record.note(
            Deed::Start,
            SERVICE,
            parts.digest.as_ref(),
            parts.clock.now(),
        );
        Ok(Arc::new(Self {
            clock: parts.clock,
            reload_from: parts.reload_from,
            certificates: parts.certificates,
            limits: DoorLimits::new(&parts.settings.config.limits),
            started: parts.settings.config.clone(),
            settings: ArcSwap::from_pointee(parts.settings),
            cell: RoomsCell::default(),
            web,
            control: OnceLock::new(),
            service: OnceLock::new(),
            doors: OnceLock::new(),
            mail_door: OnceLock::new(),
            engine: Mutex::new(None),
            found: Mutex::default(),
            record: Arc::new(record),
            reloading: tokio::sync::Mutex::default(),
            bell: Bell::new(),
            stop: parts.stop,
        }))
    }

    /// Where the SMTP doors find the rooms.
    pub fn cell(&self) -> RoomsCell {
        self.cell.clone()
    }

    /// The pages.
    pub fn web(&self) -> &Arc<Web> {
        &self.web
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.settings.load().config.clone()
    }

    /// Tells the house of the control server and of the service's desk, which know the house.
    pub fn attach(&self, server: Arc<Server>, desk: Desk, service: Arc<ServiceDesk<Self>>) {
        let _ = self.control.set((server, desk));
        let _ = self.service.set(service);
    }

    /// Tells the house which doors it has, for `status`.
    pub fn set_doors(&self, doors: Vec<DoorReport>) {
        let _ = self.doors.set(doors);
    }

    /// Tells the house where mail from others comes in.
    pub fn set_mail_door(&self, bound: &[SocketAddr]) {
        if let Some(door) = bound.first() {
            let _ = self.mail_door.set(dialled(*door));
        }
    }

    /// What the doors are held to.
    pub fn limits(&self) -> &DoorLimits {
        &self.limits
    }

    /// Whether what must work does. While locked there's nothing that could fail.
    pub async fn is_alive(&self) -> bool {
        match self.cell.get() {
            Some(rooms) => writer_answers(&rooms.store).await,
            None => true,
        }
    }

    /// Ends what is under way, writes down what is known of it, and closes the store.
    pub async fn close(&self, within: std::time::Duration) {
        let engine = self.engine.lock().ok().and_then(|mut engine| engine.take());
        if let Some(engine) = engine {
            engine.stop(within).await;
        }
        if let Some(rooms) = self.cell.get() {
            self.cell.close();
            if let Some(reporter) = &rooms.reporter
                && let Err(error) = reporter.save().await
            {
                tracing::warn!(%error, "what came of TLS lately could not be written down, and is lost");
            }
            let refused = self.certificates.refusals();
            refusals::save(&rooms.store, refused, &self.clock).await;
            rooms.store.close().await;
        }
    }

    /// A log that is not what was signed, shorter say, is noticed at once. It keeps no door shut.
    async fn look_at_logs(&self, store: &Store) {
        let mut found = Vec::new();
        for log in [LogKind::Audit, LogKind::Consent] {
            match store.sound_head(log).await {
                Ok(_) => {}
                // The store tells it, as long as it is so.
                Err(error @ StoreError::Unsound { .. }) => {
                    tracing::error!(%error, "a log is not as it was");
                }
                Err(error) => {
                    tracing::error!(%error, log = log.name(), "a log can't be compared");
                    found.push(format!("the {log} log can't be compared: {error}"));
                }
            }
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Starts what works by itself: the intake, the expansion, the engine, the daily work.
    fn start_work(&self, rooms: &Arc<Rooms>, network: Network) {
        let settings = self.settings.load_full();
        let sources: Vec<Arc<dyn crate::delivery::parcel::Source>> = vec![
            Arc::new(rooms.queue.clone()),
            Arc::new(rooms.mailings.clone()),
        ];
        let engine = Engine::start(
            sources,
            network,
            self.clock.clone(),
            EngineSettings {
                pace: rooms.pace.clone(),
                ..settings.engine()
            },
            self.bell.clone(),
        );
        let _ = rooms.engine.set(engine.view());
        if let Ok(mut slot) = self.engine.lock() {
            *slot = Some(engine);
        }
        let worker = IntakeWorker::new(rooms.consent.clone());
        self.spawn(async move { worker.run().await });
        let mailings = rooms.mailings.clone();
        self.spawn(async move { mailings.run().await });
        self.spawn(work::ring(rooms.clone(), self.bell.clone()));
        self.spawn(work::hourly(rooms.consent.clone(), self.clock.clone()));
        self.spawn(work::unconfirmed(
            rooms.mailboxes.clone(),
            self.clock.clone(),
        ));
        self.spawn(rooms.names.clone().run());
        if let Some(reporter) = rooms.reporter.clone() {
            self.spawn(reporter.run());
        }
        if let Some(own) = &rooms.certificates {
            self.spawn(own.clone().run());
        }
        self.spawn(work::policies(rooms.clone(), self.clock.clone()));
        let refused = self.certificates.refusals().clone();
        let store = rooms.store.clone();
        self.spawn(refusals::keep(store, refused, self.clock.clone()));
        let record = self.record.clone();
        self.spawn(work::daily(rooms.clone(), self.clock.clone(), record));
    }

    /// Writes into the audit log what came before it could be: this start above all. A log whose end was cut off gets
    /// nothing from the service by itself, so that it doesn't grow over the gap.
    async fn write_record(&self, rooms: &Rooms) {
        if rooms.store.sound_head(LogKind::Audit).await.is_err() {
            tracing::error!("the start is not written into the audit log, which is not as it was");
            return;
        }
        if let Err(error) = self.record.write(&rooms.staff).await {
            tracing::error!(%error, "the start could not be written into the audit log; tried again at a reload and each day");
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    fn little_room(&self, rooms: Option<&Rooms>) -> Option<String> {
        let config = self.config();
        let reserve = config.limits.disk_reserve.map(ByteSize::bytes);
        let space = match rooms {
            Some(rooms) => rooms.store.space(),
            None => Space::of(&config.data_dir, reserve),
        };
        little_room(&config.data_dir, space?)
    }

    fn open_desk(&self, rooms: &Arc<Rooms>) {
        let (Some((server, desk)), Some(service)) = (self.control.get(), self.service.get()) else {
            return;
        };
        let desk = service.register_unlocked(desk.clone());
        let keys = Arc::new(KeyDesk::new(rooms.staff.clone(), service.clone()));
        let desk = super::desks::register(desk, rooms).on::<key::Backup, _>(&keys);
        server.unlocked(desk, rooms.staff.clone());
    }
}

/// Whether the store's writer answers: with an empty change, which writes nothing. One that refuses writes is looking after
/// itself, and a restart would not help it.
async fn writer_answers(store: &Store) -> bool {
    match store.health() {
        Health::Refusing(_) => true,
        Health::Well => {
            let answered = store.change(Change::new()).await;
            !matches!(answered, Err(StoreError::Stopped))
        }
    }
}

/// The address at which a door that listens everywhere is reached from here.
fn dialled(mut door: SocketAddr) -> SocketAddr {
    match door.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => door.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => door.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    door
}

/// The rooms before anybody is let in, and the way out for their mail.
pub struct Built {
    rooms: Arc<Rooms>,
    network: Network,
}

/// The configuration refuses 0.
fn signups(limits: &config::Limits) -> NonZeroU32 {
    NonZeroU32::new(limits.signups_per_network).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests;
