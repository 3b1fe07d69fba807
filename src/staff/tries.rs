//! Wrong passwords: where they come from, and for whom. One book for all doors.
//!
//! # What must hold
//! - A network that guesses has to wait, at every door.
//! - **Nobody is locked out by what others do.** A network that the configuration trusts never waits; one from which an
//!   account logged in well lately is never refused that account, and answers late only after very many wrong ones; an
//!   admin lifts what is left. A name that is guessed at
//!   from many networks is answered later and later from strange ones, and never refused.
//! - What strangers can make us hash is bounded over all of them, so that it keeps no core busy; so is what comes in the name
//!   of somebody whom an admin let in, whom nothing else holds up. A SCRAM dialogue makes us
//!   hash nothing of the kind, so it takes no place there: one that is opened and left half done keeps nobody out. It isn't
//!   counted either: without a proof nothing was tried, and what the challenge says (a salt, which a name that nobody has
//!   gets too) gives nobody anything to try at home.
//! - An IPv6 network counts as what a household is given, and beside it, with more patience, as what a site is given: who
//!   has 65,536 networks hasn't 65,536 times as many tries.
//! - Names that exist and those that don't are treated alike: they count by a hash of what was typed. Only who is in the
//!   network of a member could tell that this member isn't made to wait there.
//!
//! All of it is in memory: where staff are is nobody's business, and a restart forgives.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::id::StaffId;
use crate::net::{Network, Subnet};

/// How many networks, names and homes are remembered each; beyond that the oldest are forgotten.
const MOST: usize = 10_000;
/// For how long a network from which an account logged in well is its home.
const HOME: Duration = Duration::from_secs(30 * 24 * 3600);
/// After so many wrong passwords for one account a home of it is answered late, and the rest of its network waits.
const HOME_TRIES: u32 = 200;
/// The first and the longest delay of an answer about a name that is guessed at.
const DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(4);
/// How often strangers may try in all: so many at once, and one more after each step.
const BURST: u32 = 100;
const STEP: Duration = Duration::from_millis(50);
/// How many times as many wrong passwords as a network may send a whole IPv6 site may.
const SITE: u32 = 20;

/// What the configuration says of wrong passwords.
#[derive(Debug, Clone)]
pub struct TryRules {
    /// After so many a network waits.
    pub most: u32,
    /// For how long, since the last.
    pub wait: Duration,
    /// Networks that never wait.
    pub trusted: Vec<Subnet>,
}

impl Default for TryRules {
    fn default() -> Self {
        Self {
            most: 10,
            wait: Duration::from_secs(15 * 60),
            trusted: Vec::new(),
        }
    }
}

impl TryRules {
    fn most_of_site(&self) -> u32 {
        self.most.saturating_mul(SITE)
    }
}

/// Whose password is tried: what was typed, by a hash that nobody else can make, and the account if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    name: u64,
    /// The account.
    pub staff: Option<StaffId>,
}

impl Tried {
    /// Somebody of whom no more is known, for tests of what comes after it.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn pretended(staff: Option<StaffId>) -> Self {
        Self { name: 0, staff }
    }
}

/// What somebody wants to be believed by, as far as it's ours to bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A password, which has to be hashed some thousand times.
    Hashed,
    /// A proof in a SCRAM dialogue: the hashing is the client's.
    Dialogue,
}

/// Why somebody may not try now. The texts are for the person at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldUp {
    /// Too many wrong passwords came from there.
    #[error("Too many wrong passwords from your network {network}; wait {}, or have an admin lift it: hustings staff unlock {network}", minutes(.left))]
    Network {
        /// From where.
        network: Network,
        /// For how long still.
        left: Duration,
    },
    /// Too many strangers try at once.
    #[error("Too many people log in at once; try again in a minute")]
    Busy,
}

