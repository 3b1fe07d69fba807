//! The configuration's file as bytes: read, named by its digest, taken for text. What stands in it is read elsewhere.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

/// Bytes of a configuration file that are read.
const MAX_FILE: u64 = 1 << 20;
/// How many octets of the digest name a file.
const NAMING: usize = 8;

/// Which file was read: the first 16 hexadecimal digits of its SHA-256, as `sha256sum` prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest(String);

impl FileDigest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let whole = digest(&SHA256, bytes);
        let octets = whole.as_ref().iter().take(NAMING);
        Self(octets.map(|octet| format!("{octet:02x}")).collect())
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong and what to do.
pub(super) type Why = (String, String);

/// The file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let help = "check the path and its permissions; `hustings init` writes a first file";
        return Err((
            format!("the configuration can't be read: {error}"),
            help.to_owned(),
        ));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err((
            format!("the configuration is larger than {MAX_FILE} bytes"),
            "check that the path is right".to_owned(),
        ));
    }
    Ok(bytes)
}

/// The bytes as text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, Why> {
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .split(|b| *b == b'\n')
            .count();
        (
            format!("line {line} of the configuration is not UTF-8"),
            "save the file as UTF-8".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_sha256sum_names_it() {
        assert_eq!(FileDigest::of(b"abc").to_string(), "ba7816bf8f01cfea");
    }
}
