//! The words: every page and mail is a template with its sentences in string tables, built in and open to the
//! party's own hand. Ground: it renders what doors and rooms give it and knows none of them.
//!
//! A party overrides a template by putting a file of the same name into its own template directory. Each override
//! is rehearsed with sample data before it is used, in both languages, and must still hold what the law and the
//! invariants ask of its page (`lint`). One that fails is named with file and line, and the built-in one stays.

mod builtin;
mod colour;
mod engine;
mod lint;
mod load;
mod mail;
mod page;
mod party;
mod sample;
mod strings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

pub use colour::{Colour, ColourError, Palette};
pub use mail::*;
pub use page::*;
pub use party::{Company, Lang, Party, Promoter, Text, Tongues};

use strings::Strings;

/// A template that can't be used or didn't render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {}{}: {what}", .file.display(), .line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct TemplateError {
    /// The file, or the name of a built-in template.
    pub file: PathBuf,
    /// The line, where the fault has one.
    pub line: Option<usize>,
    /// What is wrong, and what happens instead.
    pub what: String,
}

/// Every page and mail of one party, ready to be rendered. Cheap to share, built anew when the config is read anew.
#[derive(Debug)]
pub struct Templates {
    party: Party,
    env: Environment<'static>,
    strings: Arc<Strings>,
    /// The same without the party's own templates: what is shown should one of those fail after all. A rehearsal
    /// has none, so that failures come to light.
    spare: Option<Environment<'static>>,
    style: String,
    style_path: String,
}

impl Templates {
    /// The built-in templates for a party.
    pub fn builtin(party: Party) -> Self {
        let strings = Arc::new(Strings::builtin());
        Self::assemble(party, strings, &[], None)
    }

