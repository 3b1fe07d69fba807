//! Everybody, as looked up: by login name, by address, by Unix user. A snapshot, replaced whole after each change.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::scram::Verifier;
use super::scram::verifier::FIRST;
use crate::address::{EmailAddress, MatchForm};
use crate::id::{PasswordId, StaffId};
use crate::store::{FactorRecord, GrantRecord, Page, PasswordRecord, Role, Staff, StaffRecord};
use crate::vault::{LogName, Vault};

/// An account.
#[derive(Clone)]
pub struct Member {
    /// Which.
    pub id: StaffId,
    /// The login name.
    pub name: String,
    /// The addresses; the first is the main one.
    pub addresses: Vec<EmailAddress>,
    /// What it may do for good; [`Member::has`] knows of grants as well.
    pub roles: Vec<Role>,
    /// What it may do for a time, as far as that isn't over.
    pub grants: Vec<GrantRecord>,
    /// The role mailboxes that it was let into.
    pub mailboxes: Vec<String>,
    /// What its passwords are checked against.
    pub verifier: Option<Verifier>,
    /// Its passwords, by name.
    pub passwords: Vec<OwnPassword>,
    /// Its second factor, without the secret.
    pub factor: Option<OwnFactor>,
    /// The Unix user by which the command line knows this person.
    pub uid: Option<u32>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Until when its data protection training counts.
    pub trained_until: Option<Timestamp>,
    /// How the service's log names it.
    pub log_name: LogName,
}

impl Member {
    /// Whether this is its name or its main address.
    pub(super) fn goes_by(&self, login: &str) -> bool {
        let main = self.addresses.first().map(EmailAddress::match_form);
        let typed = EmailAddress::parse(login).ok();
        self.name == login || typed.is_some_and(|typed| Some(typed.match_form()) == main)
    }

    fn read(vault: &Vault, staff: Staff, now: Timestamp) -> Self {
        let record = staff.record;
        let verifier = read_verifier(&record).filter(|verifier| !verifier.is_empty());
        let passwords = named_passwords(&record);
        Self {
            passwords: passwords.into_iter().map(OwnPassword::from).collect(),
            factor: record.second_factor.as_ref().map(OwnFactor::from),
            id: staff.id,
            log_name: vault.log_name(record.name.as_bytes()),
            name: record.name,
            addresses: record.addresses,
            roles: record.roles,
            grants: unended(&record.grants, now),
            mailboxes: record.mailboxes,
            verifier,
            uid: record.uid,
            created_at: record.created_at,
            revoked_at: record.revoked_at,
            trained_until: record.trained_until,
        }
    }

    /// Whether it has a role, for good or at present.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role) || self.grants.iter().any(|grant| grant.role == role)
    }

    /// Whether it may write to a list: to all of it, or to a constituency by its code. A grant may be for less than a role.
    pub fn may_write_to(&self, list: &str, constituency: Option<&str>) -> bool {
        let granted = |grant: &GrantRecord| {
            let limited = &grant.constituencies;
            let within = constituency.is_some_and(|code| limited.iter().any(|one| one == code));
            grant.role == Role::Sender
                && grant.list.as_deref().is_none_or(|only| only == list)
                && (limited.is_empty() || within)
        };
        self.roles.contains(&Role::Sender) || self.grants.iter().any(granted)
    }

    /// Whether it was let into a role mailbox.
    pub fn is_let_into(&self, mailbox: &str) -> bool {
        self.mailboxes.iter().any(|name| name == mailbox)
    }

    /// Whether it has this password.
    pub(super) fn has_password(&self, password: PasswordId) -> bool {
        self.passwords.iter().any(|one| one.id == password)
    }

    /// Whether it can be used.
    pub fn is_live(&self) -> bool {
        self.revoked_at.is_none()
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Member({}, {:?})", self.log_name, self.roles)
    }
}

/// The grants that are not over.
fn unended(grants: &[GrantRecord], now: Timestamp) -> Vec<GrantRecord> {
    let unended = grants.iter().filter(|grant| grant.until > now);
    unended.cloned().collect()
}

/// One of somebody's passwords.
#[derive(Debug, Clone)]
pub struct OwnPassword {
    /// Which.
    pub id: PasswordId,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub made_at: Timestamp,
}

impl From<PasswordRecord> for OwnPassword {
    fn from(record: PasswordRecord) -> Self {
        Self {
            id: record.id,
            label: record.label,
            made_at: record.made_at,
        }
    }
}

/// Somebody's second factor, as others may see it.
#[derive(Debug, Clone)]
pub struct OwnFactor {
    /// Since when it is in force.
    pub since: Timestamp,
    /// How many recovery codes are left.
    pub recovery_left: usize,
    /// When wrong codes came of late.
    pub wrong: Vec<Timestamp>,
}

impl From<&FactorRecord> for OwnFactor {
    fn from(record: &FactorRecord) -> Self {
        Self {
            since: record.since,
            recovery_left: record.recovery.len(),
            wrong: record.wrong.clone(),
        }
    }
}

/// What the one password is called that an account of old has.
pub(super) const FIRST_LABEL: &str = "first";

