//! Tests of the words of consent: each change is a new version.

use super::*;
use crate::consent::Text;
use crate::consent::tests::settings;

#[test]
fn the_digest_tells_kind_list_language_and_text_apart() {
    let one = WordingDigest::of(CONSENT, Some("news"), Lang::En, "Yes");
    assert_eq!(
        one,
        WordingDigest::of(CONSENT, Some("news"), Lang::En, "Yes")
    );
    for other in [
        WordingDigest::of(NOTICE, Some("news"), Lang::En, "Yes"),
        WordingDigest::of(CONSENT, None, Lang::En, "Yes"),
        WordingDigest::of(CONSENT, Some("new"), Lang::En, "sYes"),
        WordingDigest::of(CONSENT, Some("news"), Lang::Cy, "Yes"),
        WordingDigest::of(CONSENT, Some("news"), Lang::En, "Yes "),
    ] {
        assert_ne!(one, other);
    }
    // Evidence on people's disks names digests: how they are made must not change.
    let json = r#"["consent","news","en","Yes"]"#;
    assert_eq!(one.0, digest(&SHA256, json.as_bytes()).as_ref());
    assert_eq!(WordingDigest::parse(&one.to_string()), Some(one));
    assert_eq!(WordingDigest::parse("00"), None);
}

#[test]
fn a_form_version_changes_with_any_word_that_is_shown() {
    let start = Wordings::new(&settings());
    let again = Wordings::new(&settings());
    assert_eq!(start.version(Lang::En), again.version(Lang::En));
    let changes: [fn(&mut ConsentSettings); 3] = [
        |settings| settings.lists[1].statement.en.push('.'),
        |settings| settings.notice.en.push('.'),
        |settings| settings.minimum_age = 18,
    ];
    for change in changes {
        let mut changed = settings();
        change(&mut changed);
        let changed = Wordings::new(&changed);
        assert_ne!(start.version(Lang::En), changed.version(Lang::En));
    }
}

#[test]
fn a_statement_that_lacks_something_is_refused() {
    let good = settings().lists[0].statement.en.clone();
    assert_eq!(lint(&settings()), []);
    let cases = [
        (good.replace("The Fair Party", "We"), "name the party"),
        (good.replace("news of campaigns", "things"), "what is sent"),
        (
            good.replace("political opinions", "views"),
            "political opinions",
        ),
        (good.replace("withdraw", "go"), "withdrawn"),
        (
            format!("{good}{}", " And so on.".repeat(200)),
            "longer than",
        ),
        (format!("{good} Tick to not opt out."), "double negative"),
    ];
    for (text, why) in cases {
        let mut bad = settings();
        bad.lists[0].statement = Text::english(text);
        let faults = lint(&bad);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].to_string().contains(why),
            "{} should say {why}",
            faults[0]
        );
    }
    let mut welsh = settings();
    welsh.lists[0].statement.cy = Some("Rwy'n cydsynio.".into());
    assert_eq!(lint(&welsh).len(), 4);
    let mut notice = settings();
    notice.notice = Text::english("We hold things.");
    assert_eq!(lint(&notice).len(), 2, "in both languages");
}
