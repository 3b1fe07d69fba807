//! The keyed hashes by which one person's rows are found, and the person's suppressions as one.

use jiff::Timestamp;

use super::ConsentError;
use super::pace::{SILENCE, add as add_time};
use crate::address::{EmailAddress, MatchForm};
use crate::store::{Guard, Scope, Step, Store, Suppressed, Suppression, SuppressionReason};
use crate::vault::{Index, IndexColumn, Vault};

const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// The suppression indexes of one person, of every generation of the key, the newest first.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) form: MatchForm,
    pub(super) indexes: Vec<Index>,
}

impl Person {
    pub(super) fn of(vault: &Vault, address: &EmailAddress) -> Self {
        let form = address.match_form();
        let indexes = vault.index_all(IndexColumn::Suppression, form.as_bytes());
        Self { form, indexes }
    }

    /// The index that new rows carry.
    pub(super) fn index(&self) -> Index {
        self.indexes[0]
    }

    /// Whom evidence is about.
    pub(super) fn subject(&self, vault: &Vault) -> Index {
        vault.index(IndexColumn::EvidenceSubject, self.form.as_bytes())
    }

    /// The same, of every generation of the key.
    pub(super) fn subjects(&self, vault: &Vault) -> Vec<Index> {
        vault.index_all(IndexColumn::EvidenceSubject, self.form.as_bytes())
    }
}

/// Whether an address is that of the person whom one of these indexes stands for.
pub(super) fn is_person(vault: &Vault, address: &EmailAddress, indexes: &[Index]) -> bool {
    let form = address.match_form();
    let own = vault.index_all(IndexColumn::Suppression, form.as_bytes());
    own.iter().any(|index| indexes.contains(index))
}

/// What forbids writing to a person: the rows of all generations of the index key; and the indexes whose rows don't open.
pub(super) struct Suppressions(pub(super) Vec<Suppression>, Vec<Index>);

impl Suppressions {
    pub(super) async fn read(store: &Store, indexes: &[Index]) -> Result<Self, ConsentError> {
        let mut rows = Vec::with_capacity(indexes.len());
        for index in indexes {
            rows.push(store.suppression(*index).await?);
        }
        Ok(Self(rows, Vec::new()))
    }

