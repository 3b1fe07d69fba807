//! `mailing …`. The room says who may do what; here the words are changed.

use std::sync::Arc;
use std::time::Duration;

use super::{constituency_name, failure};
use crate::consent::MaskedCount;
use crate::control::api::Count;
use crate::control::api::mailing::{
    Approve, Cancel, Counts, List, MailingReport, Pause, Preview, Resume, Show, Watch, WatchRow,
};
use crate::control::handlers::staff_failure;
use crate::control::{Ask, Call, Failure, Handle, Nothing};
use crate::daemon::rooms::Rooms;
use crate::id::MailingId;
use crate::list::{Approving, Despite, ListError, MailingInfo, Progress};
use crate::staff::{Actor, StaffError};
use crate::store::MailingState;

/// How often somebody who watches is told at most.
const AT_MOST: Duration = Duration::from_millis(500);
/// After how long a mailing is looked at again though nothing was said: withdrawals are not told to the room.
const AT_LEAST: Duration = Duration::from_secs(3);

/// Answers for the mailings.
pub(super) struct MailingDesk(pub(super) Arc<Rooms>);

fn refusal<A: Ask>(error: &ListError) -> Failure {
    failure::mailing(format!("can't do \"{}\"", A::NAME), error)
}

impl MailingDesk {
    async fn find<A: Ask>(&self, digits: &str, call: &Call<A>) -> Result<MailingId, Failure> {
        let found = self.0.mailings.find(digits, call.actor()?).await;
        found.map_err(|error| refusal::<A>(&error))
    }

    async fn progress<A: Ask>(&self, id: MailingId, to: &Actor) -> Result<Progress, Failure> {
        let progress = self.0.mailings.progress(id, to).await;
        progress.map_err(|error| refusal::<A>(&error))
    }

    /// A mailing as it stands, in the counts that this person may see.
    async fn report<A: Ask>(
        &self,
        info: MailingInfo,
        to: &Actor,
    ) -> Result<MailingReport, Failure> {
        let progress = self.progress::<A>(info.id, to).await?;
        let codes = info.constituencies;
        let names = |codes: Vec<String>| {
            let codes = codes.iter();
            codes.map(|code| constituency_name(&self.0, code)).collect()
        };
        Ok(MailingReport {
            id: info.id,
            list: info.list,
            constituencies: codes.map(names),
            subject: info.subject,
            sender: info.sender,
            state: info.state,
            created_at: info.created_at,
            second_person: info.second_person,
            approved_by: info.approved_by,
            released_at: info.released_at,
            ended_at: info.ended_at,
            digest: info.digest,
            stopped: info.stopped,
            counts: counts(&progress),
        })
    }
}

fn counts(progress: &Progress) -> Counts {
    Counts {
        audience: progress.audience.into(),
        tried: progress.tried.into(),
        sent: progress.sent.map(Count::from),
        waiting: progress.waiting.into(),
        failed: progress.failed.map(Count::from),
        withdrawn: progress.withdrawn.map(Count::from),
        cancelled: progress.cancelled.into(),
        bounced: progress.bounced.map(Count::from),
    }
}

impl Handle<List> for MailingDesk {
    async fn handle(&self, ask: List, call: &mut Call<List>) -> Result<Nothing, Failure> {
        let all = self.0.mailings.list(ask.current, call.actor()?).await;
        for info in all.map_err(|error| refusal::<List>(&error))? {
            let report = self.report::<List>(info, call.actor()?).await?;
            call.row(&report).await?;
        }
        Ok(Nothing {})
    }
}

impl Handle<Preview> for MailingDesk {
    async fn handle(
        &self,
        ask: Preview,
        call: &mut Call<Preview>,
    ) -> Result<MailingReport, Failure> {
        let id = self.find::<Preview>(&ask.mailing, call).await?;
        let preview = self.0.mailings.preview(id, call.actor()?).await;
        let preview = preview.map_err(|error| refusal::<Preview>(&error))?;
        call.send_body(&preview.message).await?;
        self.report::<Preview>(preview.info, call.actor()?).await
    }
}

impl Handle<Show> for MailingDesk {
    async fn handle(&self, ask: Show, call: &mut Call<Show>) -> Result<MailingReport, Failure> {
        let id = self.find::<Show>(&ask.mailing, call).await?;
        let info = self.0.mailings.show(id).await;
        let info = info.map_err(|error| refusal::<Show>(&error))?;
        self.report::<Show>(info, call.actor()?).await
    }
}

