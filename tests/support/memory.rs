//! A room whose mail is in memory and outlives an engine: what was settled stays settled, what was only loaded doesn't.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use hustings::address::{Domain, EmailAddress};
use hustings::delivery::classify::Cause;
use hustings::delivery::parcel::{
    Attempted, Boxed, Clearance, Fate, Letter, Loaded, MailBytes, Parcel, ParcelKey, Permission,
    Source,
};
use hustings::store::StoreError;
use jiff::{SignedDuration, Timestamp};

/// A mail of the room.
#[derive(Clone)]
pub struct Row {
    pub to: String,
    pub due: Option<Timestamp>,
    pub loads: u32,
    pub untried: u32,
    /// What was said when it was put off.
    pub put_off: Option<String>,
    pub fates: Vec<Fate>,
}

impl Row {
    pub fn delivered(&self) -> usize {
        let delivered = |fate: &&Fate| matches!(fate, Fate::Delivered);
        self.fates.iter().filter(delivered).count()
    }

    /// The cause of the last failure, and whether it is for good.
    pub fn failure(&self) -> Option<(Cause, bool)> {
        match self.fates.last()? {
            Fate::Failed { verdict, .. } => Some((verdict.cause, verdict.permanent)),
            _ => None,
        }
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self.fates.last(), Some(Fate::Unknown))
    }
}

/// A clearance that was taken back.
struct Revoked;

impl Permission for Revoked {
    fn revoked(&mut self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The room.
pub struct Room {
    rows: Mutex<BTreeMap<ParcelKey, Row>>,
    me: Weak<Room>,
    next: AtomicU64,
    /// Bytes of each body.
    size: usize,
    /// The store refuses to write.
    pub sick: AtomicBool,
    /// What it has are copies of a mailing, but for recipients that begin with "letter".
    pub bulk: AtomicBool,
    /// The room can't make letters at present.
    pub paused: AtomicBool,
    /// How often it was asked for one nevertheless.
    pub asked_in_vain: AtomicU64,
    /// Recipients that have withdrawn: no clearance.
    pub withdrawn: Mutex<Vec<String>>,
    /// Recipients that withdraw when their clearance was given: it is revoked at once.
    pub withdraws_at_the_dot: Mutex<Vec<String>>,
    /// The longest that settling takes, in microseconds.
    pub slow_disk: AtomicU64,
    /// Permissions given and outcomes not yet durable: final dots that may have left.
    pub in_doubt: AtomicI64,
    /// The most there ever were at once.
    pub most_in_doubt: AtomicI64,
}

impl Room {
    pub fn new(size: usize) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            rows: Mutex::default(),
            me: me.clone(),
            next: AtomicU64::new(0),
            size,
            sick: AtomicBool::new(false),
            bulk: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            asked_in_vain: AtomicU64::new(0),
            withdrawn: Mutex::default(),
            withdraws_at_the_dot: Mutex::default(),
            slow_disk: AtomicU64::new(0),
            in_doubt: AtomicI64::new(0),
            most_in_doubt: AtomicI64::new(0),
        })
    }

    /// Queues a mail.
    pub fn post(&self, to: &str) {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let row = Row {
            to: to.to_owned(),
            due: Some(Timestamp::UNIX_EPOCH),
            loads: 0,
            untried: 0,
            put_off: None,
            fates: Vec::new(),
        };
        self.rows.lock().unwrap().insert(key, row);
    }

    pub fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().values().cloned().collect()
    }

    pub fn row(&self, to: &str) -> Row {
        self.rows().into_iter().find(|row| row.to == to).unwrap()
    }

    /// Waits until nothing is due at the epoch any more.
    pub async fn all_settled(&self) {
        self.until(|rows| rows.iter().all(|row| !row.fates.is_empty()))
            .await;
    }

    pub async fn until(&self, holds: impl Fn(&[Row]) -> bool) {
        let waited = async {
            while !holds(&self.rows()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_secs(60);
        if tokio::time::timeout(limit, waited).await.is_err() {
            let rows = self.rows();
            let open = rows.iter().filter(|row| row.fates.is_empty()).count();
            panic!("{open} of {} never got there", rows.len());
        }
    }

    fn dot_may_leave(&self) {
        let now = self.in_doubt.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_doubt.fetch_max(now, Ordering::SeqCst);
    }
}

impl Source for Room {
    fn due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Boxed<'_, Result<Vec<Arc<dyn Parcel>>, StoreError>> {
        Box::pin(async move {
            let rows = self.rows.lock().unwrap();
            let mut due: Vec<_> = rows
                .iter()
                .filter_map(|(key, row)| Some((row.due.filter(|due| *due <= now)?, *key, &row.to)))
                .collect();
            due.sort();
            due.truncate(limit as usize);
            let parcel = |(_, key, to): (Timestamp, ParcelKey, &String)| {
                let to = EmailAddress::parse(to).unwrap();
                let room = self.me.upgrade().unwrap();
                Arc::new(Mail {
                    room,
                    key,
                    to,
                    cleared: AtomicBool::new(false),
                }) as Arc<dyn Parcel>
            };
            Ok(due.into_iter().map(parcel).collect())
        })
    }

    fn next_due(&self) -> Boxed<'_, Result<Option<Timestamp>, StoreError>> {
        let rows = self.rows.lock().unwrap();
        let next = rows.values().filter_map(|row| row.due).min();
        Box::pin(async move { Ok(next) })
    }
}

