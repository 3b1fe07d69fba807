//! Wordings: the exact texts that people are shown, each known by the SHA-256 of what it is and says. Evidence names
//! the digest; the store keeps the text, from before it is first shown.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::{ConsentSettings, Lang};
use crate::audit::canonical;
use crate::id::{parse_hex, write_hex};
use crate::store::{Step, Wording, WordingRecord};

/// Consent statements longer than this are not read (law B2).
const LONGEST: usize = 1200;

/// The SHA-256 of a wording: of its kind, list, language and text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WordingDigest(pub [u8; 32]);

impl WordingDigest {
    /// Reads the 64 hexadecimal digits of a digest.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }

    /// The digest of a text.
    pub(super) fn of(kind: &str, list: Option<&str>, language: Lang, text: &str) -> Self {
        let named = (kind, list, language.tag(), text);
        let bytes = canonical(&named).expect("four texts have canonical bytes");
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        Self(hash)
    }
}

impl fmt::Display for WordingDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for WordingDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Stands for all texts of a form in one language, as shown at one time. A form carries it (inside its signed stamp),
/// so that a post of a form whose words have changed since is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormVersion(pub String);

/// A wording that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its digest.
    pub digest: WordingDigest,
    /// The text.
    pub text: String,
}

/// All wordings in force.
#[derive(Debug)]
pub struct Wordings {
    consents: HashMap<(String, Lang), Shown>,
    notices: HashMap<Lang, Shown>,
    versions: HashMap<Lang, FormVersion>,
}

pub(super) const CONSENT: &str = "consent";
pub(super) const NOTICE: &str = "notice";

impl Wordings {
    pub(super) fn new(settings: &ConsentSettings) -> Self {
        let mut made = Self {
            consents: HashMap::new(),
            notices: HashMap::new(),
            versions: HashMap::new(),
        };
        for lang in Lang::ALL {
            for list in &settings.lists {
                let text = list.statement.get(lang);
                let shown = shown(CONSENT, Some(&list.key), lang, text);
                made.consents.insert((list.key.clone(), lang), shown);
            }
            let notice = shown(NOTICE, None, lang, settings.notice.get(lang));
            made.notices.insert(lang, notice);
            let version = made.make_version(settings, lang);
            made.versions.insert(lang, version);
        }
        made
    }

    fn make_version(&self, settings: &ConsentSettings, lang: Lang) -> FormVersion {
        let consents = settings
            .lists
            .iter()
            .filter_map(|list| self.current(&list.key, lang));
        let digests: Vec<_> = consents
            .chain([self.notice(lang)])
            .map(|shown| shown.digest.to_string())
            .collect();
        let whole = format!("{} {}", digests.join(" "), settings.minimum_age);
        let hash = digest(&SHA256, whole.as_bytes());
        let short = hash.as_ref().iter().take(8);
        FormVersion(short.map(|byte| format!("{byte:02x}")).collect())
    }

    /// The consent statement of a list as it stands beside its box now.
    pub fn current(&self, list: &str, lang: Lang) -> Option<&Shown> {
        self.consents.get(&(list.to_owned(), lang))
    }

    /// The privacy notice as it is shown now.
    pub fn notice(&self, lang: Lang) -> &Shown {
        &self.notices[&lang]
    }

    /// What a form that is shown now carries.
    pub fn version(&self, lang: Lang) -> &FormVersion {
        &self.versions[&lang]
    }

    /// Keeps every text, before it is first shown.
    pub(super) fn keep(&self, now: Timestamp) -> Vec<Step> {
        let consents = self
            .consents
            .iter()
            .map(|((list, lang), shown)| put(CONSENT, Some(list), *lang, shown, now));
        let notices = self
            .notices
            .iter()
            .map(|(lang, shown)| put(NOTICE, None, *lang, shown, now));
        consents.chain(notices).collect()
    }
}

fn shown(kind: &str, list: Option<&str>, lang: Lang, text: &str) -> Shown {
    Shown {
        digest: WordingDigest::of(kind, list, lang, text),
        text: text.to_owned(),
    }
}

pub(super) fn put(
    kind: &str,
    list: Option<&str>,
    lang: Lang,
    shown: &Shown,
    now: Timestamp,
) -> Step {
    Step::PutWording(Wording {
        digest: shown.digest.0,
        record: WordingRecord {
            kind: kind.to_owned(),
            list: list.map(str::to_owned),
            language: lang.tag().to_owned(),
            text: shown.text.clone(),
            first_shown: now,
        },
    })
}

