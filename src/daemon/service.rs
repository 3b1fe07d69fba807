//! Answers `status`, `unlock`, `lock`, `config reload` and `sandbox clock` on the control socket. It works while the vault
//! is locked; what is behind it (rooms and doors) is a [`House`], which the daemon builds.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::keeper::{Keeper, KeeperError, Opening};
use super::locked_box::{Applied, Effect};
use super::signals::DRAIN;
use crate::clock::Clock;
use crate::control::api::Count;
use crate::control::api::service::{
    CertificateReport, ClockReading, DoorReport, Lock, LockState, Locking, RefusedReport, Reload,
    Reloaded, SandboxClock, Status, StatusReport, Unlock, Unlocked, Work,
};
use crate::control::handlers::{SheetSource, staff_failure};
use crate::control::{Call, Class, Desk, Failure, Handle, SecretText, WhoIs};
use crate::staff::{Caller, CodeError, CodeRule, Role, StaffError, StaffRoom};
use crate::store::{Health, Store};

/// What the house looks like from outside.
#[derive(Debug, Clone, Default)]
pub struct HouseReport {
    /// The doors.
    pub doors: Vec<DoorReport>,
    /// The certificates in use.
    pub certificates: Vec<CertificateReport>,
    /// TLS handshakes that came to nothing.
    pub refused: Vec<RefusedReport>,
    /// Since when they are counted.
    pub refused_since: Option<Timestamp>,
    /// What it does; none while locked.
    pub work: Option<Work>,
    /// What an admin should see to.
    pub warnings: Vec<String>,
}

/// The rooms and doors behind the lock, as the daemon builds them.
pub trait House: Send + Sync + 'static {
    /// The rooms over an open store, before anybody is let in. Dropped, they hold nothing of it.
    type Rooms: Send + Sync;

    /// Builds the rooms. Nothing works by itself yet, and no door knows of them.
    fn build(&self, store: Store) -> impl Future<Output = Result<Self::Rooms, Failure>> + Send;

    /// The staff room among them.
    fn staff_of<'r>(&self, rooms: &'r Self::Rooms) -> &'r StaffRoom;

    /// Applies a withdrawal that came while locked, before any door opens. Applying one twice must do no harm.
    fn apply(
        &self,
        rooms: &Self::Rooms,
        withdrawal: Zeroizing<Vec<u8>>,
    ) -> impl Future<Output = Result<Effect, String>> + Send;

    /// Opens the doors to these rooms, gives the control server its whole desk, and last starts what works by itself. It
    /// can't fail: what can has been done before.
    fn open(&self, rooms: Self::Rooms);

    /// What `status` tells of it, to an admin or to others.
    fn report(&self, admin: bool) -> impl Future<Output = HouseReport> + Send;

    /// Reads configuration and certificates again, and puts on record that this was asked for by whom the audit log names
    /// so; a bad one keeps the old one in force.
    fn reload(&self, by: &str) -> impl Future<Output = Result<Reloaded, Failure>> + Send;

    /// The staff room, once the vault is open.
    fn staff(&self) -> Option<StaffRoom>;

    /// The store, once the vault is open.
    fn store(&self) -> Option<Store>;

    /// Begins to stop: the same as SIGTERM.
    fn stop(&self);
}

/// Answers for the service as a whole.
pub struct ServiceDesk<H> {
    house: Arc<H>,
    keeper: Arc<Keeper>,
    clock: Clock,
    started_at: Timestamp,
    warnings: Vec<String>,
}

