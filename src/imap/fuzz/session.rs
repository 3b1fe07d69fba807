//! With the intake: octets in, what it wants done out.

use super::answer;
use super::house::account;
use crate::fuzz::{Case, Part, Said, Way, Whim, contains, known, lines, masked};
use crate::imap::command::Command;
use crate::imap::desk::No;
use crate::imap::host::Refusal;
use crate::imap::limits::Limits;
use crate::imap::session::{Admitted, Member, Step, Stranger, tagged};
use crate::staff::LoginOutcome;
use crate::tls::TlsInfo;

const LIMITS: Limits = Limits {
    message_size: 300,
    command: (400, 900),
    errors: 4,
    commands_before_log_in: 15,
    failed_logins: 3,
    messages_at_once: 3,
    per_account: 2,
};
/// A line of a dialogue is longer than any other, see `log_in`.
const MOST_HELD: usize = 4096;

/// Holds a conversation in each way that its octets may come, and wants the same each time.
pub(crate) fn session(data: &[u8]) {
    let Some(case) = Case::read(data) else {
        return;
    };
    let mut heard = case.ways().into_iter().map(|way| Talk::of(&case, way));
    let first = heard.next();
    for other in heard {
        assert_eq!(first.as_ref(), Some(&other), "the pieces make a difference");
    }
}

/// What came of a conversation.
#[derive(Debug, PartialEq, Eq, Default)]
struct Heard {
    answers: Vec<Vec<u8>>,
    /// What the desk was told.
    desk: Vec<String>,
    messages: Vec<Vec<u8>>,
    closed: bool,
}

enum Who {
    Stranger(Box<Stranger>),
    Member(Box<Member>),
}

/// Where an APPEND is, as the desk knows it.
#[derive(Default)]
enum Appending {
    #[default]
    None,
    To,
    Message {
        size: u64,
        octets: Vec<u8>,
    },
}

struct Talk {
    who: Who,
    house: Whim,
    way: Way,
    said: Said,
    held: Vec<u8>,
    heard: Heard,
    append: Appending,
    /// How many lines ended so far; and how many answers were tagged.
    tagged: usize,
}

impl Talk {
    fn of(case: &Case, way: Way) -> Heard {
        let stranger = Stranger::new(TlsInfo::pretended(), LIMITS);
        lines(&stranger.greeting());
        let mut talk = Self {
            who: Who::Stranger(Box::new(stranger)),
            house: case.house(),
            way,
            said: Said::default(),
            held: Vec::new(),
            heard: Heard::default(),
            append: Appending::None,
            tagged: 0,
        };
        if case.kind & 1 == 1 {
            talk.say(b"in LOGIN ada secret\r\n");
        }
        for part in &case.parts {
            match part {
                Part::Octets(octets) => talk.say(octets),
                Part::Proof => {
                    let proof = talk.proof();
                    talk.say(&proof);
                }
                Part::Other => {}
            }
        }
        for answer in &mut talk.heard.answers {
            *answer = masked(answer, b"+ ");
        }
        talk.heard
    }

    fn proof(&mut self) -> Vec<u8> {
        let last = self.heard.answers.last();
        let challenge = last.and_then(|last| last.strip_prefix(b"+ ")?.strip_suffix(b"\r\n"));
        let challenge = challenge.unwrap_or_default().to_vec();
        self.said.proof(&challenge, None)
    }

    fn say(&mut self, octets: &[u8]) {
        let (mut left, mut pieces) = (octets, self.way.pieces());
        while let Some(piece) = pieces(&mut left) {
            if self.heard.closed {
                return;
            }
            self.said.take(&piece);
            self.held.extend(piece);
            let mut still = 0;
            while !self.heard.closed {
                let held = std::mem::take(&mut self.held);
                let (used, goes_on) = self.step(&held);
                self.held = held[used..].to_vec();
                still = if used == 0 { still + 1 } else { 0 };
                assert!(still < 9, "it stands still");
                if !goes_on {
                    break;
                }
            }
            let (holds, most) = match &self.who {
                Who::Stranger(stranger) => (stranger.held(), LIMITS.command.0),
                Who::Member(member) => (member.held(), LIMITS.command.1),
            };
            assert!(holds <= most, "more is held than a command");
            let bounded = self.heard.closed || self.held.len() <= MOST_HELD;
            assert!(bounded, "more is held than a line");
        }
    }

    /// How many octets were used, and whether it goes on.
    fn step(&mut self, held: &[u8]) -> (usize, bool) {
        match &mut self.who {
            Who::Stranger(stranger) => {
                let (used, step) = stranger.advance(held);
                (used, self.perform_stranger(step))
            }
            Who::Member(member) => {
                let (used, step) = member.advance(held);
                let waits = matches!(step, Step::NeedInput);
                self.perform_member(step);
                (used, !waits)
            }
        }
    }

