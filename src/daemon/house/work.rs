//! What works by itself while the house is open, and what `status` tells of it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};

use crate::clock::Clock;
use crate::consent::Consent;
use crate::control::api::service::{HeldUpReport, ReportWork, Work};
use crate::daemon::on_record::OnRecord;
use crate::daemon::rooms::Rooms;
use crate::delivery::engine::Bell;
use crate::delivery::queue::TLS_REPORT;
use crate::mailbox::{Mailboxes, NoteTerms, Reader};
use crate::report::Reporter;
use crate::staff::Door;
use crate::store::MailingState;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// For so many days after a log-in by POP3 somebody is taken to fetch by it.
const FETCHES: i64 = 30;

/// Rings the engine's bell when a mailing has something to send or the consent room queued a letter.
pub(super) async fn ring(rooms: Arc<Rooms>, bell: Bell) {
    let mut copies = rooms.mailings.changes();
    let mut letters = rooms.consent.posted();
    loop {
        tokio::select! {
            changed = copies.changed() => if changed.is_err() { return },
            changed = letters.changed() => if changed.is_err() { return },
        }
        bell.wake();
    }
}

/// What is done every hour: what nobody confirmed goes, so that it is kept no longer than was said.
pub(super) async fn hourly(consent: Consent, clock: Clock) {
    loop {
        let next = clock.after(HOUR);
        if let Err(error) = consent.expire().await {
            tracing::error!(%error, "expired requests could not be erased; tried again in an hour");
        }
        clock.sleep_until(next).await;
    }
}

/// What is done every hour: strangers' mail that waited for long enough goes.
pub(super) async fn unconfirmed(mailboxes: Mailboxes, clock: Clock) {
    loop {
        let next = clock.after(HOUR);
        match mailboxes.expire_unconfirmed().await {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "erased mail that nobody confirmed"),
            Err(error) => {
                tracing::error!(%error, "mail that nobody confirmed could not be erased; tried again in an hour");
            }
        }
        clock.sleep_until(next).await;
    }
}

/// Every hour: other domains' policies are fetched again before they end. It depends on many hosts, and keeps nothing else
/// waiting.
pub(super) async fn policies(rooms: Arc<Rooms>, clock: Clock) {
    loop {
        let next = clock.after(HOUR);
        if let Some(policies) = rooms.policies()
            && let Err(error) = policies.refresh().await
        {
            tracing::error!(%error, "MTA-STS policies could not be looked after; tried again in an hour");
        }
        clock.sleep_until(next).await;
    }
}

/// What is done once a day: the logs' heads are signed, mailings that nobody approved are ended, ended ones folded, mail
/// that was kept for long enough is erased, and who fetches by POP3 is told of what waits.
pub(super) async fn daily(rooms: Arc<Rooms>, clock: Clock, record: Arc<OnRecord>) {
    loop {
        let next = clock.after(DAY);
        if let Err(error) = rooms.mailings.end_unapproved().await {
            tracing::error!(%error, "mailings that nobody approved could not be ended; tried again tomorrow");
        }
        if let Err(error) = rooms.mailings.fold().await {
            tracing::error!(%error, "ended mailings could not be folded; tried again tomorrow");
        }
        if let Err(error) = record.write(&rooms.staff).await {
            tracing::error!(%error, "a start or reload could not be written into the audit log; tried again tomorrow");
        }
        if let Err(error) = rooms.consent.sign_checkpoints().await {
            tracing::error!(%error, "the logs' heads could not be signed; tried again tomorrow");
        }
        purge(&rooms).await;
        tell_of_waiting(&rooms).await;
        if let Err(error) = rooms.reports.forget().await {
            tracing::error!(%error, "old reports could not be forgotten; tried again tomorrow");
        }
        clock.sleep_until(next).await;
    }
}

/// Mail that was kept for long enough goes, one mailbox after the other.
async fn purge(rooms: &Rooms) {
    let all = match rooms.store.mailboxes().await {
        Ok(all) => all,
        Err(error) => {
            tracing::error!(%error, "mail could not be looked through for what is too old; tried again tomorrow");
            return;
        }
    };
    let boxes = &rooms.mailboxes;
    for mailbox in all {
        match boxes.purge(mailbox, &rooms.keeping(mailbox)).await {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "erased mail that was kept for long enough"),
            Err(error) => {
                tracing::error!(%error, "a mailbox's old mail could not be erased; tried again tomorrow");
            }
        }
    }
}

/// Who fetches by POP3 hears of strangers' mail that waits: they don't see it.
async fn tell_of_waiting(rooms: &Rooms) {
    let today = rooms.clock.now().to_zoned(TimeZone::UTC).date();
    let since = today.saturating_sub(FETCHES.days());
    let roll = rooms.staff.roll();
    let fetchers = rooms.staff.used().at(Door::Pop3, since).into_iter();
    let readers: Vec<Reader> = fetchers
        .filter_map(|staff| {
            let member = roll.live().find(|member| member.id == staff)?;
            Some(Reader {
                mailbox: staff.into(),
                address: member.addresses.first()?.clone(),
            })
        })
        .collect();
    let notices = rooms.mailings.notices();
    let terms = NoteTerms {
        templates: &notices.templates,
        tongues: notices.tongues,
        from: &notices.from,
        domain: &notices.domain,
    };
    if let Err(error) = rooms.mailboxes.tell_of_waiting(&readers, &terms).await {
        tracing::error!(%error, "who fetches by POP3 could not be told of mail that waits; tried again tomorrow");
    }
}

