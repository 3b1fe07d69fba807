//! What strangers can't do, however often they ask: fill the disk, keep us searching, undo somebody else's silence.

use super::*;
use crate::consent::Departing;
use crate::delivery::queue::{StillWanted, Wanted};
use crate::store::StoreError;
use crate::store::testing::{Table, flip};
use crate::vault::IndexColumn;

/// Less room is left than what is kept.
fn fill(party: &Party) {
    let space = party.store.space().expect("is told");
    party.store.keep_free(Some(4 * space.left + (1 << 40)));
}

#[tokio::test]
async fn the_last_room_on_the_disk_is_for_who_answers_and_who_leaves() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    party.ask("ben@elector.example", &["news"]).await;
    let challenge = party.one_mail("challenge").await;
    party.ask("cat@elector.example", &["news"]).await;
    fill(&party);
    for who in ["ann@elector.example", "dan@elector.example"] {
        let asked = party.consent.sign_up(party.form(who, &["news"])).await;
        let by_mail = party.consent.subscribe_by_mail(address(who), "news").await;
        for refused in [asked, by_mail] {
            let short = matches!(
                refused,
                Err(ConsentError::Store(StoreError::Reserved { .. }))
            );
            assert!(short, "{who}, known or not: {refused:?}");
        }
    }
    party.no_mail().await;
    party.confirm(&challenge.token).await;
    assert_eq!(party.live_on("ben@elector.example").await, ["news"]);
    party.out(made[0].way_out(), Extent::AsToken).await;
    assert!(!party.holds("ann@elector.example").await);
    assert_eq!(party.outbox().await.len(), 1, "ben is welcome");
    party.store.keep_free(Some(0));
    party.pass(SignedDuration::from_mins(6));
    assert_eq!(party.one_mail("challenge").await.to, "cat@elector.example");
}

#[tokio::test]
async fn a_link_that_is_pressed_for_ever_has_nothing_searched() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let token = made[0].way_out();
    let presses = async |count| {
        let before = party.store.read();
        for _ in 0..count {
            party.out(token, Extent::NeverAgain).await;
        }
        party.store.read() - before
    };
    let first = presses(1).await;
    presses(3).await;
    let later = presses(10).await;
    assert!(later <= 20, "two rows a press: {later}, the first {first}");
    assert!(first > 4, "{first}");
}

#[tokio::test]
async fn a_damaged_suppression_is_written_no_more_often_than_a_sound_one() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let token = made[0].way_out().to_owned();
    party.out(&token, Extent::AsToken).await;
    party.join("ben@elector.example", &["news"]).await;
    let ring = party.ring.clone();
    let (directory, clock) = (party.directory.clone(), party.clock.clone());
    party.store.close().await;
    drop(party);
    let files = Files::in_directory(directory.path());
    flip(&files, Table::Suppression, None).await;
    let party = Party::open(directory, ring, clock, settings()).await;
    let journal = party.journal().len();
    for _ in 0..20 {
        party.out(&token, Extent::AsToken).await;
    }
    assert_eq!(party.journal().len() - journal, 3);
    // And a mail to such a person isn't asked about for ever: what can't be read forbids.
    let ann = address("ann@elector.example");
    for kind in ["welcome", "challenge", "notice"] {
        let wanted = party.consent.still_wanted(kind, &ann).await;
        assert!(matches!(wanted, Wanted::No), "{kind}");
    }
    let ben = address("ben@elector.example");
    let wanted = party.consent.still_wanted("welcome", &ben).await;
    assert!(matches!(wanted, Wanted::Yes(_)));
}

/// With a token of an older key: the first press finds out whom it stands for, and erases what says it.
#[tokio::test]
async fn who_presses_an_old_link_twice_waits_twice() {
    let party = Party::new().await;
    let token = party.join("ann@elector.example", &["news"]).await[0]
        .way_out()
        .to_owned();
    party.out(&token, Extent::AsToken).await;
    let mut ring = party.ring.clone();
    ring.add_index_generation(IndexColumn::Suppression)
        .expect("adds");
    let (directory, clock) = (party.directory.clone(), party.clock.clone());
    drop(party);
    let party = Party::open(directory, ring, clock, settings()).await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let Ok(Departing::Go(dot)) = party.consent.depart(&made[0]).await else {
        panic!("a copy goes");
    };
    let press = || {
        let (consent, token) = (party.consent.clone(), token.clone());
        tokio::spawn(async move {
            let channel = WithdrawalChannel::Page;
            consent.withdraw(&token, Extent::AsToken, channel).await
        })
    };
    let first = press();
    let gone = async {
        while party.holds("ann@elector.example").await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone)
        .await
        .expect("she is forgotten");
    let mut second = press();
    let soon = std::time::Duration::from_millis(500);
    let early = tokio::time::timeout(soon, &mut second).await;
    assert!(
        early.is_err(),
        "it was answered while the dot was on its way"
    );
    drop(dot);
    for pressed in [first, second] {
        assert!(pressed.await.expect("ends").expect("withdraws").is_some());
    }
}

/// `a+x@` is counted with `a@`, and may be somebody else.
#[tokio::test]
async fn nobody_lifts_the_silence_of_whom_they_are_counted_with() {
    let party = Party::new().await;
    party.ask("ann+x@elector.example", &["news"]).await;
    let own = party.one_mail("challenge").await;
    for _ in 0..2 {
        party.pass(days(1));
        party.ask("ann@elector.example", &["news"]).await;
        party.one_mail("challenge").await;
    }
    party.confirm(&own.token).await;
    party.one_mail("welcome").await;
    party.pass(days(1));
    party.ask("ann@elector.example", &["appeals"]).await;
    party.no_mail().await;
    let erased = party
        .consent
        .erase(&address("ann+x@elector.example"), &by("asked"))
        .await;
    assert!(erased.expect("erases"));
    party.pass(days(1));
    party.ask("ann@elector.example", &["appeals", "news"]).await;
    party.no_mail().await;
    // Only time does.
    party.pass(days(91));
    party.ask("ann@elector.example", &["news"]).await;
    party.one_mail("challenge").await;
}
