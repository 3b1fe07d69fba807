//! What was answered outlives the process, however it ends; and no UID is given twice over it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::chance::{Chance, kills};
use crate::support::imap::{Imap, mail};
use crate::support::party::Spawned;

/// The IMAP door among [`Spawned::ports`].
const DOOR: usize = 5;

/// What was answered of a message: its flag is set, or it isn't known whether.
type Answered = BTreeMap<u64, Option<bool>>;

/// What the folder says: each message, and whether it is flagged.
async fn there(imap: &mut Imap) -> BTreeMap<u64, bool> {
    let heard = imap.say("UID FETCH 1:* (FLAGS)").await;
    assert!(heard.end.starts_with("OK"), "{heard:?}");
    let one = |line: &str| {
        let uid = line.split_once("UID ")?.1.split([' ', ')']).next()?;
        Some((uid.parse().ok()?, line.contains("\\Flagged")))
    };
    heard.with(" FETCH (").into_iter().filter_map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_kill() {
    let mut chance = Chance::from_environment();
    let mut party = Spawned::start().await;
    let ada = party.stage.sender().await.unwrap();
    let (mut answered, mut ever) = (Answered::new(), BTreeSet::new());
    for round in 0..kills(4) {
        let trust = party.stage.trust();
        let mut imap = Imap::log_in(party.door(DOOR), trust, ada.name, &ada.password).await;
        imap.say("select INBOX").await;
        let now = there(&mut imap).await;
        for (uid, flag) in &answered {
            let is = now
                .get(uid)
                .unwrap_or_else(|| panic!("UID {uid} was answered and is lost"));
            assert!(
                flag.is_none_or(|flag| flag == *is),
                "the flag of UID {uid} is lost"
            );
        }
        // What was not answered may be there.
        answered = now
            .into_iter()
            .map(|(uid, flag)| (uid, Some(flag)))
            .collect();
        ever.extend(answered.keys().copied());
        for number in 0..=chance.below(20) {
            let heard = imap
                .append("INBOX", "", &mail(&format!("{round}-{number}")))
                .await;
            let uid = heard
                .end
                .split(['[', ']'])
                .nth(1)
                .unwrap()
                .rsplit(' ')
                .next()
                .unwrap();
            let uid: u64 = uid.parse().unwrap();
            assert!(ever.insert(uid), "UID {uid} was given before");
            answered.insert(uid, Some(false));
            let all: Vec<u64> = answered.keys().copied().collect();
            let one = all[chance.below(all.len())];
            let heard = imap
                .say(&format!("UID STORE {one} +FLAGS (\\Flagged)"))
                .await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
            answered.insert(one, Some(true));
        }
        let all: Vec<u64> = answered.keys().copied().collect();
        let one = all[chance.below(all.len())];
        imap.begin(&format!("UID STORE {one} -FLAGS (\\Flagged)"))
            .await;
        answered.insert(one, None);
        imap.begin("APPEND INBOX {5+}\r\nhello").await;
        tokio::time::sleep(chance.up_to(Duration::from_millis(10))).await;
        party.kill();
        party.run(&[]).await;
    }
    party.verify().await;
}
