//! What a mailing costs from the store to the wire, without the wire: expansion, liveness, signing, outcomes.
//!
//! `cargo bench --bench mailing`. Items are copies, so that divan prints copies per second.

#![allow(missing_docs, clippy::unwrap_used)]

use std::pin::Pin;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use hustings::address::{Domain, EmailAddress};
use hustings::clock::Clock;
use hustings::consent::constituency::Constituencies;
use hustings::consent::{
    Consent, ConsentLimits, ConsentSettings, Envelope, Letter, LetterError, Letters, ListSettings,
};
use hustings::delivery::engine::Bell;
use hustings::delivery::parcel::{Attempted, Fate, Loaded, Parcel, Source};
use hustings::delivery::schedule::Schedule;
use hustings::list::{
    ApprovalRule, MailingList, MailingSettings, Mailings, NotInOrder, Pace, Standing, Submission,
    Target,
};
use hustings::message::dkim::{SelectedKey, Signer, SigningKey};
use hustings::staff::{Premises, StaffRoom};
use hustings::store::{
    Change, Files, LockedStore, Role, Staff, StaffRecord, Step, Store, Subscriber,
    SubscriberRecord, SubscriptionRecord,
};
use hustings::template::{Colour, Lang, Party, Templates, Text, Tongues};
use hustings::vault::{KeyRing, Vault};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const COPIES: usize = 20_000;
const DOMAINS: usize = 50;
/// Copies that are made and settled at once, as connections would.
const COURIERS: usize = 20;
/// Copies that may wait for them.
const WAITING: usize = 2_000;

fn main() {
    divan::main();
}

struct NoLetters;