impl<H: House> ServiceDesk<H> {
    /// A desk for this house. `warnings` are those of the start, for `status`.
    pub fn new(
        house: Arc<H>,
        keeper: Arc<Keeper>,
        clock: Clock,
        warnings: Vec<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            house,
            keeper,
            started_at: clock.now(),
            clock,
            warnings,
        })
    }

    /// Adds what can be answered whether the vault is open or not.
    pub fn register(self: &Arc<Self>, desk: Desk) -> Desk {
        desk.on::<Status, _>(self)
            .on::<Unlock, _>(self)
            .on::<Reload, _>(self)
            .on::<SandboxClock, _>(self)
    }

    /// Adds what needs the open vault.
    pub fn register_unlocked(self: &Arc<Self>, desk: Desk) -> Desk {
        self.register(desk).on::<Lock, _>(self)
    }

    /// Opens the vault and then the house; at the start where nobody need say so, and by `unlock`, said by `by`.
    ///
    /// # Errors
    /// A failure: the vault is locked as before, no key is in memory, and a second try may work.
    pub async fn unlock(
        &self,
        passphrase: Option<&SecretText>,
        by: Option<Unlocker<'_>>,
    ) -> Result<Unlocked, Failure> {
        let failed = |error: &KeeperError| keeper_failure(CANT_UNLOCK, error);
        let opening = self.keeper.unlock(passphrase).await;
        let opening = opening.map_err(|error| failed(&error))?;
        match self.open_house(&opening, by).await {
            Ok(applied) => {
                opening.opened();
                super::notify::status("unlocked");
                tracing::info!(
                    withdrawals = applied.applied,
                    "unlocked: what came while locked was applied"
                );
                Ok(Unlocked {
                    already: false,
                    applied_withdrawals: applied.applied,
                    void_withdrawals: applied.void,
                    unreadable_withdrawals: applied.unreadable,
                })
            }
            Err(failure) => {
                opening.abandon().await.map_err(|error| failed(&error))?;
                Err(failure)
            }
        }
    }

    /// Everything that can fail comes before the doors.
    async fn open_house(
        &self,
        opening: &Opening<'_>,
        by: Option<Unlocker<'_>>,
    ) -> Result<Applied, Failure> {
        let failed = |error: KeeperError| keeper_failure(CANT_UNLOCK, &error);
        let rooms = self.house.build(opening.store().clone()).await?;
        let apply = |withdrawal| self.house.apply(&rooms, withdrawal);
        let by = match by {
            Some(unlocker) => Some(
                self.who_unlocks(self.house.staff_of(&rooms), unlocker)
                    .await?,
            ),
            None => None,
        };
        let first = opening.apply(apply).await.map_err(failed)?;
        if let Some(caller) = by {
            let staff = self.house.staff_of(&rooms);
            let recorded = staff.record(&caller, "unlock", None, None).await;
            recorded.map_err(|error| staff_failure(CANT_UNLOCK, &error))?;
        }
        // What came during the first pass; who comes now waits until the rooms answer.
        let handing = self.keeper.locked_box().hand_over();
        let last = opening.apply(apply).await.map_err(failed)?;
        opening.unmark().map_err(failed)?;
        self.house.open(rooms);
        handing.opened();
        Ok(Applied {
            applied: first.applied + last.applied,
            void: first.void + last.void,
            // Each pass tries them all.
            ..last
        })
    }

    /// A passphrase proves enough. Without one the key is at hand for whoever reaches the socket, and an admin may have
    /// locked the vault against just them: then it takes an admin, or somebody who could take the lock away anyhow (root,
    /// and the service's own user), so that nobody is locked out for good.
    ///
    /// Whoever has a second factor proves it as well. Root and the service's own user have no account that could have one,
    /// and could read the open vault anyhow. Other users without an account are let in by the passphrase alone, unless
    /// everybody must have a second factor.
    async fn who_unlocks(
        &self,
        staff: &StaffRoom,
        unlocker: Unlocker<'_>,
    ) -> Result<Caller, Failure> {
        let caller = match unlocker.caller {
            Caller::Nobody { uid } => staff.caller(*uid),
            member @ Caller::Member(_) => member.clone(),
        };
        let host = |uid: u32| uid == 0 || uid == rustix::process::geteuid().as_raw();
        let known = self.keeper.source().starts_locked();
        let may = match &caller {
            Caller::Nobody { uid } if host(*uid) => true,
            Caller::Nobody { .. } => known && staff.code_rule() == CodeRule::Enrolled,
            Caller::Member(actor) => {
                known || actor.has(Role::Admin) || actor.member().uid.is_some_and(host)
            }
        };
        if let (true, Caller::Member(actor)) = (may, &caller) {
            let proven = staff.prove(actor, unlocker.code).await;
            proven.map_err(|error| not_proven(&error))?;
        }
        if may {
            return Ok(caller);
        }
        if known {
            return Err(Failure::refused(
                CANT_UNLOCK,
                "it takes a second factor (staff.second_factor), and your Unix user has no account",
                "log in as the Unix user of an account that has one, or as root: sudo hustings unlock",
            ));
        }
        tracing::warn!(caller = %caller.for_log(), "somebody who is no admin tried to unlock");
        tokio::time::sleep(AFTER_REFUSAL).await;
        Err(Failure::refused(
            CANT_UNLOCK,
            "no passphrase guards it, so it takes an admin, or root",
            "log in as the Unix user of an admin's account, or as root: sudo hustings unlock",
        ))
    }
}

