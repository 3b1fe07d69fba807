//! Stories of the room on a real store with a clock that stands, and what they are told with.

mod admin;
mod crash;
mod first_contact;
mod import;
mod life;
mod out;
mod pace;
mod proof;
mod sign_up;
mod strangers;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::constituency::{Code, Constituencies};
use super::*;
use crate::address::{Domain, EmailAddress};
use crate::id::StaffId;
use crate::store::{Files, JournalEntry, LockedStore, MailClass, QueueRecord, read_journal};
use crate::vault::KeyRing;

/// A party's room, with its outbox.
pub(super) struct Party {
    pub(super) consent: Consent,
    pub(super) worker: IntakeWorker,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) directory: Arc<TempDir>,
    pub(super) ring: KeyRing,
}

/// A mail that came out of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) to: String,
    pub(super) kind: String,
    /// The token of the first link.
    pub(super) token: String,
    /// The token of the "never again" link.
    pub(super) never: String,
}

/// Writes letters so that tests can read them.
struct Plain;

impl Letters for Plain {
    fn write(&self, letter: &Letter, envelope: &Envelope<'_>) -> Result<Vec<u8>, LetterError> {
        let (link, never) = match letter {
            Letter::Challenge {
                link, never_link, ..
            }
            | Letter::OpenChallenge {
                link, never_link, ..
            } => (link.clone(), never_link.clone()),
            Letter::AlreadySubscribed { lists } | Letter::Welcome { lists } => {
                (lists[0].url.clone(), String::new())
            }
            Letter::StopQuestion { link, .. } => (link.clone(), String::new()),
            Letter::FirstContact {
                link, never_link, ..
            } => (link.clone(), never_link.clone()),
        };
        Ok(format!("{}\n{link}\n{never}\n{}", letter.kind(), envelope.to).into_bytes())
    }
}

pub(super) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

pub(super) fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

pub(super) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

pub(super) fn code(text: &str) -> Code {
    Code::parse(text).expect("a code")
}

fn list(key: &str, title: &str, purpose: &str) -> ListSettings {
    let statement = format!(
        "I consent to The Fair Party using my email address to send me {purpose} by email. I understand that this \
         tells The Fair Party something about my political opinions. I can withdraw at any time."
    );
    ListSettings {
        key: key.into(),
        title: Text::english(title),
        purpose: Text::english(purpose),
        statement: Text::english(statement),
        open: true,
    }
}

pub(super) fn settings() -> ConsentSettings {
    ConsentSettings {
        party: "The Fair Party".into(),
        lists: vec![
            list("news", "News", "news of campaigns"),
            list("appeals", "Appeals", "appeals for money"),
        ],
        minimum_age: 16,
        languages: Lang::ALL.to_vec(),
        notice: Text::english("The Fair Party holds your address and nothing else."),
        constituencies: Arc::new(Constituencies::builtin()),
        base_url: "https://lists.party.example".into(),
        mail_domain: Domain::parse("party.example").expect("a domain"),
        limits: ConsentLimits::default(),
    }
}

pub(super) fn by(reason: &str) -> By {
    By {
        staff: StaffId::from_bytes([1; 16]),
        reason: reason.into(),
    }
}

pub(super) fn second() -> By {
    By {
        staff: StaffId::from_bytes([2; 16]),
        reason: "checked".into(),
    }
}

