//! A command line's verb. What stands behind it is for the verb's own file to read.

use super::super::limits::{AUTH_LINE, COMMAND_LINE, MAIL_LINE, RCPT_LINE};
use crate::smtp::reply::Reply;

/// The commands we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::smtp::server) enum Verb {
    Ehlo,
    Helo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    StartTls,
    Auth,
    /// The start of an HTTP request: a browser was made to talk to us, and the rest is somebody's form.
    Http,
    Unknown,
}

impl Verb {
    fn parse(word: &[u8]) -> Self {
        const VERBS: [(&[u8], Verb); 18] = [
            (b"MAIL", Verb::Mail),
            (b"RCPT", Verb::Rcpt),
            (b"DATA", Verb::Data),
            (b"BDAT", Verb::Bdat),
            (b"EHLO", Verb::Ehlo),
            (b"HELO", Verb::Helo),
            (b"RSET", Verb::Rset),
            (b"QUIT", Verb::Quit),
            (b"NOOP", Verb::Noop),
            (b"AUTH", Verb::Auth),
            (b"STARTTLS", Verb::StartTls),
            (b"VRFY", Verb::Vrfy),
            (b"EXPN", Verb::Expn),
            (b"HELP", Verb::Help),
            (b"GET", Verb::Http),
            (b"POST", Verb::Http),
            (b"PUT", Verb::Http),
            (b"CONNECT", Verb::Http),
        ];
        let known = VERBS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name));
        known.map_or(Self::Unknown, |&(_, verb)| verb)
    }

    /// Whether the command leaves the session no nearer to a mail.
    pub(in crate::smtp::server) fn is_idle(self) -> bool {
        matches!(
            self,
            Self::Ehlo
                | Self::Helo
                | Self::Rset
                | Self::Noop
                | Self::Vrfy
                | Self::Expn
                | Self::Help
        )
    }
}

/// How long the line that starts so may be. A line too short to show its verb is shorter than any limit.
pub(in crate::smtp::server) fn line_limit(input: &[u8]) -> usize {
    let starts = |verb: &[u8]| {
        let start = input.get(..verb.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(verb))
    };
    if starts(b"AUTH ") {
        AUTH_LINE
    } else if starts(b"MAIL ") {
        MAIL_LINE
    } else if starts(b"RCPT ") {
        RCPT_LINE
    } else {
        COMMAND_LINE
    }
}

/// Splits a line into its verb and what follows one space. Blanks at the end are dropped (RFC 5321 §4.1.1).
///
/// # Errors
/// [`Unsplit`], for a line that can't be read.
pub(in crate::smtp::server) fn split(line: &[u8]) -> Result<(Verb, &str), Unsplit> {
    let line = line.trim_ascii_end();
    let word = line.split(|&octet| octet == b' ').next().unwrap_or(line);
    let rest = line.get(word.len() + 1..).unwrap_or_default();
    let verb = Verb::parse(word);
    // A blank that isn't one, or none at all, makes it no command, and its chunk comes nevertheless.
    let start = word.get(..b"BDAT".len());
    let is_chunk = start.is_some_and(|start| start.eq_ignore_ascii_case(b"BDAT"));
    match std::str::from_utf8(rest) {
        Err(_) if is_chunk => Err(Unsplit::Chunk),
        Ok(_) if is_chunk && verb == Verb::Unknown => Err(Unsplit::Chunk),
        Ok(arguments) => Ok((verb, arguments)),
        Err(_) => Err(Unsplit::NotText),
    }
}

/// Why a line can't be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::smtp::server) enum Unsplit {
    /// It isn't UTF-8.
    NotText,
    /// Nor is it, and a chunk of unknown length follows: nothing that comes can be read.
    Chunk,
}

impl Unsplit {
    /// The reply, and whether it's the last.
    pub(in crate::smtp::server) fn reply(self) -> (Reply, bool) {
        match self {
            Self::NotText => (Reply::new(501, (5, 5, 2), "Command is not UTF-8"), false),
            Self::Chunk => (bad_chunk(), true),
        }
    }
}

/// The reply to BDAT where nobody knows how many octets follow.
pub(in crate::smtp::server) fn bad_chunk() -> Reply {
    Reply::new(501, (5, 5, 4), "Say BDAT size or BDAT size LAST")
}

/// The reply to arguments behind a command that has none.
pub(in crate::smtp::server) fn no_arguments(arguments: &str) -> Result<(), Reply> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Reply::new(501, (5, 5, 4), "This command has no arguments"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_in_any_case() {
        for (line, verb, arguments) in [
            (&b"MAIL FROM:<>"[..], Verb::Mail, "FROM:<>"),
            (b"mail FROM:<>  ", Verb::Mail, "FROM:<>"),
            (b"sTarttlS", Verb::StartTls, ""),
            (b"DATA foo", Verb::Data, "foo"),
            (b"NOOP  two blanks", Verb::Noop, " two blanks"),
            (b"", Verb::Unknown, ""),
            (b" QUIT", Verb::Unknown, "QUIT"),
            (b"QUIT\tnow", Verb::Unknown, ""),
            (b"MAILFROM:<>", Verb::Unknown, ""),
            (b"GET / HTTP/1.1", Verb::Http, "/ HTTP/1.1"),
        ] {
            assert_eq!(split(line), Ok((verb, arguments)), "{line:?}");
        }
        assert_eq!(split(b"RCPT TO:<a\xffb@y.example>"), Err(Unsplit::NotText));
        for chunk in [
            &b"BDAT 22 \xff"[..],
            b"bdat\t22",
            b"BDAT22",
            b"BDAT\xa022 LAST",
        ] {
            assert_eq!(split(chunk), Err(Unsplit::Chunk), "{chunk:?}");
        }
    }

    #[test]
    fn each_verb_has_its_line_limit() {
        assert_eq!(line_limit(b"auth PLAIN"), 12288);
        assert_eq!(line_limit(b"MAIL FROM:<>"), 1192);
        assert_eq!(line_limit(b"rcpt TO:<>"), 1048);
        for other in [&b"RCPTO:<>"[..], b"AUT", b"AUTHX", b"MAILX", b""] {
            assert_eq!(line_limit(other), 512);
        }
    }
}
