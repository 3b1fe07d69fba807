//! A host of twenty lines and a driver of forty, for sessions without a socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::envelope::{ConnectionId, Recipient, Role, TlsInfo};
use super::super::super::host::{Accepted, Refusal};
use super::super::super::limits::Limits;
use super::super::{Open, OpenStep, Secured, Session, Step};
use crate::id::{PasswordId, StaffId};
use crate::smtp::path::ForwardPath;
use crate::smtp::reply::Reply;
use crate::staff::scram::Verifier;
use crate::staff::{Entrant, Knocked, LoginOutcome, Tried};

pub(in crate::smtp::server) const USER: &str = "ann";
pub(in crate::smtp::server) const PASSWORD: &str = "correct horse";
/// `\0ann\0correct horse`
pub(super) const PLAIN: &str = "AGFubgBjb3JyZWN0IGhvcnNl";
/// `\0ann\0wrong horse`
pub(super) const WRONG_PLAIN: &str = "AGFubgB3cm9uZyBob3JzZQ==";

/// Limits that tests can reach.
pub(super) fn small() -> Limits {
    Limits {
        message_size: 1000,
        text_line: 100,
        recipients: 3,
        mails: 4,
        errors: 5,
        idle_commands: 8,
        commands: 60,
        failed_logins: 2,
        octets_before_tls: 300,
    }
}

/// A message that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) recipients: Vec<String>,
    pub(super) text: Vec<u8>,
    pub(super) staff: bool,
}

/// A session, its peer and its host.
pub(super) struct World {
    session: Session,
    body: Option<Vec<u8>>,
    pending: Vec<u8>,
    pub(super) begin_refused: Option<Refusal>,
    pub(super) write_refused: Option<Refusal>,
    pub(super) finish_refused: Option<Refusal>,
    pub(super) codes: Vec<u16>,
    pub(super) last: Option<Reply>,
    pub(super) taken: Vec<Taken>,
    pub(super) closed: bool,
}

impl World {
    pub(super) fn new(role: Role, limits: Limits) -> Self {
        let client = std::net::Ipv4Addr::LOCALHOST.into();
        let secured = Secured::new(ConnectionId::random(), role, client, TlsInfo::pretended());
        Self {
            session: Session::new(secured, "mx.party.example".into(), limits),
            body: None,
            pending: Vec::new(),
            begin_refused: None,
            write_refused: None,
            finish_refused: None,
            codes: Vec::new(),
            last: None,
            taken: Vec::new(),
            closed: false,
        }
    }

    /// What the server said in its last challenge.
    pub(super) fn challenge(&self) -> String {
        let reply = self.last.as_ref().expect("a reply");
        let text = reply.lines().next().expect("a line");
        let octets = STANDARD.decode(text).expect("base64");
        String::from_utf8(octets).expect("UTF-8")
    }

    /// Feeds octets as they come from a socket, and does what the session says.
    pub(super) fn feed(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
        let input = std::mem::take(&mut self.pending);
        let mut at = 0;
        while !self.closed {
            let (used, step) = self.session.advance(&input[at..]);
            at += used;
            if !self.perform(step) {
                break;
            }
            if !self.session.wants_body() {
                self.body = None;
            }
        }
        self.pending = input[at..].to_vec();
    }

    /// False when the session wants more input.
    fn perform(&mut self, mut step: Step<'_>) -> bool {
        loop {
            step = match step {
                Step::NeedInput => return false,
                Step::Continue => return true,
                Step::Reply(reply) => return self.say(reply, false),
                Step::Close(reply) => return self.say(reply, true),
                Step::Body(octets) => {
                    match (&self.write_refused, &mut self.body) {
                        (None, Some(body)) => body.extend_from_slice(octets),
                        (refusal, _) => {
                            let refusal = refusal.clone().unwrap_or(Refusal::try_later());
                            self.session.body_failed(refusal);
                        }
                    }
                    return true;
                }
                Step::AskSender(asked) => self.session.answer_sender(asked, Ok(())),
                Step::AskRecipient(asked) => {
                    let answer = recipient(asked.path());
                    self.session.answer_recipient(asked, answer)
                }
                Step::Begin(begin) => {
                    let answer = self.begin_refused.clone().map_or(Ok(()), Err);
                    self.body = answer.is_ok().then(Vec::new);
                    self.session.answer_begin(begin, answer)
                }
                Step::Finish(finish) => {
                    let answer = self.finish();
                    self.session.answer_finish(finish, answer)
                }
                Step::AskCredentials(asked) => {
                    let answer = Ok(credentials(asked.user()));
                    self.session.answer_credentials(asked, answer)
                }
                Step::Login(login) => {
                    let proven = matches!(login.outcome(), LoginOutcome::Proven(..));
                    let member = proven.then(entrant);
                    self.session.answer_login(login, Ok(member))
                }
            };
        }
    }

