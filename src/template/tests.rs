//! Tests of the texts: what every page and mail must hold, and what an override may not take away.

mod notice;
mod overrides;

use std::fs;

use super::lint;
use super::sample;
use super::*;

fn templates() -> Templates {
    Templates::builtin(sample::party())
}

/// A template directory with these files in it.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
    dir
}

fn built_in(name: &str) -> &'static str {
    builtin::TEMPLATES
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a template")
        .1
}

fn notice(templates: &Templates, kind: NoticeKind, lang: Lang) -> String {
    templates
        .page(Visit::answer(lang), &kind.page())
        .expect("renders")
}

#[test]
fn every_built_in_page_and_mail_holds_what_it_must() {
    lint::rehearse(&templates(), None).expect("sound");
}

#[test]
fn every_template_of_the_source_tree_is_built_in() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates");
    for folder in ["pages", "mails"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let name = entry
                .expect("a file")
                .file_name()
                .into_string()
                .expect("a name");
            assert!(
                builtin::exists(&format!("{folder}/{name}")),
                "{folder}/{name}"
            );
        }
    }
}

/// Writes every page and mail to `HUSTINGS_PREVIEW` (or a directory that goes away) to be looked at.
#[test]
fn previews_every_page_and_mail() {
    let away = tempfile::tempdir().expect("a directory");
    let wanted = std::env::var_os("HUSTINGS_PREVIEW").map(PathBuf::from);
    let dir = wanted.unwrap_or_else(|| away.path().to_owned());
    fs::create_dir_all(&dir).expect("made");
    let templates = templates();
    fs::write(
        dir.join(templates.style_path().trim_start_matches('/')),
        templates.style(),
    )
    .expect("written");
    let scenes = sample::pages(&templates);
    for scene in &scenes {
        for lang in Lang::ALL {
            let visit = Visit {
                lang,
                path: scene.path,
            };
            let context = templates.page_context(visit, scene.view.clone());
            let html = templates.render(&format!("pages/{}.html", scene.name), context);
            let html = html
                .expect("renders")
                .replace("href=\"/style", "href=\"style");
            let file = dir.join(format!("{}.{}.html", scene.title, lang.tag()));
            fs::write(file, html).expect("written");
        }
    }
    for (name, view) in sample::mails() {
        let mail = templates
            .mail_of(name, Tongues::Both, &view)
            .expect("renders");
        let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
        fs::write(dir.join(format!("mail-{name}.txt")), text).expect("written");
        if let Some(html) = mail.html {
            fs::write(dir.join(format!("mail-{name}.both.html")), html).expect("written");
        }
    }
    let footer = templates
        .footer_of(Tongues::Both, &sample::footer())
        .expect("renders");
    fs::write(dir.join("mail-footer.txt"), footer.text).expect("written");
    assert!(scenes.len() > 20);
}

#[test]
fn typed_values_are_escaped_and_kept() {
    let templates = templates();
    let scene = sample::pages(&templates)
        .into_iter()
        .find(|s| s.title == "signup-problems");
    let context = templates.page_context(Visit::answer(Lang::En), scene.expect("a scene").view);
    let html = templates
        .render("pages/signup.html", context)
        .expect("renders");
    assert!(html.contains("value=\"&lt;b&gt;typed&lt;/b&gt;&quot;&amp;&#39;@x.example\""));
    assert!(html.contains("The Fair &amp; Open Party") && !html.contains("Fair & Open"));
    assert!(html.contains("<option value=\"E14001319\" selected>Leeds East</option>"));
    assert!(!html.contains("checked"));
}

#[test]
fn a_mail_text_is_not_escaped_and_a_subject_is_one_line() {
    let templates = templates();
    let recipients = &[];
    let mail = NotDelivered {
        subject: Some("A & B\r\nBcc: <c@d.example>"),
        recipients,
    };
    let mail = templates.mail(Tongues::English, &mail).expect("renders");
    assert_eq!(mail.subject, "Not delivered: A & B Bcc: <c@d.example>");
    assert_eq!(format!("{mail:?}"), "Mail(..)");
}

#[test]
fn a_welsh_constituency_gets_both_languages() {
    assert_eq!(Tongues::for_constituency(Some("W07000089")), Tongues::Both);
    assert_eq!(
        Tongues::for_constituency(Some("E14001063")),
        Tongues::English
    );
    assert_eq!(Tongues::for_constituency(None), Tongues::English);
    let templates = templates();
    let (link, never_link, days) = (sample::LINK, sample::NEVER, 7);
    let view = Challenge {
        lists: &sample::titles(),
        link,
        never_link,
        days,
    };
    let mail = templates.mail(Tongues::Both, &view).expect("renders");
    assert!(mail.text.starts_with("Mae'r neges hon yn Gymraeg isod."));
    assert!(mail.text.contains("Good day,") && mail.text.contains("Helo,"));
    assert!(mail.text.contains("Newyddion ac ymgyrchoedd"));
    let html = mail.html.expect("an HTML part");
    assert!(html.contains("<div lang=\"en\">") && html.contains("<div lang=\"cy\">"));
}

