//! The *relaxed* canonicalizations of RFC 6376 §3.4: header fields into a buffer, a body into a running hash.

use aws_lc_rs::digest;

/// Hashes a body in its relaxed form (RFC 6376 §3.4.4), chunk by chunk, however the chunks are cut.
///
/// A clone carries the whole state, so that a prefix shared by many bodies is read once.
#[derive(Clone)]
pub struct BodyHasher {
    hash: digest::Context,
    /// Line ends that were read but count only if something other than white space follows.
    lines: usize,
    /// White space was read since the last visible byte.
    space: bool,
    /// A CR was read whose LF may be in the next chunk.
    cr: bool,
    /// Something was hashed: the body isn't empty.
    started: bool,
}

impl Default for BodyHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyHasher(..)")
    }
}

impl BodyHasher {
    /// The hasher of an empty body.
    pub fn new() -> Self {
        Self {
            hash: digest::Context::new(&digest::SHA256),
            lines: 0,
            space: false,
            cr: false,
            started: false,
        }
    }

    /// Takes the next bytes of the body, exactly as they go on the wire (before dot-stuffing).
    pub fn update(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some(&byte) = rest.first() {
            let run = if matches!(byte, b' ' | b'\t' | b'\r') || self.cr {
                0
            } else {
                plain_run(rest)
            };
            if run == 0 {
                self.step(byte);
                rest = &rest[1..];
            } else {
                self.flush();
                self.hash.update(&rest[..run]);
                rest = &rest[run..];
            }
        }
    }

    /// Takes bytes that [`is_relaxed`] holds for: nothing in them needs a change, so they're hashed as they are.
    /// What they end in is still kept back, as [`BodyHasher::update`] does.
    pub(crate) fn update_relaxed(&mut self, chunk: &[u8]) {
        if self.cr || self.space {
            return self.update(chunk);
        }
        let mut kept = chunk;
        let mut lines = 0;
        while let Some(shorter) = kept.strip_suffix(b"\r\n") {
            kept = shorter;
            lines += 1;
        }
        if !kept.is_empty() {
            self.flush();
            self.hash.update(kept);
        }
        self.lines += lines;
    }

    /// The body's hash (`bh=` before base64).
    pub fn finish(mut self) -> [u8; 32] {
        if std::mem::take(&mut self.cr) {
            self.flush();
            self.hash.update(b"\r");
        }
        // Empty lines at the end are ignored; a body that isn't empty ends in exactly one CRLF.
        if self.started {
            self.hash.update(b"\r\n");
        }
        let mut out = [0; 32];
        out.copy_from_slice(self.hash.finish().as_ref());
        out
    }

    fn step(&mut self, byte: u8) {
        if std::mem::take(&mut self.cr) {
            if byte == b'\n' {
                self.lines += 1;
                self.space = false;
                return;
            }
            self.flush();
            self.hash.update(b"\r");
        }
        match byte {
            b'\r' => self.cr = true,
            b' ' | b'\t' => self.space = true,
            _ => {
                self.flush();
                self.hash.update(&[byte]);
            }
        }
    }

    /// Hashes the line ends and the white space that turned out not to be at the end.
    fn flush(&mut self) {
        const LINES: &[u8] = b"\r\n\r\n\r\n\r\n";
        self.started = true;
        while self.lines > 0 {
            let now = self.lines.min(LINES.len() / 2);
            self.hash.update(&LINES[..2 * now]);
            self.lines -= now;
        }
        if std::mem::take(&mut self.space) {
            self.hash.update(b" ");
        }
    }
}

/// How many leading bytes are already relaxed and stay so whatever follows: visible bytes, single spaces between
/// them, and line ends with a visible byte after them.
fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b' ' if visible(bytes.get(at + 1)) => 2,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') && visible(bytes.get(at + 2)) => 3,
            b' ' | b'\t' | b'\r' => return at,
            _ => 1,
        };
    }
    at
}

fn visible(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Whether relaxed canonicalization leaves these bytes as they are, but for empty lines at their end, and whatever
/// stands before them, if that doesn't end in white space.
pub(crate) fn is_relaxed(bytes: &[u8]) -> bool {
    let mut before = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\t' => return false,
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => return false,
            b' ' | b'\r' if before == b' ' => return false,
            _ => before = byte,
        }
    }
    before != b' '
}

/// Appends a header field in relaxed form (RFC 6376 §3.4.2) without its CRLF. `field` is the whole field, with or
/// without its final CRLF.
pub(super) fn relaxed_field(out: &mut Vec<u8>, field: &[u8]) {
    let colon = field.iter().position(|&b| b == b':').unwrap_or(field.len());
    out.extend(
        field[..colon]
            .trim_ascii_end()
            .iter()
            .map(u8::to_ascii_lowercase),
    );
    out.push(b':');
    let mut space = false;
    let mut started = false;
    for &byte in field.get(colon + 1..).unwrap_or_default() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => space = true,
            _ => {
                if std::mem::take(&mut space) && started {
                    out.push(b' ');
                }
                started = true;
                out.push(byte);
            }
        }
    }
}
