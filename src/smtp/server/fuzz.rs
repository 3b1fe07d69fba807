//! Conversations that nobody thought of, held with a session: see [`crate::fuzz`].

use super::envelope::{ConnectionId, Envelope, Role, TlsInfo};
use super::host::{Accepted, Refusal};
use super::limits::{AUTH_LINE, Limits};
use super::session::{Awaiting, Open, OpenStep, Secured, Session, Step};
use crate::fuzz::{Case, Part, Said, Way, Whim, contains, entrant, known, lines, masked};
use crate::smtp::path::ForwardPath;
use crate::smtp::reply::Reply;
use crate::staff::LoginOutcome;

const LIMITS: Limits = Limits {
    message_size: 1500,
    text_line: 1200,
    recipients: 4,
    mails: 5,
    errors: 6,
    idle_commands: 12,
    commands: 40,
    failed_logins: 3,
    octets_before_tls: 400,
};

/// Holds a conversation in each way that its octets may come, and wants the same each time.
pub(crate) fn session(data: &[u8]) {
    let Some(case) = Case::read(data) else {
        return;
    };
    let mut heard = case.ways().into_iter().map(|way| Talk::of(&case, way));
    let first = heard.next();
    for other in heard {
        // How much was written before a disk is full is in nobody's hands.
        let failed = first.iter().chain([&other]).any(|heard| heard.failed);
        if failed {
            continue;
        }
        assert_eq!(first.as_ref(), Some(&other), "the pieces make a difference");
    }
}

/// A message that was taken.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    recipients: Vec<String>,
    text: Vec<u8>,
}

/// What came of a conversation.
#[derive(Debug, PartialEq, Eq, Default)]
struct Heard {
    replies: Vec<Vec<u8>>,
    taken: Vec<Taken>,
    closed: bool,
    /// The house could not write.
    failed: bool,
}

enum Who {
    /// In the clear.
    Open(Open),
    /// The socket is TLS's.
    Handshake,
    Session(Box<Session>),
}

struct Talk {
    role: Role,
    who: Who,
    house: Whim,
    way: Way,
    said: Said,
    held: Vec<u8>,
    heard: Heard,
    /// Recipients that the house has accepted for this mail.
    accepted: Vec<String>,
    body: Option<Vec<u8>>,
    /// What came since DATA was answered.
    raw: Option<Vec<u8>>,
}

impl Talk {
    fn of(case: &Case, way: Way) -> Heard {
        let role = match case.kind & 3 {
            1 => Role::Submission,
            2 => Role::Submissions,
            _ => Role::Mx,
        };
        let mut talk = Self {
            role,
            who: Who::Session(Box::new(encrypted(role))),
            house: case.house(),
            way,
            said: Said::default(),
            held: Vec::new(),
            heard: Heard::default(),
            accepted: Vec::new(),
            body: None,
            raw: None,
        };
        if case.kind & 4 == 4 && role != Role::Submissions {
            let open = Open::new("mx.party.example".into(), LIMITS);
            assert_reply(&open.greeting());
            talk.who = Who::Open(open);
        }
        for part in &case.parts {
            match part {
                Part::Octets(octets) => talk.say(octets),
                Part::Proof => {
                    let proof = talk.proof();
                    talk.say(&proof);
                }
                Part::Other => {
                    if matches!(talk.who, Who::Handshake) {
                        talk.held.clear();
                        talk.who = Who::Session(Box::new(encrypted(role)));
                    }
                }
            }
        }
        for reply in &mut talk.heard.replies {
            *reply = masked(reply, b"334 ");
        }
        talk.heard
    }

    fn proof(&mut self) -> Vec<u8> {
        let last = self.heard.replies.last();
        let challenge = last.and_then(|last| last.strip_prefix(b"334 ")?.strip_suffix(b"\r\n"));
        let challenge = challenge.unwrap_or_default().to_vec();
        self.said.proof(&challenge, None)
    }

    fn say(&mut self, octets: &[u8]) {
        // Before TLS it is how much waits that ends a connection.
        let whole = matches!(self.who, Who::Open(_));
        let way = if whole { Way::Whole } else { self.way };
        let (mut left, mut pieces) = (octets, way.pieces());
        while let Some(piece) = pieces(&mut left) {
            if self.heard.closed {
                return;
            }
            self.said.take(&piece);
            self.held.extend(piece);
            let mut still = 0;
            while !self.heard.closed {
                let (used, goes_on) = self.step();
                still = if used == 0 { still + 1 } else { 0 };
                assert!(still < 5, "it stands still");
                if !goes_on {
                    break;
                }
            }
            let reads = matches!(self.who, Who::Session(_)) && !self.heard.closed;
            let bounded = !reads || self.held.len() < AUTH_LINE;
            assert!(bounded, "more is held than a line");
        }
    }

