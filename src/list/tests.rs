//! Stories on a real store, with a clock that stands still and a courier who is driven by hand.

mod accept;
mod after;
mod any_order;
mod approve;
mod crash;
mod damage;
mod engine;
mod send;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::address::{Domain, EmailAddress};
use crate::consent::constituency::{Code, Constituencies};
use crate::consent::{ConsentLimits, ConsentSettings, Extent, ListSettings, WithdrawalChannel};
use crate::delivery::classify::{Cause, Fault, Verdict};
use crate::delivery::engine::Bell;
use crate::delivery::parcel::{Attempted, Fate, Letter, Loaded, MailBytes, Parcel, Source};
use crate::delivery::schedule::Schedule;
use crate::staff::{Actor, Premises};
use crate::store::{
    Change, ChangeOutcome, Files, LockedStore, MailingState, Role, Staff, StaffRecord, Step,
    Subscriber, SubscriberRecord, SubscriptionRecord,
};
use crate::template::{Colour, Lang, Party, Templates, Text, Tongues};
use crate::vault::{IndexColumn, KeyRing};

/// A count as it's shown; `-` where it isn't.
pub(super) fn told(count: Option<crate::consent::MaskedCount>) -> String {
    count.map_or_else(|| "-".into(), |count| count.to_string())
}

/// A party with people on its lists.
pub(super) struct World {
    pub(super) room: Mailings,
    pub(super) consent: Consent,
    pub(super) store: Store,
    pub(super) clock: Clock,
    directory: Arc<TempDir>,
    ring: KeyRing,
    settings: MailingSettings,
}

/// A copy whose final dot left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(super) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// The address of one of [`World::people`].
pub(super) fn person(n: usize) -> String {
    format!("p{n}@d{}.example", n % 3)
}

pub(super) const LEEDS: &str = "E14001323";

fn templates() -> Arc<Templates> {
    Arc::new(Templates::builtin(Party {
        name: "The Fair Party".into(),
        address: "12 Mill Lane, Leeds LS1 4AP".into(),
        email: "privacy@party.example".into(),
        url: "https://lists.party.example".into(),
        promoter: None,
        behalf: None,
        company: None,
        colour: Colour::parse("#0b6e4f").unwrap(),
        asks_constituency: true,
    }))
}

fn list(key: &str, approval: ApprovalRule) -> MailingList {
    MailingList {
        key: key.into(),
        title: Text::both("News", "Newyddion"),
        addresses: vec![address(&format!("{key}@party.example"))],
        from: address("office@party.example"),
        from_name: "The Fair Party".into(),
        reply_to: None,
        list_id: format!("{key}.party.example"),
        approval,
        by_constituency: key == "news",
        max_size: 1 << 20,
        tongues: Tongues::English,
        signer: crate::message::testing::shared_signer().into(),
    }
}

pub(super) fn settings() -> MailingSettings {
    MailingSettings {
        lists: vec![
            list("news", ApprovalRule::SecondPerson),
            list("appeals", ApprovalRule::Sender),
        ],
        constituencies: Arc::new(Constituencies::builtin()),
        templates: templates(),
        signer: crate::message::testing::shared_signer().into(),
        schedule: Schedule::default(),
        base_url: "https://lists.party.example".into(),
        mail_domain: Domain::parse("party.example").unwrap(),
        standing: Arc::new(Red(Vec::new())),
        notices_from: address("postmaster@party.example"),
        pace: Pace {
            ahead: 4,
            rows: 3,
            page: 2,
            look: 6,
            window: 3,
        },
    }
}

/// A standing in DNS that doesn't change.
#[derive(Debug)]
pub(super) struct Red(pub(super) Vec<NotInOrder>);

impl Standing for Red {
    fn red<'a>(
        &'a self,
        _: &'a Domain,
    ) -> std::pin::Pin<Box<dyn Future<Output = Vec<NotInOrder>> + Send + 'a>> {
        Box::pin(async { self.0.clone() })
    }
}

fn consent_list(key: &str) -> ListSettings {
    let statement = format!(
        "I consent to The Fair Party using my email address to send me {key} of campaigns by email. I understand that \
         this tells The Fair Party something about my political opinions. I can withdraw at any time."
    );
    ListSettings {
        key: key.into(),
        title: Text::english(key),
        purpose: Text::english(format!("{key} of campaigns")),
        statement: Text::english(statement),
        open: true,
    }
}

fn consent_settings() -> ConsentSettings {
    ConsentSettings {
        party: "The Fair Party".into(),
        lists: vec![consent_list("news"), consent_list("appeals")],
        minimum_age: 16,
        languages: vec![Lang::En],
        notice: Text::english("The Fair Party holds your address and nothing else."),
        constituencies: Arc::new(Constituencies::builtin()),
        base_url: "https://lists.party.example".into(),
        mail_domain: Domain::parse("party.example").unwrap(),
        limits: ConsentLimits::default(),
    }
}

/// No letter of the consent room is written in these stories.
struct NoLetters;

