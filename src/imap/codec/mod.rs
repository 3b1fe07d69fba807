//! The strict codec: octets in, commands out. It knows no session and no socket.
//!
//! | file | its job |
//! |---|---|
//! | `frame` | where a command ends, and its literals |
//! | `grammar` | a command as a value: by imap-codec, and by what follows where that has no grammar for it |
//! | `cursor` | the small words |
//! | `list` | LIST in all its forms, CREATE |
//! | `quota` | GETQUOTA, GETQUOTAROOT |
//! | `search` | SEARCH |
//! | `append` | what stands before each message of an APPEND |
//! | `names` | folder names on the wire |
//!
//! A line ends with CRLF and with nothing else. imap-codec would take a bare LF for a line's end; it never sees one.

pub(super) mod append;
pub(super) mod cursor;
pub(super) mod frame;
pub(super) mod grammar;
mod list;
pub(super) mod names;
mod quota;
mod search;
