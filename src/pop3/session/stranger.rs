//! Who hasn't logged in: USER and PASS, AUTH (RFC 5034). TLS stands before the first octet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Command, Line, Member, Step, broken, capabilities, err, line, not_http, ok};
use crate::mailbox::Maildrop;
use crate::pop3::host::Refusal;
use crate::pop3::limits::{COMMAND_LINE, DIALOGUE_LINE, Limits};
use crate::staff::sasl::{Asked, Dialogue, Fault, Heard, Mechanism};
use crate::staff::{Knocked, LoginOutcome};
use crate::tls::TlsInfo;

/// Somebody who hasn't logged in.
pub(in crate::pop3) struct Stranger {
    limits: Limits,
    tls: TlsInfo,
    awaiting: Awaiting,
    commands: u32,
    failed: u32,
}

/// What comes next.
enum Awaiting {
    Command,
    /// PASS, for this name.
    Password(Vec<u8>),
    /// The first message of a dialogue.
    First(Mechanism),
    /// Its next.
    Next(Dialogue),
}

/// A log-in has ended.
#[derive(Debug)]
pub(in crate::pop3) struct Login(LoginOutcome);

impl Login {
    /// How.
    pub(in crate::pop3) fn outcome(&self) -> LoginOutcome {
        self.0
    }
}

/// What came of a log-in.
pub(in crate::pop3) enum Admitted {
    /// Nobody was let in.
    Not(Step),
    /// Somebody was: this is to be said.
    Member(Member, Vec<u8>),
}

const MALFORMED: &str = "Authentication data not understood";
const WRONG: &str = "[AUTH] User name or password wrong";

impl Stranger {
    /// Somebody behind TLS who has said nothing yet.
    pub(in crate::pop3) fn new(tls: TlsInfo, limits: Limits) -> Self {
        Self {
            limits,
            tls,
            awaiting: Awaiting::Command,
            commands: 0,
            failed: 0,
        }
    }

    /// The first words. There is no time stamp in them, and so no APOP, which would need passwords in the clear.
    pub(in crate::pop3) fn greeting() -> Vec<u8> {
        ok("Hustings is ready")
    }

    /// Takes a line from the start of `input`: how many octets, and what to do about it.
    pub(in crate::pop3) fn advance(&mut self, input: &[u8]) -> (usize, Step) {
        let in_dialogue = matches!(self.awaiting, Awaiting::First(_) | Awaiting::Next(_));
        let limit = if in_dialogue {
            DIALOGUE_LINE
        } else {
            COMMAND_LINE
        };
        match line::take(input, limit) {
            Line::Partial => (0, Step::NeedInput),
            Line::Broken(why) => (0, broken(why)),
            Line::Whole(line, used) if in_dialogue => (used, self.hear_line(line)),
            Line::Whole(line, used) => (used, self.run(line)),
        }
    }

    fn run(&mut self, line: &[u8]) -> Step {
        self.commands += 1;
        if self.commands > self.limits.commands_before_log_in {
            return Step::Close(err("Too many commands before a log-in"));
        }
        let before = std::mem::replace(&mut self.awaiting, Awaiting::Command);
        let command = match line::read(line) {
            Ok(command) => command,
            Err(why) => return Step::Say(err(why)),
        };
        match (command, before) {
            (Command::Capa, _) => Step::Say(capabilities(self.is_bound())),
            (Command::Quit, _) => Step::Close(ok("Good bye")),
            (Command::Http, _) => not_http(),
            (Command::User(name), _) => {
                self.awaiting = Awaiting::Password(name.to_vec());
                Step::Say(ok("And the password?"))
            }
            (Command::Pass(password), Awaiting::Password(name)) => {
                let asked = Asked::password(&name, password);
                let nobody = || Step::Login(Login(LoginOutcome::Refused(None)));
                asked.map_or_else(nobody, Step::AskCredentials)
            }
            (Command::Pass(_), _) => Step::Say(err("USER first")),
            (Command::AuthList, _) => {
                let mechanisms = Mechanism::offered(self.is_bound()).join("\r\n");
                Step::Say(format!("+OK\r\n{mechanisms}\r\n.\r\n").into_bytes())
            }
            (Command::Auth(name, initial), _) => self.auth(name, initial),
            _ => Step::Say(err("Log in first")),
        }
    }

