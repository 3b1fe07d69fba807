//! Whom we trust to vouch for other servers: the system's roots, and those of the configuration.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// The configuration's own roots can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the trusted certificates in {} can't be used: {why}; check the path, and that it holds certificates in PEM",
    file.display()
)]
pub struct RootsError {
    file: PathBuf,
    why: String,
}

/// The system's roots and those in `extra`. A machine without any has an empty store: nobody is verified then.
///
/// # Errors
/// [`RootsError`] if `extra` can't be read or holds none.
pub fn trusted_roots(extra: Option<&Path>) -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    let Some(file) = extra else {
        return Ok(roots);
    };
    let wrong = |why: String| RootsError {
        file: file.to_owned(),
        why,
    };
    let mut added = 0;
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(error.to_string()))?;
        added += 1;
    }
    if added == 0 {
        return Err(wrong("there is no certificate in it".into()));
    }
    Ok(roots)
}
