//! The verbs that change nothing: NOOP, QUIT, VRFY, EXPN, HELP, and words that are none.

use super::super::codec::command::no_arguments;
use crate::smtp::reply::Reply;

/// RFC 5321 §4.1.1.9; its argument means nothing.
pub(in crate::smtp::server) fn noop() -> Reply {
    Reply::new(250, (2, 0, 0), "OK")
}

/// RFC 5321 §4.1.1.10.
pub(in crate::smtp::server) fn quit(arguments: &str, host_name: &str) -> Result<Reply, Reply> {
    no_arguments(arguments)?;
    Ok(Reply::new(221, (2, 0, 0), format!("{host_name} closing")))
}

/// RFC 5321 §3.5.3: the same for every name, so that it tells nothing.
pub(in crate::smtp::server) fn vrfy() -> Reply {
    Reply::new(252, (2, 1, 5), "Send mail to it and see")
}

/// RFC 5321 §3.5.3: lists are nobody's business.
pub(in crate::smtp::server) fn expn() -> Reply {
    Reply::new(502, (5, 5, 1), "Lists are not shown")
}

/// RFC 5321 §4.1.1.8.
pub(in crate::smtp::server) fn help() -> Reply {
    Reply::new(214, (2, 0, 0), "See RFC 5321")
}

pub(in crate::smtp::server) fn unknown() -> Reply {
    Reply::new(500, (5, 5, 1), "Command not known")
}

/// A web page can make a browser send a form here; the lines in it must not be run.
pub(in crate::smtp::server) fn not_http() -> Reply {
    Reply::new(502, (5, 7, 0), "This is not a web server")
}
