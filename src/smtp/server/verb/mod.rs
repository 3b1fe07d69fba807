//! A file per verb: how its arguments read, and what it does to the session.

pub(super) mod auth;
mod bdat;
mod data;
pub(super) mod ehlo;
mod mail;
mod rcpt;
mod rset;
pub(super) mod small;

use crate::smtp::reply::Reply;

/// The reply to a parameter that we have not offered (RFC 5321 §4.1.1.11).
fn unknown_parameter() -> Reply {
    Reply::new(555, (5, 5, 4), "Parameter not known")
}

/// The reply to a known parameter with a value that isn't one.
fn bad_parameter() -> Reply {
    Reply::new(501, (5, 5, 4), "Parameter not understood")
}

/// The reply to a command whose turn it isn't.
fn out_of_turn(text: &'static str) -> Reply {
    Reply::new(503, (5, 5, 1), text)
}

/// Splits `KEY=value` or `KEY`; keys are taken in any case.
fn parameter(text: &str) -> (String, Option<&str>) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_ascii_uppercase(), Some(value)),
        None => (text.to_ascii_uppercase(), None),
    }
}

/// Splits `FROM:<path> parameters` behind `FROM:`; the path keeps its brackets. No blank stands before the path.
fn path_and_parameters<'a>(arguments: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let start = arguments.get(..word.len())?;
    let rest = &arguments[word.len()..];
    if !start.eq_ignore_ascii_case(word) || !rest.starts_with('<') {
        return None;
    }
    let (path, parameters) = rest.split_at(crate::smtp::path::path_length(rest)?);
    match parameters.strip_prefix(' ') {
        Some(parameters) => Some((path, parameters)),
        None => parameters.is_empty().then_some((path, "")),
    }
}
