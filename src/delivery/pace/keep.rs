//! The counts in the store, so that a restart doesn't begin the day, or the warm-up, again. They name servers of other
//! domains, which may be one person's: they stand there sealed, like every setting.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::book::Book;
use super::{Pace, PaceSettings, Provider, Standing};
use crate::store::{Change, Setting, Step, Store, StoreError};

/// The setting.
const KEPT: &str = "pace";

/// All providers' counts. Clones share them.
#[derive(Clone, Default)]
pub struct PaceBook(Arc<Inner>);

#[derive(Default)]
struct Inner {
    book: Mutex<Book>,
    store: Option<Store>,
}

impl fmt::Debug for PaceBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaceBook(..)")
    }
}

impl PaceBook {
    /// Reads the counts. If they can't be read, they begin anew, with a word in the log: they are no reason not to send.
    pub async fn load(store: &Store, settings: PaceSettings) -> Self {
        const UNREAD: &str = "what providers got from us can't be read, and is counted anew";
        let kept: HashMap<Provider, Standing> = match store.setting(KEPT).await {
            Ok(Some(bytes)) => match serde_json::from_slice::<Vec<_>>(&bytes) {
                Ok(kept) => HashMap::from_iter(kept),
                Err(_) => {
                    tracing::warn!("{UNREAD}");
                    HashMap::new()
                }
            },
            Ok(None) => HashMap::new(),
            Err(error) => {
                tracing::warn!(%error, "{UNREAD}");
                HashMap::new()
            }
        };
        Self(Arc::new(Inner {
            book: Mutex::new(Book::new(settings, kept)),
            store: Some(store.clone()),
        }))
    }

    /// Counts that end with the process.
    pub fn fleeting(settings: PaceSettings) -> Self {
        Self(Arc::new(Inner {
            book: Mutex::new(Book::new(settings, HashMap::new())),
            store: None,
        }))
    }

    /// Uses these settings from now on.
    pub fn set(&self, settings: PaceSettings) {
        self.book().set(settings);
    }

    /// Writes down what has changed.
    ///
    /// # Errors
    /// A [`StoreError`]; it is written with the next change.
    pub async fn save(&self) -> Result<(), StoreError> {
        let Some(store) = &self.0.store else {
            return Ok(());
        };
        let standings = {
            let mut book = self.book();
            if !std::mem::take(&mut book.dirty) {
                return Ok(());
            }
            book.standings()
        };
        let bytes = serde_json::to_vec(&standings).unwrap_or_default();
        let setting = Setting {
            name: KEPT.into(),
            value: Zeroizing::new(bytes),
        };
        let written = store
            .change(Change::new().then(Step::PutSetting(setting)))
            .await;
        written.map(drop).inspect_err(|_| self.book().dirty = true)
    }

    /// Whether something has changed since it was written down.
    pub fn is_dirty(&self) -> bool {
        self.book().dirty
    }

    /// What holds for a provider.
    pub fn of(&self, provider: &Provider) -> Pace {
        self.book().settings.of(provider)
    }

    /// Whether one more copy may go to it now.
    ///
    /// # Errors
    /// When the next one may.
    pub fn admits(&self, provider: &Provider, now: Timestamp) -> Result<(), Timestamp> {
        self.book().admits(provider, now)
    }

    /// Counts a copy that is about to go.
    pub fn count(&self, provider: &Provider, now: Timestamp) {
        self.book().count(provider, now);
    }

    /// Takes a count back: it did not go.
    pub fn take_back(&self, provider: &Provider) {
        self.book().take_back(provider);
    }

    /// It asked us to slow down.
    pub fn warn(&self, provider: &Provider, now: Timestamp) {
        self.book().warn(provider, now);
    }

    /// It is left alone until then, over a restart too.
    pub fn pause(&self, provider: &Provider, until: Timestamp, now: Timestamp) {
        self.book().pause(provider, until, now);
    }

    /// Until when it is left alone.
    pub fn paused_until(&self, provider: &Provider, now: Timestamp) -> Option<Timestamp> {
        self.book().paused_until(provider, now)
    }

    /// Those that get nothing now, whether or not anything is at hand for them.
    pub fn held_up(&self, now: Timestamp) -> Vec<Provider> {
        self.book().held_up(now)
    }

    /// How it stands today, and how many more it may get; none if there is no limit.
    pub fn today(&self, provider: &Provider, now: Timestamp) -> (Standing, Option<u32>) {
        self.book().today(provider, now)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in here panics half-way through a change.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
