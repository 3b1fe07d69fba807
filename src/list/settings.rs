//! What the room is told: the lists with their identities, and what stands in every copy. Plain data, built from the
//! configuration, swapped whole at a reload.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use super::ListError;
use crate::address::{Domain, EmailAddress};
use crate::consent::constituency::Constituencies;
use crate::delivery::schedule::Schedule;
use crate::delivery::signing::SignerCell;
use crate::message::dkim::Signer;
use crate::message::footer::{Footer, Template};
use crate::message::prepare::Letterhead;
use crate::message::segment::Slot;
use crate::template::{Footer as FooterView, Lang, Templates, Text, Tongues};

/// Whether a domain stands in DNS as large receivers want it.
pub trait Standing: Send + Sync + std::fmt::Debug {
    /// What they would refuse a mailing for; nothing if it is in order or can't be known.
    fn red<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> Pin<Box<dyn Future<Output = Vec<NotInOrder>> + Send + 'a>>;
}

/// A DNS record that is not in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInOrder {
    /// What it is for: SPF, DKIM.
    pub topic: &'static str,
    /// Its name, and what is wrong with it.
    pub said: String,
}

/// Everything that the room needs from the configuration.
#[derive(Debug, Clone)]
pub struct MailingSettings {
    /// The lists.
    pub lists: Vec<MailingList>,
    /// The constituencies that a mailing may be narrowed to.
    pub constituencies: Arc<Constituencies>,
    /// The words of footers and of the staff's notices.
    pub templates: Arc<Templates>,
    /// Signs the copies of a list that is no longer configured.
    pub signer: SignerCell,
    /// When a copy is tried again, and for how long.
    pub schedule: Schedule,
    /// The origin of the pages, without a slash at its end.
    pub base_url: String,
    /// The domain of `b+TOKEN@`, `u+TOKEN@` and Message-IDs.
    pub mail_domain: Domain,
    /// Whom the notices to staff are from.
    pub notices_from: EmailAddress,
    /// Whether a domain stands in DNS as large receivers want it.
    pub standing: Arc<dyn Standing>,
    /// How much is done at a time.
    pub pace: Pace,
}

/// How much is done at a time: enough that the database's syncs don't count, little enough that memory and the writer
/// are not held up.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Rows that may be due ahead of sending, of each mailing.
    pub ahead: u64,
    /// Rows that one change writes, about.
    pub rows: usize,
    /// Subscribers that are read at once.
    pub page: u32,
    /// Subscribers after whom the checkpoint moves although nobody of them is in the audience.
    pub look: usize,
    /// Due rows that are read at once, at least, beyond those under way.
    pub window: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ahead: 8000,
            rows: 500,
            page: 500,
            look: 20_000,
            window: 1000,
        }
    }
}

/// One list as staff write to it.
#[derive(Debug, Clone)]
pub struct MailingList {
    /// Its key in the configuration.
    pub key: String,
    /// What people see it called.
    pub title: Text,
    /// The addresses that staff send to, the main one first (`news@party.example`).
    pub addresses: Vec<EmailAddress>,
    /// The list's identity: the only From that it takes, and the From of its copies (law C3).
    pub from: EmailAddress,
    /// The name beside it.
    pub from_name: String,
    /// Where answers go, if not to the identity.
    pub reply_to: Option<EmailAddress>,
    /// The list's identifier (RFC 2919), without angle brackets.
    pub list_id: String,
    /// Who must approve a mailing.
    pub approval: ApprovalRule,
    /// Whether a mailing may go to some constituencies alone.
    pub by_constituency: bool,
    /// The largest mail that is taken, in octets.
    pub max_size: usize,
    /// The languages of its footer.
    pub tongues: Tongues,
    /// Signs its copies, for the domain of its identity.
    pub signer: SignerCell,
}

/// Who must approve a mailing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalRule {
    /// The sender, who has seen the preview.
    Sender,
    /// Somebody else, once two people have the role approver.
    SecondPerson,
}

impl MailingSettings {
    /// The list of this key.
    pub fn list(&self, key: &str) -> Option<&MailingList> {
        self.lists.iter().find(|list| list.key == key)
    }

    /// Who signs the copies of this list, now.
    pub(super) fn signer(&self, key: &str) -> Arc<Signer> {
        let list = self.list(key);
        list.map_or(&self.signer, |list| &list.signer).now()
    }
}

impl MailingList {
    /// The letterhead of its mails.
    pub(super) fn letterhead<'a>(&'a self, footer: &'a Footer) -> Letterhead<'a> {
        Letterhead {
            from_name: &self.from_name,
            from_address: self.from.as_str(),
            reply_to: self.reply_to.as_ref().map(EmailAddress::as_str),
            list_id: &self.list_id,
            list_name: self.title.get(Lang::En),
            footer,
        }
    }
}

/// The settings in force, with the footers made from them.
pub(super) struct Terms {
    pub(super) settings: MailingSettings,
    footers: HashMap<String, Footer>,
}

impl Terms {
    /// Makes each list's footer, so that one that lacks the imprint or the way out is found now and not at a send.
    pub(super) fn new(settings: MailingSettings) -> Result<Self, ListError> {
        let mut footers = HashMap::new();
        for list in &settings.lists {
            let fault = |why: String| ListError::Settings {
                list: list.key.clone(),
                why,
            };
            if list.addresses.is_empty() {
                return Err(fault("it has no address to send to: add one".into()));
            }
            let footer = footer_of(&settings.templates, list).map_err(fault)?;
            footers.insert(list.key.clone(), footer);
        }
        Ok(Self { settings, footers })
    }

    /// A list with its footer.
    pub(super) fn list(&self, key: &str) -> Option<(&MailingList, &Footer)> {
        Some((self.settings.list(key)?, self.footers.get(key)?))
    }
}

fn footer_of(templates: &Templates, list: &MailingList) -> Result<Footer, String> {
    let marker = Slot::UnsubscribeUrl.marker();
    let view = FooterView {
        list: &list.title,
        way_out: &marker,
    };
    let imprint = templates.imprint(Lang::En).map_err(|e| e.to_string())?;
    let parts = templates
        .footer(list.tongues, &view)
        .map_err(|e| e.to_string())?;
    let template = |text: &str| Template::new(text).map_err(|e| e.to_string());
    Footer::new(template(&parts.text)?, template(&parts.html)?, &imprint).map_err(|e| e.to_string())
}
