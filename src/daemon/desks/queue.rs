//! `queue …`: staff see their own mail, admins all. Whom somebody else's mail goes to is shown for one mail at a time, to
//! admins. What an admin does with others' mail is in the audit log before it is done, a look among it.

use std::sync::Arc;

use super::{is_admin, name_of};
use crate::audit::{ActObject, LogKind};
use crate::control::api::queue::{
    Drop, List, ProviderReport, Providers, QueueReport, Retried, Retry, Show,
};
use crate::control::handlers::staff_failure;
use crate::control::{Ask, Call, Failure, Handle, Nothing};
use crate::daemon::rooms::Rooms;
use crate::delivery::engine::EngineView;
use crate::id::{QueueId, StaffId};
use crate::staff::{Acts, sign_checkpoint};
use crate::store::{Change, ChangeOutcome, Guard, MailClass, Queued, Step, StoreError};

/// How many rows are read at once.
const PAGE: u32 = 500;
/// The fewest digits of its number that a mail is found by.
const FEWEST: usize = 4;
/// Who writes what we write ourselves.
const SERVICE: &str = "service";

/// Answers for the queue.
pub(super) struct QueueDesk(pub(super) Arc<Rooms>);

/// Who looks at the queue.
#[derive(Clone, Copy)]
struct Eyes {
    staff: StaffId,
    admin: bool,
}

impl Eyes {
    fn of<A: Ask>(call: &Call<A>) -> Result<Self, Failure> {
        Ok(Self {
            staff: call.actor()?.id(),
            admin: is_admin(call),
        })
    }

    fn own(self, mail: &Queued) -> bool {
        matches!(&mail.record.class, MailClass::Staff { sender } if *sender == self.staff)
    }

    fn see(self, mail: &Queued) -> bool {
        self.admin || self.own(mail)
    }
}

fn failed<A: Ask>(error: &StoreError) -> Failure {
    Failure::store(format!("can't do \"{}\"", A::NAME), error)
}

impl QueueDesk {
    /// A page of what these eyes see.
    async fn page(
        &self,
        eyes: Eyes,
        after: Option<QueueId>,
    ) -> Result<(Vec<Queued>, Option<QueueId>), StoreError> {
        let page = self.0.store.queue_page(after, PAGE).await?;
        let seen = page.rows.into_iter().filter(|mail| eyes.see(mail));
        Ok((seen.collect(), page.next))
    }

