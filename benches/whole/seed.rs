//! Subscribers by the thousand, put into the store before the daemon starts.

use hustings::address::EmailAddress;
use hustings::daemon::keeper::{Keeper, key_source};
use hustings::daemon::sandbox::stage::Stage;
use hustings::store::{Change, Step, Store, Subscriber, SubscriberRecord, SubscriptionRecord};
use hustings::vault::RootKey;
use jiff::Timestamp;

/// Subscribers in one commit.
const BATCH: usize = 10_000;
/// The list they're on, which the sender may approve alone.
pub(crate) const LIST: &str = "appeals";

/// The address of subscriber `n`.
pub(crate) fn address(n: usize, destinations: usize) -> String {
    format!("reader.{n}@d{}.example", n % destinations)
}

/// Puts `count` subscribers at so many destinations on the list.
pub(crate) async fn subscribers(stage: &Stage, count: usize, destinations: usize) {
    let store = open(stage).await;
    let now = Timestamp::now();
    for first in (0..count).step_by(BATCH) {
        let mut change = Change::new();
        for n in first..count.min(first + BATCH) {
            let record = SubscriberRecord {
                address: EmailAddress::parse(&address(n, destinations)).unwrap(),
                constituency: Some("E14001323".into()),
                subscriptions: vec![SubscriptionRecord {
                    list: LIST.into(),
                    confirmed_at: now,
                    paused_until: None,
                }],
            };
            change = change.then(Step::PutSubscriber(Subscriber::new(store.vault(), record)));
        }
        let _ = store.change(change).await.unwrap();
    }
    store.close().await;
}

async fn open(stage: &Stage) -> Store {
    let config = stage.config();
    let source = key_source(&config.key);
    let keeper = Keeper::open(&config.data_dir, &config.runtime_dir, source, 64 << 20);
    let key = config.key.file.clone().unwrap();
    let root = RootKey::from_key_file(&key, &config.data_dir).unwrap();
    let opened = keeper.await.unwrap().unlock_with(&root).await;
    opened.unwrap()
}
