//! Looks for what must not be readable: addresses, names and texts, in any byte of a directory, however they may have been
//! written down. It knows nothing of what it reads; a sealed file must not give anything away to somebody who knows just
//! what to look for.
//!
//! Looked for are, of each secret as written and in lower case: the text itself in any case, percent-encoded,
//! quoted-printable, hexadecimal, UTF-16 in both byte orders, base64 (both alphabets) at its three offsets, and its unkeyed
//! MD5, SHA-1 and SHA-256, raw, in hexadecimal and in base64.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};

/// The shortest that is looked for: shorter ones stand in random bytes by chance.
const SHORTEST: usize = 6;
/// How much of a file is read at once.
const WINDOW: usize = 1 << 20;
/// The bytes by which patterns are looked up.
const KEY: usize = 6;
/// How deep a directory is looked into.
const DEEPEST: usize = 16;

/// One way of writing a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// As it is, in any case.
    Plain,
    /// `%40` for `@`, or for every byte.
    Percent,
    /// `=40` for `@`, or for every byte.
    QuotedPrintable,
    /// Base64 at an offset of 0 to 2 bytes.
    Base64(u8),
    /// Hexadecimal.
    Hexadecimal,
    /// UTF-16, little-endian.
    Utf16Le,
    /// UTF-16, big-endian.
    Utf16Be,
    /// Its MD5.
    Md5,
    /// Its SHA-1.
    Sha1,
    /// Its SHA-256.
    Sha256,
}

/// Where something was found. It shows the number of the secret, never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The file; its name itself may be what leaks.
    pub file: PathBuf,
    /// The byte of the file, or none for the file's name.
    pub at: Option<u64>,
    /// Which secret, counted from 0 in the order they were added.
    pub secret: usize,
    /// How it was written.
    pub form: Form,
}

/// What a search found and how much it looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What was found.
    pub leaks: Vec<Leak>,
    /// Files that were read.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    bytes: Vec<u8>,
    secret: usize,
    form: Form,
}

/// Patterns by their first bytes.
#[derive(Debug, Default)]
struct Index {
    by_key: HashMap<[u8; KEY], Vec<Pattern>>,
    /// Whether some pattern begins with these two bytes: most of what is read is passed over by this alone.
    begins: Vec<bool>,
}

impl Index {
    fn add(&mut self, pattern: Pattern) {
        let Some(key) = pattern.bytes.first_chunk::<KEY>() else {
            return;
        };
        self.begins.resize(1 << 16, false);
        self.begins[usize::from(u16::from_be_bytes([key[0], key[1]]))] = true;
        let same = self.by_key.entry(*key).or_default();
        if !same.contains(&pattern) {
            same.push(pattern);
        }
    }

    fn find(&self, hay: &[u8], mut found: impl FnMut(usize, &Pattern)) {
        if self.begins.is_empty() {
            return;
        }
        for (at, window) in hay.windows(KEY).enumerate() {
            if !self.begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] {
                continue;
            }
            let Some(patterns) = window
                .first_chunk::<KEY>()
                .and_then(|key| self.by_key.get(key))
            else {
                continue;
            };
            for pattern in patterns {
                if hay[at..].starts_with(&pattern.bytes) {
                    found(at, pattern);
                }
            }
        }
    }
}

/// Secrets to look for.
#[derive(Default)]
pub struct Secrets {
    count: usize,
    exact: Index,
    /// In lower case, for text in lower case.
    folded: Index,
    longest: usize,
}

impl Secrets {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a secret of at least six bytes; shorter ones are passed over, since they'd be found by chance.
    pub fn add(&mut self, secret: &str) {
        let number = self.count;
        self.count += 1;
        if secret.len() < SHORTEST {
            return;
        }
        let written = BTreeSet::from([secret.to_owned(), secret.to_lowercase()]);
        for text in &written {
            self.add_texts(number, text);
            self.add_base64(number, text.as_bytes());
            self.add_digests(number, text.as_bytes());
        }
    }