impl Letters for NoLetters {
    fn write(&self, letter: &Letter, _: &Envelope<'_>) -> Result<Vec<u8>, LetterError> {
        Ok(letter.kind().into())
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn consent_settings() -> ConsentSettings {
    let statement = "I consent to The Fair Party using my email address to send me news by email. I understand that this \
        tells The Fair Party something about my political opinions. I can withdraw at any time.";
    ConsentSettings {
        party: "The Fair Party".into(),
        lists: vec![ListSettings {
            key: "news".into(),
            title: Text::english("News"),
            purpose: Text::english("news"),
            statement: Text::english(statement),
            open: true,
        }],
        minimum_age: 16,
        languages: vec![Lang::En],
        notice: Text::english("The Fair Party holds your address and nothing else."),
        constituencies: Arc::new(Constituencies::builtin()),
        base_url: "https://lists.party.example".into(),
        mail_domain: Domain::parse("party.example").unwrap(),
        limits: ConsentLimits::default(),
    }
}

fn signer() -> Arc<Signer> {
    let keys = [
        ("r1", SigningKey::generate_rsa().unwrap()),
        ("e1", SigningKey::generate_ed25519().unwrap()),
    ];
    let keys = keys.map(|(selector, key)| SelectedKey {
        selector: selector.into(),
        key,
    });
    Arc::new(Signer::new("party.example", keys.into()).unwrap())
}

/// Nothing is wrong with the party's DNS.
#[derive(Debug)]
struct InOrder;

impl Standing for InOrder {
    fn red<'a>(
        &'a self,
        _: &'a Domain,
    ) -> Pin<Box<dyn Future<Output = Vec<NotInOrder>> + Send + 'a>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

fn settings() -> MailingSettings {
    let party = Party {
        asks_constituency: true,
        name: "The Fair Party".into(),
        address: "12 Mill Lane, Leeds LS1 4AP".into(),
        email: "privacy@party.example".into(),
        url: "https://lists.party.example".into(),
        promoter: None,
        behalf: None,
        company: None,
        colour: Colour::parse("#0b6e4f").unwrap(),
    };
    MailingSettings {
        lists: vec![MailingList {
            key: "news".into(),
            title: Text::english("News"),
            addresses: vec![address("news@party.example")],
            from: address("office@party.example"),
            from_name: "The Fair Party".into(),
            reply_to: None,
            list_id: "news.party.example".into(),
            approval: ApprovalRule::Sender,
            by_constituency: false,
            max_size: 1 << 20,
            tongues: Tongues::English,
            signer: signer().into(),
        }],
        constituencies: Arc::new(Constituencies::builtin()),
        templates: Arc::new(Templates::builtin(party)),
        signer: signer().into(),
        standing: Arc::new(InOrder),
        schedule: Schedule::default(),
        base_url: "https://lists.party.example".into(),
        mail_domain: Domain::parse("party.example").unwrap(),
        notices_from: address("postmaster@party.example"),
        pace: Pace::default(),
    }
}

async fn store(directory: &TempDir, clock: &Clock) -> Store {
    let vault = Vault::from_ring(KeyRing::generate());
    let locked = LockedStore::open(Files::in_directory(directory.path()));
    let store = locked.await.unwrap().unlock(vault, 16 << 20).await.unwrap();
    let sender = StaffRecord {
        name: "cy".into(),
        addresses: vec![address("cy@party.example")],
        roles: vec![Role::Sender],
        mailboxes: Vec::new(),
        verifier: None,
        passwords: Vec::new(),
        uid: None,
        created_at: clock.now(),
        revoked_at: None,
        trained_until: None,
        grants: Vec::new(),
        second_factor: None,
    };
    let mut change = Change::new().then(Step::PutStaff(Staff::new(store.vault(), sender)));
    for n in 0..COPIES {
        let record = SubscriberRecord {
            address: address(&format!("reader.{n}@d{}.example", n % DOMAINS)),
            constituency: Some("E14001323".into()),
            subscriptions: vec![SubscriptionRecord {
                list: "news".into(),
                confirmed_at: clock.now(),
                paused_until: None,
            }],
        };
        change = change.then(Step::PutSubscriber(Subscriber::new(store.vault(), record)));
        if n % 500 == 499 {
            let _ = store.change(std::mem::take(&mut change)).await.unwrap();
        }
    }
    let _ = store.change(change).await.unwrap();
    store
}

/// A released mailing to everybody, of text and HTML of about 4 KB each.
async fn released(directory: TempDir) -> (Mailings, Clock, TempDir) {
    let clock = Clock::movable();
    let store = store(&directory, &clock).await;
    let consent = Consent::open(
        store.clone(),
        clock.clone(),
        consent_settings(),
        Arc::new(NoLetters),
    );
    let staff = StaffRoom::open(store.clone(), clock.clone(), Premises::default());
    let staff = staff.await.unwrap();
    let cy = staff.actor(staff.roll().by_name("cy").unwrap().id).unwrap();
    let consent = consent.await.unwrap();
    let room = Mailings::open(
        store,
        clock.clone(),
        consent,
        staff,
        settings(),
        Bell::new(),
    );
    let room = room.await.unwrap();
    let words = "See you on Friday at the town hall, and bring a friend.\r\n".repeat(70);
    let message = format!(
        "From: office@party.example\r\nTo: news@party.example\r\nSubject: Meeting\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n{words}\r\n--a\r\nContent-Type: text/html\r\n\r\n\
         <html><body><p>{words}</p></body></html>\r\n--a--\r\n"
    );
    let submission = Submission {
        list: "news".into(),
        target: Target::Whole,
        reverse_path: None,
        message: message.into(),
    };
    let held = room.submit(&cy, submission).await.unwrap();
    room.approve(held.id, &cy, None).await.unwrap();
    (room, clock, directory)
}

/// Makes a copy, throws it away, and says that it was delivered.
async fn bring(parcel: &dyn Parcel, clock: &Clock) {
    let Loaded::Ready(letter) = parcel.load().await else {
        panic!("everybody is still there");
    };
    divan::black_box(letter);
    drop(parcel.clearance().await.unwrap());
    let attempted = Attempted {
        fate: Fate::Delivered,
        at: clock.now(),
    };
    parcel.settle(attempted).await.unwrap();
}

async fn bring_all(room: Mailings, clock: Clock) {
    let background = tokio::spawn({
        let room = room.clone();
        async move { room.run().await }
    });
    let (give, take) = mpsc::channel::<Arc<dyn Parcel>>(WAITING);
    let take = Arc::new(tokio::sync::Mutex::new(take));
    let couriers: Vec<_> = (0..COURIERS)
        .map(|_| {
            let (take, clock) = (take.clone(), clock.clone());
            tokio::spawn(async move {
                loop {
                    let parcel = take.lock().await.recv().await;
                    let Some(parcel) = parcel else { return };
                    bring(&*parcel, &clock).await;
                }
            })
        })
        .collect();
    let mut given = 0;
    while given < COPIES {
        for parcel in room.due(clock.now(), 1000).await.unwrap() {
            given += 1;
            give.send(parcel).await.unwrap();
        }
        // Like the engine, which asks again when half of what it knows is done.
        while give.capacity() < WAITING / 2 && given < COPIES {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        tokio::task::yield_now().await;
    }
    drop(give);
    for courier in couriers {
        courier.await.unwrap();
    }
    background.abort();
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn twenty_thousand_copies(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    bencher
        .counter(ItemsCount::new(COPIES))
        .with_inputs(|| runtime.block_on(released(tempfile::tempdir().unwrap())))
        .bench_local_values(|(room, clock, directory)| {
            runtime.block_on(bring_all(room, clock));
            directory
        });
}
