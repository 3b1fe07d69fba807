//! Ways out that name a copy of a mailing.

use super::*;

/// A mailing to a list, with one copy for this subscriber.
async fn mailing(party: &Party, list: &str, to: &Confirmed<Subscription>) -> (MailingId, CopyId) {
    let record = MessageRecord {
        received_at: noon(),
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    };
    let message = OwnMessage::new(party.store.vault(), record, b"prepared");
    let mailing = Mailing {
        id: MailingId::random(),
        message: message.id(),
        version: 0,
        record: MailingRecord {
            list: list.into(),
            sender: StaffId::random(),
            subject: "Hello".into(),
            constituencies: None,
            digest: String::new(),
            state: MailingState::Sending,
            created_at: noon(),
            second_person: false,
            approvals: Vec::new(),
            links: Vec::new(),
            expected: 1,
            morning: 1,
            released_at: Some(noon()),
            expanded_to: None,
            expanded: false,
            ended_at: None,
            counts: None,
            stopped: None,
            folded_at: None,
        },
    };
    let copy = LedgerRow {
        copy: CopyId::random(),
        mailing: mailing.id,
        subscriber: Some(to.subscriber()),
        due_at: Some(noon()),
        record: LedgerRecord {
            state: CopyState::Due,
            attempts: 0,
            since: None,
            domain: Some("elector.example".into()),
            cause: None,
            at: noon(),
        },
    };
    let ids = (mailing.id, copy.copy);
    let change = Change::new()
        .then(Step::PutMessage(message))
        .then(Step::PutMailing(mailing))
        .then(Step::PutCopies(vec![copy]));
    assert_eq!(
        party.store.change(change).await.expect("writes"),
        ChangeOutcome::Done
    );
    ids
}

#[tokio::test]
async fn the_ledger_forgets_who_left_and_a_reply_is_a_way_out() {
    let party = Party::new().await;
    let made = party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    let (_, news) = mailing(&party, "news", &made[0]).await;
    let (_, appeals) = mailing(&party, "appeals", &made[1]).await;
    let token = party
        .store
        .vault()
        .copy_token(CopyTokenKind::MessageId, news);
    let reply = |token: &str| {
        let (consent, token) = (party.consent.clone(), token.to_owned());
        async move { consent.withdraw_by_reply(&token).await.expect("answers") }
    };
    assert_eq!(reply("nonsense").await, Replied::NotOurs);
    let path = party
        .store
        .vault()
        .copy_token(CopyTokenKind::ReturnPath, news);
    assert_eq!(reply(&path).await, Replied::NotOurs);
    let question = |token: String| {
        let consent = party.consent.clone();
        async move { consent.question_by_reply(&token).await.expect("reads") }
    };
    assert!(matches!(question(path).await, Replied::NotOurs));
    assert!(matches!(
        question(token.clone()).await,
        Replied::Heard(IntakeRecord::BareStop { address: who, .. })
            if who == address("ann@elector.example")
    ));
    assert_eq!(reply(&token).await, Replied::Heard(()));
    assert_eq!(party.live_on("ann@elector.example").await, ["appeals"]);
    // She left, and even if she comes back that copy is nobody's: nobody may be told that it worked.
    assert_eq!(reply(&token).await, Replied::NobodyNow);
    party.ask("ann@elector.example", &["news"]).await;
    let back = party.one_mail("challenge").await;
    assert_eq!(party.confirm(&back.token).await.len(), 1);
    assert_eq!(reply(&token).await, Replied::NobodyNow);
    assert!(matches!(question(token).await, Replied::NobodyNow));
    let again = party.out(made[0].way_out(), Extent::AsToken);
    again.await;
    let row = party.store.copy(news).await.expect("reads").expect("there");
    assert_eq!(
        (row.subscriber, row.due_at, row.record.state),
        (None, None, CopyState::Withdrawn)
    );
    let row = party
        .store
        .copy(appeals)
        .await
        .expect("reads")
        .expect("there");
    assert_eq!(row.subscriber, Some(made[0].subscriber()));
    party.out(made[1].way_out(), Extent::AsToken).await;
    let row = party
        .store
        .copy(appeals)
        .await
        .expect("reads")
        .expect("there");
    assert_eq!((row.subscriber, row.record.domain), (None, None));
}

#[tokio::test]
async fn erasing_takes_what_came_back_for_a_persons_copies() {
    let party = Party::new().await;
    let mut came_back = Vec::new();
    for who in ["ann@elector.example", "ben@elector.example"] {
        let made = party.join(who, &["news"]).await;
        let (_, copy) = mailing(&party, "news", &made[0]).await;
        let record = MessageRecord {
            received_at: noon(),
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        };
        let report = format!("Final-Recipient: rfc822; {who}\r\nStatus: 5.1.1\r\n");
        let message = OwnMessage::new(party.store.vault(), record, report.as_bytes());
        let bounce = Bounce {
            id: crate::id::EntryId::random(),
            copy,
            message: message.id(),
            record: BounceRecord {
                received_at: noon(),
            },
        };
        came_back.push(message.id());
        let change = Change::new()
            .then(Step::PutMessage(message))
            .then(Step::PutBounce(bounce));
        let done = party.store.change(change).await.expect("writes");
        assert_eq!(done, ChangeOutcome::Done);
    }
    let ann = address("ann@elector.example");
    party
        .consent
        .erase(&ann, &by("asked"))
        .await
        .expect("erases");
    let there = |id| {
        let store = party.store.clone();
        async move { store.message(id).await.expect("reads").is_some() }
    };
    assert!(!there(came_back[0]).await, "it quotes her address");
    assert!(there(came_back[1]).await, "and that of nobody else");
    let left = party.store.returned_after(None, 10).await.expect("reads");
    assert_eq!(left.rows.len(), 1);
}
