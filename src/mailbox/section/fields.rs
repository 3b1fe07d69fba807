//! Some fields of a header, picked while it goes by: nothing is held of it but the beginning of a line.

/// The longest name of a field that is looked for.
const LONGEST_NAME: usize = 256;

/// Picks fields by their names.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    names: Vec<String>,
    others: bool,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// At a line's start. Whether the field before it was wanted, if there was one: a fold belongs to it.
    Line(bool),
    /// Within a name.
    Name(Vec<u8>),
    /// Behind it.
    Value(bool),
}

impl Fields {
    /// Picks those of these names, or all others.
    pub(super) fn new(names: &[String], others: bool) -> Self {
        Self {
            names: names.to_vec(),
            others,
            state: State::Line(false),
        }
    }

    /// Takes the next bytes of the header, and adds what is wanted of them.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            rest = match &mut self.state {
                State::Line(wanted) if matches!(first, b' ' | b'\t') => {
                    self.state = State::Value(*wanted);
                    rest
                }
                State::Line(_) => {
                    self.state = State::Name(Vec::new());
                    rest
                }
                State::Name(name) => {
                    let end = name_end(rest);
                    name.extend_from_slice(&rest[..end]);
                    let whole = end < rest.len() || name.len() > LONGEST_NAME;
                    if whole {
                        self.end_name(out);
                    }
                    &rest[end..]
                }
                State::Value(wanted) => {
                    let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
                    let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
                    if *wanted {
                        out.extend_from_slice(line);
                    }
                    if end.is_some() {
                        self.state = State::Line(*wanted);
                    }
                    behind
                }
            };
        }
    }

    /// Ends the header: the empty line behind it is always there (RFC 9051 §6.4.5).
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if matches!(self.state, State::Name(_)) {
            self.end_name(out);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn end_name(&mut self, out: &mut Vec<u8>) {
        let State::Name(name) = &self.state else {
            return;
        };
        let wanted = self.is_wanted(name);
        if wanted {
            out.extend_from_slice(name);
        }
        self.state = State::Value(wanted);
    }

    fn is_wanted(&self, name: &[u8]) -> bool {
        // The empty line: it comes at the end in any case.
        if matches!(name, b"" | b"\r") {
            return false;
        }
        let name = name.trim_ascii_end();
        let known = |known: &String| known.as_bytes().eq_ignore_ascii_case(name);
        self.names.iter().any(known) != self.others
    }
}

/// Where a name's bytes end: at its colon, or with its line.
fn name_end(bytes: &[u8]) -> usize {
    memchr::memchr2(b':', b'\n', bytes).unwrap_or(bytes.len())
}
