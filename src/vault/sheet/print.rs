//! Printing the lines of a recovery sheet.

use aws_lc_rs::digest::Context;
use zeroize::Zeroizing;

use super::{CHECK_DIGITS, END, END_DIGITS, HALF, digits, line_sum, new_sum};
use crate::vault::base32;
use crate::vault::secret::KEY_LEN;

/// Writes key after key, and then the last line.
pub(super) struct Writer<'a> {
    text: &'a mut Zeroizing<String>,
    lines: usize,
    sum: Context,
}

impl<'a> Writer<'a> {
    pub(super) fn new(text: &'a mut Zeroizing<String>) -> Self {
        Self {
            text,
            lines: 0,
            sum: new_sum(),
        }
    }

    pub(super) fn key(&mut self, label: &str, generation: u16, key: &[u8; KEY_LEN]) {
        let (first, second) = key.split_at(HALF);
        self.half(label, generation, 'a', first);
        self.half(label, generation, 'b', second);
    }

    fn half(&mut self, label: &str, generation: u16, half: char, bytes: &[u8]) {
        self.lines += 1;
        let mut data = Zeroizing::new(base32::encode(bytes));
        data.make_ascii_uppercase();
        let check = digits(
            line_sum(self.lines, label, generation, half, &data),
            CHECK_DIGITS,
        );
        self.sum.update(data.as_bytes());
        self.sum.update(check.as_bytes());
        let name = format!("{:02} {label:<26} {generation:>3} {half} ", self.lines);
        self.text.push_str(&name);
        for group in data.as_bytes().chunks(4) {
            self.text.push(' ');
            group
                .iter()
                .for_each(|digit| self.text.push(char::from(*digit)));
        }
        self.text.push_str("  ");
        self.text.push_str(&check);
        self.text.push('\n');
    }

    pub(super) fn end(self) {
        let check = digits(self.sum, END_DIGITS);
        self.text
            .push_str(&format!("{END} {} {check}\n", self.lines));
    }
}
