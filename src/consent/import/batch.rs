//! Imports as a whole: each waits for a second person, then its rows get their turns.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::act::{By, act_step};
use super::super::pace::add;
use super::super::{Consent, ConsentError};
use crate::audit::ActObject;
use crate::id::{IntakeId, StaffId};
use crate::store::{Change, Intake, IntakeRecord, NamedSetting, Setting, Step, StoreError};

/// When a row is due that has no turn yet: never.
pub(in crate::consent) const HELD: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// Each import's record stands by itself, so that one that doesn't open is in no other's way.
const BATCH: &str = "consent.import.";
const PACE: &str = "consent.import-pace";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// An import that was begun and not ended is given up after this.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// An import that nobody approves is erased after this.
const UNAPPROVED: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How many imports may wait.
const MOST: usize = 100;
const PAGE: u32 = 500;

/// Where an import stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ImportState {
    /// Its file is being read.
    Reading,
    /// It waits for a second person.
    Waiting,
    /// Its rows are asked, so many a day.
    Released {
        /// By whom.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportBatch {
    /// The number by which it's approved.
    pub id: String,
    /// Who brought it.
    pub staff: StaffId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// How many rows were taken.
    pub rows: u64,
    /// Whether a suppression file, or the statement that there's none, came with it.
    pub suppressions_given: bool,
    /// Whether it was stated that there is none.
    pub stated_no_suppressions: bool,
    /// Where it stands.
    pub state: ImportState,
}

#[derive(Serialize, Deserialize)]
struct PaceMark {
    since: Timestamp,
    count: u32,
}

impl Consent {
    /// The imports that are read, wait or are being asked, the oldest first. Of one whose record can't be read there's its
    /// number, in [`ConsentError::BrokenImport`].
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn imports(&self) -> Result<Vec<Result<ImportBatch, ConsentError>>, ConsentError> {
        let rows = self.store().settings_beginning(BATCH).await?.into_iter();
        let read = |row: NamedSetting| {
            let id = row.name.strip_prefix(BATCH).unwrap_or_default();
            row.value
                .map_or_else(|_| Err(broken(id)), |value| read(id, &value))
        };
        let mut all: Vec<_> = rows.map(read).collect();
        all.sort_by_key(|batch| batch.as_ref().map_or(Timestamp::MAX, |batch| batch.at));
        Ok(all)
    }

    /// The import of this number; none if there is none.
    ///
    /// # Errors
    /// [`ConsentError::BrokenImport`] or [`ConsentError::Store`].
    pub async fn import(&self, id: &str) -> Result<Option<ImportBatch>, ConsentError> {
        match self.store().setting(&name(id)).await {
            Ok(value) => value.map(|value| read(id, &value)).transpose(),
            Err(error) if error.is_temporary() => Err(error.into()),
            Err(_) => Err(broken(id)),
        }
    }

