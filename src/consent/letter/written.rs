//! Letters written from the party's templates.

use std::sync::Arc;

use super::{Envelope, Letter, LetterError, Letters, ListWayOut};
use crate::address::{Domain, EmailAddress};
use crate::id::MessageId;
use crate::message::compose::{Automatic, SystemMail, WayOut, compose};
use crate::template::{
    AlreadySubscribed, Challenge, FirstContact, Mail, OpenChallenge, StopQuestion, TemplateError,
    Templates, Tongues, WayOut as ShownWayOut, Welcome,
};

/// Writes letters from templates.
pub struct TemplateLetters {
    /// The party's templates.
    pub templates: Arc<Templates>,
    /// Whom letters are from: an address that takes answers.
    pub from: EmailAddress,
    /// The name beside it.
    pub from_name: String,
    /// The domain of Message-IDs.
    pub mail_domain: Domain,
}

impl TemplateLetters {
    fn render(&self, letter: &Letter, tongues: Tongues) -> Result<Mail, TemplateError> {
        let templates = &self.templates;
        match letter {
            Letter::Challenge {
                lists,
                link,
                never_link,
                days,
            } => templates.mail(
                tongues,
                &Challenge {
                    lists,
                    link,
                    never_link,
                    days: (*days).into(),
                },
            ),
            Letter::OpenChallenge {
                heard,
                link,
                never_link,
                days,
            } => templates.mail(
                tongues,
                &OpenChallenge {
                    heard: *heard,
                    link,
                    never_link,
                    days: (*days).into(),
                },
            ),
            Letter::AlreadySubscribed { lists } => {
                let lists = &shown(lists);
                templates.mail(tongues, &AlreadySubscribed { lists })
            }
            Letter::Welcome { lists } => {
                let lists = &shown(lists);
                templates.mail(tongues, &Welcome { lists })
            }
            Letter::FirstContact {
                link,
                never_link,
                days,
                ..
            } => templates.mail(
                tongues,
                &FirstContact {
                    link,
                    never_link,
                    days: (*days).into(),
                },
            ),
            Letter::StopQuestion { link, days } => {
                let days = (*days).into();
                templates.mail(tongues, &StopQuestion { link, days })
            }
        }
    }
}

fn shown(lists: &[ListWayOut]) -> Vec<ShownWayOut> {
    lists
        .iter()
        .map(|list| ShownWayOut {
            title: list.title.clone(),
            way_out: list.url.clone(),
        })
        .collect()
}

/// The header's way out, for a letter that belongs to one list.
fn way_out(letter: &Letter) -> Option<WayOut<'_>> {
    match letter {
        Letter::Welcome { lists } | Letter::AlreadySubscribed { lists } => match &lists[..] {
            [one] => Some(WayOut {
                url: &one.url,
                mailto: &one.mailto,
            }),
            _ => None,
        },
        _ => None,
    }
}

impl Letters for TemplateLetters {
    fn write(&self, letter: &Letter, envelope: &Envelope<'_>) -> Result<Vec<u8>, LetterError> {
        let kind = letter.kind();
        let fail = |why: String| LetterError { kind, why };
        let tongues = match envelope.bilingual {
            true => Tongues::Both,
            false => Tongues::English,
        };
        let mail = self
            .render(letter, tongues)
            .map_err(|error| fail(error.to_string()))?;
        let (from, message_id) = match letter {
            Letter::FirstContact {
                from, message_id, ..
            } => {
                let plain = from.as_ref().filter(|from| from.is_ascii());
                (plain, Some(message_id.clone()))
            }
            _ => (None, None),
        };
        let message_id = message_id.unwrap_or_else(|| MessageId::random().to_string());
        let message_id = format!("{message_id}@{}", self.mail_domain);
        compose(&SystemMail {
            from_name: &self.from_name,
            from: from.unwrap_or(&self.from).as_str(),
            to: envelope.to.as_str(),
            reply_to: None,
            subject: &mail.subject,
            date: envelope.at,
            message_id: &message_id,
            in_reply_to: None,
            automatic: Automatic::Generated,
            way_out: way_out(letter),
            text: &mail.text,
            html: mail.html.as_deref(),
        })
        .map_err(|error| fail(error.to_string()))
    }
}