    /// The same of many.
    pub fn add_all<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) {
        secrets.into_iter().for_each(|secret| self.add(secret));
    }

    /// What is the same in any case.
    fn add_texts(&mut self, number: usize, text: &str) {
        let bytes = text.as_bytes();
        let escaped = |mark: char, all: bool| {
            let mut out = String::new();
            for byte in bytes {
                if all || !(byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
                    out += &format!("{mark}{byte:02x}");
                } else {
                    out.push(char::from(*byte));
                }
            }
            out.into_bytes()
        };
        let utf16 = |write: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(write).collect();
        for (form, pattern) in [
            (Form::Plain, bytes.to_vec()),
            (Form::Percent, escaped('%', false)),
            (Form::Percent, escaped('%', true)),
            (Form::QuotedPrintable, escaped('=', false)),
            (Form::QuotedPrintable, escaped('=', true)),
            (Form::Hexadecimal, hexadecimal(bytes).into_bytes()),
            (Form::Utf16Le, utf16(u16::to_le_bytes)),
            (Form::Utf16Be, utf16(u16::to_be_bytes)),
        ] {
            // Without a character to escape, it is the plain form, which is looked for already.
            if form == Form::Plain || pattern != bytes {
                self.fold(number, form, &pattern);
            }
        }
    }

    fn add_base64(&mut self, number: usize, bytes: &[u8]) {
        for offset in 0..3u8 {
            let before = usize::from(offset);
            let shifted = [&vec![0; before][..], bytes].concat();
            // Characters that hold bits of neighbours too say nothing.
            let (first, last) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
            for text in [
                STANDARD_NO_PAD.encode(&shifted),
                URL_SAFE_NO_PAD.encode(&shifted),
            ] {
                self.exactly(number, Form::Base64(offset), &text.as_bytes()[first..last]);
            }
        }
    }

    fn add_digests(&mut self, number: usize, bytes: &[u8]) {
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
        let sha256 = digest::digest(&digest::SHA256, bytes);
        for (form, sum) in [
            (Form::Md5, Md5::digest(bytes).to_vec()),
            (Form::Sha1, sha1.as_ref().to_vec()),
            (Form::Sha256, sha256.as_ref().to_vec()),
        ] {
            self.exactly(number, form, &sum);
            self.fold(number, form, hexadecimal(&sum).as_bytes());
            for text in [STANDARD_NO_PAD.encode(&sum), URL_SAFE_NO_PAD.encode(&sum)] {
                self.exactly(number, form, text.as_bytes());
            }
        }
    }

    fn exactly(&mut self, secret: usize, form: Form, bytes: &[u8]) {
        self.longest = self.longest.max(bytes.len());
        self.exact.add(Pattern {
            bytes: bytes.to_vec(),
            secret,
            form,
        });
    }

    fn fold(&mut self, secret: usize, form: Form, bytes: &[u8]) {
        self.longest = self.longest.max(bytes.len());
        self.folded.add(Pattern {
            bytes: bytes.to_ascii_lowercase(),
            secret,
            form,
        });
    }

    /// Looks through bytes; `name` is what findings call them.
    pub fn search(&self, name: &Path, bytes: &[u8]) -> Findings {
        let mut findings = Findings {
            files: 1,
            bytes: bytes.len() as u64,
            ..Findings::default()
        };
        self.look(bytes, |at, pattern| {
            findings.leaks.push(leak(name, Some(at as u64), pattern));
        });
        findings
    }

    /// Looks through every byte of every file of a directory, and the files' names.
    ///
    /// # Errors
    /// What the operating system said, with the file.
    pub fn search_directory(&self, directory: &Path) -> io::Result<Findings> {
        let mut findings = Findings::default();
        self.descend(directory, DEEPEST, &mut findings)?;
        Ok(findings)
    }

    fn descend(&self, directory: &Path, depth: usize, findings: &mut Findings) -> io::Result<()> {
        if depth == 0 {
            return Err(named(directory, io::Error::other("is nested too deep")));
        }
        for entry in fs::read_dir(directory).map_err(|error| named(directory, error))? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            self.look(entry.file_name().as_encoded_bytes(), |_, pattern| {
                findings.leaks.push(leak(&path, None, pattern));
            });
            if kind.is_dir() {
                self.descend(&path, depth - 1, findings)?;
            } else if kind.is_file() {
                self.read(&path, findings)?;
            }
        }
        Ok(())
    }

    fn read(&self, path: &Path, findings: &mut Findings) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            // A journal or temporary file may go at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(named(path, error)),
        };
        findings.files += 1;
        // What stands across two windows is seen in the second, which begins with the end of the first.
        let overlap = self.longest.saturating_sub(1);
        let (mut window, mut start, mut seen) = (Vec::new(), 0u64, 0u64);
        loop {
            let read = (&mut file)
                .take(WINDOW as u64)
                .read_to_end(&mut window)
                .map_err(|error| named(path, error))?;
            if read == 0 {
                return Ok(());
            }
            findings.bytes += read as u64;
            self.look(&window, |at, pattern| {
                let at = start + at as u64;
                if at + pattern.bytes.len() as u64 > seen {
                    findings.leaks.push(leak(path, Some(at), pattern));
                }
            });
            seen = start + window.len() as u64;
            let drop = window.len().saturating_sub(overlap);
            window.drain(..drop);
            start += drop as u64;
        }
    }

    fn look(&self, bytes: &[u8], mut found: impl FnMut(usize, &Pattern)) {
        self.exact.find(bytes, &mut found);
        self.folded.find(&bytes.to_ascii_lowercase(), &mut found);
    }
}

fn leak(file: &Path, at: Option<u64>, pattern: &Pattern) -> Leak {
    Leak {
        file: file.to_owned(),
        at,
        secret: pattern.secret,
        form: pattern.form,
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
