//! AUTH (RFC 4954) with PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 7677, RFC 9266): on
//! submission only, and so after TLS only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::super::host::{Credentials, LoginOutcome, Refusal};
use super::super::session::step::Proof;
use super::super::session::{AskCredentials, Login, Reading, Session, Step};
use super::out_of_turn;
use crate::id::StaffId;
use crate::smtp::reply::Reply;
use crate::staff::Tried;
use crate::staff::scram::{Binding, Challenge, ClientFirst, ScramError, Verifier};

/// How a client may log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::smtp::server) enum Mechanism {
    Plain,
    Login,
    Scram,
    ScramPlus,
}

/// Which of the client's messages comes next.
pub(in crate::smtp::server) enum Exchange {
    /// The first one of its mechanism.
    First(Mechanism),
    /// LOGIN's password.
    LoginPassword(String),
    /// SCRAM's proof.
    ScramFinal(Box<Challenge>, Tried),
    /// SCRAM's last word, which is empty.
    ScramEnd(LoginOutcome),
}

/// Says nothing of who logs in.
impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::First(_) => "First",
            Self::LoginPassword(_) => "LoginPassword",
            Self::ScramFinal(..) => "ScramFinal",
            Self::ScramEnd(_) => "ScramEnd",
        })
    }
}

/// Longer names and passwords are nobody's.
const MAX_NAME: usize = 255;
const MAX_PASSWORD: usize = 1024;

fn malformed() -> Reply {
    Reply::new(501, (5, 5, 2), "Authentication data not understood")
}

/// A server challenge, or an empty one.
fn challenge(text: &str) -> Step<'static> {
    Step::Reply(Reply::plain(334, STANDARD.encode(text)))
}

fn text(message: Zeroizing<Vec<u8>>, longest: usize) -> Result<Zeroizing<String>, Reply> {
    let text = std::str::from_utf8(&message).map_err(|_| malformed())?;
    if text.is_empty() || text.len() > longest || text.contains('\0') {
        return Err(malformed());
    }
    Ok(Zeroizing::new(text.to_owned()))
}

