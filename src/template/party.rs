//! Who speaks, and in which language: the facts about the party that every page and mail carries.

use serde::{Deserialize, Serialize};

use super::colour::Colour;

/// A language of the pages. Which one a reader uses is held nowhere but in the address of the page (`?lang=cy`) and
/// in the hidden field of its form: no cookie, no guess from the browser's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// The language tag (BCP 47), as `lang=` and evidence carry it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Cy => "cy",
        }
    }

    /// Reads what a form or an address says; anything but `cy` is English.
    pub fn from_tag(tag: &str) -> Self {
        if tag == "cy" { Self::Cy } else { Self::En }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::En => Self::Cy,
            Self::Cy => Self::En,
        }
    }
}

/// The languages of one mail. Law G15: both for a Welsh constituency, so that no language needs to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tongues {
    /// English alone.
    English,
    /// English, then Welsh.
    Both,
}

impl Tongues {
    /// The languages for a constituency code (Welsh codes begin with `W`), or for none.
    pub fn for_constituency(code: Option<&str>) -> Self {
        match code {
            Some(code) if code.starts_with('W') => Self::Both,
            _ => Self::English,
        }
    }

    /// Each language in its order.
    pub fn langs(self) -> &'static [Lang] {
        match self {
            Self::English => &[Lang::En],
            Self::Both => &[Lang::En, Lang::Cy],
        }
    }
}

/// A text of the party's own (a list's title, a purpose) in English and, where the party wrote it, in Welsh.
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

/// The party as its pages and mails name it. Built from the config.
#[derive(Clone, Debug, Serialize)]
pub struct Party {
    /// The registered name: the controller, the sender, and the one who is named in each consent (law B4).
    pub name: String,
    /// The postal address, on one line.
    pub address: String,
    /// Where questions, objections and complaints are read by a person.
    pub email: String,
    /// The origin of the pages, such as `https://lists.party.example`, without a slash at its end.
    pub url: String,
    /// Who promotes the material where it isn't the party itself (law G1, G3).
    pub promoter: Option<Promoter>,
    /// On whose behalf it is published, where that isn't the party (law G1).
    pub behalf: Option<Promoter>,
    /// What a company has to say of itself, if the party is one (law G6).
    pub company: Option<Company>,
    /// The colour of the pages.
    pub colour: Colour,
    /// Whether people are asked for a constituency. Where they aren't, no text may say that one is kept.
    pub asks_constituency: bool,
}

/// The particulars of a company (SI 2015/17, regulations 24 and 25).
#[derive(Clone, Debug, Serialize)]
pub struct Company {
    /// The registered name.
    pub name: String,
    /// The registered number.
    pub number: String,
    /// The part of the United Kingdom that it is registered in.
    pub registered_in: String,
    /// The registered office, on one line.
    pub office: String,
}

/// A promoter of material, or who has it published.
#[derive(Clone, Debug, Serialize)]
pub struct Promoter {
    /// Name of the person or body.
    pub name: String,
    /// Postal address, on one line.
    pub address: String,
}