fn minutes(left: &Duration) -> String {
    match left.as_secs().div_ceil(60) {
        0 | 1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

/// The book of wrong passwords.
pub struct WrongPasswords {
    hasher: RandomState,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    rules: TryRules,
    networks: HashMap<Network, Tries>,
    /// IPv6 networks of a whole site each.
    sites: HashMap<Network, Tries>,
    names: HashMap<u64, Tries>,
    homes: HashMap<(StaffId, Network), Home>,
    /// Whom an admin let in, and until when.
    pardoned: HashMap<StaffId, Instant>,
    /// When the bucket of strangers' tries is full again.
    full_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Instant,
}

struct Home {
    seen: Instant,
    wrong: u32,
}

/// What is held up now, for who looks after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldUpNow {
    /// Networks that have to wait, and sites.
    pub networks: u64,
    /// Names that are answered later.
    pub names: u64,
}

impl WrongPasswords {
    /// An empty book with these rules.
    pub fn new(rules: TryRules) -> Self {
        Self {
            hasher: RandomState::new(),
            book: Mutex::new(Book {
                rules,
                ..Book::default()
            }),
        }
    }

    /// From now on these are the rules. What was counted stays.
    pub fn set(&self, rules: TryRules) {
        self.book().rules = rules;
    }

    /// Whose password it would be.
    pub(super) fn tried(&self, name: &str, staff: Option<StaffId>) -> Tried {
        Tried {
            name: self.hasher.hash_one(name),
            staff,
        }
    }

    /// Whether somebody may try a password now, and how long that is to wait for an answer.
    ///
    /// # Errors
    /// [`HeldUp`].
    pub(super) fn may_try(
        &self,
        client: IpAddr,
        tried: Tried,
        proof: Proof,
    ) -> Result<Duration, HeldUp> {
        self.book().may_try(client, tried, proof, Instant::now())
    }

    /// Counts a wrong password; of an exchange that ended before it said for whom, for its network alone.
    pub(super) fn wrong(&self, client: IpAddr, tried: Option<Tried>) {
        self.book().wrong(client, tried, Instant::now());
    }

    /// Notes where somebody logged in well.
    pub(super) fn right(&self, client: IpAddr, tried: Tried) {
        self.book().right(client, tried, Instant::now());
    }

    /// Lifts whatever holds up these networks, and answers how many were.
    pub(super) fn lift_networks(&self, range: Subnet) -> u64 {
        let (mut book, now) = (self.book(), Instant::now());
        let rules = book.rules.clone();
        let mut lifted = 0;
        let mut lift = |all: &mut HashMap<Network, Tries>, most| {
            all.retain(|network, tries| {
                let gone = range.meets(&network.subnet());
                lifted += u64::from(gone && tries.holds_up(&rules, most, now));
                !gone
            });
        };
        lift(&mut book.networks, rules.most);
        lift(&mut book.sites, rules.most_of_site());
        lifted
    }

    /// Lets somebody in from everywhere for as long as a network waits, and forgets what was tried with their name.
    pub(super) fn pardon(&self, tried: Tried) {
        let (mut book, now) = (self.book(), Instant::now());
        book.names.remove(&tried.name);
        let until = now + book.rules.wait;
        if let Some(staff) = tried.staff {
            book.pardoned.retain(|_, until| *until > now);
            book.pardoned.insert(staff, until);
        }
    }

    /// How many wrong passwords came for a name of late.
    pub(super) fn wrong_for(&self, tried: Tried) -> u32 {
        let (book, now) = (self.book(), Instant::now());
        let tries = book.names.get(&tried.name);
        tries.map_or(0, |tries| tries.of_late(&book.rules, now))
    }

    /// What is held up now.
    pub fn held_up(&self) -> HeldUpNow {
        let (book, now) = (self.book(), Instant::now());
        let count = |all: &mut dyn Iterator<Item = &Tries>, most| {
            let held = all.filter(|tries| tries.holds_up(&book.rules, most, now));
            u64::try_from(held.count()).unwrap_or(u64::MAX)
        };
        let most = book.rules.most;
        HeldUpNow {
            networks: count(&mut book.networks.values(), most)
                + count(&mut book.sites.values(), book.rules.most_of_site()),
            names: count(&mut book.names.values(), most),
        }
    }

    /// A panic elsewhere leaves counts that are still counts.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn may_try(
        &mut self,
        client: IpAddr,
        tried: Tried,
        proof: Proof,
        now: Instant,
    ) -> Result<Duration, HeldUp> {
        let network = Network::of_household(client);
        let pardon = tried.staff.and_then(|staff| self.pardoned.get(&staff));
        let pardoned = pardon.is_some_and(|until| *until > now);
        if self.is_trusted(client) {
            return Ok(Duration::ZERO);
        }
        if let Some(home) = self.home(tried.staff, network, now) {
            // A neighbour may be guessing. It's her home all the same.
            return Ok(if home.is_worn() && !pardoned {
                LONGEST_DELAY
            } else {
                Duration::ZERO
            });
        }
        if let Some((network, tries)) = self.waiting(client, now).filter(|_| !pardoned) {
            let left = self.rules.wait.saturating_sub(tries.age(now));
            return Err(HeldUp::Network { network, left });
        }
        let turn = match proof {
            Proof::Hashed => self.turn(now)?,
            Proof::Dialogue => Duration::ZERO,
        };
        if pardoned {
            // Whoever types that name has us hash: as often as all strangers may, and no oftener.
            return Ok(turn);
        }
        let guessed_at = self.names.get(&tried.name);
        let wrong = guessed_at.map_or(0, |tries| tries.of_late(&self.rules, now));
        let beyond = wrong.saturating_sub(self.rules.most - 1);
        Ok(turn.max((DELAY * beyond).min(LONGEST_DELAY)))
    }

    /// What of where somebody comes from has to wait.
    fn waiting(&self, client: IpAddr, now: Instant) -> Option<(Network, Tries)> {
        let rules = &self.rules;
        let find = |all: &HashMap<Network, Tries>, network: Network, most| {
            let tries = all.get(&network).copied();
            let tries = tries.filter(|tries| tries.holds_up(rules, most, now));
            tries.map(|tries| (network, tries))
        };
        let household = Network::of_household(client);
        find(&self.networks, household, rules.most).or_else(|| {
            let site = Network::of_site(client)?;
            find(&self.sites, site, rules.most_of_site())
        })
    }

    /// A place among all strangers' hashed tries.
    fn turn(&mut self, now: Instant) -> Result<Duration, HeldUp> {
        let full_at = self.full_at.filter(|at| *at > now).unwrap_or(now) + STEP;
        let wait = full_at.duration_since(now).saturating_sub(STEP * BURST);
        if wait > LONGEST_DELAY {
            return Err(HeldUp::Busy);
        }
        self.full_at = Some(full_at);
        Ok(wait)
    }

    fn wrong(&mut self, client: IpAddr, tried: Option<Tried>, now: Instant) {
        let network = Network::of_household(client);
        let wait = self.rules.wait;
        if let Some(tried) = tried {
            count(&mut self.names, tried.name, wait, now);
            // A telephone with an old password must not keep the others in the house out.
            if let Some(home) = self.home(tried.staff, network, now) {
                home.wrong = home.wrong.saturating_add(1);
                if !home.is_worn() {
                    return;
                }
            }
        }
        if !self.is_trusted(client) {
            count(&mut self.networks, network, wait, now);
            if let Some(site) = Network::of_site(client) {
                count(&mut self.sites, site, wait, now);
            }
        }
    }

    fn right(&mut self, client: IpAddr, tried: Tried, now: Instant) {
        let network = Network::of_household(client);
        let Some(staff) = tried.staff else { return };
        self.names.remove(&tried.name);
        // Whom an admin let in past a network that waits doesn't end its waiting.
        let held = self.waiting(client, now).is_some();
        if !held && self.home(tried.staff, network, now).is_none() {
            self.networks.remove(&network);
        }
        if self.homes.len() >= MOST {
            self.homes
                .retain(|_, home| now.duration_since(home.seen) < HOME);
            let oldest = self.homes.iter().min_by_key(|(_, home)| home.seen);
            if let Some(oldest) = oldest
                .map(|(key, _)| *key)
                .filter(|_| self.homes.len() >= MOST)
            {
                self.homes.remove(&oldest);
            }
        }
        let home = Home {
            seen: now,
            wrong: 0,
        };
        self.homes.insert((staff, network), home);
    }

    fn is_trusted(&self, client: IpAddr) -> bool {
        self.rules.trusted.iter().any(|one| one.contains(client))
    }

    fn home(
        &mut self,
        staff: Option<StaffId>,
        network: Network,
        now: Instant,
    ) -> Option<&mut Home> {
        let home = self.homes.get_mut(&(staff?, network))?;
        (now.duration_since(home.seen) < HOME).then_some(home)
    }
}

