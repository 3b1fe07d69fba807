//! What was answered outlives the process, however it ends: no mail is lost, none is there twice or in part, and no UID is
//! given twice over it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::chance::{Chance, kills};
use crate::support::imap::{Imap, mail};
use crate::support::party::Spawned;

/// The IMAP door among [`Spawned::ports`].
const DOOR: usize = 5;

const INBOX: &str = "INBOX";
const ARCHIVE: &str = "Archive";

/// What is known of a mail.
struct Known {
    /// In the INBOX; none until it was seen there or its APPEND was answered.
    uid: Option<u64>,
    /// Where it may be; nowhere as well, perhaps.
    may: Vec<Option<&'static str>>,
    /// None if it isn't known.
    flagged: Option<bool>,
}

impl Known {
    fn at(place: &'static str, uid: Option<u64>, flagged: bool) -> Self {
        Self {
            uid,
            may: vec![Some(place)],
            flagged: Some(flagged),
        }
    }
}

/// A mail that is there.
struct Found {
    folder: &'static str,
    uid: u64,
    flagged: bool,
}

/// All that both folders hold, by subject. Each must be whole, and there once.
async fn there(imap: &mut Imap) -> BTreeMap<String, Found> {
    let mut all = BTreeMap::new();
    for folder in [ARCHIVE, INBOX] {
        let heard = imap.say(&format!("select {folder}")).await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
        let heard = imap.say("UID FETCH 1:* (FLAGS BODY.PEEK[])").await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
        for line in heard.with(" FETCH (") {
            let (head, rest) = line.split_once("}\r\n").unwrap();
            let length: usize = head.rsplit_once('{').unwrap().1.parse().unwrap();
            let (body, rest) = rest.split_at(length);
            let mut fields = body.lines();
            let subject = fields.find_map(|field| field.strip_prefix("Subject: "));
            let subject = subject.unwrap_or_else(|| panic!("{folder}: {line}"));
            assert_eq!(body.as_bytes(), mail(subject), "{folder}: not whole");
            let behind_uid = head.split_once("UID ").unwrap().1;
            let found = Found {
                folder,
                uid: behind_uid.split(' ').next().unwrap().parse().unwrap(),
                flagged: head.contains("\\Flagged") || rest.contains("\\Flagged"),
            };
            let other = all.insert(subject.to_owned(), found);
            assert!(other.is_none(), "{subject} is there twice");
        }
    }
    all
}

/// The UID that the answer to an APPEND names.
fn appended(end: &str) -> u64 {
    let code = end.split(['[', ']']).nth(1);
    let uid = code.and_then(|code| code.rsplit(' ').next());
    uid.and_then(|uid| uid.parse().ok())
        .unwrap_or_else(|| panic!("{end}"))
}

#[derive(Default)]
struct World {
    known: BTreeMap<String, Known>,
    /// All UIDs of the INBOX that were ever heard of.
    ever: BTreeSet<u64>,
}

impl World {
    /// Holds what is there against what is known, and knows all of it from then on.
    fn compare(&mut self, found: BTreeMap<String, Found>) {
        for (subject, known) in &self.known {
            let is = found.get(subject);
            let place = is.map(|is| is.folder);
            let may = &known.may;
            assert!(may.contains(&place), "{subject}: {place:?}, not {may:?}");
            let Some(is) = is else { continue };
            let flag_is_right = known.flagged.is_none_or(|flagged| flagged == is.flagged);
            assert!(flag_is_right, "the flag of {subject} is lost");
            match known.uid {
                Some(uid) if is.folder == INBOX => assert_eq!(uid, is.uid, "{subject}"),
                None if is.folder == INBOX => {
                    let uid = is.uid;
                    assert!(self.ever.insert(uid), "UID {uid} was given before");
                }
                _ => {}
            }
        }
        let all_known = found.keys().all(|subject| self.known.contains_key(subject));
        assert!(all_known, "more is there than was put there");
        let known = found.into_iter().map(|(subject, is)| {
            let uid = Some(is.uid).filter(|_| is.folder == INBOX);
            (subject, Known::at(is.folder, uid, is.flagged))
        });
        self.known = known.collect();
    }

