//! One row of an import, read and judged. A row without evidence of consent is no consent; a row from the electoral
//! register never is. Reasons name the line and the column, never what stands there.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::register;
use crate::address::EmailAddress;
use crate::audit::check_reason;
use crate::consent::csv::Row;
use crate::consent::wording::{CONSENT, WordingDigest, imported_lacks};
use crate::consent::{ConsentSettings, Lang, Shown};
use crate::store::{AskedFor, AskedList, Channel};

pub(super) const REQUIRED: &[&str] = &["address", "lists", "channel", "date", "batch"];
pub(super) const OPTIONAL: &[&str] = &[
    "constituency",
    "wording",
    "wording_sha256",
    "language",
    "age",
    "source",
];

/// Why a row, or a file, isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Not an address.
    #[error("`address` is no mail address: correct it")]
    Address,
    /// A list that isn't configured, or none.
    #[error(
        "`lists` names no list, or one that doesn't exist: write list keys, separated by spaces"
    )]
    Lists,
    /// No such channel.
    #[error("`channel` must be web, mail, paper or event: consent by telephone can't be shown")]
    Channel,
    /// No date, or one that can't be.
    #[error("`date` must be the day of the consent, as 2026-11-21, not in the future")]
    Date,
    /// No wording.
    #[error(
        "there is no proof of what was consented to: give the exact text in `wording`, or the SHA-256 of a known one in `wording_sha256`"
    )]
    NoWording,
    /// A known text, for something else.
    #[error(
        "`wording_sha256` is of a statement for another list or in another language than the row names: give the one that \
         was shown"
    )]
    OtherWording,
    /// A wording that can't be a consent to this party's mail.
    #[error("`wording` {0}, so it was no explicit consent to this party's mail: leave the row out")]
    NoConsent(String),
    /// No such constituency.
    #[error("`constituency` isn't known: write its code or its name, or leave it empty")]
    Constituency,
    /// No batch.
    #[error("`batch` is empty: name the pile of cards or the export that the row came from")]
    NoBatch,
    /// A batch that holds an address.
    #[error(
        "`batch` holds a mail address, and would stay in the evidence when that person is erased: name the pile of cards or \
         the export"
    )]
    BatchAddress,
    /// A statement in the other language.
    #[error("`wording` is in {0} and `language` says otherwise: correct `language`")]
    WordingLanguage(&'static str),
    /// Too young, or no number.
    #[error("`age` must be the age that was stated, at least the minimum age")]
    Age,
    /// Not a language.
    #[error("`language` must be en or cy")]
    Language,
    /// From the electoral register.
    #[error(
        "`source` or `batch` says that the row comes from the electoral register: that is no consent, and using it for \
         this is unlawful; if it comes from somewhere else, name the form, card or event on which the yes was given"
    )]
    Register,
    /// From bought data.
    #[error(
        "`source` or `batch` says that the row comes from bought data: nobody there said yes to this party"
    )]
    Bought,
    /// The same address stands above.
    #[error("the address stands in an earlier row: one row for each address")]
    Twice,
}

/// A row that was taken.
pub(super) struct GoodRow {
    pub(super) asked: AskedFor,
    /// A text that is not yet kept.
    pub(super) wording: Option<NewWording>,
}

/// A text that came with a row.
pub(super) struct NewWording {
    /// The lists that it was a consent to.
    pub(super) lists: String,
    pub(super) language: Lang,
    pub(super) shown: Shown,
}

/// A consent statement that the store keeps.
#[derive(Clone)]
pub(super) struct KnownWording {
    /// The lists that it is for.
    pub(super) lists: String,
    /// The language's tag.
    pub(super) language: String,
}

impl KnownWording {
    /// Whether it is for all of these lists, and in this language.
    fn fits(&self, lists: &[String], language: Lang) -> bool {
        let is_for = |list: &String| self.lists.split(' ').any(|one| one == list);
        self.language == language.tag() && lists.iter().all(is_for)
    }
}

/// What rows are judged by.
pub(super) struct Judge<'a> {
    pub(super) settings: &'a ConsentSettings,
    pub(super) notices: [String; 2],
    pub(super) entered_by: String,
    pub(super) now: Timestamp,
}