impl crate::consent::Letters for NoLetters {
    fn write(
        &self,
        letter: &crate::consent::Letter,
        _: &crate::consent::Envelope<'_>,
    ) -> Result<Vec<u8>, crate::consent::LetterError> {
        Ok(letter.kind().into())
    }
}

async fn open_store(directory: &TempDir, ring: &KeyRing) -> Store {
    // The last store's lock goes with its last handle, which a task may hold for a moment.
    for _ in 0..500 {
        let vault = Vault::from_ring(ring.clone());
        match LockedStore::open(Files::in_directory(directory.path())).await {
            Ok(locked) => return locked.unlock(vault, 4 << 20).await.unwrap(),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
    panic!("the store does not open");
}

impl World {
    /// A party whose staff are ada (sender, approver), ben (approver), cy (sender) and dee (admin).
    pub(super) async fn new() -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let ring = KeyRing::generate();
        let store = open_store(&directory, &ring).await;
        let staff: [(&str, &[Role]); 5] = [
            ("ada", &[Role::Sender, Role::Approver]),
            ("ben", &[Role::Approver]),
            ("cy", &[Role::Sender]),
            ("dee", &[Role::Admin, Role::Sender]),
            ("eve", &[Role::Reader]),
        ];
        for (name, roles) in staff {
            let record = staff_record(name, roles);
            let step = Step::PutStaff(Staff::new(store.vault(), record));
            done(&store, Change::new().then(step)).await;
        }
        Self::assemble(directory, ring, Clock::frozen(noon()), store, settings()).await
    }

    async fn assemble(
        directory: Arc<TempDir>,
        ring: KeyRing,
        clock: Clock,
        store: Store,
        settings: MailingSettings,
    ) -> Self {
        let consent = Consent::open(
            store.clone(),
            clock.clone(),
            consent_settings(),
            Arc::new(NoLetters),
        );
        let consent = consent.await.unwrap();
        let staff = StaffRoom::open(store.clone(), clock.clone(), Premises::default());
        let room = Mailings::open(
            store.clone(),
            clock.clone(),
            consent.clone(),
            staff.await.unwrap(),
            settings.clone(),
            Bell::new(),
        );
        Self {
            room: room.await.unwrap(),
            consent,
            store,
            clock,
            directory,
            ring,
            settings,
        }
    }

    /// The process dies and starts again.
    pub(super) async fn crash(self) -> Self {
        let Self {
            room,
            consent,
            store,
            clock,
            directory,
            ring,
            settings,
        } = self;
        drop((room, consent, store));
        let store = open_store(&directory, &ring).await;
        Self::assemble(directory, ring, clock, store, settings).await
    }

    /// The consent room counts who was put into the store behind its back.
    pub(super) async fn counted(self) -> Self {
        self.crash().await
    }

    pub(super) fn wait(&self, span: SignedDuration) {
        self.clock.advance(span).unwrap();
    }

    pub(super) fn who(&self, name: &str) -> Actor {
        let roll = self.room.staff().roll();
        self.room
            .staff()
            .actor(roll.by_name(name).unwrap().id)
            .unwrap()
    }

    /// Somebody confirmed just now.
    pub(super) async fn subscribe(
        &self,
        who: &str,
        code: Option<&str>,
        lists: &[&str],
    ) -> Subscriber {
        let record = SubscriberRecord {
            address: address(who),
            constituency: code.map(str::to_owned),
            subscriptions: lists
                .iter()
                .map(|list| SubscriptionRecord {
                    list: (*list).into(),
                    confirmed_at: self.clock.now(),
                    paused_until: None,
                })
                .collect(),
        };
        let subscriber = Subscriber::new(self.store.vault(), record);
        let step = Step::PutSubscriber(subscriber.clone());
        done(&self.store, Change::new().then(step)).await;
        subscriber
    }

    /// This many people on the list, `p0@d0.example` and so on, confirmed a second ago.
    pub(super) async fn people(&self, count: usize) {
        for n in 0..count {
            self.subscribe(&person(n), None, &["news"]).await;
        }
        self.wait(SignedDuration::from_secs(1));
    }

    /// The footer's link of a person for a list, pressed.
    pub(super) async fn withdraw(&self, who: &str, list: &str) {
        let vault = self.store.vault();
        let form = address(who).match_form();
        let index = vault.index(IndexColumn::Suppression, form.as_bytes());
        let token = vault.withdrawal_token(vault.list_tag(list), &index);
        self.consent
            .withdraw(&token, Extent::AsToken, WithdrawalChannel::Page)
            .await
            .unwrap()
            .unwrap();
    }

    pub(super) async fn submit(&self, by: &str, list: &str) -> Held {
        self.submit_as(by, list, Target::Whole, &mail(list))
            .await
            .unwrap()
    }

    pub(super) async fn submit_as(
        &self,
        by: &str,
        list: &str,
        target: Target,
        message: &str,
    ) -> Result<Held, SubmitError> {
        let submission = Submission {
            list: list.into(),
            target,
            reverse_path: Some(address("cy@party.example")),
            message: message.to_owned().into(),
        };
        self.room.submit(&self.who(by), submission).await
    }

    /// A mailing that was approved.
    pub(super) async fn released(&self) -> MailingId {
        let held = self.submit("cy", "news").await;
        self.room
            .approve(held.id, &self.who("ben"), None)
            .await
            .unwrap();
        held.id
    }

    pub(super) async fn expand(&self) {
        while self.room.tick().await.unwrap() {}
    }

    pub(super) async fn due(&self) -> Vec<Arc<dyn Parcel>> {
        self.room.due(self.clock.now(), 5).await.unwrap()
    }

    /// Brings whatever is due, with the same answer for each, until nothing is.
    pub(super) async fn bring(&self, answer: impl Fn(&str) -> Fate) -> Vec<Left> {
        let mut left = Vec::new();
        loop {
            let more = self.room.tick().await.unwrap();
            let parcels = self.due().await;
            if parcels.is_empty() && !more {
                self.expand().await;
                return left;
            }
            for parcel in parcels {
                left.extend(self.bring_one(&*parcel, &answer).await);
            }
        }
    }

    pub(super) async fn bring_one(
        &self,
        parcel: &dyn Parcel,
        answer: impl Fn(&str) -> Fate,
    ) -> Option<Left> {
        let letter = load(parcel).await?;
        let clearance = parcel.clearance().await?;
        drop(clearance);
        let fate = answer(&letter.to);
        parcel.settle(self.attempted(fate)).await.unwrap();
        Some(letter)
    }

    pub(super) fn attempted(&self, fate: Fate) -> Attempted {
        Attempted {
            fate,
            at: self.clock.now(),
        }
    }

    pub(super) async fn state(&self, id: MailingId) -> MailingState {
        self.room.show(id).await.unwrap().state
    }

    pub(super) async fn progress(&self, id: MailingId) -> Progress {
        self.room.progress(id, &self.who("dee")).await.unwrap()
    }

    /// The messages in somebody's mailbox.
    pub(super) async fn mailbox(&self, name: &str) -> Vec<String> {
        let id = self.who(name).id();
        let mut found = Vec::new();
        for entry in self.store.entries(id.into(), 100).await.unwrap() {
            let body = self.store.body(entry.message);
            let bytes = body.read_whole(1 << 24).await.unwrap();
            found.push(String::from_utf8(bytes).unwrap());
        }
        found
    }

    /// The verbs of the audit log.
    pub(super) async fn acts(&self) -> Vec<String> {
        let kind = crate::audit::LogKind::Audit;
        let events = self.store.events(kind, 0, 1000).await.unwrap();
        let verb = |event: &crate::store::LoggedEvent| {
            let (_, bytes) = event.event.as_ref().unwrap();
            let act: crate::audit::Act = serde_json::from_slice(bytes).unwrap();
            act.verb
        };
        events.iter().map(verb).collect()
    }
}

/// Makes a parcel's letter; none if it's not to be sent now.
pub(super) async fn load(parcel: &dyn Parcel) -> Option<Left> {
    match parcel.load().await {
        Loaded::Ready(letter) => Some(read(letter)),
        Loaded::Gone | Loaded::NotNow => None,
    }
}

fn read(letter: Letter) -> Left {
    let MailBytes::Chunks(chunks) = letter.bytes else {
        panic!("copies are made in chunks");
    };
    let bytes = chunks.concat();
    assert_eq!(letter.size, Some(bytes.len() as u64));
    Left {
        to: letter.recipient.to_string(),
        from: letter.reverse_path.unwrap().to_string(),
        bytes,
    }
}

fn staff_record(name: &str, roles: &[Role]) -> StaffRecord {
    StaffRecord {
        name: name.into(),
        addresses: vec![address(&format!("{name}@party.example"))],
        roles: roles.to_vec(),
        mailboxes: Vec::new(),
        verifier: None,
        passwords: Vec::new(),
        uid: None,
        created_at: noon(),
        revoked_at: None,
        trained_until: None,
        grants: Vec::new(),
        second_factor: None,
    }
}

pub(super) async fn done(store: &Store, change: Change) {
    assert_eq!(store.change(change).await.unwrap(), ChangeOutcome::Done);
}

pub(super) fn mail(list: &str) -> String {
    format!(
        "From: Office <office@party.example>\r\nTo: <{list}@party.example>\r\nSubject: Meeting on Friday\r\n\
         Message-ID: <client-id@laptop.local>\r\nUser-Agent: Mail/1\r\n\r\nSee you at the town hall.\r\n"
    )
}

pub(super) fn delivered(_: &str) -> Fate {
    Fate::Delivered
}

pub(super) fn failed(cause: Cause, permanent: bool) -> Fate {
    let verdict = Verdict {
        cause,
        permanent,
        pause: None,
    };
    Fate::Failed {
        verdict,
        said: "no".into(),
    }
}

/// How often each person got a copy.
pub(super) fn tally(left: &[Left]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for one in left {
        *tally.entry(one.to.clone()).or_default() += 1;
    }
    tally
}
