//! Rows that come back, come twice, or are printed.

use super::*;

#[tokio::test]
async fn a_row_that_was_deleted_and_made_again_is_not_the_one_that_was_read() {
    let (store, _directory) = store().await;
    let index = store.vault().index(IndexColumn::Suppression, b"v1:a");
    let mut suppression = Suppression::none(index);
    let scope = Scope::List(store.vault().list_tag("news"));
    suppression.record.scopes.push(Suppressed {
        scope,
        at: now(),
        reason: SuppressionReason::Withdrawn,
    });
    let put = |row: &Suppression| Change::new().then(Step::PutSuppression(row.clone()));
    done(&store, put(&suppression)).await;
    let read = store.suppression(index).await.expect("reads");
    // Meanwhile it is lifted, and the person withdraws again.
    let mut lifted = read.clone();
    lifted.record.scopes.clear();
    done(&store, put(&lifted)).await;
    done(&store, put(&suppression)).await;
    let stale = put(&read).require(Guard::SuppressionAt(index, read.version));
    let outcome = store.change(stale).await.expect("answers");
    assert_eq!(outcome, ChangeOutcome::Conflict);

    let form = EmailAddress::parse("a@example.org")
        .expect("an address")
        .match_form();
    let mut challenge = store.challenge(&form).await.expect("reads");
    challenge.expires_at = now();
    let index = challenge.address_index;
    let put = Change::new().then(Step::PutChallenge(challenge.clone()));
    done(&store, put).await;
    let read = store.challenge(&form).await.expect("reads");
    let again = Change::new()
        .then(Step::RemoveChallenge(index))
        .then(Step::PutChallenge(challenge));
    done(&store, again).await;
    let stale = Change::new()
        .require(Guard::ChallengeAt(index, read.version))
        .then(Step::RemoveChallenge(index));
    let outcome = store.change(stale).await.expect("answers");
    assert_eq!(outcome, ChangeOutcome::Conflict);
}

#[tokio::test]
async fn of_two_outcomes_of_one_copy_the_later_stands() {
    let (store, _directory) = store().await;
    let body = OwnMessage::new(store.vault(), message_record(), b"prepared");
    let mailing = sending(body.id());
    let row = due_copy(&mailing, SubscriberId::random());
    let release = Change::new()
        .then(Step::PutMessage(body))
        .then(Step::PutMailing(mailing))
        .then(Step::PutCopies(vec![row.clone()]));
    done(&store, release).await;
    let outcome = |state, due_at| RecordOutcomes {
        copy: row.copy,
        due_at,
        record: LedgerRecord {
            state,
            ..row.record.clone()
        },
    };
    let (one, two) = tokio::join!(
        store.record_outcome(outcome(CopyState::Due, Some(now()))),
        store.record_outcome(outcome(CopyState::Sent, None)),
    );
    assert!(one.is_ok() && two.is_ok());
    let kept = store.copy(row.copy).await.expect("reads").expect("there");
    assert_eq!((kept.record.state, kept.due_at), (CopyState::Sent, None));
}

#[test]
fn a_message_prints_no_address() {
    let printed = format!("{:?}", message_record());
    assert!(
        !printed.contains('@') && !printed.contains("example"),
        "{printed}"
    );
}
