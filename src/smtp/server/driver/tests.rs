//! Whole connections: over an in-memory pipe, and over loopback TCP with real TLS.

mod host;
mod pipe;
mod tls;