    /// How many octets were used, and whether it goes on.
    fn step(&mut self) -> (usize, bool) {
        let mut session = match std::mem::replace(&mut self.who, Who::Handshake) {
            Who::Handshake => return (0, false),
            Who::Open(open) => return self.step_open(open),
            Who::Session(session) => session,
        };
        let held = std::mem::take(&mut self.held);
        let line = session.awaiting() == Awaiting::Line;
        let (used, step) = session.advance(&held);
        let taken = &held[..used];
        if line && used > 0 {
            assert_eq!(lines(taken).len(), 1, "an answer to more than a line");
        }
        if let Some(raw) = &mut self.raw {
            raw.extend_from_slice(taken);
        }
        let goes_on = self.perform(&mut session, step);
        if !session.wants_body() {
            self.body = None;
        }
        let envelope = session.envelope();
        assert!(envelope.is_none_or(|mail| mail.recipients.len() <= LIMITS.recipients));
        self.held = held[used..].to_vec();
        self.who = Who::Session(session);
        (used, goes_on)
    }

    fn step_open(&mut self, mut open: Open) -> (usize, bool) {
        let (used, step) = open.advance(&self.held);
        let taken: Vec<u8> = self.held.drain(..used).collect();
        assert!(used == 0 || lines(&taken).len() == 1, "more than a line");
        let (reply, goes_on) = match step {
            OpenStep::NeedInput => (None, false),
            OpenStep::Reply(reply) => (Some(reply), true),
            OpenStep::StartTls(reply) => {
                assert!(self.held.is_empty(), "something was said behind STARTTLS");
                self.hear(&reply);
                return (used, false);
            }
            OpenStep::Close(reply) => {
                self.heard.closed = true;
                (Some(reply), false)
            }
        };
        if let Some(reply) = reply {
            assert!(![235, 334, 354].contains(&reply.code()), "before TLS");
            self.hear(&reply);
        }
        self.who = Who::Open(open);
        (used, goes_on)
    }

    fn perform(&mut self, session: &mut Session, mut step: Step<'_>) -> bool {
        loop {
            step = match step {
                Step::NeedInput => return false,
                Step::Continue => return true,
                Step::Reply(reply) => {
                    self.raw = (reply.code() == 354).then(Vec::new);
                    self.hear(&reply);
                    return true;
                }
                Step::Close(reply) => {
                    self.heard.closed = true;
                    self.hear(&reply);
                    return false;
                }
                Step::Body(octets) => {
                    let body = self.body.as_mut().expect("nothing was begun");
                    // Where octets are cut is for the way to say, so only a message's first ones are refused.
                    if body.is_empty() && self.house.refuses() {
                        self.heard.failed = true;
                        session.body_failed(Refusal::try_later());
                    }
                    body.extend_from_slice(octets);
                    return true;
                }
                Step::AskSender(asked) => {
                    assert_eq!(
                        session
                            .caller()
                            .is_some_and(|caller| caller.staff.is_some()),
                        self.role.is_submission()
                    );
                    self.accepted.clear();
                    let answer = self.refusal().map_or(Ok(()), Err);
                    session.answer_sender(asked, answer)
                }
                Step::AskRecipient(asked) => {
                    let answer = match self.refusal() {
                        Some(refusal) => Err(refusal),
                        None if self.reaches(asked.path()) => Ok(()),
                        None => Err(Refusal::no_relay()),
                    };
                    if answer.is_ok() {
                        self.accepted.push(name(asked.path()));
                    }
                    session.answer_recipient(asked, answer)
                }
                Step::Begin(begin) => {
                    self.assert_envelope(session.envelope().expect("a mail"));
                    let answer = self.refusal().map_or(Ok(()), Err);
                    self.body = answer.is_ok().then(Vec::new);
                    session.answer_begin(begin, answer)
                }
                Step::Finish(finish) => {
                    let taken = self.finished(session.envelope().expect("a mail"));
                    let answer = match self.refusal() {
                        Some(refusal) => Err(refusal),
                        None => {
                            self.heard.taken.push(taken);
                            let note = "Taken".into();
                            Ok(Accepted { note })
                        }
                    };
                    assert!(self.heard.taken.len() <= LIMITS.mails);
                    session.answer_finish(finish, answer)
                }
                Step::AskCredentials(asked) => {
                    assert!(self.role.is_submission(), "no door to log in at");
                    let answer = self.refusal().map_or_else(|| Ok(known(asked.user())), Err);
                    session.answer_credentials(asked, answer)
                }
                Step::Login(login) => {
                    let proven = matches!(login.outcome(), LoginOutcome::Proven(..));
                    if proven {
                        self.said.assert_proven();
                    }
                    // A house that says who it is without a proof isn't believed.
                    let answer = self.refusal().map_or_else(|| Ok(Some(entrant())), Err);
                    let step = session.answer_login(login, answer);
                    let is_in = session
                        .caller()
                        .is_some_and(|caller| caller.staff.is_some());
                    assert!(proven || !is_in, "somebody is in who proved nothing");
                    step
                }
            };
        }
    }