impl Handle<Approve> for MailingDesk {
    async fn handle(
        &self,
        ask: Approve,
        call: &mut Call<Approve>,
    ) -> Result<MailingReport, Failure> {
        let (id, actor) = (
            self.find::<Approve>(&ask.mailing, call).await?,
            call.actor()?,
        );
        let approving = Approving {
            digest: ask.digest.as_deref(),
            despite: match ask.anyway {
                true => Despite::Dns,
                false => Despite::Nothing,
            },
            code: call.code(),
        };
        let approved = self.0.mailings.approve_with(id, actor, approving).await;
        let info = approved.map_err(|error| refusal::<Approve>(&error))?;
        self.report::<Approve>(info, actor).await
    }
}

impl Handle<Pause> for MailingDesk {
    async fn handle(&self, ask: Pause, call: &mut Call<Pause>) -> Result<MailingReport, Failure> {
        let (id, actor) = (self.find::<Pause>(&ask.mailing, call).await?, call.actor()?);
        let paused = self.0.mailings.pause(id, actor).await;
        let info = paused.map_err(|error| refusal::<Pause>(&error))?;
        self.report::<Pause>(info, actor).await
    }
}

impl Handle<Resume> for MailingDesk {
    async fn handle(&self, ask: Resume, call: &mut Call<Resume>) -> Result<MailingReport, Failure> {
        let (id, actor) = (
            self.find::<Resume>(&ask.mailing, call).await?,
            call.actor()?,
        );
        let resumed = self.0.mailings.resume(id, actor).await;
        let info = resumed.map_err(|error| refusal::<Resume>(&error))?;
        self.report::<Resume>(info, actor).await
    }
}

impl Handle<Cancel> for MailingDesk {
    async fn handle(&self, ask: Cancel, call: &mut Call<Cancel>) -> Result<MailingReport, Failure> {
        let (id, actor) = (
            self.find::<Cancel>(&ask.mailing, call).await?,
            call.actor()?,
        );
        let cancelled = self
            .0
            .mailings
            .cancel(id, actor, ask.reason.as_deref())
            .await;
        let info = cancelled.map_err(|error| refusal::<Cancel>(&error))?;
        self.report::<Cancel>(info, actor).await
    }
}

impl Handle<Watch> for MailingDesk {
    async fn handle(&self, ask: Watch, call: &mut Call<Watch>) -> Result<MailingReport, Failure> {
        let id = self.find::<Watch>(&ask.mailing, call).await?;
        let mut changes = self.0.mailings.changes();
        let mut told: Option<WatchRow> = None;
        loop {
            changes.mark_unchanged();
            let actor = self.still(call.actor()?)?;
            let progress = self.progress::<Watch>(id, &actor).await?;
            tell_bar(&progress, call);
            let row = self.row(&progress);
            if told.as_ref().is_none_or(|last| differs(last, &row)) {
                call.row(&row).await?;
                told = Some(row);
            }
            if matches!(progress.state, MailingState::Done | MailingState::Cancelled) {
                let info = self.0.mailings.show(id).await;
                let info = info.map_err(|error| refusal::<Watch>(&error))?;
                return self.report::<Watch>(info, &actor).await;
            }
            let changed = async {
                let _ = tokio::time::timeout(AT_LEAST, changes.changed()).await;
                tokio::time::sleep(AT_MOST).await;
            };
            tokio::select! {
                () = changed => {}
                () = call.gone() => return Err(Failure::gone()),
            }
        }
    }
}

impl MailingDesk {
    /// Who watches, as they are now: it lasts as long as the mailing, and roles come and go.
    fn still(&self, watcher: &Actor) -> Result<Actor, Failure> {
        let now = self.0.staff.actor(watcher.id());
        now.ok_or_else(|| {
            let gone = StaffError::Revoked(watcher.name().to_owned());
            staff_failure(format!("can't do \"{}\"", Watch::NAME), &gone)
        })
    }

    fn row(&self, progress: &Progress) -> WatchRow {
        let causes = progress.causes.iter();
        WatchRow {
            at: self.0.clock.now(),
            state: progress.state,
            counts: counts(progress),
            causes: causes
                .map(|(cause, masked)| ((*cause).to_owned(), Count::from(*masked)))
                .collect(),
            per_second: progress.per_second,
            done_at: progress.done_at,
        }
    }
}

/// Whether there's something new to tell; a rate that wavers is nothing.
fn differs(last: &WatchRow, now: &WatchRow) -> bool {
    (last.state, last.counts, &last.causes) != (now.state, now.counts, &now.causes)
}

fn tell_bar(progress: &Progress, call: &Call<Watch>) {
    if let (MaskedCount::Exact(all), MaskedCount::Exact(waiting)) =
        (progress.audience, progress.waiting)
    {
        let done = all.saturating_sub(waiting);
        call.progress().report("copies", done, Some(all));
    }
}