    /// The one mail whose number begins with these digits, among those that these eyes see.
    async fn find<A: Ask>(&self, eyes: Eyes, digits: &str) -> Result<Queued, Failure> {
        let what = || format!("can't do \"{}\"", A::NAME);
        let ambiguous = || {
            let next = "give more digits, as hustings queue list shows them";
            Failure::misuse(what(), "the number is too short", next)
        };
        let digits = digits.trim().to_ascii_lowercase();
        if digits.len() < FEWEST {
            return Err(ambiguous());
        }
        let (mut found, mut after) = (None, None);
        loop {
            let (page, next) = self
                .page(eyes, after)
                .await
                .map_err(|error| failed::<A>(&error))?;
            for mail in page {
                if mail.id.to_string().starts_with(&digits) && found.replace(mail).is_some() {
                    return Err(ambiguous());
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        found.ok_or_else(|| {
            let why = "no mail of this number waits: it may have gone out";
            Failure::refused(what(), why, "hustings queue list")
        })
    }

    /// Writes down that this is about to be done to mail of others.
    async fn log<A: Ask>(&self, call: &Call<A>, object: ActObject) -> Result<(), Failure> {
        let staff = &self.0.staff;
        let logged = staff.record(call.caller(), A::NAME, Some(object), None);
        logged
            .await
            .map_err(|error| staff_failure(format!("can't do \"{}\"", A::NAME), &error))
    }

    fn report(&self, mail: &Queued, to: bool) -> QueueReport {
        let record = &mail.record;
        QueueReport {
            id: mail.id,
            from: match &record.class {
                MailClass::Staff { sender } => name_of(&self.0, *sender),
                MailClass::Service { .. } => SERVICE.to_owned(),
            },
            to: to.then(|| record.recipient.to_string()),
            queued_at: record.queued_at,
            due_at: mail.due_at,
            expires_at: record.expires_at,
            attempts: record.attempts,
            last_failure: record.last_failure.clone(),
        }
    }
}

impl Handle<List> for QueueDesk {
    async fn handle(&self, _: List, call: &mut Call<List>) -> Result<Providers, Failure> {
        let eyes = Eyes::of(call)?;
        let mut after = None;
        loop {
            let (page, next) = self
                .page(eyes, after)
                .await
                .map_err(|error| failed::<List>(&error))?;
            for mail in &page {
                call.row(&self.report(mail, eyes.own(mail))).await?;
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        Ok(match eyes.admin {
            true => self.providers(),
            false => Providers::default(),
        })
    }
}

impl QueueDesk {
    fn providers(&self) -> Providers {
        let paces = self.0.engine.get().map(EngineView::paces);
        let providers = paces.into_iter().flatten().map(|pace| ProviderReport {
            provider: pace.provider,
            connections: pace.busy,
            waiting: pace.waiting,
            copies_today: pace.sent_today,
            copies_allowed: pace.allowed_today,
            paused_until: pace.paused_until,
            said: pace.said,
        });
        Providers {
            providers: providers.collect(),
        }
    }
}

impl Handle<Show> for QueueDesk {
    async fn handle(&self, ask: Show, call: &mut Call<Show>) -> Result<QueueReport, Failure> {
        let eyes = Eyes::of(call)?;
        let mail = self.find::<Show>(eyes, &ask.mail).await?;
        if !eyes.own(&mail) {
            self.log(call, ActObject::new("mail", mail.id)).await?;
        }
        Ok(self.report(&mail, true))
    }
}

impl Handle<Retry> for QueueDesk {
    async fn handle(&self, ask: Retry, call: &mut Call<Retry>) -> Result<Retried, Failure> {
        let eyes = Eyes::of(call)?;
        let mut mails = 0;
        if let Some(digits) = &ask.mail {
            let mail = self.find::<Retry>(eyes, digits).await?;
            if !eyes.own(&mail) {
                self.log(call, ActObject::new("mail", mail.id)).await?;
            }
            mails += self.due_now(vec![mail]).await?;
        } else {
            if eyes.admin {
                self.log(call, ActObject::new("queue", "all")).await?;
            }
            let mut after = None;
            loop {
                let (page, next) = self
                    .page(eyes, after)
                    .await
                    .map_err(|error| failed::<Retry>(&error))?;
                mails += self.due_now(page).await?;
                call.progress().report("mails", mails, None);
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        self.0.bell.wake();
        Ok(Retried { mails })
    }
}

impl QueueDesk {
    /// Makes these due. A mail whose attempt begins meanwhile is being tried anyway, and left alone.
    async fn due_now(&self, mails: Vec<Queued>) -> Result<u64, Failure> {
        let now = self.0.clock.now();
        let later = mails.into_iter().filter(|mail| mail.due_at > now);
        let changes = later.map(|mut mail| {
            let guard = Guard::QueuedAt(mail.id, mail.due_at);
            mail.due_at = now;
            let change = Change::new().require(guard).then(Step::PutQueued(mail));
            self.0.store.change(change)
        });
        let mut done = 0;
        for outcome in futures_util::future::join_all(changes).await {
            let outcome = outcome.map_err(|error| failed::<Retry>(&error))?;
            done += u64::from(outcome == ChangeOutcome::Done);
        }
        Ok(done)
    }
}

impl Handle<Drop> for QueueDesk {
    async fn handle(&self, ask: Drop, call: &mut Call<Drop>) -> Result<Nothing, Failure> {
        let what = "can't give the mail up";
        let mail = self.find::<Drop>(Eyes::of(call)?, &ask.mail).await?;
        let (now, reason) = (self.0.clock.now(), ask.reason.as_deref());
        let object = ActObject::new("mail", mail.id);
        let act =
            Acts::new(self.0.clock.clone()).act(call.caller(), Drop::NAME, Some(object), reason);
        let act = Acts::step(&act).map_err(|error| staff_failure(what, &error))?;
        let given_up = self.0.queue.give_up(&mail, reason, act, now).await;
        if !given_up.map_err(|error| Failure::store(what, &error))? {
            let why = "it is no longer queued: it has gone out or was given up";
            return Err(Failure::refused(what, why, "hustings queue list"));
        }
        // The act is in the log whether or not the log can be signed just now.
        let signed = sign_checkpoint(&self.0.store, &self.0.clock, LogKind::Audit).await;
        if let Err(error) = signed {
            tracing::warn!(%error, "the audit log could not be signed after an act");
        }
        Ok(Nothing {})
    }
}
