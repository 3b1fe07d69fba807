//! MTA-STS (RFC 8461): other domains' policies on how mail to them is to be secured, fetched, kept and refreshed.
//!
//! # What must hold
//! - A policy that was fetched holds for its `max_age`, whatever DNS or its host say meanwhile (§5.1): somebody on the way
//!   can't argue it away.
//! - Nobody is asked more often than every five minutes for a policy that could not be fetched (§3.3).

mod fetch;
mod text;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::task::{JoinError, JoinSet};

pub use self::fetch::{FetchError, Fetcher};
pub use self::text::{Mode, Policy, PolicyError, record_id};

use crate::address::Domain;
use crate::clock::Clock;
use crate::dns::LookupError;
use crate::store::{Change, Step, Store, StoreError, StsRecord, StsRow};

/// After a failed fetch the host is left alone for so long (§3.3).
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(5);
/// A policy that nobody needed for so long is forgotten when it ends.
const UNUSED: SignedDuration = SignedDuration::from_hours(30 * 24);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Policies that are fetched again at once: their hosts are strangers', and each may take its time.
const AT_ONCE: usize = 8;
/// Failures remembered at once.
const MOST_FAILURES: usize = 10_000;
/// Policies refreshed in one round.
const ROUND: u32 = 1_000;

/// What is known of a domain's policy.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The policy that holds.
    pub policy: Option<Arc<Policy>>,
    /// Why a newer one, or any, could not be had.
    pub fault: Option<FetchError>,
}

/// The policies at hand. Clones share them.
#[derive(Debug, Clone)]
pub struct StsCache(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    /// When a fetch failed last, and how.
    failed: Mutex<HashMap<Domain, (Timestamp, FetchError)>>,
    /// One fetch at a time for each domain.
    busy: Mutex<HashMap<Domain, Arc<tokio::sync::Mutex<()>>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StsCache(..)")
    }
}

/// The policies at hand, and the way to more.
#[derive(Debug, Clone)]
pub struct StsPolicies {
    cache: StsCache,
    fetcher: Fetcher,
}

impl StsCache {
    /// The policies in this store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            failed: Mutex::default(),
            busy: Mutex::default(),
        }))
    }

    /// With a way to fetch more.
    pub fn with(&self, fetcher: Fetcher) -> StsPolicies {
        StsPolicies {
            cache: self.clone(),
            fetcher,
        }
    }
}

impl Inner {
    /// The domain's policy, if one is at hand and holds. One that can't be read is as good as none, and fetched anew.
    async fn at_hand(&self, domain: &Domain) -> Option<StsRow> {
        let row = match self.store.sts_policy(domain).await {
            Ok(row) => row?,
            Err(error) => {
                tracing::warn!(%error, "an MTA-STS policy could not be read");
                return None;
            }
        };
        (row.record.expires_at > self.clock.now()).then_some(row)
    }

    /// Keeps a policy that was fetched now, and was used last then.
    async fn keep(
        &self,
        domain: &Domain,
        id: String,
        policy: &Policy,
        used_at: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let age = SignedDuration::from_secs(i64::try_from(policy.max_age).unwrap_or(i64::MAX));
        let later = |span| now.saturating_add(span).unwrap_or(Timestamp::MAX);
        let record = StsRecord {
            domain: domain.clone(),
            id,
            policy: serde_json::to_value(policy).unwrap_or_default(),
            fetched_at: now,
            expires_at: later(age),
            used_at,
        };
        // Half its time is left for the next fetch to fail in.
        self.put(later(age / 2), record).await
    }

    async fn put(&self, due_at: Timestamp, record: StsRecord) -> Result<(), StoreError> {
        let row = StsRow::new(self.store.vault(), due_at, record);
        let change = Change::new().then(Step::PutStsPolicy(row));
        self.store.change(change).await.map(drop)
    }

    fn failed_lately(&self, domain: &Domain) -> Option<FetchError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = failed.get(domain)?;
        let since = self.clock.now().duration_since(*at);
        // A clock set back doesn't keep us from asking.
        (SignedDuration::ZERO..AFTER_FAILURE)
            .contains(&since)
            .then_some(*error)
    }

    fn note_failure(&self, domain: &Domain, error: FetchError) {
        let now = self.clock.now();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MOST_FAILURES {
            failed.retain(|_, (at, _)| now.duration_since(*at) < AFTER_FAILURE);
        }
        if failed.len() < MOST_FAILURES {
            failed.insert(domain.clone(), (now, error));
        }
    }

    fn turn(&self, domain: &Domain) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|_, turn| Arc::strong_count(turn) > 1);
        busy.entry(domain.clone()).or_default().clone()
    }
}

fn policy_in(row: &StsRow) -> Option<Arc<Policy>> {
    serde_json::from_value(row.record.policy.clone())
        .ok()
        .map(Arc::new)
}

