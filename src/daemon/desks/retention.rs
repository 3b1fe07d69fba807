//! `mailbox retention`, `mailbox hold`, `mailbox lift`: what goes when, and keeping it from going.

use jiff::{SignedDuration, Timestamp};

use super::is_admin;
use super::mailbox::MailboxDesk;
use crate::audit::ActObject;
use crate::control::api::mailbox::{Hold, Lift, Retention, RetentionReport};
use crate::control::handlers::staff_failure;
use crate::control::{Ask, Call, Class, Failure, Handle, Nothing};
use crate::id::MailboxId;
use crate::mailbox::{Hold as Standing, Leaving, MailboxError};

const MONTH: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Mailboxes that are on hold, with what stands, and others.
type ByHold = (Vec<(MailboxId, Standing)>, Vec<MailboxId>);

impl Handle<Retention> for MailboxDesk {
    async fn handle(&self, _: Retention, call: &mut Call<Retention>) -> Result<Nothing, Failure> {
        let what = "can't tell what goes when";
        let admin = is_admin(call);
        let all = match admin {
            true => self
                .all()
                .await
                .map_err(|error| Failure::store(what, &error))?,
            false => {
                let actor = call.actor()?;
                vec![(actor.id().into(), actor.name().to_owned())]
            }
        };
        for (id, name) in all {
            let rows = self.retention(id, &name, admin).await;
            for row in rows.map_err(|error| failed(what, &error))? {
                call.row(&row).await?;
            }
        }
        Ok(Nothing {})
    }
}

impl Handle<Hold> for MailboxDesk {
    async fn handle(&self, ask: Hold, call: &mut Call<Hold>) -> Result<Nothing, Failure> {
        let what = "can't hold the mailbox";
        let (held, free) = self.by_hold(what, &ask.mailbox, &ask.reason).await?;
        // A second hold would take the place of the first, and one lift would end both.
        if free.is_empty()
            && let Some((_, hold)) = held.first()
        {
            return Err(Failure::refused(
                what,
                format!("it is on hold already ({})", hold.reason),
                "let that hold stand until both matters are answered, or lift it and hold the mailbox anew with a reason \
                 that names both",
            ));
        }
        self.begin(what, &free, &ask.reason, call).await?;
        for id in free {
            let held = self.0.mailboxes.hold(id, &ask.reason).await;
            held.map_err(|error| failed(what, &error))?;
        }
        Ok(Nothing {})
    }
}

impl Handle<Lift> for MailboxDesk {
    async fn handle(&self, ask: Lift, call: &mut Call<Lift>) -> Result<Nothing, Failure> {
        let what = "can't lift the hold";
        let (held, _) = self.by_hold(what, &ask.mailbox, &ask.reason).await?;
        if held.is_empty() {
            let next = "see what is: hustings mailbox retention";
            return Err(Failure::refused(what, "the mailbox isn't on hold", next));
        }
        let held: Vec<MailboxId> = held.into_iter().map(|(id, _)| id).collect();
        self.begin(what, &held, &ask.reason, call).await?;
        for id in held {
            let lifted = self.0.mailboxes.lift(id).await;
            lifted.map_err(|error| failed(what, &error))?;
        }
        Ok(Nothing {})
    }
}

impl MailboxDesk {
    /// The mailboxes of this name, those on hold and those that aren't: an account's and a role's may have the same, and
    /// then both are meant, so that nothing goes which somebody believes to be held.
    async fn by_hold(&self, what: &str, name: &str, reason: &str) -> Result<ByHold, Failure> {
        if reason.trim().is_empty() {
            return Err(Failure::misuse(what, "no reason was given", "add --reason"));
        }
        let all = self.all().await;
        let all = all.map_err(|error| Failure::store(what, &error))?;
        let found = of_name(all, name);
        if found.is_empty() {
            let why = "there is no mailbox of this name";
            return Err(Failure::refused(what, why, "hustings mailbox list"));
        }
        let (mut held, mut free) = (Vec::new(), Vec::new());
        for id in found {
            let hold = self.0.mailboxes.hold_of(id).await;
            match hold.map_err(|error| failed(what, &error))? {
                Some(hold) => held.push((id, hold)),
                None => free.push(id),
            }
        }
        Ok((held, free))
    }

    /// What is about to be done to them stands in the audit log before it is done.
    async fn begin<A: Ask>(
        &self,
        what: &str,
        mailboxes: &[MailboxId],
        reason: &str,
        call: &Call<A>,
    ) -> Result<(), Failure> {
        let staff = &self.0.staff;
        for id in mailboxes {
            let object = ActObject::new("mailbox", *id);
            let logged = staff.record(call.caller(), A::NAME, Some(object), Some(reason));
            logged.await.map_err(|error| staff_failure(what, &error))?;
        }
        Ok(())
    }

    async fn retention(
        &self,
        id: MailboxId,
        name: &str,
        admin: bool,
    ) -> Result<Vec<RetentionReport>, MailboxError> {
        let boxes = &self.0.mailboxes;
        let hold = boxes.hold_of(id).await?;
        let soon = self.0.clock.now().saturating_add(MONTH);
        let soon = soon.unwrap_or(Timestamp::MAX);
        let mut leaving = boxes.leaving(id, &self.0.keeping(id)).await?;
        leaving.sort_by(|one, other| one.name.cmp(&other.name));
        let shown = hold.as_ref().filter(|_| admin);
        let report = |folder: Leaving| {
            // Of a mailbox on hold nothing goes.
            let going = folder.messages.iter().filter(|_| hold.is_none());
            let times = going.map(|(_, at)| *at);
            RetentionReport {
                mailbox: name.to_owned(),
                folder: folder.name.into(),
                messages: folder.messages.len() as u64,
                next_at: times.clone().min(),
                within_month: times.filter(|at| *at <= soon).count() as u64,
                held: hold.is_some(),
                reason: shown.map(|hold| hold.reason.clone()),
            }
        };
        Ok(leaving.into_iter().map(report).collect())
    }
}

fn of_name(all: Vec<(MailboxId, String)>, name: &str) -> Vec<MailboxId> {
    let found = all.into_iter().filter(|(_, known)| known == name);
    found.map(|(id, _)| id).collect()
}

fn failed(what: &str, error: &MailboxError) -> Failure {
    match error {
        MailboxError::Store(error) => Failure::store(what, error),
        error => Failure::from_error(Class::Failed, what, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_same_name_is_meant_as_well() {
        let ids = [1, 2, 3].map(|byte| MailboxId::from_bytes([byte; 16]));
        let names = ["press", "ada", "press"].map(str::to_owned);
        let all: Vec<_> = ids.into_iter().zip(names).collect();
        assert_eq!(of_name(all.clone(), "press"), [ids[0], ids[2]]);
        assert_eq!(of_name(all, "nobody"), []);
    }
}
