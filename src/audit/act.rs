//! What the audit log says of a privileged act: who did what to what, why and when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::canonical::{NotCanonical, canonical};

/// A privileged act. Its object is an id or a keyed hash, never an address, a subject or a text: the audit log is not
/// erased when a person is. Whoever writes a reason is told so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The staff account's id, or `system`.
    pub actor: String,
    /// The second person, where the act needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// What was done, in the words of the command: `subscriber erase`.
    pub verb: String,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ActObject>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What an act was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActObject {
    /// What kind of thing: `person`, `mailing`, `staff`.
    pub kind: String,
    /// Its id, or for a person the keyed hash of the address, in hexadecimal.
    pub id: String,
}

impl ActObject {
    /// A thing by its kind and its id or keyed hash.
    pub fn new(kind: &str, id: impl std::fmt::Display) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_string(),
        }
    }
}

impl Act {
    /// An act without object, second person or reason.
    pub fn new(actor: impl std::fmt::Display, verb: &str, at: Timestamp) -> Self {
        Self {
            actor: actor.to_string(),
            second: None,
            verb: verb.to_owned(),
            object: None,
            reason: None,
            at,
        }
    }

    /// Done to this.
    pub fn to(mut self, object: ActObject) -> Self {
        self.object = Some(object);
        self
    }

    /// Done for this reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Done together with this second person.
    pub fn with(mut self, second: impl std::fmt::Display) -> Self {
        self.second = Some(second.to_string());
        self
    }

    /// The canonical bytes for the log.
    ///
    /// # Errors
    /// [`NotCanonical::AddressInReason`]; nothing else in practice: an act holds texts and a time.
    pub fn to_canonical(&self) -> Result<Vec<u8>, NotCanonical> {
        self.reason.as_deref().map_or(Ok(()), check_reason)?;
        canonical(self)
    }
}

/// Refuses a reason that holds an address: it would stand in the log when the person is long erased. No act with one can
/// be written; whoever must say so before they begin asks here as well.
///
/// # Errors
/// [`NotCanonical::AddressInReason`].
pub fn check_reason(reason: &str) -> Result<(), NotCanonical> {
    let is_address = |word: &str| {
        word.match_indices('@').any(|(at, _)| {
            let (local, domain) = (&word[..at], &word[at + 1..]);
            let mut labels = domain.split('.');
            let known = |part: Option<&str>| {
                part.is_some_and(|part| part.starts_with(char::is_alphanumeric))
            };
            local.ends_with(|c: char| !c.is_whitespace())
                && known(labels.next())
                && known(labels.next())
        })
    };
    match reason.split_whitespace().any(is_address) {
        true => Err(NotCanonical::AddressInReason),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_with_an_address_is_not_written() {
        let at = "2026-11-21T12:00:00Z".parse().expect("a time");
        for reason in [
            "jo@elector.example rang",
            "rang (jo@elector.example)",
            "for <jo.b+x@mail.elector.example>.",
            "\"jo b\"@elector.example",
            "mailto:jo@bücher.example,",
        ] {
            let act = Act::new("ada", "subscriber erase", at).because(reason);
            let refused = act.to_canonical();
            assert!(
                matches!(refused, Err(NotCanonical::AddressInReason)),
                "{reason}"
            );
        }
        for reason in [
            "asked by letter",
            "met @ the stall. Fine.",
            "5@2.",
            "office@party",
        ] {
            let act = Act::new("ada", "subscriber erase", at).because(reason);
            assert!(act.to_canonical().is_ok(), "{reason}");
        }
    }

    #[test]
    fn an_act_has_one_form_and_reads_back() {
        let at = "2026-11-21T12:00:00Z".parse().expect("a time");
        let act = Act::new("ada", "subscriber erase", at)
            .to(ActObject::new("person", "00ff"))
            .because("asked by letter")
            .with("ben");
        let bytes = act.to_canonical().expect("canonical");
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            r#"{"actor":"ada","at":"2026-11-21T12:00:00Z","object":{"id":"00ff","kind":"person"},"reason":"asked by letter","second":"ben","verb":"subscriber erase"}"#
        );
        assert_eq!(serde_json::from_slice::<Act>(&bytes).expect("reads"), act);
        let bare = Act::new("system", "start", at)
            .to_canonical()
            .expect("canonical");
        assert_eq!(
            String::from_utf8_lossy(&bare),
            r#"{"actor":"system","at":"2026-11-21T12:00:00Z","verb":"start"}"#
        );
    }
}
