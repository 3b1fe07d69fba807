//! Refusals and broken conversations, each with its cause.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_one_persons_matter() {
    let (outside, room, post) = hasty_world().await;
    let refuse =
        |to, line: &str| outside.for_address(At::Recipient, to, Act::Reply(line.to_owned()));
    refuse(
        "dead@one.example",
        "550 5.1.1 <dead@one.example> no such user",
    );
    refuse("full@one.example", "452 4.2.2 mailbox full");
    refuse(
        "grey@one.example",
        "450 4.7.1 greylisted, come back in 5 minutes",
    );
    for to in ["a", "dead", "b", "full", "c", "grey", "d"] {
        room.post(&format!("{to}@one.example"));
    }
    post.bell.wake();
    room.all_settled().await;
    assert_eq!(
        room.row("dead@one.example").failure(),
        Some((Cause::AddressDead, true))
    );
    assert_eq!(
        room.row("full@one.example").failure(),
        Some((Cause::AddressBusy, false))
    );
    assert!(matches!(
        room.row("grey@one.example").failure(),
        Some((_, false))
    ));
    assert_eq!(outside.inbox().count(), 4);
    assert_eq!(outside.counters().connections(), 1);
    // An hour later the greylisted one and the full one come again.
    outside.behave();
    post.clock.advance(SignedDuration::from_mins(61)).unwrap();
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() == 6)
        .await;
    assert_eq!(room.row("dead@one.example").loads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_and_a_broken_conversation_have_their_causes() {
    let (outside, room, post) = hasty_world().await;
    let temporary = Some((Cause::Unknown, false));
    let table = [
        (At::Mail, Act::Reply("451 4.3.0 not now".into()), temporary),
        (At::Data, Act::Reply("554 5.6.0 no".into()), None),
        (
            At::Dot,
            Act::Reply("554 5.7.1 this looks like spam".into()),
            None,
        ),
        (
            At::Greeting,
            Act::Reply("554 5.1.1 no such host".into()),
            temporary,
        ),
        (At::Greeting, Act::Stall, temporary),
        (At::Hello, Act::Close, temporary),
        (At::Mail, Act::Stall, temporary),
        (At::Recipient, Act::Close, temporary),
        (At::Data, Act::SayAndClose("garbage\r\n".into()), temporary),
    ];
    for (at, act, expected) in table {
        outside.behave();
        outside.always(at, act.clone());
        let to = format!("{}@{}.example", room.rows().len(), room.rows().len());
        room.post(&to);
        post.bell.wake();
        room.all_settled().await;
        let row = room.row(&to);
        let failure = row.failure();
        assert!(failure.is_some(), "{at:?} {act:?}: {:?}", row.fates);
        if expected.is_some() {
            assert_eq!(failure, expected, "{at:?} {act:?}");
        } else {
            assert!(failure.unwrap().1, "{at:?} {act:?} is for good");
        }
        assert_eq!(row.fates.len(), 1);
    }
    assert_eq!(outside.inbox().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_the_final_dot_is_doubt() {
    let (outside, room, post) = hasty_world().await;
    for (n, (at, act, kept)) in [
        (At::Dot, Act::Close, 0),
        (At::Kept, Act::Close, 1),
        (At::Kept, Act::Stall, 2),
    ]
    .into_iter()
    .enumerate()
    {
        outside.behave();
        outside.always(at, act);
        let to = format!("{n}@d{n}.example");
        room.post(&to);
        post.bell.wake();
        room.all_settled().await;
        assert!(room.row(&to).is_unknown(), "{:?}", room.row(&to).fates);
        assert_eq!(outside.inbox().count(), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tls_is_a_cause_of_its_own_and_all_who_wait_share_it() {
    let (outside, room, post) = hasty_world().await;
    for (n, act) in [None, Some(Act::Stall), Some(Act::Close)]
        .into_iter()
        .enumerate()
    {
        outside.behave();
        match act {
            None => outside.without_starttls(),
            Some(act) => outside.always(At::Handshake, act),
        }
        let before = outside.counters().connections();
        for k in 0..100 {
            room.post(&format!("r{k}@d{n}.example"));
        }
        post.bell.wake();
        room.all_settled().await;
        let tried = outside.counters().connections() - before;
        // The first may be over before the last is posted.
        let few = (1..=2).contains(&tried);
        assert!(few, "one attempt speaks for all who wait: {tried}");
    }
    for row in room.rows() {
        assert_eq!(row.failure(), Some((Cause::NoTls, false)));
    }
    assert_eq!(
        (outside.counters().plaintext(), outside.inbox().count()),
        (0, 0)
    );
}
