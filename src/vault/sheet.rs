//! The recovery sheet: what must survive the loss of the host, on paper.
//!
//! It holds the root key, every generation of the index and token keys (so that suppression entries and withdrawal
//! tokens in people's mailboxes go on working even without the key ring), and the public key that checks
//! checkpoints. Sealing keys aren't on it: they are in the ring, which lies beside the database and in each backup,
//! and which the root key opens.
//!
//! Each key takes two lines:
//!
//! ```text
//! 03 index.suppression 1 a  ABCD EFGH IJKL MNOP QRST UVWX YZ  2K7Q
//! ```
//!
//! the line's number, the key's name, its generation, the half (`a` or `b`, 16 bytes in base 32), and four
//! characters that check all of these. A last line checks that no line is missing. When it is read back, case, space
//! and other lines don't matter, and the digits 0, 1 and 8, which base 32 hasn't, are read as O, I and B.

mod print;
mod read;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use self::print::Writer;
use self::read::Reader;
use super::base32;
use super::purpose::{IndexColumn, TokenKind};
use super::ring::{KeyRing, Slot};
use super::root::RootKey;
use super::secret::{KEY_LEN, Secret};

const TITLE: &str = "HUSTINGS RECOVERY SHEET, version 1";
const HALF: usize = KEY_LEN / 2;
const HALF_DIGITS: usize = base32::encoded_len(HALF);
const CHECK_DIGITS: usize = 4;
const END: &str = "END";
const END_DIGITS: usize = 8;
/// No sheet is longer: 255 generations of each key would have some 700 kB.
const TEXT_MAX: usize = 1024 * 1024;

/// Why a sheet could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// Far too long to be a sheet.
    #[error("this is not a recovery sheet: it is longer than any; give the text of one sheet")]
    TooLong,
    /// A line was mistyped.
    #[error(
        "line {0} of the recovery sheet is mistyped: compare it with the paper, character by character"
    )]
    BadLine(usize),
    /// A line isn't there.
    #[error("line {0} of the recovery sheet is missing: lines are numbered without a gap")]
    MissingLine(usize),
    /// The last line isn't there, or doesn't fit the others.
    #[error("the last line of the recovery sheet (END …) is missing, mistyped or of another sheet")]
    BadEnd,
    /// A line of a kind that isn't known here.
    #[error(
        "line {0} of the recovery sheet names a key that this hustings doesn't know; use the version that printed it, or a later one"
    )]
    UnknownKey(usize),
    /// All lines are right, but they aren't all that a sheet has.
    #[error("the recovery sheet holds no \"{0}\": it was not printed by `hustings key backup`")]
    NoKey(&'static str),
}

/// What stands on a recovery sheet. It has no `Debug`; its keys are wiped when it goes.
pub struct RecoverySheet {
    root: Secret,
    forever: BTreeMap<(Slot, u16), Secret>,
    checkpoint_public: [u8; KEY_LEN],
}

impl RecoverySheet {
    /// The sheet of a ring and the root key that wraps it.
    pub fn new(root: &RootKey, ring: &KeyRing) -> Self {
        let keys = Slot::forever().flat_map(|slot| {
            ring.generations(slot)
                .map(move |(generation, key)| ((slot, generation), key.clone()))
        });
        Self {
            root: root.secret().clone(),
            forever: keys.collect(),
            checkpoint_public: ring.checkpoint_public(),
        }
    }

    /// The root key.
    pub fn root_key(&self) -> RootKey {
        RootKey::from_secret(self.root.clone())
    }

    /// The Ed25519 public key that checks checkpoints of the logs.
    pub const fn checkpoint_public(&self) -> &[u8; KEY_LEN] {
        &self.checkpoint_public
    }

    /// Whether a ring holds every index and token key that stands on the sheet; if not, it is another
    /// installation's ring, or an older one than the sheet.
    pub fn matches(&self, ring: &KeyRing) -> bool {
        self.forever.iter().all(|((slot, generation), key)| {
            ring.generations(*slot)
                .any(|(at, held)| at == *generation && held.bytes().ct_eq(key.bytes()).into())
        })
    }

