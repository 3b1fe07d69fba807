//! Conversations that nobody thought of, held with a session: see [`crate::fuzz`].

use super::host::Refusal;
use super::limits::{DIALOGUE_LINE, Limits};
use super::session::{Admitted, Member, Step, Stranger};
use super::stuffing::Stuffing;
use crate::fuzz::{Case, Part, Said, Way, Whim, known, lines, masked};
use crate::id::{FolderId, MessageId};
use crate::mailbox::{Dropped, Maildrop};
use crate::staff::LoginOutcome;
use crate::store::Uid;
use crate::tls::TlsInfo;

const LIMITS: Limits = Limits {
    commands_before_log_in: 15,
    errors: 5,
    failed_logins: 3,
};
/// Messages in the maildrop: more than a page of a list.
const MESSAGES: u32 = 510;

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

/// What a client heard, answer by answer.
#[derive(Debug, PartialEq, Eq, Default)]
struct Heard {
    answers: Vec<Vec<u8>>,
    left: Option<Vec<Uid>>,
    closed: bool,
}

enum Who {
    Stranger(Stranger),
    Member(Member),
}

struct Talk {
    who: Who,
    house: Whim,
    way: Way,
    said: Said,
    held: Vec<u8>,
    heard: Heard,
    /// Messages marked to go.
    going: usize,
    /// What stands in messages: what the client says itself, so that it may be anything.
    source: Vec<u8>,
}

impl Talk {
    fn of(case: &Case, way: Way) -> Heard {
        let mut talk = Self {
            who: Who::Stranger(Stranger::new(TlsInfo::pretended(), LIMITS)),
            house: case.house(),
            way,
            said: Said::default(),
            held: Vec::new(),
            heard: Heard::default(),
            going: 0,
            source: case.octets(),
        };
        lines(&Stranger::greeting());
        if case.kind & 1 == 1 {
            talk.say(b"USER ada\r\nPASS secret\r\n");
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
            while !self.heard.closed && self.step() {}
            let bounded = self.heard.closed || self.held.len() < DIALOGUE_LINE;
            assert!(bounded, "more is held than a line");
        }
    }

    /// False when the session wants more.
    fn step(&mut self) -> bool {
        let (used, step) = match &mut self.who {
            Who::Stranger(stranger) => stranger.advance(&self.held),
            Who::Member(member) => member.advance(&self.held),
        };
        let taken: Vec<u8> = self.held.drain(..used).collect();
        let waits = matches!(step, Step::NeedInput);
        match (used, waits || matches!(step, Step::Close(_))) {
            // Broken, or not whole.
            (0, true) => {}
            (0, false) => panic!("an answer to nothing: {step:?}"),
            _ => assert_eq!(lines(&taken).len(), 1, "an answer to more than a line"),
        }
        self.perform(step);
        !waits
    }

    fn perform(&mut self, mut step: Step) {
        loop {
            step = match (step, &mut self.who) {
                (Step::NeedInput, _) => return,
                (Step::Say(answer), _) => return self.hear(answer),
                (Step::Close(answer), _) => {
                    self.heard.closed = true;
                    return self.hear(answer);
                }
                (Step::AskCredentials(asked), Who::Stranger(stranger)) => {
                    let answer = match self.house.refuses() {
                        true => Err(Refusal::not_in_service()),
                        false => Ok(known(asked.user())),
                    };
                    stranger.answer_credentials(asked, answer)
                }
                (Step::Login(login), Who::Stranger(stranger)) => {
                    let proven = matches!(login.outcome(), LoginOutcome::Proven(..));
                    if proven {
                        self.said.assert_proven();
                    }
                    let answer = match self.house.refuses() {
                        true => Err(Refusal::not_in_service()),
                        false => Ok(Some(maildrop())),
                    };
                    match stranger.answer_login(login, answer) {
                        Admitted::Not(step) => step,
                        Admitted::Member(member, welcome) => {
                            assert!(proven, "somebody is in who proved nothing");
                            self.who = Who::Member(member);
                            return self.hear(welcome);
                        }
                    }
                }
                (Step::List(listing), Who::Member(member)) => {
                    let (mut answer, mut rest) = member.list(listing);
                    while let Some(listing) = rest {
                        let (text, more) = member.list(listing);
                        answer.extend(text);
                        rest = more;
                    }
                    return self.hear(answer);
                }
                (Step::Send(message, wanted), Who::Member(_)) => {
                    let answer = self.send(message, wanted);
                    return self.heard.answers.push(answer);
                }
                (Step::Leave(uids), Who::Member(member)) => {
                    assert_eq!(uids.len(), self.going, "what goes is not what was marked");
                    assert!(uids.is_sorted() && uids.iter().all(|uid| uid.0 <= MESSAGES));
                    let farewell = member.farewell(!self.house.refuses());
                    (self.heard.closed, self.heard.left) = (true, Some(uids));
                    return self.hear(farewell);
                }
                (step, _) => panic!("{step:?} is nothing for who this is"),
            };
        }
    }

