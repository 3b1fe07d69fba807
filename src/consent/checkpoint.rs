//! Signed checkpoints of both logs: at each privileged act and once a day. What was signed and copied away shows later
//! that nothing was cut or rewritten.

use super::{Consent, ConsentError};
use crate::audit::{Checkpoint, LogKind};
use crate::store::{Change, JournalEntry, Step, StoreError, StoredCheckpoint};

impl Consent {
    /// Signs both logs as they stand and keeps the checkpoints, in the store and in the journal. Answers their texts, for
    /// the witness.
    ///
    /// # Errors
    /// [`ConsentError::Store`]. A log that is not what was signed before isn't signed; the other one is.
    pub async fn sign_checkpoints(&self) -> Result<Vec<String>, ConsentError> {
        let mut change = Change::new();
        let (mut texts, mut refused) = (Vec::new(), None);
        for log in [LogKind::Audit, LogKind::Consent] {
            let signed = match self.sign(log).await {
                Err(ConsentError::Store(error @ StoreError::Unsound { .. })) => {
                    refused = Some(error);
                    continue;
                }
                signed => signed?,
            };
            change = change
                .then(Step::PutCheckpoint(signed.clone()))
                .then(Step::Journal(JournalEntry::Checkpoint {
                    at: self.clock().now(),
                    text: signed.text.clone(),
                }));
            texts.push(signed.text);
        }
        self.commit(change).await?;
        match refused {
            Some(error) => Err(error.into()),
            None => Ok(texts),
        }
    }

    /// The same after an act that is already done: a failure is logged, and the daily signing makes up for it.
    pub(super) async fn sign_checkpoints_quietly(&self) {
        if let Err(error) = self.sign_checkpoints().await {
            tracing::warn!(%error, "the logs were not signed after a privileged act");
        }
    }

    /// A log's head as it stands, signed, if the log is what was signed before.
    pub(super) async fn sign(&self, log: LogKind) -> Result<StoredCheckpoint, ConsentError> {
        let head = self.store().sound_head(log).await?;
        let checkpoint = Checkpoint::of(log, &head, self.clock().now());
        let size = checkpoint.size;
        let text = checkpoint.sign(self.vault().checkpoint_key()).to_string();
        Ok(StoredCheckpoint { log, size, text })
    }
}
