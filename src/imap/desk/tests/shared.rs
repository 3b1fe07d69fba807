//! The mailbox of a role, which several people have.

use super::*;
use crate::store::FolderName;

impl House {
    /// All are let into the mailboxes of these roles, and of no others.
    fn let_into(&self, names: &[&str]) {
        let roles = names.iter().map(|name| {
            let before = self.roles.borrow();
            let found = before.iter().find(|role| role.name() == *name);
            found
                .cloned()
                .unwrap_or_else(|| RoleMailbox::pretended(name))
        });
        let roles: Vec<_> = roles.collect();
        self.roles.send_replace(roles);
    }

    fn role(&self, name: &str) -> MailboxId {
        let roles = self.roles.borrow();
        roles.iter().find(|role| role.name() == name).unwrap().id()
    }

    /// How many messages stand in each folder of a role's mailbox that has some.
    async fn counts(&self, name: &str) -> Vec<(String, u64)> {
        let folders = self.mailboxes.folders(self.role(name)).await.unwrap();
        let counts = folders.into_iter().map(|folder| folder.record);
        let counts = counts.map(|record| (record.name.as_str().to_owned(), record.messages));
        counts.filter(|(_, messages)| *messages > 0).collect()
    }
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> Vec<(String, u64)> {
    let owned = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    owned.collect()
}

/// Of what was heard, the lines that hold a text.
fn with<'h>(heard: &'h [String], text: &str) -> Vec<&'h str> {
    let lines = heard.iter().map(String::as_str);
    lines.filter(|line| line.contains(text)).collect()
}

