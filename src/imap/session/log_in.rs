//! Who is a stranger, and how they log in: LOGIN, and AUTHENTICATE with the mechanisms of [`sasl`](crate::staff::sasl). TLS
//! stands before the first octet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::step::Step;
use super::{bad, broken, bye, capabilities_after, capabilities_before, refused, tagged};
use crate::imap::codec::cursor::Syntax;
use crate::imap::codec::frame::{Event, Frame};
use crate::imap::codec::grammar;
use crate::imap::command::{Command, Tag};
use crate::imap::host::{Account, Refusal};
use crate::imap::limits::Limits;
use crate::imap::session::Member;
use crate::staff::sasl::{Asked, Dialogue, Fault, Heard, Mechanism};
use crate::staff::{Knocked, LoginOutcome, Proof};
use crate::tls::TlsInfo;

/// A line of the dialogue.
const LINE: usize = 4096;

/// Somebody who hasn't logged in.
pub(in crate::imap) struct Stranger {
    limits: Limits,
    tls: TlsInfo,
    frame: Frame,
    /// The dialogue in which they are.
    dialogue: Option<(Tag, Awaiting)>,
    commands: u32,
    failed: u32,
}

/// Which of the client's messages comes next.
enum Awaiting {
    /// The first of a mechanism.
    First(Mechanism),
    /// The next of a dialogue.
    Next(Dialogue),
}

/// What is known of this user?
#[derive(Debug)]
pub(in crate::imap) struct AskCredentials {
    tag: Tag,
    asked: Asked,
}

impl AskCredentials {
    /// The user name as the client wrote it.
    pub(in crate::imap) fn user(&self) -> &str {
        self.asked.user()
    }

    /// What it asks of us to believe them.
    pub(in crate::imap) fn proof(&self) -> Proof {
        self.asked.proof()
    }
}

/// A log-in has ended.
#[derive(Debug)]
pub(in crate::imap) struct Login {
    tag: Tag,
    outcome: LoginOutcome,
}

impl Login {
    /// How.
    pub(in crate::imap) fn outcome(&self) -> LoginOutcome {
        self.outcome
    }
}

/// What came of a log-in.
pub(in crate::imap) enum Admitted {
    /// Nobody was let in.
    Not(Step<'static>),
    /// Somebody was: this is to be said.
    Member(Box<Member>, Account, Vec<u8>),
}

/// A text that ends a dialogue.
struct No(&'static str, &'static str);

const MALFORMED: No = No("BAD", "Authentication data not understood");
const WRONG: No = No("NO", "[AUTHENTICATIONFAILED] User name or password wrong");

impl Stranger {
    /// Somebody behind TLS who has said nothing yet.
    pub(in crate::imap) fn new(tls: TlsInfo, limits: Limits) -> Self {
        Self {
            limits,
            tls,
            frame: Frame::default(),
            dialogue: None,
            commands: 0,
            failed: 0,
        }
    }

    /// How much of a command is held.
    #[cfg(any(test, fuzzing))]
    pub(in crate::imap) fn held(&self) -> usize {
        self.frame.held().len()
    }

    fn capabilities(&self) -> String {
        capabilities_before(self.tls.exporter().is_some())
    }

    /// The first words.
    pub(in crate::imap) fn greeting(&self) -> Vec<u8> {
        format!(
            "* OK [CAPABILITY {}] Hustings is ready\r\n",
            self.capabilities()
        )
        .into_bytes()
    }

    /// Takes what it can from the start of `input`: how many octets, and what to do about them.
    pub(in crate::imap) fn advance(&mut self, input: &[u8]) -> (usize, Step<'static>) {
        if self.dialogue.is_some() {
            return self.take_line(input);
        }
        let (used, event) = self.frame.take(input, self.limits.command.0, false);
        let step = match event {
            Event::Starved if used == 0 || used == input.len() => Step::NeedInput,
            Event::Starved => Step::Continue,
            Event::Ready => Step::Say(b"+ Go on\r\n".to_vec()),
            Event::Whole(whole) => self.run(&whole),
            Event::Refused(held) | Event::Misread(held, ..) => Step::Say(refused(&held)),
            Event::Broken(fault) => Step::Close(broken(self.frame.held(), input, fault)),
            // Not from a stranger.
            Event::Append(begun) => Step::Close(tagged(&begun.tag, "BAD", "Log in first")),
        };
        (used, step)
    }

    fn take_line(&mut self, input: &[u8]) -> (usize, Step<'static>) {
        let end = memchr::memchr(b'\n', input);
        let length = end.map_or(input.len(), |end| end + 1);
        if length > LINE {
            return (0, Step::Close(bye("The line is too long")));
        }
        let Some(_) = end else {
            return (0, Step::NeedInput);
        };
        let Some((tag, awaiting)) = self.dialogue.take() else {
            return (length, Step::Continue);
        };
        let line = &input[..length];
        let step = match line.strip_suffix(b"\r\n") {
            None => Step::Close(bye("A line ends with CR LF")),
            Some(b"*") => Step::Say(tagged(&tag, "BAD", "Authentication cancelled")),
            Some(line) => self.hear_base64(tag, awaiting, line),
        };
        (length, step)
    }

