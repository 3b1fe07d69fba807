//! Consent: asking, confirming, withdrawing, and the evidence of each. This room decides all of it; doors (pages, mail,
//! control) only carry words in and out.
//!
//! | file | what it decides |
//! |---|---|
//! | `settings`, `wording` | the lists and the exact texts that people are shown |
//! | `ask` | what a form or a mail leaves for the worker: one sealed row, nothing is looked up |
//! | `worker`, `pace`, `place` | which mail, if any, answers it, and when |
//! | `own` | the party's own addresses, of which only the staff's are people's |
//! | `confirm`, `lately` | the button in the challenge's page: the consent, with its evidence; the same button again |
//! | `withdraw`, `gate` | every way out, also inside a running mailing |
//! | `stop` | a bare "stop" that proves nothing |
//! | `first_contact` | whether a stranger who wrote is asked, and the button in that mail |
//! | `subscription` | [`Confirmed<Subscription>`](Confirmed): the only thing a mailing may be sent to |
//! | `evidence`, `event`, `checkpoint` | what the consent log says, shown and proven |
//! | `erase`, `import`, `export`, `stats`, `expiry` | the admin's work |
//!
//! # What must hold
//! - A subscription is made by [`Consent::confirm`] alone.
//! - A withdrawal that was answered is on the disk, and no final dot leaves for that person after it.
//! - Nothing that a stranger can ask for tells whether an address is known.

mod act;
mod ask;
mod checkpoint;
mod confirm;
pub mod constituency;
pub mod csv;
mod erase;
mod error;
mod event;
mod evidence;
mod expiry;
mod export;
mod find;
mod first_contact;
mod gate;
mod import;
mod lately;
mod left;
mod letter;
mod own;
mod pace;
mod person;
mod place;
mod request;
mod settings;
mod stats;
mod stop;
mod subscription;
mod withdraw;
mod wording;
mod worker;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, watch};

pub use crate::template::{Heard, Lang, Text};
pub use act::By;
pub(crate) use act::act_step;
pub use ask::{Card, SignUpForm};
pub use confirm::{ConfirmOutcome, Confirmation, SeatChoice};
pub use error::{ConsentError, FormProblem};
pub use event::{
    ConfirmedEvent, ConsentEvent, Origin, PastConsent, PastWithdrawal, Tombstone, WithdrawalChannel,
};
pub use evidence::{EvidenceView, LogVerdict, NumberedEvent, ShownWording};
pub use export::{Export, ExportCounts};
pub use first_contact::{OwnedUp, QuestionLink, WAITS_DAYS};
pub use gate::{Departure, DepartureGate};
pub use import::{
    Import, ImportBatch, ImportError, ImportReport, ImportState, Rejected, RowProblem,
};
pub use letter::{Envelope, Letter, LetterError, Letters, ListWayOut, TemplateLetters};
pub use own::OwnAddresses;
pub use request::{RequestView, RequestedList};
pub use settings::{ConsentLimits, ConsentSettings, ListSettings, SettingsFault};
pub use stats::{MaskedCount, Stats, morning_of};
pub use subscription::{Audience, Confirmed, Departing, Liveness, Subscription};
pub use withdraw::{Extent, Replied, WithdrawalView};
pub use wording::{FormVersion, Shown, WordingDigest, WordingFault, Wordings};
pub use worker::{IntakeWorker, Worked};

use crate::clock::Clock;
use crate::net;
use crate::store::{Change, ChangeOutcome, Store};
use crate::vault::{Index, Vault};

/// How often a change is tried anew when others changed the same rows.
const ATTEMPTS: usize = 16;
/// How often a day a withdrawal that changes nothing is written all the same.
const REPEATS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
const REPEATS_IN: Duration = Duration::from_secs(86_400);

/// The consent room. Clones are the same room.
#[derive(Clone)]
pub struct Consent(Arc<Room>);

struct Room {
    store: Store,
    clock: Clock,
    live: ArcSwap<Live>,
    gate: DepartureGate,
    tally: stats::Tally,
    domains: place::DomainPlaces,
    /// Who is asked whether they wrote, by domain.
    strangers: place::DomainPlaces,
    lately: Mutex<lately::Lately>,
    left: Mutex<left::Left>,
    /// Withdrawals that change nothing, by whom they are of.
    repeats: net::Pace<Index>,
    own: OnceLock<Arc<dyn OwnAddresses>>,
    work: Notify,
    /// Counts commits, for whoever sends what they queued.
    posted: watch::Sender<u64>,
}