    fn finish(&mut self) -> Result<Accepted, Refusal> {
        if let Some(refusal) = &self.finish_refused {
            return Err(refusal.clone());
        }
        let envelope = self.session.envelope().expect("a mail is finished once");
        let name = |one: &Recipient| match one.path.mailbox() {
            Some(mailbox) => mailbox.as_str().to_owned(),
            None => "postmaster".to_owned(),
        };
        self.taken.push(Taken {
            recipients: envelope.recipients.iter().map(name).collect(),
            text: self.body.take().expect("a message has a body"),
            staff: envelope.caller.staff.is_some(),
        });
        Ok(Accepted {
            note: "Accepted".into(),
        })
    }

    fn say(&mut self, reply: Reply, close: bool) -> bool {
        self.codes.push(reply.code());
        self.last = Some(reply);
        self.closed = close;
        true
    }
}

/// Ours is party.example; `locked@` and `full@` have troubles of their own.
pub(in crate::smtp::server) fn recipient(path: &ForwardPath) -> Result<(), Refusal> {
    let Some(mailbox) = path.mailbox() else {
        return Ok(());
    };
    match (mailbox.local(), mailbox.domain()) {
        ("locked", "party.example") => Err(Refusal::not_in_service()),
        ("full", "party.example") => Err(Refusal::try_later()),
        ("nobody", "party.example") => Err(Refusal::no_such_mailbox()),
        (_, "party.example") => Ok(()),
        _ => Err(Refusal::no_relay()),
    }
}

pub(in crate::smtp::server) fn credentials(user: &str) -> Knocked {
    if user == USER {
        Knocked {
            verifier: Verifier::new(PASSWORD).expect("printable"),
            tried: Tried::pretended(Some(member())),
        }
    } else {
        Knocked {
            verifier: Verifier::dummy(&[9; 32], user),
            tried: Tried::pretended(None),
        }
    }
}

/// Who has [`USER`] and [`PASSWORD`].
pub(in crate::smtp::server) fn member() -> StaffId {
    StaffId::from_bytes([1; 16])
}

/// The same, logged in.
pub(in crate::smtp::server) fn entrant() -> Entrant {
    Entrant {
        staff: member(),
        password: PasswordId::from_bytes([2; 16]),
    }
}

/// Feeds an [`Open`] a whole input; gives the codes, and whether TLS was started.
pub(super) fn open(input: &[u8], limits: Limits) -> (Vec<u16>, bool) {
    let mut open = Open::new("mx.party.example".into(), limits);
    let (mut at, mut codes) = (0, Vec::new());
    loop {
        let (used, step) = open.advance(&input[at..]);
        at += used;
        match step {
            OpenStep::NeedInput => return (codes, false),
            OpenStep::Reply(reply) => codes.push(reply.code()),
            OpenStep::StartTls(reply) => {
                codes.push(reply.code());
                return (codes, true);
            }
            OpenStep::Close(reply) => {
                codes.push(reply.code());
                return (codes, false);
            }
        }
    }
}

/// Plays a dialogue: `> ` is what the client sends, with CRLF; `< ` are the codes that come back to the last line
/// sent; `!` means closed.
fn converse(mut world: World, dialogue: &str) -> World {
    for line in dialogue
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if let Some(sent) = line.strip_prefix("> ") {
            world.codes.clear();
            world.feed(format!("{sent}\r\n").as_bytes());
        } else if let Some(codes) = line.strip_prefix("< ") {
            let expected: Vec<u16> = codes
                .split(' ')
                .map(|code| code.parse().expect("a code"))
                .collect();
            assert_eq!(world.codes, expected, "in\n{dialogue}");
        } else {
            assert_eq!(line, "!", "in\n{dialogue}");
            assert!(world.closed, "not closed in\n{dialogue}");
        }
    }
    world
}

/// A dialogue on the MX.
pub(super) fn mx(dialogue: &str) -> World {
    converse(World::new(Role::Mx, small()), dialogue)
}

/// A dialogue on a submission door.
pub(super) fn submission(dialogue: &str) -> World {
    converse(World::new(Role::Submission, small()), dialogue)
}
