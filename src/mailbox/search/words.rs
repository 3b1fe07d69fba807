//! Text made comparable, and looked through while it goes by. Case makes no difference in any script, nor do the two ways of
//! writing an accent, nor how wide a space is or whether a line ends there (RFC 5051, and RFC 9051 §6.4.4 lets a server be
//! generous).

use memchr::memmem::Finder;
use unicode_normalization::char::decompose_compatible;

/// Makes text comparable, in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Folding {
    /// The last was a space.
    spaced: bool,
}

impl Folding {
    pub(super) fn fold(&mut self, text: &str, out: &mut Vec<u8>) {
        for character in text.chars() {
            if character.is_whitespace() {
                if !std::mem::replace(&mut self.spaced, true) {
                    out.push(b' ');
                }
                continue;
            }
            // What is written for a line break that isn't needed, and isn't seen.
            if matches!(character, '\u{ad}' | '\u{200b}' | '\u{feff}') {
                continue;
            }
            self.spaced = false;
            if character.is_ascii() {
                out.push(character.to_ascii_uppercase() as u8);
                continue;
            }
            for upper in character.to_uppercase() {
                let mut bytes = [0; 4];
                decompose_compatible(upper, |one| {
                    out.extend_from_slice(one.encode_utf8(&mut bytes).as_bytes());
                });
            }
        }
    }
}

/// A text that is looked for.
#[derive(Debug, Clone)]
pub(super) struct Needle(Finder<'static>);

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let mut folded = Vec::new();
        Folding::default().fold(text, &mut folded);
        Self(Finder::new(&folded).into_owned())
    }

    pub(super) fn len(&self) -> usize {
        self.0.needle().len()
    }

    pub(super) fn is_in(&self, folded: &[u8]) -> bool {
        self.0.find(folded).is_some()
    }
}

/// A text that goes by in pieces: what is kept of it is as much as could be the beginning of what is looked for.
#[derive(Debug)]
pub(super) struct Passing {
    folding: Folding,
    window: Vec<u8>,
    keep: usize,
}

impl Passing {
    /// A text in which needles up to this length are looked for.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            folding: Folding::default(),
            window: Vec::new(),
            keep: longest.saturating_sub(1),
        }
    }

    /// Takes the next piece; what is looked for is in what this answers, if it ends in this piece.
    pub(super) fn take(&mut self, text: &str) -> &[u8] {
        let old = self.window.len().saturating_sub(self.keep);
        self.window.drain(..old);
        self.folding.fold(text, &mut self.window);
        &self.window
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(text: &str, needle: &str) -> bool {
        let mut folded = Vec::new();
        Folding::default().fold(text, &mut folded);
        Needle::new(needle).is_in(&folded)
    }

    #[test]
    fn case_accents_and_line_ends_make_no_difference() {
        for (text, needle) in [
            ("Nye Bevan", "nye bevan"),
            ("G\u{175}YL", "gw\u{302}yl"),
            ("gw\u{302}yl", "G\u{174}yl"),
            ("town\r\n\t hall", "Town Hall"),
            ("town\u{a0}hall", "town hall"),
            ("STRASSE", "stra\u{df}e"),
            (
                "\u{39f}\u{394}\u{39f}\u{3a3}",
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
            ),
            ("\u{fb01}ne", "fine"),
            ("consti\u{ad}tuency", "constituency"),
            ("anything", ""),
        ] {
            assert!(finds(text, needle), "{needle} in {text}");
        }
        for (text, needle) in [("gwyl", "g\u{175}yl"), ("townhall", "town hall"), ("", "a")] {
            assert!(!finds(text, needle), "{needle} in {text}");
        }
    }

    #[test]
    fn no_more_is_held_than_could_be_a_beginning() {
        let mut passing = Passing::new(5);
        let most = (0..100).map(|_| passing.take("some words ").len()).max();
        assert_eq!(most, Some(4 + "some words ".len()));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[aAb\u{175} \n]{0,40}", needle in "[aAb\u{174} ]{1,5}", size in 1..9_usize) {
            let needle_made = Needle::new(&needle);
            let mut passing = Passing::new(needle_made.len());
            let characters: Vec<_> = text.chars().collect();
            let mut found = false;
            for piece in characters.chunks(size) {
                found |= needle_made.is_in(passing.take(&piece.iter().collect::<String>()));
            }
            prop_assert_eq!(found, finds(&text, &needle));
        }
    }
}
