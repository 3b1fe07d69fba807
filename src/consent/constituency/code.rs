//! The code of a constituency.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A constituency's code, such as `E14001264`: 1 to 16 letters, digits, `-`, `_` or `.`, kept in upper case.
///
/// Its `Debug` is closed: beside a subscriber it is personal data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Code([u8; Code::MAX]);

/// A text that can't be a constituency's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a constituency code: it has 1 to 16 letters, digits, `-`, `_` or `.`, as in E14001264"
)]
pub struct NotACode;

impl Code {
    const MAX: usize = 16;

    /// Reads a code; whether it is on a list is for [`Constituencies::get`] to say.
    ///
    /// # Errors
    /// [`NotACode`] if it has other characters or is too long.
    pub fn parse(text: &str) -> Result<Self, NotACode> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(allowed) {
            return Err(NotACode);
        }
        let mut code = [0; Self::MAX];
        for (to, from) in code.iter_mut().zip(text.bytes()) {
            *to = from.to_ascii_uppercase();
        }
        Ok(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(Self::MAX);
        std::str::from_utf8(&self.0[..end]).expect("parse takes ASCII only")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

impl TryFrom<String> for Code {
    type Error = NotACode;
    fn try_from(text: String) -> Result<Self, NotACode> {
        Self::parse(&text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.as_str().to_owned()
    }
}
