//! The room itself: adding, changing, revoking. Each act is committed with its entry in the audit log.

mod factor;
mod grants;
mod passwords;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use super::account::{AccountChanges, NewAccount};
use super::actor::{Actor, Admin, Caller};
use super::acts::{Acts, sign_checkpoint};
use super::error::StaffError;
use super::password::Password;
use super::premises::Premises;
use super::reach::Reach;
use super::roll::{FIRST_LABEL, Member, Roll, normalised};
use super::scram::Verifier;
use super::second::SecondPerson;
use super::sent::SentMail;
use super::tries::{Proof, TryRules, WrongPasswords};
use super::used::Used;
use crate::address::EmailAddress;
use crate::audit::{Act, ActObject, LogKind};
use crate::clock::Clock;
use crate::id::StaffId;
use crate::store::{
    Change, ChangeOutcome, Guard, LoggedEvent, Page, Role, Setting, Staff, StaffRecord, Step,
    Store, StoreError,
};
use factor::Factors;

/// The secret that gives unknown names a salt of their own, so that they look like known ones.
const DUMMY_SECRET: &str = "staff-dummy-secret";

/// How many entries of the audit log are read at a time.
const PAGE: u32 = 500;

/// A password that was just made, to be shown once.
#[derive(Debug)]
pub struct Issued {
    /// The account's name.
    pub name: String,
    /// Its main address.
    pub address: String,
    /// What the password is called.
    pub label: String,
    /// The password.
    pub password: Password,
}

/// The staff room. Clones are handles to the same one.
#[derive(Clone)]
pub struct StaffRoom(Arc<Inner>);

pub use factor::{NewFactor, NewlyProven};
pub use grants::{NewGrant, NewTraining};
pub use passwords::{NewPassword, WhichPasswords};

struct Inner {
    store: Store,
    clock: Clock,
    acts: Acts,
    roll: ArcSwap<Roll>,
    /// Stirs when accounts were changed.
    changed: watch::Sender<()>,
    premises: ArcSwap<Premises>,
    dummy: Zeroizing<[u8; 32]>,
    second: SecondPerson,
    sent: SentMail,
    reach: Reach,
    tries: WrongPasswords,
    used: Used,
    factors: Factors,
    /// One change of accounts at a time: uniqueness is over all of them.
    changing: Mutex<()>,
}

impl StaffRoom {
    /// Reads all accounts.
    ///
    /// # Errors
    /// A [`StoreError`] if they can't be read.
    pub async fn open(store: Store, clock: Clock, premises: Premises) -> Result<Self, StoreError> {
        let roll = Roll::new(store.vault(), store.staff().await?, clock.now());
        let dummy = dummy_secret(&store).await?;
        Ok(Self(Arc::new(Inner {
            acts: Acts::new(clock.clone()),
            second: SecondPerson::new(clock.clone()),
            sent: SentMail::open(&store).await?,
            reach: Reach::default(),
            tries: WrongPasswords::new(TryRules::default()),
            used: Used::open(&store).await?,
            factors: Factors::default(),
            roll: ArcSwap::from_pointee(roll),
            changed: watch::Sender::default(),
            premises: ArcSwap::from_pointee(premises),
            changing: Mutex::new(()),
            dummy,
            store,
            clock,
        })))
    }

    /// Everybody, as they are now: what was granted for a time ends by the clock.
    pub fn roll(&self) -> Arc<Roll> {
        let roll = self.0.roll.load_full();
        let Some(later) = roll.later(self.0.clock.now()).map(Arc::new) else {
            return roll;
        };
        // What was changed meanwhile is newer than this.
        self.0.roll.compare_and_swap(&roll, later.clone());
        later
    }

    /// The desk for what needs a second person.
    pub fn second_person(&self) -> &SecondPerson {
        &self.0.second
    }

    /// How many mails everybody sent of late.
    pub fn sent(&self) -> &SentMail {
        &self.0.sent
    }

    /// To how many people outside everybody wrote of late.
    pub fn reach(&self) -> &Reach {
        &self.0.reach
    }

    /// Wrong passwords.
    pub fn tries(&self) -> &WrongPasswords {
        &self.0.tries
    }

    /// When passwords were used last.
    pub fn used(&self) -> &Used {
        &self.0.used
    }

    /// Hears when accounts were changed.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Takes the domains and taken addresses of a reloaded configuration. Accounts that are there stay as they are.
    pub fn reload(&self, premises: Premises) {
        self.0.premises.store(Arc::new(premises));
        // With a role that is gone, nobody is let into it.
        self.0.changed.send_replace(());
    }

