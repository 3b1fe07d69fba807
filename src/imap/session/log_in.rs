//! Who is a stranger, and how they log in: LOGIN, AUTHENTICATE PLAIN (RFC 4616), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC
//! 7677, RFC 9266). TLS stands before the first octet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::step::Step;
use super::{bad, broken, bye, capabilities_after, capabilities_before, refused, tagged};
use crate::imap::codec::cursor::Syntax;
use crate::imap::codec::frame::{Event, Frame};
use crate::imap::codec::grammar;
use crate::imap::command::{Command, Tag};
use crate::imap::host::{Account, Credentials, LoginOutcome, Refusal};
use crate::imap::limits::Limits;
use crate::imap::session::Member;
use crate::smtp::server::TlsInfo;
use crate::staff::Tried;
use crate::staff::scram::{Binding, Challenge, ClientFirst, ScramError};

/// Longer names and passwords are nobody's.
const MAX_NAME: usize = 255;
const MAX_PASSWORD: usize = 1024;
/// A line of the dialogue.
const LINE: usize = 4096;

/// Somebody who hasn't logged in.
pub(in crate::imap) struct Stranger {
    limits: Limits,
    tls: TlsInfo,
    frame: Frame,
    /// The dialogue in which they are.
    dialogue: Option<(Tag, Exchange)>,
    commands: u32,
    failed: u32,
}

/// Which of the client's messages comes next.
enum Exchange {
    Plain,
    ScramFirst {
        plus: bool,
    },
    ScramFinal(Box<Challenge>, Tried),
    /// SCRAM's last word, which is empty.
    ScramEnd(LoginOutcome),
}

/// What is known of this user?
pub(in crate::imap) struct AskCredentials {
    tag: Tag,
    user: String,
    proof: Proof,
}

/// What the client wants to be believed by.
enum Proof {
    Password(Zeroizing<String>),
    Scram(ClientFirst),
}

impl AskCredentials {
    /// The user name as the client wrote it.
    pub(in crate::imap) fn user(&self) -> &str {
        &self.user
    }
}