    fn refusal(&mut self) -> Option<Refusal> {
        let refused = self.house.refuses();
        refused.then(|| match self.house.below(4) {
            0 => Refusal::not_in_service(),
            _ => Refusal::try_later(),
        })
    }

    /// Strangers write to us alone.
    fn reaches(&self, path: &ForwardPath) -> bool {
        let ours = path
            .mailbox()
            .is_none_or(|mailbox| mailbox.domain() == "party.example");
        ours || self.role.is_submission()
    }

    fn assert_envelope(&self, mail: &Envelope) {
        let recipients: Vec<String> = mail.recipients.iter().map(|one| name(&one.path)).collect();
        assert!(!recipients.is_empty(), "a mail to nobody");
        let accepted = |one: &String| self.accepted.contains(one);
        assert!(
            recipients.iter().all(accepted),
            "a recipient nobody accepted"
        );
        assert_eq!(mail.caller.staff.is_some(), self.role.is_submission());
    }

    /// The message that is whole: nothing in it ends a line but CRLF, and behind DATA it is what came without its dots.
    fn finished(&mut self, mail: &Envelope) -> Taken {
        self.assert_envelope(mail);
        let text = self.body.take().expect("a message has a body");
        assert!(text.len() as u64 <= LIMITS.message_size);
        if !text.is_empty() {
            let whole = [&text[..], b"\r\n"].concat();
            let longest = lines(&whole).iter().map(|line| line.len()).max();
            assert!(longest.is_none_or(|longest| longest <= LIMITS.text_line));
        }
        if let Some(raw) = self.raw.take() {
            assert_unstuffed(&raw, &text);
        }
        Taken {
            recipients: mail.recipients.iter().map(|one| name(&one.path)).collect(),
            text,
        }
    }

    fn hear(&mut self, reply: &Reply) {
        self.heard.replies.push(assert_reply(reply));
    }
}

/// What a reply is on the wire.
fn assert_reply(reply: &Reply) -> Vec<u8> {
    let mut wire = Vec::new();
    reply.write_to(&mut wire);
    let code = reply.code().to_string();
    assert!(code.len() == 3 && (2..6).contains(&(reply.code() / 100)));
    let lines = lines(&wire);
    for (place, line) in lines.iter().enumerate() {
        let ends = place + 1 == lines.len();
        let begins = format!("{code}{}", if ends { ' ' } else { '-' });
        assert!(
            line.starts_with(begins.as_bytes()),
            "{}",
            line.escape_ascii()
        );
        assert!(line.is_ascii() && (line.len() <= 510 || code == "334"));
    }
    wire
}

/// A text with its end, and what it is without: each line loses the dot that it begins with, and the last isn't there.
fn assert_unstuffed(raw: &[u8], text: &[u8]) {
    let end = raw.strip_suffix(b".\r\n").expect("the end of a text");
    assert!(
        end.is_empty() || end.ends_with(b"\r\n"),
        "it ends at a line's begin"
    );
    assert!(
        !end.starts_with(b".\r\n") && !contains(end, b"\r\n.\r\n"),
        "it ended before"
    );
    let mut plain = Vec::new();
    for line in end.split_inclusive(|octet| *octet == b'\n') {
        plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    assert_eq!(plain, text, "another text");
}

fn encrypted(role: Role) -> Session {
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let id = ConnectionId::random();
    let secured = Secured::new(id, role, client, TlsInfo::pretended());
    let session = Session::new(secured, "mx.party.example".into(), LIMITS);
    assert_reply(&session.greeting());
    session
}

fn name(path: &ForwardPath) -> String {
    match path.mailbox() {
        Some(mailbox) => mailbox.as_str().to_owned(),
        None => "postmaster".to_owned(),
    }
}
