//! Logging in, as the doors see it: SMTP, IMAP and POP3 ask the same questions, and a network that guesses at one waits at
//! all of them.
//!
//! A door asks [`StaffRoom::knock`] when it knows a user name, checks the password or the proof against the verifier that it
//! got, and says how it ended ([`StaffRoom::ended`]).

use std::net::IpAddr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::account::check_name;
use super::actor::Admin;
use super::error::StaffError;
use super::roll::Member;
use super::room::StaffRoom;
use super::scram::Verifier;
use super::tries::{HeldUp, Proof, Tried};
use crate::audit::ActObject;
use crate::id::{PasswordId, StaffId};
use crate::net::Subnet;
use crate::store::Change;

/// A door at which staff log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Sending: 465 and 587.
    Submission,
    /// Reading by IMAP.
    Imap,
    /// Fetching by POP3.
    Pop3,
}

impl Door {
    /// As it's shown and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }
}

/// Somebody who may try.
#[derive(Debug)]
pub struct Knocked {
    /// What the password or the proof is checked against. For a name that is unknown, revoked or without a password it is
    /// one that nothing fits.
    pub verifier: Verifier,
    /// Whose password is tried, to be given back with how it ended.
    pub tried: Tried,
}

/// Who is in, and by which password. Once either is gone they are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrant {
    /// Who.
    pub staff: StaffId,
    /// By which of their passwords.
    pub password: PasswordId,
}

/// How a log-in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The password or the proof was right, and which password it was.
    Proven(Tried, PasswordId),
    /// It was wrong, or the name is unknown; or it ended before it was said for whom.
    Refused(Option<Tried>),
}

impl LoginOutcome {
    /// What came of a password or a proof: which password it was, if it was one. Nobody's proves nothing.
    pub fn of(tried: Tried, password: Option<PasswordId>) -> Self {
        match password.filter(|_| tried.staff.is_some()) {
            Some(password) => Self::Proven(tried, password),
            None => Self::Refused(Some(tried)),
        }
    }

    /// Whether somebody was proven.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven(..))
    }
}

impl StaffRoom {
    /// Somebody says who they are, and what will be asked of us to believe it. It may take a moment: names that are guessed at are answered late.
    ///
    /// # Errors
    /// [`HeldUp`], whose text is for whoever is at the other end.
    pub async fn knock(&self, client: IpAddr, user: &str, proof: Proof) -> Result<Knocked, HeldUp> {
        let (verifier, staff) = self.credentials(user, proof);
        let tried = self.tries().tried(&self.name_typed(user), staff);
        let wait = self.tries().may_try(client, tried, proof)?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(Knocked { verifier, tried })
    }

    /// How it ended: who is in, if they have proven it.
    ///
    /// # Errors
    /// [`StaffError::Revoked`] if the account or the password was revoked meanwhile.
    pub async fn ended(
        &self,
        door: Door,
        client: IpAddr,
        outcome: LoginOutcome,
    ) -> Result<Option<Entrant>, StaffError> {
        match outcome {
            LoginOutcome::Refused(tried) => {
                self.failed(door, client, tried);
                Ok(None)
            }
            LoginOutcome::Proven(tried, password) => {
                let entrant = self.logged_in(door, client, tried, password).await?;
                Ok(Some(entrant))
            }
        }
    }

    /// Whether somebody who came in still may be here: neither their account nor that password was ended.
    pub fn lets_in(&self, who: Entrant) -> bool {
        let roll = self.roll();
        let member = roll.by_id(who.staff);
        member.is_some_and(|member| member.has_password(who.password))
    }

    /// Waits until somebody who came in may be here no more.
    pub async fn shut_out(&self, who: Entrant) {
        let mut changes = self.changes();
        // Looked at behind the subscription, so that no change is missed.
        while self.lets_in(who) && changes.changed().await.is_ok() {}
    }

    /// It was wrong, or ended before it was said for whom.
    pub(super) fn failed(&self, door: Door, client: IpAddr, tried: Option<Tried>) {
        self.tries().wrong(client, tried);
        tracing::info!(door = door.as_str(), "a log-in failed");
    }

    /// It was right, by this password. Only after this answered is the caller in.
    ///
    /// # Errors
    /// [`StaffError::Revoked`] if the account or the password was revoked meanwhile.
    pub(super) async fn logged_in(
        &self,
        door: Door,
        client: IpAddr,
        tried: Tried,
        password: PasswordId,
    ) -> Result<Entrant, StaffError> {
        let revoked = || StaffError::Revoked(String::new());
        let roll = self.roll();
        let member = tried.staff.and_then(|staff| roll.by_id(staff));
        let member = member.filter(|member| member.has_password(password));
        let member = member.ok_or_else(revoked)?;
        self.tries().right(client, tried);
        tracing::info!(staff = %member.log_name, door = door.as_str(), "logged in");
        self.note_use(member, password, door).await;
        Ok(Entrant {
            staff: member.id,
            password,
        })
    }

    /// A day and a door, once a day: not worth a log-in that fails.
    async fn note_use(&self, member: &Member, password: PasswordId, door: Door) {
        let today = self.clock().now().to_zoned(TimeZone::UTC).date();
        let step = self.used().note(member.id, password, door, today);
        let Some(step) = step else { return };
        if let Err(error) = self.store().change(Change::new().then(step)).await {
            tracing::warn!(%error, "when a password was used last could not be written down");
        }
    }

    /// Lifts what wrong passwords hold up: for an account, or for a network. Says how many networks were held up.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn unlock(
        &self,
        by: Admin<'_>,
        what: &str,
        reason: Option<&str>,
    ) -> Result<u64, StaffError> {
        let by = super::Caller::Member(by.actor().clone());
        if let Ok(range) = what.parse::<Subnet>() {
            // Where somebody is stands in no log.
            self.record(&by, "staff unlock network", None, reason)
                .await?;
            return Ok(self.tries().lift_networks(range));
        }
        check_name(what).map_err(|_| StaffError::UnlockWhat)?;
        let roll = self.roll();
        let member = roll.by_name(what);
        let member = member.ok_or_else(|| StaffError::Unknown(what.to_owned()))?;
        let object = ActObject::new("staff", member.id);
        self.record(&by, "staff unlock", Some(object), reason)
            .await?;
        for name in self.names_of(member) {
            self.tries()
                .pardon(self.tries().tried(&name, Some(member.id)));
        }
        Ok(0)
    }

    /// How many wrong passwords came for an account of late.
    pub fn wrong_for(&self, member: &Member) -> u32 {
        let names = self.names_of(member);
        let tried = names.map(|name| self.tries().tried(&name, Some(member.id)));
        tried.map(|tried| self.tries().wrong_for(tried)).sum()
    }

    /// What somebody may type to mean an account, as it's counted.
    fn names_of(&self, member: &Member) -> impl Iterator<Item = String> {
        let addresses = member.addresses.iter().map(ToString::to_string);
        let spelt = addresses.map(|address| self.name_typed(&address));
        let mut names: Vec<String> = spelt.chain([member.name.clone()]).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }
}
