//! Tests of the events of consent and their canonical bytes.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn subject() -> Index {
    Index::from_bytes([7; 17])
}

fn confirmed() -> ConsentEvent {
    ConsentEvent::Confirmed(ConfirmedEvent {
        subject: subject(),
        list: "news".into(),
        channel: Channel::Paper,
        wording: "aa".into(),
        language: "en".into(),
        notice: "bb".into(),
        asked_at: at("2026-11-20T09:00:00Z"),
        confirmed_at: at("2026-11-21T12:00:00Z"),
        token: "cc".into(),
        stated_age: Some(16),
        batch: Some("stall 7".into()),
        entered_by: Some("ada".into()),
        origin: None,
    })
}

/// The canonical bytes stand in logs that must verify in ten years.
#[test]
fn the_form_of_events_is_frozen() {
    let subject = "07".repeat(17);
    let bytes = |event: &ConsentEvent| {
        String::from_utf8(canonical(event).expect("canonical")).expect("text")
    };
    let expected = format!(
        r#"{{"asked_at":"2026-11-20T09:00:00Z","batch":"stall 7","channel":"paper","confirmed_at":"2026-11-21T12:00:00Z","entered_by":"ada","event":"confirmed","language":"en","list":"news","notice":"bb","stated_age":16,"subject":"{subject}","token":"cc","wording":"aa"}}"#
    );
    assert_eq!(bytes(&confirmed()), expected);
    let withdrawn = ConsentEvent::Withdrawn {
        subject: self::subject(),
        list: "news".into(),
        channel: WithdrawalChannel::OneClick,
        reason: SuppressionReason::NeverAgain,
        at: at("2026-11-22T12:00:00Z"),
    };
    let expected = format!(
        r#"{{"at":"2026-11-22T12:00:00Z","channel":"one-click","event":"withdrawn","list":"news","reason":"never-again","subject":"{subject}"}}"#
    );
    assert_eq!(bytes(&withdrawn), expected);
    let erased = Tombstone::of(
        self::subject(),
        at("2026-11-23T12:00:00Z"),
        &[confirmed(), withdrawn],
    );
    let expected = format!(
        r#"{{"at":"2026-11-23T12:00:00Z","consents":[{{"asked_at":"2026-11-20T09:00:00Z","confirmed_at":"2026-11-21T12:00:00Z","list":"news","notice":"bb","wording":"aa"}}],"event":"erased","subject":"{subject}","withdrawals":[{{"at":"2026-11-22T12:00:00Z","list":"news"}}]}}"#
    );
    assert_eq!(bytes(&ConsentEvent::Erased(erased)), expected);
    let ConsentEvent::Confirmed(mut ticked) = confirmed() else {
        panic!("a consent")
    };
    (ticked.channel, ticked.batch, ticked.entered_by) = (Channel::Web, None, None);
    ticked.origin = Some(Box::new(Origin {
        channel: Channel::Paper,
        asked_at: at("2026-05-01T00:00:00Z"),
        wording: Some("dd".into()),
        stated_age: None,
        batch: Some("stall 7".into()),
        entered_by: "ada".into(),
    }));
    let ticked = ConsentEvent::Confirmed(ticked);
    let expected = format!(
        r#"{{"asked_at":"2026-11-20T09:00:00Z","batch":null,"channel":"web","confirmed_at":"2026-11-21T12:00:00Z","entered_by":null,"event":"confirmed","language":"en","list":"news","notice":"bb","origin":{{"asked_at":"2026-05-01T00:00:00Z","batch":"stall 7","channel":"paper","entered_by":"ada","stated_age":null,"wording":"dd"}},"stated_age":16,"subject":"{subject}","token":"cc","wording":"aa"}}"#
    );
    assert_eq!(bytes(&ticked), expected);
    assert_eq!(ticked.wordings(), ["aa", "bb", "dd"]);
    let bytes = canonical(&confirmed()).expect("canonical");
    assert_eq!(ConsentEvent::from_canonical(&bytes), Some(confirmed()));
    assert_eq!(ConsentEvent::from_canonical(b"{}"), None);
}
