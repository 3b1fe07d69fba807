//! What is easily lost and dearly missed, and what nothing else looks at.

use super::*;
use crate::store::{ActRefusal, Uid, Uids};

async fn with_three(house: &House) -> Talk {
    let mut desk = house.desk();
    for subject in ["one", "two", "three"] {
        desk.append("INBOX", &[], &mail(subject)).await;
    }
    desk.say("select INBOX").await;
    desk
}

/// A folder that was opened to be read stays as it was.
#[tokio::test]
async fn what_is_only_looked_at_is_not_marked() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    desk.say("EXAMINE INBOX").await;
    let heard = desk.say("FETCH 1 (BODY[TEXT])").await.join("\r\n");
    assert_eq!(heard, "* 1 FETCH (BODY[TEXT] {8}\r\nHello.\r\n)\r\nOK Done");
    assert_eq!(desk.say("FETCH 1 FLAGS").await[0], "* 1 FETCH (FLAGS ())");
}

#[tokio::test]
async fn what_is_not_marked_as_deleted_stays() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    desk.say("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(
        desk.say("UID EXPUNGE 1:*").await,
        ["* 2 EXPUNGE", "OK Done"]
    );
    assert_eq!(desk.say("UID EXPUNGE 1:*").await, ["OK Done"]);
}

/// What was found means the same messages, whoever goes, until a search that was to be remembered comes to nothing.
#[tokio::test]
async fn what_was_found_means_these_messages() {
    let house = House::new().await;
    let (mut desk, mut other) = (with_three(&house).await, house.desk());
    desk.say("SEARCH RETURN (SAVE) 2").await;
    other.say("select INBOX").await;
    other.say("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    other.say("EXPUNGE").await;
    desk.say("NOOP").await;
    assert_eq!(desk.say("FETCH $ UID").await, ["OK Done"]);
    desk.say("SEARCH RETURN (SAVE MIN) ALL").await;
    assert_eq!(
        desk.say("FETCH $ UID").await,
        ["* 1 FETCH (UID 1)", "OK Done"]
    );
    let long = format!("SEARCH RETURN (SAVE) BODY {}", "x".repeat(1100));
    assert!(desk.end(&long).await.starts_with("NO [LIMIT]"));
    assert_eq!(desk.say("FETCH $ UID").await, ["OK Done"]);
    desk.say("SEARCH RETURN (SAVE) ALL").await;
    assert!(
        desk.end("SEARCH RETURN (SAVE) 9").await.starts_with("BAD"),
        "which leaves what was found"
    );
    assert_eq!(desk.say("FETCH $ UID").await.len(), 3);
}

/// All of several or none; the answer names them all.
#[tokio::test]
async fn several_messages_are_taken_together_if_there_is_room_for_all() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.say("select INBOX").await;
    let three = ["one", "two", "three"].map(mail);
    let heard = desk.append_all("INBOX", &three).await;
    assert!(
        heard.starts_with("OK [APPENDUID ") && heard.ends_with(" 1:3] Done"),
        "{heard}"
    );
    let (large, half) = ("x".repeat(60_000), "x".repeat(49_000));
    let heard = desk.append_all("INBOX", &[half, large]).await;
    assert!(heard.starts_with("a NO [OVERQUOTA]"), "{heard}");
    assert_eq!(
        desk.say("STATUS INBOX (MESSAGES)").await[0],
        "* STATUS \"INBOX\" (MESSAGES 3)"
    );
}