/// What is under way, for `status`.
pub(super) async fn work(rooms: &Rooms) -> Work {
    let states: Vec<MailingState> = rooms
        .store
        .mailings()
        .await
        .map(|all| all.iter().map(|one| one.record.state).collect())
        .unwrap_or_default();
    let count = |wanted| states.iter().filter(|state| **state == wanted).count() as u64;
    Work {
        queued: rooms.store.count_queue().await.ok(),
        mailings_running: count(MailingState::Sending),
        mailings_held: count(MailingState::Held),
        staff: rooms.staff.roll().live().count() as u64,
        held_up: Some(held_up(rooms)),
        reports: reports(rooms).await,
    }
}

fn held_up(rooms: &Rooms) -> HeldUpReport {
    let held = rooms.staff.tries().held_up();
    HeldUpReport {
        networks: held.networks,
        names: held.names,
    }
}

async fn reports(rooms: &Rooms) -> Option<ReportWork> {
    let sent = rooms.reporter.as_ref().map(Reporter::counts);
    let sent = sent.unwrap_or_default();
    let failures = rooms.trust.tally().map(|tally| tally.failures());
    let failures = failures.unwrap_or_default().into_iter();
    Some(ReportWork {
        kept: rooms.reports.count().await.ok()?,
        sent: sent.posted + sent.mailed,
        given_up: sent.given_up + unsent(rooms),
        tls_failures: failures
            .map(|(kind, count)| (kind.to_owned(), count))
            .collect(),
    })
}

/// Mails with reports that didn't get there.
fn unsent(rooms: &Rooms) -> u64 {
    let counts = rooms.queue.counts().into_iter();
    let lost = counts.filter(|((kind, outcome), _)| kind == TLS_REPORT && *outcome != "delivered");
    lost.map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EmailAddress;
    use crate::config::Config;
    use crate::daemon::settings::Settings;
    use crate::store::{
        AskedFor, Change, ChangeOutcome, Channel, Files, LockedStore, Request, RequestRecord, Step,
        Store,
    };
    use crate::vault::{TokenHash, Vault};

    async fn store(directory: &std::path::Path) -> Store {
        let locked = LockedStore::open(Files::in_directory(directory)).await;
        let locked = locked.expect("opens");
        let unlocked = locked.unlock(Vault::for_tests(), 1 << 20).await;
        unlocked.expect("unlocks")
    }

    async fn ask(store: &Store, clock: &Clock, who: &str, expires: SignedDuration) {
        let asked = AskedFor {
            address: EmailAddress::parse(who).expect("an address"),
            lists: Vec::new(),
            constituency: None,
            channel: Channel::Web,
            asked_at: clock.now(),
            language: "en".into(),
            notice: String::new(),
            stated_age: None,
            batch: None,
            entered_by: None,
        };
        let record = RequestRecord {
            asked,
            imported: false,
            again: false,
        };
        let until = clock.now().saturating_add(expires).expect("a time");
        let token = TokenHash([u8::from(expires.is_zero()); 32]);
        let request = Request::new(store.vault(), token, until, record);
        let put = Change::new().then(Step::PutRequest(request));
        let outcome = store.change(put).await.expect("writes");
        assert_eq!(outcome, ChangeOutcome::Done);
    }

    /// How many rows there are, whether their time is over or not.
    async fn requests(store: &Store, clock: &Clock) -> u64 {
        let (waiting, expired) = store.count_requests(clock.now()).await.expect("counts");
        waiting + expired
    }

    async fn until(what: &str, is: impl AsyncFn() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !is().await {
            assert!(std::time::Instant::now() < deadline, "not yet: {what}");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_nobody_confirmed_is_gone_within_an_hour() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path()).await;
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
        let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let settings = Settings::new(Config::example(), today).expect("is sound");
        let letters = Arc::new(settings.letters());
        let consent = Consent::open(store.clone(), clock.clone(), settings.consent(), letters);
        let consent = consent.await.expect("opens");
        ask(&store, &clock, "bo@elector.example", SignedDuration::ZERO).await;
        let half = SignedDuration::from_mins(30);
        ask(&store, &clock, "jo@elector.example", half).await;

        let working = tokio::spawn(hourly(consent, clock.clone()));
        until("the first round is over", async || {
            clock.sleepers() == 1 && requests(&store, &clock).await == 1
        })
        .await;
        clock.advance(SignedDuration::from_hours(1)).expect("moves");
        until("the other is gone too", async || {
            requests(&store, &clock).await == 0
        })
        .await;
        working.abort();
    }
}
