//! Roles for a time, and training.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::super::rooms::Rooms;
use crate::consent::constituency::Code;
use crate::control::api::staff::{
    EndGrant, Grant, GrantRow, Grants, GrantsEnded, Trained, Training,
};
use crate::control::handlers::{proven, staff_failure};
use crate::control::{Call, Failure, Handle, Nothing};
use crate::staff::{Member, NewGrant, NewTraining, OwnGrant};

/// Answers for grants and training.
pub(super) struct GrantsDesk(pub(super) Arc<Rooms>);

impl GrantsDesk {
    fn row(&self, member: &Member, grant: &OwnGrant) -> GrantRow {
        let known = self.0.consent.settings();
        let name = |code: &String| {
            let code = Code::parse(code).ok()?;
            let one = known.constituencies.get(code)?;
            Some(one.slug().to_owned())
        };
        let codes = grant.constituencies.iter();
        GrantRow {
            name: member.name.clone(),
            role: grant.role,
            until: grant.until,
            list: grant.list.clone(),
            constituencies: codes
                .map(|code| name(code).unwrap_or_else(|| code.clone()))
                .collect(),
            given_at: grant.given_at,
        }
    }

    /// The codes of constituencies as people name them.
    fn codes(&self, named: &[String]) -> Result<Vec<String>, Failure> {
        let known = self.0.consent.settings();
        let code = |text: &String| match known.constituencies.find(text) {
            Ok(found) => Ok(found.constituency.code().to_string()),
            Err(_) => Err(Failure::misuse(
                "can't grant the role",
                format!("there is no constituency \"{text}\""),
                "write it as in the list's address: leeds-east",
            )),
        };
        named.iter().map(code).collect()
    }

    fn check_list(&self, list: Option<&str>) -> Result<(), Failure> {
        let config = self.0.config();
        match list {
            Some(list) if !config.list.iter().any(|(key, _)| key.as_str() == list) => {
                Err(Failure::misuse(
                    "can't grant the role",
                    format!("there is no list \"{list}\""),
                    "see them all with: hustings list show",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Handle<Grant> for GrantsDesk {
    async fn handle(&self, ask: Grant, call: &mut Call<Grant>) -> Result<GrantRow, Failure> {
        let failure = |error| staff_failure(format!("can't grant {} the role", ask.name), &error);
        let admin = call
            .actor()?
            .admin()
            .map_err(|error| failure(error.into()))?;
        self.check_list(ask.list.as_deref())?;
        let new = NewGrant {
            role: ask.role,
            lasts: SignedDuration::from_secs(ask.seconds),
            list: ask.list.clone(),
            constituencies: self.codes(&ask.constituencies)?,
        };
        let staff = &self.0.staff;
        let may = staff.may_grant(admin, &ask.name, &new).await;
        may.map_err(failure)?;
        proven(call, staff, &format!("can't grant {} the role", ask.name)).await?;
        let granted = staff.grant(admin, &ask.name, new, ask.reason.as_deref());
        let until = granted.await.map_err(failure)?;
        let roll = staff.roll();
        let member = roll.by_name(&ask.name);
        let found = member.and_then(|member| {
            let mut grants = member.grants.iter().rev();
            let grant = grants.find(|grant| grant.until == until)?;
            Some(self.row(member, grant))
        });
        found.ok_or_else(|| {
            Failure::failed(
                "the grant can't be shown",
                "the account was changed at the same time",
                "look at it with: hustings staff grants",
            )
        })
    }
}

impl Handle<Grants> for GrantsDesk {
    async fn handle(&self, _: Grants, call: &mut Call<Grants>) -> Result<Nothing, Failure> {
        let roll = self.0.staff.roll();
        for member in roll.live() {
            for grant in &member.grants {
                call.row(&self.row(member, grant)).await?;
            }
        }
        Ok(Nothing {})
    }
}

impl Handle<EndGrant> for GrantsDesk {
    async fn handle(
        &self,
        ask: EndGrant,
        call: &mut Call<EndGrant>,
    ) -> Result<GrantsEnded, Failure> {
        let failure = |error| staff_failure(format!("can't end the grant of {}", ask.name), &error);
        let admin = call
            .actor()?
            .admin()
            .map_err(|error| failure(error.into()))?;
        let staff = &self.0.staff;
        let ended = staff.end_grants(admin, &ask.name, ask.role, ask.reason.as_deref());
        let ended = ended.await.map_err(failure)?;
        Ok(GrantsEnded {
            ended: ended as u64,
        })
    }
}

impl Handle<Training> for GrantsDesk {
    async fn handle(&self, ask: Training, call: &mut Call<Training>) -> Result<Trained, Failure> {
        let what = format!("can't note the training of {}", ask.name);
        let failure = |error| staff_failure(&what, &error);
        let admin = call
            .actor()?
            .admin()
            .map_err(|error| failure(error.into()))?;
        let months = self.0.config().staff.training_months;
        let today = self.0.clock.now().to_zoned(TimeZone::UTC).date();
        let until = (ask.date <= today).then(|| end_of(ask.date, months));
        let until = until.flatten().ok_or_else(|| {
            Failure::misuse(
                "can't note the training",
                "the day is still to come, or longer ago than there are days",
                "give the day on which it was",
            )
        })?;
        let staff = &self.0.staff;
        let new = NewTraining {
            until,
            correct: ask.correct,
        };
        staff.may_train(admin, &ask.name, new).map_err(failure)?;
        // Whose training is over can write to lists again.
        proven(call, staff, &what).await?;
        let trained = staff.trained(admin, &ask.name, new, ask.reason.as_deref());
        trained.await.map_err(failure)?;
        Ok(Trained { until })
    }
}

/// The end of the last day on which a training counts.
fn end_of(date: Date, months: u32) -> Option<Timestamp> {
    let span = Span::new().try_months(i64::from(months)).ok()?;
    let last = date.checked_add(span).ok()?.tomorrow().ok()?;
    Some(last.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_training_counts_for_whole_months() {
        let until = end_of(date(2026, 1, 31), 1).map(|until| until.to_string());
        assert_eq!(until.as_deref(), Some("2026-03-01T00:00:00Z"));
        let until = end_of(date(2026, 11, 21), 24).map(|until| until.to_string());
        assert_eq!(until.as_deref(), Some("2028-11-22T00:00:00Z"));
    }
}
