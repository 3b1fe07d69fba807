//! The two languages of pages, mails and wordings.

use serde::{Deserialize, Serialize};

/// A language.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Welsh.
    Cy,
}

impl Lang {
    /// Both languages.
    pub const ALL: [Self; 2] = [Self::En, Self::Cy];

    /// The language tag (BCP 47), as evidence carries it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Cy => "cy",
        }
    }

    /// Reads a tag; anything but `cy` is English.
    pub fn from_tag(tag: &str) -> Self {
        if tag == "cy" { Self::Cy } else { Self::En }
    }
}

/// A text of the party's own, in English and, where it was written, in Welsh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// English.
    pub en: String,
    /// Welsh; English stands in where it's missing.
    #[serde(default)]
    pub cy: Option<String>,
}

impl Text {
    /// A text in English alone.
    pub fn english(en: impl Into<String>) -> Self {
        Self {
            en: en.into(),
            cy: None,
        }
    }

    /// A text in both languages.
    pub fn both(en: impl Into<String>, cy: impl Into<String>) -> Self {
        Self {
            en: en.into(),
            cy: Some(cy.into()),
        }
    }

    /// The text in a language, or in English.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Cy => self.cy.as_deref().unwrap_or(&self.en),
            Lang::En => &self.en,
        }
    }
}