    /// Joins the built-in templates with overrides that were found sound.
    fn assemble(
        party: Party,
        strings: Arc<Strings>,
        overrides: &[load::Override],
        spare: Option<Environment<'static>>,
    ) -> Self {
        let strings = match party.asks_constituency {
            true => strings,
            false => Arc::new(strings.without_constituencies()),
        };
        let env = load::environment(&strings, overrides);
        let mut made = Self {
            party,
            env,
            strings,
            spare,
            style: String::new(),
            style_path: String::new(),
        };
        made.style = made
            .render("pages/style.css", made.colours())
            .unwrap_or_default();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, made.style.as_bytes());
        let short: String = digest
            .as_ref()
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        made.style_path = format!("/style-{short}.css");
        made
    }

    /// Whose templates these are.
    pub fn party(&self) -> &Party {
        &self.party
    }

    /// The stylesheet.
    pub fn style(&self) -> &str {
        &self.style
    }

    /// The path at which pages look for the stylesheet. It changes with its content, so it can be cached for ever.
    pub fn style_path(&self) -> &str {
        &self.style_path
    }

    /// Renders a page.
    ///
    /// # Errors
    /// [`TemplateError`] where even the built-in template fails, which the tests rule out.
    pub fn page<P: Page>(&self, visit: Visit<'_>, page: &P) -> Result<String, TemplateError> {
        let name = format!("pages/{}.html", P::NAME);
        self.render(&name, self.page_context(visit, Value::from(Serde(page))))
    }

    fn page_context(&self, visit: Visit<'_>, page: Value) -> Value {
        let other = engine::with_lang(visit.path.unwrap_or("/"), visit.lang.other());
        context! {
            lang => visit.lang.tag(),
            party => Serde(&self.party),
            style => &self.style_path,
            switch => other,
            page => page,
        }
    }

    fn colours(&self) -> Value {
        let colour = self.party.colour;
        context! { light => Serde(Palette::light(colour)), dark => Serde(Palette::dark(colour)) }
    }

    /// Renders a mail in its languages.
    ///
    /// # Errors
    /// As [`Templates::page`].
    pub fn mail<M: MailView>(&self, tongues: Tongues, view: &M) -> Result<Mail, TemplateError> {
        self.mail_of(M::NAME, tongues, &Value::from(Serde(view)))
    }

    fn mail_of(&self, name: &str, tongues: Tongues, view: &Value) -> Result<Mail, TemplateError> {
        let mut subjects = Vec::new();
        let mut texts = Vec::new();
        for lang in tongues.langs() {
            let (subject, text) = self.text_part(name, *lang, view)?;
            subjects.push(subject);
            texts.push(text);
        }
        subjects.dedup();
        let subject = subjects.join(" / ");
        let note = self.note(tongues);
        let text = match &note {
            Some(note) => format!("{note}\n\n{}", texts.join("\n\n* * *\n\n")),
            None => texts.join("\n"),
        };
        let html = match builtin::exists(&format!("mails/{name}.html")) {
            true => Some(self.html_part(name, tongues, view, &subject)?),
            false => None,
        };
        Ok(Mail {
            subject,
            text: mail::finish(&text),
            html,
        })
    }

    /// The Welsh line above the English part that says that Welsh follows.
    fn note(&self, tongues: Tongues) -> Option<&str> {
        match tongues {
            Tongues::English => None,
            Tongues::Both => self.strings.get(Lang::En, "mail.also"),
        }
    }

    fn text_part(
        &self,
        name: &str,
        lang: Lang,
        view: &Value,
    ) -> Result<(String, String), TemplateError> {
        let name = format!("mails/{name}.txt");
        let rendered = self.render(&name, self.mail_context(lang, view))?;
        let (first, body) = rendered.split_once('\n').unwrap_or((rendered.as_str(), ""));
        let subject = first
            .strip_prefix("Subject:")
            .ok_or_else(|| TemplateError {
                file: name.into(),
                line: Some(1),
                what: "the first line of a mail is its subject: begin it with `Subject:`"
                    .to_owned(),
            })?;
        Ok((mail::one_line(subject), body.trim().to_owned()))
    }

    fn html_part(
        &self,
        name: &str,
        tongues: Tongues,
        view: &Value,
        subject: &str,
    ) -> Result<String, TemplateError> {
        let file = format!("mails/{name}.html");
        let mut parts = Vec::new();
        for lang in tongues.langs() {
            let html = self.render(&file, self.mail_context(*lang, view))?;
            let (heading, _) = self.text_part(name, *lang, view)?;
            parts.push(context! { lang => lang.tag(), html => html, heading => heading });
        }
        let (lang, note) = (Lang::En.tag(), self.note(tongues));
        let party = Serde(&self.party);
        self.render(
            "mails/layout.html",
            context! { lang, subject, note, parts, party, ..self.colours() },
        )
    }

    fn mail_context(&self, lang: Lang, view: &Value) -> Value {
        context! { lang => lang.tag(), party => Serde(&self.party), mail => view, ..self.colours() }
    }

    /// The footer of a list mail in its languages.
    ///
    /// # Errors
    /// As [`Templates::page`].
    pub fn footer(
        &self,
        tongues: Tongues,
        view: &Footer<'_>,
    ) -> Result<FooterParts, TemplateError> {
        self.footer_of(tongues, &Value::from(Serde(view)))
    }

    fn footer_of(&self, tongues: Tongues, view: &Value) -> Result<FooterParts, TemplateError> {
        let (mut text, mut html) = (String::new(), String::new());
        for lang in tongues.langs() {
            let context = self.mail_context(*lang, view);
            text.push_str(&self.render("mails/footer.txt", context.clone())?);
            text.push_str("\n\n");
            let part = self.render("mails/footer.html", context)?;
            html.push_str(&format!("<div lang=\"{}\">\n{part}\n</div>\n", lang.tag()));
        }
        Ok(FooterParts {
            text: mail::finish(&text),
            html,
        })
    }

    /// The imprint (law G1) as it stands in every footer.
    ///
    /// # Errors
    /// As [`Templates::page`].
    pub fn imprint(&self, lang: Lang) -> Result<String, TemplateError> {
        let context = context! { lang => lang.tag(), party => Serde(&self.party) };
        let rendered = self.env.render_str("{{ imprint() }}", context);
        rendered.map_err(|error| from_engine("the imprint", &error))
    }

    /// The consent statement for a list, in both languages: the default wording, which becomes evidence. For a purpose
    /// that has no Welsh it is in English alone: half a sentence in each language is nobody's consent.
    pub fn consent_statement(&self, purpose: &Text) -> Text {
        let statement = self.wording("wording.consent", &|lang, place| match place {
            "purpose" => Some(purpose.get(lang).to_owned()),
            _ => None,
        });
        Text {
            cy: statement.cy.filter(|_| purpose.cy.is_some()),
            ..statement
        }
    }

    /// The statement of minimum age, in both languages.
    pub fn age_statement(&self, age: u8) -> Text {
        self.wording("wording.age", &|_, place| {
            (place == "age").then(|| age.to_string())
        })
    }

    /// What a link is about whose list is no longer in the config.
    pub fn unnamed_list(&self) -> Text {
        self.wording("unsubscribe.unnamed", &|_, _| None)
    }

    /// Who runs the machine, as a recipient in the privacy notice.
    pub fn host(&self, hosting: &str) -> Text {
        self.wording("privacy.host", &|_, place| {
            (place == "hosting").then(|| hosting.to_owned())
        })
    }

    /// The privacy notice as text, in both languages: what consents refer to. It has neither the date of the version
    /// nor the words around the notice, so that it changes only when the notice does.
    ///
    /// # Errors
    /// As [`Templates::page`].
    pub fn notice_text(&self, privacy: &Privacy) -> Result<Text, TemplateError> {
        let undated = Privacy {
            date: None,
            ..privacy.clone()
        };
        let text = |lang| {
            let html = self.page(Visit::answer(lang), &undated)?;
            let inner = html
                .split_once("<main")
                .and_then(|(_, rest)| rest.split_once('>'))
                .map_or(html.as_str(), |(_, rest)| rest);
            let inner = inner.rsplit_once("</main>").map_or(inner, |(main, _)| main);
            Ok(lint::words(inner))
        };
        Ok(Text::both(text(Lang::En)?, text(Lang::Cy)?))
    }

    fn wording(&self, key: &str, own: &dyn Fn(Lang, &str) -> Option<String>) -> Text {
        let say = |lang| {
            let sentence = self.strings.get(lang, key).unwrap_or_default();
            let filled = strings::fill(sentence, |place| match place {
                "party" => Some(self.party.name.clone()),
                "email" => Some(self.party.email.clone()),
                "address" => Some(self.party.address.clone()),
                place => own(lang, place),
            });
            // Overrides can't name other places (`Strings::override_with`), so filling finds every one.
            filled.unwrap_or_default()
        };
        Text::both(say(Lang::En), say(Lang::Cy))
    }

    /// Renders a template; if the party's own fails, says so in the log and renders the built-in one.
    fn render(&self, name: &str, context: Value) -> Result<String, TemplateError> {
        let tried = self
            .env
            .get_template(name)
            .and_then(|template| template.render(&context));
        tried.or_else(|error| {
            let error = from_engine(name, &error);
            let Some(spare) = &self.spare else {
                return Err(error);
            };
            tracing::warn!(%error, "a template failed; the built-in one is shown");
            let built_in = spare
                .get_template(name)
                .and_then(|template| template.render(&context));
            built_in.map_err(|error| from_engine(name, &error))
        })
    }
}

/// The engine's error, with its file and line. Its text names variables and keys, never values.
fn from_engine(name: &str, error: &minijinja::Error) -> TemplateError {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    // An error inside an include or a block carries the inner one, which names the place itself.
    let inner = std::iter::successors(Some(error), |outer| {
        std::error::Error::source(*outer).and_then(|source| source.downcast_ref())
    });
    let deepest = inner.last().unwrap_or(error);
    let what = match std::ptr::eq(deepest, error) {
        true => what,
        false => format!(
            "{}: {}",
            deepest.kind(),
            deepest.detail().unwrap_or_default()
        ),
    };
    TemplateError {
        file: deepest.name().unwrap_or(name).into(),
        line: deepest.line(),
        what,
    }
}
