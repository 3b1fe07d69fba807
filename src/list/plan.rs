//! What all copies of a mailing share, and the values that each has of its own. All of it derives from (mailing,
//! subscriber), so that a repeated copy is the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::running::Running;
use super::settings::Terms;
use super::{ListError, Mailings};
use crate::address::{Domain, EmailAddress};
use crate::consent::Subscription;
use crate::delivery::parcel::{Letter, MailBytes};
use crate::id::CopyId;
use crate::message::copy::{CopyError, CopyPlan, SignedCopy};
use crate::message::dkim::{Signer, SigningTime};
use crate::message::segment::{Prepared, SlotError, SlotValues};
use crate::store::Mailing;
use crate::vault::{CopyTokenKind, Vault};

/// The most octets of a prepared mailing. Far more than any list takes, few enough to bound memory.
const LARGEST: usize = 256 * 1024 * 1024;

/// A released mailing, ready for copies.
pub(super) struct Plan {
    copies: CopyPlan,
    /// The Date of every copy and the time of its signatures.
    at: Timestamp,
    eight_bit: bool,
}

/// What one copy has of its own.
pub(super) struct Own {
    to: EmailAddress,
    message_id: String,
    url: String,
    mailto: String,
    reverse_path: Option<EmailAddress>,
}

/// The local part before a return path's token.
const RETURN_PREFIX: &str = "b+";

/// The address to which a copy's bounces come back.
fn return_path(token: &str, domain: &Domain) -> Option<EmailAddress> {
    EmailAddress::parse(&format!("{RETURN_PREFIX}{token}@{domain}")).ok()
}

impl Own {
    pub(super) fn of(vault: &Vault, terms: &Terms, copy: CopyId, to: &Subscription) -> Self {
        let domain = &terms.settings.mail_domain;
        let message_id = vault.copy_token(CopyTokenKind::MessageId, copy);
        let return_token = vault.copy_token(CopyTokenKind::ReturnPath, copy);
        let way_out = to.way_out();
        Self {
            to: to.address().clone(),
            message_id: format!("{message_id}@{domain}"),
            url: format!("{}/u/{way_out}", terms.settings.base_url),
            mailto: format!("mailto:u+{way_out}@{domain}"),
            reverse_path: return_path(&return_token, domain),
        }
    }

    fn values(&self, date: Timestamp) -> SlotValues<'_> {
        SlotValues {
            to: self.to.as_str(),
            message_id: &self.message_id,
            date,
            unsubscribe_url: &self.url,
            unsubscribe_mailto: &self.mailto,
        }
    }
}

impl Plan {
    fn new(prepared: Prepared, at: Timestamp) -> Result<Self, SlotError> {
        let sample = SlotValues {
            to: "a@b.example",
            message_id: "a@b.example",
            date: at,
            unsubscribe_url: "https://b.example/",
            unsubscribe_mailto: "mailto:a@b.example",
        };
        let copy = prepared.personalise(&sample)?;
        let eight_bit = copy.iter().any(|chunk| !chunk.is_ascii());
        Ok(Self {
            copies: CopyPlan::new(prepared),
            at,
            eight_bit,
        })
    }

    /// Makes a copy and signs it. Takes a quarter of a millisecond: call it where blocking is fine.
    fn letter(&self, own: Own, signer: &Signer) -> Result<Letter, CopyError> {
        let time = SigningTime {
            at: self.at,
            expires: None,
        };
        let values = own.values(self.at);
        let copy: SignedCopy = self.copies.signed_copy(&values, signer, time)?;
        Ok(Letter {
            size: Some(copy.len() as u64),
            utf8: copy.needs_smtputf8(),
            eight_bit: self.eight_bit,
            dsn: Default::default(),
            bytes: MailBytes::Chunks(copy.into_chunks()),
            reverse_path: own.reverse_path,
            recipient: own.to,
        })
    }
}

impl Mailings {
    /// The prepared bytes of a mailing, if they are those that were held.
    pub(super) async fn prepared(&self, mailing: &Mailing) -> Result<Prepared, ListError> {
        let body = self.store().body(mailing.message);
        let bytes = Bytes::from(body.read_whole(LARGEST).await?);
        let digest = mailing.record.digest.clone();
        let read = move || {
            let prepared = Prepared::from_bytes(bytes).map_err(|_| ListError::Damaged)?;
            match super::accept::hex(&prepared.digest()) == digest {
                true => Ok(prepared),
                false => Err(ListError::Damaged),
            }
        };
        blocking(read).await?
    }

    /// The plan of a mailing that is being sent, made once.
    pub(super) async fn plan(&self, running: &Running) -> Result<Arc<Plan>, ListError> {
        let make = || async {
            let mailing = running.now();
            let at = mailing.record.released_at.ok_or(ListError::Damaged)?;
            let prepared = self.prepared(&mailing).await?;
            let plan = blocking(move || Plan::new(prepared, at)).await?;
            Ok(Arc::new(plan.map_err(|_| ListError::Damaged)?))
        };
        running.plan.get_or_try_init(make).await.cloned()
    }

    /// A copy, made and signed where blocking is fine; as many at once as there are processors.
    pub(super) async fn letter(
        &self,
        plan: Arc<Plan>,
        list: &str,
        copy: CopyId,
        to: &Subscription,
    ) -> Result<Result<Letter, CopyError>, ListError> {
        let terms = self.0.terms.load_full();
        let signer = terms.settings.signer(list);
        if !signer.can_sign() {
            return Err(ListError::NoKey);
        }
        let own = Own::of(self.vault(), &terms, copy, to);
        let place = self.0.signing.clone().acquire_owned().await;
        blocking(move || {
            let _place = place;
            plan.letter(own, &signer)
        })
        .await
    }
}

/// Runs work that takes the processor for a while where it holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ListError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ListError::Damaged)
}