struct Mail {
    room: Arc<Room>,
    key: ParcelKey,
    to: EmailAddress,
    cleared: AtomicBool,
}

impl Mail {
    fn with<R>(&self, act: impl FnOnce(&mut Row) -> R) -> R {
        act(self.room.rows.lock().unwrap().get_mut(&self.key).unwrap())
    }
}

impl Parcel for Mail {
    fn key(&self) -> ParcelKey {
        self.key
    }

    fn destination(&self) -> &Domain {
        self.to.domain()
    }

    fn is_bulk(&self) -> bool {
        self.room.bulk.load(Ordering::SeqCst) && !self.to.as_str().starts_with("letter")
    }

    fn load(&self) -> Boxed<'_, Loaded> {
        Box::pin(async {
            if self.room.paused.load(Ordering::SeqCst) {
                self.room.asked_in_vain.fetch_add(1, Ordering::SeqCst);
                return Loaded::NotNow;
            }
            if self.with(|row| row.due.is_none()) {
                return Loaded::Gone;
            }
            self.with(|row| row.loads += 1);
            let body = "0123456789 0123456789 0123456789 0123456789 01234567\r\n"
                .repeat(self.room.size / 54);
            Loaded::Ready(Letter {
                reverse_path: EmailAddress::parse("r+x@party.example").ok(),
                recipient: self.to.clone(),
                size: None,
                utf8: false,
                eight_bit: false,
                dsn: Default::default(),
                bytes: MailBytes::Chunks(vec![
                    Bytes::from_static(b"Subject: hello\r\n\r\n"),
                    body.into(),
                ]),
            })
        })
    }

    fn clearance(&self) -> Boxed<'_, Option<Clearance>> {
        Box::pin(async {
            let withdrawn = self.room.withdrawn.lock().unwrap();
            if withdrawn.iter().any(|to| to == self.to.as_str()) {
                return None;
            }
            self.cleared.store(true, Ordering::SeqCst);
            self.room.dot_may_leave();
            let withdraws = self.room.withdraws_at_the_dot.lock().unwrap();
            Some(match withdraws.iter().any(|to| to == self.to.as_str()) {
                true => Box::new(Revoked) as Clearance,
                false => Box::new(()),
            })
        })
    }

    fn put_off(&self, until: Timestamp, said: String) -> Boxed<'_, Result<(), StoreError>> {
        self.with(|row| {
            row.due = Some(until);
            row.put_off = Some(said);
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn settle(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let slow = self.room.slow_disk.load(Ordering::SeqCst);
            if slow > 0 {
                let lot =
                    (u64::from(self.key[7]) * 7919 + attempted.at.as_millisecond() as u64) % slow;
                tokio::time::sleep(Duration::from_micros(lot)).await;
            }
            if self.room.sick.load(Ordering::SeqCst) {
                return Err(StoreError::Full);
            }
            let hour = SignedDuration::from_hours(1);
            self.with(|row| {
                let again = match &attempted.fate {
                    Fate::Delivered | Fate::Entrusted => None,
                    Fate::Failed { verdict, .. } if verdict.permanent => None,
                    Fate::Failed { .. } | Fate::Unknown => Some(attempted.at + hour),
                };
                row.due = again;
                row.fates.push(attempted.fate);
            });
            if self.cleared.swap(false, Ordering::SeqCst) {
                self.room.in_doubt.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(())
        })
    }

    fn untried(&self) -> Boxed<'_, ()> {
        self.with(|row| row.untried += 1);
        Box::pin(async {})
    }
}