#[tokio::test]
async fn a_name_can_not_end_its_own_quotes() {
    let house = House::new().await;
    let mut desk = house.desk();
    assert_eq!(desk.end(r#"CREATE "a\"b\\c""#).await, "OK Done");
    assert_eq!(
        desk.say(r#"LIST "" a%"#).await,
        [r#"* LIST (\HasNoChildren) "/" "a\"b\\c""#, "OK Done"]
    );
}

/// What somebody else did is told, though the client does something to the same message and wants to hear nothing of it.
#[tokio::test]
async fn a_silent_change_hides_nobody_elses() {
    let house = House::new().await;
    let (mut one, mut other) = (with_three(&house).await, house.desk());
    other.say("select INBOX").await;
    one.say("STORE 2 +FLAGS.SILENT (\\Answered)").await;
    assert_eq!(
        other.say("STORE 2 +FLAGS.SILENT (\\Draft)").await,
        [r"* 2 FETCH (UID 2 FLAGS (\Answered \Draft))", "OK Done"]
    );
}

/// What one session still counts though it's gone, is nobody else's.
#[tokio::test]
async fn who_comes_sees_what_is_there() {
    let house = House::new().await;
    let (mut one, mut other) = (house.desk(), house.desk());
    for subject in ["a", "b", "c"] {
        one.append("INBOX", &["\\Deleted"], &mail(subject)).await;
    }
    one.say("select INBOX").await;
    other.say("select INBOX").await;
    one.say("UID EXPUNGE 1:2").await;
    assert_eq!(other.end("FETCH 3 UID").await, "OK Done");
    let mut third = house.desk();
    assert!(
        third
            .say("select INBOX")
            .await
            .contains(&"* 1 EXISTS".to_owned())
    );
    assert_eq!(
        other.say("NOOP").await,
        ["* 2 EXPUNGE", "* 1 EXPUNGE", "OK Done"]
    );
}

/// Where it isn't known any more what left, it's what isn't there: of UIDs that were given, and no others.
#[tokio::test]
async fn what_left_is_told_up_to_the_last_uid() {
    let house = House::new().await;
    let mut desk = house.desk();
    for subject in ["a", "b", "c", "d"] {
        desk.append("INBOX", &[], &mail(subject)).await;
    }
    desk.say("ENABLE QRESYNC").await;
    let heard = desk.say("select INBOX").await;
    let validity = heard
        .iter()
        .find_map(|line| line.split("UIDVALIDITY ").nth(1)?.split(']').next())
        .unwrap()
        .to_owned();
    desk.say("STORE 2,4 +FLAGS.SILENT (\\Deleted)").await;
    desk.say("EXPUNGE").await;
    desk.say("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    let selected = desk.0.selected.as_ref().unwrap();
    let all = Uids::all();
    let left = Uids::of([2, 4].map(Uid));
    assert_eq!(selected.gone(&all, None), left);
    // The very next change is news to who knows the one before it.
    let last = selected.view.folder().highest_modseq.0;
    let heard = desk
        .say(&format!("select INBOX (QRESYNC ({validity} {}))", last - 1))
        .await;
    let told: Vec<_> = heard.iter().filter(|line| line.contains("FETCH")).collect();
    assert_eq!(
        told,
        [&format!(r"* 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ ({last}))")]
    );
}

/// A client that asks up to `*` doesn't know what the last is now.
#[tokio::test]
async fn what_left_at_the_end_is_told() {
    let house = House::new().await;
    let mut desk = house.desk();
    for subject in ["a", "b", "c", "d"] {
        desk.append("INBOX", &[], &mail(subject)).await;
    }
    desk.say("ENABLE QRESYNC").await;
    desk.say("select INBOX").await;
    let since = desk.0.selected.as_ref().unwrap().view.told();
    desk.say("STORE 3:4 +FLAGS.SILENT (\\Deleted)").await;
    desk.say("EXPUNGE").await;
    let mut back = house.desk();
    back.say("ENABLE QRESYNC").await;
    back.say("select INBOX").await;
    let asked = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)");
    assert_eq!(
        back.say(&asked).await,
        ["* VANISHED (EARLIER) 3:4", "OK Done"]
    );
}

/// A disk that is short is nobody's quota (RFC 5530 §3).
#[test]
fn a_full_disk_is_not_the_mailboxs_fault() {
    let (left, reserve) = (1, 2);
    for error in [StoreError::Full, StoreError::Reserved { left, reserve }] {
        let said = said(Err(error.into()));
        assert!(said.starts_with("a NO [UNAVAILABLE]"), "{said}");
    }
    let said = said(Err(MailboxError::from(ActRefusal::Full).into()));
    assert!(said.starts_with("a NO [OVERQUOTA]"), "{said}");
}
