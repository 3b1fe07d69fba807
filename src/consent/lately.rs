//! What was confirmed in the last hour, so that a button that is pressed twice, or a page that is loaded again, gets the
//! same answer again. It names nobody: a token's hash, a keyed hash and lists, in memory alone. Whether it still holds is
//! read from the store each time, so a page never says "subscribed" to who left since.

use std::collections::HashMap;
use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};

use super::pace::add;
use super::{Confirmed, Consent, ConsentError, Subscription};
use crate::store::AskedList;
use crate::vault::{ConfirmToken, Index, TokenHash};

/// For how long a confirmation is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// How many are.
const MOST: usize = 4096;

/// The confirmations of late.
#[derive(Default)]
pub(super) struct Lately(HashMap<[u8; 32], One>);

struct One {
    until: Timestamp,
    person: Index,
    lists: Vec<String>,
}

impl Lately {
    fn remember(&mut self, hash: &TokenHash, person: &Index, lists: &[AskedList], now: Timestamp) {
        if self.0.len() >= MOST {
            self.0.retain(|_, one| one.is_of(now));
        }
        if self.0.len() >= MOST {
            return;
        }
        let one = self.0.entry(hash.0).or_insert_with(|| One {
            until: add(now, REMEMBERED),
            person: *person,
            lists: Vec::new(),
        });
        // Two posts of one form may be on their way at once, of which one is committed.
        for asked in lists {
            if !one.lists.contains(&asked.list) {
                one.lists.push(asked.list.clone());
            }
        }
    }

    fn find(&self, hash: &TokenHash, now: Timestamp) -> Option<(Index, Vec<String>)> {
        let one = self.0.get(&hash.0).filter(|one| one.is_of(now))?;
        Some((one.person, one.lists.clone()))
    }
}

impl One {
    fn is_of(&self, now: Timestamp) -> bool {
        now < self.until && self.until <= add(now, REMEMBERED)
    }
}

impl Consent {
    /// What the link of this token subscribed to within the hour, as far as it still stands.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn confirmed_again(
        &self,
        token: &str,
    ) -> Result<Option<Vec<Confirmed<Subscription>>>, ConsentError> {
        match ConfirmToken::parse(token) {
            Some(token) => self.confirmed_lately(&token.hash()).await,
            None => Ok(None),
        }
    }

    pub(super) async fn confirmed_lately(
        &self,
        hash: &TokenHash,
    ) -> Result<Option<Vec<Confirmed<Subscription>>>, ConsentError> {
        let found = {
            let lately = self.0.lately.lock().unwrap_or_else(PoisonError::into_inner);
            lately.find(hash, self.clock().now())
        };
        let Some((person, lists)) = found else {
            return Ok(None);
        };
        let Some(subscriber) = self.store().subscriber_by_suppression(&person).await? else {
            return Ok(None);
        };
        let mut made = Vec::with_capacity(lists.len());
        for list in &lists {
            made.extend(self.subscription(subscriber.id, list).await?);
        }
        Ok((!made.is_empty()).then_some(made))
    }

    /// Called before the commit, so that nobody can find the link used and not yet remembered.
    pub(super) fn remember_confirmed(&self, hash: &TokenHash, person: &Index, lists: &[AskedList]) {
        let mut lately = self.0.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.remember(hash, person, lists, self.clock().now());
    }
}
