//! What comes back for a copy: bounces to its signed return path, and answers that name its signed Message-ID. Nobody is
//! removed for a bounce here.

use super::{ListError, Mailings};
use crate::id::{CopyId, EntryId, MailingId, MessageId, SubscriberId};
use crate::store::{Bounce, BounceRecord, Step};
use crate::vault::CopyTokenKind;

/// Whose copy an answer is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOf {
    /// The mailing.
    pub mailing: MailingId,
    /// The list's key.
    pub list: String,
    /// The person; none once they withdrew.
    pub subscriber: Option<SubscriberId>,
}

impl Mailings {
    /// The copy whose return path has this token (what stands behind `b+`); none if it's not one of ours.
    pub fn copy_of_return_path(&self, token: &str) -> Option<CopyId> {
        self.vault()
            .open_copy_token(CopyTokenKind::ReturnPath, token)
    }

    /// The copy whose Message-ID this is, with or without angle brackets; none if it's not one of ours.
    pub fn copy_of_message_id(&self, message_id: &str) -> Option<CopyId> {
        let id = message_id.trim();
        let id = id.strip_prefix('<').unwrap_or(id);
        let id = id.strip_suffix('>').unwrap_or(id);
        let (token, domain) = id.rsplit_once('@')?;
        let ours = self.terms();
        let ours = ours.settings.mail_domain.as_str();
        if !domain.eq_ignore_ascii_case(ours) {
            return None;
        }
        self.vault()
            .open_copy_token(CopyTokenKind::MessageId, token)
    }

    /// Whose copy it is; none once the mailing was folded.
    ///
    /// # Errors
    /// [`ListError::Store`].
    pub async fn whose_copy(&self, copy: CopyId) -> Result<Option<CopyOf>, ListError> {
        let Some(row) = self.store().copy(copy).await? else {
            return Ok(None);
        };
        let mailing = self.mailing(row.mailing).await?;
        Ok(Some(CopyOf {
            mailing: row.mailing,
            list: mailing.record.list.clone(),
            subscriber: row.subscriber,
        }))
    }

    /// The step that keeps a mail which came back to a copy's return path; it goes into the transaction that accepts
    /// that mail. It is counted as "bounced".
    pub fn bounce(&self, copy: CopyId, mail: MessageId) -> Step {
        Step::PutBounce(Bounce {
            id: EntryId::random(),
            copy,
            message: mail,
            record: BounceRecord {
                received_at: self.clock().now(),
            },
        })
    }
}
