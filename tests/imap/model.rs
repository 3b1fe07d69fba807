//! Two mail programs at once on one folder, doing at random what people do, against a model; and a third that comes back
//! now and then and asks what became of the folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::ada;
use crate::support::chance::Chance;
use crate::support::imap::{Heard, Imap, mail};
use crate::support::party::Party;

const FLAGS: [&str; 6] = [
    "\\Answered",
    "\\Deleted",
    "\\Draft",
    "\\Flagged",
    "\\Seen",
    "work",
];

type Flags = BTreeSet<String>;

/// What is so.
#[derive(Default)]
struct Model {
    messages: BTreeMap<u64, Flags>,
    next: u64,
}

/// A mail program, and what it knows of the folder by what it was told.
struct Program {
    imap: Imap,
    known: Vec<(u64, Flags)>,
    qresync: bool,
}

impl Program {
    async fn new(party: &Party, qresync: bool) -> Self {
        let mut imap = ada(party).await;
        if qresync {
            imap.say("ENABLE QRESYNC").await;
        }
        let heard = imap.say("select INBOX").await;
        assert!(heard.end.starts_with("OK [READ-WRITE]"), "{heard:?}");
        let mut program = Self {
            imap,
            known: Vec::new(),
            qresync,
        };
        program.learn(&heard);
        program.look_at_new().await;
        program
    }

    /// Says a command, and believes what it's told.
    async fn say(&mut self, command: &str) -> Heard {
        let heard = self.imap.say(command).await;
        self.learn(&heard);
        heard
    }

    fn learn(&mut self, heard: &Heard) {
        for line in &heard.lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["*", "VANISHED", "(EARLIER)", set] | ["*", "VANISHED", set] => {
                    assert!(self.qresync, "{line}");
                    let gone = numbers(set);
                    self.known.retain(|(uid, _)| !gone.contains(uid));
                }
                ["*", number, "EXPUNGE"] => {
                    assert!(!self.qresync, "{line}");
                    let place: usize = number.parse().unwrap();
                    self.known.remove(place - 1);
                }
                ["*", number, "EXISTS"] => {
                    let count: usize = number.parse().unwrap();
                    assert!(
                        count >= self.known.len(),
                        "{line} but {} are known",
                        self.known.len()
                    );
                    // Of these nothing is known yet.
                    self.known.resize(count, (0, Flags::new()));
                }
                ["*", number, "FETCH", ..] => {
                    let place = number.parse::<usize>().unwrap() - 1;
                    let one = &mut self.known[place];
                    if let Some(uid) = behind(line, "UID ") {
                        let uid = uid.parse().unwrap();
                        assert!(one.0 == 0 || one.0 == uid, "{line}: it was {}", one.0);
                        one.0 = uid;
                    }
                    if let Some((_, flags)) = line.split_once("FLAGS (") {
                        let flags = flags.split_once(')').unwrap().0;
                        one.1 = flags
                            .split(' ')
                            .filter(|flag| !flag.is_empty())
                            .map(str::to_owned)
                            .collect();
                    }
                }
                _ => {}
            }
        }
    }

    async fn look_at_new(&mut self) {
        if self.known.iter().any(|(uid, _)| *uid == 0) {
            self.say("FETCH 1:* (UID FLAGS)").await;
        }
    }

    /// Some messages, as their numbers or UIDs.
    fn some(&self, chance: &mut Chance, uid: bool) -> Vec<(u64, String)> {
        let all = self
            .known
            .iter()
            .enumerate()
            .filter(|(_, (uid, _))| *uid > 0);
        let mut some = Vec::new();
        for (place, (id, _)) in all {
            if chance.below(3) == 0 {
                let number = if uid {
                    id.to_string()
                } else {
                    (place + 1).to_string()
                };
                some.push((*id, number));
            }
        }
        some
    }

    fn state(&self) -> BTreeMap<u64, Flags> {
        self.known.iter().cloned().collect()
    }
}

fn behind<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(name)?;
    rest.split([' ', ')']).next()
}

fn numbers(set: &str) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        all.extend(first.parse::<u64>().unwrap()..=last.parse().unwrap());
    }
    all
}

impl Model {
    fn append(&mut self, heard: &Heard, flags: &[&str]) {
        let uid = heard
            .end
            .split(['[', ']'])
            .nth(1)
            .and_then(|code| code.rsplit(' ').next());
        let uid: u64 = uid.unwrap().parse().unwrap();
        assert!(uid >= self.next, "UID {uid} was given before");
        self.next = uid + 1;
        self.messages
            .insert(uid, flags.iter().map(|flag| (*flag).to_owned()).collect());
    }

    fn mark(&mut self, uids: &[u64], how: char, flag: &str) {
        for uid in uids {
            let Some(flags) = self.messages.get_mut(uid) else {
                continue;
            };
            match how {
                '+' => drop(flags.insert(flag.to_owned())),
                '-' => drop(flags.remove(flag)),
                _ => *flags = [flag.to_owned()].into(),
            }
        }
    }

    fn expunge(&mut self, known: &BTreeSet<u64>) {
        self.messages
            .retain(|uid, flags| !(known.contains(uid) && flags.contains("\\Deleted")));
    }
}

