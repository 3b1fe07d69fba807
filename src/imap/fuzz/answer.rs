//! What must be true of an answer, whatever it says.

/// Reads an answer as a client does that believes nothing: lines that begin as lines may, with each literal as long as it
/// says, each string and each list closed. Gives the tags that were answered.
pub(super) fn read(answer: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut tags) = (answer, Vec::new());
    while !rest.is_empty() {
        let line = rest;
        rest = match line {
            [b'*', b' ', said @ ..] if is_status(said) => text(said),
            [b'*', b' ', data @ ..] => structured(data),
            [b'+', b' ', ..] => text(&line[1..]),
            tagged => {
                let end = memchr::memchr(b' ', tagged).unwrap_or(tagged.len());
                let (tag, said) = tagged.split_at(end);
                assert!(!tag.is_empty(), "no tag: {}", shown(line));
                assert!(
                    is_status(said.get(1..).unwrap_or_default()),
                    "no status: {}",
                    shown(line)
                );
                tags.push(tag);
                text(said)
            }
        };
    }
    tags
}

fn is_status(said: &[u8]) -> bool {
    [&b"OK "[..], b"NO ", b"BAD ", b"BYE "]
        .iter()
        .any(|status| said.starts_with(status))
}

/// Behind a line of words.
fn text(said: &[u8]) -> &[u8] {
    let end = memchr::memchr3(b'\r', b'\n', 0, said);
    let end = end.unwrap_or_else(|| panic!("no end: {}", shown(said)));
    assert!(end > 0, "a line without words");
    line_end(&said[end..])
}

fn line_end(rest: &[u8]) -> &[u8] {
    let behind = rest.strip_prefix(b"\r\n");
    behind.unwrap_or_else(|| panic!("a line ends with CRLF: {}", shown(rest)))
}

/// Behind a line of data.
fn structured(data: &[u8]) -> &[u8] {
    let (mut rest, mut depth) = (data, 0_i32);
    loop {
        let (first, behind) = rest
            .split_first()
            .unwrap_or_else(|| panic!("no end: {}", shown(data)));
        rest = match first {
            b'(' => {
                depth += 1;
                behind
            }
            b')' => {
                depth -= 1;
                assert!(depth >= 0, "a list too few: {}", shown(data));
                behind
            }
            b'"' => quoted(behind),
            b'{' => literal(behind),
            b'\r' => {
                assert_eq!(depth, 0, "a list is open: {}", shown(data));
                return line_end(rest);
            }
            b'\n' | 0 => panic!("a bare LF or NUL: {}", shown(data)),
            _ => behind,
        };
    }
}

fn quoted(rest: &[u8]) -> &[u8] {
    let mut octets = rest.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => return &rest[at + 1..],
            b'\\' => {
                let escaped = octets.next().map(|(_, octet)| *octet);
                assert!(
                    matches!(escaped, Some(b'"' | b'\\')),
                    "escaped: {}",
                    shown(rest)
                );
            }
            b'\r' | b'\n' | 0 => break,
            _ => {}
        }
    }
    panic!("a string is open: {}", shown(rest))
}

fn literal(rest: &[u8]) -> &[u8] {
    let digits = rest
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let size = std::str::from_utf8(&rest[..digits])
        .unwrap_or_default()
        .parse::<usize>();
    let size = size.unwrap_or_else(|_| panic!("no literal: {}", shown(rest)));
    let behind = rest[digits..].strip_prefix(b"}\r\n");
    let behind = behind.unwrap_or_else(|| panic!("no literal: {}", shown(rest)));
    behind
        .get(size..)
        .unwrap_or_else(|| panic!("a literal is cut: {}", shown(rest)))
}

fn shown(octets: &[u8]) -> String {
    octets[..octets.len().min(300)].escape_ascii().to_string()
}
