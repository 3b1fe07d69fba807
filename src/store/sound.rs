//! Whether a log is still the one that was signed: only then it is signed again. Yesterday's file put back, a cut end or
//! a changed leaf would otherwise be made good by the next act.

use std::sync::{Mutex, PoisonError};

use super::log::LOGS;
use super::{Store, StoreError};
use crate::audit::{Checkpoint, Frontier, LogKind, SignedCheckpoint};

/// How many leaves are read at a time.
const PAGE: u32 = 2000;

/// What is known of the logs' soundness, in the order of [`LOGS`].
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// How far the leaves were gone over and compared with what was signed.
    compared: tokio::sync::Mutex<[Frontier; LOGS.len()]>,
    findings: Mutex<[Option<String>; LOGS.len()]>,
}

impl Sound {
    /// Why logs are not signed.
    pub(super) fn findings(&self) -> Vec<String> {
        let findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.iter().flatten().cloned().collect()
    }

    fn note(&self, log: LogKind, found: Option<String>) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings[place(log)] = found;
    }
}

fn place(log: LogKind) -> usize {
    LOGS.iter().position(|one| *one == log).unwrap_or(0)
}

/// Why a log is not signed.
enum Unsound {
    Short { has: u64, last: Checkpoint },
    Changed { last: Checkpoint },
    Head,
    Store(StoreError),
}

impl From<StoreError> for Unsound {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LogCut { .. } | StoreError::Record { .. } => Self::Head,
            error => Self::Store(error),
        }
    }
}

impl Store {
    /// The head of a log, once its leaves lead to it and to what this installation signed last, as the database and the
    /// journal know it. Each leaf is looked at once in the life of a process.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] if the log is not the one that was signed; [`Store::warnings`] tells it from then on.
    pub async fn sound_head(&self, log: LogKind) -> Result<Frontier, StoreError> {
        let what = match self.compare_head(log).await {
            Ok(head) => {
                self.sound.note(log, None);
                return Ok(head);
            }
            Err(Unsound::Store(error)) => return Err(error),
            Err(Unsound::Short { has, last }) => format!(
                "it has {has} entries and had {} on {}: its end was cut off, or an older file was put back",
                last.size,
                last.at.strftime("%F")
            ),
            Err(Unsound::Changed { last }) => format!(
                "one of its first {} entries is not what was signed on {}: it was changed, or an older file was put back",
                last.size,
                last.at.strftime("%F")
            ),
            Err(Unsound::Head) => "its entries don't lead to its head".to_owned(),
        };
        let error = StoreError::Unsound {
            log: log.name(),
            what,
        };
        self.sound.note(log, Some(error.to_string()));
        Err(error)
    }

    async fn compare_head(&self, log: LogKind) -> Result<Frontier, Unsound> {
        let mut compared = self.sound.compared.lock().await;
        let compared = &mut compared[place(log)];
        // Before the head, which may grow meanwhile.
        let signed = self.newest_signed(log).await?;
        let head = self.log_head(log).await?;
        let mut frontier = std::mem::take(compared);
        if let Some(last) = signed.iter().find(|last| last.size > head.size()) {
            return Err(Unsound::Short {
                has: head.size(),
                last: last.clone(),
            });
        }
        if frontier.size() > head.size() {
            return Err(Unsound::Head);
        }
        let changed = |frontier: &Frontier| {
            let here = signed.iter().find(|last| last.size == frontier.size());
            here.filter(|last| last.root != frontier.root()).cloned()
        };
        loop {
            if let Some(last) = changed(&frontier) {
                return Err(Unsound::Changed { last });
            }
            let left = head.size() - frontier.size();
            if left == 0 {
                break;
            }
            let page = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
            let leaves = self.leaves(log, frontier.size(), page).await?;
            if leaves.is_empty() {
                return Err(Unsound::Head);
            }
            for leaf in &leaves {
                frontier.push(leaf);
                if let Some(last) = changed(&frontier) {
                    return Err(Unsound::Changed { last });
                }
            }
        }
        if frontier.root() != head.root() {
            return Err(Unsound::Head);
        }
        compared.clone_from(&frontier);
        Ok(frontier)
    }

    /// What this installation signed last of a log, as the journal and the database know it. One that doesn't open is
    /// named by `store verify`.
    async fn newest_signed(&self, log: LogKind) -> Result<Vec<Checkpoint>, StoreError> {
        let stored = match self.newest_checkpoint(log).await {
            Ok(stored) => stored,
            Err(StoreError::Seal(_) | StoreError::Record { .. }) => None,
            Err(error) => return Err(error),
        };
        let public = self.vault.checkpoint_public();
        let stored = stored.and_then(|stored| {
            let signed = SignedCheckpoint::parse(&stored.text).ok()?;
            signed.verify(&public).ok().cloned()
        });
        let mut signed: Vec<_> = stored.into_iter().chain(self.journal.signed(log)).collect();
        signed.retain(|one| one.log == log);
        Ok(signed)
    }
}
