//! Mailings: what staff write to lists, from the submitted mail to the last copy's outcome. This room decides all of it
//! and speaks no protocol: a door hands a mail in, the delivery engine takes copies out.
//!
//! | file | what it decides |
//! |---|---|
//! | `settings` | the lists, their identities and footers |
//! | `accept` | what goes to a list and what is refused, with the reason; what is taken is held |
//! | `sample`, `notice` | what the sender and the approvers are shown |
//! | `approve`, `steer` | who may let a mailing go, pause, resume or cancel it |
//! | `stop` | what the service itself stops: its list is gone, or nobody approved it |
//! | `expand` | the audience, page by page |
//! | `source`, `parcel`, `plan` | the copies: offered, made, signed, cleared, written down |
//! | `cause`, `progress` | what became of them, in counts |
//! | `back` | what comes back: bounces, and answers to a copy |
//! | `fold` | what is left when it's over |
//!
//! # What must hold
//! - A copy is made for a [`Confirmed`](crate::consent::Confirmed) subscription alone, confirmed before the release, and
//!   leaves only while the person's place in the consent room's gate is held.
//! - A ledger row is written in the same transaction that moves the checkpoint of the expansion: a crash repeats a page
//!   or doesn't, and a repeat makes no second row. A row with an outcome is never due again.
//! - A copy that was offered is not offered again before its parcel is gone, so there is one attempt at a time.
//! - Nothing is written when an attempt begins: that would cost each copy a commit of its own. A crash leaves the rows of
//!   open connections as they were, due; they are sent again, byte for byte, at most one for each connection.

mod accept;
mod approve;
mod back;
mod cause;
mod error;
mod expand;
mod fold;
mod notice;
mod parcel;
mod plan;
mod progress;
mod running;
mod sample;
mod settings;
mod source;
mod steer;
mod stop;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, Semaphore, watch};

pub use accept::{Held, Submission, Target};
pub use approve::{ApprovalView, Approving, Decision, Despite};
pub use back::CopyOf;
pub use cause::in_words as cause_in_words;
pub use error::{ListError, SubmitError};
pub use progress::Progress;
pub use settings::{ApprovalRule, MailingList, MailingSettings, NotInOrder, Pace, Standing};
pub use steer::{MailingInfo, Preview};

use crate::address::{Domain, EmailAddress};
use crate::clock::Clock;
use crate::consent::Consent;
use crate::delivery::engine::Bell;
use crate::id::MailingId;
use crate::staff::StaffRoom;
use crate::store::{Mailing, Store};
use crate::template::{Templates, Tongues};
use crate::vault::Vault;

use running::Running;
use settings::Terms;

/// What any notice to staff takes: its words, in which languages, whom it is from and the domain of its id. It's in both
/// languages where the party writes to a list in both.
pub struct Notices {
    /// The words.
    pub templates: Arc<Templates>,
    /// The languages.
    pub tongues: Tongues,
    /// Whom it is from.
    pub from: EmailAddress,
    /// The domain.
    pub domain: Domain,
}

/// The room for mailings. Clones are the same room.
#[derive(Clone)]
pub struct Mailings(Arc<Room>);

struct Room {
    store: Store,
    clock: Clock,
    consent: Consent,
    staff: StaffRoom,
    terms: ArcSwap<Terms>,
    /// The mailings that are not over.
    running: Mutex<BTreeMap<MailingId, Arc<Running>>>,
    /// As many copies are signed at once as there are processors.
    signing: Arc<Semaphore>,
    /// Whose turn it is among the mailings that are being sent.
    turn: AtomicUsize,
    /// Counts what changed, for whoever watches.
    changed: watch::Sender<u64>,
    /// Wakes the delivery engine.
    bell: Bell,
    /// Wakes the expansion.
    work: Notify,
}

impl Mailings {
    /// Opens the room: checks the settings, and reads the mailings that are not over with their counts. The bell is that
    /// of the engine which takes the copies.
    ///
    /// # Errors
    /// [`ListError::Settings`] if a list can't be written to, [`ListError::Store`] if the store can't be read.
    pub async fn open(
        store: Store,
        clock: Clock,
        consent: Consent,
        staff: StaffRoom,
        settings: MailingSettings,
        bell: Bell,
    ) -> Result<Self, ListError> {
        let terms = Terms::new(settings)?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let room = Self(Arc::new(Room {
            store,
            clock,
            consent,
            staff,
            terms: ArcSwap::from_pointee(terms),
            running: Mutex::default(),
            signing: Arc::new(Semaphore::new(cores)),
            turn: AtomicUsize::new(0),
            changed: watch::Sender::new(0),
            bell,
            work: Notify::new(),
        }));
        for mailing in room.store().mailings().await? {
            if mailing.record.counts.is_none() {
                let tally = room.tally_of(&mailing).await?;
                room.admit(Running::new(mailing, tally));
            }
        }
        Ok(room)
    }

    /// Takes new settings. Mailings that were prepared stay as they are.
    ///
    /// # Errors
    /// [`ListError::Settings`]; the old settings stay in force then.
    pub fn reload(&self, settings: MailingSettings) -> Result<(), ListError> {
        self.0.terms.store(Arc::new(Terms::new(settings)?));
        // What is sent to a list that is gone is paused at once.
        self.0.work.notify_one();
        Ok(())
    }

    /// Changes whenever a mailing does or has more to send: who watches one looks again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// What any notice to staff takes.
    pub fn notices(&self) -> Notices {
        let settings = &self.terms().settings;
        let bilingual = settings
            .lists
            .iter()
            .any(|list| list.tongues == Tongues::Both);
        Notices {
            templates: settings.templates.clone(),
            tongues: match bilingual {
                true => Tongues::Both,
                false => Tongues::English,
            },
            from: settings.notices_from.clone(),
            domain: settings.mail_domain.clone(),
        }
    }

    fn terms(&self) -> Guard<Arc<Terms>> {
        self.0.terms.load()
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn vault(&self) -> &Vault {
        self.0.store.vault()
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn consent(&self) -> &Consent {
        &self.0.consent
    }

    fn staff(&self) -> &StaffRoom {
        &self.0.staff
    }

    fn say_changed(&self) {
        self.0.changed.send_modify(|count| *count += 1);
        self.0.bell.wake();
    }

    fn admit(&self, running: Running) {
        let running = Arc::new(running);
        self.lock().insert(running.id, running);
    }

    fn running(&self, id: MailingId) -> Option<Arc<Running>> {
        self.lock().get(&id).cloned()
    }

    /// All mailings that are not over, in the order of their ids.
    fn all_running(&self) -> Vec<Arc<Running>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<MailingId, Arc<Running>>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A mailing as it stands, running or over.
    async fn mailing(&self, id: MailingId) -> Result<Arc<Mailing>, ListError> {
        if let Some(running) = self.running(id) {
            return Ok(running.now());
        }
        let stored = self.store().mailing(id).await?;
        stored.map(Arc::new).ok_or(ListError::Unknown)
    }
}

impl std::fmt::Debug for Mailings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailings(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
