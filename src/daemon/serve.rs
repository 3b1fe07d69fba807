//! The daemon, started and stopped (a stand-in until the real one lands).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::rooms::Rooms;
use super::settings::Settings;
use crate::clock::Clock;
use crate::vault::RootKey;

/// How to start.
pub struct StartOptions {
    /// The clock.
    pub clock: Clock,
    /// What the rooms are told.
    pub settings: Settings,
    /// The root key; none: by the configuration.
    pub root: Option<RootKey>,
    /// Pages on plain HTTP.
    pub plain_pages: Option<SocketAddr>,
    /// Sockets from systemd.
    pub adopt_sockets: bool,
    /// The file to reload.
    pub reload: Option<PathBuf>,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
#[error("it could not be started")]
pub struct StartError;

/// Where it listens.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// MX.
    pub smtp: Vec<SocketAddr>,
    /// Implicit TLS.
    pub submissions: Vec<SocketAddr>,
    /// STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// Pages.
    pub https: Vec<SocketAddr>,
    /// Pages in the clear.
    pub plain: Vec<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
}

/// It runs.
pub struct Running {
    /// Where.
    pub doors: Doors,
}

/// Starts.
///
/// # Errors
/// Always.
pub async fn start(_: StartOptions) -> Result<Running, StartError> {
    Err(StartError)
}

impl Running {
    /// The rooms.
    pub fn rooms(&self) -> Option<Arc<Rooms>> {
        None
    }
    /// Stops.
    pub async fn stop(self) {}
    /// Waits.
    pub async fn wait(&self) {}
}