impl Judge<'_> {
    /// Judges a row; `known` is the text of its `wording_sha256`, if the store keeps it.
    pub(super) fn judge(
        &self,
        row: &Row<'_, '_>,
        known: Option<&KnownWording>,
    ) -> Result<GoodRow, RowProblem> {
        for origin in [row.get("source"), row.get("batch")] {
            if register::tells_of_register(origin) {
                return Err(RowProblem::Register);
            }
            if register::tells_of_purchase(origin) {
                return Err(RowProblem::Bought);
            }
        }
        let address =
            EmailAddress::parse_typed(row.get("address")).map_err(|_| RowProblem::Address)?;
        let channel = channel(row.get("channel"))?;
        let batch = Some(row.get("batch")).filter(|batch| !batch.is_empty());
        if batch.is_none() {
            return Err(RowProblem::NoBatch);
        }
        if batch.is_some_and(|batch| check_reason(batch).is_err()) {
            return Err(RowProblem::BatchAddress);
        }
        let language = match row.get("language") {
            "" | "en" => Lang::En,
            "cy" => Lang::Cy,
            _ => return Err(RowProblem::Language),
        };
        let lists = self.lists(row.get("lists"))?;
        let (lists, wording) = self.worded(row, known, lists, language)?;
        let asked = AskedFor {
            address,
            lists,
            constituency: self.constituency(row.get("constituency"))?,
            channel,
            asked_at: self.date(row.get("date"))?,
            language: language.tag().into(),
            notice: self.notices[usize::from(language == Lang::Cy)].clone(),
            stated_age: self.age(row.get("age"))?,
            batch: batch.map(|batch| batch.chars().take(100).collect()),
            entered_by: Some(self.entered_by.clone()),
        };
        Ok(GoodRow { asked, wording })
    }

    fn lists(&self, text: &str) -> Result<Vec<String>, RowProblem> {
        let mut lists: Vec<String> = Vec::new();
        for key in text.split([' ', ';', ',']).filter(|key| !key.is_empty()) {
            let open = self.settings.list(key).filter(|list| list.open);
            let list = open.ok_or(RowProblem::Lists)?;
            if !lists.contains(&list.key) {
                lists.push(list.key.clone());
            }
        }
        if lists.is_empty() {
            return Err(RowProblem::Lists);
        }
        Ok(lists)
    }

    fn worded(
        &self,
        row: &Row<'_, '_>,
        known: Option<&KnownWording>,
        lists: Vec<String>,
        language: Lang,
    ) -> Result<(Vec<AskedList>, Option<NewWording>), RowProblem> {
        let (text, digest) = (row.get("wording"), row.get("wording_sha256"));
        let (digest, new) = if text.is_empty() {
            let digest = digest_of(digest).ok_or(RowProblem::NoWording)?;
            let known = known.ok_or(RowProblem::NoWording)?;
            if !known.fits(&lists, language) {
                return Err(RowProblem::OtherWording);
            }
            (digest, None)
        } else {
            if let Some(lacks) = imported_lacks(text, &self.settings.party, language) {
                let other = language.other();
                let is_other = imported_lacks(text, &self.settings.party, other).is_none();
                return Err(match (is_other, other) {
                    (false, _) => RowProblem::NoConsent(lacks),
                    (true, Lang::En) => RowProblem::WordingLanguage("English"),
                    (true, Lang::Cy) => RowProblem::WordingLanguage("Welsh"),
                });
            }
            let named = lists.join(" ");
            let digest = WordingDigest::of(CONSENT, Some(&named), language, text);
            let shown = Shown {
                digest,
                text: text.to_owned(),
            };
            let new = NewWording {
                lists: named,
                language,
                shown,
            };
            (digest, Some(new))
        };
        let asked = lists.into_iter().map(|list| AskedList {
            list,
            wording: Some(digest.to_string()),
        });
        Ok((asked.collect(), new))
    }

    fn constituency(&self, text: &str) -> Result<Option<String>, RowProblem> {
        if text.is_empty() {
            return Ok(None);
        }
        let found = self.settings.constituencies.find(text);
        found
            .map(|found| Some(found.constituency.code().to_string()))
            .map_err(|_| RowProblem::Constituency)
    }

    fn date(&self, text: &str) -> Result<Timestamp, RowProblem> {
        let date: Date = text.parse().map_err(|_| RowProblem::Date)?;
        let at = date
            .to_zoned(TimeZone::UTC)
            .map_err(|_| RowProblem::Date)?
            .timestamp();
        if at > self.now || date.year() < 1990 {
            return Err(RowProblem::Date);
        }
        Ok(at)
    }

    fn age(&self, text: &str) -> Result<Option<u8>, RowProblem> {
        if text.is_empty() {
            return Ok(None);
        }
        let age: u8 = text.parse().map_err(|_| RowProblem::Age)?;
        (age >= self.settings.minimum_age)
            .then_some(Some(age))
            .ok_or(RowProblem::Age)
    }
}

/// The digest that a `wording_sha256` field gives.
pub(super) fn digest_of(text: &str) -> Option<WordingDigest> {
    WordingDigest::parse(&text.to_ascii_lowercase())
}

fn channel(text: &str) -> Result<Channel, RowProblem> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "web" => Channel::Web,
        "mail" | "email" | "e-mail" => Channel::Mail,
        "paper" => Channel::Paper,
        "event" => Channel::Event,
        _ => return Err(RowProblem::Channel),
    })
}