    /// A mail of the INBOX, and its UID.
    fn some(&mut self, chance: &mut Chance) -> Option<(&mut Known, u64)> {
        let in_inbox = |known: &&mut Known| known.may == [Some(INBOX)];
        let mut all: Vec<_> = self.known.values_mut().filter(in_inbox).collect();
        if all.is_empty() {
            return None;
        }
        let one = all.swap_remove(chance.below(all.len()));
        let uid = one.uid?;
        Some((one, uid))
    }

    /// Does things and hears the answers.
    async fn act(&mut self, imap: &mut Imap, chance: &mut Chance, round: usize) {
        for number in 0..4 + chance.below(20) {
            let subject = format!("{round}-{number}");
            let heard = imap.append(INBOX, "", &mail(&subject)).await;
            let uid = appended(&heard.end);
            assert!(self.ever.insert(uid), "UID {uid} was given before");
            let known = Known::at(INBOX, Some(uid), false);
            self.known.insert(subject, known);
            let Some((one, uid)) = self.some(chance) else {
                continue;
            };
            let command = match chance.below(6) {
                0 => {
                    one.may = vec![Some(ARCHIVE)];
                    format!("UID MOVE {uid} {ARCHIVE}")
                }
                1 => {
                    one.may = vec![None];
                    let command = format!("UID STORE {uid} +FLAGS (\\Deleted)");
                    let heard = imap.say(&command).await;
                    assert!(heard.end.starts_with("OK"), "{heard:?}");
                    format!("UID EXPUNGE {uid}")
                }
                _ => {
                    one.flagged = Some(true);
                    format!("UID STORE {uid} +FLAGS (\\Flagged)")
                }
            };
            let heard = imap.say(&command).await;
            assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
        }
    }

    /// Begins things and hears nothing.
    async fn begin(&mut self, imap: &mut Imap, chance: &mut Chance, round: usize) {
        let mut commands = Vec::new();
        if let Some((one, uid)) = self.some(chance) {
            one.may.push(None);
            let command = format!("UID STORE {uid} +FLAGS (\\Deleted)");
            let heard = imap.say(&command).await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
            commands.push(format!("UID EXPUNGE {uid}"));
        }
        for _ in 0..3 {
            if let Some((one, uid)) = self.some(chance) {
                one.may.push(Some(ARCHIVE));
                commands.push(format!("UID MOVE {uid} {ARCHIVE}"));
            }
        }
        if let Some((one, uid)) = self.some(chance) {
            one.flagged = None;
            commands.push(format!("UID STORE {uid} -FLAGS (\\Flagged)"));
        }
        let subject = format!("{round}-unanswered");
        let message = String::from_utf8(mail(&subject)).unwrap();
        commands.push(format!(
            "APPEND {INBOX} {{{}+}}\r\n{message}",
            message.len()
        ));
        let known = Known {
            uid: None,
            may: vec![None, Some(INBOX)],
            flagged: Some(false),
        };
        self.known.insert(subject, known);
        // What comes first is killed most.
        let first = chance.below(commands.len());
        commands.rotate_left(first);
        for command in commands {
            imap.begin(&command).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_kill() {
    let mut chance = Chance::from_environment();
    let mut party = Spawned::start().await;
    let ada = party.stage.sender().await.unwrap();
    let mut world = World::default();
    let kills = kills(4);
    for round in 0..=kills {
        let trust = party.stage.trust();
        let mut imap = Imap::log_in(party.door(DOOR), trust, ada.name, &ada.password).await;
        world.compare(there(&mut imap).await);
        if round == kills {
            break;
        }
        world.act(&mut imap, &mut chance, round).await;
        world.begin(&mut imap, &mut chance, round).await;
        tokio::time::sleep(chance.up_to(Duration::from_millis(20))).await;
        party.kill();
        party.run(&[]).await;
    }
    party.verify().await;
}