    fn is_bound(&self) -> bool {
        self.tls.exporter().is_some()
    }

    fn auth(&mut self, name: &[u8], initial: Option<&[u8]>) -> Step {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let Some(mechanism) = Mechanism::named(name, self.is_bound()) else {
            return Step::Say(err("No such mechanism"));
        };
        match initial {
            None => {
                self.awaiting = Awaiting::First(mechanism);
                Step::Say(b"+ \r\n".to_vec())
            }
            Some(b"=") => self.heard(mechanism.begin(b"", self.tls.exporter())),
            Some(initial) => match STANDARD.decode(initial).map(Zeroizing::new) {
                Ok(message) => self.heard(mechanism.begin(&message, self.tls.exporter())),
                Err(_) => Step::Say(err(MALFORMED)),
            },
        }
    }

    fn hear_line(&mut self, line: &[u8]) -> Step {
        let awaiting = std::mem::replace(&mut self.awaiting, Awaiting::Command);
        if line == b"*" {
            return Step::Say(err("Authentication cancelled"));
        }
        let Ok(message) = STANDARD.decode(line).map(Zeroizing::new) else {
            return Step::Say(err(MALFORMED));
        };
        let heard = match awaiting {
            Awaiting::First(mechanism) => mechanism.begin(&message, self.tls.exporter()),
            Awaiting::Next(dialogue) => dialogue.hear(&message),
            Awaiting::Command | Awaiting::Password(_) => Heard::Failed(Fault::Malformed),
        };
        self.heard(heard)
    }

    fn heard(&mut self, heard: Heard) -> Step {
        match heard {
            Heard::Ask(asked) => Step::AskCredentials(asked),
            Heard::Say(text, dialogue) => {
                self.awaiting = Awaiting::Next(dialogue);
                Step::Say(format!("+ {}\r\n", STANDARD.encode(text)).into_bytes())
            }
            Heard::Ended(outcome) => Step::Login(Login(outcome)),
            Heard::Failed(Fault::Malformed) => Step::Say(err(MALFORMED)),
            Heard::Failed(Fault::SomebodyElse) => {
                Step::Say(err("[AUTH] Nobody may log in for somebody else"))
            }
            Heard::Failed(Fault::NoSuchBinding) => Step::Say(err("No such channel binding")),
        }
    }

    /// The host's answer to [`Step::AskCredentials`].
    pub(in crate::pop3) fn answer_credentials(
        &mut self,
        asked: Asked,
        answer: Result<Knocked, Refusal>,
    ) -> Step {
        match answer {
            Ok(Knocked { verifier, tried }) => {
                let heard = asked.answer(verifier, tried);
                self.heard(heard)
            }
            Err(refusal) => Step::Say(no(&refusal)),
        }
    }

    /// The answer to [`Step::Login`]: whoever is let in, is with their maildrop.
    pub(in crate::pop3) fn answer_login(
        &mut self,
        login: Login,
        answer: Result<Option<Maildrop>, Refusal>,
    ) -> Admitted {
        match (login, answer) {
            (Login(LoginOutcome::Proven(..)), Ok(Some(maildrop))) => {
                let member = Member::new(maildrop, self.is_bound(), self.limits);
                let said = member.welcome();
                Admitted::Member(member, said)
            }
            (Login(LoginOutcome::Proven(..)), Err(refusal)) => {
                Admitted::Not(Step::Say(no(&refusal)))
            }
            (Login(_), answer) => {
                self.failed += 1;
                if self.failed >= self.limits.failed_logins {
                    let last = err("[AUTH] Too many failed log-ins");
                    return Admitted::Not(Step::Close(last));
                }
                let said = answer
                    .err()
                    .map_or_else(|| err(WRONG), |refusal| no(&refusal));
                Admitted::Not(Step::Say(said))
            }
        }
    }
}

fn no(refusal: &Refusal) -> Vec<u8> {
    err(&format!("[{}] {}", refusal.code, refusal.text))
}