    pub(super) fn premises(&self) -> Arc<Premises> {
        self.0.premises.load_full()
    }

    /// Who a Unix user is.
    pub fn caller(&self, uid: u32) -> Caller {
        match self.roll().by_uid(uid) {
            Some(member) => Caller::Member(Actor::new(member.clone())),
            None => Caller::Nobody { uid },
        }
    }

    /// The actor of a live account, for rooms that know it by its id.
    pub fn actor(&self, id: StaffId) -> Option<Actor> {
        self.roll()
            .by_id(id)
            .map(|member| Actor::new(member.clone()))
    }

    /// What a password or proof is checked against, and whose it is. For a name that is unknown, revoked or without a
    /// password it is a verifier that nothing fits, the same each time, and nobody. A name and the same name in a domain of
    /// the party's are one, for those who have an account and for those who haven't: else their salts would tell. In a
    /// dialogue, which shows the salt, an account has its name and its main address alone: one salt behind several
    /// addresses would tell that they are one person's.
    pub(super) fn credentials(&self, user: &str, proof: Proof) -> (Verifier, Option<StaffId>) {
        let roll = self.roll();
        let premises = self.0.premises.load();
        let user = normalised(user);
        let name = premises.without_own_domain(&user);
        let dummy = Verifier::dummy(&self.0.dummy, name);
        let find = |login: &str| {
            let member = roll.by_login(login)?;
            let is_main = || member.goes_by(login);
            (proof == Proof::Hashed || is_main()).then_some(member)
        };
        let spelt = || premises.in_own_domains(name);
        let found = find(&user)
            .or_else(|| find(name))
            .or_else(|| spelt().find_map(|address| find(&address)));
        match found {
            Some(member) => match &member.verifier {
                Some(verifier) => (verifier.clone(), Some(member.id)),
                None => (dummy, None),
            },
            None => (dummy, None),
        }
    }

    /// A user name as wrong passwords are counted by it: a name, and the same name in a domain of the party's, are one.
    pub(super) fn name_typed(&self, user: &str) -> String {
        let user = normalised(user);
        let premises = self.0.premises.load();
        premises.without_own_domain(&user).to_owned()
    }

    /// Whether nobody ever administered this installation. Accounts that were deleted behind our back must not let
    /// whoever is at the socket become the first: each was made on the record, and the journal knows how long that was.
    ///
    /// # Errors
    /// A [`StaffError`] if there is no admin although there was one, or the audit log can't be read.
    pub async fn is_new(&self) -> Result<bool, StaffError> {
        if !self.roll().is_new() {
            return Ok(false);
        }
        let store = &self.0.store;
        store.sound_head(LogKind::Audit).await?;
        let mut next = 0;
        loop {
            let events = store.events(LogKind::Audit, next, PAGE).await?;
            let Some(last) = events.last() else {
                return Ok(true);
            };
            next = last.seq + 1;
            let made_account = |event: &LoggedEvent| match &event.event {
                None => true,
                Some((_, text)) => serde_json::from_slice::<Act>(text)
                    .map_or(true, |act| act.verb.starts_with("staff ")),
            };
            if events.iter().any(made_account) {
                return Err(StaffError::Deleted);
            }
        }
    }