/// Who unlocks, and the code of their second factor.
#[derive(Clone, Copy)]
pub struct Unlocker<'a> {
    /// Who: while locked, a Unix user and no more.
    pub caller: &'a Caller,
    /// The code, if they gave one.
    pub code: Option<&'a str>,
}

/// While locked nobody can set up what they lack.
fn not_proven(error: &StaffError) -> Failure {
    if let StaffError::Code(CodeError::NotEnrolled(name)) = error {
        return Failure::refused(
            CANT_UNLOCK,
            format!("it takes a second factor (staff.second_factor), and {name} has none"),
            "have somebody unlock who has one, or root (sudo hustings unlock); then set yours up: hustings staff second-factor add",
        );
    }
    staff_failure(CANT_UNLOCK, error)
}

const CANT_UNLOCK: &str = "can't unlock the vault";
/// Each try opens the store: nobody shall keep it busy.
const AFTER_REFUSAL: std::time::Duration = std::time::Duration::from_secs(1);
impl<H> ServiceDesk<H> {
    /// How many withdrawals wait for the unlock. While locked nobody is known for an admin; whoever can read the file that
    /// they wait in can count them as well.
    fn waiting(&self, caller: &Caller) -> Count {
        let waiting = self.keeper.locked_box().waiting();
        let may_read = match caller {
            Caller::Nobody { uid } => *uid == 0 || *uid == rustix::process::geteuid().as_raw(),
            Caller::Member(actor) => actor.has(Role::Admin),
        };
        // Where none can wait, that there are none is no secret.
        let is_open = self.keeper.state() == LockState::Unlocked;
        Count::for_eyes(waiting, may_read || (is_open && waiting == 0))
    }
}

/// The work as somebody may see it. A sign-up queues a mail, and which addresses it does for and which not is not for all:
/// the queue's length is for admins.
pub(super) fn work_for(caller: &Caller, work: Work) -> Work {
    match caller.require(Role::Admin) {
        Ok(_) => work,
        Err(_) => Work {
            queued: None,
            held_up: None,
            reports: None,
            ..work
        },
    }
}

fn keeper_failure(what: &str, error: &KeeperError) -> Failure {
    let class = match error {
        KeeperError::PassphraseNeeded => Class::Misuse,
        KeeperError::Unlock(_) | KeeperError::Busy | KeeperError::Trying => Class::Refused,
        _ => Class::Failed,
    };
    Failure::from_error(class, what, error)
}

impl<H: House> Handle<Status> for ServiceDesk<H> {
    async fn handle(&self, _: Status, call: &mut Call<Status>) -> Result<StatusReport, Failure> {
        let is_admin = call.caller().require(Role::Admin).is_ok();
        let mut house = self.house.report(is_admin).await;
        house.work = house.work.map(|work| work_for(call.caller(), work));
        let store = match self.house.store().map(|store| store.health()) {
            None => "locked".to_owned(),
            Some(Health::Well) => "well".to_owned(),
            Some(Health::Refusing(error)) => error.to_string(),
        };
        let mut warnings = self.warnings.clone();
        warnings.extend(house.warnings);
        warnings.extend(self.keeper.locked_box().unreadable().iter().map(|file| {
            format!(
                "withdrawals that came while the vault was locked could not be read, and nobody of them was unsubscribed: \
                 {}; if the key ring or seal-to was replaced, put the right one back: each unlock tries the file again; \
                 delete it once it is dealt with",
                file.display()
            )
        }));
        Ok(StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: self.keeper.state(),
            started_at: self.started_at,
            key: self.keeper.source().protection().to_owned(),
            store,
            doors: house.doors,
            certificates: house.certificates,
            refused: house.refused,
            refused_since: house.refused_since,
            work: house.work,
            waiting_withdrawals: self.waiting(call.caller()),
            warnings,
            you: match call.caller() {
                Caller::Member(actor) => actor.name().to_owned(),
                Caller::Nobody { .. } => "nobody".to_owned(),
            },
        })
    }
}

