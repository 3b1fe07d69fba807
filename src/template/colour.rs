//! Colours that can be read: a party names one colour, and every page gets shades of it that keep the contrast
//! WCAG 2.2 asks for (1.4.3: 4.5 for text; 1.4.11: 3 for the parts of a control), on light and on dark paper.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The contrast that text is given. A little above the 4.5 that is asked for, so that rounding can't undercut it.
const TEXT_CONTRAST: f64 = 4.7;
/// The contrast between a button and the paper it stands on; again a little above the 3 that is asked for.
const SHAPE_CONTRAST: f64 = 3.1;

/// A colour in sRGB, written `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour([u8; 3]);

/// The text is not a colour.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is not a colour: write it like \"#0b6e4f\", with six hexadecimal digits (or three)")]
pub struct ColourError;

impl Colour {
    /// White paper, on which pages stand by day.
    pub const WHITE: Self = Self([255, 255, 255]);
    /// The paper of dark mode; the stylesheet's `--paper`.
    pub const NIGHT: Self = Self([0x1d, 0x1e, 0x22]);
    /// The ink used on bright colours: black itself, because only black and white together reach 4.5 on every colour.
    pub const INK: Self = Self([0, 0, 0]);

    /// Reads `#rgb` or `#rrggbb`.
    ///
    /// # Errors
    /// [`ColourError`] where the text is anything else.
    pub fn parse(text: &str) -> Result<Self, ColourError> {
        let digits = text.trim().strip_prefix('#').ok_or(ColourError)?;
        let nibbles: Vec<u8> = digits
            .chars()
            .map(|c| {
                c.to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
                    .ok_or(ColourError)
            })
            .collect::<Result<_, _>>()?;
        match *nibbles.as_slice() {
            [r, g, b] => Ok(Self([r * 17, g * 17, b * 17])),
            [r1, r0, g1, g0, b1, b0] => Ok(Self([r1 * 16 + r0, g1 * 16 + g0, b1 * 16 + b0])),
            _ => Err(ColourError),
        }
    }

    /// Relative luminance, 0 to 1, as WCAG 2.2 defines it.
    fn luminance(self) -> f64 {
        let linear = self.0.map(|byte| {
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// The contrast ratio of two colours, 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This colour moved towards `goal` in 64 steps until it stands out from `paper` by `wanted`.
    fn towards(self, goal: Self, paper: Self, wanted: f64) -> Self {
        (0..=64u16)
            .map(|step| self.mix(goal, step))
            .find(|shade| shade.contrast(paper) >= wanted)
            .unwrap_or(goal)
    }

    fn mix(self, goal: Self, step: u16) -> Self {
        let mut mixed = self.0;
        for (byte, target) in mixed.iter_mut().zip(goal.0) {
            let sum = u16::from(*byte) * (64 - step) + u16::from(target) * step;
            *byte = u8::try_from(sum / 64).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2])
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

impl TryFrom<String> for Colour {
    type Error = ColourError;

    fn try_from(text: String) -> Result<Self, ColourError> {
        Self::parse(&text)
    }
}

/// The shades of one party colour on one paper.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Palette {
    /// Buttons and the band at the top of the page.
    pub accent: Colour,
    /// Text on [`Palette::accent`].
    pub on_accent: Colour,
    /// Links and other coloured text on the paper.
    pub link: Colour,
}

impl Palette {
    /// The shades for light paper.
    pub fn light(colour: Colour) -> Self {
        Self::on(colour, Colour::WHITE, Colour::INK)
    }

    /// The shades for dark paper.
    pub fn dark(colour: Colour) -> Self {
        Self::on(colour, Colour::NIGHT, Colour::WHITE)
    }

    fn on(colour: Colour, paper: Colour, away: Colour) -> Self {
        let accent = colour.towards(away, paper, SHAPE_CONTRAST);
        let white_reads = accent.contrast(Colour::WHITE) >= TEXT_CONTRAST;
        let ink_is_better = accent.contrast(Colour::INK) > accent.contrast(Colour::WHITE);
        let on_accent = if !white_reads && ink_is_better {
            Colour::INK
        } else {
            Colour::WHITE
        };
        Self {
            accent,
            on_accent,
            link: colour.towards(away, paper, TEXT_CONTRAST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes_colours() {
        for (text, seen) in [
            ("#0b6e4f", "#0b6e4f"),
            ("#ABC", "#aabbcc"),
            (" #ffffff ", "#ffffff"),
        ] {
            assert_eq!(Colour::parse(text).expect("a colour").to_string(), seen);
        }
        for text in [
            "", "#", "red", "#12", "#12345", "#1234567", "0b6e4f", "#0b6e4g", "#٣٣٣", "#fff;}",
        ] {
            assert_eq!(Colour::parse(text), Err(ColourError), "{text}");
        }
    }

    #[test]
    fn knows_the_contrast_of_black_and_white() {
        assert!((Colour::WHITE.contrast(Colour::INK) - 21.0).abs() < 0.01);
        assert!((Colour::WHITE.contrast(Colour::WHITE) - 1.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn every_party_colour_gets_readable_shades(rgb in any::<[u8; 3]>()) {
            for (palette, paper) in [
                (Palette::light(Colour(rgb)), Colour::WHITE),
                (Palette::dark(Colour(rgb)), Colour::NIGHT),
            ] {
                prop_assert!(palette.accent.contrast(paper) >= 3.0);
                prop_assert!(palette.link.contrast(paper) >= 4.5);
                prop_assert!(palette.on_accent.contrast(palette.accent) >= 4.5);
            }
        }
    }
}
