//! Several sessions on one folder.

use super::*;

#[tokio::test]
async fn others_changes_are_told_when_numbers_may_move() {
    let house = House::new().await;
    let (mut one, mut other) = (house.desk(), house.desk());
    for subject in ["a", "b", "c"] {
        one.append("INBOX", &[], &mail(subject)).await;
    }
    one.say("select INBOX").await;
    other.say("select INBOX").await;
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted \\Flagged)").await;
    one.say("EXPUNGE").await;
    one.say("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    one.append("INBOX", &[], &mail("d")).await;
    // A FETCH by numbers may not move them, but may tell what came and what changed.
    assert_eq!(
        other.say("FETCH 3 UID").await,
        [
            "* 3 FETCH (UID 3)",
            "* 4 EXISTS",
            r"* 2 FETCH (UID 2 FLAGS (\Seen))",
            "OK Done"
        ]
    );
    assert_eq!(
        other.say("FETCH 4 UID").await,
        ["* 4 FETCH (UID 4)", "OK Done"]
    );
    // What is gone can still be counted, but not read.
    assert!(
        other
            .end("FETCH 1 ENVELOPE")
            .await
            .starts_with("NO [EXPUNGEISSUED]")
    );
    assert_eq!(other.say("NOOP").await, ["* 1 EXPUNGE", "OK Done"]);
    assert_eq!(other.say("NOOP").await, ["OK Done"]);
    assert_eq!(other.say("FETCH 1 UID").await[0], "* 1 FETCH (UID 2)");
    // What one did silently, the other hears.
    one.say("STORE 1 +FLAGS.SILENT (\\Answered)").await;
    other.say("STORE 1 +FLAGS.SILENT (\\Draft)").await;
    assert_eq!(
        one.say("NOOP").await,
        [
            r"* 1 FETCH (UID 2 FLAGS (\Answered \Seen \Draft))",
            "OK Done"
        ]
    );
    // A folder that is gone ends the session.
    one.say("CREATE x").await;
    other.say("select x").await;
    one.say("DELETE x").await;
    assert_eq!(other.say("NOOP").await, ["ended: the folder is gone"]);
}