    /// Sends as much of the source as is the message's number, in pieces of any length.
    fn send(&self, message: Dropped, wanted: Option<u64>) -> Vec<u8> {
        let length = usize::try_from(message.uid.0).unwrap_or_default();
        let whole = &self.source[..length.min(self.source.len())];
        let (mut stuffing, mut out, mut left) = (Stuffing::new(wanted), Vec::new(), whole);
        let mut pieces = self.way.pieces();
        while let Some(piece) = pieces(&mut left) {
            stuffing.take(&piece, &mut out);
        }
        stuffing.finish(&mut out);
        assert_round_trip(whole, &out, wanted);
        out
    }

    fn hear(&mut self, answer: Vec<u8>) {
        match answer.as_slice() {
            b"+OK It goes when you quit\r\n" => self.going += 1,
            b"+OK Everything stays\r\n" => self.going = 0,
            _ => {}
        }
        assert_answer(&answer);
        self.heard.answers.push(answer);
    }
}

fn maildrop() -> Maildrop {
    let message = |number| Dropped {
        uid: Uid(number),
        size: u64::from(number) * 100,
        message: MessageId::from_bytes([0; 16]),
    };
    let messages = (1..=MESSAGES).map(message).collect();
    Maildrop::for_tests(FolderId::from_bytes([0; 16]), 0xabc, messages)
}

/// An answer is one line, or several up to a dot.
fn assert_answer(answer: &[u8]) {
    let lines = lines(answer);
    let begins = [&b"+OK"[..], b"-ERR ", b"+ "];
    let begins = begins.iter().any(|begin| lines[0].starts_with(begin));
    assert!(begins, "no answer: {}", answer.escape_ascii());
    let dot = lines.iter().position(|line| *line == b".");
    assert_eq!(dot.unwrap_or(0) + 1, lines.len(), "it ends before its end");
}

/// Whoever takes the dots out has the lines of the message.
fn assert_round_trip(message: &[u8], sent: &[u8], wanted: Option<u64>) {
    let end = sent.strip_suffix(b".\r\n").expect("a dot at the end");
    let sent = end.split_inclusive(|octet| *octet == b'\n');
    let sent: Vec<&[u8]> = sent
        .inspect(|line| assert!(line.ends_with(b"\r\n") && *line != b".\r\n", "a line's end"))
        .map(|line| line.strip_prefix(b".").unwrap_or(line))
        .collect();
    let mut lines = message.split_inclusive(|octet| *octet == b'\n');
    let ends = |line: &[u8]| line.strip_suffix(b"\n").unwrap_or(line).to_vec();
    let bare = |line: &[u8]| {
        let line = ends(line);
        line.strip_suffix(b"\r").unwrap_or(&line).to_vec()
    };
    for sent in &sent {
        let line = lines.next().expect("no line that isn't in the message");
        assert_eq!(bare(sent), bare(line), "another line");
    }
    let left = lines.count() as u64;
    assert!(wanted.is_some() || left == 0, "lines are missing");
    if let Some(wanted) = wanted {
        let body = sent.iter().position(|line| *line == b"\r\n");
        let body = body.map_or(0, |blank| (sent.len() - blank - 1) as u64);
        assert!(
            body <= wanted && (left == 0 || body == wanted),
            "another top"
        );
    }
}
