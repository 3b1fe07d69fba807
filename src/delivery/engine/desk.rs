//! The desk: which parcels are under way, which wait for which destination, whose turn it is, and the connections that
//! were put aside.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use super::{Bell, EngineSettings, EngineStatus};
use crate::address::Domain;
use crate::clock::Clock;
use crate::delivery::destination::{Fair, Key};
use crate::delivery::pace::{PaceBook, Provider};
use crate::delivery::parcel::{Letter, Parcel, ParcelKey};
use crate::delivery::policy::{TlsPolicy, TlsWish};
use crate::smtp::client::{Encrypted, Envelope, Pool};

mod paced;

pub(super) use paced::PutOff;

/// A connection to a destination with no message on its way.
pub(super) type Session = Encrypted<TcpStream>;

/// Where parcels go that may share a connection: those that ask for more than others have connections of their own, and
/// failures too; and a letter never waits behind a mailing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    pub(super) domain: Domain,
    pub(super) wish: TlsWish,
    pub(super) bulk: bool,
}

impl Key for Destination {
    fn is_metered(&self) -> bool {
        self.bulk
    }
}

/// A domain may be one person's, so it isn't shown.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({:?})", self.wish)
    }
}

impl Destination {
    fn of(parcel: &dyn Parcel) -> Self {
        Self {
            domain: parcel.destination().clone(),
            wish: parcel.wish(),
            bulk: parcel.is_bulk(),
        }
    }
}

/// What makes two parked connections interchangeable. What the server had to prove is part of it, so that a connection
/// made with less never serves for more.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) destination: Destination,
    pub(super) server: ServerName<'static>,
    pub(super) policy: TlsPolicy,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?})", self.destination)
    }
}

/// A parcel with its letter: ready to go.
pub(super) struct Cargo {
    pub(super) parcel: Arc<dyn Parcel>,
    pub(super) letter: Letter,
    pub(super) envelope: Envelope,
}

/// What waits for a destination.
pub(super) enum Job {
    Fresh(Arc<dyn Parcel>),
    /// Its letter was made, and then there was no connection for it.
    Loaded(Box<Cargo>),
}

/// What became of an offered parcel.
pub(super) enum Offered {
    Taken,
    /// It can't be sent before then. It counts as under way.
    PutOff(PutOff),
    /// It is under way already.
    Known,
    /// Too much is waiting for its destination.
    NoRoom,
    /// Too much is under way for any.
    Full,
}

struct State {
    fair: Fair<Destination, Provider, Job>,
    /// What a provider said when it asked us to slow down.
    said: HashMap<Provider, String>,
    /// Copies that were taken for destinations whose provider wasn't known.
    uncounted: HashMap<Destination, u32>,
    /// When the next copy for a provider may be due that gets so many in a minute and for which more wait than fit here.
    turns: HashMap<Provider, Timestamp>,
    /// Parcels that were put off, by the minute in which they come again.
    put_off: HashMap<Provider, BTreeMap<i64, usize>>,
    under_way: HashSet<ParcelKey>,
    /// Parcels that are left alone for a moment. They count as under way.
    resting: VecDeque<(Instant, ParcelKey)>,
    parked: Pool<Line, Session>,
    /// There was more to pull than was taken.
    hungry: bool,
    delivered: u64,
    failed: u64,
}

pub(super) struct Desk {
    state: Mutex<State>,
    bell: Bell,
    clock: Clock,
    pace: PaceBook,
    each: usize,
    most: usize,
    rest: Duration,
}

