//! The server's side of TLS, per door.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};

use super::certificates::{Certificates, WithChallenges};
use super::challenges::ACME_TLS;

/// Which door is asking for its TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Port 25. No session tickets and no resumption: Microsoft's servers drop a session in which they see a TLS 1.3
    /// ticket, and a key that could open recorded sessions is better not there.
    Mx,
    /// Ports 465, 587, 993 and 995: for staff.
    Submission,
    /// Port 443: HTTP/2 and HTTP/1.1 by ALPN; and TLS-ALPN-01, for ACME authorities.
    Https,
}

/// The TLS set-up of a door: TLS 1.2 and 1.3, the given certificates, no client certificates, no early data.
///
/// # Panics
/// Never: AWS-LC has both versions.
pub fn server_config(certificates: Arc<Certificates>, door: Door) -> Arc<ServerConfig> {
    let resolver: Arc<dyn ResolvesServerCert> = match door {
        Door::Https => Arc::new(WithChallenges(certificates)),
        Door::Mx | Door::Submission => certificates,
    };
    let mut config = ServerConfig::builder_with_provider(super::provider())
        .with_protocol_versions(super::VERSIONS)
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.max_early_data_size = 0;
    // Ours are all strong; that ours is the order is what scanners ask for.
    config.ignore_client_order = true;
    match door {
        Door::Mx => {
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Door::Submission => {}
        Door::Https => {
            config.alpn_protocols = [b"h2".as_slice(), b"http/1.1", ACME_TLS]
                .map(<[u8]>::to_vec)
                .into();
        }
    }
    Arc::new(config)
}
