//! What the pages show that comes from the config: the party's words, its lists and the constituencies. Built anew
//! when the config is read anew; a page is rendered from one `Site` from top to bottom.

use crate::consent::ConsentSettings;
use crate::consent::constituency::Constituency;
use crate::template::{
    Lang, ListChoice, Nation, Page, Privacy, Problem, Seat, SignUp, TemplateError, Templates, Text,
    Visit,
};

use super::stamp::Words;

/// The pages of one party.
pub struct Site {
    templates: Templates,
    lists: Vec<ListChoice>,
    age: Text,
    nations: Vec<Nation>,
    ogl: bool,
    privacy: Privacy,
    words: Words,
}

/// What a [`Site`] is built from.
pub struct SiteParts {
    /// Templates, with the party in them.
    pub templates: Templates,
    /// The lists that one can sign up for, with their current wording.
    pub lists: Vec<ListChoice>,
    /// The constituencies by nation; see [`by_nation`].
    pub nations: Vec<Nation>,
    /// Whether they are the built-in ones.
    pub ogl: bool,
    /// The privacy notice.
    pub privacy: Privacy,
}

impl Site {
    /// Puts the parts together.
    pub fn new(parts: SiteParts) -> Self {
        let age = parts.templates.age_statement(parts.privacy.minimum_age);
        let statements = parts.lists.iter().map(|list| &list.statement).chain([&age]);
        let both = statements.flat_map(|text| Lang::ALL.map(|lang| text.get(lang)));
        let words = Words::of(both);
        Self {
            templates: parts.templates,
            lists: parts.lists,
            age,
            nations: parts.nations,
            ogl: parts.ogl,
            privacy: parts.privacy,
            words,
        }
    }

    /// The templates.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The lists on the form.
    pub fn lists(&self) -> &[ListChoice] {
        &self.lists
    }

    /// The statement of age.
    pub fn age(&self) -> &Text {
        &self.age
    }

    /// The constituencies by nation.
    pub fn nations(&self) -> &[Nation] {
        &self.nations
    }

    /// Whether the constituencies' licence asks for a credit.
    pub fn ogl(&self) -> bool {
        self.ogl
    }

    /// The privacy notice.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// The digest of the words on the form, for its stamp.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Whether a constituency can be chosen; nothing always can.
    pub fn has_seat(&self, code: &str) -> bool {
        let mut seats = self.nations.iter().flat_map(|nation| &nation.seats);
        code.is_empty() || seats.any(|seat| seat.code == code)
    }

    /// The sign-up form, fresh or with what was typed. The view has no place for ticked boxes.
    pub fn sign_up<'a>(
        &'a self,
        stamp: &'a str,
        email: &'a str,
        constituency: &'a str,
        problems: Vec<Problem>,
    ) -> SignUp<'a> {
        SignUp {
            problems,
            email,
            constituency,
            lists: &self.lists,
            age: &self.age,
            constituencies: &self.nations,
            stamp,
            ogl: self.ogl,
        }
    }

    /// Renders a page.
    ///
    /// # Errors
    /// As [`Templates::page`].
    pub fn page<P: Page>(&self, visit: Visit<'_>, page: &P) -> Result<String, TemplateError> {
        self.templates.page(visit, page)
    }
}

impl SiteParts {
    /// The parts as the consent room's settings say: its lists that are open, word for word, and its constituencies.
    pub fn of(settings: &ConsentSettings, templates: Templates, privacy: Privacy) -> Self {
        let open = settings.lists.iter().filter(|list| list.open);
        let lists = open
            .map(|list| ListChoice {
                key: list.key.clone(),
                title: list.title.clone(),
                statement: list.statement.clone(),
            })
            .collect();
        let constituencies = &settings.constituencies;
        let nations = constituencies
            .groups()
            .map(|(name, seats)| Nation {
                nation: name.to_owned(),
                seats: seats.iter().map(seat).collect(),
            })
            .collect();
        let ogl = constituencies.is_builtin();
        Self {
            templates,
            lists,
            nations,
            ogl,
            privacy: Privacy { ogl, ..privacy },
        }
    }
}

fn seat(constituency: &Constituency) -> Seat {
    Seat {
        code: constituency.code().to_string(),
        name: constituency.name().to_owned(),
        cy: constituency.welsh_name().map(str::to_owned),
    }
}

/// Groups constituencies by nation, nations in the order of their first seat, seats by name.
pub fn by_nation(seats: impl IntoIterator<Item = (String, Seat)>) -> Vec<Nation> {
    let mut nations: Vec<Nation> = Vec::new();
    for (name, seat) in seats {
        match nations.iter_mut().find(|nation| nation.nation == name) {
            Some(nation) => nation.seats.push(seat),
            None => nations.push(Nation {
                nation: name,
                seats: vec![seat],
            }),
        }
    }
    for nation in &mut nations {
        nation.seats.sort_by(|a, b| a.name.cmp(&b.name));
    }
    nations
}