#[tokio::test]
async fn a_roles_folders_are_listed_for_who_is_let_in() {
    let house = House::new().await;
    let mut desk = house.desk();
    let nobody = [r#"* NAMESPACE (("" "/")) NIL NIL"#, "OK Done"];
    assert_eq!(desk.say("NAMESPACE").await, nobody);
    let own = desk.say("LIST \"\" *").await;
    house.let_into(&["office"]);
    assert_eq!(
        desk.say("NAMESPACE").await[0],
        r#"* NAMESPACE (("" "/")) NIL (("Shared/" "/"))"#
    );
    let all = desk.say("LIST \"\" *").await;
    assert_eq!(all[..7], own[..7]);
    assert_eq!(
        all[7..],
        [
            r#"* LIST (\HasChildren) "/" "Shared/office""#,
            r#"* LIST (\HasNoChildren) "/" "Shared/office/Drafts""#,
            r#"* LIST (\HasNoChildren) "/" "Shared/office/Sent""#,
            r#"* LIST (\HasNoChildren) "/" "Shared/office/Junk""#,
            r#"* LIST (\HasNoChildren) "/" "Shared/office/Trash""#,
            r#"* LIST (\HasNoChildren) "/" "Shared/office/Archive""#,
            r#"* LIST (\HasNoChildren) "/" "Shared/office/Unconfirmed""#,
            r#"* LIST (\Noselect \HasChildren) "/" "Shared""#,
            "OK Done",
        ]
    );
    assert_eq!(
        desk.say("LIST \"\" Shared/%").await,
        [r#"* LIST (\HasChildren) "/" "Shared/office""#, "OK Done"]
    );
    assert_eq!(desk.say("LIST \"\" shared/%").await, ["OK Done"]);
    assert_eq!(
        desk.say("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" Shared")
            .await,
        [
            r#"* LIST (\NonExistent \HasChildren) "/" "Shared" ("CHILDINFO" ("SUBSCRIBED"))"#,
            "OK Done"
        ]
    );
    assert_eq!(
        desk.say("LIST (SUBSCRIBED) Shared/ office RETURN (STATUS (MESSAGES))")
            .await,
        [
            r#"* LIST (\HasChildren \Subscribed) "/" "Shared/office""#,
            r#"* STATUS "Shared/office" (MESSAGES 0)"#,
            "OK Done"
        ]
    );
    // Nobody's program takes them for its own Sent or Trash.
    let special = desk.say("LIST (SPECIAL-USE) \"\" *").await;
    assert!(special.len() > 4 && with(&special, "Shared").is_empty());
    let lsub = desk.say("LSUB \"\" *").await;
    assert_eq!(with(&lsub, "Shared/").len(), 7, "{lsub:?}");
    assert_eq!(
        desk.say("LSUB \"\" %").await.iter().rev().nth(1).unwrap(),
        r#"* LSUB (\Noselect) "/" "Shared""#
    );
    desk.say("ENABLE IMAP4rev2").await;
    let opened = desk.say("select Shared/office/Sent").await;
    assert!(
        opened.contains(&r#"* LIST () "/" "Shared/office/Sent""#.to_owned()),
        "{opened:?}"
    );
}

#[tokio::test]
async fn what_one_of_them_says_of_a_message_all_hear() {
    let house = House::new().await;
    house.let_into(&["office"]);
    let (mut ada, mut ben) = (house.desk(), house.desk());
    let heard = ada.append("Shared/office", &[], &mail("one")).await;
    assert!(heard.starts_with("OK [APPENDUID "), "{heard}");
    assert_eq!(house.counts("office").await, counts([("INBOX", 1)]));
    ada.say("select Shared/office").await;
    let opened = ben.say("select Shared/office").await;
    assert!(opened.contains(&"* 1 EXISTS".to_owned()), "{opened:?}");
    ada.say("STORE 1 +FLAGS (\\Answered $Forwarded)").await;
    let heard = ben.say("NOOP").await;
    assert_eq!(
        with(&heard, "FETCH"),
        [r"* 1 FETCH (UID 1 FLAGS (\Answered $Forwarded))"]
    );
    let status = ben
        .say("STATUS Shared/office (MESSAGES UNSEEN UIDNEXT)")
        .await;
    assert_eq!(
        status[0],
        r#"* STATUS "Shared/office" (MESSAGES 1 UNSEEN 1 UIDNEXT 2)"#
    );
}

/// A role into which they aren't let, one that they were shut out of, and one that nobody made are the same.
#[tokio::test]
async fn nobody_is_told_which_roles_there_are() {
    let house = House::new().await;
    house.let_into(&["office", "privacy"]);
    let mut desk = house.desk();
    desk.append("Shared/privacy", &[], &mail("one")).await;
    desk.append("INBOX", &[], &mail("two")).await;
    desk.say("CREATE Shared/privacy/2026").await;
    let roles = house.roles.borrow().clone();
    house.let_into(&["office"]);
    for command in [
        "select Shared/ROLE",
        "EXAMINE Shared/ROLE/Sent",
        "STATUS Shared/ROLE (MESSAGES)",
        "LIST \"\" Shared/ROLE",
        "LIST \"\" Shared/ROLE/*",
        "LSUB \"\" Shared/ROLE*",
        "COPY 1 Shared/ROLE",
        "MOVE 1 Shared/ROLE/Trash",
        "CREATE Shared/ROLE",
        "CREATE Shared/ROLE/2026",
        "CREATE Shared/ROLE/new",
        "DELETE Shared/ROLE/2026",
        "RENAME Shared/ROLE/2026 a",
        "RENAME Drafts Shared/ROLE/2026",
        "RENAME INBOX Shared/ROLE/x",
        "SUBSCRIBE Shared/ROLE",
        "UNSUBSCRIBE Shared/ROLE",
    ] {
        let say = |name: &str| command.replace("ROLE", name);
        desk.say("select INBOX").await;
        let shut_out = desk.say(&say("privacy")).await;
        desk.say("select INBOX").await;
        let nonsense = desk.say(&say("palace")).await;
        assert_eq!(shut_out, nonsense, "{command}");
        assert!(
            shut_out.last().unwrap().starts_with("NO [") || command.starts_with('L'),
            "{shut_out:?}"
        );
    }
    for name in ["privacy", "palace"] {
        let heard = desk
            .append(&format!("Shared/{name}"), &[], &mail("x"))
            .await;
        assert_eq!(heard, "a NO [NONEXISTENT] There is no such folder\r\n");
    }
    let heard = desk.end("CREATE Shared").await;
    assert!(
        heard.starts_with("NO [CANNOT]") && heard.contains("made in the configuration"),
        "{heard}"
    );
    // Nothing of all this did anything.
    house.roles.send_replace(roles);
    assert_eq!(house.counts("privacy").await, counts([("INBOX", 1)]));
}

#[tokio::test]
async fn who_is_shut_out_is_out_with_the_next_command() {
    let house = House::new().await;
    house.let_into(&["office"]);
    let gone = ["ended: the folder is gone"];
    for command in [
        "NOOP",
        "FETCH 1 FLAGS",
        "CLOSE",
        "STORE 1 +FLAGS \\Deleted",
        "IDLE",
    ] {
        house.let_into(&["office"]);
        let mut desk = house.desk();
        desk.append("Shared/office", &["\\Deleted"], &mail("one"))
            .await;
        desk.say("select Shared/office").await;
        assert_eq!(desk.end("NOOP").await, "OK Done");
        let before = house.roles.borrow().clone();
        house.let_into(&[]);
        assert_eq!(desk.say(command).await, gone, "{command}");
        house.roles.send_replace(before);
    }
    // Nobody took anything out.
    assert_eq!(house.counts("office").await, counts([("INBOX", 5)]));
    // Who leaves it may stay.
    let mut desk = house.desk();
    desk.say("select Shared/office").await;
    let (tag, mut heard) = (Tag("a".to_owned()), Heard::default());
    let idles = grammar::read(b"a IDLE\r\n").ok().unwrap().1;
    assert!(desk.0.run(&tag, idles, &mut heard).await.is_ok());
    let before = house.roles.borrow().clone();
    house.let_into(&[]);
    desk.0.wait().await;
    let told = desk.0.tell_all(&mut heard).await;
    assert!(matches!(told, Err(Ended::FolderGone)));
    house.roles.send_replace(before.clone());
    desk.say("select Shared/office").await;
    house.let_into(&[]);
    let left = desk.say("select INBOX").await;
    assert!(
        left.last().unwrap().starts_with("OK [READ-WRITE]"),
        "{left:?}"
    );
    // An APPEND that had begun ends with nothing.
    house.roles.send_replace(before.clone());
    let name = RawName(b"Shared/office".to_vec());
    assert!(desk.0.append_to(&name).await.is_ok());
    assert!(desk.add(&[], &mail("late")).await.is_ok());
    house.let_into(&[]);
    assert!(desk.0.append_finish(&tag, &mut heard).await.is_ok());
    assert!(
        lines(&heard.0)
            .last()
            .unwrap()
            .starts_with("NO [NONEXISTENT]")
    );
    house.roles.send_replace(before);
    assert_eq!(house.counts("office").await, counts([("INBOX", 5)]));
}

#[tokio::test]
async fn what_one_throws_away_goes_to_the_roles_trash() {
    let house = House::new().await;
    house.let_into(&["office"]);
    let mut desk = house.desk();
    for subject in ["one", "two", "three"] {
        let flags = ["\\Deleted", "\\Answered", "work"];
        desk.append("Shared/office", &flags, &mail(subject)).await;
    }
    desk.say("select Shared/office").await;
    assert_eq!(desk.say("UID EXPUNGE 1").await, ["* 1 EXPUNGE", "OK Done"]);
    desk.say("STORE 1 -FLAGS.SILENT \\Deleted").await;
    assert_eq!(desk.say("CLOSE").await, ["OK Done"]);
    assert_eq!(
        house.counts("office").await,
        counts([("INBOX", 1), ("Trash", 2)])
    );
    // There it is as it was, but for what marked it for this.
    desk.say("select Shared/office/Trash").await;
    assert_eq!(
        desk.say("FETCH 1:* FLAGS").await,
        [
            r"* 1 FETCH (FLAGS (\Answered work))",
            r"* 2 FETCH (FLAGS (\Answered work))",
            "OK Done"
        ]
    );
    // There it is thrown away for good.
    desk.say("STORE 1 +FLAGS.SILENT \\Deleted").await;
    desk.say("EXPUNGE").await;
    assert_eq!(
        house.counts("office").await,
        counts([("INBOX", 1), ("Trash", 1)])
    );
    for folder in ["Drafts", "Junk", "Archive"] {
        let folder = format!("Shared/office/{folder}");
        desk.append(&folder, &["\\Deleted"], &mail("x")).await;
        desk.say(&format!("select {folder}")).await;
        assert_eq!(desk.say("EXPUNGE").await, ["* 1 EXPUNGE", "OK Done"]);
    }
    assert_eq!(
        house.counts("office").await,
        counts([("INBOX", 1), ("Trash", 2)])
    );
}

#[tokio::test]
async fn what_one_takes_away_stays_with_the_role() {
    let house = House::new().await;
    house.let_into(&["office", "press"]);
    let mut desk = house.desk();
    for subject in ["one", "two", "three", "four", "five"] {
        desk.append("Shared/office", &[], &mail(subject)).await;
    }
    desk.say("select Shared/office").await;
    let heard = desk.say("MOVE 1 Archive").await;
    assert!(
        heard[0].starts_with("* OK [COPYUID ") && heard[1] == "* 1 EXPUNGE",
        "{heard:?}"
    );
    assert_eq!(
        house.counts("office").await,
        counts([("INBOX", 4), ("Trash", 1)])
    );
    desk.say("UID MOVE 2 Shared/press/Archive").await;
    desk.say("UID COPY 3 Archive").await;
    desk.say("UID MOVE 4 Shared/office/Sent").await;
    assert_eq!(
        house.counts("office").await,
        counts([("INBOX", 2), ("Sent", 1), ("Trash", 2)])
    );
    assert_eq!(house.counts("press").await, counts([("Archive", 1)]));
    // Out of its Trash it goes.
    desk.say("select Shared/office/Trash").await;
    desk.say("MOVE 1 Archive").await;
    assert_eq!(
        house.counts("office").await,
        counts([("INBOX", 2), ("Sent", 1), ("Trash", 1)])
    );
    desk.say("select Archive").await;
    let found = desk
        .say("FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]")
        .await;
    assert_eq!(with(&found, "FETCH").len(), 3, "{found:?}");
    // And what is one's own goes there wholly.
    desk.say("MOVE 1:* Shared/press").await;
    let status = desk.say("STATUS Archive (MESSAGES)").await;
    assert_eq!(status[0], r#"* STATUS "Archive" (MESSAGES 0)"#);
    assert_eq!(
        house.counts("press").await,
        counts([("INBOX", 3), ("Archive", 1)])
    );
}

#[tokio::test]
async fn folders_are_made_named_and_removed_within_a_role() {
    let house = House::new().await;
    house.let_into(&["office", "press"]);
    let mut desk = house.desk();
    let long = format!("Shared/office/{}", "x".repeat(240));
    for (command, answer) in [
        ("CREATE Shared/office/2026/Leeds", "OK"),
        ("CREATE Shared/office/2026/Leeds", "NO [ALREADYEXISTS]"),
        ("CREATE Shared/office", "NO [ALREADYEXISTS]"),
        ("CREATE Shared/office/INBOX", "NO [CANNOT]"),
        ("CREATE Shared/office/inbox/x", "NO [CANNOT]"),
        ("CREATE Shared/office/..", "NO [CANNOT]"),
        ("RENAME Shared/office/2026 Shared/office/.", "NO [CANNOT]"),
        ("select Shared/office/INBOX", "NO [NONEXISTENT]"),
        ("RENAME Shared/office/2026 Shared/office/Old", "OK"),
        ("RENAME Shared/office/Old Shared/press/Old", "NO [CANNOT]"),
        ("RENAME Shared/office/Old Old", "NO [CANNOT]"),
        ("RENAME Shared/office/Old Shared/Old", "NO [CANNOT]"),
        ("RENAME Shared/office Shared/bureau", "NO [CANNOT]"),
        ("RENAME Shared/office/Sent Shared/office/x", "NO [CANNOT]"),
        (&format!("RENAME Shared/office/Old {long}"), "NO [CANNOT]"),
        ("CREATE Own", "OK"),
        ("RENAME Own Shared", "NO [CANNOT]"),
        ("RENAME Own Shared/office/Own", "NO [CANNOT]"),
        ("UNSUBSCRIBE Shared/office/Old/Leeds", "NO [CANNOT]"),
        ("SUBSCRIBE Shared/office/Old/Leeds", "OK"),
        ("DELETE Shared/office/Old", "NO [HASCHILDREN]"),
        ("DELETE Shared/office/Sent", "NO [CANNOT]"),
        ("DELETE Shared/office", "NO [CANNOT]"),
        ("DELETE Shared", "NO [CANNOT]"),
        ("RENAME Shared Other", "NO [CANNOT]"),
    ] {
        let heard = desk.end(command).await;
        assert!(heard.starts_with(answer), "{command}: {heard}");
    }
    assert_eq!(
        desk.end("CREATE Shared/office/INBOX").await,
        "NO [CANNOT] This role's INBOX is called Shared/office; nothing stands in it"
    );
    let leeds = "Shared/office/Old/Leeds";
    desk.append(leeds, &[], &mail("one")).await;
    let heard = desk.end(&format!("DELETE {leeds}")).await;
    assert!(
        heard.starts_with("NO [CANNOT] messages stand in this folder"),
        "{heard}"
    );
    desk.say(&format!("select {leeds}")).await;
    desk.say("MOVE 1 Shared/office/Trash").await;
    assert_eq!(
        desk.say(&format!("DELETE {leeds}")).await,
        ["* OK [CLOSED] The folder is gone", "OK Done"]
    );
    let all = desk.say("LIST \"\" Shared/office/*").await;
    assert!(with(&all, "Old").len() == 1 && with(&all, "Leeds").is_empty());
    // A folder of one's own that was called so before can be reached and renamed.
    let old = FolderName::parse("Shared/mine").unwrap();
    house.mailboxes.create(house.mailbox, old).await.unwrap();
    assert_eq!(with(&desk.say("LIST \"\" *").await, "Shared/mine").len(), 1);
    assert_eq!(desk.end("RENAME Shared/mine Mine").await, "OK Done");
}

#[tokio::test]
async fn what_comes_into_a_role_takes_the_roles_room() {
    let house = House::new().await;
    house.let_into(&["office"]);
    let mut desk = house.desk();
    let half = format!("{}{}", mail("x"), "x".repeat(9_000));
    for _ in 0..5 {
        desk.append("INBOX", &[], &half).await;
        desk.append("Shared/office", &[], &half).await;
    }
    desk.say("select INBOX").await;
    assert_eq!(desk.end("MOVE 1:4 Shared/office/Archive").await, "OK Done");
    let heard = desk.end("MOVE 1 Shared/office/Archive").await;
    assert!(heard.starts_with("OK"), "{heard}");
    let heard = desk.append("Shared/office", &[], &half).await;
    assert!(heard.contains("NO [OVERQUOTA]"), "{heard}");
    let heard = desk.append("INBOX", &[], &half).await;
    assert!(heard.starts_with("OK"), "{heard}");
    let heard = desk.end("COPY 1 Shared/office").await;
    assert!(heard.contains("NO [OVERQUOTA]"), "{heard}");
    // Throwing away makes none, until it's thrown away from there.
    desk.say("select Shared/office/Archive").await;
    desk.say("STORE 1:* +FLAGS.SILENT \\Deleted").await;
    desk.say("EXPUNGE").await;
    let heard = desk.append("Shared/office", &[], &half).await;
    assert!(heard.contains("NO [OVERQUOTA]"), "{heard}");
    desk.say("select Shared/office/Trash").await;
    desk.say("STORE 1:* +FLAGS.SILENT \\Deleted").await;
    desk.say("EXPUNGE").await;
    let heard = desk.append("Shared/office", &[], &half).await;
    assert!(heard.starts_with("OK"), "{heard}");
}

#[tokio::test]
async fn each_mailbox_has_its_room() {
    let house = House::new().await;
    house.let_into(&["office"]);
    let mut desk = house.desk();
    let long = format!("{}{}", mail("x"), "x".repeat(3_000));
    for _ in 0..2 {
        desk.append("Shared/office", &["\\Deleted"], &long).await;
    }
    desk.append("INBOX", &["\\Deleted"], &long).await;
    let room = long.len() as u64 + 512;
    let own = format!("* QUOTA \"\" (STORAGE {} 97)", room.div_ceil(1024));
    let office = format!(
        "* QUOTA \"office\" (STORAGE {} 97)",
        (2 * room).div_ceil(1024)
    );
    assert_eq!(desk.say("GETQUOTA \"\"").await, [&own, "OK Done"]);
    assert_eq!(desk.say("GETQUOTA office").await, [&office, "OK Done"]);
    for (folder, name, root, quota) in [
        ("inbox", "INBOX", "", &own),
        ("Not/yet", "Not/yet", "", &own),
        ("Shared/office", "Shared/office", "office", &office),
        (
            "Shared/office/Sent",
            "Shared/office/Sent",
            "office",
            &office,
        ),
    ] {
        let roots = format!("* QUOTAROOT \"{name}\" \"{root}\"");
        let heard = desk.say(&format!("GETQUOTAROOT {folder}")).await;
        assert_eq!(heard, [&roots, quota, "OK Done"]);
    }
    // Where it goes into the Trash, no room is freed.
    for (folder, freed) in [("INBOX", room), ("Shared/office", 0), ("Trash", 0)] {
        let status = format!("* STATUS \"{folder}\" (DELETED-STORAGE {freed})");
        let heard = desk
            .say(&format!("STATUS {folder} (DELETED-STORAGE)"))
            .await;
        assert_eq!(heard[0], status);
        let list = format!("LIST \"\" {folder} RETURN (STATUS (DELETED-STORAGE))");
        assert_eq!(desk.say(&list).await[1], status);
    }
    desk.append("Shared/office/Trash", &["\\Deleted"], &long)
        .await;
    let heard = desk
        .say("STATUS Shared/office/Trash (DELETED-STORAGE)")
        .await;
    assert!(
        heard[0].contains(&format!("(DELETED-STORAGE {room})")),
        "{heard:?}"
    );
    // A root that isn't theirs is none.
    let none = "NO [NONEXISTENT] There is no such quota root";
    house.let_into(&[]);
    for root in ["office", "palace", "\"#user/ben\""] {
        assert_eq!(desk.end(&format!("GETQUOTA {root}")).await, none);
    }
    for folder in ["Shared/office", "Shared/palace"] {
        let heard = desk.end(&format!("GETQUOTAROOT {folder}")).await;
        assert!(heard.starts_with("NO [NONEXISTENT]"), "{heard}");
    }
}

/// What LIST shows can be opened: a folder of one's own that was called so before the role's mailbox stood there, unless the
/// role has one of its name.
#[tokio::test]
async fn what_was_called_so_before_is_not_lost() {
    let house = House::new().await;
    for own in [
        "Shared",
        "Shared/office",
        "Shared/office/Old",
        "Shared/office/Sent",
    ] {
        let name = FolderName::parse(own).unwrap();
        house.mailboxes.create(house.mailbox, name).await.unwrap();
    }
    let mut desk = house.desk();
    for folder in ["Shared/office/Old", "Shared/office/Sent"] {
        desk.append(folder, &[], &mail("own")).await;
    }
    house.let_into(&["office"]);
    let listed = desk.say("LIST \"\" Shared/office*").await;
    assert_eq!(with(&listed, "office/Old\"").len(), 1, "{listed:?}");
    assert_eq!(with(&listed, "office/Sent\"").len(), 1, "{listed:?}");
    let opened = desk.say("select Shared/office/Old").await;
    assert!(opened.contains(&"* 1 EXISTS".to_owned()), "{opened:?}");
    let heard = desk.say("GETQUOTAROOT Shared/office/Old").await;
    assert_eq!(heard[0], r#"* QUOTAROOT "Shared/office/Old" """#);
    // The role's own comes first.
    let opened = desk.say("select Shared/office/Sent").await;
    assert!(opened.contains(&"* 0 EXISTS".to_owned()), "{opened:?}");
    assert_eq!(desk.end("RENAME Shared/office/Old Mine").await, "OK Done");
    let opened = desk.say("select Mine").await;
    assert!(opened.contains(&"* 1 EXISTS".to_owned()), "{opened:?}");
    assert_eq!(house.counts("office").await, counts([]));
}