/// One command of one program.
async fn one(program: &mut Program, model: &mut Model, chance: &mut Chance, number: usize) {
    let flag = FLAGS[chance.below(FLAGS.len())];
    let uid = chance.below(2) == 0;
    let some = program.some(chance, uid);
    let uids: Vec<u64> = some.iter().map(|(uid, _)| *uid).collect();
    let set: Vec<&str> = some.iter().map(|(_, number)| number.as_str()).collect();
    let (set, prefix) = (set.join(","), if uid { "UID " } else { "" });
    match chance.below(9) {
        0 | 1 => {
            let message = mail(&number.to_string());
            let heard = program.imap.append("INBOX", flag, &message).await;
            program.learn(&heard);
            model.append(&heard, &[flag]);
        }
        2..=4 if !uids.is_empty() => {
            let how = ['+', '-', ' '][chance.below(3)];
            let silent = if chance.below(2) == 0 { ".SILENT" } else { "" };
            let sign = how.to_string();
            let command = format!("{prefix}STORE {set} {}FLAGS{silent} ({flag})", sign.trim());
            let heard = program.say(&command).await;
            assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
            model.mark(&uids, how, flag);
            // What it did itself it isn't told.
            for (id, flags) in program.known.iter_mut().filter(|(id, _)| uids.contains(id)) {
                if heard.with(&format!("UID {id} FLAGS")).is_empty() {
                    let mut alone = Model::default();
                    alone.messages.insert(*id, std::mem::take(flags));
                    alone.mark(&[*id], how, flag);
                    *flags = alone.messages.remove(id).unwrap();
                }
            }
        }
        5 if !uids.is_empty() && chance.below(3) == 0 => {
            let heard = program.say(&format!("{prefix}MOVE {set} Trash")).await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
            model.messages.retain(|uid, _| !uids.contains(uid));
        }
        6 => {
            let heard = program.say("EXPUNGE").await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
            program.look_at_new().await;
            let now = program.state();
            let gone: BTreeSet<u64> = model
                .messages
                .keys()
                .filter(|uid| !now.contains_key(uid))
                .copied()
                .collect();
            // Only what was marked may have gone.
            for uid in &gone {
                assert!(
                    model.messages[uid].contains("\\Deleted"),
                    "UID {uid} went unmarked"
                );
            }
            model.expunge(&gone);
        }
        7 => {
            let before = program.known.len();
            let heard = program.say(&format!("{prefix}FETCH 1:* (FLAGS UID)")).await;
            let expunged = heard.with("EXPUNGE").len() + heard.with("VANISHED").len();
            assert!(uid || expunged == 0, "numbers moved: {heard:?}");
            assert!(uid || program.known.len() >= before);
        }
        _ => {
            program.say("NOOP").await;
            program.look_at_new().await;
        }
    }
    program.look_at_new().await;
}

/// What a program that was away is told when it comes back.
async fn come_back(
    party: &Party,
    (validity, since): (u64, u64),
    was: &BTreeMap<u64, Flags>,
) -> (BTreeMap<u64, Flags>, u64) {
    let mut imap = ada(party).await;
    imap.say("ENABLE QRESYNC").await;
    let heard = imap
        .say(&format!("select INBOX (QRESYNC ({validity} {since}))"))
        .await;
    let mut state = was.clone();
    for line in heard.with("VANISHED (EARLIER)") {
        let gone = numbers(line.rsplit(' ').next().unwrap());
        state.retain(|uid, _| !gone.contains(uid));
    }
    for line in heard.with(" FETCH (") {
        let uid = behind(line, "UID ").unwrap().parse().unwrap();
        let flags = line
            .split_once("FLAGS (")
            .unwrap()
            .1
            .split_once(')')
            .unwrap()
            .0;
        state.insert(
            uid,
            flags
                .split(' ')
                .filter(|flag| !flag.is_empty())
                .map(str::to_owned)
                .collect(),
        );
    }
    (state, heard.number("HIGHESTMODSEQ").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_and_a_model_agree() {
    let party = Party::start().await;
    let mut chance = Chance::from_environment();
    let mut model = Model {
        next: 1,
        ..Model::default()
    };
    let mut programs = [
        Program::new(&party, false).await,
        Program::new(&party, true).await,
    ];
    let heard = programs[0]
        .imap
        .say("STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)")
        .await;
    let validity = heard.number("UIDVALIDITY").unwrap();
    let mut away = (BTreeMap::new(), heard.number("HIGHESTMODSEQ").unwrap());
    for number in 0..400 {
        let which = chance.below(2);
        one(&mut programs[which], &mut model, &mut chance, number).await;
        if number % 50 == 49 {
            for program in &mut programs {
                program.say("NOOP").await;
                program.look_at_new().await;
                assert_eq!(program.state(), model.messages, "after {number} commands");
            }
            away = come_back(&party, (validity, away.1), &away.0).await;
            assert_eq!(
                away.0, model.messages,
                "who came back after {number} commands"
            );
        }
    }
    // And now really at once: whatever the order was, all see the same in the end.
    let (one, other) = programs.split_at_mut(1);
    for round in 0..20 {
        let flag = FLAGS[round % FLAGS.len()];
        let sign = if round % 3 == 0 { "-" } else { "+" };
        let first = format!("UID STORE 1:* {sign}FLAGS.SILENT ({flag})");
        let text = mail(&format!("at once {round}"));
        tokio::join!(one[0].say(&first), async {
            let heard = other[0].imap.append("INBOX", "\\Seen", &text).await;
            other[0].learn(&heard);
            if round % 4 == 0 {
                other[0].say("UID STORE * +FLAGS (\\Deleted)").await;
                other[0].say("EXPUNGE").await;
            }
        });
    }
    for program in &mut programs {
        program.say("NOOP").await;
        program.known.iter_mut().for_each(|one| one.1.clear());
        program.say("FETCH 1:* (UID FLAGS)").await;
    }
    assert_eq!(programs[0].state(), programs[1].state());
    let (state, _) = come_back(&party, (validity, away.1), &away.0).await;
    assert_eq!(state, programs[0].state());
}
