//! Tests of the texts: what every page and mail must hold, and what an override may not take away.

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

#[test]
fn sound_overrides_are_used() {
    let page = built_in("pages/notice.html").replace("<h1>", "<h1 class=\"own\">");
    let dir = directory(&[
        ("pages/notice.html", &page),
        (
            "strings/cy.toml",
            "[notice.inbox]\nheading = \"Edrychwch!\"\n",
        ),
        ("strings/.en.toml.swp", "left behind by an editor"),
    ]);
    let (templates, faults) = Templates::load(sample::party(), dir.path());
    assert_eq!(faults, []);
    assert!(
        notice(&templates, NoticeKind::Inbox, Lang::Cy)
            .contains("<h1 class=\"own\">Edrychwch!</h1>")
    );
    assert_eq!(Templates::check(dir.path()), Ok(()));
}

#[test]
fn a_faulty_override_is_named_and_the_built_in_one_stays() {
    let unchanged = templates();
    let notice_page = built_in("pages/notice.html");
    let signup = built_in("pages/signup.html");
    let consent = built_in("pages/consent.html");
    let footer = built_in("mails/footer.txt");
    for (name, text, line, part) in [
        (
            "pages/notice.html",
            "a\n{% if %}".to_owned(),
            Some(2),
            "syntax error",
        ),
        (
            "pages/notice.html",
            notice_page.replace("page.kind", "page.sort"),
            Some(2),
            "undefined",
        ),
        (
            "pages/notice.html",
            notice_page.replace("<h1>", "<script>x</script><h1>"),
            None,
            "<script>",
        ),
        (
            "pages/notice.html",
            notice_page.replace("<h1>", "<h1 onclick=\"x()\">"),
            None,
            "onclick",
        ),
        (
            "pages/notice.html",
            notice_page.replace("<h1>", "<img src=\"//far.example/p\"><h1>"),
            None,
            "from elsewhere",
        ),
        (
            "pages/consent.html",
            consent.replace(" name=\"list\"", " name=\"list\" checked"),
            None,
            "ticked",
        ),
        (
            "pages/consent.html",
            consent.replace("{{ list.statement|tr }}", "Yes"),
            None,
            "statement",
        ),
        (
            "pages/consent.html",
            consent.replace("name=\"age\"", "name=\"old\""),
            None,
            "\"age\"",
        ),
        (
            "pages/signup.html",
            signup.replace("<h1>", "{{ page.email|safe }}<h1>"),
            None,
            "escaped",
        ),
        (
            "pages/signup.html",
            signup.replace("method=\"post\"", "method=\"get\""),
            None,
            "post",
        ),
        (
            "pages/signup.html",
            signup.replace("action=\"/\"", "action=\"https://far.example/\""),
            None,
            "alone",
        ),
        (
            "pages/privacy.html",
            built_in("pages/privacy.html").replace("{{ t(\"privacy.automated\") }}", ""),
            None,
            "automated",
        ),
        (
            "pages/privacy.html",
            built_in("pages/privacy.html").replace("</h1>", "</h1><p>Article 77</p>"),
            None,
            "repealed",
        ),
        (
            "pages/unsubscribe.html",
            built_in("pages/unsubscribe.html").replace(
                "<p>{{ t(\"unsubscribe.why",
                "<input name=\"why\"><p>{{ t(\"unsubscribe.why",
            ),
            None,
            "no field",
        ),
        (
            "mails/footer.txt",
            footer.replace("{{ imprint() }}", ""),
            None,
            "imprint",
        ),
        (
            "mails/footer.txt",
            footer.replace("{{ t(\"footer.stop\", link=mail.way_out) }}", ""),
            None,
            "way out",
        ),
        (
            "mails/welcome.txt",
            built_in("mails/welcome.txt").replace("{{ t(\"mail.object_heading\")|upper }}", ""),
            None,
            "right to object",
        ),
        (
            "mails/challenge.txt",
            built_in("mails/challenge.txt").replace("Subject:", "Betreff:"),
            Some(1),
            "subject",
        ),
        (
            "mails/challenge.html",
            built_in("mails/challenge.html")
                .replace("<ul>", "<img src=\"https://far.example/p.gif\"><ul>"),
            None,
            "<img>",
        ),
        (
            "pages/style.css",
            "body { background: url(https://far.example/x) }".to_owned(),
            None,
            "loads nothing",
        ),
        (
            "pages/extra.html",
            "hello".to_owned(),
            None,
            "no template of this name",
        ),
        (
            "strings/en.toml",
            "[wording]\nconsent = \"Yes please\"\n".to_owned(),
            None,
            "name the party",
        ),
        (
            "strings/en.toml",
            "[signup]\nbutten = \"Yes\"\n".to_owned(),
            Some(2),
            "signup.butten",
        ),
        (
            "strings/fr.toml",
            String::new(),
            None,
            "no template of this name",
        ),
    ] {
        let dir = directory(&[(name, &text)]);
        let (templates, faults) = Templates::load(sample::party(), dir.path());
        assert_eq!(faults.len(), 1, "{name} {part}: {faults:?}");
        assert_eq!(faults[0].file, dir.path().join(name), "{part}");
        assert_eq!(faults[0].line, line, "{name} {part}: {}", faults[0]);
        assert!(faults[0].what.contains(part), "{part}: {}", faults[0]);
        for kind in [NoticeKind::Inbox, NoticeKind::NotFound] {
            let expected = notice(&unchanged, kind, Lang::En);
            assert_eq!(
                notice(&templates, kind, Lang::En),
                expected,
                "{name} {part}"
            );
        }
    }
}

