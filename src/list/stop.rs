//! What the service itself stops: a mailing whose list was taken out of the configuration is paused, one that nobody
//! approved for a fortnight is ended and its text removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::approve::{HELD_FOR, step};
use super::running::Running;
use super::{ListError, Mailings, notice};
use crate::audit::{Act, ActObject};
use crate::store::{MailingState, MessageRecord, OwnMessage, Step, Stopped};

/// How the audit log names the service.
const SERVICE: &str = "system";

impl Mailings {
    /// The mailings that are not over, by list.
    pub fn current_by_list(&self) -> BTreeMap<String, u64> {
        let mut lists = BTreeMap::new();
        for running in self.all_running() {
            if running.state() != MailingState::Cancelled {
                *lists.entry(running.now().record.list.clone()).or_default() += 1;
            }
        }
        lists
    }

    /// Whether a mailing's list is in the configuration.
    pub(super) fn has_its_list(&self, running: &Running) -> bool {
        let terms = self.terms();
        terms.list(&running.now().record.list).is_some()
    }

    /// Pauses a mailing that is being sent to a list that is no longer there.
    pub(super) async fn pause_without_list(&self, running: &Running) -> Result<(), ListError> {
        let why = "its list was taken out of the configuration";
        let act = self.own_act("mailing pause", running, why);
        let paused = self.alter(running, |record| {
            if record.state != MailingState::Sending {
                return Err(ListError::State {
                    state: record.state,
                    act: "paused",
                });
            }
            record.state = MailingState::Paused;
            record.stopped = Some(Stopped::ListGone);
            Ok(vec![step(&act)?])
        });
        match paused.await {
            Ok(_) => {}
            // Stopped by somebody just now.
            Err(ListError::State { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        tracing::warn!(mailing = %running.id, "a mailing is paused: {why}");
        self.sign_quietly().await;
        Ok(())
    }

    /// Ends what nobody approved for a fortnight: its sender is told, and its text goes. The daily job calls it. Answers
    /// how many were ended.
    ///
    /// # Errors
    /// [`ListError`]; the next day's job goes on.
    pub async fn end_unapproved(&self) -> Result<u64, ListError> {
        let mut ended = 0;
        for running in self.all_running() {
            let held_for = self
                .clock()
                .now()
                .duration_since(running.now().record.created_at);
            if running.state() == MailingState::Held && held_for >= HELD_FOR {
                ended += u64::from(self.end_held(&running).await?);
            }
        }
        if ended > 0 {
            self.sign_quietly().await;
            self.0.work.notify_one();
        }
        Ok(ended)
    }

    async fn end_held(&self, running: &Arc<Running>) -> Result<bool, ListError> {
        let now = self.clock().now();
        let act = self.own_act("mailing cancel", running, "nobody approved it for 14 days");
        let terms = self.0.terms.load_full();
        let ended = self.alter_row(running, |mailing| {
            let record = &mut mailing.record;
            if record.state != MailingState::Held {
                return Err(ListError::State {
                    state: record.state,
                    act: "cancelled",
                });
            }
            record.state = MailingState::Cancelled;
            record.stopped = Some(Stopped::HeldTooLong);
            record.ended_at = Some(now);
            record.links.clear();
            let mut steps = notice::not_approved(self, &terms, mailing, now)?;
            // The row needs a message; an empty one stands in.
            let record = MessageRecord {
                received_at: now,
                size: 0,
                reverse_path: None,
                recipients: Vec::new(),
                submitted_by: None,
            };
            let empty = OwnMessage::new(self.vault(), record, b"");
            mailing.message = empty.id();
            steps.push(Step::PutMessage(empty));
            steps.push(step(&act)?);
            Ok(steps)
        });
        match ended.await {
            Ok(_) => Ok(true),
            Err(ListError::State { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn own_act(&self, verb: &str, running: &Running, why: &str) -> Act {
        Act::new(SERVICE, verb, self.clock().now())
            .to(ActObject::new("mailing", running.id))
            .because(why)
    }
}