    fn perform_stranger(&mut self, mut step: Step<'static>) -> bool {
        loop {
            let Who::Stranger(stranger) = &mut self.who else {
                return true;
            };
            step = match step {
                Step::NeedInput => return false,
                Step::Continue => return true,
                Step::Say(answer) => {
                    self.hear(answer);
                    return true;
                }
                Step::Close(answer) => {
                    self.heard.closed = true;
                    self.hear(answer);
                    return false;
                }
                Step::AskCredentials(asked) => {
                    let answer = match self.house.refuses() {
                        true => Err(Refusal::not_in_service()),
                        false => Ok(known(asked.user())),
                    };
                    stranger.answer_credentials(asked, answer)
                }
                Step::Login(login) => {
                    let proven = matches!(login.outcome(), LoginOutcome::Proven(..));
                    if proven {
                        self.said.assert_proven();
                    }
                    // A house that says who it is without a proof isn't believed.
                    let answer = match self.house.refuses() {
                        true => Err(Refusal::not_in_service()),
                        false => Ok(Some(account())),
                    };
                    match stranger.answer_login(login, answer) {
                        Admitted::Not(step) => step,
                        Admitted::Member(member, _, welcome) => {
                            assert!(proven, "somebody is in who proved nothing");
                            self.who = Who::Member(member);
                            self.hear(welcome);
                            return true;
                        }
                    }
                }
                other => panic!("{other:?} is nothing for a stranger"),
            };
        }
    }

    fn perform_member(&mut self, step: Step<'_>) {
        match step {
            Step::NeedInput | Step::Continue => {}
            Step::Say(answer) => self.hear(answer),
            Step::Close(answer) => {
                self.heard.closed = true;
                self.hear(answer);
            }
            Step::AskCredentials(_) | Step::Login(_) => panic!("who is in can't log in"),
            Step::Run(tag, command) => {
                self.heard.desk.push(format!("{} {command:?}", tag.0));
                let idles = matches!(command, Command::Idle);
                assert!(!matches!(
                    command,
                    Command::Login { .. } | Command::Authenticate { .. }
                ));
                if !idles {
                    let status = if self.house.refuses() { "NO" } else { "OK" };
                    self.hear(tagged(&tag, status, "Done"));
                }
                self.heard.closed |= matches!(command, Command::Logout);
            }
            Step::IdleEnds(tag) => self.hear(tagged(&tag, "OK", "Done")),
            step => self.perform_append(step),
        }
        let Who::Member(member) = &self.who else {
            return;
        };
        if !member.wants_append() {
            self.append = Appending::None;
        }
    }

    fn perform_append(&mut self, step: Step<'_>) {
        let append = std::mem::take(&mut self.append);
        self.append = match (step, append) {
            (Step::AppendTo(name), Appending::None) => {
                self.heard
                    .desk
                    .push(format!("append to {}", name.0.escape_ascii()));
                Appending::To
            }
            (Step::AppendBegin(head), Appending::To) => {
                assert!(head.size <= LIMITS.message_size, "a message is too long");
                self.heard.desk.push(format!("message {head:?}"));
                Appending::Message {
                    size: head.size,
                    octets: Vec::new(),
                }
            }
            (Step::AppendOctets(new), Appending::Message { size, mut octets }) => {
                octets.extend_from_slice(new);
                assert!(!new.is_empty() && octets.len() as u64 <= size);
                return self.append = Appending::Message { size, octets };
            }
            (Step::AppendEnd, Appending::Message { size, octets }) => {
                assert_eq!(octets.len() as u64, size, "a literal of another length");
                self.heard.messages.push(octets);
                Appending::To
            }
            (Step::AppendFinish(tag), Appending::To) => {
                self.heard.desk.push(format!("append ends {}", tag.0));
                return self.hear(tagged(&tag, "OK", "Done"));
            }
            (step, _) => panic!("{step:?} is nothing for now"),
        };
        // As the desk may, but never within a message, where it depends on how the octets came.
        if self.house.refuses()
            && let Who::Member(member) = &mut self.who
        {
            member.refuse_append(No::new("LIMIT", "Not now"));
        }
    }

    /// Each answer is one; each tag in it was said, and not less often than it was answered.
    fn hear(&mut self, answer: Vec<u8>) {
        lines(&answer);
        let tags = answer::read(&answer);
        assert!(tags.len() <= 1, "two answers: {}", answer.escape_ascii());
        if let Some(tag) = tags.first() {
            assert!(contains(self.said.octets(), tag), "a tag that nobody said");
            self.tagged += 1;
            let ends = memchr::memchr_iter(b'\n', self.said.octets()).count();
            let broken = usize::from(self.heard.closed);
            assert!(self.tagged <= ends + broken, "more answers than commands");
        }
        self.heard.answers.push(answer);
    }
}
