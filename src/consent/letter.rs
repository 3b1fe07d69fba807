//! The mails of this room. The room decides which one; how it reads is for whoever writes letters, so that the room
//! knows no template.

mod written;

pub use written::TemplateLetters;

use jiff::{SignedDuration, Timestamp};

use super::pace::add;
use super::{Consent, ConsentError, Heard, Text};
use crate::address::EmailAddress;
use crate::delivery::queue::needs_of;
use crate::store::{MailClass, MessageRecord, OwnMessage, QueueRecord, Queued, Step, TlsWish};

/// How long a mail of ours is tried.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 4);

/// A list with its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWayOut {
    /// The list's title.
    pub title: Text,
    /// The address of the page that ends the subscription; it also takes the one-click POST.
    pub url: String,
    /// The `mailto:` address that does the same.
    pub mailto: String,
}

/// What a mail of this room says. Nothing in it comes from a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// "Was it you?", after a form (law B7).
    Challenge {
        /// Titles of the lists.
        lists: Vec<Text>,
        /// The page with the button.
        link: String,
        /// The page for "never write to me again".
        never_link: String,
        /// Days after which the request is erased.
        days: u8,
    },
    /// "Was it you?", after a mail to `+subscribe`, a card or an import: the link opens the full form.
    OpenChallenge {
        /// By which of them.
        heard: Heard,
        /// The full form.
        link: String,
        /// The page for "never write to me again".
        never_link: String,
        /// Days after which the request is erased.
        days: u8,
    },
    /// "You are subscribed; here is the way out."
    AlreadySubscribed {
        /// The lists.
        lists: Vec<ListWayOut>,
    },
    /// The first mail after the consent, with the right to object (law C2).
    Welcome {
        /// The lists that were confirmed.
        lists: Vec<ListWayOut>,
    },
    /// "Was it you?", to a stranger who wrote to the party.
    FirstContact {
        /// The page with the button.
        link: String,
        /// The page for "never write to me again".
        never_link: String,
        /// Days after which what they wrote is erased.
        days: u8,
        /// The address that they wrote to, which asks them: whoever wrote to somebody in particular knows them, and a
        /// server that lets in answers by their author lets this in. One that needs SMTPUTF8 asks nobody: their server may
        /// not know it.
        from: Option<EmailAddress>,
        /// The local part of its Message-ID, by which an answer is known.
        message_id: String,
    },
    /// After a bare "stop": sending is paused, one button makes it final.
    StopQuestion {
        /// The page with the button.
        link: String,
        /// Days until the pause ends.
        days: u8,
    },
}

impl Letter {
    /// What kind, for counts and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Challenge { .. } | Self::OpenChallenge { .. } => CHALLENGE,
            Self::AlreadySubscribed { .. } => "already",
            Self::Welcome { .. } => "welcome",
            Self::StopQuestion { .. } => "stop",
            Self::FirstContact { .. } => FIRST_CONTACT,
        }
    }
}

/// The kind of a challenge, whichever form it has.
pub(super) const CHALLENGE: &str = "challenge";
/// The kind of the question to a stranger who wrote.
pub(super) const FIRST_CONTACT: &str = "first-contact";
/// All kinds of this room's mail, as they stand in the queue.
pub(super) const KINDS: [&str; 5] = [CHALLENGE, FIRST_CONTACT, "already", "welcome", "stop"];

/// To whom a letter goes, and when.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The recipient.
    pub to: &'a EmailAddress,
    /// In English and Welsh, or in English alone.
    pub bilingual: bool,
    /// Its date.
    pub at: Timestamp,
}

/// A letter that could not be written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the mail `{kind}` could not be written: {why}")]
pub struct LetterError {
    /// Which letter.
    pub kind: &'static str,
    /// Why: a template's file and line.
    pub why: String,
}

/// Writes letters.
pub trait Letters: Send + Sync {
    /// The whole message (RFC 5322, CRLF line ends), ready to be signed and sent, with `Auto-Submitted: auto-generated`.
    ///
    /// # Errors
    /// A [`LetterError`] if the template fails.
    fn write(&self, letter: &Letter, envelope: &Envelope<'_>) -> Result<Vec<u8>, LetterError>;
}

impl Consent {
    /// The steps that put a letter into the queue, under the null reverse-path: nobody is to be told if it fails, and no
    /// program is to answer it.
    pub(super) fn post(
        &self,
        to: &EmailAddress,
        bilingual: bool,
        letter: &Letter,
    ) -> Result<[Step; 2], ConsentError> {
        let at = self.clock().now();
        let envelope = Envelope { to, bilingual, at };
        let bytes = self.live().letters.write(letter, &envelope)?;
        let record = MessageRecord {
            received_at: at,
            size: 0,
            reverse_path: None,
            recipients: vec![to.to_string()],
            submitted_by: None,
        };
        let message = OwnMessage::new(self.vault(), record, &bytes);
        let queued = Queued::new(
            message.id(),
            QueueRecord {
                class: MailClass::Service {
                    kind: letter.kind().into(),
                },
                reverse_path: None,
                recipient: to.clone(),
                queued_at: at,
                expires_at: add(at, LIFE),
                attempts: 0,
                last_failure: None,
                delay_told: false,
                needs: needs_of(to, &bytes),
                prefix: None,
                tls: TlsWish::Usual,
                dsn: Default::default(),
            },
        );
        Ok([Step::PutMessage(message), Step::PutQueued(queued)])
    }

    /// The lists of these keys that are configured, each with its way out.
    pub(super) fn ways_out<'a>(
        &self,
        lists: impl Iterator<Item = &'a str>,
        person: &crate::vault::Index,
    ) -> Vec<ListWayOut> {
        let live = self.live();
        lists
            .filter_map(|key| {
                let list = live.settings.list(key)?;
                let token = self.way_out(key, person);
                Some(ListWayOut {
                    title: list.title.clone(),
                    url: live.settings.withdrawal_url(&token),
                    mailto: format!("mailto:u+{token}@{}", live.settings.mail_domain),
                })
            })
            .collect()
    }
}
