//! What the consent room is told: the party, its lists, their words and the limits. Plain data, built from the
//! configuration, swapped whole at a reload.

use std::sync::Arc;

use super::constituency::Constituencies;
use super::{Lang, Text};
use crate::address::Domain;
use crate::vault::{ListTag, Vault};

/// The youngest that may be asked for consent (DPA 2018 s.9, law B12).
const LEAST_AGE: u8 = 13;

/// Everything that the room needs from the configuration.
#[derive(Debug, Clone)]
pub struct ConsentSettings {
    /// The registered name of the party: it must stand in every consent (law B4, B5).
    pub party: String,
    /// The lists, in the order of the form.
    pub lists: Vec<ListSettings>,
    /// The age that people state to have reached.
    pub minimum_age: u8,
    /// The languages in which forms are shown; the words of each are checked.
    pub languages: Vec<Lang>,
    /// The privacy notice as shown: its text, from which its digest is made.
    pub notice: Text,
    /// The constituencies to choose from; an empty list means that nobody is asked.
    pub constituencies: Arc<Constituencies>,
    /// The origin of the pages, without a slash at its end.
    pub base_url: String,
    /// The domain of the `u+TOKEN@` addresses and of Message-IDs.
    pub mail_domain: Domain,
    /// The limits.
    pub limits: ConsentLimits,
}

/// One list: one purpose, one box.
#[derive(Debug, Clone)]
pub struct ListSettings {
    /// Its key in the configuration: evidence and tokens refer to it for ever.
    pub key: String,
    /// What people see it called.
    pub title: Text,
    /// What is sent, as a noun phrase.
    pub purpose: Text,
    /// The consent statement beside its box, byte for byte as shown. It becomes evidence.
    pub statement: Text,
    /// Whether people can sign up.
    pub open: bool,
}

/// How much and how long.
#[derive(Debug, Clone)]
pub struct ConsentLimits {
    /// Days after which an unconfirmed request is erased (law B8). More than seven is refused.
    pub request_days: u8,
    /// Days that a bare "stop" pauses sending while its button is not pressed.
    pub pause_days: u8,
    /// Mails of this room to one recipient domain in an hour; what is beyond waits.
    pub per_domain_hour: u32,
    /// Strangers who are asked in an hour whether they wrote; what is beyond waits.
    pub first_contacts_per_hour: u32,
    /// Challenges for imported rows in 24 hours.
    pub imported_per_day: u32,
    /// Rows in one import.
    pub import_rows: usize,
    /// Bytes of one import.
    pub import_bytes: usize,
}

impl Default for ConsentLimits {
    fn default() -> Self {
        Self {
            request_days: 7,
            pause_days: 7,
            per_domain_hour: 300,
            first_contacts_per_hour: 100,
            imported_per_day: 500,
            import_rows: 200_000,
            import_bytes: 64 * 1024 * 1024,
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFault {
    /// Too young.
    #[error(
        "the minimum age is {0}: below {LEAST_AGE} a child can't consent alone (DPA 2018 s.9); set {LEAST_AGE} or more"
    )]
    TooYoung(u8),
    /// Kept too long.
    #[error("unconfirmed requests are kept {0} days: set 1 to 7 (law: no longer than needed)")]
    RequestDays(u8),
    /// No lists.
    #[error("there is no list to subscribe to: add one")]
    NoList,
    /// One key for two lists.
    #[error("the list {0} stands there twice: give each its own key")]
    ListTwice(String),
    /// Two keys with one tag.
    #[error(
        "the keys of the lists {0} and {1} share a tag in unsubscribe links: rename the newer of the two"
    )]
    SameTag(String, String),
    /// A statement or notice that lacks what it must say.
    #[error("{0}")]
    Wording(#[from] super::WordingFault),
}

impl ConsentSettings {
    /// The list of this key.
    pub fn list(&self, key: &str) -> Option<&ListSettings> {
        self.lists.iter().find(|list| list.key == key)
    }

    /// The list that a token's tag stands for.
    pub fn list_of_tag(&self, vault: &Vault, tag: ListTag) -> Option<&ListSettings> {
        self.lists
            .iter()
            .find(|list| vault.list_tags(&list.key).contains(&tag))
    }

    /// The page behind a challenge's link.
    pub fn confirm_url(&self, token: &str) -> String {
        format!("{}/c/{token}", self.base_url)
    }

    /// The page where a stranger says that it was them who wrote.
    pub fn first_contact_url(&self, token: &str) -> String {
        format!("{}/m/{token}", self.base_url)
    }

    /// The page that ends a subscription.
    pub fn withdrawal_url(&self, token: &str) -> String {
        format!("{}/u/{token}", self.base_url)
    }

    /// The page for "never write to me again".
    pub fn never_url(&self, token: &str) -> String {
        format!("{}/n/{token}", self.base_url)
    }

    /// Everything that is wrong with the settings; nothing if they may be used.
    pub fn faults(&self, vault: Option<&Vault>) -> Vec<SettingsFault> {
        let mut faults = Vec::new();
        if self.minimum_age < LEAST_AGE {
            faults.push(SettingsFault::TooYoung(self.minimum_age));
        }
        if !(1..=7).contains(&self.limits.request_days) {
            faults.push(SettingsFault::RequestDays(self.limits.request_days));
        }
        if self.lists.is_empty() {
            faults.push(SettingsFault::NoList);
        }
        for (at, list) in self.lists.iter().enumerate() {
            let earlier = &self.lists[..at];
            if earlier.iter().any(|one| one.key == list.key) {
                faults.push(SettingsFault::ListTwice(list.key.clone()));
            } else if let Some(other) = vault.and_then(|vault| same_tag(vault, earlier, list)) {
                faults.push(SettingsFault::SameTag(other.key.clone(), list.key.clone()));
            }
        }
        faults.extend(super::wording::lint(self).into_iter().map(Into::into));
        faults
    }
}

/// One chance in four thousand million, and then a withdrawal would end the wrong subscription.
fn same_tag<'a>(
    vault: &Vault,
    earlier: &'a [ListSettings],
    list: &ListSettings,
) -> Option<&'a ListSettings> {
    let tags = vault.list_tags(&list.key);
    earlier.iter().find(|one| {
        vault
            .list_tags(&one.key)
            .iter()
            .any(|tag| tags.contains(tag))
    })
}
