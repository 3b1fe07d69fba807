//! Why the service doesn't start.

use std::io;
use std::net::SocketAddr;

use super::super::keeper::KeeperError;
use super::super::settings::SettingsError;
use crate::config::ConfigErrors;
use crate::control::Failure;
use crate::tls::{PairError, SelfMadeError};

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
        "the door {name} can't listen on {address}: {source}; {next} listen.{name}",
        next = listen_next(.source)
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

/// What to do about a door that can't listen, up to the key that it stands in.
fn listen_next(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "this machine hasn't that address (`ip address` shows those that it has): change"
        }
        io::ErrorKind::PermissionDenied => {
            "ports under 1024 need the right that config/hustings.service gives: start it as that unit does, or change"
        }
        _ => "stop what listens there, or change",
    }
}
