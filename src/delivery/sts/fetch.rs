//! Fetching a policy over HTTPS (RFC 8461 §3.3): the certificate must be good for `mta-sts.` and the domain, nothing is
//! redirected, and neither time nor size is the other side's to choose.

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

use super::text::{MAX_POLICY, Policy, PolicyError};
use crate::address::Domain;
use crate::delivery::https::{ExchangeError, exchange};
use crate::delivery::route::Reach;
use crate::dns::{LookupError, Resolver, is_public};
use crate::tls::CertificateFault;

/// The longest that a fetch may take; §3.3 speaks of a minute.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Its host wasn't found.
    #[error("the host of the MTA-STS policy was not found: {0}")]
    Lookup(#[from] LookupError),
    /// Its host wasn't reached, or broke off.
    #[error("the host of the MTA-STS policy was not reached ({0})")]
    Unreachable(ErrorKind),
    /// It took too long.
    #[error("the host of the MTA-STS policy took too long")]
    TimedOut,
    /// Its host didn't prove who it is.
    #[error("the host of the MTA-STS policy is not proven: {0}")]
    Certificate(CertificateFault),
    /// It answered something else than 200; redirections are not followed.
    #[error("the host of the MTA-STS policy answered {0}")]
    Status(u16),
    /// It isn't text/plain.
    #[error("the MTA-STS policy is not text/plain")]
    ContentType,
    /// It is too long, or ended early.
    #[error("the MTA-STS policy is too long or ended early")]
    Body,
    /// It isn't a policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Fetches policies.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// DNS.
    pub resolver: Resolver,
    /// TLS that insists on proof; none if nobody is trusted.
    pub tls: Option<Arc<ClientConfig>>,
    /// The port: 443.
    pub port: u16,
    /// Where DNS may send us.
    pub reach: Reach,
}

impl Fetcher {
    /// The id of the domain's policy, as DNS has it now; none if it has none.
    ///
    /// # Errors
    /// [`LookupError`] if DNS gave no answer.
    pub async fn id(&self, domain: &Domain) -> Result<Option<String>, LookupError> {
        match self.resolver.texts(&format!("_mta-sts.{domain}")).await {
            Ok(texts) => Ok(super::text::record_id(&texts)),
            Err(LookupError::NoSuchDomain) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches the domain's policy.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, domain: &Domain) -> Result<Policy, FetchError> {
        timeout(PATIENCE, self.fetch_patiently(domain))
            .await
            .unwrap_or(Err(FetchError::TimedOut))
    }

    async fn fetch_patiently(&self, domain: &Domain) -> Result<Policy, FetchError> {
        let host = format!("mta-sts.{domain}");
        let addresses = self.resolver.addresses(&host).await?;
        let mut last = FetchError::Unreachable(ErrorKind::AddrNotAvailable);
        for ip in addresses {
            // DNS is written by strangers: it must not make us speak to what listens in our own network.
            if self.reach == Reach::Public && !is_public(ip) {
                continue;
            }
            match self.get(SocketAddr::new(ip, self.port), &host).await {
                Err(error @ (FetchError::Unreachable(_) | FetchError::TimedOut)) => last = error,
                done => return Ok(Policy::parse(&done?)?),
            }
        }
        Err(last)
    }

    async fn get(&self, address: SocketAddr, host: &str) -> Result<Bytes, FetchError> {
        let request = Request::get("/.well-known/mta-sts.txt")
            .header(HOST, host)
            .header(USER_AGENT, "hustings")
            .body(Full::new(Bytes::new()))
            .map_err(|_| FetchError::Lookup(LookupError::NoSuchDomain))?;
        let answer = exchange(self.tls.as_ref(), address, host, request, MAX_POLICY).await?;
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status(answer.status.as_u16()));
        }
        if !is_plain_text(answer.headers.get(CONTENT_TYPE)) {
            return Err(FetchError::ContentType);
        }
        answer.body.ok_or(FetchError::Body)
    }
}

impl From<ExchangeError> for FetchError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Name => Self::Lookup(LookupError::NoSuchDomain),
            ExchangeError::Unreachable(kind) => Self::Unreachable(kind),
            ExchangeError::TimedOut => Self::TimedOut,
            ExchangeError::Certificate(fault) => Self::Certificate(fault),
        }
    }
}

/// `text/plain`, with or without parameters.
fn is_plain_text(value: Option<&hyper::header::HeaderValue>) -> bool {
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/plain")
}
