//! What is erased by itself: requests that nobody confirmed, of which a count stays (law B8), and challenge counts that
//! are of no use any more.

use jiff::SignedDuration;
use zeroize::Zeroizing;

use super::{Consent, ConsentError, WAITS_DAYS, pace};
use crate::store::{Change, Setting, Step, StoreError};

/// What is further ahead than this was written by a clock that was wrong.
pub(super) const CLOCK: SignedDuration = SignedDuration::from_hours(24);
const EXPIRED: &str = "consent.expired";

impl Consent {
    /// Erases what has expired. Answers how many requests that were; the daemon calls it every hour.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn expire(&self) -> Result<u64, ConsentError> {
        let now = self.clock().now();
        let (_, expired) = self.store().count_requests(now).await?;
        let asked = pace::add(now, -SignedDuration::from_hours(24 * WAITS_DAYS));
        let mut change = Change::new()
            .then(Step::ExpireRequests(now))
            .then(Step::ForgetQuestions(asked, pace::add(now, CLOCK)));
        if expired > 0 {
            let all = self.expired_so_far().await?.saturating_add(expired);
            change = change.then(Step::PutSetting(Setting {
                name: EXPIRED.into(),
                value: Zeroizing::new(all.to_string().into_bytes()),
            }));
        }
        self.commit(change).await?;
        self.tend_imports().await?;
        Ok(expired)
    }

    pub(super) async fn expired_so_far(&self) -> Result<u64, ConsentError> {
        let value = match self.store().setting(EXPIRED).await {
            // A count is worth less than the erasing that it counts.
            Err(error @ StoreError::Seal(_)) => {
                tracing::error!(%error, "the count of expired requests begins anew");
                None
            }
            value => value?,
        };
        let text = value
            .as_ref()
            .and_then(|value| std::str::from_utf8(value).ok());
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
    }
}