impl Session {
    /// The mechanisms as EHLO lists them; `-PLUS` only where the channel can be bound to.
    pub(in crate::smtp::server) fn mechanisms(&self) -> &'static str {
        if self.phase.tls().exporter().is_some() {
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"
        } else {
            "SCRAM-SHA-256 PLAIN LOGIN"
        }
    }

    fn mechanism(&self, name: &str) -> Option<Mechanism> {
        match name.to_ascii_uppercase().as_str() {
            "PLAIN" => Some(Mechanism::Plain),
            "LOGIN" => Some(Mechanism::Login),
            "SCRAM-SHA-256" => Some(Mechanism::Scram),
            "SCRAM-SHA-256-PLUS" if self.phase.tls().exporter().is_some() => {
                Some(Mechanism::ScramPlus)
            }
            _ => None,
        }
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
        let (name, initial) = match arguments.split_once(' ') {
            Some((name, initial)) => (name, Some(initial)),
            None => (arguments, None),
        };
        let mechanism = self
            .mechanism(name)
            .ok_or_else(|| Reply::new(
                    504,
                    (5, 5, 4),
                    "No such mechanism; choose \"normal password\" or SCRAM-SHA-256 in your mail program",
                ))?;
        let first = Exchange::First(mechanism);
        match initial {
            Some("=") => self.auth_message(first, Zeroizing::default()),
            Some(initial) => self.auth_message(first, decode(initial.as_bytes())?),
            None => {
                self.reading = Reading::Auth(first);
                Ok(challenge(match mechanism {
                    Mechanism::Login => "Username:",
                    _ => "",
                }))
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
        match exchange {
            Exchange::First(Mechanism::Plain) => plain(&message),
            Exchange::First(Mechanism::Login) => {
                let user = text(message, MAX_NAME)?.to_string();
                self.reading = Reading::Auth(Exchange::LoginPassword(user));
                Ok(challenge("Password:"))
            }
            Exchange::First(Mechanism::Scram) => {
                let offered = self.phase.tls().exporter().is_some();
                scram(
                    &message,
                    if offered {
                        Binding::Declined
                    } else {
                        Binding::NotOffered
                    },
                )
            }
            Exchange::First(Mechanism::ScramPlus) => {
                let exporter = self.phase.tls().exporter().ok_or_else(malformed)?;
                scram(&message, Binding::Required(exporter))
            }
            Exchange::LoginPassword(user) => Ok(Step::AskCredentials(AskCredentials {
                user,
                proof: Proof::Password(text(message, MAX_PASSWORD)?),
            })),
            Exchange::ScramFinal(challenge, tried) => self.scram_final(*challenge, tried, &message),
            Exchange::ScramEnd(outcome) if message.is_empty() => Ok(Step::Login(Login(outcome))),
            Exchange::ScramEnd(_) => Err(malformed()),
        }
    }

    fn scram_final(
        &mut self,
        proof: Challenge,
        tried: Tried,
        message: &[u8],
    ) -> Result<Step<'static>, Reply> {
        match proof.verify_which(message) {
            Ok((server_final, password)) => {
                let end = Exchange::ScramEnd(LoginOutcome::Proven(tried, password));
                self.reading = Reading::Auth(end);
                Ok(challenge(&server_final))
            }
            Err(ScramError::Malformed) => Err(malformed()),
            Err(_) => Ok(Step::Login(Login(LoginOutcome::Refused(Some(tried))))),
        }
    }

    /// The host's answer to [`Step::AskCredentials`].
    pub fn answer_credentials(
        &mut self,
        asked: AskCredentials,
        answer: Result<Credentials, Refusal>,
    ) -> Step<'static> {
        let Credentials { verifier, tried } = match answer {
            Ok(credentials) => credentials,
            Err(refusal) => return self.say(refusal.into_reply()),
        };
        match asked.proof {
            Proof::Password(password) => Step::Login(Login(check(&verifier, &password, tried))),
            Proof::Scram(first) => {
                let proof = first.challenge(verifier);
                let step = challenge(proof.message());
                self.reading = Reading::Auth(Exchange::ScramFinal(Box::new(proof), tried));
                step
            }
        }
    }

    /// The host's answer to [`Step::Login`].
    pub fn answer_login(
        &mut self,
        login: Login,
        answer: Result<Option<StaffId>, Refusal>,
    ) -> Step<'static> {
        let Login(outcome) = login;
        match (outcome, answer) {
            (LoginOutcome::Proven(..), Ok(Some(staff))) => {
                self.phase.log_in(staff);
                Step::Reply(Reply::new(235, (2, 7, 0), "Logged in"))
            }
            (LoginOutcome::Proven(..), Err(refusal)) => self.say(refusal.into_reply()),
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

/// The password is checked even against a dummy, so that both take as long.
fn check(verifier: &Verifier, password: &str, tried: Tried) -> LoginOutcome {
    LoginOutcome::of(tried, verifier.which_password(password))
}

fn decode(line: &[u8]) -> Result<Zeroizing<Vec<u8>>, Reply> {
    STANDARD
        .decode(line)
        .map(Zeroizing::new)
        .map_err(|_| malformed())
}

/// `[authzid] NUL authcid NUL passwd`. Nobody acts for anybody else, so the first is empty or equals the second.
fn plain(message: &[u8]) -> Result<Step<'static>, Reply> {
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(identity), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    if !identity.is_empty() && identity != user {
        return Err(Reply::new(
            535,
            (5, 7, 8),
            "Nobody may log in for somebody else",
        ));
    }
    Ok(Step::AskCredentials(AskCredentials {
        user: text(Zeroizing::new(user.to_vec()), MAX_NAME)?.to_string(),
        proof: Proof::Password(text(Zeroizing::new(password.to_vec()), MAX_PASSWORD)?),
    }))
}

fn scram(message: &[u8], binding: Binding<'_>) -> Result<Step<'static>, Reply> {
    match ClientFirst::parse(message, binding) {
        Ok(first) => Ok(Step::AskCredentials(AskCredentials {
            user: first.user().to_owned(),
            proof: Proof::Scram(first),
        })),
        Err(ScramError::Unsupported) => Err(Reply::new(504, (5, 5, 4), "No such channel binding")),
        Err(ScramError::ChannelBinding) => Ok(Step::Login(Login(LoginOutcome::Refused(None)))),
        Err(ScramError::Malformed | ScramError::Proof) => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_names_nobody() {
        let exchange = Exchange::LoginPassword("ann".into());
        assert_eq!(format!("{exchange:?}"), "LoginPassword");
    }
}