    /// The same, without rows that don't open: such a row forbids everything as it is, since nobody can read that it
    /// doesn't, and it must not keep its person from leaving.
    pub(super) async fn read_sound(store: &Store, indexes: &[Index]) -> Result<Self, ConsentError> {
        let (mut rows, mut damaged) = (Vec::with_capacity(indexes.len()), Vec::new());
        for index in indexes {
            match store.suppression(*index).await {
                Ok(row) => rows.push(row),
                Err(error) if !error.is_temporary() => {
                    tracing::error!(%error, "a suppression can't be read; it stays as it is");
                    damaged.push(*index);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self(rows, damaged))
    }

    /// They must not change before the change is made.
    pub(super) fn guards(&self) -> impl Iterator<Item = Guard> + '_ {
        self.0
            .iter()
            .map(|row| Guard::SuppressionAt(row.index, row.version))
    }

    pub(super) fn forbids(&self, scope: Scope) -> bool {
        self.0.iter().any(|row| row.record.forbids(scope))
    }

    /// Whether the person said "never write to me again". It holds until they confirm a sign-up of a later day.
    pub(super) fn never_again(&self) -> bool {
        self.0.iter().any(|row| is_never(&row.record.scopes))
    }

    /// Whether they said so within the time in which not even a sign-up brings a challenge.
    pub(super) fn at_rest(&self, now: Timestamp) -> bool {
        let scopes = self.0.iter().flat_map(|row| &row.record.scopes);
        scopes
            .filter(|one| is_never(std::slice::from_ref(one)))
            .any(|one| now < add_time(one.at, SILENCE))
    }

    /// Whether this suppression stands in the row of each of these indexes already; one that doesn't open forbids
    /// everything. "Never again" begins a rest anew, at most once a day.
    pub(super) fn hold(&self, indexes: &[Index], new: &Suppressed) -> bool {
        let stands = |one: &Suppressed| {
            one.scope == new.scope
                && (new.reason != SuppressionReason::NeverAgain
                    || (one.reason == new.reason && new.at < add_time(one.at, DAY)))
        };
        indexes.iter().all(|index| {
            let mut rows = self.0.iter().filter(|row| row.index == *index);
            self.1.contains(index) || rows.any(|row| row.record.scopes.iter().any(stands))
        })
    }

    /// Adds a suppression to each row; answers the steps that write them.
    pub(super) fn add(&mut self, new: &Suppressed) -> Vec<Step> {
        for row in &mut self.0 {
            add(&mut row.record.scopes, new);
        }
        self.0.iter().cloned().map(Step::PutSuppression).collect()
    }

    /// Lifts what was confirmed anew. A suppression on everything shrinks to the `others`, the lists that were not
    /// confirmed. Answers what was lifted, and the steps that write the rows that changed.
    pub(super) fn lift(
        &mut self,
        confirmed: &[Scope],
        others: &[Scope],
    ) -> (Vec<Scope>, Vec<Step>) {
        let mut lifted = Vec::new();
        let mut steps = Vec::new();
        for row in &mut self.0 {
            let gone = lift(&mut row.record.scopes, confirmed, others);
            if !gone.is_empty() {
                lifted.extend(gone);
                steps.push(Step::PutSuppression(row.clone()));
            }
        }
        (lifted, steps)
    }
}

pub(super) fn is_never(scopes: &[Suppressed]) -> bool {
    scopes
        .iter()
        .any(|one| one.scope == Scope::All && one.reason == SuppressionReason::NeverAgain)
}

/// Adds a suppression; each scope stands once. "Never again" replaces any other reason for all, and nothing replaces it
/// but its being said anew, which begins the rest again; otherwise the first date and reason stay.
pub(super) fn add(scopes: &mut Vec<Suppressed>, new: &Suppressed) {
    match scopes.iter_mut().find(|one| one.scope == new.scope) {
        None => scopes.push(new.clone()),
        Some(old)
            if new.reason == SuppressionReason::NeverAgain
                && (old.reason != SuppressionReason::NeverAgain || old.at < new.at) =>
        {
            *old = new.clone();
        }
        Some(_) => {}
    }
}

fn lift(scopes: &mut Vec<Suppressed>, confirmed: &[Scope], others: &[Scope]) -> Vec<Scope> {
    let mut lifted = Vec::new();
    if let Some(at) = scopes.iter().position(|one| one.scope == Scope::All) {
        let all = scopes.remove(at);
        lifted.push(Scope::All);
        for scope in others {
            add(
                scopes,
                &Suppressed {
                    scope: *scope,
                    ..all.clone()
                },
            );
        }
    }
    scopes.retain(|one| {
        let gone = confirmed.contains(&one.scope);
        if gone {
            lifted.push(one.scope);
        }
        !gone
    });
    lifted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::ListTag;
    use proptest::prelude::*;

    fn at(scope: Scope, reason: SuppressionReason) -> Suppressed {
        Suppressed {
            scope,
            at: jiff::Timestamp::UNIX_EPOCH,
            reason,
        }
    }

    fn list(n: u8) -> Scope {
        Scope::List(ListTag([n; 4]))
    }

    #[test]
    fn never_again_is_the_strongest_reason() {
        let mut scopes = vec![at(Scope::All, SuppressionReason::Withdrawn)];
        assert!(!is_never(&scopes));
        add(&mut scopes, &at(Scope::All, SuppressionReason::NeverAgain));
        assert!(is_never(&scopes));
        for reason in [
            SuppressionReason::Withdrawn,
            SuppressionReason::Erased,
            SuppressionReason::Imported,
        ] {
            add(&mut scopes, &at(Scope::All, reason));
            assert!(is_never(&scopes), "{reason:?}");
        }
        assert_eq!(scopes.len(), 1);
    }

    #[test]
    fn lifting_one_list_leaves_the_others_suppressed() {
        let mut scopes = vec![at(Scope::All, SuppressionReason::Withdrawn)];
        let lifted = lift(&mut scopes, &[list(1)], &[list(2), list(3)]);
        assert_eq!(lifted, [Scope::All]);
        let left: Vec<_> = scopes.iter().map(|one| one.scope).collect();
        assert_eq!(left, [list(2), list(3)]);
        assert!(lift(&mut scopes, &[list(1)], &[list(2), list(3)]).is_empty());
        assert_eq!(lift(&mut scopes, &[list(2)], &[list(3)]), [list(2)]);
    }

    proptest! {
        #[test]
        fn what_was_not_confirmed_stays_forbidden(
            start in prop::collection::vec(0_u8..5, 0..6),
            confirmed in prop::collection::btree_set(1_u8..5, 1..4),
        ) {
            let scope = |n: u8| if n == 0 { Scope::All } else { list(n) };
            let mut scopes = Vec::new();
            for n in start {
                add(&mut scopes, &at(scope(n), SuppressionReason::Withdrawn));
            }
            let before: Vec<_> =
                (1..5).map(|n| scopes.iter().any(|one| one.scope.covers(list(n)))).collect();
            let yes: Vec<_> = confirmed.iter().map(|n| list(*n)).collect();
            let others: Vec<_> = (1..5).filter(|n| !confirmed.contains(n)).map(list).collect();
            lift(&mut scopes, &yes, &others);
            for n in 1..5 {
                let now = scopes.iter().any(|one| one.scope.covers(list(n)));
                let expected = !confirmed.contains(&n) && before[usize::from(n) - 1];
                prop_assert_eq!(now, expected);
            }
        }
    }
}
