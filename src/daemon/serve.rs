//! The service: starts all parts in their order, and stops them in the other.

mod error;
mod starting;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::house::{HouseParts, PartyHouse};
use super::keeper::{Keeper, KeeperError, key_source};
use super::notify::{self, Sockets};
use super::on_record::SERVICE;
use super::rooms::Rooms;
use super::service::ServiceDesk;
use super::settings::Settings;
use super::signals::{Asked, Signals};
use super::{hardening, logging};
use crate::certificate::at_start;
use crate::clock::Clock;
use crate::config::{CertificateSource, Config, FileDigest};
use crate::control::api::service::{DoorReport, LockState};
use crate::tls::{Certificates, PairFiles};

pub use error::StartError;
use starting::Starting;

/// How long final dots that have left may take to be answered at a stop.
const LAST_DOTS: Duration = Duration::from_secs(20);

/// What a start needs beside the configuration.
pub struct StartOptions {
    /// The clock.
    pub clock: Clock,
    /// What the configuration says.
    pub settings: Settings,
    /// Where the pages also answer without TLS: on loopback, for the sandbox.
    pub plain_pages: Option<SocketAddr>,
    /// Sockets that systemd handed over.
    pub sockets: Sockets,
    /// The configuration's file, read again at a reload.
    pub reload_from: Option<PathBuf>,
    /// Which configuration that is, as it was read.
    pub digest: Option<FileDigest>,
    /// Start locked, whatever the key's source.
    pub stay_locked: bool,
    /// What `status` should warn of since the start.
    pub warnings: Vec<String>,
}

/// Where the doors listen.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// Mail from other servers.
    pub smtp: Vec<SocketAddr>,
    /// Mail from staff, TLS first.
    pub submissions: Vec<SocketAddr>,
    /// Mail from staff, STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// The staff's folders.
    pub imaps: Vec<SocketAddr>,
    /// The staff's INBOX, to be fetched.
    pub pop3s: Vec<SocketAddr>,
    /// The pages.
    pub https: Vec<SocketAddr>,
    /// Port 80.
    pub http: Vec<SocketAddr>,
    /// The pages without TLS, in the sandbox.
    pub plain: Vec<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
}

/// A running service.
pub struct Running {
    /// Where it listens.
    pub doors: Doors,
    house: Arc<PartyHouse>,
    keeper: Arc<Keeper>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// The rooms, while the vault is open.
    pub fn rooms(&self) -> Option<Arc<Rooms>> {
        self.house.cell().get()
    }

    /// Ends once something asked the service to stop.
    pub async fn wait(&self) {
        self.stop.cancelled().await;
    }

    /// Stops: doors finish what they are in, the engine its last dots; then the store is closed.
    pub async fn stop(self) {
        self.keeper.stopping();
        self.stop.cancel();
        self.tasks.close();
        self.house.close(LAST_DOTS).await;
        self.tasks.wait().await;
    }
}

/// Starts the service.
///
/// # Errors
/// A [`StartError`] that says what to mend; nothing runs then.
pub async fn start(options: StartOptions) -> Result<Running, StartError> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let config = options.settings.config.clone();
    let clock = options.clock.clone();
    let certificates = certificates(&config, clock.now())?;
    let keeper = keeper(&config).await?;
    let house = PartyHouse::new(HouseParts {
        clock: clock.clone(),
        settings: options.settings,
        reload_from: options.reload_from,
        digest: options.digest,
        certificates: certificates.clone(),
        locked: keeper.locked_box().clone(),
        https: options.plain_pages.is_none(),
        stop: stop.clone(),
    })?;
    let mut starting = Starting {
        config: &config,
        house: &house,
        certificates: &certificates,
        clock: clock.clone(),
        stop: &stop,
        tasks: &tasks,
        sockets: options.sockets,
        doors: Doors::default(),
    };
    let bound = starting.bind_doors().await?;
    let service = ServiceDesk::new(
        house.clone(),
        keeper.clone(),
        clock.clone(),
        options.warnings,
    );
    starting.open_control(&service)?;
    // Callers wait in the kernel's queue meanwhile: what came while locked is applied before any door answers.
    if !options.stay_locked && !keeper.waits_for_unlock() {
        service
            .unlock(None, None)
            .await
            .map_err(StartError::Unlock)?;
    }
    if keeper.state() == LockState::Locked {
        tracing::info!("locked: waits for hustings unlock");
    }
    starting.serve_doors(bound);
    if let Some(address) = options.plain_pages {
        starting.serve_plain(address).await?;
    }
    let doors = starting.doors;
    if config.tls.source == CertificateSource::Files {
        let watched = certificates.clone().watch(config.tls.check_every, clock);
        tasks.spawn(until(stop.clone(), watched));
    }
    Ok(Running {
        doors,
        house,
        keeper,
        stop,
        tasks,
    })
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

