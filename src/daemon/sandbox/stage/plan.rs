//! What a stage may differ in, and the ports that it may have.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

#[cfg(doc)]
use super::DOMAIN;
use crate::control::SecretText;

/// What a stage may differ in.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The directory; none is a throwaway one.
    pub directory: Option<PathBuf>,
    /// Its domain, where that is another than [`DOMAIN`].
    pub domain: Option<&'static str>,
    /// Ports of SMTP, submissions, submission, pages, plain pages, IMAP and POP3; 0 is any.
    pub ports: [u16; 7],
    /// Where all mail to the outside goes.
    pub outside: SocketAddr,
    /// Whether it goes there by a fixed route; else DNS says where it goes.
    pub routed: bool,
    /// More lines of configuration, by section: `("limits", "recipients = 5")`. The section `""` is the top.
    pub more: Vec<(&'static str, String)>,
    /// Where the root key comes from: this passphrase, or a key file if there is none.
    pub passphrase: Option<SecretText>,
}

impl Plan {
    /// Any ports, a throwaway directory.
    pub fn new(outside: SocketAddr) -> Self {
        Self {
            directory: None,
            domain: None,
            ports: [0; 7],
            outside,
            routed: true,
            more: Vec::new(),
            passphrase: None,
        }
    }

    /// The ports from this one on; the command line keeps it so low that there are seven.
    pub fn ports_from(mut self, first: Option<u16>) -> Self {
        if let Some(first) = first {
            self.ports = [0, 1, 2, 3, 4, 5, 6].map(|n| first.saturating_add(n));
        }
        self
    }
}

/// Ports that are free now: for a daemon that is to come back to the same ones. None is of those that the kernel gives to
/// outgoing connections, one of which could have it while the daemon is away; and none was given by this before.
///
/// # Errors
/// If none is.
pub fn free_ports() -> io::Result<[u16; 7]> {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 22_000;
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut held: Vec<std::net::TcpListener> = Vec::new();
    for _ in 0..1_000 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let port = FIRST + u16::from_be_bytes(random) % COUNT;
        if given.contains(&port) {
            continue;
        }
        held.extend(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if held.len() == 7 {
            break;
        }
    }
    let mut ports = [0; 7];
    for (n, port) in ports.iter_mut().enumerate() {
        let listener = held.get(n).ok_or(io::ErrorKind::AddrInUse)?;
        *port = listener.local_addr()?.port();
    }
    given.extend(ports);
    Ok(ports)
}
