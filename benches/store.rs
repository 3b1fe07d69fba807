//! How fast the store takes mail and opens rows. `cargo bench --bench store`; figures are items a second. The disk
//! decides much of it: `TMPDIR` says which.

use divan::Bencher;
use divan::counter::ItemsCount;
use hustings::address::EmailAddress;
use hustings::id::{StaffId, SubscriberId};
use hustings::store::{
    AcceptMessage, Change, Delivery, Files, LockedStore, MessageRecord, Role, SpecialUse, Staff,
    StaffRecord, Step, Store, Subscriber, SubscriberRecord, SubscriptionRecord,
};
use hustings::vault::{KeyRing, Vault};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

struct Bench {
    runtime: Runtime,
    store: Store,
    owner: StaffId,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (store, owner) = runtime.block_on(async {
            let locked = LockedStore::open(Files::in_directory(directory.path()))
                .await
                .expect("opens");
            let vault = Vault::from_ring(KeyRing::generate());
            let store = locked
                .unlock(vault, 64 * 1024 * 1024)
                .await
                .expect("unlocks");
            let staff = Staff::new(store.vault(), staff_record());
            let owner = staff.id;
            let change = Change::new().then(Step::PutStaff(staff));
            let _ = store.change(change).await.expect("writes");
            (store, owner)
        });
        Self {
            runtime,
            store,
            owner,
            _directory: directory,
        }
    }
}

fn staff_record() -> StaffRecord {
    StaffRecord {
        name: "bench".into(),
        addresses: Vec::new(),
        roles: vec![Role::Reader],
        mailboxes: Vec::new(),
        verifier: None,
        passwords: Vec::new(),
        uid: None,
        created_at: Timestamp::UNIX_EPOCH,
        revoked_at: None,
        trained_until: None,
        grants: Vec::new(),
        second_factor: None,
    }
}

async fn accept(store: &Store, owner: StaffId, bytes: &[u8]) {
    let mut writer = store.begin_body().await.expect("begins");
    writer.write(bytes).await.expect("takes bytes");
    let body = writer.finish();
    let now = Timestamp::now();
    let delivery = Delivery::new(owner.into(), SpecialUse::Inbox, body.id(), now);
    let known = MessageRecord {
        received_at: now,
        size: 0,
        reverse_path: Some("bench@example.org".into()),
        recipients: vec!["press@party.example".into()],
        submitted_by: None,
    };
    let message = AcceptMessage::new(store.vault(), body, known).keep_in(delivery);
    store.accept(message).await.expect("accepts");
}

/// Durable mails of 10 KB from so many connections at once, each waiting for its own.
#[divan::bench(args = [1, 20, 100], sample_count = 10, sample_size = 1)]
fn durable_10_kb_mails(bencher: Bencher, connections: usize) {
    const EACH: usize = 20;
    let bench = Bench::new();
    let mail = vec![b'x'; 10_000];
    bencher
        .counter(ItemsCount::new(connections * EACH))
        .bench_local(|| {
            bench.runtime.block_on(async {
                let tasks: Vec<_> = (0..connections)
                    .map(|_| {
                        let (store, owner, mail) = (bench.store.clone(), bench.owner, mail.clone());
                        tokio::spawn(async move {
                            for _ in 0..EACH {
                                accept(&store, owner, &mail).await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            });
        });
}

/// One durable mail of 25 MB in chunks.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn durable_25_mb_mail(bencher: Bencher) {
    let bench = Bench::new();
    let mail = vec![b'x'; 25_000_000];
    bencher
        .counter(divan::counter::BytesCount::new(mail.len()))
        .bench_local(|| {
            bench
                .runtime
                .block_on(accept(&bench.store, bench.owner, &mail))
        });
}

/// Opening all subscribers page by page, as an expansion does.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn open_20_000_subscribers(bencher: Bencher) {
    const COUNT: usize = 20_000;
    let bench = Bench::new();
    bench.runtime.block_on(fill(&bench.store, COUNT));
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        bench.runtime.block_on(async {
            let (mut after, mut seen): (Option<SubscriberId>, usize) = (None, 0);
            loop {
                let page = bench
                    .store
                    .standings_after(after, 1000)
                    .await
                    .expect("reads");
                seen += page.rows.len();
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, COUNT);
        });
    });
}

async fn fill(store: &Store, count: usize) {
    for page in 0..count / 1000 {
        let change = (0..1000).fold(Change::new(), |change, number| {
            let address = format!("reader{}@example.org", page * 1000 + number);
            let record = SubscriberRecord {
                address: EmailAddress::parse(&address).expect("an address"),
                constituency: Some("E14001063".into()),
                subscriptions: vec![SubscriptionRecord {
                    list: "news".into(),
                    confirmed_at: Timestamp::UNIX_EPOCH,
                    paused_until: None,
                }],
            };
            change.then(Step::PutSubscriber(Subscriber::new(store.vault(), record)))
        });
        let _ = store.change(change).await.expect("writes");
    }
}
