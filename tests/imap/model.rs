//! Two mail programs at once on one folder, doing at random what people do, against a model; and a third that comes back
//! now and then and asks what became of the folder. Then two really at once, and what they were told against what is so.

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
    /// The last change that it believes to know all up to.
    since: u64,
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
            since: 0,
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
        for line in heard.lines.iter().chain([&heard.end]) {
            if let Some(change) = behind(line, "[HIGHESTMODSEQ ") {
                self.since = change.trim_end_matches(']').parse().unwrap();
            } else if let Some(change) = behind(line, "MODSEQ (") {
                self.since = self.since.max(change.parse().unwrap());
            }
        }
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

    /// Asks what is new, and about nothing else: of that it was told.
    async fn look_at_new(&mut self) {
        if let Some(place) = self.known.iter().position(|(uid, _)| *uid == 0) {
            self.say(&format!("FETCH {}:* (UID FLAGS)", place + 1))
                .await;
        }
    }

    /// Hears what happens until it has had enough.
    async fn idle(&mut self) {
        let tag = self.imap.begin("IDLE").await;
        let mut lines = Vec::new();
        loop {
            let line = self.imap.response().await.unwrap();
            if line.starts_with("+ ") {
                break;
            }
            lines.push(line);
        }
        self.imap.send(b"DONE\r\n").await;
        let heard = self.imap.hear(&tag).await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
        lines.extend(heard.lines);
        let end = heard.end;
        self.learn(&Heard { lines, end });
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

/// The UID that the answer to an APPEND names.
fn uid_given(heard: &Heard) -> u64 {
    let code = heard.end.split(['[', ']']).nth(1);
    let uid = code.and_then(|code| code.rsplit(' ').next());
    uid.unwrap().parse().unwrap()
}

impl Model {
    fn append(&mut self, heard: &Heard, flags: &[&str]) {
        let uid = uid_given(heard);
        assert!(uid >= self.next, "UID {uid} was given before");
        self.next = uid + 1;
        self.messages
            .insert(uid, flags.iter().map(|flag| (*flag).to_owned()).collect());
    }

    /// What a COPY into the same folder makes.
    fn copy(&mut self, heard: &Heard) {
        let code = heard.end.split_once("[COPYUID ").unwrap().1;
        let code = code.split_once(']').unwrap().0;
        let words: Vec<&str> = code.split(' ').collect();
        let (from, to) = (numbers(words[1]), numbers(words[2]));
        assert_eq!(from.len(), to.len(), "{code}");
        for (from, to) in from.into_iter().zip(to) {
            assert!(to >= self.next, "UID {to} was given before");
            self.next = to + 1;
            let flags = self.messages[&from].clone();
            self.messages.insert(to, flags);
        }
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
    match chance.below(13) {
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
            // What it knew before, and somebody marked.
            let known: BTreeSet<u64> = program.state().into_keys().collect();
            let heard = program.say("EXPUNGE").await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
            program.look_at_new().await;
            model.expunge(&known);
            let left: Vec<u64> = program.state().into_keys().collect();
            let expected: Vec<u64> = model.messages.keys().copied().collect();
            assert_eq!(left, expected, "EXPUNGE of {known:?}");
        }
        9 if !uids.is_empty() => {
            // Two at most, so that they don't multiply; others may have removed those that it still believes in.
            let end = uids.len().min(2);
            let set: Vec<&str> = set.split(',').take(end).collect();
            let command = format!("{prefix}COPY {} INBOX", set.join(","));
            let heard = program.say(&command).await;
            let is_there = |uid: &u64| model.messages.contains_key(uid);
            if uids[..end].iter().all(is_there) {
                assert!(heard.end.starts_with("OK [COPYUID "), "{heard:?}");
            }
            if heard.end.contains("COPYUID") {
                model.copy(&heard);
            }
        }
        10 if !uids.is_empty() && uid => {
            let heard = program.say(&format!("UID EXPUNGE {set}")).await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
            model.expunge(&uids.iter().copied().collect());
        }
        11 if !uids.is_empty() && uid && program.qresync => {
            unchanged_since(program, model, (&uids, &set), flag).await;
        }
        12 => program.idle().await,
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

/// Marks what nobody has changed since it was looked at last, and leaves the rest.
async fn unchanged_since(
    program: &mut Program,
    model: &mut Model,
    (uids, set): (&[u64], &str),
    flag: &str,
) {
    let (before, since) = (program.state(), program.since);
    let command = format!("UID STORE {set} (UNCHANGEDSINCE {since}) +FLAGS ({flag})");
    let heard = program.say(&command).await;
    assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
    let modified = heard.end.split_once("[MODIFIED ");
    let modified = modified.map(|(_, rest)| numbers(rest.split_once(']').unwrap().0));
    let modified = modified.unwrap_or_default();
    for uid in uids {
        let Some(is) = model.messages.get(uid) else {
            continue;
        };
        let was_known = before[uid] == *is;
        let marked = !modified.contains(uid);
        assert!(was_known || !marked, "UID {uid} was changed by others");
        if marked {
            model.mark(&[*uid], '+', flag);
        }
    }
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
        } else if number % 10 == 9 {
            // One whose line broke where it stands, whatever it was told or not.
            let program = &programs[1];
            let back = come_back(&party, (validity, program.since), &program.state()).await;
            assert_eq!(
                back.0, model.messages,
                "whose line broke after {number} commands"
            );
        }
    }
    really_at_once(&party, &mut programs, model.next).await;
    let (state, _) = come_back(&party, (validity, away.1), &away.0).await;
    assert_eq!(state, programs[0].state());
}

/// Whatever the order was, all see the same in the end, by what they were told on the way.
async fn really_at_once(party: &Party, programs: &mut [Program; 2], next: u64) {
    let (before, mut given) = (programs[0].state(), BTreeSet::new());
    let (one, other) = programs.split_at_mut(1);
    let (one, other) = (&mut one[0], &mut other[0]);
    for round in 0..20 {
        let flag = FLAGS[round % FLAGS.len()];
        let sign = if round % 3 == 0 { "-" } else { "+" };
        let marks = async {
            let command = format!("UID STORE 1:* {sign}FLAGS ({flag})");
            let heard = one.say(&command).await;
            assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
            let text = mail(&format!("of one {round}"));
            let heard = one.imap.append("INBOX", "", &text).await;
            one.learn(&heard);
            uid_given(&heard)
        };
        let adds = async {
            let text = mail(&format!("of the other {round}"));
            let heard = other.imap.append("INBOX", "\\Seen", &text).await;
            other.learn(&heard);
            if round % 4 == 0 {
                for command in ["UID STORE * +FLAGS (\\Deleted)", "EXPUNGE"] {
                    let heard = other.say(command).await;
                    assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
                }
            }
            uid_given(&heard)
        };
        let (first, second) = tokio::join!(marks, adds);
        for uid in [first, second] {
            assert!(uid >= next, "UID {uid} was given before");
            assert!(given.insert(uid), "UID {uid} was given twice");
        }
    }
    let fresh = Program::new(party, false).await.state();
    for program in programs.iter_mut() {
        program.say("NOOP").await;
        program.look_at_new().await;
        assert_eq!(program.state(), fresh);
    }
    let all: BTreeSet<u64> = before.into_keys().chain(given).collect();
    assert!(fresh.keys().all(|uid| all.contains(uid)));
}
