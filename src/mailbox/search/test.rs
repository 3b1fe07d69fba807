//! The question in the form in which it's asked of each message, and what is known of one. What isn't known yet may decide
//! nothing: then it is never looked at.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::key::{Day, Key};
use super::words::Needle;
use crate::mailbox::view::{Known, View};
use crate::store::{Entry, Flags, Keyword, ModSeq, Uids};

/// How deep questions may nest.
const DEPTH: usize = 32;
/// How many there may be in one.
const KEYS: usize = 500;
/// The longest text that is looked for, in bytes.
const LONGEST: usize = 1024;

/// Why a question isn't answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It nests too deep.
    #[error("the search nests deeper than 32: search for less at once")]
    TooDeep,
    /// It has too many keys.
    #[error("the search has more than 500 keys: search for less at once")]
    TooMany,
    /// A text in it is too long.
    #[error("a text of the search is longer than 1,024 bytes: search for a part of it")]
    TooLong,
}

/// A question within the limits.
#[derive(Debug)]
pub struct Query {
    pub(super) test: Test,
    /// What is looked for in text; a test names its place here.
    pub(super) asked: Vec<Asked>,
}

#[derive(Debug)]
pub(super) enum Test {
    All,
    Uids(Arc<Uids>),
    Flags(Flags),
    Keyword(Keyword),
    ModSeq(ModSeq),
    Larger(u64),
    Smaller(u64),
    Received(Day),
    Older(u32),
    Younger(u32),
    Sent(Day),
    Asked(usize),
    Not(Box<Test>),
    Any(Vec<Test>),
    Every(Vec<Test>),
}

impl Test {
    fn asks_when_sent(&self) -> bool {
        match self {
            Self::Sent(_) => true,
            Self::Not(test) => test.asks_when_sent(),
            Self::Any(tests) | Self::Every(tests) => tests.iter().any(Self::asks_when_sent),
            _ => false,
        }
    }
}

/// A text that is looked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) scope: Scope,
    pub(super) needle: Needle,
}

/// Where.
#[derive(Debug)]
pub(super) enum Scope {
    /// In the fields of this name.
    Field(String),
    /// In the body.
    Body,
    /// In the header and in the body.
    Everything,
}

impl Query {
    /// Reads a question.
    ///
    /// # Errors
    /// A [`QueryError`] if it's beyond the limits.
    pub fn new(key: &Key) -> Result<Self, QueryError> {
        let mut reading = Reading::default();
        let test = reading.read(key, DEPTH)?;
        let asked = reading.asked;
        Ok(Self { test, asked })
    }

    /// Whether messages may have to be opened for it.
    pub fn reads_messages(&self) -> bool {
        !self.asked.is_empty() || self.test.asks_when_sent()
    }
}

#[derive(Default)]
struct Reading {
    keys: usize,
    asked: Vec<Asked>,
}

impl Reading {
    fn read(&mut self, key: &Key, depth: usize) -> Result<Test, QueryError> {
        self.keys += 1;
        if self.keys > KEYS {
            return Err(QueryError::TooMany);
        }
        let below = || depth.checked_sub(1).ok_or(QueryError::TooDeep);
        Ok(match key {
            Key::All => Test::All,
            Key::Uids(uids) => Test::Uids(uids.clone()),
            Key::Flags(flags) => Test::Flags(*flags),
            Key::Keyword(keyword) => Test::Keyword(keyword.clone()),
            Key::ModSeq(modseq) => Test::ModSeq(*modseq),
            Key::Larger(size) => Test::Larger(*size),
            Key::Smaller(size) => Test::Smaller(*size),
            Key::Received(day) => Test::Received(*day),
            Key::Older(seconds) => Test::Older(*seconds),
            Key::Younger(seconds) => Test::Younger(*seconds),
            Key::Sent(day) => Test::Sent(*day),
            Key::Header { name, text } => self.ask(Scope::Field(name.clone()), text)?,
            Key::Body(text) => self.ask(Scope::Body, text)?,
            Key::Text(text) => self.ask(Scope::Everything, text)?,
            Key::Not(key) => Test::Not(Box::new(self.read(key, below()?)?)),
            Key::Any(keys) => Test::Any(self.read_all(keys, below()?)?),
            Key::Every(keys) => Test::Every(self.read_all(keys, below()?)?),
        })
    }

    fn read_all(&mut self, keys: &[Key], depth: usize) -> Result<Vec<Test>, QueryError> {
        keys.iter().map(|key| self.read(key, depth)).collect()
    }

    fn ask(&mut self, scope: Scope, text: &str) -> Result<Test, QueryError> {
        if text.len() > LONGEST {
            return Err(QueryError::TooLong);
        }
        let needle = Needle::new(text);
        // The empty text is part of every text (RFC 9051 §6.4.4); but not of a field that isn't there.
        if needle.len() == 0 && !matches!(scope, Scope::Field(_)) {
            return Ok(Test::All);
        }
        self.asked.push(Asked { scope, needle });
        Ok(Test::Asked(self.asked.len() - 1))
    }
}

/// What is known of one message.
pub(super) struct Facts<'f> {
    pub(super) view: &'f View,
    pub(super) known: &'f Known,
    pub(super) entry: Option<&'f Entry>,
    /// The day on which it was written; `Some(None)` if it doesn't say.
    pub(super) sent: Option<Option<Date>>,
    /// What was found of what is looked for.
    pub(super) answers: Vec<Option<bool>>,
    pub(super) now: Timestamp,
}

impl Facts<'_> {
    /// The answer, if what is known is enough for one.
    pub(super) fn answer(&self, test: &Test) -> Option<bool> {
        match test {
            Test::All => Some(true),
            Test::Uids(uids) => Some(uids.contains(self.known.uid)),
            Test::Flags(flags) => Some(self.known.flags.has(*flags)),
            Test::Keyword(keyword) => Some(self.view.has_keyword(self.known, keyword)),
            Test::ModSeq(modseq) => Some(self.known.modseq >= *modseq),
            Test::Larger(size) => self.entry.map(|entry| entry.record.size > *size),
            Test::Smaller(size) => self.entry.map(|entry| entry.record.size < *size),
            Test::Received(day) => {
                let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
                self.entry
                    .map(|entry| day.holds(date(entry.record.received_at)))
            }
            Test::Older(seconds) => self.age().map(|age| age >= i64::from(*seconds)),
            Test::Younger(seconds) => self.age().map(|age| age <= i64::from(*seconds)),
            Test::Sent(day) => self
                .sent
                .map(|sent| sent.is_some_and(|date| day.holds(date))),
            Test::Asked(at) => self.answers.get(*at).copied().flatten(),
            Test::Not(test) => self.answer(test).map(|answer| !answer),
            Test::Any(tests) => self.first(tests, true),
            Test::Every(tests) => self.first(tests, false),
        }
    }

    /// `decides` if one of them answers that, and the contrary if all do that.
    fn first(&self, tests: &[Test], decides: bool) -> Option<bool> {
        let mut all = Some(!decides);
        for test in tests {
            match self.answer(test) {
                Some(answer) if answer == decides => return Some(decides),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }

    /// How many seconds ago it came.
    fn age(&self) -> Option<i64> {
        let received = self.entry?.record.received_at;
        Some(self.now.as_second().saturating_sub(received.as_second()))
    }
}
