//! AUTH (RFC 4954) with the mechanisms of [`sasl`](crate::staff::sasl) and LOGIN: on submission only, and so after TLS only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::super::host::Refusal;
use super::super::session::{Login, Reading, Session, Step};
use super::out_of_turn;
use crate::smtp::reply::Reply;
use crate::staff::sasl::{Asked, Dialogue, Fault, Heard, Mechanism};
use crate::staff::{Entrant, Knocked, LoginOutcome};

/// LOGIN has no RFC, and many mail programs have nothing else.
const LOGIN: &str = "LOGIN";

/// Which of the client's messages comes next.
pub(in crate::smtp::server) enum Exchange {
    /// The first one of its mechanism.
    First(Mechanism),
    /// LOGIN's user name.
    LoginName,
    /// LOGIN's password, for this name.
    LoginPassword(Zeroizing<Vec<u8>>),
    /// The next of its dialogue.
    Next(Dialogue),
}

/// Says nothing of who logs in.
impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::First(_) => "First",
            Self::LoginName => "LoginName",
            Self::LoginPassword(_) => "LoginPassword",
            Self::Next(_) => "Next",
        })
    }
}

fn malformed() -> Reply {
    Reply::new(501, (5, 5, 2), "Authentication data not understood")
}

/// A server challenge, or an empty one.
fn challenge(text: &str) -> Step<'static> {
    Step::Reply(Reply::plain(334, STANDARD.encode(text)))
}

fn decode(line: &[u8]) -> Result<Zeroizing<Vec<u8>>, Reply> {
    let decoded = STANDARD.decode(line).map(Zeroizing::new);
    decoded.map_err(|_| malformed())
}

impl Session {
    fn is_bound(&self) -> bool {
        self.phase.tls().exporter().is_some()
    }

    /// The mechanisms as EHLO lists them.
    pub(in crate::smtp::server) fn mechanisms(&self) -> String {
        let offered = Mechanism::offered(self.is_bound());
        format!("{} {LOGIN}", offered.join(" "))
    }