impl std::fmt::Debug for AskCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AskCredentials(..)")
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
            Event::Whole(whole) => self.run(&Zeroizing::new(whole)),
            Event::Refused(held) => Step::Say(refused(&held)),
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
        let Some((tag, exchange)) = self.dialogue.take() else {
            return (length, Step::Continue);
        };
        let line = &input[..length];
        let step = match line.strip_suffix(b"\r\n") {
            None => Step::Close(bye("A line ends with CR LF")),
            Some(b"*") => Step::Say(tagged(&tag, "BAD", "Authentication cancelled")),
            Some(line) => self.hear_base64(tag, exchange, line),
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
            Command::Login { user, password } => self.password(tag, &user, &password),
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
        let bound = self.tls.exporter().is_some();
        let exchange = match mechanism {
            "PLAIN" => Exchange::Plain,
            "SCRAM-SHA-256" => Exchange::ScramFirst { plus: false },
            "SCRAM-SHA-256-PLUS" if bound => Exchange::ScramFirst { plus: true },
            _ => return Step::Say(tagged(&tag, "NO", "[CANNOT] No such mechanism")),
        };
        match initial.as_ref().map(|initial| initial.as_slice()) {
            None => {
                self.dialogue = Some((tag, exchange));
                Step::Say(b"+ \r\n".to_vec())
            }
            Some(b"=") => self.hear(tag, exchange, &Zeroizing::default()),
            Some(line) => self.hear_base64(tag, exchange, line),
        }
    }

    fn hear_base64(&mut self, tag: Tag, exchange: Exchange, line: &[u8]) -> Step<'static> {
        match STANDARD.decode(line).map(Zeroizing::new) {
            Ok(message) => self.hear(tag, exchange, &message),
            Err(_) => say(&tag, MALFORMED),
        }
    }

    fn hear(
        &mut self,
        tag: Tag,
        exchange: Exchange,
        message: &Zeroizing<Vec<u8>>,
    ) -> Step<'static> {
        match exchange {
            Exchange::Plain => match plain(message) {
                Ok((user, password)) => self.password(tag, user, password),
                Err(no) => say(&tag, no),
            },
            Exchange::ScramFirst { plus } => self.scram_first(tag, message, plus),
            Exchange::ScramFinal(proof, tried) => match proof.verify_which(message) {
                Ok((server_final, password)) => {
                    let outcome = LoginOutcome::of(tried, Some(password));
                    if !outcome.is_proven() {
                        return Step::Login(Login { tag, outcome });
                    }
                    self.challenge(tag, &server_final, Exchange::ScramEnd(outcome))
                }
                Err(ScramError::Malformed) => say(&tag, MALFORMED),
                Err(_) => {
                    let outcome = LoginOutcome::Refused(Some(tried));
                    Step::Login(Login { tag, outcome })
                }
            },
            Exchange::ScramEnd(outcome) if message.is_empty() => {
                Step::Login(Login { tag, outcome })
            }
            Exchange::ScramEnd(_) => say(&tag, MALFORMED),
        }
    }

    fn challenge(&mut self, tag: Tag, text: &str, next: Exchange) -> Step<'static> {
        self.dialogue = Some((tag, next));
        Step::Say(format!("+ {}\r\n", STANDARD.encode(text)).into_bytes())
    }

    fn scram_first(&mut self, tag: Tag, message: &[u8], plus: bool) -> Step<'static> {
        let binding = match (plus, self.tls.exporter()) {
            (true, Some(exporter)) => Binding::Required(exporter),
            (false, Some(_)) => Binding::Declined,
            (false, None) => Binding::NotOffered,
            (true, None) => return say(&tag, MALFORMED),
        };
        match ClientFirst::parse(message, binding) {
            Ok(first) => Step::AskCredentials(AskCredentials {
                tag,
                user: first.user().to_owned(),
                proof: Proof::Scram(first),
            }),
            Err(ScramError::Unsupported) => say(&tag, No("NO", "[CANNOT] No such channel binding")),
            Err(ScramError::ChannelBinding) => refuse(tag),
            Err(ScramError::Malformed | ScramError::Proof) => say(&tag, MALFORMED),
        }
    }

    fn password(&mut self, tag: Tag, user: &[u8], password: &[u8]) -> Step<'static> {
        match (text(user, MAX_NAME), text(password, MAX_PASSWORD)) {
            (Some(user), Some(password)) => Step::AskCredentials(AskCredentials {
                tag,
                user: user.to_owned(),
                proof: Proof::Password(Zeroizing::new(password.to_owned())),
            }),
            _ => say(&tag, WRONG),
        }
    }

    /// The host's answer to [`Step::AskCredentials`].
    pub(in crate::imap) fn answer_credentials(
        &mut self,
        asked: AskCredentials,
        answer: Result<Credentials, Refusal>,
    ) -> Step<'static> {
        let Credentials { verifier, tried } = match answer {
            Ok(credentials) => credentials,
            Err(refusal) => return self.fail(no(&asked.tag, &refusal)),
        };
        match asked.proof {
            Proof::Password(password) => Step::Login(Login {
                tag: asked.tag,
                outcome: LoginOutcome::of(tried, verifier.which_password(&password)),
            }),
            Proof::Scram(first) => {
                let proof = first.challenge(verifier);
                let text = proof.message().to_owned();
                let next = Exchange::ScramFinal(Box::new(proof), tried);
                self.challenge(asked.tag, &text, next)
            }
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

fn refuse(tag: Tag) -> Step<'static> {
    let outcome = LoginOutcome::Refused(None);
    Step::Login(Login { tag, outcome })
}

fn text(octets: &[u8], longest: usize) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let fits = !text.is_empty() && text.len() <= longest && !text.contains('\0');
    fits.then_some(text)
}

/// `[authzid] NUL authcid NUL passwd`. Nobody acts for anybody else, so the first is empty or equals the second.
fn plain(message: &[u8]) -> Result<(&[u8], &[u8]), No> {
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(identity), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(MALFORMED);
    };
    if !identity.is_empty() && identity != user {
        return Err(No(
            "NO",
            "[AUTHORIZATIONFAILED] Nobody may log in for somebody else",
        ));
    }
    Ok((user, password))
}

/// The start of a browser's request: it was made to talk to us, and the rest is somebody's form.
fn is_http(whole: &[u8]) -> bool {
    [&b"GET "[..], b"POST ", b"PUT ", b"HEAD "]
        .iter()
        .any(|start| whole.starts_with(start))
}
