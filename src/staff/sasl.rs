//! The dialogues by which a mail program logs in (SASL): PLAIN (RFC 4616), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 7677, RFC
//! 9266), and a user name with a password. What a door carries them in (base64 in lines of its own) is the door's.

use zeroize::Zeroizing;

use super::knock::LoginOutcome;
use super::scram::{Binding, Challenge, ClientFirst, ScramError, Verifier};
use super::tries::{Proof, Tried};

/// Longer names and passwords are nobody's.
const MAX_NAME: usize = 255;
const MAX_PASSWORD: usize = 1024;

/// How a client may log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// PLAIN.
    Plain,
    /// SCRAM-SHA-256.
    Scram,
    /// SCRAM-SHA-256-PLUS.
    ScramPlus,
}

/// A dialogue that goes on: which of the client's messages comes next.
pub struct Dialogue(Next);

enum Next {
    Proof(Box<Challenge>, Tried),
    /// SCRAM's last word, which is empty.
    End(LoginOutcome),
}

/// What follows from a message.
#[derive(Debug)]
pub enum Heard {
    /// It hangs on what is known of a user: [`Asked::answer`].
    Ask(Asked),
    /// This is to be said to the client, and its answer to be heard.
    Say(String, Dialogue),
    /// It has ended: somebody was proven, or nobody.
    Ended(LoginOutcome),
    /// It has ended, and nothing was proven or disproven.
    Failed(Fault),
}

/// Why a dialogue ended without an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The message is none of the mechanism's.
    Malformed,
    /// It wants to act for somebody else.
    SomebodyElse,
    /// The channel can't be bound like that.
    NoSuchBinding,
}

/// A user of whom it must be known what their password is checked against.
pub struct Asked {
    user: String,
    means: Means,
}

/// What the client wants to be believed by.
enum Means {
    Password(Zeroizing<String>),
    Scram(ClientFirst),
}

impl Mechanism {
    /// Those that can be used; `-PLUS` where the channel can be bound to.
    pub fn offered(bound: bool) -> &'static [&'static str] {
        match bound {
            true => &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"],
            false => &["SCRAM-SHA-256", "PLAIN"],
        }
    }

    /// The mechanism of this name, if it's offered.
    pub fn named(name: &str, bound: bool) -> Option<Self> {
        let mut offered = Self::offered(bound).iter();
        match *offered.find(|offered| offered.eq_ignore_ascii_case(name))? {
            "PLAIN" => Some(Self::Plain),
            "SCRAM-SHA-256" => Some(Self::Scram),
            _ => Some(Self::ScramPlus),
        }
    }

    /// Hears the client's first message. `exporter` is what the channel can be bound to.
    pub fn begin(self, message: &[u8], exporter: Option<&[u8; 32]>) -> Heard {
        let binding = match (self, exporter) {
            (Self::Plain, _) => return plain(message),
            (Self::ScramPlus, Some(exporter)) => Binding::Required(exporter),
            (_, Some(_)) => Binding::Declined,
            (_, None) => Binding::NotOffered,
        };
        match ClientFirst::parse(message, binding) {
            Ok(first) => Heard::Ask(Asked {
                user: first.user().to_owned(),
                means: Means::Scram(first),
            }),
            Err(ScramError::Unsupported) => Heard::Failed(Fault::NoSuchBinding),
            Err(ScramError::ChannelBinding) => Heard::Ended(LoginOutcome::Refused(None)),
            Err(ScramError::Malformed | ScramError::Proof) => Heard::Failed(Fault::Malformed),
        }
    }
}

impl Dialogue {
    /// Hears the client's next message.
    pub fn hear(self, message: &[u8]) -> Heard {
        match self.0 {
            Next::Proof(challenge, tried) => match challenge.verify(message) {
                Ok((last, password)) => match LoginOutcome::of(tried, Some(password)) {
                    proven if proven.is_proven() => Heard::Say(last, Self(Next::End(proven))),
                    refused => Heard::Ended(refused),
                },
                Err(ScramError::Malformed) => Heard::Failed(Fault::Malformed),
                Err(_) => Heard::Ended(LoginOutcome::Refused(Some(tried))),
            },
            Next::End(outcome) if message.is_empty() => Heard::Ended(outcome),
            Next::End(_) => Heard::Failed(Fault::Malformed),
        }
    }
}

impl Asked {
    /// A user name and a password that came by themselves; none if they are nobody's.
    pub fn password(user: &[u8], password: &[u8]) -> Option<Self> {
        let user = text(user, MAX_NAME)?.to_owned();
        let password = Zeroizing::new(text(password, MAX_PASSWORD)?.to_owned());
        let means = Means::Password(password);
        Some(Self { user, means })
    }

    /// The user name as the client wrote it.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What it asks of us to believe them.
    pub fn proof(&self) -> Proof {
        match self.means {
            Means::Password(_) => Proof::Hashed,
            Means::Scram(_) => Proof::Dialogue,
        }
    }

