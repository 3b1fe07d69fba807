//! The match form: which addresses are the same person's.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::{EmailAddress, is_dot_atom, unquote};

/// The form of an address that look-ups use, version 1: **frozen**. Index and suppression entries are keyed hashes of
/// these bytes and outlive everything else, so a change to what they are would forget who withdrew. Another idea of
/// sameness would be a `v2` beside this one (law row C7).
///
/// `v1:` local part `@` domain, where the domain is in lower-case A-labels and the local part is unquoted if it can
/// be, then NFD, full Unicode case folding, NFC. Dots and plus tags stay: they are different mailboxes at most hosts.
/// Unicode's stability policies freeze both for assigned characters, and [`EmailAddress::parse`] refuses others.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatchForm(Box<str>);

impl MatchForm {
    pub(super) fn v1(address: &EmailAddress) -> Self {
        let said = unquote(address.local()).unwrap_or_else(|| address.local().to_owned());
        let folded: String = unicase::UniCase::new(said.nfd().collect::<String>())
            .to_folded_case()
            .nfc()
            .collect();
        let local = if is_dot_atom(&folded) {
            folded
        } else {
            quote(&folded)
        };
        Self(format!("v1:{local}@{}", address.domain()).into_boxed_str())
    }

    /// The form of the mailbox behind a plus tag, as most hosts have it, for limits alone: `ann+a@` and `ann+b@` are two
    /// people for everything else.
    pub fn without_tag(&self) -> Self {
        let untagged = self.0.rsplit_once('@').and_then(|(local, domain)| {
            let (mailbox, _) = local.split_once('+')?;
            let is_plain = !local.starts_with("v1:\"") && mailbox.len() > "v1:".len();
            is_plain.then(|| format!("{mailbox}@{domain}").into_boxed_str())
        });
        untagged.map_or_else(|| self.clone(), Self)
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

impl fmt::Debug for MatchForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchForm(..)")
    }
}