fn certificates(config: &Config, now: Timestamp) -> Result<Arc<Certificates>, StartError> {
    if config.tls.source != CertificateSource::Files {
        let names: Vec<String> = config
            .certificate_names()
            .iter()
            .map(ToString::to_string)
            .collect();
        return Ok(Certificates::fixed(at_start(
            &config.tls.directory,
            &names,
            now,
        )?));
    }
    let files = config.tls.certificate.iter().map(|pair| PairFiles {
        chain: pair.chain.clone(),
        key: pair.key.clone(),
    });
    Ok(Certificates::open(files.collect(), now)?)
}

async fn keeper(config: &Config) -> Result<Arc<Keeper>, KeeperError> {
    let source = key_source(&config.key);
    let buffers = config.limits.buffers.as_usize();
    Keeper::open(&config.data_dir, &config.runtime_dir, source, buffers)
        .await
        .map(Arc::new)
}

fn report(name: &str, bound: &[SocketAddr]) -> DoorReport {
    DoorReport {
        name: name.to_owned(),
        addresses: bound.iter().map(ToString::to_string).collect(),
        state: "locked".to_owned(),
        connections: 0,
    }
}

/// The date of a configuration file, printed on the privacy notice; today if the file has none.
pub(super) fn date_of(path: &Path, clock: &Clock) -> Date {
    let changed = std::fs::metadata(path)
        .and_then(|about| about.modified())
        .ok();
    let at = changed.and_then(|changed| Timestamp::try_from(changed).ok());
    at.unwrap_or_else(|| clock.now())
        .to_zoned(TimeZone::UTC)
        .date()
}

/// Runs the service until a signal or `hustings lock` ends it. The sockets were [taken](Sockets::take) before there was a
/// runtime.
///
/// # Errors
/// A [`StartError`] if it does not start.
pub async fn run(path: &Path, stay_locked: bool, sockets: Sockets) -> Result<(), StartError> {
    let (digest, config) = Config::load_for_record(path);
    let config = config.map_err(|errors| StartError::Config(Box::new(errors)))?;
    logging::start(&config.log);
    let shown = digest.as_ref().map(FileDigest::to_string);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = shown.as_deref().unwrap_or("unknown"),
        "the service starts"
    );
    let warnings = hardening::harden();
    let clock = Clock::system();
    let settings = Settings::new(config, date_of(path, &clock))?;
    let mut signals = Signals::listen()?;
    let running = start(StartOptions {
        clock,
        settings,
        plain_pages: None,
        sockets,
        reload_from: Some(path.to_owned()),
        digest,
        stay_locked,
        warnings,
    })
    .await?;
    notify::ready(standing(&running.house));
    let house = running.house.clone();
    tokio::spawn(notify::watchdog(running.stop.clone(), move || {
        let house = house.clone();
        async move { house.is_alive().await }
    }));
    loop {
        tokio::select! {
            () = running.wait() => {
                tracing::info!("stopping: as asked on the control socket");
                break;
            }
            asked = signals.next() => match asked {
                Asked::Stop => {
                    tracing::info!("stopping: a signal asked for it (SIGTERM or SIGINT)");
                    break;
                }
                Asked::Reload => reload(&running.house).await,
            },
        }
    }
    notify::stopping();
    let stop = running.stop.clone();
    signals.drain(&stop, running.stop()).await;
    tracing::info!("stopped");
    Ok(())
}

async fn reload(house: &Arc<PartyHouse>) {
    use super::service::House as _;
    notify::reloading();
    if let Err(failure) = house.reload(SERVICE).await {
        // A record is a line: each mistake has its own.
        for failure in failure
            .to_string()
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            tracing::error!(
                failure,
                "the configuration was not read again; the old one stays in force"
            );
        }
    }
    notify::ready(standing(house));
}

/// What systemd shows of us.
fn standing(house: &PartyHouse) -> &'static str {
    if house.cell().get().is_none() {
        "locked: waits for hustings unlock"
    } else {
        "unlocked"
    }
}
