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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::ServerConfig;
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;
    use crate::tls::provider;

    #[tokio::test]
    async fn what_comes_to_nothing_is_counted_by_its_reason() {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let (tls, refusals) = (TlsAcceptor::from(Arc::new(config)), Refusals::default());
        let stop = CancellationToken::new();
        let shaken = async |said: &[u8], within| {
            let (mut ours, theirs) = duplex(1024);
            ours.write_all(said).await.expect("takes");
            let handshake = Handshake {
                tls: &tls,
                door: "imaps",
                refusals: &refusals,
                until: Instant::now() + within,
            };
            let client = IpAddr::from([192, 0, 2, 1]);
            assert!(handshake.shake(theirs, client, &stop).await.is_none());
            drop(ours);
        };
        shaken(b"a login ada secret\r\n", Duration::from_secs(20)).await;
        shaken(b"", Duration::from_millis(5)).await;
        let counted = refusals.all();
        let counted = counted
            .iter()
            .map(|one| (&*one.door, one.reason, one.times));
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [
                ("imaps", RefusedFor::NoTls, 1),
                ("imaps", RefusedFor::Stalled, 1)
            ]
        );
        // The service stops: nobody is counted for that.
        stop.cancel();
        shaken(b"", Duration::from_secs(20)).await;
        assert_eq!(refusals.all().len(), 2);
    }
}
