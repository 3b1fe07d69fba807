//! Reading a recovery sheet back, line by line.

use std::collections::BTreeMap;

use aws_lc_rs::digest::Context;
use zeroize::{Zeroize, Zeroizing};

use super::{
    CHECK_DIGITS, CHECKPOINT, END, END_DIGITS, HALF, HALF_DIGITS, ROOT, RecoverySheet, SheetError,
    digits, line_sum, new_sum, slot_of,
};
use crate::vault::base32;
use crate::vault::ring::Slot;
use crate::vault::secret::{KEY_LEN, Secret};

/// Reads numbered lines one by one; the two halves of a key come together.
pub(super) struct Reader {
    lines: usize,
    sum: Context,
    first_half: Option<(String, u16, Zeroizing<[u8; HALF]>)>,
    root: Option<Secret>,
    checkpoint_public: Option<[u8; KEY_LEN]>,
    forever: BTreeMap<(Slot, u16), Secret>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            lines: 0,
            sum: new_sum(),
            first_half: None,
            root: None,
            checkpoint_public: None,
            forever: BTreeMap::new(),
        }
    }
}

impl Reader {
    /// Takes a line; true if it was the last of the sheet. Lines that don't begin with a number are for people.
    pub(super) fn line(&mut self, line: &str) -> Result<bool, SheetError> {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else {
            return Ok(false);
        };
        if first.eq_ignore_ascii_case(END) {
            return self.end(words);
        }
        let Ok(number) = first.parse::<usize>() else {
            return Ok(false);
        };
        let expected = self.lines + 1;
        if number != expected {
            return Err(SheetError::MissingLine(expected));
        }
        self.lines = expected;
        let numbered = Numbered::read(number, words).ok_or(SheetError::BadLine(number))?;
        self.sum.update(numbered.data.as_bytes());
        self.sum.update(numbered.check.as_bytes());
        self.take(number, numbered)?;
        Ok(false)
    }

    fn take(&mut self, number: usize, line: Numbered) -> Result<(), SheetError> {
        let bad = SheetError::BadLine(number);
        let bytes = base32::decode::<HALF>(&line.data).map(Zeroizing::new);
        let bytes = bytes.ok_or(bad.clone())?;
        match (line.half, self.first_half.take()) {
            ('a', None) => {
                self.first_half = Some((line.label, line.generation, bytes));
                Ok(())
            }
            ('b', Some((label, generation, first)))
                if (&label, generation) == (&line.label, line.generation) =>
            {
                let mut key = Secret::zero();
                key.bytes_mut()[..HALF].copy_from_slice(&*first);
                key.bytes_mut()[HALF..].copy_from_slice(&*bytes);
                self.keep(number, &label, generation, key)
            }
            _ => Err(bad),
        }
    }

    fn keep(
        &mut self,
        number: usize,
        label: &str,
        generation: u16,
        key: Secret,
    ) -> Result<(), SheetError> {
        match label {
            ROOT => self.root = Some(key),
            CHECKPOINT => self.checkpoint_public = Some(*key.bytes()),
            _ => {
                let slot = slot_of(label).ok_or(SheetError::UnknownKey(number))?;
                if !slot.allows(generation) {
                    return Err(SheetError::BadLine(number));
                }
                self.forever.insert((slot, generation), key);
            }
        }
        Ok(())
    }

    /// Takes a line that begins with END; false if it goes on otherwise than the last line does.
    fn end<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<bool, SheetError> {
        let count: Option<usize> = words.next().and_then(|word| word.parse().ok());
        let Some(count) = count else {
            return Ok(false);
        };
        if count > self.lines {
            return Err(SheetError::MissingLine(self.lines + 1));
        }
        let given = words.map(normal).collect::<String>();
        let sum = std::mem::replace(&mut self.sum, new_sum());
        if count < self.lines || given != digits(sum, END_DIGITS) {
            return Err(SheetError::BadEnd);
        }
        Ok(true)
    }

    pub(super) fn finish(self) -> Result<RecoverySheet, SheetError> {
        let lacks = |slot: &Slot| !self.forever.keys().any(|(held, _)| held == slot);
        match Slot::forever().find(lacks) {
            Some(Slot::Index(column)) => return Err(SheetError::NoKey(column.name())),
            Some(Slot::Token(kind)) => return Err(SheetError::NoKey(kind.name())),
            _ => {}
        }
        Ok(RecoverySheet {
            root: self.root.ok_or(SheetError::NoKey(ROOT))?,
            forever: self.forever,
            checkpoint_public: self
                .checkpoint_public
                .ok_or(SheetError::NoKey(CHECKPOINT))?,
        })
    }
}

/// A numbered line, its check passed.
struct Numbered {
    label: String,
    generation: u16,
    half: char,
    data: Zeroizing<String>,
    check: String,
}

impl Numbered {
    fn read<'a>(number: usize, mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let label = words.next()?.to_ascii_lowercase();
        let generation = words.next()?.parse().ok()?;
        let half = match words.next()? {
            "a" | "A" => 'a',
            "b" | "B" => 'b',
            _ => return None,
        };
        let mut data = Zeroizing::new(String::with_capacity(128));
        for word in words {
            if data.len() + word.len() > HALF_DIGITS + CHECK_DIGITS {
                return None;
            }
            let mut word = normal(word);
            data.push_str(&word);
            word.zeroize();
        }
        if data.len() != HALF_DIGITS + CHECK_DIGITS || !data.is_ascii() {
            return None;
        }
        let check = data.split_off(HALF_DIGITS);
        let sum = line_sum(number, &label, generation, half, &data);
        (digits(sum, CHECK_DIGITS) == check).then_some(Self {
            label,
            generation,
            half,
            data,
            check,
        })
    }
}

/// Digits as they are printed, whatever case they were typed in, with those that base 32 hasn't read as their likes.
fn normal(word: &str) -> String {
    let likes = |character: char| match character.to_ascii_uppercase() {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        other => other,
    };
    word.chars().map(likes).collect()
}
