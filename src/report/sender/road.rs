//! The way to a web address that wants our reports: over TLS that proves who it is, and nowhere else.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::delivery::engine::Network;
use crate::delivery::https::{ExchangeError, exchange};
use crate::delivery::route::Reach;
use crate::dns::{LookupError, Resolver, is_public};
use crate::report::rua::HttpsPlace;

/// The longest that a place may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What of the answer is read.
const ANSWER: usize = 4 * 1024;

/// The way to others.
#[derive(Debug, Clone)]
pub struct Road {
    /// DNS.
    pub resolver: Resolver,
    /// TLS that insists on proof; none if nobody is trusted.
    pub tls: Option<Arc<ClientConfig>>,
    /// Where DNS may send us.
    pub reach: Reach,
}

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Its host wasn't found.
    #[error("its host was not found: {0}")]
    Lookup(#[from] LookupError),
    /// Its host wasn't reached, or isn't proven.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It answered something else than that it took it; redirections are not followed.
    #[error("it was answered {0}")]
    Status(StatusCode),
    /// It took too long.
    #[error("its host took too long")]
    TimedOut,
    /// It can't be asked for.
    #[error("its address can't be asked for")]
    Address,
}

impl Road {
    /// The way that mail takes.
    pub fn of(network: &Network) -> Self {
        Self {
            resolver: network.router.resolver.clone(),
            tls: network.dialer.tls.verified(),
            reach: network.router.reach,
        }
    }

    /// Posts a packed report.
    ///
    /// # Errors
    /// [`PostError`].
    pub async fn post(&self, to: &HttpsPlace, packed: &[u8]) -> Result<(), PostError> {
        let posted = timeout(PATIENCE, self.post_patiently(to, packed)).await;
        posted.unwrap_or(Err(PostError::TimedOut))
    }

    async fn post_patiently(&self, to: &HttpsPlace, packed: &[u8]) -> Result<(), PostError> {
        let host = to.host.as_str();
        let mut last = ExchangeError::Unreachable(ErrorKind::AddrNotAvailable);
        for ip in self.resolver.addresses(host).await? {
            // DNS is written by strangers: it must not make us speak to what listens in our own network.
            if self.reach == Reach::Public && !is_public(ip) {
                continue;
            }
            let named = match to.port {
                443 => host.to_owned(),
                port => format!("{host}:{port}"),
            };
            let request = Request::post(&to.path)
                .header(HOST, named)
                .header(USER_AGENT, "hustings")
                .header(CONTENT_TYPE, "application/tlsrpt+gzip")
                .body(Full::new(Bytes::copy_from_slice(packed)))
                .map_err(|_| PostError::Address)?;
            let address = SocketAddr::new(ip, to.port);
            match exchange(self.tls.as_ref(), address, host, request, ANSWER).await {
                Ok(answered) if answered.status.is_success() => return Ok(()),
                Ok(answered) => return Err(PostError::Status(answered.status)),
                Err(error @ (ExchangeError::Unreachable(_) | ExchangeError::TimedOut)) => {
                    last = error;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.into())
    }
}
