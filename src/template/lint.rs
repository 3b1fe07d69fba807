//! What every page and mail must hold, whoever wrote its template: law rows A12, B1, B2, B5, B9, C2, G1, G2, G10,
//! G14 and invariant 5. The built-in templates are tested against it and a party's own are rehearsed against it.

mod html;
mod mails;
mod pages;

use std::path::PathBuf;

use super::sample::{self, Scene};
use super::{Lang, TemplateError, Templates, Tongues, Visit};
use html::Html;

/// The words of a piece of HTML.
pub(super) fn words(html: &str) -> String {
    Html::read(html).words
}

/// Renders every page and mail with sample data, in both languages, and looks at what comes out. Where `only` names
/// the template of one page or mail, no other is looked at; a template that many share concerns them all.
///
/// # Errors
/// The first fault.
pub(super) fn rehearse(templates: &Templates, only: Option<&str>) -> Result<(), TemplateError> {
    let scenes = sample::pages(templates);
    let sent = sample::mails();
    let stem = only
        .and_then(|name| name.rsplit_once('.'))
        .map(|(stem, _)| stem);
    let shown = scenes.iter().map(|scene| format!("pages/{}", scene.name));
    let mut all = shown.chain(sent.iter().map(|(name, _)| format!("mails/{name}")));
    let alone = stem.filter(|stem| all.any(|name| name == *stem));
    let concerned = |name: String| alone.is_none_or(|alone| alone == name);

    rehearse_wording(templates)?;
    for scene in &scenes {
        for lang in Lang::ALL {
            if concerned(format!("pages/{}", scene.name)) {
                rehearse_page(templates, scene, lang)?;
            }
        }
    }
    for (name, view) in &sent {
        for tongues in [Tongues::English, Tongues::Both] {
            if concerned(format!("mails/{name}")) {
                rehearse_mail(templates, name, view, tongues)?;
            }
        }
    }
    for tongues in [Tongues::English, Tongues::Both] {
        let footer = templates.footer_of(tongues, &sample::footer())?;
        mails::footer(&templates.party, &footer).map_err(|what| at("mails/footer", what))?;
    }
    pages::style(&templates.style).map_err(|what| at("pages/style.css", what))
}

fn rehearse_wording(templates: &Templates) -> Result<(), TemplateError> {
    for purpose in sample::purposes() {
        let statement = templates.consent_statement(&purpose);
        for lang in Lang::ALL {
            if lang == Lang::Cy && statement.cy.is_none() {
                continue;
            }
            let (said, purpose) = (statement.get(lang), purpose.get(lang));
            pages::wording(&templates.party, lang, said, purpose)
                .map_err(|what| at("wording.consent", what))?;
        }
    }
    Ok(())
}

fn rehearse_mail(
    templates: &Templates,
    name: &str,
    view: &minijinja::Value,
    tongues: Tongues,
) -> Result<(), TemplateError> {
    let mail = templates.mail_of(name, tongues, view)?;
    mails::mail(name, &templates.party, &mail, tongues)
        .map_err(|what| at(&format!("mails/{name}"), what))
}

fn rehearse_page(templates: &Templates, scene: &Scene, lang: Lang) -> Result<(), TemplateError> {
    let name = format!("pages/{}.html", scene.name);
    let visit = Visit {
        lang,
        path: scene.path,
    };
    let html = templates.render(&name, templates.page_context(visit, scene.view.clone()))?;
    let shown = Html::read(&html);
    pages::safe(&shown, &templates.style_path)
        .and_then(|()| pages::page(scene.name, templates, lang, &html, &shown))
        .map_err(|what| {
            at(
                &name,
                format!("{what} (seen on {}, {})", scene.title, lang.tag()),
            )
        })
}

fn at(name: &str, what: String) -> TemplateError {
    TemplateError {
        file: PathBuf::from(name),
        line: None,
        what,
    }
}