#[tokio::test]
async fn who_was_away_hears_what_became_of_it() {
    let house = House::new().await;
    let mut desk = house.desk();
    for subject in ["a", "b", "c", "d"] {
        desk.append("INBOX", &[], &mail(subject)).await;
    }
    let heard = desk.say("select INBOX").await;
    let number = |code: &str| {
        let line = heard.iter().find(|line| line.contains(code)).unwrap();
        let digits = line.split(code).nth(1).unwrap().split(']').next().unwrap();
        digits.trim().parse::<u64>().unwrap()
    };
    let (validity, since) = (number("UIDVALIDITY"), number("HIGHESTMODSEQ"));
    desk.say("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    desk.say("EXPUNGE").await;
    desk.say("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    desk.append("INBOX", &[], &mail("e")).await;

    let mut back = house.desk();
    let resync = format!("select INBOX (QRESYNC ({validity} {since}))");
    assert!(back.end(&resync).await.starts_with("BAD Enable"));
    assert_eq!(
        back.say("ENABLE QRESYNC").await,
        ["* ENABLED QRESYNC", "OK Done"]
    );
    assert_eq!(back.say("ENABLE QRESYNC").await[0], "* ENABLED");
    let heard = back.say(&resync).await;
    let told = |heard: &[String]| {
        heard
            .iter()
            .filter(|line| line.contains("VANISHED") || line.contains("FETCH"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&heard),
        [
            "* VANISHED (EARLIER) 2",
            r"* 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (8))",
            "* 4 FETCH (UID 5 FLAGS () MODSEQ (9))"
        ]
    );
    let known = format!("select INBOX (QRESYNC ({validity} {since} 3:5))");
    assert_eq!(
        told(&back.say(&known).await),
        ["* 4 FETCH (UID 5 FLAGS () MODSEQ (9))"]
    );
    let other = format!("select INBOX (QRESYNC ({} {since}))", validity + 1);
    assert!(told(&back.say(&other).await).is_empty());
    assert_eq!(
        back.say(&format!(
            "UID FETCH 1:9 (FLAGS) (CHANGEDSINCE {since} VANISHED)"
        ))
        .await,
        [
            "* VANISHED (EARLIER) 2",
            r"* 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (8))",
            "* 4 FETCH (UID 5 FLAGS () MODSEQ (9))",
            "OK Done",
        ]
    );
}

/// A message that is gone is not told of while numbers may not move; what is told meanwhile must not let a client believe
/// that it knows all up to there (RFC 7162 §3.2.4).
#[tokio::test]
async fn what_is_held_back_is_not_passed_over() {
    let house = House::new().await;
    let (mut one, mut other) = (house.desk(), house.desk());
    for subject in ["a", "b", "c"] {
        one.append("INBOX", &[], &mail(subject)).await;
    }
    other.say("ENABLE QRESYNC").await;
    for desk in [&mut one, &mut other] {
        desk.say("select INBOX").await;
    }
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    other.say("NOOP").await;
    one.say("EXPUNGE").await;
    one.say("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    let held_back = "* OK [HIGHESTMODSEQ 5] Some news is still to come";
    assert_eq!(
        other.say("FETCH 3 UID").await,
        [
            "* 3 FETCH (UID 3)",
            r"* 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (7))",
            held_back,
            "OK Done"
        ]
    );
    // Nor is it where all should have been told, and could not be read.
    assert_eq!(
        Done::AsOfNow.text(other.0.selected.as_ref()),
        "[HIGHESTMODSEQ 5] Done"
    );
    assert_eq!(
        other.say("STORE 3 +FLAGS.SILENT (\\Seen)").await,
        ["* 3 FETCH (UID 3 MODSEQ (8))", held_back, "OK Done"]
    );
    assert_eq!(other.say("NOOP").await, ["* VANISHED 1", "OK Done"]);
    assert_eq!(
        other.say("FETCH 2 UID").await,
        ["* 2 FETCH (UID 3)", "OK Done"]
    );
}

/// The first command that asks for mod-sequences hears the folder's (RFC 7162 §3.1).
#[tokio::test]
async fn whoever_asks_for_changes_hears_the_last() {
    let house = House::new().await;
    let mut one = house.desk();
    one.append("INBOX", &[], &mail("a")).await;
    for command in [
        "ENABLE CONDSTORE",
        "FETCH 1 (MODSEQ)",
        "FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
        "STORE 1 (UNCHANGEDSINCE 9) +FLAGS.SILENT (\\Seen)",
        "SEARCH MODSEQ 1",
        "STATUS INBOX (HIGHESTMODSEQ)",
        "LIST \"\" INBOX RETURN (STATUS (HIGHESTMODSEQ))",
    ] {
        let mut desk = house.desk();
        desk.say("select INBOX").await;
        let told = |heard: Vec<String>| {
            let told = heard
                .into_iter()
                .filter(|line| line.starts_with("* OK [HIGHESTMODSEQ "));
            told.count()
        };
        assert_eq!(told(desk.say(command).await), 1, "{command}");
        assert_eq!(told(desk.say(command).await), 0, "{command}");
    }
}

#[tokio::test]
async fn a_search_that_is_refused_remembers_nothing() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.append("INBOX", &[], &mail("a")).await;
    desk.say("select INBOX").await;
    for refused in [
        "CHARSET KOI8-R SUBJECT x",
        &format!("TEXT {}", "x".repeat(2000)),
    ] {
        desk.say("SEARCH RETURN (SAVE) ALL").await;
        assert_eq!(desk.say("FETCH $ UID").await.len(), 2);
        let no = desk.end(&format!("SEARCH RETURN (SAVE) {refused}")).await;
        assert!(no.starts_with("NO ["), "{no}");
        assert_eq!(desk.say("FETCH $ UID").await, ["OK Done"]);
    }
}
