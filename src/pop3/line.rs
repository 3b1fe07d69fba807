//! Octets to lines and commands. A line ends with CRLF and holds neither, nor NUL.

/// What the octets that have come so far begin with.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Line<'i> {
    /// Not yet a whole line.
    Partial,
    /// A line without its CRLF, and how many octets it took with it.
    Whole(&'i [u8], usize),
    /// A line that is no line, or too long.
    Broken(&'static str),
}

/// Looks for the line at the start of `input`; it may have `limit` octets with its CRLF. The answer is the same however the
/// octets come in: the first thing wrong decides.
pub(super) fn take(input: &[u8], limit: usize) -> Line<'_> {
    let end = memchr::memchr3(b'\r', b'\n', 0, input).unwrap_or(input.len());
    if end + 2 > limit {
        return Line::Broken("The line is too long");
    }
    match input.get(end..) {
        None | Some([] | [b'\r']) => Line::Partial,
        Some([b'\r', b'\n', ..]) => Line::Whole(&input[..end], end + 2),
        Some(_) => Line::Broken("A line ends with CR LF and holds neither, nor NUL"),
    }
}

/// A command.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Command<'l> {
    Capa,
    Noop,
    Quit,
    User(&'l [u8]),
    /// A password may hold spaces (RFC 1939 §7).
    Pass(&'l [u8]),
    /// The mechanism, and the first message if it's there.
    Auth(&'l [u8], Option<&'l [u8]>),
    AuthList,
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    Top(u32, u64),
    Dele(u32),
    Rset,
    /// A browser's request: it was made to talk to us.
    Http,
}

/// Reads a command (RFC 1939 §9, RFC 2449, RFC 5034).
///
/// # Errors
/// What is said to who wrote it.
pub(super) fn read(line: &[u8]) -> Result<Command<'_>, &'static str> {
    let (verb, rest) = match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    let verb = verb.to_ascii_uppercase();
    let mut words = rest.into_iter().flat_map(words);
    let arguments = (words.next(), words.next(), words.next());
    Ok(match (verb.as_slice(), arguments) {
        (b"CAPA", (None, ..)) => Command::Capa,
        (b"NOOP", (None, ..)) => Command::Noop,
        (b"QUIT", (None, ..)) => Command::Quit,
        (b"STAT", (None, ..)) => Command::Stat,
        (b"RSET", (None, ..)) => Command::Rset,
        (b"AUTH", (None, ..)) => Command::AuthList,
        (b"AUTH", (Some(mechanism), initial, None)) => Command::Auth(mechanism, initial),
        (b"LIST", (None, ..)) => Command::List(None),
        (b"UIDL", (None, ..)) => Command::Uidl(None),
        (b"USER", (Some(_), ..)) => Command::User(rest.unwrap_or_default()),
        (b"PASS", (Some(_), ..)) => Command::Pass(rest.unwrap_or_default()),
        (b"LIST", (Some(word), None, _)) => Command::List(Some(number(word)?)),
        (b"UIDL", (Some(word), None, _)) => Command::Uidl(Some(number(word)?)),
        (b"RETR", (Some(word), None, _)) => Command::Retr(number(word)?),
        (b"DELE", (Some(word), None, _)) => Command::Dele(number(word)?),
        (b"TOP", (Some(word), Some(lines), None)) => Command::Top(number(word)?, number(lines)?),
        (b"GET" | b"POST" | b"HEAD" | b"PUT" | b"OPTIONS", (Some(_), Some(_), None)) => {
            Command::Http
        }
        (
            b"CAPA" | b"NOOP" | b"QUIT" | b"STAT" | b"RSET" | b"AUTH" | b"LIST" | b"UIDL" | b"USER"
            | b"PASS" | b"RETR" | b"DELE" | b"TOP",
            _,
        ) => return Err("Arguments not understood"),
        _ => return Err("No such command"),
    })
}

fn words(rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    rest.split(|octet| *octet == b' ')
        .filter(|word| !word.is_empty())
}

fn number<N: std::str::FromStr>(word: &[u8]) -> Result<N, &'static str> {
    let text = std::str::from_utf8(word).ok();
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or("A number was expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(take(b"NOOP\r\nQUIT", 99), Line::Whole(b"NOOP", 6));
        for partial in [&b""[..], b"NOOP", b"NOOP\r"] {
            assert_eq!(take(partial, 99), Line::Partial);
        }
        for bad in [&b"NOOP\n"[..], b"NO\rOP\r\n", b"NO\0OP\r\n", b"\n"] {
            assert!(matches!(take(bad, 99), Line::Broken(_)), "{bad:?}");
        }
        let longest = [&[b'x'; 97][..], b"\r\n"].concat();
        assert_eq!(take(&longest, 99), Line::Whole(&longest[..97], 99));
        assert!(matches!(take(&[b'x'; 98], 99), Line::Broken(_)));
    }

    #[test]
    fn commands_are_read_whatever_their_case() {
        for (line, expected) in [
            ("stat", Command::Stat),
            ("Top 3 0", Command::Top(3, 0)),
            ("TOP 3  12 ", Command::Top(3, 12)),
            ("RETR 4294967295", Command::Retr(u32::MAX)),
            ("PASS two words ", Command::Pass(b"two words ")),
            ("AUTH PLAIN =", Command::Auth(b"PLAIN", Some(b"="))),
            ("AUTH", Command::AuthList),
            ("uidl 7", Command::Uidl(Some(7))),
            ("GET / HTTP/1.1", Command::Http),
        ] {
            assert_eq!(read(line.as_bytes()), Ok(expected), "{line}");
        }
        for line in [
            "",
            "XYZ",
            "RETR",
            "RETR x",
            "RETR -1",
            "RETR 4294967296",
            "TOP 1",
            "STAT 1",
            "DELE 1 2",
            "USER",
            "APOP a b",
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            if let Line::Whole(line, used) = take(&octets, 99) {
                proptest::prop_assert_eq!(line.len() + 2, used);
            }
            let _ = read(&octets);
        }
    }
}
