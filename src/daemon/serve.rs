//! The service: starts all parts in their order, and stops them in the other.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::house::{HouseParts, PartyHouse};
use super::keeper::{Keeper, KeeperError, key_source};
use super::mail_in::MailIn;
use super::notify::{self, Sockets};
use super::on_record::SERVICE;
use super::rooms::Rooms;
use super::service::{NobodyKnown, ServiceDesk};
use super::settings::{Settings, SettingsError};
use super::signals::{Asked, Signals};
use super::{hardening, logging};
use crate::certificate::at_start;
use crate::clock::Clock;
use crate::config::{CertificateSource, Config, ConfigErrors, FileDigest};
use crate::control::api::service::{DoorReport, LockState};
use crate::control::{self, Desk, Failure, Server};
use crate::smtp::server::{Door as SmtpDoor, Role};
use crate::tls::{
    Certificates, Door as TlsDoor, PairError, PairFiles, SelfMadeError, server_config,
};
use crate::web::Door as WebDoor;

/// How long final dots that have left may take to be answered at a stop.
const LAST_DOTS: Duration = Duration::from_secs(20);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error("the configuration is wrong:\n{0}")]
    Config(Box<ConfigErrors>),
    /// What the configuration says can't be done.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A certificate.
    #[error("{source}; {next}", next = .source.next_step())]
    Certificate {
        /// Which, and why.
        #[from]
        source: PairError,
    },
    /// A certificate of our own.
    #[error(transparent)]
    SelfMade(#[from] SelfMadeError),
    /// The store or its keys.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// A door.
    #[error(
        "the door {name} can't listen on {address}: {source}; stop what listens there, or change listen.{name}"
    )]
    Listen {
        /// Which door.
        name: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The control socket, signals or systemd's sockets.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The vault did not open.
    #[error("{0}")]
    Unlock(Failure),
}

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

/// A door's name and its listeners.
type Bound = (&'static str, Vec<TcpListener>);

/// The doors while they are being opened.
struct Starting<'a> {
    config: &'a Config,
    house: &'a Arc<PartyHouse>,
    certificates: &'a Arc<Certificates>,
    clock: Clock,
    stop: &'a CancellationToken,
    tasks: &'a TaskTracker,
    sockets: Sockets,
    doors: Doors,
}

impl Starting<'_> {
    /// Takes the ports, so that one that is in use is known before anything is opened.
    async fn bind_doors(&mut self) -> Result<Vec<Bound>, StartError> {
        let mut all = Vec::new();
        let mut reports = Vec::new();
        for (name, addresses, fd) in self.config.listen.all() {
            let listeners = self.listeners(name, addresses, fd).await?;
            let bound: Vec<SocketAddr> = listeners
                .iter()
                .map(TcpListener::local_addr)
                .collect::<io::Result<_>>()?;
            reports.push(report(name, &bound));
            *self.bound(name) = bound;
            all.push((name, listeners));
        }
        self.house.set_doors(reports);
        self.house.set_mail_door(&self.doors.smtp);
        for left in self.sockets.left() {
            tracing::warn!(
                socket = left,
                "systemd handed over a socket that no door is set to use"
            );
        }
        Ok(all)
    }

    fn serve_doors(&self, bound: Vec<Bound>) {
        for (name, listeners) in bound {
            // Where it listens stands in the configuration; no address is logged, not even our own.
            tracing::info!(door = name, sockets = listeners.len(), "a door is open");
            match name {
                "smtp" => self.serve_smtp(name, Role::Mx, listeners),
                "submissions" => self.serve_smtp(name, Role::Submissions, listeners),
                "submission" => self.serve_smtp(name, Role::Submission, listeners),
                "http" => self.serve_port_80(name, listeners),
                _ => self.serve_pages(name, listeners),
            }
        }
    }

    fn bound(&mut self, name: &str) -> &mut Vec<SocketAddr> {
        match name {
            "smtp" => &mut self.doors.smtp,
            "submissions" => &mut self.doors.submissions,
            "submission" => &mut self.doors.submission,
            "http" => &mut self.doors.http,
            _ => &mut self.doors.https,
        }
    }

    /// systemd's sockets of this name, or else our own.
    async fn listeners(
        &mut self,
        name: &'static str,
        addresses: &[SocketAddr],
        fd: &str,
    ) -> Result<Vec<TcpListener>, StartError> {
        let given = self.sockets.named(fd);
        if !given.is_empty() {
            return Ok(given
                .into_iter()
                .map(TcpListener::from_std)
                .collect::<io::Result<_>>()?);
        }
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let bound = TcpListener::bind(address).await;
            let failed = |source| StartError::Listen {
                name,
                address: *address,
                source,
            };
            listeners.push(bound.map_err(failed)?);
        }
        Ok(listeners)
    }

    fn serve_smtp(&self, name: &'static str, role: Role, listeners: Vec<TcpListener>) {
        let tls = match role {
            Role::Mx => TlsDoor::Mx,
            Role::Submissions | Role::Submission => TlsDoor::Submission,
        };
        let acceptor = TlsAcceptor::from(server_config(self.certificates.clone(), tls));
        let host = Arc::new(MailIn::new(self.house.cell()));
        let host_name: Arc<str> = self.config.hostname.as_str().into();
        let limits = self.house.limits();
        let door = SmtpDoor::new(role, host_name, host, acceptor, self.clock.clone())
            .with_shared_limits(limits.mail())
            .with_refusals(self.certificates.refusals().clone());
        let (door, admission) = (Arc::new(door), limits.admission(name));
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    fn serve_pages(&self, name: &'static str, listeners: Vec<TcpListener>) {
        let tls = server_config(self.certificates.clone(), TlsDoor::Https);
        let door = Arc::new(
            WebDoor::https(self.house.web(), tls)
                .with_refusals(self.certificates.refusals().clone()),
        );
        let admission = self.house.limits().admission(name);
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    fn serve_port_80(&self, name: &'static str, listeners: Vec<TcpListener>) {
        let challenges = self.certificates.challenges().clone();
        let front = format!("{}/", self.config.pages_url());
        let door = Arc::new(WebDoor::port_80(challenges, &front));
        let admission = self.house.limits().admission(name);
        for listener in listeners {
            let (door, admission, stop) = (door.clone(), admission.clone(), self.stop.clone());
            self.tasks
                .spawn(async move { door.listen(listener, admission, stop).await });
        }
    }

    async fn serve_plain(&mut self, address: SocketAddr) -> Result<(), StartError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen {
                name: "https",
                address,
                source,
            })?;
        self.doors.plain.push(listener.local_addr()?);
        let (web, admission, stop) = (
            self.house.web().clone(),
            self.house.limits().admission("plain"),
            self.stop.clone(),
        );
        self.tasks.spawn(async move {
            if let Err(error) = WebDoor::listen_plain(&web, listener, admission, stop).await {
                tracing::error!(%error, "the plain pages are not served");
            }
        });
        Ok(())
    }

    fn open_control(&mut self, service: &Arc<ServiceDesk<PartyHouse>>) -> Result<(), StartError> {
        let path = self.config.runtime_dir.join("control.sock");
        let listener = control::bind(&path)?;
        let server = Server::new(
            service.register(Desk::new()),
            NobodyKnown,
            control::Limits::default(),
        );
        self.house
            .attach(server.clone(), Desk::new(), service.clone());
        let stop = self.stop.clone();
        self.tasks
            .spawn(async move { server.serve(listener, stop).await });
        self.doors.control = path;
        Ok(())
    }
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
