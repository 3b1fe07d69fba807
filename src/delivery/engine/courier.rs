//! A courier: one slot of one destination. It gets a connection, sends what waits, and gives the slot back.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Shared;
use super::ahead::Ahead;
use super::chain::{Chain, End, quit};
use super::connect::{Missed, Reached, connect};
use super::desk::{Destination, Job, PutOff, Session};
use super::failure::Failure;
use crate::delivery::parcel::{Attempted, Parcel};

/// Outcomes that are written down at once when a whole destination fails: about a group commit.
const TOGETHER: usize = 64;

/// The slot, given back whatever happens.
struct Slot {
    shared: Arc<Shared>,
    to: Destination,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.desk.release(&self.to);
    }
}

/// Works in a slot that was claimed for this destination.
pub(super) async fn work(shared: Arc<Shared>, to: Destination) {
    let slot = Slot {
        shared: shared.clone(),
        to: to.clone(),
    };
    let mut ahead = Ahead::new(shared.clone(), to.clone());
    let failed = send_all(&slot, &mut ahead).await;
    let left = ahead.drain().await;
    if shared.stop.is_cancelled() {
        for cargo in left {
            cargo.parcel.untried().await;
        }
        return;
    }
    shared.desk.put_back(&to, left);
    if let Some(failure) = failed {
        share_fate(&shared, &to, &failure).await;
    }
}

/// Sends what waits for the destination. Gives the failure that all who still wait share.
async fn send_all(slot: &Slot, ahead: &mut Ahead) -> Option<Failure> {
    let Slot { shared, to } = slot;
    let mut served = 0;
    let mut may_reuse = true;
    loop {
        // The attempt is on record before anything is dialled.
        let first = ahead.next().await?;
        ahead.back(first);
        let reached = dial(shared, to, std::mem::take(&mut may_reuse)).await?;
        let Reached { session, reused } = match reached {
            Ok(reached) => reached,
            // What waits goes on when the provider has a connection for it.
            Err(Missed::Crowded) => return None,
            // Others work for it: this one is too many. If they fail too, the last of them speaks for all.
            Err(Missed::Failed(_)) if shared.desk.has_others(to) => {
                shared.desk.one_is_enough(to);
                return None;
            }
            Err(Missed::Failed(failure)) => {
                shared.desk.set_proven(to, false);
                if let Some(pause) = failure.pause() {
                    shared.desk.slow_down(to, pause, &failure);
                }
                return Some(failure);
            }
        };
        shared.desk.set_proven(to, true);
        ahead.depth = shared.settings.ahead.max(1);
        let end = Chain::new(shared, to, ahead, &mut served, reused)
            .run(session)
            .await;
        match end {
            End::Idle(session) => {
                park(shared, to, session);
                return None;
            }
            End::Closed if shared.desk.must_give_way(to, served) => return None,
            End::Closed => {}
            End::LeaveAlone(pause, failure) => {
                shared.desk.slow_down(to, pause, &failure);
                return Some(failure);
            }
            End::Halt => return None,
        }
    }
}

/// Reaches the destination, or finds a parked connection to it; nothing if we stop meanwhile.
async fn dial(
    shared: &Shared,
    to: &Destination,
    may_reuse: bool,
) -> Option<Result<Reached, Missed>> {
    if !shared.gate.is_open() {
        return None;
    }
    tokio::select! {
        reached = connect(shared, to, may_reuse) => Some(reached),
        () = shared.stop.cancelled() => None,
    }
}

fn park(shared: &Shared, to: &Destination, session: Session) {
    if shared.stop.is_cancelled() {
        quit(session);
    } else if let Some(evicted) = shared.desk.park(to, session) {
        quit(evicted);
    }
}

/// Writes the same failure down for all who wait for the destination: trying each would only make them wait longer, and
/// others with them.
async fn share_fate(shared: &Arc<Shared>, to: &Destination, failure: &Failure) {
    let mut writing = JoinSet::new();
    let most = 2 * shared.settings.limits.waiting_each;
    for _ in 0..most {
        let Some(job) = shared.desk.take_unsent(to) else {
            break;
        };
        if let Some(pause) = failure.pause() {
            shared.desk.comes_again(to, pause);
        }
        if writing.len() >= TOGETHER {
            writing.join_next().await;
        }
        writing.spawn(fail(shared.clone(), job, failure.clone()));
    }
    while writing.join_next().await.is_some() {}
}

async fn fail(shared: Arc<Shared>, job: Job, failure: Failure) {
    let attempted = Attempted {
        fate: failure.fate(),
        at: shared.clock.now(),
    };
    shared.desk.count(false);
    match job {
        Job::Loaded(cargo) => {
            shared
                .gate
                .settle(&shared.desk, cargo.parcel, attempted)
                .await;
        }
        Job::Fresh(parcel) => fail_unloaded(&shared, parcel, attempted).await,
    }
}

/// Writes down that a job can't be done before a time.
pub(super) async fn put_off(shared: Arc<Shared>, put_off: PutOff) {
    let PutOff { job, until, said } = put_off;
    let parcel = match job {
        Job::Fresh(parcel) => parcel,
        Job::Loaded(cargo) => {
            cargo.parcel.untried().await;
            cargo.parcel
        }
    };
    match parcel.put_off(until, said.to_owned()).await {
        Ok(()) => shared.desk.finished(parcel.key()),
        Err(error) => {
            tracing::warn!(%error, "a mail could not be put off");
            shared.desk.rest(parcel.key());
        }
    }
}

async fn fail_unloaded(shared: &Shared, parcel: Arc<dyn Parcel>, attempted: Attempted) {
    match parcel.settle_unloaded(attempted).await {
        Ok(()) => shared.desk.finished(parcel.key()),
        // Nothing was sent, so nothing is lost: it is offered again.
        Err(error) => {
            tracing::warn!(%error, "a failed attempt could not be written down");
            shared.desk.rest(parcel.key());
        }
    }
}
