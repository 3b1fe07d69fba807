//! Signed checkpoints: a log's size and root at a time, in a few lines that can be mailed, printed and kept.
//!
//! ```text
//! hustings checkpoint v1
//! log audit
//! size 42
//! root <base64 of 32 bytes>
//! at 2026-11-21T12:00:00Z
//! key <base64 of the first 6 bytes of the public key's SHA-256>
//! signature <base64 of the Ed25519 signature over the lines above>
//! ```
//!
//! What is signed is the six lines as they are written here, each with LF at its end. Space around lines and CRLF
//! are forgiven when a checkpoint is read, since it may have been through a mail; nothing else is.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::frontier::Frontier;
use super::hash::{Hash, Leaf, sha256};

const TITLE: &str = "hustings checkpoint v1";
/// How many lines a signed checkpoint has.
const LINES: usize = 7;
/// A checkpoint has some 350 bytes; more than this isn't one.
const TEXT_MAX: usize = 2048;

/// Which log a checkpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// The log of privileged acts.
    Audit,
    /// The log of consent events.
    Consent,
}

impl LogKind {
    /// The log's name, as written in checkpoints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Consent => "consent",
        }
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LogKind {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        match text {
            "audit" => Ok(Self::Audit),
            "consent" => Ok(Self::Consent),
            _ => Err(CheckpointError::Malformed("log")),
        }
    }
}

/// Why a checkpoint is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It can't be read.
    #[error(
        "not a checkpoint: its line \"{0}\" is missing or can't be read; take another copy of it"
    )]
    Malformed(&'static str),
    /// It names another key.
    #[error(
        "this checkpoint was signed with another key; give the public key that stands on the recovery sheet of its time"
    )]
    OtherKey,
    /// The signature is wrong.
    #[error("the checkpoint's signature is wrong: its lines were changed; take another copy of it")]
    BadSignature,
}

/// A log's size and root at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub log: LogKind,
    /// How many leaves it had.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// When it was so.
    pub at: Timestamp,
}

impl Checkpoint {
    /// The checkpoint of a log as it stands.
    pub fn of(log: LogKind, frontier: &Frontier, at: Timestamp) -> Self {
        Self {
            log,
            size: frontier.size(),
            root: frontier.root(),
            at,
        }
    }

    /// Signs it.
    pub fn sign(self, key: &Ed25519KeyPair) -> SignedCheckpoint {
        let key_id = key_id(key.public_key().as_ref());
        let mut signature = [0; 64];
        signature.copy_from_slice(key.sign(self.lines(&key_id).as_bytes()).as_ref());
        SignedCheckpoint {
            content: self,
            key_id,
            signature,
        }
    }

    fn lines(&self, key_id: &KeyId) -> String {
        format!(
            "{TITLE}\nlog {}\nsize {}\nroot {}\nat {}\nkey {}\n",
            self.log,
            self.size,
            STANDARD.encode(self.root),
            self.at,
            STANDARD.encode(key_id),
        )
    }
}

/// The lines of the last checkpoint in a text that holds more, such as what a command printed or a mail; none if there's
/// no beginning of one in it.
pub fn cut_out(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = lines.iter().rposition(|line| *line == TITLE)?;
    let mut cut = lines[begins..]
        .iter()
        .take(LINES)
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    cut.push('\n');
    Some(cut)
}

type KeyId = [u8; 6];

fn key_id(public: &[u8]) -> KeyId {
    let hash = sha256(&[public]);
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]]
}

/// A checkpoint with its signature. What it says can be had only by [verifying](SignedCheckpoint::verify) it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    content: Checkpoint,
    key_id: KeyId,
    signature: [u8; 64],
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content.lines(&self.key_id))?;
        writeln!(f, "signature {}", STANDARD.encode(self.signature))
    }
}

