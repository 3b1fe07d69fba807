//! `subscriber import`: the body goes into the room piece by piece, and each row that it refuses comes back at once. While
//! the client is slow to take them, nothing more is read from it.

use super::SubscriberDesk;
use crate::audit::ActObject;
use crate::consent::{Import as Batch, ImportError, ImportReport, Rejected};
use crate::control::api::subscriber::{Import, Imported, RowVerdict};
use crate::control::handlers::staff_failure;
use crate::control::{Call, Failure, Handle};
use crate::daemon::desks::{by, failure};

const WHAT: &str = "can't import the file";
/// How many bytes the room is given at once: fewer bad rows than it names fit in.
const BITE: usize = 1024;

impl Handle<Import> for SubscriberDesk {
    async fn handle(&self, ask: Import, call: &mut Call<Import>) -> Result<Imported, Failure> {
        let by = by(call.actor()?, Some(&ask.reason));
        let batch = self.0.consent.begin_import(by).await;
        let mut batch = batch.map_err(|error| failure::consent(WHAT, &error))?;
        let mut reading = Reading {
            suppressions: ask.suppression_bytes.unwrap_or(0),
            trial: ask.dry_run,
            suppressed: false,
            bytes: 0,
            refused: 0,
        };
        if ask.dry_run {
            batch.only_try();
        }
        if ask.suppression_bytes.is_none() {
            batch.state_no_suppressions();
        }
        if let Err(failure) = reading.body(&mut batch, call).await {
            return Err(self.give_up(batch, &reading, failure, &ask, call).await);
        }
        let ended = match ask.dry_run {
            true => batch.try_out().await,
            false => batch.finish().await,
        };
        let mut report = match ended {
            Ok(report) => report,
            Err(error) => {
                let failure = failure::import(WHAT, &error);
                return Err(self.broken_off(&reading, failure, &ask, call).await);
            }
        };
        reading
            .tell(std::mem::take(&mut report.rejected), call)
            .await?;
        Ok(self.imported(&ask, &reading, report))
    }
}

/// How far the body was read.
struct Reading {
    /// How many bytes of the suppression file are still to come.
    suppressions: u64,
    /// Whether nothing is done.
    trial: bool,
    /// Whether rows of it may be in force.
    suppressed: bool,
    bytes: u64,
    refused: u64,
}

impl Reading {
    async fn body(&mut self, batch: &mut Batch, call: &mut Call<Import>) -> Result<(), Failure> {
        let progress = call.progress();
        while let Some(piece) = call.next_body().await? {
            for bite in piece.chunks(BITE) {
                let taken = self.bite(batch, bite).await;
                self.tell(batch.take_rejected(), call).await?;
                taken.map_err(|error| failure::import(WHAT, &error))?;
            }
            self.bytes += piece.len() as u64;
            progress.report("bytes", self.bytes, None);
        }
        if self.suppressions > 0 {
            return Err(Failure::failed(
                WHAT,
                "the suppression file is shorter than was said",
                "try again while nobody changes it",
            ));
        }
        Ok(())
    }

    /// The suppression file comes first, so that nobody in it is asked, whatever happens later.
    async fn bite(&mut self, batch: &mut Batch, bite: &[u8]) -> Result<(), ImportError> {
        let first = usize::try_from(self.suppressions).unwrap_or(usize::MAX);
        let (left, people) = bite.split_at(bite.len().min(first));
        self.suppressions -= left.len() as u64;
        if !left.is_empty() {
            self.suppressed = !self.trial;
            batch.feed_suppressions(left).await?;
        }
        if people.is_empty() {
            return Ok(());
        }
        batch.feed(people).await
    }

    async fn tell(&mut self, rejected: Vec<Rejected>, call: &Call<Import>) -> Result<(), Failure> {
        self.refused += rejected.len() as u64;
        for one in rejected {
            let verdict = RowVerdict {
                line: one.line as u64,
                why: one.why,
            };
            call.row(&verdict).await?;
        }
        Ok(())
    }
}

impl SubscriberDesk {
    /// Erases what was kept.
    async fn give_up(
        &self,
        batch: Batch,
        reading: &Reading,
        failure: Failure,
        ask: &Import,
        call: &Call<Import>,
    ) -> Failure {
        if let Err(error) = batch.cancel().await {
            tracing::warn!(%error, "an import that was broken off is erased later");
        }
        self.broken_off(reading, failure, ask, call).await
    }

    /// Suppressions stay in force when an import ends badly: that they came is logged even so.
    async fn broken_off(
        &self,
        reading: &Reading,
        failure: Failure,
        ask: &Import,
        call: &Call<Import>,
    ) -> Failure {
        if !reading.suppressed {
            return failure;
        }
        let object = ActObject::new("import", "broken off, its suppressions stay");
        let logged = self
            .0
            .staff
            .record(
                call.caller(),
                "subscriber import",
                Some(object),
                Some(&ask.reason),
            )
            .await;
        match logged {
            Ok(()) => failure,
            Err(error) => staff_failure(WHAT, &error),
        }
    }

    fn imported(&self, ask: &Import, reading: &Reading, report: ImportReport) -> Imported {
        let limits = self.0.consent.settings().limits;
        Imported {
            taken: report.taken,
            refused: reading.refused + report.unnamed,
            suppressed: report.suppressed,
            outdated: report.outdated,
            code: (!ask.dry_run && report.taken > 0).then_some(report.batch),
            challenges_per_day: limits.imported_per_day,
        }
    }
}
