//! Tests of the progress.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

#[test]
fn the_rate_is_that_of_the_last_seconds() {
    let mut tally = Tally::default();
    assert_eq!(tally.per_second(at(0)), None);
    for second in 0..100 {
        (0..7).for_each(|_| tally.sent(at(second)));
    }
    let rate = tally.per_second(at(100)).expect("a rate");
    assert!((rate - 7.0).abs() < 0.3, "{rate}");
    assert_eq!(tally.per_second(at(1000)), None, "long ago is not of late");
    let done = eta(at(0), 700, 7.0).expect("a time");
    assert_eq!(done, at(100));
}

#[test]
fn a_share_is_of_the_mornings_count() {
    let cases = [
        (95, 50, 100, 47),
        (95, 100, 100, 95),
        (0, 7, 7, 0),
        (9, 0, 0, 0),
    ];
    for (morning, count, all, share) in cases {
        assert_eq!(share_of(morning, count, all), share);
    }
}

fn record(state: MailingState, ended_at: Option<Timestamp>) -> MailingRecord {
    MailingRecord {
        list: "news".into(),
        sender: crate::id::StaffId::random(),
        subject: "a meeting".into(),
        constituencies: None,
        digest: String::new(),
        state,
        created_at: at(0),
        second_person: false,
        approvals: Vec::new(),
        links: Vec::new(),
        expected: 20,
        morning: 20,
        released_at: Some(at(0)),
        expanded_to: None,
        expanded: true,
        ended_at,
        counts: ended_at.map(|_| MailingCounts::default()),
        stopped: None,
        folded_at: None,
    }
}

fn counts(sent: u64, failed: u64, withdrawn: u64, bounced: u64) -> MailingCounts {
    MailingCounts {
        sent,
        failed,
        withdrawn,
        cancelled: 0,
        bounced,
        causes: BTreeMap::from([("address-dead".into(), failed)]),
    }
}

#[test]
fn whoever_watches_sees_nobody_leave_and_no_copy_refused() {
    for state in [MailingState::Sending, MailingState::Paused] {
        let running = record(state, None);
        let before = in_steps(&running, 20, &counts(10, 0, 0, 0), at(5));
        // One more refused instead of handed over, one gone, one come back.
        for after in [
            counts(9, 1, 0, 0),
            counts(10, 0, 1, 0),
            counts(10, 0, 0, 1),
            counts(1, 9, 10, 9),
        ] {
            assert_eq!(in_steps(&running, 20, &after, at(5)), before, "{after:?}");
        }
        assert_eq!(before.tried, MaskedCount::Exact(10));
        assert_eq!(before.failed, None);
    }
}

#[test]
fn what_failed_is_told_in_steps_the_morning_after() {
    let ended = record(MailingState::Done, Some(at(10)));
    let on = |seconds: i64, counts: &MailingCounts| in_steps(&ended, 20, counts, at(seconds));
    let today = on(20, &counts(5, 15, 0, 0));
    assert_eq!(today, on(20, &counts(20, 0, 0, 0)));
    assert_eq!((today.sent, today.failed), (None, None));
    assert!(today.causes.is_empty());

    let next = 24 * 60 * 60;
    let one = on(next, &counts(19, 1, 0, 0));
    assert_eq!(one, on(next, &counts(20, 0, 0, 0)), "one is as none");
    assert_eq!(one, on(next, &counts(15, 0, 5, 4)), "nobody's leaving");
    assert_eq!(one.failed, Some(MaskedCount::FewerThanFive));
    let many = on(next, &counts(8, 12, 0, 0));
    assert_eq!(many.failed, Some(MaskedCount::Exact(10)));
    assert_eq!(many.sent, Some(MaskedCount::Exact(10)));
    assert_eq!(many.causes.len(), 1);
}

#[test]
fn what_is_neither_due_nor_settled_was_withdrawn() {
    let mut tally = Tally {
        copies: 10,
        ..Tally::default()
    };
    tally.sent(at(0));
    tally.failed("blocked");
    assert_eq!(tally.counts(5).withdrawn, 3);
    assert_eq!(tally.counts(9).withdrawn, 0, "never below nothing");
}
