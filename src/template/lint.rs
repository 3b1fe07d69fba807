//! What every page and mail must hold, whoever wrote its template: law rows A12, B1, B2, B5, B9, C2, G1, G2, G10,
//! G14 and invariant 5. The built-in templates are tested against it and a party's own are rehearsed against it.

mod html;
mod rules;

use std::path::PathBuf;

use super::sample::{self, Scene};
use super::{Lang, TemplateError, Templates, Tongues, Visit};
use html::Html;

/// Renders every page and mail with sample data, in both languages, and looks at what comes out.
///
/// # Errors
/// The first fault.
pub(super) fn rehearse(templates: &Templates) -> Result<(), TemplateError> {
    for purpose in sample::purposes() {
        let statement = templates.consent_statement(&purpose);
        for lang in Lang::ALL {
            let faults = rules::wording(
                &templates.party,
                lang,
                statement.get(lang),
                purpose.get(lang),
            );
            faults.map_err(|what| at("wording.consent", what))?;
        }
    }
    for scene in sample::pages(templates) {
        for lang in Lang::ALL {
            rehearse_page(templates, &scene, lang)?;
        }
    }
    for (name, view) in sample::mails() {
        for tongues in [Tongues::English, Tongues::Both] {
            let mail = templates.mail_of(name, tongues, &view)?;
            rules::mail(name, &templates.party, &mail, tongues)
                .map_err(|what| at(&format!("mails/{name}"), what))?;
        }
    }
    for tongues in [Tongues::English, Tongues::Both] {
        let footer = templates.footer_of(tongues, &sample::footer())?;
        rules::footer(&templates.party, &footer).map_err(|what| at("mails/footer", what))?;
    }
    rules::style(&templates.style).map_err(|what| at("pages/style.css", what))
}

fn rehearse_page(templates: &Templates, scene: &Scene, lang: Lang) -> Result<(), TemplateError> {
    let name = format!("pages/{}.html", scene.name);
    let visit = Visit {
        lang,
        path: scene.path,
    };
    let html = templates.render(&name, templates.page_context(visit, scene.view.clone()))?;
    let shown = Html::read(&html);
    rules::safe(&shown, &templates.style_path)
        .and_then(|()| rules::page(scene.name, templates, lang, &html, &shown))
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
