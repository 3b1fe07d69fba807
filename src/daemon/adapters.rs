//! Thin joints: where one part asks by a trait of its own, and another answers.

use std::pin::Pin;

use zeroize::Zeroizing;

use super::locked_box::LockedBox;
use crate::consent::MaskedCount;
use crate::list::{Decision as ListDecision, ListError, Mailings};
use crate::web::{
    Approvals, Asking, Decision, LockedWithdrawals, MailingToApprove, NotKept, RoomTrouble,
};

impl LockedWithdrawals for LockedBox {
    fn keep(
        &self,
        withdrawal: Zeroizing<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>> {
        Box::pin(async move {
            LockedBox::keep(self, withdrawal)
                .await
                .map_err(|error| NotKept(error.to_string()))
        })
    }
}

impl Approvals for Mailings {
    fn look<'a>(&'a self, token: &'a str) -> Asking<'a, Option<MailingToApprove>> {
        Box::pin(async move {
            let view = self.approval_page(token).await.map_err(trouble)?;
            Ok(view.map(|view| MailingToApprove {
                sender: view.sender,
                list: view.list,
                subject: view.subject,
                audience: None,
                count: match view.audience {
                    MaskedCount::Exact(count) => count.to_string(),
                    MaskedCount::FewerThanFive => "<5".to_owned(),
                },
                digest: view.digest,
                text: Some(view.text),
            }))
        })
    }

    fn decide<'a>(&'a self, token: &'a str, decision: Decision) -> Asking<'a, bool> {
        Box::pin(async move {
            let decision = match decision {
                Decision::Approve => ListDecision::Approve,
                Decision::Refuse => ListDecision::Refuse,
            };
            match self.decide_by_link(token, decision).await {
                Ok(_) => Ok(true),
                Err(ListError::Link | ListError::State { .. } | ListError::Digest) => Ok(false),
                Err(error) => Err(trouble(error)),
            }
        })
    }
}

fn trouble(error: ListError) -> RoomTrouble {
    RoomTrouble(error.to_string())
}
