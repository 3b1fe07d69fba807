//! One request to one HTTPS server that has to prove who it is: nothing is redirected, and the size of the answer is not
//! the other side's to choose. Time is the caller's to keep, but for the connection's.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls::CertificateFault;

/// The longest that one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No certificate can be for this name.
    #[error("this is no host's name")]
    Name,
    /// The server wasn't reached, or broke off.
    #[error("the server was not reached ({0})")]
    Unreachable(ErrorKind),
    /// It took too long.
    #[error("the server took too long")]
    TimedOut,
    /// It didn't prove who it is.
    #[error("the server is not proven: {0}")]
    Certificate(CertificateFault),
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body; none if it is too long, or ended early.
    pub body: Option<Bytes>,
}

/// Sends a request to the server at this address, whose certificate has to be good for `host`. Of the answer's body no more
/// than `most` octets are taken. Without `tls` nobody is trusted.
///
/// # Errors
/// [`ExchangeError`].
pub async fn exchange(
    tls: Option<&Arc<ClientConfig>>,
    address: SocketAddr,
    host: &str,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answered, ExchangeError> {
    let unreachable = |error: std::io::Error| ExchangeError::Unreachable(error.kind());
    let stream = timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| ExchangeError::TimedOut)?
        .map_err(unreachable)?;
    let Some(tls) = tls else {
        return Err(ExchangeError::Certificate(CertificateFault::Untrusted));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ExchangeError::Name)?;
    let stream = TlsConnector::from(tls.clone())
        .connect(name, stream)
        .await
        .map_err(|error| of_handshake(&error))?;
    let broken = |_: hyper::Error| ExchangeError::Unreachable(ErrorKind::ConnectionReset);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, most).collect().await;
        Ok(Answered {
            status: head.status,
            headers: head.headers,
            body: body.ok().map(|body| body.to_bytes()),
        })
    };
    // The connection ends with the answer, whatever else its other end would like to say.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

fn of_handshake(error: &std::io::Error) -> ExchangeError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls.and_then(CertificateFault::of) {
        Some(fault) => ExchangeError::Certificate(fault),
        None => ExchangeError::Unreachable(error.kind()),
    }
}
