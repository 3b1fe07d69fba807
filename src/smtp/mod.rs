//! SMTP: the replies and paths that both sides share, the server, and the client.

pub mod client;
pub mod path;
pub mod reply;
pub mod server;