impl SignedCheckpoint {
    /// Reads a checkpoint's text.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] names the line that is missing or can't be read.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        if text.len() > TEXT_MAX {
            return Err(malformed(TITLE));
        }
        let mut lines = text.trim().lines().map(str::trim);
        if lines.next() != Some(TITLE) {
            return Err(malformed(TITLE));
        }
        let mut field = |name: &'static str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.strip_prefix(' '));
            value.ok_or(malformed(name))
        };
        let content = Checkpoint {
            log: field("log")?.parse()?,
            size: whole(field("size")?).ok_or(malformed("size"))?,
            root: bytes(field("root")?).ok_or(malformed("root"))?,
            at: time(field("at")?).ok_or(malformed("at"))?,
        };
        let key_id = bytes(field("key")?).ok_or(malformed("key"))?;
        let signature = bytes(field("signature")?).ok_or(malformed("signature"))?;
        if lines.next().is_some() {
            return Err(malformed("signature"));
        }
        Ok(Self {
            content,
            key_id,
            signature,
        })
    }

    /// Checks the signature and gives what was signed.
    ///
    /// # Errors
    /// [`CheckpointError::OtherKey`] or [`CheckpointError::BadSignature`].
    pub fn verify(&self, public: &[u8; 32]) -> Result<&Checkpoint, CheckpointError> {
        if key_id(public) != self.key_id {
            return Err(CheckpointError::OtherKey);
        }
        UnparsedPublicKey::new(&ED25519, public)
            .verify(self.content.lines(&self.key_id).as_bytes(), &self.signature)
            .map_err(|_| CheckpointError::BadSignature)?;
        Ok(&self.content)
    }
}

/// A whole number in its one form.
fn whole(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A time in its one form.
fn time(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok()?;
    (at.to_string() == text).then_some(at)
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// How a log compares with a checkpoint of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log is as it was.
    Same,
    /// The log has grown and nothing before was changed.
    Grown {
        /// How many leaves came after the checkpoint.
        by: u64,
    },
    /// The log's end was cut off, or an older file was put back.
    Shorter {
        /// How many leaves the log has.
        has: u64,
        /// How many it had at the checkpoint.
        had: u64,
    },
    /// At least one of the leaves that the checkpoint covers was changed, removed or added; a checkpoint alone
    /// can't tell which.
    Different {
        /// How many leaves the checkpoint covers.
        within: u64,
    },
}

impl Verdict {
    /// Whether everything that the checkpoint covers is still there and unchanged.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Same | Self::Grown { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the log is exactly as it was at the checkpoint"),
            Self::Grown { by } => write!(f, "the log is as it was, and has grown by {by}"),
            Self::Shorter { has, had } => write!(
                f,
                "the log is shorter than at the checkpoint: {has} entries of {had}; its end was cut off, or an older \
                 file was put back"
            ),
            Self::Different { within } => write!(
                f,
                "the log is not the one that was signed: at least one of its first {within} entries was changed"
            ),
        }
    }
}

/// Compares a log with a checkpoint of it, leaf by leaf, in constant memory.
pub struct Comparison {
    size: u64,
    root: Hash,
    frontier: Frontier,
    /// Leaves beyond the checkpoint, which are counted and not hashed.
    beyond: u64,
}

impl Comparison {
    /// Starts a comparison with a checkpoint that was verified.
    pub fn with(checkpoint: &Checkpoint) -> Self {
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
            frontier: Frontier::new(),
            beyond: 0,
        }
    }

    /// Takes the log's next leaf.
    pub fn push(&mut self, leaf: &Leaf) {
        if self.frontier.size() < self.size {
            self.frontier.push(leaf);
        } else {
            self.beyond += 1;
        }
    }

    /// The verdict, once all leaves were taken.
    pub fn finish(self) -> Verdict {
        let has = self.frontier.size();
        if has < self.size {
            Verdict::Shorter {
                has,
                had: self.size,
            }
        } else if self.frontier.root() != self.root {
            Verdict::Different { within: self.size }
        } else if self.beyond > 0 {
            Verdict::Grown { by: self.beyond }
        } else {
            Verdict::Same
        }
    }
}

/// Compares the leaves of a log with a checkpoint of it.
pub fn compare<'a>(checkpoint: &Checkpoint, leaves: impl IntoIterator<Item = &'a Leaf>) -> Verdict {
    let mut comparison = Comparison::with(checkpoint);
    leaves.into_iter().for_each(|leaf| comparison.push(leaf));
    comparison.finish()
}

#[cfg(test)]
mod tests;