impl StsPolicies {
    /// The domain's policy as it holds now (§5.1): the one at hand if its id is still the one in DNS, else a new one, else,
    /// if there is no new one to be had, the one at hand after all.
    pub async fn of(&self, domain: &Domain) -> Found {
        let inner = &self.cache.0;
        let at_hand = inner.at_hand(domain).await;
        let kept = |fault| Found {
            policy: at_hand.as_ref().and_then(policy_in),
            fault,
        };
        if let Some(row) = &at_hand {
            self.note_use(row).await;
        }
        let id = match self.fetcher.id(domain).await {
            Ok(Some(id)) => id,
            // No record, or no answer: what holds, holds.
            Ok(None) | Err(LookupError::NoSuchDomain) => return kept(None),
            Err(error) if at_hand.is_none() => return kept(Some(error.into())),
            Err(_) => return kept(None),
        };
        if at_hand.as_ref().is_some_and(|row| row.record.id == id) {
            return kept(None);
        }
        match self.renew(domain, id).await {
            Ok(policy) => Found {
                policy: Some(policy),
                fault: None,
            },
            Err(error) => kept(Some(error)),
        }
    }

    /// Fetches the policy of this id, unless somebody just did, or failed to.
    async fn renew(&self, domain: &Domain, id: String) -> Result<Arc<Policy>, FetchError> {
        let inner = &self.cache.0;
        let turn = inner.turn(domain);
        let _turn = turn.lock().await;
        if let Some(row) = inner.at_hand(domain).await
            && row.record.id == id
            && let Some(policy) = policy_in(&row)
        {
            return Ok(policy);
        }
        if let Some(error) = inner.failed_lately(domain) {
            return Err(error);
        }
        self.fetch(domain, id, inner.clock.now()).await
    }

    async fn fetch(
        &self,
        domain: &Domain,
        id: String,
        used_at: Timestamp,
    ) -> Result<Arc<Policy>, FetchError> {
        let inner = &self.cache.0;
        let policy = self.fetcher.fetch(domain).await.inspect_err(|error| {
            tracing::debug!(%error, "an MTA-STS policy could not be fetched");
            inner.note_failure(domain, *error);
        })?;
        if let Err(error) = inner.keep(domain, id, &policy, used_at).await {
            tracing::warn!(%error, "an MTA-STS policy could not be kept: it holds for this mail alone");
        }
        Ok(Arc::new(policy))
    }

    /// Once a day at most: it decides which policies are worth a refresh.
    async fn note_use(&self, row: &StsRow) {
        let inner = &self.cache.0;
        let now = inner.clock.now();
        if now.duration_since(row.record.used_at) < DAY {
            return;
        }
        let mut record = row.record.clone();
        record.used_at = now;
        if let Err(error) = inner.put(row.due_at, record).await {
            tracing::debug!(%error, "the use of an MTA-STS policy could not be noted");
        }
    }

    /// Fetches policies again before they end, so that there is no day without one (§3.3), and forgets what has ended.
    /// Asked every hour, it is in time for policies of a day.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read or written.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let inner = &self.cache.0;
        let due = inner.store.due_sts_policies(inner.clock.now(), ROUND);
        let (mut working, mut result) = (JoinSet::new(), Ok(()));
        for row in due.await? {
            if working.len() >= AT_ONCE {
                result = result.and(ended(working.join_next().await));
            }
            let policies = self.clone();
            working.spawn(async move { policies.look_after(row).await });
        }
        while let Some(done) = working.join_next().await {
            result = result.and(ended(Some(done)));
        }
        result
    }

    /// Looks after a policy that is due. Whatever comes of it, it isn't due again at once: those behind it have their turn.
    async fn look_after(&self, row: StsRow) -> Result<(), StoreError> {
        let inner = &self.cache.0;
        let now = inner.clock.now();
        let record = &row.record;
        if record.expires_at <= now {
            let change = Change::new().then(Step::RemoveStsPolicy(row.index()));
            return inner.store.change(change).await.map(drop);
        }
        if now.duration_since(record.used_at) >= UNUSED {
            return inner.put(record.expires_at, row.record).await;
        }
        let turn = inner.turn(&record.domain);
        let _turn = turn.lock().await;
        // The id may have changed too. Without an answer the old one stands with the new policy.
        let id = self.fetcher.id(&record.domain).await.ok().flatten();
        let id = id.unwrap_or_else(|| record.id.clone());
        if self.fetch(&record.domain, id, record.used_at).await.is_ok() {
            return Ok(());
        }
        let left = record.expires_at.duration_since(now);
        let wait = (left / 4).clamp(HOUR, DAY).min(left);
        let again = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        // Somebody's mail may have brought another meanwhile.
        match inner.at_hand(&record.domain).await {
            Some(at_hand) if at_hand.due_at > now => Ok(()),
            Some(at_hand) => inner.put(again, at_hand.record).await,
            None => Ok(()),
        }
    }
}

/// What came of one of many. One that broke off is looked after next time.
fn ended(done: Option<Result<Result<(), StoreError>, JoinError>>) -> Result<(), StoreError> {
    done.and_then(Result::ok).unwrap_or(Ok(()))
}