impl Desk {
    pub(super) fn new(settings: &EngineSettings, bell: Bell, clock: Clock) -> Self {
        let keep = Duration::from_secs(20);
        Self {
            state: Mutex::new(State {
                fair: Fair::new(settings.limits.clone()),
                said: HashMap::new(),
                uncounted: HashMap::new(),
                turns: HashMap::new(),
                put_off: HashMap::new(),
                under_way: HashSet::new(),
                resting: VecDeque::new(),
                parked: Pool::new(settings.parked, keep),
                hungry: false,
                delivered: 0,
                failed: 0,
            }),
            bell,
            clock,
            pace: settings.pace.clone(),
            each: settings.limits.each,
            most: settings.under_way,
            rest: settings.rest,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> EngineStatus {
        let state = self.state();
        EngineStatus {
            under_way: state.under_way.len(),
            waiting: state.fair.waiting(),
            busy: state.fair.busy(),
            parked: state.parked.len(),
            unsettled: 0,
            delivered: state.delivered,
            failed: state.failed,
        }
    }

    pub(super) fn under_way(&self) -> usize {
        self.state().under_way.len()
    }

    /// How many more parcels may be taken on.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.under_way())
    }

    pub(super) fn offer(&self, parcel: Arc<dyn Parcel>) -> Offered {
        let mut state = self.state();
        let key = parcel.key();
        if state.under_way.contains(&key) {
            return Offered::Known;
        }
        if state.under_way.len() >= self.most {
            return Offered::Full;
        }
        let destination = Destination::of(&*parcel);
        if let Some((until, said)) = self.held_up(&mut state, &destination) {
            state.under_way.insert(key);
            let job = Job::Fresh(parcel);
            return Offered::PutOff(PutOff { job, until, said });
        }
        if state.fair.room(&destination) == 0 {
            let Some((until, said)) = self.turn(&mut state, &destination) else {
                return Offered::NoRoom;
            };
            state.under_way.insert(key);
            let job = Job::Fresh(parcel);
            return Offered::PutOff(PutOff { job, until, said });
        }
        if state.fair.push(destination, Job::Fresh(parcel)).is_err() {
            return Offered::NoRoom;
        }
        state.under_way.insert(key);
        Offered::Taken
    }

    /// Says whether more was there than could be taken.
    pub(super) fn set_hungry(&self, hungry: bool) {
        self.state().hungry = hungry;
    }

    /// A parcel is done with, whatever came of it.
    pub(super) fn finished(&self, key: ParcelKey) {
        let mut state = self.state();
        state.under_way.remove(&key);
        let low = state.under_way.len() * 2 < self.most;
        if state.under_way.is_empty() || (state.hungry && low) {
            state.hungry = false;
            drop(state);
            self.bell.wake();
        }
    }

    pub(super) fn count(&self, delivered: bool) {
        let mut state = self.state();
        if delivered {
            state.delivered += 1;
        } else {
            state.failed += 1;
        }
    }

    /// Has the dispatcher look around.
    pub(super) fn nudge(&self) {
        self.bell.slot();
    }

    /// A parcel could not be sent, for a reason that isn't its own: it is offered again by its source.
    pub(super) fn rest(&self, key: ParcelKey) {
        self.state()
            .resting
            .push_back((Instant::now() + self.rest, key));
        self.bell.slot();
    }

    /// Lets go of parcels that have rested. Says whether there were any.
    pub(super) fn wake_resting(&self, now: Instant) -> bool {
        let mut state = self.state();
        let before = state.resting.len();
        while let Some((_, key)) = state.resting.pop_front_if(|(until, _)| *until <= now) {
            state.under_way.remove(&key);
        }
        state.resting.len() < before
    }

    /// The destination that gets the next slot.
    pub(super) fn claim(&self) -> Option<Destination> {
        self.state().fair.claim(Instant::now())
    }

    pub(super) fn release(&self, to: &Destination) {
        let mut state = self.state();
        state.fair.release(to);
        if state.fair.busy_for(to) == 0 {
            state.uncounted.remove(to);
        }
        drop(state);
        self.bell.slot();
    }

    /// The next job for a destination that nothing is sent to now.
    pub(super) fn take_unsent(&self, to: &Destination) -> Option<Job> {
        self.state().fair.take(to)
    }

    /// Puts jobs back in front, in their order.
    pub(super) fn put_back(&self, to: &Destination, cargos: Vec<Cargo>) {
        let mut state = self.state();
        let count = cargos.len();
        for cargo in cargos.into_iter().rev() {
            let job = Job::Loaded(Box::new(cargo));
            state.fair.put_back(to.clone(), job);
        }
        self.uncount(&mut state, to, count);
    }

    /// A job that was taken ended without an attempt: it takes nothing of its provider's share.
    pub(super) fn unsent(&self, to: &Destination) {
        self.uncount(&mut self.state(), to, 1);
        self.bell.slot();
    }

    /// Whether a slot that has `served` so many should be given back before the next parcel.
    pub(super) fn must_give_way(&self, to: &Destination, served: usize) -> bool {
        let state = self.state();
        state.fair.is_overdrawn(to) || state.fair.should_yield(to, served)
    }

    /// One connection is enough for a while: the destination takes no second one.
    pub(super) fn one_is_enough(&self, to: &Destination) {
        self.state().fair.slow_down(to, Instant::now());
        self.bell.slot();
    }

    /// The destination answers, or doesn't any more.
    pub(super) fn set_proven(&self, to: &Destination, proven: bool) {
        self.state().fair.set_proven(to, proven);
        if proven {
            self.bell.slot();
        }
    }

    /// Whether another courier works for this destination, or did a moment ago.
    pub(super) fn has_others(&self, to: &Destination) -> bool {
        let state = self.state();
        state.fair.busy_for(to) > 1 || state.parked.any(|line| line.destination == *to)
    }

    /// Puts a connection aside. Gives back the one that has to go for it.
    pub(super) fn park(&self, to: &Destination, session: Session) -> Option<Session> {
        let line = Line {
            destination: to.clone(),
            server: session.server_name().clone(),
            policy: session.tls().policy.clone(),
        };
        let evicted = self.state().parked.put(line, session, Instant::now());
        self.bell.slot();
        evicted
    }

    /// A parked connection that is still good.
    pub(super) fn unpark(&self, line: &Line) -> Option<Session> {
        loop {
            let mut session = self.state().parked.take(line, Instant::now())?;
            if session.is_reusable() {
                return Some(session);
            }
        }
    }

    /// Takes out the parked connections to a destination that are none of these, to be closed.
    pub(super) fn unpark_others(&self, to: &Destination, lines: &[Line]) -> Vec<Session> {
        let other = |line: &Line| line.destination == *to && !lines.contains(line);
        self.state().parked.take_all(other)
    }

    /// Connections that were parked for too long; at the end, all of them.
    pub(super) fn expired(&self, all: bool) -> Vec<Session> {
        let day = Duration::from_secs(24 * 3600);
        let now = Instant::now() + if all { day } else { Duration::ZERO };
        self.state().parked.expired(now)
    }

    /// When to look again: a pause or a rest ends, or a parked connection may have expired.
    pub(super) fn next_alarm(&self) -> Option<Instant> {
        let state = self.state();
        let rest = state.resting.front().map(|(until, _)| *until);
        let parked = (!state.parked.is_empty()).then(|| Instant::now() + Duration::from_secs(5));
        [rest, state.fair.next_wake(), parked]
            .into_iter()
            .flatten()
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_where_mail_goes() {
        let domain = Domain::parse("jo.example").expect("a domain");
        let destination = Destination {
            domain,
            wish: TlsWish::Usual,
            bulk: false,
        };
        let line = Line {
            destination: destination.clone(),
            server: ServerName::try_from("mx.jo.example").expect("a name"),
            policy: TlsPolicy::Verified,
        };
        let shown = format!("{destination:?} {line:?}");
        assert!(!shown.contains("example"), "{shown}");
    }
}