    fn run(&mut self, whole: &[u8]) -> Step<'static> {
        self.commands += 1;
        if self.commands > self.limits.commands_before_log_in {
            return Step::Close(bye("Too many commands before a log-in"));
        }
        let (tag, command) = match grammar::read(whole) {
            Ok(read) => read,
            Err((tag, _)) if is_http(whole) => {
                return Step::Close(bad(tag.as_ref(), Syntax("This is no web server")));
            }
            Err((tag, syntax)) => return Step::Say(bad(tag.as_ref(), syntax)),
        };
        match command {
            Command::Capability => {
                let mut text = format!("* CAPABILITY {}\r\n", self.capabilities()).into_bytes();
                text.extend(tagged(&tag, "OK", "Done"));
                Step::Say(text)
            }
            Command::Noop => Step::Say(tagged(&tag, "OK", "Done")),
            Command::Id => {
                let mut text = b"* ID (\"name\" \"Hustings\")\r\n".to_vec();
                text.extend(tagged(&tag, "OK", "Done"));
                Step::Say(text)
            }
            Command::Logout => {
                let mut text = bye("Good bye");
                text.extend(tagged(&tag, "OK", "Done"));
                Step::Close(text)
            }
            Command::Login { user, password } => match Asked::password(&user, &password) {
                Some(asked) => Step::AskCredentials(AskCredentials { tag, asked }),
                None => say(&tag, WRONG),
            },
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(tag, &mechanism, initial)
            }
            _ => Step::Say(tagged(&tag, "BAD", "Log in first")),
        }
    }

    fn authenticate(
        &mut self,
        tag: Tag,
        mechanism: &str,
        initial: Option<Zeroizing<Vec<u8>>>,
    ) -> Step<'static> {
        let Some(mechanism) = Mechanism::named(mechanism, self.tls.exporter().is_some()) else {
            return Step::Say(tagged(&tag, "NO", "[CANNOT] No such mechanism"));
        };
        let first = Awaiting::First(mechanism);
        match initial.as_ref().map(|initial| initial.as_slice()) {
            None => {
                self.dialogue = Some((tag, first));
                Step::Say(b"+ \r\n".to_vec())
            }
            Some(b"=") => self.hear(tag, first, b""),
            Some(line) => self.hear_base64(tag, first, line),
        }
    }

    fn hear_base64(&mut self, tag: Tag, awaiting: Awaiting, line: &[u8]) -> Step<'static> {
        match STANDARD.decode(line).map(Zeroizing::new) {
            Ok(message) => self.hear(tag, awaiting, &message),
            Err(_) => say(&tag, MALFORMED),
        }
    }

    fn hear(&mut self, tag: Tag, awaiting: Awaiting, message: &[u8]) -> Step<'static> {
        let heard = match awaiting {
            Awaiting::First(mechanism) => mechanism.begin(message, self.tls.exporter()),
            Awaiting::Next(dialogue) => dialogue.hear(message),
        };
        self.heard(tag, heard)
    }

    fn heard(&mut self, tag: Tag, heard: Heard) -> Step<'static> {
        match heard {
            Heard::Ask(asked) => Step::AskCredentials(AskCredentials { tag, asked }),
            Heard::Say(text, dialogue) => {
                self.dialogue = Some((tag, Awaiting::Next(dialogue)));
                Step::Say(format!("+ {}\r\n", STANDARD.encode(text)).into_bytes())
            }
            Heard::Ended(outcome) => Step::Login(Login { tag, outcome }),
            Heard::Failed(fault) => say(&tag, no_of(fault)),
        }
    }

    /// The host's answer to [`Step::AskCredentials`].
    pub(in crate::imap) fn answer_credentials(
        &mut self,
        AskCredentials { tag, asked }: AskCredentials,
        answer: Result<Knocked, Refusal>,
    ) -> Step<'static> {
        match answer {
            Ok(Knocked { verifier, tried }) => self.heard(tag, asked.answer(verifier, tried)),
            Err(refusal) => self.fail(no(&tag, &refusal)),
        }
    }

    /// The host's answer to [`Step::Login`].
    pub(in crate::imap) fn answer_login(
        &mut self,
        login: Login,
        answer: Result<Option<Account>, Refusal>,
    ) -> Admitted {
        let Login { tag, outcome } = login;
        match (outcome, answer) {
            (LoginOutcome::Proven(..), Ok(Some(account))) => {
                let known = capabilities_after(self.limits.message_size);
                let text = tagged(&tag, "OK", &format!("[CAPABILITY {known}] Logged in"));
                Admitted::Member(Box::new(self.admit()), account, text)
            }
            (LoginOutcome::Proven(..), Err(refusal)) => {
                Admitted::Not(Step::Say(no(&tag, &refusal)))
            }
            (_, Err(refusal)) => Admitted::Not(self.fail(no(&tag, &refusal))),
            (_, Ok(_)) => Admitted::Not(self.fail(tagged(&tag, WRONG.0, WRONG.1))),
        }
    }

    /// One failed log-in too many closes the connection.
    fn fail(&mut self, mut text: Vec<u8>) -> Step<'static> {
        self.failed += 1;
        if self.failed < self.limits.failed_logins {
            return Step::Say(text);
        }
        text.extend(bye("Too many failed log-ins"));
        Step::Close(text)
    }

    fn admit(&mut self) -> Member {
        Member::new(self.limits)
    }
}

fn say(tag: &Tag, No(status, text): No) -> Step<'static> {
    Step::Say(tagged(tag, status, text))
}

fn no(tag: &Tag, refusal: &Refusal) -> Vec<u8> {
    tagged(tag, "NO", &format!("[{}] {}", refusal.code, refusal.text))
}

fn no_of(fault: Fault) -> No {
    match fault {
        Fault::Malformed => MALFORMED,
        Fault::SomebodyElse => No(
            "NO",
            "[AUTHORIZATIONFAILED] Nobody may log in for somebody else",
        ),
        Fault::NoSuchBinding => No("NO", "[CANNOT] No such channel binding"),
    }
}

/// The start of a browser's request: it was made to talk to us, and the rest is somebody's form.
fn is_http(whole: &[u8]) -> bool {
    [&b"GET "[..], b"POST ", b"PUT ", b"HEAD "]
        .iter()
        .any(|start| whole.starts_with(start))
}