#[test]
fn a_welsh_page_marks_what_is_english_and_names_seats_welsh_first() {
    let templates = templates();
    let scene = sample::pages(&templates)
        .into_iter()
        .find(|s| s.title == "signup");
    let scene = scene.expect("a scene");
    let visit = Visit {
        lang: Lang::Cy,
        path: scene.path,
    };
    let context = templates.page_context(visit, scene.view);
    let html = templates
        .render("pages/signup.html", context)
        .expect("renders");
    assert!(html.contains("<html lang=\"cy\">"));
    assert!(html.contains("<strong lang=\"en\">Events and volunteering</strong>"));
    assert!(html.contains("<strong>Newyddion ac ymgyrchoedd</strong>"));
    assert!(html.contains("Dwyrain Clwyd / Clwyd East") && html.contains(">Ynys Môn<"));
    assert!(html.contains("<optgroup label=\"Yr Alban\">"));
    assert!(html.contains("href=\"/privacy?lang=cy\"") && html.contains("href=\"/\" lang=\"en\""));
}

#[test]
fn the_imprint_names_the_promoter_and_the_party() {
    let promoter = Promoter {
        name: "Jo Agent".into(),
        address: "3 High St, Leeds LS2 1AA".into(),
    };
    let party = Party {
        promoter: Some(promoter),
        ..sample::party()
    };
    let view = Footer {
        list: &sample::titles()[0],
        way_out: "SLOT0",
    };
    let footer = Templates::builtin(party)
        .footer(Tongues::Both, &view)
        .expect("renders");
    let flat = footer.text.replace('\n', " ");
    assert!(flat.contains(
        "Promoted by Jo Agent of 3 High St, Leeds LS2 1AA on behalf of The Fair & Open Party of 12 Mill Lane"
    ));
    assert!(footer.html.contains("Hyrwyddwyd gan Jo Agent"));
    assert_eq!(footer.text.matches("SLOT0").count(), 2);
    assert_eq!(footer.html.matches("href=\"SLOT0\"").count(), 2);
}

#[test]
fn a_company_says_so_on_each_page_in_the_notice_and_in_each_mail() {
    let company = Company {
        name: "Fair & Open Ltd".into(),
        number: "01234567".into(),
        registered_in: "England and Wales".into(),
        office: "12 Mill Lane, Leeds LS1 4AP".into(),
    };
    let party = Party {
        company: Some(company),
        ..sample::party()
    };
    let templates = Templates::builtin(party);
    let told = "Ltd is a company registered in England and Wales with the number 01234567.";
    let pages = sample::pages(&templates);
    assert!(pages.len() > 10);
    for scene in pages {
        let context = templates.page_context(Visit::answer(Lang::En), scene.view);
        let html = templates.render(&format!("pages/{}.html", scene.name), context);
        let times = if scene.name == "privacy" { 2 } else { 1 };
        let found = html.expect("renders").matches(told).count();
        assert_eq!(found, times, "{}", scene.title);
    }
    let view = Footer {
        list: &sample::titles()[0],
        way_out: "SLOT0",
    };
    let footer = templates.footer(Tongues::Both, &view).expect("renders");
    let flat = footer.text.replace('\n', " ");
    assert!(flat.contains(told) && footer.html.contains(told), "{flat}");
    assert!(footer.html.contains("yn gwmni sydd"));
    for (name, view) in sample::mails() {
        let mail = templates.mail_of(name, Tongues::English, &view);
        let mail = mail.expect("renders");
        // Those without HTML go to staff.
        if let Some(html) = mail.html {
            let flat = mail.text.replace('\n', " ");
            assert!(flat.contains(told) && html.contains(told), "{name}");
        }
    }
}

#[test]
fn the_way_out_takes_no_more_than_the_way_in() {
    let templates = templates();
    let scene = |title: &str| {
        let found = sample::pages(&templates)
            .into_iter()
            .find(|scene| scene.title == title);
        let scene = found.expect("a scene");
        let context = templates.page_context(Visit::answer(Lang::En), scene.view);
        templates
            .render(&format!("pages/{}.html", scene.name), context)
            .expect("renders")
    };
    let fields = |html: &str| {
        html.matches("<input type=\"email\"").count()
            + html.matches("<input type=\"checkbox\"").count()
            + html.matches("<select").count()
    };
    // In: a form to fill, its button, a mail, another button. Out: a page with one button, and no field.
    assert!(fields(&scene("signup")) > 0);
    assert_eq!(fields(&scene("unsubscribe")), 0);
    assert_eq!(scene("unsubscribe").matches("<form").count(), 1);
}

#[test]
fn the_stylesheet_is_named_after_its_content() {
    let templates = templates();
    assert!(templates.style().contains("--accent: #0b6e4f;"));
    let red = Colour::parse("#c00").expect("a colour");
    let other = Templates::builtin(Party {
        colour: red,
        ..sample::party()
    });
    assert_ne!(templates.style_path(), other.style_path());
    assert!(notice(&other, NoticeKind::Inbox, Lang::En).contains(other.style_path()));
}