    /// Goes on with what a password or a proof is checked against, and whose it is; nobody's with a dummy, against which it is
    /// checked all the same: both take as long.
    pub fn answer(self, verifier: Verifier, tried: Tried) -> Heard {
        match self.means {
            Means::Password(password) => {
                let which = verifier.which_password(&password);
                Heard::Ended(LoginOutcome::of(tried, which))
            }
            Means::Scram(first) => {
                let challenge = first.challenge(verifier);
                let message = challenge.message().to_owned();
                Heard::Say(message, Dialogue(Next::Proof(Box::new(challenge), tried)))
            }
        }
    }
}

/// Says nothing of who logs in.
impl std::fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialogue(..)")
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked(..)")
    }
}

fn text(octets: &[u8], longest: usize) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let fits = !text.is_empty() && text.len() <= longest && !text.contains('\0');
    fits.then_some(text)
}

/// `[authzid] NUL authcid NUL passwd`. Nobody acts for anybody else, so the first is empty or equals the second.
fn plain(message: &[u8]) -> Heard {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(identity), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Heard::Failed(Fault::Malformed);
    };
    if !identity.is_empty() && identity != user {
        return Heard::Failed(Fault::SomebodyElse);
    }
    Asked::password(user, password).map_or(Heard::Failed(Fault::Malformed), Heard::Ask)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::id::StaffId;
    use crate::staff::scram::client::Client;

    fn known() -> (Verifier, StaffId) {
        (Verifier::new("secret word").unwrap(), StaffId::random())
    }

    fn who(outcome: LoginOutcome) -> Option<StaffId> {
        match outcome {
            LoginOutcome::Proven(tried, _) => tried.staff,
            LoginOutcome::Refused(_) => None,
        }
    }

    fn asked(heard: Heard) -> Asked {
        match heard {
            Heard::Ask(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    fn plain_as(message: &[u8], is_known: bool) -> Option<StaffId> {
        let (verifier, staff) = known();
        let asked = asked(Mechanism::Plain.begin(message, None));
        assert_eq!(asked.user(), "ann");
        match asked.answer(verifier, Tried::pretended(is_known.then_some(staff))) {
            Heard::Ended(outcome) => who(outcome),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_proves_or_does_not() {
        assert!(plain_as(b"\0ann\0secret word", true).is_some());
        assert!(plain_as(b"ann\0ann\0secret word", true).is_some());
        assert!(plain_as(b"\0ann\0other", true).is_none());
        assert!(plain_as(b"\0ann\0secret word", false).is_none());
        for (message, fault) in [
            (&b"ben\0ann\0secret word"[..], Fault::SomebodyElse),
            (b"ann", Fault::Malformed),
            (b"\0ann", Fault::Malformed),
            (b"\0\0secret", Fault::Malformed),
            (b"\0ann\0", Fault::Malformed),
            (b"\0ann\0a\0b", Fault::Malformed),
            (b"\0\xff\0a", Fault::Malformed),
        ] {
            let heard = Mechanism::Plain.begin(message, None);
            assert!(
                matches!(heard, Heard::Failed(is) if is == fault),
                "{heard:?}"
            );
        }
    }

    /// The proof of a client with this password; `staff` is whose the verifier is.
    fn scram_as(password: &str, bound: [Option<[u8; 32]>; 2], is_known: bool) -> Option<StaffId> {
        let [ours, theirs] = bound;
        let (verifier, staff) = known();
        let client = Client::new("ann", password, theirs);
        let mechanism = match theirs {
            Some(_) => Mechanism::ScramPlus,
            None => Mechanism::Scram,
        };
        let first = mechanism.begin(client.first().as_bytes(), ours.as_ref());
        let heard = asked(first).answer(verifier, Tried::pretended(is_known.then_some(staff)));
        let Heard::Say(challenge, dialogue) = heard else {
            panic!("{heard:?}");
        };
        match dialogue.hear(client.proof(&challenge).as_bytes()) {
            Heard::Say(_, dialogue) => match dialogue.hear(b"") {
                Heard::Ended(outcome) => who(outcome),
                other => panic!("{other:?}"),
            },
            Heard::Ended(outcome) => who(outcome),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proof_proves_and_is_bound_to_its_channel() {
        let (one, other) = (Some([1; 32]), Some([2; 32]));
        for bound in [[one, one], [one, None], [None, None]] {
            assert!(scram_as("secret word", bound, true).is_some(), "{bound:?}");
            assert!(scram_as("other", bound, true).is_none());
            assert!(scram_as("secret word", bound, false).is_none());
        }
        assert!(scram_as("secret word", [one, other], true).is_none());
        // Somebody has cut our offer out.
        let heard = Mechanism::Scram.begin(b"y,,n=ann,r=clientnonce", one.as_ref());
        assert!(
            matches!(heard, Heard::Ended(LoginOutcome::Refused(None))),
            "{heard:?}"
        );
        assert_eq!(Mechanism::named("scram-sha-256-plus", false), None);
        let plus = Mechanism::named("scram-sha-256-plus", true);
        assert_eq!(plus, Some(Mechanism::ScramPlus));
    }

    #[test]
    fn debug_names_nobody() {
        let asked = Asked::password(b"ann", b"word").unwrap();
        assert_eq!(format!("{asked:?}"), "Asked(..)");
    }
}