    /// Makes an account and its password. It needs an admin; while there is none, anybody at the socket may make the
    /// first.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn add(
        &self,
        by: &Caller,
        new: NewAccount,
        reason: Option<&str>,
    ) -> Result<Issued, StaffError> {
        let _one = self.0.changing.lock().await;
        let new = self.checked(by, new).await?;
        let mut record = StaffRecord {
            name: new.name,
            addresses: new.addresses,
            roles: new.roles,
            mailboxes: Vec::new(),
            verifier: None,
            passwords: Vec::new(),
            uid: new.uid,
            created_at: self.0.clock.now(),
            revoked_at: None,
            trained_until: None,
            grants: Vec::new(),
            second_factor: None,
        };
        let issued = self.issue(&mut record, FIRST_LABEL)?;
        let staff = Staff::new(self.0.store.vault(), record);
        let guard = Guard::NoStaffNamed(staff.name_index);
        self.commit(by, &["staff add"], guard, staff, Vec::new(), reason)
            .await?;
        Ok(issued)
    }

    /// Whether they could make this account now. Changes nothing.
    ///
    /// # Errors
    /// As [`StaffRoom::add`].
    pub async fn may_add(&self, by: &Caller, new: &NewAccount) -> Result<(), StaffError> {
        self.checked(by, new.clone()).await.map(drop)
    }

    async fn checked(&self, by: &Caller, new: NewAccount) -> Result<NewAccount, StaffError> {
        if !self.is_new().await? {
            by.actor()?.admin()?.may_give(None)?;
        } else if !new.roles.contains(&Role::Admin) {
            return Err(StaffError::FirstMustBeAdmin);
        }
        let new = new.checked(&self.0.premises.load())?;
        check_unique(&self.roll(), &new)?;
        Ok(new)
    }

    /// Ends an account: it can't log in, send or act any more, and its name is never given again. Its mail stays.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn revoke(
        &self,
        by: Admin<'_>,
        name: &str,
        reason: Option<&str>,
    ) -> Result<(), StaffError> {
        let _one = self.0.changing.lock().await;
        let roll = self.roll();
        let member = live(&roll, name)?;
        let mut admins = roll.lasting_admins();
        if admins.all(|admin| admin.id == member.id) {
            return Err(StaffError::LastAdmin(name.to_owned()));
        }
        let mut staff = self.stored(member.id, name).await?;
        staff.record.revoked_at = Some(self.0.clock.now());
        staff.record.verifier = None;
        staff.record.passwords.clear();
        staff.record.second_factor = None;
        let forget = vec![self.0.used.forget(staff.id, |_| true)];
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.actor().clone());
        self.commit(&by, &["staff revoke"], guard, staff, forget, reason)
            .await
    }

    /// Changes what an account may do and by what it is known: its roles, the role mailboxes that it is let into, its
    /// addresses, its Unix user. Each single change stands in the audit log.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn change(
        &self,
        by: Admin<'_>,
        name: &str,
        changes: &AccountChanges,
        reason: Option<&str>,
    ) -> Result<(), StaffError> {
        let _one = self.0.changing.lock().await;
        let (staff, acts) = self.changed(by, name, changes).await?;
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.actor().clone());
        let acts: Vec<&str> = acts.iter().map(String::as_str).collect();
        self.commit(&by, &acts, guard, staff, Vec::new(), reason)
            .await
    }

    /// Whether they could change an account so now. Changes nothing.
    ///
    /// # Errors
    /// As [`StaffRoom::change`].
    pub async fn may_change(
        &self,
        by: Admin<'_>,
        name: &str,
        changes: &AccountChanges,
    ) -> Result<(), StaffError> {
        self.changed(by, name, changes).await.map(drop)
    }

    /// The account as it is to be, and each change in the words of the audit log.
    async fn changed(
        &self,
        by: Admin<'_>,
        name: &str,
        changes: &AccountChanges,
    ) -> Result<(Staff, Vec<String>), StaffError> {
        let roll = self.roll();
        let member = live(&roll, name)?;
        let mut staff = self.stored(member.id, name).await?;
        if changes.widen() {
            by.may_give(None)?;
        }
        check_free(&roll, changes.new_addresses(), changes.uid, Some(member.id))?;
        let acts = changes.apply(&mut staff.record, &self.0.premises.load())?;
        if acts.is_empty() {
            return Err(StaffError::NoChange(name.to_owned()));
        }
        let mut admins = roll.lasting_admins();
        let was_last = admins.all(|admin| admin.id == member.id);
        if was_last && !staff.record.roles.contains(&Role::Admin) {
            return Err(StaffError::LastAdmin(name.to_owned()));
        }
        Ok((staff, acts))
    }

    /// Writes an act to the audit log by itself, for what changes no row, such as a lock, and signs the log.
    ///
    /// # Errors
    /// A [`StaffError`]: it is not in the log, so the act must not be done.
    pub async fn record(
        &self,
        by: &Caller,
        verb: &str,
        object: Option<ActObject>,
        reason: Option<&str>,
    ) -> Result<(), StaffError> {
        let act = self.0.acts.act(by, verb, object, reason);
        let _ = self
            .0
            .store
            .change(Change::new().then(Acts::step(&act)?))
            .await?;
        self.sign().await;
        Ok(())
    }

    /// Writes acts that no account did, such as a start, each with the time at which it was done.
    ///
    /// # Errors
    /// A [`StaffError`]: none of them is in the log.
    pub async fn record_all(&self, acts: &[Act]) -> Result<(), StaffError> {
        let mut change = Change::new();
        for act in acts {
            change = change.then(Acts::step(act)?);
        }
        let _ = self.0.store.change(change).await?;
        self.sign().await;
        Ok(())
    }

    /// The act is committed whether or not the log could be signed just now; it is signed each day anyway.
    async fn sign(&self) {
        if let Err(error) = sign_checkpoint(&self.0.store, &self.0.clock, LogKind::Audit).await {
            tracing::warn!(%error, "the audit log could not be signed after an act");
        }
    }

    async fn stored(&self, id: StaffId, name: &str) -> Result<Staff, StaffError> {
        let all = self.0.store.staff().await?;
        all.rows
            .into_iter()
            .find(|staff| staff.id == id)
            .ok_or_else(|| StaffError::Unknown(name.to_owned()))
    }

    /// Commits an account with its act, refreshes the roll and signs the log.
    async fn commit(
        &self,
        by: &Caller,
        verbs: &[&str],
        guard: Guard,
        staff: Staff,
        with: Vec<Step>,
        reason: Option<&str>,
    ) -> Result<(), StaffError> {
        let object = ActObject::new("staff", staff.id);
        let mut change = Change::new()
            .require(guard)
            .then(Step::PutStaff(staff.clone()))
            .then_all(with);
        for verb in verbs {
            let act = self.0.acts.act(by, verb, Some(object.clone()), reason);
            change = change.then(Acts::step(&act)?);
        }
        let outcome = self.0.store.change(change).await?;
        // Even after a conflict: what is in memory may be what was wrong.
        let read = self.0.store.staff().await;
        if outcome == ChangeOutcome::Conflict {
            self.refresh(None, read);
            return Err(StaffError::Conflict);
        }
        self.refresh(Some(staff), read);
        if !verbs.is_empty() {
            self.sign().await;
        }
        Ok(())
    }

    /// Takes the accounts as they were read. Where they can't be, the account that was committed is taken alone: what was
    /// revoked must not live on in memory, nor an old password.
    fn refresh(&self, committed: Option<Staff>, read: Result<Page<Staff, StaffId>, StoreError>) {
        let (vault, now) = (self.0.store.vault(), self.0.clock.now());
        let roll = match (read, committed) {
            (Ok(all), _) => Roll::new(vault, all, now),
            (Err(error), Some(staff)) => {
                tracing::error!(%error, "the accounts could not be read again after a change of one; that one was taken alone");
                self.roll().with(vault, staff, now)
            }
            (Err(error), None) => {
                tracing::error!(%error, "the accounts could not be read again");
                return;
            }
        };
        self.0.roll.store(Arc::new(roll));
        self.0.changed.send_replace(());
    }
}