impl<H: House> Handle<Unlock> for ServiceDesk<H> {
    async fn handle(&self, ask: Unlock, call: &mut Call<Unlock>) -> Result<Unlocked, Failure> {
        if self.keeper.state() == LockState::Unlocked {
            return Ok(Unlocked {
                already: true,
                applied_withdrawals: 0,
                void_withdrawals: 0,
                unreadable_withdrawals: 0,
            });
        }
        let by = Unlocker {
            caller: call.caller(),
            code: call.code(),
        };
        self.unlock(ask.passphrase.as_ref(), Some(by)).await
    }
}

impl<H: House> Handle<Lock> for ServiceDesk<H> {
    async fn handle(&self, ask: Lock, call: &mut Call<Lock>) -> Result<Locking, Failure> {
        let what = "can't lock the vault";
        let staff = self.house.staff().ok_or_else(|| Failure::locked(what))?;
        staff
            .record(call.caller(), "lock", None, ask.reason.as_deref())
            .await
            .map_err(|error| staff_failure(what, &error))?;
        self.keeper
            .lock()
            .map_err(|error| keeper_failure(what, &error))?;
        tracing::info!(caller = %call.caller().for_log(), "lock: stops, and starts locked");
        self.house.stop();
        Ok(Locking {
            within_seconds: DRAIN.as_secs(),
        })
    }
}

impl<H: House> Handle<Reload> for ServiceDesk<H> {
    /// Whoever decides who is written to, and with whose approval, is an admin and stands in the log. While locked
    /// nobody is known: then whoever reaches the socket may, and the log is written at the unlock. All of the file is read,
    /// and the rooms take it when they are opened.
    async fn handle(&self, _: Reload, call: &mut Call<Reload>) -> Result<Reloaded, Failure> {
        let what = "can't read the configuration again";
        let caller = call.caller();
        if self.house.staff().is_some() {
            caller
                .require(Role::Admin)
                .map_err(|refused| staff_failure(what, &refused.into()))?;
        }
        self.house.reload(&caller.audit_name()).await
    }
}

impl<H: House> Handle<SandboxClock> for ServiceDesk<H> {
    async fn handle(
        &self,
        ask: SandboxClock,
        _: &mut Call<SandboxClock>,
    ) -> Result<ClockReading, Failure> {
        if let Some(seconds) = ask.by_seconds {
            self.clock
                .advance(SignedDuration::from_secs(seconds))
                .map_err(|error| {
                    Failure::refused(
                        "can't move the clock",
                        error.to_string(),
                        "hustings sandbox",
                    )
                })?;
        }
        Ok(ClockReading {
            now: self.clock.now(),
        })
    }
}

/// The recovery sheet of the open vault.
impl<H: House> SheetSource for ServiceDesk<H> {
    async fn sheet(
        &self,
        passphrase: Option<&SecretText>,
    ) -> Result<(Zeroizing<String>, Timestamp), Failure> {
        let what = "can't print the recovery sheet";
        let store = self.house.store().ok_or_else(|| Failure::locked(what))?;
        let sheet = self
            .keeper
            .recovery_sheet(store.vault(), passphrase)
            .await
            .map_err(|error| keeper_failure(what, &error))?;
        let now = self.clock.now();
        Ok((sheet.to_text(now), now))
    }
}

/// While the vault is locked nobody is known.
pub struct NobodyKnown;

impl WhoIs for NobodyKnown {
    fn who_is(&self, uid: u32) -> Caller {
        Caller::Nobody { uid }
    }
}

/// People are known by the staff room.
impl WhoIs for StaffRoom {
    fn who_is(&self, uid: u32) -> Caller {
        self.caller(uid)
    }
}

#[cfg(test)]
mod tests;
