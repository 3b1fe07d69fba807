//! The house behind the lock: the rooms and the doors, opened once the vault is, read anew on a reload.

mod certificates;
mod gone_lists;
mod reload;
mod work;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::door_limits::DoorLimits;
use super::duties;
use super::locked_box::{Effect, LockedBox};
use super::mail_in::Checks;
use super::names::Names;
use super::on_record::{Deed, OnRecord, SERVICE};
use super::rooms::{Rooms, RoomsCell};
use super::service::{House, HouseReport, ServiceDesk};
use super::settings::{Settings, SettingsError};
use crate::audit::LogKind;
use crate::certificate::OwnCertificates;
use crate::clock::Clock;
use crate::config::{self, ByteSize, Config, FileDigest};
use crate::consent::{Consent, IntakeWorker};
use crate::control::api::key;
use crate::control::api::service::{DoorReport, Reloaded};
use crate::control::handlers::KeyDesk;
use crate::control::{Desk, Failure, Server};
use crate::delivery::engine::{Bell, Engine, EngineSettings, Network};
use crate::delivery::pace::PaceBook;
use crate::delivery::queue::{MailQueue, QueueSettings};
use crate::delivery::signing::Signing;
use crate::list::Mailings;
use crate::staff::StaffRoom;
use crate::store::{Change, Health, Space, Store, StoreError};
use crate::tls::Certificates;
use crate::web::{self, LockedWithdrawal, Web, WebParts};

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

    async fn build_rooms(&self, store: Store) -> Result<Arc<Rooms>, String> {
        let say = |error: &dyn std::fmt::Display| error.to_string();
        let settings = self.settings.load_full();
        let letters = Arc::new(settings.letters());
        let consent = Consent::open(
            store.clone(),
            self.clock.clone(),
            settings.consent(),
            letters,
        )
        .await
        .map_err(|error| say(&error))?;
        let staff = StaffRoom::open(store.clone(), self.clock.clone(), settings.premises())
            .await
            .map_err(|error| say(&error))?;
        let (domains, selectors) = (&settings.config.domains, settings.selectors());
        let signing = Signing::open(&store, domains, &selectors, self.clock.now())
            .await
            .map_err(|error| say(&error))?;
        let signing = Arc::new(signing);
        let own = self.own_certificates(&store, &settings).await;
        let names = Names::new(
            self.clock.clone(),
            settings.config.clone(),
            signing.clone(),
            self.certificates.clone(),
            own.clone(),
        );
        let mailings = Mailings::open(
            store.clone(),
            self.clock.clone(),
            consent.clone(),
            staff.clone(),
            settings.mailings(&signing, names.clone()),
            self.bell.clone(),
        )
        .await
        .map_err(|error| say(&error))?;
        let queue = MailQueue::new(
            store.clone(),
            self.clock.clone(),
            Some(signing.clone()),
            Arc::new(consent.clone()),
            QueueSettings {
                schedule: settings.schedule(),
                host: settings.config.hostname.to_string(),
                postmaster: settings.postmaster(),
                templates: settings.templates.clone(),
            },
        );
        let pace = PaceBook::load(&store, settings.pace()).await;
        let checks = Checks::new(&settings.config).map_err(|error| say(&error))?;
        let rooms = Rooms::new(
            store,
            self.clock.clone(),
            &settings,
            super::rooms::Parts {
                staff,
                consent,
                mailings,
                queue,
                signing,
                names,
                certificates: own,
                bell: self.bell.clone(),
                pace,
                checks,
            },
        );
        rooms.consent.know_own(Arc::new(rooms.own_addresses()));
        Ok(Arc::new(rooms))
    }

    /// Our own certificates. What is wrong with them keeps no door shut: those of the last time are served.
    async fn own_certificates(
        &self,
        store: &Store,
        settings: &Settings,
    ) -> Option<Arc<OwnCertificates>> {
        let (store, served) = (store.clone(), self.certificates.clone());
        let opened = match settings.certificates() {
            Ok(None) => return None,
            Ok(Some(settings)) => {
                OwnCertificates::open(store, self.clock.clone(), served, settings)
                    .await
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match opened {
            Ok(own) => Some(own),
            Err(error) => {
                tracing::error!(error, "certificates are not looked after");
                let said = format!("certificates are not looked after: {error}");
                self.found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(said);
                None
            }
        }
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
        self.spawn(rooms.names.clone().run());
        if let Some(reporter) = rooms.reporter.clone() {
            self.spawn(reporter.run());
        }
        if let Some(own) = &rooms.certificates {
            self.spawn(own.clone().run());
        }
        self.spawn(work::policies(rooms.clone(), self.clock.clone()));
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

/// With less room than this, or twice the reserve, mail may be put off any moment.
const LITTLE_ROOM: u64 = 128 << 20;

/// Said before there is too little room for mail, and while there is.
fn little_room(data: &Path, space: Space) -> Option<String> {
    let (data, left, reserve) = (data.display(), space.left >> 20, space.reserve >> 20);
    if space.is_short() {
        return Some(format!(
            "mail is refused: less than the reserve of {reserve} MiB (limits.disk_reserve) is free on the disk that holds \
             {data}, {left} MiB; it is put off (nothing is lost) until there is room, withdrawals go on"
        ));
    }
    (space.left < LITTLE_ROOM.max(space.reserve.saturating_mul(2))).then(|| {
        format!(
            "the disk that holds {data} is nearly full: {left} MiB are left; with less than {reserve} MiB, mail is put off \
             (nothing is lost) until there is room"
        )
    })
}

/// The rooms before anybody is let in, and the way out for their mail.
pub struct Built {
    rooms: Arc<Rooms>,
    network: Network,
}

impl House for PartyHouse {
    type Rooms = Built;

    async fn build(&self, store: Store) -> Result<Built, Failure> {
        let what = "can't open the rooms";
        let next = "look at the log, mend it and try again: hustings unlock";
        self.look_at_logs(&store).await;
        let reserve = self.config().limits.disk_reserve;
        store.keep_free(reserve.map(ByteSize::bytes));
        let rooms = self.build_rooms(store).await;
        let rooms = rooms.map_err(|error| Failure::failed(what, error, next))?;
        let door = self.mail_door.get().copied();
        let network = self.settings.load().network(door, &rooms.trust);
        let network = network.map_err(|error| Failure::failed(what, error.to_string(), next))?;
        rooms.go_by(&network);
        if let Some(tally) = rooms.trust.tally()
            && let Err(error) = tally.load(&rooms.store).await
        {
            tracing::warn!(%error, "what came of TLS today can't be read; it is counted anew");
        }
        self.write_record(&rooms).await;
        say_gone_lists(&rooms);
        Ok(Built { rooms, network })
    }

    fn staff_of<'r>(&self, built: &'r Built) -> &'r StaffRoom {
        &built.rooms.staff
    }

    async fn apply(&self, built: &Built, withdrawal: Zeroizing<Vec<u8>>) -> Result<Effect, String> {
        let Some(withdrawal) = LockedWithdrawal::from_bytes(&withdrawal) else {
            return Ok(Effect::Unreadable);
        };
        let applied = withdrawal.apply(&built.rooms.consent).await;
        let applied = applied.map_err(|error| error.to_string())?;
        Ok(applied.map_or(Effect::Void, |_| Effect::Withdrawn))
    }

    fn open(&self, Built { rooms, network }: Built) {
        self.cell.open(rooms.clone());
        self.web.open(web::Rooms {
            consent: rooms.consent.clone(),
            approvals: Arc::new(rooms.mailings.clone()),
            reports: rooms.reports.clone(),
        });
        self.open_desk(&rooms);
        self.start_work(&rooms, network);
    }

    async fn report(&self, admin: bool) -> HouseReport {
        let rooms = self.cell.get();
        let state = if rooms.is_some() { "open" } else { "locked" };
        let mut doors = self.doors.get().cloned().unwrap_or_default();
        for door in &mut doors {
            state.clone_into(&mut door.state);
            door.connections = self.limits.open(&door.name) as u64;
        }
        let work = match &rooms {
            None => None,
            Some(rooms) => Some(work::work(rooms).await),
        };
        let mut warnings = Vec::new();
        warnings.extend(certificates::warnings(
            &self.certificates,
            rooms.as_deref(),
            self.clock.now(),
        ));
        warnings.extend_from_slice(&self.found.lock().unwrap_or_else(PoisonError::into_inner));
        warnings.extend_from_slice(&self.settings.load().faults);
        warnings.extend(self.little_room(rooms.as_deref()));
        warnings.extend(duties::reminders(&self.config().party, self.clock.now()));
        if let Some(rooms) = &rooms {
            warnings.extend_from_slice(rooms.signing.broken());
            warnings.extend(rooms.store.warnings());
            warnings.extend(gone_lists::warnings(rooms, admin));
            warnings.extend(rooms.names.warnings());
        }
        let rooms_own = rooms.as_ref().and_then(|rooms| rooms.certificates.clone());
        let broken = rooms.map_or(0, |rooms| rooms.staff.roll().broken());
        if broken > 0 {
            warnings.push(format!(
                "{} in the database can't be read and left out; see hustings store verify, and put back a copy of \
                 the database from before, or make a new account",
                match broken {
                    1 => "1 staff account".to_owned(),
                    many => format!("{many} staff accounts"),
                }
            ));
        }
        HouseReport {
            doors,
            certificates: certificates::report(
                &self.certificates,
                self.config().tls.source,
                rooms_own,
            ),
            refused: certificates::refused(&self.certificates),
            work,
            warnings,
        }
    }

    async fn reload(&self, by: &str) -> Result<Reloaded, Failure> {
        self.read_again(by).await
    }

    fn staff(&self) -> Option<StaffRoom> {
        self.cell.get().map(|rooms| rooms.staff.clone())
    }

    fn store(&self) -> Option<Store> {
        self.cell.get().map(|rooms| rooms.store.clone())
    }

    fn stop(&self) {
        self.stop.cancel();
    }
}

/// The log is read by whoever runs the machine, so that numbers stand there in steps.
fn say_gone_lists(rooms: &Rooms) {
    for warning in gone_lists::warnings(rooms, false) {
        tracing::warn!("{warning}");
    }
}

/// The configuration refuses 0.
fn signups(limits: &config::Limits) -> NonZeroU32 {
    NonZeroU32::new(limits.signups_per_network).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests;
