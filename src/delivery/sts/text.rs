//! The two texts of MTA-STS (RFC 8461): the TXT record that says there is a policy, and the policy. Strangers write both.

use serde::{Deserialize, Serialize};

/// The longest policy that is read, in bytes.
pub(super) const MAX_POLICY: usize = 64 * 1024;
/// The longest that a policy may hold: a year (§3.2).
const MAX_AGE: u64 = 31_557_600;
/// Patterns taken from one policy.
const MOST_PATTERNS: usize = 100;

/// The id in the one record of the TXT answer that speaks of MTA-STS. None if there is none, or not exactly one, or it is
/// not as the RFC has it (§3.1).
pub fn record_id(texts: &[Vec<u8>]) -> Option<String> {
    let mut records = texts.iter().filter(|text| is_record(text));
    let record = records.next().filter(|_| records.next().is_none())?;
    let text = std::str::from_utf8(record).ok()?;
    let mut fields = text
        .split(';')
        .map(|field| field.trim_matches([' ', '\t']))
        .skip(1)
        .peekable();
    let mut id = None;
    while let Some(field) = fields.next() {
        // A semicolon at the end is allowed, an empty field before others isn't.
        if field.is_empty() && fields.peek().is_none() && id.is_some() {
            break;
        }
        let (name, value) = field.split_once('=')?;
        if !is_field(name) || !value.bytes().all(is_record_value) {
            return None;
        }
        if name == "id" && id.is_none() {
            let fits = (1..=32).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
            id = Some(fits.then(|| value.to_owned())?);
        }
    }
    id
}

/// "v=STSv1", and then a semicolon.
fn is_record(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"v=STSv1") else {
        return false;
    };
    let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    rest.get(blank.count()) == Some(&b';')
}

fn is_record_value(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'=' | b';')
}

/// A name in either text: letters, digits and, but for the first, `_`, `-` and `.`; 32 at most.
fn is_field(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=32).contains(&name.len())
        && name.bytes().all(inner)
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
}

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Mail goes only to servers that it names and that prove it.
    Enforce,
    /// Failures are reported, and mail goes as if there were no policy.
    Testing,
    /// There is none any more.
    None,
}

/// A policy.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What it asks for.
    pub mode: Mode,
    /// How long it holds after it was fetched, in seconds.
    pub max_age: u64,
    /// The names of the domain's mail servers, in lower case; `*.` stands for one label.
    pub mx: Vec<String>,
}

/// The servers that it names tell the domain, which may be one person's.
impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (servers, days) = (self.mx.len(), self.max_age / 86_400);
        write!(f, "Policy({:?}, {servers} servers, {days} days)", self.mode)
    }
}

/// The policy is not as the RFC has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the MTA-STS policy is not as RFC 8461 §3.2 has it: {0}")]
pub struct PolicyError(&'static str);

impl Policy {
    /// Reads a policy (§3.2). Of a field that stands twice the first counts, but for `mx`.
    ///
    /// # Errors
    /// [`PolicyError`] with what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY {
            return Err(PolicyError("it is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| PolicyError("it is not UTF-8"))?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        for line in lines {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let (name, value) = line
                .split_once(':')
                .ok_or(PolicyError("a line without a colon"))?;
            let value = value.trim_matches([' ', '\t']);
            if !is_field(name) {
                return Err(PolicyError("a name with odd letters"));
            }
            if value.is_empty() || value.chars().any(char::is_control) {
                return Err(PolicyError("a value that is empty or holds odd letters"));
            }
            match name {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(read_mode(value)?)),
                "max_age" => max_age = max_age.or(Some(read_age(value)?)),
                "mx" if mx.len() < MOST_PATTERNS => mx.push(read_pattern(value)?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(PolicyError("it has no version, or another"));
        }
        let policy = Self {
            mode: mode.ok_or(PolicyError("it has no mode"))?,
            max_age: max_age.ok_or(PolicyError("it has no max_age"))?,
            mx,
        };
        if policy.mx.is_empty() && policy.mode != Mode::None {
            return Err(PolicyError("it names no mail server"));
        }
        Ok(policy)
    }

    /// Whether it names this host (§4.1).
    pub fn names(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.mx
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(suffix) => host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == suffix),
                None => *pattern == host,
            })
    }

    /// Its lines, as reports give them (RFC 8460 §4.4).
    pub fn lines(&self) -> Vec<String> {
        let mode = match self.mode {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {mode}")];
        lines.extend(self.mx.iter().map(|pattern| format!("mx: {pattern}")));
        lines.push(format!("max_age: {}", self.max_age));
        lines
    }
}

fn read_mode(value: &str) -> Result<Mode, PolicyError> {
    match value {
        "enforce" => Ok(Mode::Enforce),
        "testing" => Ok(Mode::Testing),
        "none" => Ok(Mode::None),
        _ => Err(PolicyError("a mode that isn't one")),
    }
}

/// More than a year is a year: a policy that asks for too much is still one.
fn read_age(value: &str) -> Result<u64, PolicyError> {
    let digits = value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_digit());
    let age = digits.then(|| value.parse::<u64>().ok()).flatten();
    age.map(|age| age.min(MAX_AGE))
        .ok_or(PolicyError("a max_age that is no number"))
}

/// Names in A-labels alone (§3.2).
fn read_pattern(value: &str) -> Result<String, PolicyError> {
    let name = value.strip_prefix("*.").unwrap_or(value);
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
    };
    if name.len() <= 253 && name.split('.').all(fits) {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(PolicyError("an mx that is no name"))
    }
}

#[cfg(test)]
mod tests;