impl Home {
    fn is_worn(&self) -> bool {
        self.wrong >= HOME_TRIES
    }
}

impl Tries {
    fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.last)
    }

    fn of_late(&self, rules: &TryRules, now: Instant) -> u32 {
        match self.age(now) < rules.wait {
            true => self.wrong,
            false => 0,
        }
    }

    fn holds_up(&self, rules: &TryRules, most: u32, now: Instant) -> bool {
        self.of_late(rules, now) >= most
    }
}

/// Counts one more. What is older than the wait begins anew; of too many, the oldest is forgotten.
fn count<K: std::hash::Hash + Eq + Copy>(
    all: &mut HashMap<K, Tries>,
    key: K,
    wait: Duration,
    now: Instant,
) {
    if all.len() >= MOST && !all.contains_key(&key) {
        let oldest = all.iter().min_by_key(|(_, tries)| tries.last);
        if let Some(oldest) = oldest.map(|(key, _)| *key) {
            all.remove(&oldest);
        }
    }
    let tries = all.entry(key).or_insert(Tries {
        wrong: 0,
        last: now,
    });
    if tries.age(now) >= wait {
        tries.wrong = 0;
    }
    tries.wrong = tries.wrong.saturating_add(1);
    tries.last = now;
}

#[cfg(test)]
mod tests;