    pub(in crate::smtp::server) fn auth(
        &mut self,
        arguments: &str,
    ) -> Result<Step<'static>, Reply> {
        if !self.phase.is_submission() {
            return Err(Reply::new(502, (5, 5, 1), "No authentication on this port"));
        }
        if !self.phase.may_log_in() {
            let caller = self.phase.caller();
            return Err(out_of_turn(match caller {
                Some(_) => "Logged in already",
                None => "EHLO first",
            }));
        }
        if arguments.is_empty() {
            return Err(Reply::new(501, (5, 5, 4), "Say AUTH and a mechanism"));
        }
        let (name, initial) = match arguments.split_once(' ') {
            Some((name, initial)) => (name, Some(initial)),
            None => (arguments, None),
        };
        let (first, prompt) = match Mechanism::named(name, self.is_bound()) {
            Some(mechanism) => (Exchange::First(mechanism), ""),
            None if name.eq_ignore_ascii_case(LOGIN) => (Exchange::LoginName, "Username:"),
            None => {
                return Err(Reply::new(
                    504,
                    (5, 5, 4),
                    "No such mechanism; choose \"normal password\" or SCRAM-SHA-256 in your mail program",
                ));
            }
        };
        match initial {
            Some("=") => self.auth_message(first, Zeroizing::default()),
            Some(initial) => self.auth_message(first, decode(initial.as_bytes())?),
            None => {
                self.reading = Reading::Auth(first);
                Ok(challenge(prompt))
            }
        }
    }

    /// A line of the client within the exchange.
    pub(in crate::smtp::server) fn auth_response(&mut self, line: &[u8]) -> Step<'static> {
        let Reading::Auth(exchange) = std::mem::replace(&mut self.reading, Reading::Command) else {
            return self.say(malformed());
        };
        if line == b"*" {
            return self.say(Reply::new(501, (5, 7, 0), "Authentication cancelled"));
        }
        decode(line)
            .and_then(|message| self.auth_message(exchange, message))
            .unwrap_or_else(|reply| self.say(reply))
    }

    fn auth_message(
        &mut self,
        exchange: Exchange,
        message: Zeroizing<Vec<u8>>,
    ) -> Result<Step<'static>, Reply> {
        let heard = match exchange {
            Exchange::First(mechanism) => mechanism.begin(&message, self.phase.tls().exporter()),
            Exchange::LoginName => {
                self.reading = Reading::Auth(Exchange::LoginPassword(message));
                return Ok(challenge("Password:"));
            }
            Exchange::LoginPassword(user) => {
                Asked::password(&user, &message).map_or(Heard::Failed(Fault::Malformed), Heard::Ask)
            }
            Exchange::Next(dialogue) => dialogue.hear(&message),
        };
        self.heard(heard)
    }

    fn heard(&mut self, heard: Heard) -> Result<Step<'static>, Reply> {
        match heard {
            Heard::Ask(asked) => Ok(Step::AskCredentials(asked)),
            Heard::Say(text, dialogue) => {
                self.reading = Reading::Auth(Exchange::Next(dialogue));
                Ok(challenge(&text))
            }
            Heard::Ended(outcome) => Ok(Step::Login(Login(outcome))),
            Heard::Failed(Fault::Malformed) => Err(malformed()),
            Heard::Failed(Fault::SomebodyElse) => Err(Reply::new(
                535,
                (5, 7, 8),
                "Nobody may log in for somebody else",
            )),
            Heard::Failed(Fault::NoSuchBinding) => {
                Err(Reply::new(504, (5, 5, 4), "No such channel binding"))
            }
        }
    }

    /// The host's answer to [`Step::AskCredentials`].
    pub fn answer_credentials(
        &mut self,
        asked: Asked,
        answer: Result<Knocked, Refusal>,
    ) -> Step<'static> {
        let step = match answer {
            Ok(Knocked { verifier, tried }) => self.heard(asked.answer(verifier, tried)),
            Err(refusal) => return self.not_now(refusal),
        };
        step.unwrap_or_else(|reply| self.say(reply))
    }

    /// Nobody may log in now. With 454 programs show what it says, where 421 is "no server" to many; trying again on the
    /// same connection is no use in either case.
    fn not_now(&mut self, refusal: Refusal) -> Step<'static> {
        match refusal.into_reply() {
            reply if reply.code() == 454 => Step::Close(reply),
            reply => self.say(reply),
        }
    }

    /// The host's answer to [`Step::Login`].
    pub fn answer_login(
        &mut self,
        login: Login,
        answer: Result<Option<Entrant>, Refusal>,
    ) -> Step<'static> {
        let Login(outcome) = login;
        match (outcome, answer) {
            (LoginOutcome::Proven(..), Ok(Some(staff))) => {
                self.phase.log_in(staff);
                Step::Reply(Reply::new(235, (2, 7, 0), "Logged in"))
            }
            (LoginOutcome::Proven(..), Err(refusal)) => self.not_now(refusal),
            (_, answer) => {
                self.counts.failed_logins += 1;
                if self.counts.failed_logins >= self.limits.failed_logins {
                    return Step::Close(Reply::new(
                        421,
                        (4, 7, 0),
                        "Too many failed log-ins on one connection; mend the password and dial again",
                    ));
                }
                let wrong = Reply::new(
                    535,
                    (5, 7, 8),
                    "User name or password wrong; type the password as it was shown, or have a new one made: hustings staff password add",
                );
                self.say(answer.err().map_or(wrong, Refusal::into_reply))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_names_nobody() {
        let exchange = Exchange::LoginPassword(Zeroizing::new(b"ann".to_vec()));
        assert_eq!(format!("{exchange:?}"), "LoginPassword");
    }
}
