//! What a connection that came to one of our doors has agreed on.

use std::fmt;

use zeroize::Zeroizing;

/// Proof that a connection is encrypted: outside tests it is made from an established TLS session only, and
/// nothing that takes mail can be made without it.
#[derive(Clone)]
pub struct TlsInfo {
    version: &'static str,
    cipher: String,
    exporter: Option<Zeroizing<[u8; 32]>>,
}

impl TlsInfo {
    /// What an established session has agreed on; `None` while its handshake still runs.
    pub fn of(session: &rustls::ServerConnection) -> Option<Self> {
        let version = match session.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => "TLS1.2",
            rustls::ProtocolVersion::TLSv1_3 => "TLS1.3",
            _ => return None,
        };
        let suite = session.negotiated_cipher_suite()?.suite();
        // The library's names differ from IANA's in the prefix of the TLS 1.3 suites alone.
        let cipher = suite
            .as_str()
            .unwrap_or("unknown")
            .replacen("TLS13_", "TLS_", 1);
        let exporter = (version == "TLS1.3").then(|| tls_exporter(session));
        Some(Self {
            version,
            cipher,
            exporter: exporter.flatten(),
        })
    }

    /// A stand-in for a session, for tests of what comes after it.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn pretended() -> Self {
        Self {
            version: "TLS1.3",
            cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
            exporter: Some(Zeroizing::new([7; 32])),
        }
    }

    /// `TLS1.2` or `TLS1.3`.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The cipher suite's IANA name.
    pub fn cipher(&self) -> &str {
        &self.cipher
    }

    /// The `tls-exporter` channel binding (RFC 9266). Below TLS 1.3 it would need the extended master secret, so
    /// there it is not offered.
    pub fn exporter(&self) -> Option<&[u8; 32]> {
        self.exporter.as_deref()
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsInfo({} {})", self.version, self.cipher)
    }
}

fn tls_exporter(session: &rustls::ServerConnection) -> Option<Zeroizing<[u8; 32]>> {
    let mut value = Zeroizing::new([0; 32]);
    session
        .export_keying_material(value.as_mut_slice(), b"EXPORTER-Channel-Binding", Some(b""))
        .ok()?;
    Some(value)
}