/// What a reload swaps.
struct Live {
    settings: ConsentSettings,
    wordings: Wordings,
    letters: Arc<dyn Letters>,
}

impl Consent {
    /// Opens the room: checks the settings, keeps their wordings, and counts the subscribers once.
    ///
    /// # Errors
    /// [`ConsentError::Settings`] with everything that is wrong, or [`ConsentError::Store`].
    pub async fn open(
        store: Store,
        clock: Clock,
        settings: ConsentSettings,
        letters: Arc<dyn Letters>,
    ) -> Result<Self, ConsentError> {
        let live = Live::new(&store, &clock, settings, letters).await?;
        let tally = stats::Tally::scan(&store, clock.now()).await?;
        Ok(Self(Arc::new(Room {
            store,
            clock,
            live: ArcSwap::from_pointee(live),
            gate: DepartureGate::default(),
            tally,
            domains: place::DomainPlaces::default(),
            strangers: place::DomainPlaces::default(),
            lately: Mutex::default(),
            left: Mutex::default(),
            repeats: net::Pace::new(REPEATS, REPEATS_IN),
            own: OnceLock::new(),
            work: Notify::new(),
            posted: watch::Sender::new(0),
        })))
    }

    /// Takes new settings. The wordings are on the disk before anybody is shown them.
    ///
    /// # Errors
    /// As [`Consent::open`]; the old settings stay in force then.
    pub async fn reload(
        &self,
        settings: ConsentSettings,
        letters: Arc<dyn Letters>,
    ) -> Result<(), ConsentError> {
        let live = Live::new(self.store(), self.clock(), settings, letters).await?;
        self.0.live.store(Arc::new(live));
        Ok(())
    }

    /// The settings in force.
    pub fn settings(&self) -> ConsentSettings {
        self.live().settings.clone()
    }

    /// The consent statement of a list as it stands beside its box now.
    pub fn wording(&self, list: &str, lang: Lang) -> Option<Shown> {
        self.live().wordings.current(list, lang).cloned()
    }

    /// The privacy notice as it is shown now.
    pub fn notice(&self, lang: Lang) -> Shown {
        self.live().wordings.notice(lang).clone()
    }

    /// What a form that is shown now carries in its signed stamp.
    pub fn form_version(&self, lang: Lang) -> FormVersion {
        self.live().wordings.version(lang).clone()
    }

    /// The gate that senders go through with each final dot.
    pub fn gate(&self) -> &DepartureGate {
        &self.0.gate
    }

    fn live(&self) -> Guard<Arc<Live>> {
        self.0.live.load()
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

    fn repeats(&self) -> &net::Pace<Index> {
        &self.0.repeats
    }

    fn tally(&self) -> &stats::Tally {
        &self.0.tally
    }

    /// Changes after each commit: a letter may be in the queue.
    pub fn posted(&self) -> watch::Receiver<u64> {
        self.0.posted.subscribe()
    }

    fn committed(&self) {
        self.0.posted.send_modify(|count| *count += 1);
    }

    /// Commits a change that has no guards, or whose guards are known to hold.
    async fn commit(&self, change: Change) -> Result<(), ConsentError> {
        match self.store().change(change).await? {
            ChangeOutcome::Done => {
                self.committed();
                Ok(())
            }
            ChangeOutcome::Conflict => Err(ConsentError::Busy),
        }
    }
}

impl Live {
    async fn new(
        store: &Store,
        clock: &Clock,
        settings: ConsentSettings,
        letters: Arc<dyn Letters>,
    ) -> Result<Self, ConsentError> {
        let faults = settings.faults(Some(store.vault()));
        if !faults.is_empty() {
            return Err(ConsentError::Settings(faults));
        }
        let wordings = Wordings::new(&settings);
        let keep = Change::new().then_all(wordings.keep(clock.now()));
        // Without guards there is no conflict.
        let _ = store.change(keep).await?;
        Ok(Self {
            settings,
            wordings,
            letters,
        })
    }
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Consent(..)")
    }
}

#[cfg(test)]
mod tests;