/// A text that does not say what it must (law A1, B2, B5).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} ({language}) {lacks}")]
pub struct WordingFault {
    /// Which text.
    pub what: String,
    /// In which language.
    pub language: &'static str,
    /// What is wrong with it, and what to do.
    pub lacks: String,
}

/// What each language says for the two things that no consent may leave out.
const POLITICAL: [(Lang, &[&str]); 2] = [
    (Lang::En, &["political opinion"]),
    (
        Lang::Cy,
        &[
            "marn wleidyddol",
            "barn wleidyddol",
            "farn wleidyddol",
            "safbwyntiau gwleidyddol",
        ],
    ),
];
const WITHDRAW: [(Lang, &[&str]); 2] = [
    (Lang::En, &["withdraw"]),
    (
        Lang::Cy,
        &[
            "dynnu fy nghydsyniad",
            "tynnu fy nghydsyniad",
            "dynnu'n ôl",
            "tynnu'n ôl",
        ],
    ),
];

/// Everything that is wrong with the words of the settings. A Welsh text that was not written is English and is not
/// looked at twice.
pub(super) fn lint(settings: &ConsentSettings) -> Vec<WordingFault> {
    let mut faults = Vec::new();
    for &lang in &settings.languages {
        for list in &settings.lists {
            let text = match lang {
                Lang::En => Some(&list.statement.en),
                Lang::Cy => list.statement.cy.as_ref(),
            };
            let Some(text) = text else { continue };
            let what = format!("consent statement of the list {}", list.key);
            let purpose = list.purpose.get(lang);
            let lacking = consent_lacks(text, &settings.party, Some(purpose), lang);
            faults.extend(lacking.into_iter().map(|lacks| WordingFault {
                what: what.clone(),
                language: lang.tag(),
                lacks,
            }));
        }
        let notice = settings.notice.get(lang);
        if !notice.contains(&settings.party) {
            faults.push(WordingFault {
                what: "privacy notice".into(),
                language: lang.tag(),
                lacks: "doesn't name the party: write its registered name into it".into(),
            });
        }
    }
    faults
}

/// What a statement lacks to be an explicit consent. An imported one says in words of its own what is sent, so that can't
/// be looked for: no `purpose` is given then.
fn consent_lacks(text: &str, party: &str, purpose: Option<&str>, lang: Lang) -> Vec<String> {
    let lower = text.to_lowercase();
    let says = |table: &[(Lang, &[&str]); 2]| {
        let words = table.iter().find(|(one, _)| *one == lang);
        words.is_some_and(|(_, words)| words.iter().any(|word| lower.contains(word)))
    };
    let mut lacks = Vec::new();
    let mut expect = |holds: bool, why: String| {
        if !holds {
            lacks.push(why);
        }
    };
    expect(
        text.contains(party),
        "doesn't name the party: write its registered name into it".into(),
    );
    expect(
        purpose.is_none_or(|purpose| !purpose.trim().is_empty() && text.contains(purpose.trim())),
        "doesn't say what is sent: write the list's purpose into it".into(),
    );
    expect(
        says(&POLITICAL),
        "doesn't say that it tells something about political opinions: say so".into(),
    );
    expect(
        says(&WITHDRAW),
        "doesn't say that consent can be withdrawn at any time: say so, and how".into(),
    );
    expect(
        text.chars().count() <= LONGEST,
        format!("is longer than {LONGEST} characters: nobody reads that; shorten it"),
    );
    expect(
        !lower.contains("not opt out") && !lower.contains("don't want to not"),
        "asks by a double negative: say plainly what one says yes to".into(),
    );
    lacks
}

/// Why a text that an import brings was no explicit consent to this party's mail (law A1, B2, B4, B5); none if it was.
pub(super) fn imported_lacks(text: &str, party: &str, lang: Lang) -> Option<String> {
    let lacks = consent_lacks(text.trim(), party, None, lang);
    // What to write instead is no advice for what was said in the past.
    let why = lacks.first()?.split(':').next().unwrap_or_default();
    Some(why.to_owned())
}

#[cfg(test)]
mod tests;
