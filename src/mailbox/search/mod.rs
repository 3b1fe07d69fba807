//! Searching a folder (RFC 9051 §6.4.4). A message is asked what costs least first: what the session knows of it, then its
//! entry, then its outline, then its header, and its body last; each only while the answer hangs on it.
//!
//! Memory doesn't grow with the folder but by the UIDs found, nor with a message; between messages others have their turn.
//! Whoever drops the search ends it.
//!
//! | file | its job |
//! |---|---|
//! | `key` | what can be asked, within limits |
//! | `test` | the question, and what is known of one message |
//! | `words` | text made comparable, and looked through while it goes by |
//! | `plain` | HTML as text while it goes by |
//! | `look` | the messages, one after the other |
//! | `body` | the text of one message |

mod body;
mod key;
mod look;
mod plain;
mod test;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod words;

pub use key::{Day, Key};
pub use test::{Query, QueryError};
