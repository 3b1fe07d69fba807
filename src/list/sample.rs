//! A copy for a reader who doesn't exist: what the sender and the approvers look at.

use jiff::Timestamp;

use super::ListError;
use super::settings::Terms;
use crate::message::segment::{Prepared, SlotValues};

/// The reader. The domain can't belong to anybody (RFC 2606).
const READER: &str = "reader@elector.example";

/// The sample's bytes: unsigned, with ways out that lead nowhere.
pub(super) fn copy(
    terms: &Terms,
    prepared: &Prepared,
    date: Timestamp,
) -> Result<Vec<u8>, ListError> {
    let domain = &terms.settings.mail_domain;
    let values = SlotValues {
        to: READER,
        message_id: &format!("sample@{domain}"),
        date,
        unsubscribe_url: &format!("{}/u/sample", terms.settings.base_url),
        unsubscribe_mailto: &format!("mailto:u+sample@{domain}"),
    };
    let chunks = prepared
        .personalise(&values)
        .map_err(|error| ListError::Notice(error.to_string()))?;
    Ok(chunks.concat())
}
