//! What a room's error means for who asked: refused, failed or misuse.

use crate::audit::NotCanonical;
use crate::consent::{ConsentError, FormProblem, ImportError};
use crate::control::handlers::staff_failure;
use crate::control::{Class, Failure};
use crate::list::ListError;

/// What an error of the consent room means for what was asked.
pub(super) fn consent(what: impl Into<String>, error: &ConsentError) -> Failure {
    if let ConsentError::Form(problems) = error {
        let why: Vec<_> = problems.iter().map(|one| in_words(*one)).collect();
        let (why, next) = (why.join(", "), "mend it and try again");
        let not_there = [FormProblem::ListsUnknown, FormProblem::ConstituencyUnknown];
        return match problems.iter().all(|one| not_there.contains(one)) {
            true => Failure::refused(what, why, next),
            false => Failure::misuse(what, why, next),
        };
    }
    Failure::from_error(class(error), what, error)
}

const fn class(error: &ConsentError) -> Class {
    match error {
        ConsentError::NoReason | ConsentError::OddReason | ConsentError::Form(_) => Class::Misuse,
        // What is named and isn't there is no misuse: who types it can't know.
        ConsentError::SecondPerson
        | ConsentError::UnknownImport(_)
        | ConsentError::UnknownList(_) => Class::Refused,
        ConsentError::Event(NotCanonical::AddressInReason) => Class::Misuse,
        ConsentError::Store(_)
        | ConsentError::Busy
        | ConsentError::Letter(_)
        | ConsentError::BrokenImport(_)
        | ConsentError::Settings(_)
        | ConsentError::Event(_)
        | ConsentError::Checkpoint(_)
        | ConsentError::OddEvent { .. } => Class::Failed,
    }
}

const fn in_words(problem: FormProblem) -> &'static str {
    match problem {
        FormProblem::ListsMissing => "it names no list",
        FormProblem::ListsUnknown => {
            "it names a list where nobody can sign up (`hustings list show` names those that are)"
        }
        FormProblem::AgeMissing => "the statement of minimum age is not ticked",
        FormProblem::ConstituencyUnknown => "there is no such constituency",
        FormProblem::WordingChanged => "the words on it have changed",
        FormProblem::BatchMissing => "it names no batch",
        FormProblem::BatchAddress => {
            "the batch holds a mail address, and would stay in the log when that person is erased: name the pile of cards"
        }
        FormProblem::BatchRegister => {
            "its batch is named like the electoral register or bought data, which are no consent: name the form, card or \
             event on which the yes was given"
        }
        FormProblem::DateInFuture => "its date is in the future",
        FormProblem::BeforeWording => {
            "the statement or notice in force was first shown after that day, so it isn't what stood on the card (bring it \
             by `subscriber import`, with the text that did)"
        }
    }
}

/// What an error of an import means.
pub(super) fn import(what: impl Into<String>, error: &ImportError) -> Failure {
    match error {
        ImportError::Consent(error) => consent(what, error),
        error => Failure::from_error(Class::Refused, what, error),
    }
}

/// What an error of the room for mailings means.
pub(super) fn mailing(what: impl Into<String>, error: &ListError) -> Failure {
    let class = match error {
        ListError::Consent(error) => return consent(what, error),
        ListError::Staff(error) => return staff_failure(what, error),
        ListError::Code(error) => return staff_failure(what, &error.clone().into()),
        ListError::Reason(_) | ListError::Ambiguous => Class::Misuse,
        ListError::Unknown
        | ListError::State { .. }
        | ListError::NotAllowed(_)
        | ListError::SecondPerson
        | ListError::NotYours
        | ListError::NotYoursToSteer
        | ListError::Digest
        | ListError::NotConfigured(_)
        | ListError::Freed
        | ListError::TooOld
        | ListError::Dns(_)
        | ListError::Link => Class::Refused,
        ListError::Store(_)
        | ListError::Settings { .. }
        | ListError::Busy
        | ListError::Damaged
        | ListError::NoKey
        | ListError::Notice(_)
        | ListError::Audit(_) => Class::Failed,
    };
    Failure::from_error(class, what, error)
}