    /// Lets an import's rows be asked. The second person must be another than the one who brought it.
    ///
    /// # Errors
    /// [`ConsentError::UnknownImport`], [`ConsentError::BrokenImport`], [`ConsentError::SecondPerson`],
    /// [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn approve_import(&self, id: &str, by: &By) -> Result<u64, ConsentError> {
        let waits = |batch: &ImportBatch| batch.state == ImportState::Waiting;
        let found = self.import(id).await?.filter(waits);
        let mut batch = found.ok_or_else(|| ConsentError::UnknownImport(id.to_owned()))?;
        if batch.staff == by.staff {
            return Err(ConsentError::SecondPerson);
        }
        let act = self
            .act(by, "subscriber import approve")?
            .to(ActObject::new("import", id))
            .with(batch.staff);
        batch.state = ImportState::Released {
            by: by.staff,
            at: self.clock().now(),
        };
        self.write_batch(&batch, Some(act_step(&act)?)).await?;
        self.give_turns(id).await?;
        self.sign_checkpoints_quietly().await;
        self.work_came();
        Ok(batch.rows)
    }

    /// Gives an import up and erases its rows that were not asked yet; one whose record can't be read as well.
    ///
    /// # Errors
    /// [`ConsentError::UnknownImport`], [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn cancel_import(&self, id: &str, by: &By) -> Result<(), ConsentError> {
        match self.import(id).await {
            Ok(Some(_)) | Err(ConsentError::BrokenImport(_)) => {}
            Ok(None) => return Err(ConsentError::UnknownImport(id.to_owned())),
            Err(error) => return Err(error),
        }
        let act = self
            .act(by, "subscriber import cancel")?
            .to(ActObject::new("import", id));
        self.erase_batch(id, Some(act_step(&act)?)).await?;
        self.sign_checkpoints_quietly().await;
        Ok(())
    }

    pub(super) async fn open_batch(&self, by: &By) -> Result<ImportBatch, ConsentError> {
        let mut id = IntakeId::random().to_string();
        id.truncate(8);
        let batch = ImportBatch {
            id,
            staff: by.staff,
            reason: by.reason.clone(),
            at: self.clock().now(),
            rows: 0,
            suppressions_given: false,
            stated_no_suppressions: false,
            state: ImportState::Reading,
        };
        if self.imports().await?.len() >= MOST {
            return Err(ConsentError::Busy);
        }
        self.write_batch(&batch, None).await?;
        Ok(batch)
    }

    /// Writes an import's new state.
    pub(super) async fn write_batch(
        &self,
        batch: &ImportBatch,
        and: Option<Step>,
    ) -> Result<(), ConsentError> {
        let put = put_setting(name(&batch.id).into(), batch);
        self.commit(Change::new().then(put).then_all(and)).await
    }

    pub(super) async fn erase_batch(
        &self,
        id: &str,
        and: Option<Step>,
    ) -> Result<(), ConsentError> {
        self.each_row(id, |row| Some(Step::RemoveIntake(row.id)))
            .await?;
        let remove = Step::RemoveSetting(name(id).into());
        self.commit(Change::new().then(remove).then_all(and)).await
    }

    /// Goes over the rows of an import, page by page, and does what is answered.
    async fn each_row(
        &self,
        id: &str,
        mut step: impl FnMut(Intake) -> Option<Step>,
    ) -> Result<u64, ConsentError> {
        let (mut after, mut rows) = (None, 0);
        loop {
            let page = self.store().intake_after(after, PAGE).await?;
            after = page.next;
            let own = page.rows.into_iter().filter(
                |row| matches!(&row.record, IntakeRecord::Import { batch, .. } if batch == id),
            );
            let mut change = Change::new();
            for row in own {
                rows += 1;
                change = change.then_all(step(row));
            }
            self.commit(change).await?;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// How far apart the challenges of an import go out.
    fn between_turns(&self) -> SignedDuration {
        let per_day = self.live().settings.limits.imported_per_day.max(1);
        let between = DAY.as_millis() / i128::from(per_day);
        SignedDuration::from_millis(i64::try_from(between).unwrap_or(i64::MAX))
    }

    /// When the last challenge of an import of so many rows goes out that was let go now, if nothing is in its way.
    pub fn import_ends(&self, rows: u64) -> Timestamp {
        let gaps = i32::try_from(rows.saturating_sub(1)).unwrap_or(i32::MAX);
        add(
            self.clock().now(),
            self.between_turns().saturating_mul(gaps),
        )
    }

    /// Spreads an import's rows over the coming days.
    async fn give_turns(&self, id: &str) -> Result<u64, ConsentError> {
        let between = self.between_turns();
        let mut turn = self.clock().now();
        self.each_row(id, |mut row| {
            if row.due_at != HELD {
                return None;
            }
            row.due_at = turn;
            turn = add(turn, between);
            Some(Step::PutIntake(row))
        })
        .await
    }

    pub(in crate::consent) async fn import_is_released(
        &self,
        id: &str,
    ) -> Result<bool, ConsentError> {
        let released = |batch: &ImportBatch| matches!(batch.state, ImportState::Released { .. });
        Ok(self.import(id).await?.as_ref().is_some_and(released))
    }

    /// The step that counts one more challenge of today's share; and if the share is used up, when the next begins.
    pub(in crate::consent) async fn import_pace(
        &self,
    ) -> Result<(Step, Option<Timestamp>), ConsentError> {
        let now = self.clock().now();
        let value = match self.store().setting(PACE).await {
            // At worst a day's share goes out twice; nobody would be asked any more otherwise.
            Err(error @ StoreError::Seal(_)) => {
                tracing::error!(%error, setting = PACE, "the day's share of challenges begins anew");
                None
            }
            value => value?,
        };
        let read: Option<PaceMark> = value.and_then(|value| serde_json::from_slice(&value).ok());
        let running = read.filter(|mark| mark.since <= now && now < add(mark.since, DAY));
        let mut mark = running.unwrap_or(PaceMark {
            since: now,
            count: 0,
        });
        let most = self.live().settings.limits.imported_per_day.max(1);
        let free = (mark.count >= most).then(|| add(mark.since, DAY));
        mark.count = mark.count.saturating_add(1);
        Ok((put_setting(PACE.into(), &mark), free))
    }

    /// Mends and clears: an import that a crash left half-read is erased, one that nobody approved too, rows that a
    /// crash left without a turn get one, an import without rows is forgotten.
    pub(in crate::consent) async fn tend_imports(&self) -> Result<(), ConsentError> {
        let now = self.clock().now();
        for batch in self.imports().await? {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(%error, "an import stands still");
                    continue;
                }
            };
            let over = |span| now >= add(batch.at, span);
            match batch.state {
                ImportState::Reading if over(STALE) => self.erase_batch(&batch.id, None).await?,
                ImportState::Waiting if over(UNAPPROVED) => {
                    self.erase_batch(&batch.id, None).await?;
                }
                ImportState::Released { .. } => {
                    if self.give_turns(&batch.id).await? == 0 {
                        self.erase_batch(&batch.id, None).await?;
                    }
                }
                ImportState::Reading | ImportState::Waiting => {}
            }
        }
        Ok(())
    }
}

/// Under which name an import's record stands.
fn name(id: &str) -> String {
    format!("{BATCH}{id}")
}

fn read(id: &str, value: &[u8]) -> Result<ImportBatch, ConsentError> {
    serde_json::from_slice(value).map_err(|_| broken(id))
}

fn broken(id: &str) -> ConsentError {
    ConsentError::BrokenImport(id.to_owned())
}

fn put_setting(name: Cow<'static, str>, value: &impl Serialize) -> Step {
    let bytes = serde_json::to_vec(value).expect("plain data is written as JSON");
    Step::PutSetting(Setting {
        name,
        value: Zeroizing::new(bytes),
    })
}
