//! Roles for a time, and training: what an account may do until a day that the clock brings by itself.

use jiff::{SignedDuration, Timestamp};

use super::super::actor::{Admin, Caller};
use super::super::error::{RoleName, StaffError};
use super::{StaffRoom, live};
use crate::store::{GrantRecord, Guard, Role, Staff};

/// The longest that a role is granted for; for longer there is `staff change`.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How many grants one account may have at once.
const MOST: usize = 20;

/// A role for a time.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// The role.
    pub role: Role,
    /// For how long from now.
    pub lasts: SignedDuration,
    /// Of a sender: the only list that they may write to.
    pub list: Option<String>,
    /// Of a sender: the codes of the only constituencies that they may write to; none is all.
    pub constituencies: Vec<String>,
}

/// A training to be noted.
#[derive(Debug, Clone, Copy)]
pub struct NewTraining {
    /// Until when it counts.
    pub until: Timestamp,
    /// It stands even where one is noted that counts longer, or where its own time is over: what was noted was wrong.
    pub correct: bool,
}

impl StaffRoom {
    /// Grants a role for a time. It ends by itself. Answers when.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn grant(
        &self,
        by: Admin<'_>,
        name: &str,
        new: NewGrant,
        reason: Option<&str>,
    ) -> Result<Timestamp, StaffError> {
        let _one = self.0.changing.lock().await;
        let (mut staff, until) = self.before_grant(by, name, &new).await?;
        let now = self.0.clock.now();
        let verb = described(&new, until);
        staff.record.grants.push(GrantRecord {
            role: new.role,
            until,
            list: new.list,
            constituencies: new.constituencies,
            given_at: now,
        });
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.actor().clone());
        self.commit(&by, &[&verb], guard, staff, Vec::new(), reason)
            .await?;
        Ok(until)
    }

    /// Whether they could grant this now. Changes nothing.
    ///
    /// # Errors
    /// As [`StaffRoom::grant`].
    pub async fn may_grant(
        &self,
        by: Admin<'_>,
        name: &str,
        new: &NewGrant,
    ) -> Result<(), StaffError> {
        self.before_grant(by, name, new).await.map(drop)
    }

    /// The account, without grants that are over, and until when this one would last.
    async fn before_grant(
        &self,
        by: Admin<'_>,
        name: &str,
        new: &NewGrant,
    ) -> Result<(Staff, Timestamp), StaffError> {
        let now = self.0.clock.now();
        if new.lasts <= SignedDuration::ZERO || new.lasts > LONGEST {
            return Err(StaffError::GrantTime);
        }
        let limited = new.list.is_some() || !new.constituencies.is_empty();
        if limited && new.role != Role::Sender {
            return Err(StaffError::OnlySendersAreLimited);
        }
        let roll = self.roll();
        let member = live(&roll, name)?;
        if member.roles.contains(&new.role) {
            return Err(StaffError::HasRole(name.to_owned(), RoleName(new.role)));
        }
        let mut staff = self.stored(member.id, name).await?;
        let grants = &mut staff.record.grants;
        grants.retain(|grant| grant.until > now);
        if grants.len() >= MOST {
            return Err(StaffError::TooManyGrants(MOST));
        }
        let until = now + new.lasts;
        by.may_give(Some(until))?;
        Ok((staff, until))
    }

    /// Ends all grants of a role before their time. Answers how many there were.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn end_grants(
        &self,
        by: Admin<'_>,
        name: &str,
        role: Role,
        reason: Option<&str>,
    ) -> Result<usize, StaffError> {
        let _one = self.0.changing.lock().await;
        let now = self.0.clock.now();
        let roll = self.roll();
        let member = live(&roll, name)?;
        let mut staff = self.stored(member.id, name).await?;
        let grants = &mut staff.record.grants;
        grants.retain(|grant| grant.until > now);
        let before = grants.len();
        grants.retain(|grant| grant.role != role);
        let ended = before - grants.len();
        if ended == 0 {
            return Err(StaffError::NoGrant(name.to_owned(), RoleName(role)));
        }
        let verb = format!("staff end grant {}", RoleName(role));
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.actor().clone());
        self.commit(&by, &[&verb], guard, staff, Vec::new(), reason)
            .await?;
        Ok(ended)
    }

    /// Whether there is somebody of this name whose training could be noted now.
    ///
    /// # Errors
    /// A [`StaffError`] if there isn't, or if it would take away what they have.
    pub fn may_train(&self, _: Admin<'_>, name: &str, new: NewTraining) -> Result<(), StaffError> {
        let roll = self.roll();
        let member = live(&roll, name)?;
        let noted = member.trained_until.filter(|noted| *noted > new.until);
        match noted {
            _ if new.correct => Ok(()),
            Some(noted) => Err(StaffError::TrainedLonger(noted)),
            None if new.until <= self.0.clock.now() => Err(StaffError::TrainingOver(new.until)),
            None => Ok(()),
        }
    }

    /// Notes until when somebody's data protection training counts. With a day that is over they write to no list.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn trained(
        &self,
        by: Admin<'_>,
        name: &str,
        new: NewTraining,
        reason: Option<&str>,
    ) -> Result<(), StaffError> {
        let _one = self.0.changing.lock().await;
        self.may_train(by, name, new)?;
        let until = new.until;
        let roll = self.roll();
        let member = live(&roll, name)?;
        let mut staff = self.stored(member.id, name).await?;
        staff.record.trained_until = Some(until);
        let verb = format!("staff training until {until}");
        let guard = Guard::StaffAt(staff.id, staff.version);
        let by = Caller::Member(by.actor().clone());
        self.commit(&by, &[&verb], guard, staff, Vec::new(), reason)
            .await
    }
}

/// In the words of the audit log.
fn described(new: &NewGrant, until: Timestamp) -> String {
    let mut verb = format!("staff grant {} until {until}", RoleName(new.role));
    if let Some(list) = &new.list {
        verb += &format!(" for {list}");
    }
    if !new.constituencies.is_empty() {
        verb += &format!(" in {}", new.constituencies.join(" "));
    }
    verb
}
