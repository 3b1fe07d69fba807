//! A field with parameters as it stands (RFC 2045 §5.1): values keep what RFC 2231 made of them, since it's the mail program
//! that reads them.

/// A value and its parameters, in pieces of the field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parted {
    /// What stands before the parameters.
    pub(super) value: Vec<u8>,
    /// Names and values.
    pub(super) parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

/// More parameters of one field aren't listed.
const MOST: usize = 64;

/// Cuts a field's value.
pub(super) fn parted(value: &[u8]) -> Parted {
    let mut rest = value;
    let mut parted = Parted {
        value: piece(&mut rest, b";").0,
        parameters: Vec::new(),
    };
    while parted.parameters.len() < MOST && !rest.is_empty() {
        let (name, ended) = piece(&mut rest, b"=;");
        let value = match ended {
            Some(b'=') => piece(&mut rest, b";").0,
            _ => continue,
        };
        if !name.is_empty() {
            parted.parameters.push((name, value));
        }
    }
    parted
}

/// What stands before one of these signs, without comments, quotes and spaces around it; and which sign it was.
fn piece(rest: &mut &[u8], ends: &[u8]) -> (Vec<u8>, Option<u8>) {
    let mut piece = Vec::new();
    // Spaces inside a value that should have been quoted are kept.
    let mut spaces = 0;
    while let Some((octet, behind)) = rest.split_first() {
        *rest = behind;
        match octet {
            octet if ends.contains(octet) => return (piece, Some(*octet)),
            b'"' => {
                piece.resize(piece.len() + std::mem::take(&mut spaces), b' ');
                quoted(rest, &mut piece);
            }
            b'(' => comment(rest),
            b' ' | b'\t' | b'\r' | b'\n' => spaces += usize::from(!piece.is_empty()),
            octet => {
                piece.resize(piece.len() + std::mem::take(&mut spaces), b' ');
                piece.push(*octet);
            }
        }
    }
    (piece, None)
}

fn quoted(rest: &mut &[u8], piece: &mut Vec<u8>) {
    while let Some((octet, behind)) = rest.split_first() {
        *rest = behind;
        match octet {
            b'"' => return,
            b'\\' => {
                if let Some((escaped, behind)) = rest.split_first() {
                    piece.push(*escaped);
                    *rest = behind;
                }
            }
            b'\r' | b'\n' => {}
            octet => piece.push(*octet),
        }
    }
}

fn comment(rest: &mut &[u8]) {
    let mut depth = 1;
    while let Some((octet, behind)) = rest.split_first() {
        *rest = behind;
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\\' => *rest = rest.get(1..).unwrap_or_default(),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_cut_as_they_stand() {
        let cut = |value: &str| {
            let Parted { value, parameters } = parted(value.as_bytes());
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            let parameters = parameters
                .iter()
                .map(|(name, value)| format!("{}={}", text(name), text(value)));
            format!(
                "{}|{}",
                text(&value),
                parameters.collect::<Vec<_>>().join("|")
            )
        };
        for (value, shown) in [
            ("text/plain", "text/plain|"),
            (
                " text/plain ; charset = utf-8;x",
                "text/plain|charset=utf-8",
            ),
            (
                "a/b; name=\"x; \\\"y\\\"\"\r\n\t; z=1 (c;d)",
                "a/b|name=x; \"y\"|z=1",
            ),
            (
                "a/b; filename*0*=utf-8''%41; filename*1=b c.txt",
                "a/b|filename*0*=utf-8''%41|filename*1=b c.txt",
            ),
            (";;=x;y=", "|y="),
            ("", "|"),
        ] {
            assert_eq!(cut(value), shown, "{value}");
        }
    }
}