#[test]
fn large_unreadable_and_missing_overrides_are_named() {
    let dir = directory(&[("pages/notice.html", &"x".repeat(300_000))]);
    fs::write(dir.path().join("pages/never.html"), [0xff, 0xfe]).expect("written");
    let faults = Templates::check(dir.path()).expect_err("faulty");
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().any(|fault| fault.what.contains("256 KiB")));
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("can't be read"))
    );
    let faults = Templates::check(&dir.path().join("nowhere")).expect_err("missing");
    assert!(faults[0].to_string().contains("can't be read"));
}

#[test]
fn the_consent_statement_is_the_partys_own_words() {
    let templates = templates();
    let statement = templates.consent_statement(&sample::purposes()[0]);
    assert!(
        statement
            .en
            .starts_with("I consent to The Fair & Open Party using my email address")
    );
    assert!(
        statement
            .en
            .contains("send me news of its campaigns and elections by email.")
    );
    assert!(
        statement
            .en
            .contains("something about my political opinions")
    );
    assert!(
        statement
            .cy
            .expect("Welsh")
            .contains("newyddion am ei hymgyrchoedd")
    );
    assert_eq!(templates.age_statement(16).en, "I am 16 or over.");
}

#[test]
fn a_consent_is_in_one_language() {
    let statement = templates().consent_statement(&Text::english("news of its campaigns"));
    assert_eq!(statement.cy, None, "no English inside a Welsh sentence");
    assert!(
        statement
            .get(Lang::Cy)
            .contains("news of its campaigns by email")
    );
}

#[test]
fn the_notice_says_what_the_party_said_and_no_more() {
    let shown = |change: fn(&mut Privacy), lang| {
        let mut privacy = sample::privacy();
        change(&mut privacy);
        let visit = Visit { lang, path: None };
        templates().page(visit, &privacy).expect("renders")
    };
    let nothing = |privacy: &mut Privacy| {
        (privacy.dpo, privacy.no_dpo, privacy.location) = (None, false, None);
        (privacy.transfers, privacy.no_transfers) = (None, false);
        privacy.recipients.clear();
    };
    let claims = [
        ("We make no transfers", "Nid ydym yn trosglwyddo"),
        ("no data protection officer", "gennym swyddog diogelu data"),
        ("Where your data is held", "Ble y cedwir"),
    ];
    for (lang, ask) in [
        (Lang::En, "Ask privacy@"),
        (Lang::Cy, "Gofynnwch i privacy@"),
    ] {
        let html = shown(nothing, lang);
        for claim in claims {
            let claim = if lang == Lang::En { claim.0 } else { claim.1 };
            assert!(!html.contains(claim), "{claim}");
        }
        assert_eq!(html.matches(ask).count(), 2, "{html}");
    }
    let html = shown(
        |privacy| {
            (privacy.dpo, privacy.no_dpo, privacy.no_transfers) = (None, true, false);
            privacy.transfers = Some(Text::english("Germany, by adequacy"));
            privacy.location = Some(Text::english("Falkenstein"));
        },
        Lang::Cy,
    );
    assert!(html.contains("Nid oes gennym swyddog diogelu data"));
    assert!(
        html.contains("<span lang=\"en\">Germany, by adequacy</span>"),
        "{html}"
    );
    assert!(html.contains("<span lang=\"en\">Falkenstein</span>"));
    assert!(!html.contains("Nid ydym yn trosglwyddo"));
}

#[test]
fn the_mail_with_the_full_form_says_where_the_asking_came_from() {
    for (heard, said) in [
        (Heard::Mail, "Someone wrote to The"),
        (Heard::Card, "A card that asks for email"),
        (Heard::Import, "has been given a record"),
    ] {
        let view = OpenChallenge {
            heard,
            link: sample::LINK,
            never_link: sample::NEVER,
            days: 7,
        };
        let mail = templates().mail(Tongues::Both, &view).expect("renders");
        let text = mail.text.replace('\n', " ");
        let html = mail.html.expect("it has one");
        assert!(text.contains(said) && html.contains(said), "{text} {html}");
        let others = ["Someone wrote", "A card that", "a record that"];
        let count = others.iter().filter(|one| text.contains(**one)).count();
        assert_eq!(count, 1, "{text}");
    }
}