    /// A ring for a fresh installation when the old ring is lost: the index and token keys of the sheet, and fresh
    /// keys for all else. What was sealed stays lost; suppression and withdrawal tokens go on working.
    pub fn to_ring(&self) -> KeyRing {
        let mut ring = KeyRing::empty();
        for ((slot, generation), key) in &self.forever {
            ring.insert(*slot, *generation, key.clone());
        }
        ring.fill();
        ring
    }

    /// The sheet's text, to be printed and not to be kept in a file.
    pub fn to_text(&self, made: Timestamp) -> Zeroizing<String> {
        let lines = 2 * (2 + self.forever.len());
        // All at once: a string that grows would leave copies of keys behind.
        let mut text = Zeroizing::new(String::with_capacity(1024 + lines * 128));
        text.push_str(TITLE);
        text.push_str("\nMade ");
        text.push_str(&made.strftime("%Y-%m-%d %H:%M UTC").to_string());
        text.push_str(INTRODUCTION);
        let mut writer = Writer::new(&mut text);
        writer.key(ROOT, 1, self.root.bytes());
        for ((slot, generation), key) in &self.forever {
            writer.key(&label(*slot), *generation, key.bytes());
        }
        writer.key(CHECKPOINT, 1, &self.checkpoint_public);
        writer.end();
        text
    }

    /// Reads a sheet back.
    ///
    /// # Errors
    /// [`SheetError`], which names the line that is wrong or missing.
    pub fn parse(text: &str) -> Result<Self, SheetError> {
        if text.len() > TEXT_MAX {
            return Err(SheetError::TooLong);
        }
        let mut reader = Reader::default();
        for line in text.lines() {
            if reader.line(line)? {
                return reader.finish();
            }
        }
        Err(SheetError::BadEnd)
    }
}

const ROOT: &str = "root";
const CHECKPOINT: &str = "checkpoint-public";
const INTRODUCTION: &str = "

Keep this on paper, off line, in two places that don't burn together. Whoever
holds it and a copy of the database can read everything; without it, and without
the root key, the data are lost. To use it, type the numbered lines and the last
line into a file in memory (/dev/shm), stop the service, and run
`hustings key restore FILE` as root.

";

/// The name of a key on the sheet.
fn label(slot: Slot) -> String {
    match slot {
        Slot::Index(column) => format!("index.{}", column.name()),
        Slot::Token(kind) => format!("token.{}", kind.name()),
        Slot::Seal(_) | Slot::Checkpoint | Slot::Box => String::new(),
    }
}

fn slot_of(label: &str) -> Option<Slot> {
    let (kind, name) = label.split_once('.')?;
    match kind {
        "index" => IndexColumn::ALL
            .iter()
            .find(|column| column.name() == name)
            .map(|column| Slot::Index(*column)),
        "token" => TokenKind::ALL
            .iter()
            .find(|kind| kind.name() == name)
            .map(|kind| Slot::Token(*kind)),
        _ => None,
    }
}

fn new_sum() -> Context {
    let mut sum = Context::new(&SHA256);
    sum.update(b"hustings recovery sheet v1\n");
    sum
}

/// The first digits of a sum, in capitals as on the sheet.
fn digits(sum: Context, count: usize) -> String {
    let mut text = base32::encode(&sum.finish().as_ref()[..8]).to_ascii_uppercase();
    text.truncate(count);
    text
}

/// The sum of one line: its number, name, generation, half and digits, with one space between them.
fn line_sum(number: usize, label: &str, generation: u16, half: char, data: &str) -> Context {
    let mut sum = new_sum();
    let mut line = Zeroizing::new(String::with_capacity(label.len() + 64));
    line.push_str(&format!("{number} {label} {generation} {half} "));
    line.push_str(data);
    sum.update(line.as_bytes());
    sum
}

#[cfg(test)]
mod tests;
