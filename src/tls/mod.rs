//! TLS settings and certificates.
