//! SMTP: the replies and limits that both sides share, the server, and the client.

pub mod client;
pub mod server;
