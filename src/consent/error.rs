//! What can go wrong in the consent room.

use super::{LetterError, SettingsFault};
use crate::store::StoreError;

/// Why the room could not do what was asked. No message holds an address.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same rows were changed by others all the time.
    #[error("the record was being changed by others; nothing was done, try again")]
    Busy,
    /// A mail could not be written.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The settings can't be used.
    #[error("the lists and their words can't be used: {}", list(.0))]
    Settings(Vec<SettingsFault>),
    /// A form that can't be taken as it is.
    #[error("the form is not complete: {0:?}")]
    Form(Vec<FormProblem>),
    /// No list of this key.
    #[error("there is no list {0}; `hustings list show` names them")]
    UnknownList(String),
    /// A privileged act without a reason.
    #[error("say why: this act goes into the audit log with its reason")]
    NoReason,
    /// A reason that is none.
    #[error("the reason is too long or has control characters: one line of at most 500 characters")]
    OddReason,
    /// A privileged act that needs two people.
    #[error("this needs a second person, other than the one who asked for it")]
    SecondPerson,
    /// No import of this number waits.
    #[error("no import {0} waits; `hustings subscriber waiting` names those that do")]
    UnknownImport(String),
    /// An import's record that doesn't open.
    #[error(
        "the record of import {0} can't be read: it was damaged or altered, and nobody is asked; take it away \
         (`hustings subscriber refuse {0}`) and import the file anew"
    )]
    BrokenImport(String),
    /// An event has no canonical bytes.
    #[error(transparent)]
    Event(#[from] crate::audit::NotCanonical),
    /// A checkpoint that can't be believed.
    #[error(transparent)]
    Checkpoint(#[from] crate::audit::CheckpointError),
    /// A log's event that this version can't read.
    #[error("event {seq} of the consent log can't be read by this version; install the newer one")]
    OddEvent {
        /// Its number.
        seq: u64,
    },
}

fn list(faults: &[SettingsFault]) -> String {
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// What is wrong with a posted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormProblem {
    /// No list was ticked.
    ListsMissing,
    /// A list was ticked that isn't there, or where nobody can sign up.
    ListsUnknown,
    /// The statement of age was not ticked (law B12).
    AgeMissing,
    /// A constituency that isn't on the list.
    ConstituencyUnknown,
    /// The words changed between showing and posting: what was ticked is not what stands there now.
    WordingChanged,
    /// A card that names no batch (law B13).
    BatchMissing,
    /// A card whose batch holds a mail address: it stays in the evidence when the person is long erased.
    BatchAddress,
    /// A card whose batch is the electoral register, or bought data (law rows A1, G7).
    BatchRegister,
    /// A card of a day to come.
    DateInFuture,
    /// A card of a day on which the texts in force were not shown yet: others stood on it.
    BeforeWording,
}
