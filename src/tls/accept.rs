//! How a connection that comes to a door of ours is encrypted: within a time, and counted where it comes to nothing.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Refusals, RefusedFor, TlsInfo};

/// What a door needs for its handshakes.
pub struct Handshake<'a> {
    /// Its certificates and settings.
    pub tls: &'a TlsAcceptor,
    /// Its name in logs and counts.
    pub door: &'static str,
    /// Where those that come to nothing are counted.
    pub refusals: &'a Refusals,
    /// Until when one has to be over.
    pub until: Instant,
}

impl Handshake<'_> {
    /// Encrypts a connection. `None` if nothing came of it, or the service stops: then the connection is over, and there is
    /// no way back to the clear.
    pub async fn shake<S>(
        self,
        socket: S,
        client: IpAddr,
        stop: &CancellationToken,
    ) -> Option<(TlsStream<S>, TlsInfo)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            outcome = timeout_at(self.until, self.tls.accept(socket)) => outcome,
        };
        let reason = match outcome {
            Ok(Ok(stream)) => {
                let tls = TlsInfo::of(stream.get_ref().1)?;
                tracing::debug!(version = tls.version(), cipher = tls.cipher(), "encrypted");
                return Some((stream, tls));
            }
            Ok(Err(error)) => {
                tracing::info!(reason = %error, "TLS handshake refused");
                RefusedFor::of(&error)
            }
            Err(_) => {
                tracing::info!(reason = "stalled", "TLS handshake refused");
                RefusedFor::Stalled
            }
        };
        self.refusals.count(self.door, reason, client);
        None
    }
}