async fn open_store(directory: &TempDir, ring: &KeyRing) -> Store {
    // The last store's lock goes with its last handle, which a task may hold for a moment.
    for _ in 0..200 {
        let vault = Vault::from_ring(ring.clone());
        match LockedStore::open(Files::in_directory(directory.path())).await {
            Ok(locked) => return locked.unlock(vault, 1 << 20).await.expect("unlocks"),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
    panic!("the store does not open");
}

impl Party {
    pub(super) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with(settings: ConsentSettings) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let ring = KeyRing::generate();
        Self::open(directory, ring, Clock::frozen(noon()), settings).await
    }

    pub(super) async fn open(
        directory: Arc<TempDir>,
        ring: KeyRing,
        clock: Clock,
        settings: ConsentSettings,
    ) -> Self {
        let store = open_store(&directory, &ring).await;
        let consent = Consent::open(store.clone(), clock.clone(), settings, Arc::new(Plain))
            .await
            .expect("the room opens");
        Self {
            worker: IntakeWorker::new(consent.clone()),
            consent,
            store,
            clock,
            directory,
            ring,
        }
    }

    /// Drops everything without closing it, as a crash does, and opens it again.
    pub(super) async fn crash(self) -> Self {
        let (directory, ring, clock) = (
            self.directory.clone(),
            self.ring.clone(),
            self.clock.clone(),
        );
        let settings = self.consent.settings();
        drop(self);
        Self::open(directory, ring, clock, settings).await
    }

    pub(super) fn pass(&self, span: SignedDuration) {
        self.clock.advance(span).expect("it moves");
    }

    pub(super) fn form(&self, who: &str, lists: &[&str]) -> SignUpForm {
        SignUpForm {
            address: address(who),
            lists: lists.iter().map(|list| (*list).to_owned()).collect(),
            constituency: Some(code("E14001063")),
            language: Lang::En,
            age_stated: true,
            shown: self.consent.form_version(Lang::En),
        }
    }

    pub(super) async fn ask(&self, who: &str, lists: &[&str]) {
        let form = self.form(who, lists);
        self.consent.sign_up(form).await.expect("taken");
    }

    /// Lets the worker do all that is due.
    pub(super) async fn work(&self) {
        while self.worker.step().await.expect("works").more {}
    }

    /// Takes everything out of the queue.
    pub(super) async fn outbox(&self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let page = self.store.queue_page(None, 1000).await.expect("reads");
        for row in page.rows {
            let body = self.store.body(row.message).read_whole(10_000).await;
            let text = String::from_utf8(body.expect("reads")).expect("text");
            let lines: Vec<_> = text.lines().collect();
            let token = |line: &str| line.rsplit('/').next().unwrap_or_default().to_owned();
            assert_eq!(row.record.recipient.as_str(), lines[3]);
            assert_service(&row.record, lines[0]);
            sent.push(Sent {
                to: lines[3].into(),
                kind: lines[0].into(),
                token: token(lines[1]),
                never: token(lines[2]),
            });
            let gone = Change::new().then(crate::store::Step::RemoveQueued(row.id));
            assert_eq!(
                self.store.change(gone).await.expect("writes"),
                ChangeOutcome::Done
            );
        }
        sent.sort_by(|a, b| (&a.to, &a.kind).cmp(&(&b.to, &b.kind)));
        sent
    }

    pub(super) async fn one_mail(&self, kind: &str) -> Sent {
        self.work().await;
        let sent = self.outbox().await;
        assert_eq!(sent.len(), 1, "one mail of kind {kind}: {sent:?}");
        assert_eq!(sent[0].kind, kind);
        sent[0].clone()
    }

    pub(super) async fn no_mail(&self) {
        self.work().await;
        assert_eq!(self.outbox().await, []);
    }

    pub(super) fn choice(&self) -> Confirmation {
        Confirmation {
            lists: None,
            constituency: SeatChoice::Now(Some(code("E14001063"))),
            language: Lang::En,
            age_stated: true,
            shown: Some(self.consent.form_version(Lang::En)),
        }
    }

    pub(super) async fn confirm(&self, token: &str) -> Vec<Confirmed<Subscription>> {
        match self.consent.confirm(token, self.choice()).await {
            Ok(ConfirmOutcome::Subscribed(made)) => made,
            other => panic!("not subscribed: {other:?}"),
        }
    }

    /// Ticks these lists on the full form, and posts it.
    pub(super) async fn tick(&self, token: &str, lists: &[&str]) {
        let lists = lists.iter().map(|list| (*list).to_owned()).collect();
        let choice = Confirmation {
            lists: Some(lists),
            ..self.choice()
        };
        let outcome = self.consent.confirm(token, choice).await;
        let outcome = outcome.expect("answers");
        assert!(
            matches!(outcome, ConfirmOutcome::Subscribed(_)),
            "{outcome:?}"
        );
    }

    /// Subscribes somebody by the whole way; answers the subscriptions.
    pub(super) async fn join(&self, who: &str, lists: &[&str]) -> Vec<Confirmed<Subscription>> {
        self.ask(who, lists).await;
        let mail = self.one_mail("challenge").await;
        let made = self.confirm(&mail.token).await;
        assert_eq!(self.one_mail("welcome").await.to, who);
        made
    }

    /// Whether there is a row for an address.
    pub(super) async fn holds(&self, who: &str) -> bool {
        let form = address(who).match_form();
        let found = self.store.subscriber(&form).await.expect("reads");
        found.is_some()
    }

    /// On which lists an address is live.
    pub(super) async fn live_on(&self, who: &str) -> Vec<String> {
        let form = address(who).match_form();
        let Some(found) = self.store.subscriber(&form).await.expect("reads") else {
            return Vec::new();
        };
        let mut lists = Vec::new();
        for one in &found.record.subscriptions {
            let live = self.consent.still_live(found.id, &one.list).await;
            if live.expect("reads") == Liveness::Live {
                lists.push(one.list.clone());
            }
        }
        lists.sort();
        lists
    }

    pub(super) async fn events(&self) -> Vec<ConsentEvent> {
        let log = crate::audit::LogKind::Consent;
        let logged = self.store.events(log, 0, 10_000).await.expect("reads");
        let read = |one: crate::store::LoggedEvent| {
            let (_, bytes) = one.event?;
            Some(ConsentEvent::from_canonical(&bytes).expect("an event"))
        };
        logged.into_iter().filter_map(read).collect()
    }

    pub(super) fn journal(&self) -> Vec<JournalEntry> {
        let files = Files::in_directory(self.directory.path());
        read_journal(&files.journal(), self.store.vault()).expect("reads")
    }

    pub(super) async fn out(&self, token: &str, extent: Extent) {
        let answer = self
            .consent
            .withdraw(token, extent, WithdrawalChannel::Page)
            .await
            .expect("withdraws");
        assert!(answer.is_some(), "the token is ours");
    }
}

fn assert_service(record: &QueueRecord, kind: &str) {
    assert!(matches!(&record.class, MailClass::Service { kind: own } if own == kind));
    assert_eq!(record.reverse_path, None, "under the null reverse-path");
}
