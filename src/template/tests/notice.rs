//! The words of consent and the privacy notice.

use super::*;

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

/// What isn't asked for isn't kept, so that no text may say it is (law rows A12, B5).
#[test]
fn a_party_that_asks_for_no_constituency_speaks_of_none() {
    let party = Party {
        asks_constituency: false,
        ..sample::party()
    };
    let templates = Templates::builtin(party);
    let statement = templates.consent_statement(&sample::purposes()[0]);
    let notice = templates
        .notice_text(&Privacy {
            ogl: false,
            ..sample::privacy()
        })
        .expect("a notice");
    for lang in Lang::ALL {
        for text in [statement.get(lang), notice.get(lang)] {
            let text = text.to_lowercase();
            assert!(
                !text.contains("constituency") && !text.contains("etholaeth"),
                "{text}"
            );
        }
    }
    let asking = Templates::builtin(sample::party());
    assert!(
        asking
            .consent_statement(&sample::purposes()[0])
            .en
            .contains("constituency")
    );
}
