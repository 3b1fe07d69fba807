//! The way to an authority: HTTPS that insists on proof. Each request has a connection of its own, nothing is redirected,
//! and neither time nor size is the other side's to choose.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::dns::Resolver;

/// The longest that a request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest answer.
const LONGEST: usize = 1 << 20;

/// Why an authority could not be asked.
#[derive(Debug, thiserror::Error)]
enum NotAsked {
    #[error("{0} is no address to ask")]
    Address(Uri),
    #[error("{host} was not found: {why}")]
    Lookup { host: String, why: String },
    #[error("{host} was not reached: {why}")]
    Unreachable { host: String, why: String },
    #[error("{0} took too long")]
    TimedOut(String),
    #[error("{host} broke off: {why}")]
    Broken { host: String, why: String },
}

/// Whether an error is of the way to an authority, and nothing that it said.
pub(super) fn is_own(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<NotAsked>()
}

/// Asks authorities.
#[derive(Clone)]
pub struct Http {
    /// DNS.
    pub resolver: Resolver,
    /// TLS that insists on proof.
    pub tls: Arc<ClientConfig>,
}

impl Http {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NotAsked> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = self.resolver.addresses(host).await;
        found.map_err(|why| NotAsked::Lookup {
            host: host.to_owned(),
            why: why.to_string(),
        })
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, NotAsked> {
        let mut last = "it has no address".to_owned();
        for ip in self.addresses(host).await? {
            let connecting = TcpStream::connect(SocketAddr::new(ip, port));
            match timeout(CONNECT, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => "no answer in time".clone_into(&mut last),
            }
        }
        Err(NotAsked::Unreachable {
            host: host.to_owned(),
            why: last,
        })
    }

    async fn ask(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, NotAsked> {
        let uri = request.uri().clone();
        let host = uri
            .host()
            .filter(|_| uri.scheme_str() == Some("https"))
            .ok_or_else(|| NotAsked::Address(uri.clone()))?
            .trim_matches(['[', ']'])
            .to_owned();
        let broken = |error: &dyn std::fmt::Display| NotAsked::Broken {
            host: host.clone(),
            why: error.to_string(),
        };
        let stream = self.connect(&host, uri.port_u16().unwrap_or(443)).await?;
        let name =
            ServerName::try_from(host.clone()).map_err(|_| NotAsked::Address(uri.clone()))?;
        let connecting = TlsConnector::from(self.tls.clone()).connect(name, stream);
        let stream = connecting.await.map_err(|error| broken(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let (mut parts, body) = request.into_parts();
        if let Some(authority) = uri.authority() {
            let value = authority.as_str().parse();
            parts
                .headers
                .insert(HOST, value.map_err(|error| broken(&error))?);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse().map_err(|error| broken(&error))?;
        let answer = async {
            let sent = sender.send_request(Request::from_parts(parts, body)).await;
            let (parts, body) = sent.map_err(|error| broken(&error))?.into_parts();
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|error| broken(&error))?.to_bytes();
            Ok(Response::from_parts(parts, Full::new(body)))
        };
        // The connection ends with the answer, whatever else its other end would like to say.
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let http = self.clone();
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let answer = timeout(PATIENCE, http.ask(request)).await;
            let answer = answer.unwrap_or(Err(NotAsked::TimedOut(host)));
            let answer = answer.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(answer))
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::NotAsked;

    pub(crate) fn unreachable() -> Box<dyn std::error::Error + Send + Sync + 'static> {
        Box::new(NotAsked::TimedOut("authority.example".to_owned()))
    }
}