async fn dummy_secret(store: &Store) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let kept = match store.setting(DUMMY_SECRET).await {
        // Any other does as well: it must only stay the same.
        Err(error @ StoreError::Seal(_)) => {
            tracing::error!(%error, setting = DUMMY_SECRET, "made a new one");
            None
        }
        kept => kept?,
    };
    if let Some(secret) = kept.and_then(|kept| <[u8; 32]>::try_from(kept.as_slice()).ok()) {
        return Ok(Zeroizing::new(secret));
    }
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|cause| StoreError::Sql(cause.to_string()))?;
    let setting = Setting {
        name: DUMMY_SECRET.into(),
        value: Zeroizing::new(secret.to_vec()),
    };
    let _ = store
        .change(Change::new().then(Step::PutSetting(setting)))
        .await?;
    Ok(secret)
}

fn live<'r>(roll: &'r Roll, name: &str) -> Result<&'r Arc<Member>, StaffError> {
    if let Some(member) = roll.by_name(name) {
        return Ok(member);
    }
    let revoked = roll.all().iter().any(|member| member.name == name);
    Err(if revoked {
        StaffError::Revoked(name.to_owned())
    } else {
        StaffError::Unknown(name.to_owned())
    })
}

fn check_unique(roll: &Roll, new: &NewAccount) -> Result<(), StaffError> {
    if roll.all().iter().any(|member| member.name == new.name) {
        return Err(StaffError::NameTaken(new.name.clone()));
    }
    check_free(roll, &new.addresses, new.uid, None)
}

/// Checks that nobody has these, but whoever is to have them.
fn check_free<'a>(
    roll: &Roll,
    addresses: impl IntoIterator<Item = &'a EmailAddress>,
    uid: Option<u32>,
    whose: Option<StaffId>,
) -> Result<(), StaffError> {
    let other = |member: &&Arc<Member>| Some(member.id) != whose;
    for address in addresses {
        if let Some(member) = roll.by_address(address).filter(other) {
            return Err(StaffError::AddressTaken(format!(
                "the account {}",
                member.name
            )));
        }
    }
    match uid.and_then(|uid| roll.by_uid(uid)).filter(other) {
        Some(member) => Err(StaffError::UidTaken(member.name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
