//! SMTP: the replies and paths that both sides share, the server, and the client.

pub mod client;
pub mod path;
pub mod reply;
pub mod server;
pub mod xtext;

/// The longest line of a message that may go out, in octets without its CRLF (RFC 5321 §4.5.3.1.6).
pub const LONGEST_LINE: usize = 998;
