//! What an ACME authority wants to see while it looks whether a name is ours: a text on port 80 (HTTP-01, RFC 8555 §8.3) or
//! a certificate on the https port (TLS-ALPN-01, RFC 8737). Doors read it, and whoever asks for a certificate fills it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::self_made::SelfMadeError;

/// The protocol of TLS-ALPN-01.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The answers at hand.
#[derive(Default)]
pub struct Challenges(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    /// By token.
    texts: HashMap<String, String>,
    /// By name.
    keys: HashMap<String, Arc<CertifiedKey>>,
}

/// An answer that stands until this goes.
#[must_use]
pub struct Answering {
    challenges: Arc<Challenges>,
    of: Of,
}

enum Of {
    Token(String),
    Name(String),
}

impl Challenges {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers for a token on port 80.
    pub fn answer_http(self: &Arc<Self>, token: &str, text: &str) -> Answering {
        let mut answers = self.answers();
        answers.texts.insert(token.to_owned(), text.to_owned());
        Answering {
            challenges: self.clone(),
            of: Of::Token(token.to_owned()),
        }
    }

    /// Answers for a name on the https port, with this digest in a certificate that is good for nothing else.
    ///
    /// # Errors
    /// [`SelfMadeError`] if the name isn't one.
    pub fn answer_tls(
        self: &Arc<Self>,
        name: &str,
        digest: &[u8],
    ) -> Result<Answering, SelfMadeError> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = super::provider().key_provider.load_private_key(der);
        let signing = signing.map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let certified = CertifiedKey::new(vec![certificate.der().clone()], signing);
        let name = name.to_ascii_lowercase();
        let mut answers = self.answers();
        answers.keys.insert(name.clone(), Arc::new(certified));
        Ok(Answering {
            challenges: self.clone(),
            of: Of::Name(name),
        })
    }

    /// The text for a token.
    pub fn text(&self, token: &str) -> Option<String> {
        self.answers().texts.get(token).cloned()
    }

    /// The certificate for a hello that offers [`ACME_TLS`] and nothing else (RFC 8737 §3).
    pub(super) fn certificate(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.answers().keys.get(&name).cloned()
    }
}

/// Whether a hello is an authority's, for TLS-ALPN-01.
pub(super) fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|offered| offered.eq([ACME_TLS]))
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut answers = self.challenges.answers();
        match &self.of {
            Of::Token(token) => drop(answers.texts.remove(token)),
            Of::Name(name) => drop(answers.keys.remove(name)),
        }
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges(..)")
    }
}
