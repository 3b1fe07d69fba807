//! TLS settings and certificates: one provider (AWS-LC), TLS 1.2 and 1.3 only, in every direction.
//!
//! - `Pair` is a certificate chain with its key, checked; [`Certificates`] holds the pairs in use, picks one for each
//!   client and reads them again when their files change.
//! - [`server_config`] has what each door needs; [`encrypting_client`] encrypts without asking who answers,
//!   [`verifying_client`] and [`dane_client`] insist on proof, by the [`trusted_roots`] or by TLSA records ([`Dane`]).
//! - [`Handshake`] encrypts what comes to a door, and [`TlsInfo`] is the proof that it did.
//! - [`OwnKey`] is a key of ours that certificates are asked for; [`Challenges`] is what an ACME authority is answered.
//! - [`SelfMadeCa`] makes certificates for the sandbox and for tests.
//!
//! Nothing here opens a socket.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

mod accept;
mod certificates;
mod challenges;
mod client;
mod dane;
mod fault;
mod info;
mod own_key;
mod pair;
mod refused;
mod roots;
mod self_made;
mod server;

pub use accept::Handshake;
pub use certificates::{Certificates, PairFiles, ReadAgain, Reloaded};
pub use challenges::{ACME_TLS, Answering, Challenges};
pub use client::{dane_client, encrypting_client, verified_client, verifying_client};
pub use dane::{Dane, Tlsa, usable};
pub use fault::CertificateFault;
pub use info::TlsInfo;
pub use own_key::{KeyKind, OwnKey};
pub use pair::{Pair, PairError};
pub use refused::{Refusals, Refused, RefusedFor};
pub use roots::{RootsError, trusted_roots};
pub use rustls_pki_types as pki_types;
pub use self_made::{SelfMadeCa, SelfMadeError};
pub use server::{Door, server_config};

/// The protocol versions of every connection.
const VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The one cryptography provider. It's named in each configuration, so that no dependency can choose another.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .clone()
}

#[cfg(test)]
mod tests;