/// An account's passwords by name. An account from before they had names has one.
pub(super) fn named_passwords(record: &StaffRecord) -> Vec<PasswordRecord> {
    if record.verifier.is_none() || !record.passwords.is_empty() {
        return record.passwords.clone();
    }
    vec![PasswordRecord {
        id: FIRST,
        label: FIRST_LABEL.to_owned(),
        made_at: record.created_at,
    }]
}

/// The verifier in the store.
pub(super) fn read_verifier(record: &StaffRecord) -> Option<Verifier> {
    let bytes = STANDARD.decode(record.verifier.as_deref()?).ok()?;
    Verifier::from_bytes(&bytes).ok()
}

/// How a verifier stands in the store.
pub(super) fn write_verifier(verifier: &Verifier) -> String {
    STANDARD.encode(&*verifier.to_bytes())
}

/// All accounts at one moment. Look-ups find live accounts alone.
#[derive(Default)]
pub struct Roll {
    all: Vec<Arc<Member>>,
    by_name: HashMap<String, Arc<Member>>,
    by_address: HashMap<MatchForm, Arc<Member>>,
    by_uid: HashMap<u32, Arc<Member>>,
    by_id: HashMap<StaffId, Arc<Member>>,
    broken: u64,
    /// When the first grant ends.
    changes_at: Option<Timestamp>,
}

impl Roll {
    pub(super) fn new(vault: &Vault, staff: Page<Staff, StaffId>, now: Timestamp) -> Self {
        let all = staff.rows.into_iter();
        let all = all.map(|staff| Arc::new(Member::read(vault, staff, now)));
        Self::of(all.collect(), staff.broken)
    }

    /// These accounts, with one in place of what it was before.
    pub(super) fn with(&self, vault: &Vault, staff: Staff, now: Timestamp) -> Self {
        let new = Arc::new(Member::read(vault, staff, now));
        let others = self.all.iter().filter(|member| member.id != new.id);
        Self::of(others.cloned().chain([new.clone()]).collect(), self.broken)
    }

    /// The same without grants that are over by now; none if there are none.
    pub(super) fn later(&self, now: Timestamp) -> Option<Self> {
        self.changes_at.filter(|at| *at <= now)?;
        let later = |member: &Arc<Member>| match member.grants.is_empty() {
            true => member.clone(),
            false => Arc::new(Member {
                grants: unended(&member.grants, now),
                ..Member::clone(member)
            }),
        };
        Some(Self::of(self.all.iter().map(later).collect(), self.broken))
    }

    fn of(mut all: Vec<Arc<Member>>, broken: u64) -> Self {
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let grants = all.iter().flat_map(|member| &member.grants);
        let mut roll = Self {
            broken,
            changes_at: grants.map(|grant| grant.until).min(),
            ..Self::default()
        };
        for member in all.iter().filter(|member| member.is_live()) {
            roll.by_name.insert(member.name.clone(), member.clone());
            roll.by_id.insert(member.id, member.clone());
            for address in &member.addresses {
                roll.by_address.insert(address.match_form(), member.clone());
            }
            if let Some(uid) = member.uid {
                roll.by_uid.insert(uid, member.clone());
            }
        }
        roll.all = all;
        roll
    }

    /// All accounts in the order of their names, revoked ones too.
    pub fn all(&self) -> &[Arc<Member>] {
        &self.all
    }

    /// The live accounts.
    pub fn live(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.all.iter().filter(|member| member.is_live())
    }

    /// The live accounts with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Arc<Member>> {
        self.live().filter(move |member| member.has(role))
    }

    /// The live accounts that administer for good.
    pub(super) fn lasting_admins(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.live()
            .filter(|member| member.roles.contains(&Role::Admin))
    }

    /// How many accounts there are that can't be read.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// Whether nobody administers this installation now. An account that can't be read may be the admin's: whoever is at
    /// the socket must not become the first then.
    pub fn is_new(&self) -> bool {
        self.broken == 0 && self.with_role(Role::Admin).next().is_none()
    }

    /// The live account with this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Member>> {
        self.by_name.get(name)
    }

    /// The live account with this id.
    pub fn by_id(&self, id: StaffId) -> Option<&Arc<Member>> {
        self.by_id.get(&id)
    }

    /// The live account that this address belongs to.
    pub fn by_address(&self, address: &EmailAddress) -> Option<&Arc<Member>> {
        self.by_address.get(&address.match_form())
    }

    /// The live account that this Unix user is; never root.
    pub fn by_uid(&self, uid: u32) -> Option<&Arc<Member>> {
        (uid != 0).then(|| self.by_uid.get(&uid)).flatten()
    }

    /// The live account that a mail program means: its name, or one of its addresses.
    pub fn by_login(&self, user: &str) -> Option<&Arc<Member>> {
        let user = normalised(user);
        self.by_name(&user).or_else(|| {
            let address = EmailAddress::parse(&user).ok()?;
            self.by_address(&address)
        })
    }
}

/// A user name as it is compared: mail programs and telephones like to write the first letter large.
pub(super) fn normalised(user: &str) -> String {
    user.trim().to_lowercase()
}
