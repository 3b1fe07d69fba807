//! The party's own templates.

use super::*;

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

/// A file, what stands in it, and which line and which words its fault is told with.
type Faulty = (&'static str, String, Option<usize>, &'static str);

fn faulty_pages() -> Vec<Faulty> {
    let notice_page = built_in("pages/notice.html");
    let signup = built_in("pages/signup.html");
    let consent = built_in("pages/consent.html");
    vec![
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
    ]
}

fn faulty_mails_and_words() -> Vec<Faulty> {
    let footer = built_in("mails/footer.txt");
    vec![
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
    ]
}

#[test]
fn a_faulty_override_is_named_and_the_built_in_one_stays() {
    let unchanged = templates();
    let all = faulty_pages().into_iter().chain(faulty_mails_and_words());
    for (name, text, line, part) in all {
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
