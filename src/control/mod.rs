//! Typed requests between the CLI and the daemon over a unix socket.
