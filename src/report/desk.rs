//! Takes reports of others in, keeps them for a while, and forgets them. Anybody can send one, and nobody can prove that
//! what it says is so: they are advice, and there is an end to how many are kept.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dmarc::DmarcReceived;
use super::quota::{Giver, Kind, Quota};
use super::tally::day_of;
use super::tls::{TlsReceived, Unfit};
use super::unpack::{UnpackError, attached, gunzip};
use crate::address::Domain;
use crate::clock::Clock;
use crate::store::{Change, ReportRecord, ReportRow, Step, Store, StoreError};

/// How long a report is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// The largest report that is taken, as it comes.
pub const MOST_PACKED: usize = 1 << 20;
/// What one may unpack to.
const MOST_UNPACKED: usize = 2 << 20;
/// The largest as it is kept.
const MOST_KEPT: usize = 64 << 10;
/// How long one waits while another is read.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Reports that are kept at once, if anybody could have written them. Of those whose sender is proven, twice as many.
const AT_ONCE: u64 = 5_000;
/// Rows that are read at once.
const PAGE: u32 = 100;

/// A report that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kept {
    /// On TLS on the way to us.
    Tls(TlsReceived),
    /// On mail in our name.
    Dmarc(DmarcReceived),
}

/// A report, and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReport {
    /// When it came.
    pub received_at: Timestamp,
    /// What it says.
    pub report: Kept,
}

/// What became of a report that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is on the disk.
    Kept,
    /// It was there already.
    Again,
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It can't be unpacked.
    #[error("the report can't be unpacked: {0}")]
    Packed(#[from] UnpackError),
    /// It can't be read, or isn't about us.
    #[error("the report can't be used: {0}")]
    Unfit(#[from] Unfit),
    /// There is none in the mail.
    #[error("there is no report in the mail")]
    None,
    /// There are too many today.
    #[error("too many reports came in a day; more are taken tomorrow")]
    TooMany,
    /// Others are being read.
    #[error("other reports are being read; try again in a minute")]
    Busy,
    /// The store.
    #[error("the report could not be kept: {0}; look at `hustings status`")]
    Store(#[from] StoreError),
    /// Reading it broke off.
    #[error("reading the report broke off; the log says where; report this")]
    BrokeOff,
}

/// What is ours.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// The party's domains.
    pub domains: Vec<Domain>,
    /// This machine's addresses, as far as they're known.
    pub addresses: Vec<IpAddr>,
}

/// The reports of others. Clones are the same desk.
#[derive(Clone)]
pub struct Reports(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    ours: ArcSwap<Ours>,
    /// One is unpacked at a time: it may take a few megabytes.
    one: Arc<Semaphore>,
    quota: Mutex<Quota>,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reports(..)")
    }
}

impl Reports {
    /// The desk over this store.
    pub fn new(store: Store, clock: Clock, ours: Ours) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            ours: ArcSwap::from_pointee(ours),
            one: Arc::new(Semaphore::new(1)),
            quota: Mutex::default(),
        }))
    }

    /// Takes what is ours by a new configuration.
    pub fn reload(&self, ours: Ours) {
        self.0.ours.store(Arc::new(ours));
    }

    /// Takes a report on TLS, as it was posted from this address.
    ///
    /// # Errors
    /// [`TakeError`]: nothing was kept.
    pub async fn take_tls(
        &self,
        body: Vec<u8>,
        gzipped: bool,
        from: IpAddr,
    ) -> Result<Taken, TakeError> {
        let ours = self.0.ours.load_full();
        let read = move || {
            let json = match gzipped {
                true => gunzip(&body, MOST_UNPACKED)?,
                false => body,
            };
            let report = TlsReceived::read(&json, |domain| ours.domains.contains(domain))?;
            Ok(Kept::Tls(report))
        };
        self.take(read, Giver::at(Kind::Tls, from)).await
    }

    /// Takes a DMARC report out of a mail that came from this address. `proven` is the domain of its author, if SPF or DKIM
    /// vouches for it: that is who reports then, whatever the report says.
    ///
    /// # Errors
    /// [`TakeError`]: nothing was kept.
    pub async fn take_dmarc(
        &self,
        mail: Vec<u8>,
        from: IpAddr,
        proven: Option<Domain>,
    ) -> Result<Taken, TakeError> {
        let ours = self.0.ours.load_full();
        let giver = Giver {
            proven: proven.clone(),
            ..Giver::at(Kind::Dmarc, from)
        };
        let read = move || {
            let is_ours = |domain: &Domain| ours.domains.contains(domain);
            let is_own = |address| ours.addresses.contains(&address);
            let mut unfit = None;
            let found = attached(&mail, MOST_UNPACKED, |file| {
                let read = DmarcReceived::read(file, is_ours, is_own);
                // What is no report at all says less than a report about others does.
                read.map_err(|error| {
                    if unfit != Some(Unfit::NotOurs) {
                        unfit = Some(error);
                    }
                })
                .ok()
            });
            match (found?, unfit) {
                (Some(report), _) => Ok(Kept::Dmarc(match &proven {
                    Some(domain) => DmarcReceived {
                        proven: true,
                        reporter: domain.to_string(),
                        ..report
                    },
                    None => report,
                })),
                (None, Some(unfit)) => Err(unfit.into()),
                (None, None) => Err(TakeError::None),
            }
        };
        self.take(read, giver).await
    }

    async fn take(
        &self,
        read: impl FnOnce() -> Result<Kept, TakeError> + Send + 'static,
        giver: Giver,
    ) -> Result<Taken, TakeError> {
        let inner = &*self.0;
        let one = timeout(PATIENCE, inner.one.clone().acquire_owned()).await;
        let one = one.map_err(|_| TakeError::Busy)?;
        let one = one.map_err(|_| TakeError::BrokeOff)?;
        let (now, domains) = (inner.clock.now(), inner.ours.load().domains.len());
        let times = if giver.proven.is_some() { 2 } else { 1 };
        if !self.quota(|quota| quota.allows(&giver, domains, day_of(now)))
            || inner.store.count_reports(now).await? >= AT_ONCE * times
        {
            return Err(TakeError::TooMany);
        }
        // Whoever waits for it may go away: it is read to its end, and the next one waits for that.
        let read = tokio::task::spawn_blocking(move || (read(), one));
        let (report, _one) = read.await.map_err(|_| TakeError::BrokeOff)?;
        let report = report?;
        let (name, size) = report.name();
        if size > MOST_KEPT {
            return Err(Unfit::TooMuch.into());
        }
        if inner.store.has_report(&name).await? {
            return Ok(Taken::Again);
        }
        inner.store.check_room()?;
        let until = now.saturating_add(KEPT).unwrap_or(Timestamp::MAX);
        let record = ReportRecord {
            received_at: now,
            // It is plain data.
            report: serde_json::to_value(&report).unwrap_or_default(),
        };
        let row = ReportRow::new(inner.store.vault(), &name, until, record);
        let _ = inner
            .store
            .change(Change::new().then(Step::PutReport(row)))
            .await?;
        self.quota(|quota| quota.count(&giver, domains));
        Ok(Taken::Kept)
    }

    fn quota<T>(&self, with: impl FnOnce(&mut Quota) -> T) -> T {
        with(&mut self.0.quota.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads none until this is dropped.
    #[cfg(test)]
    pub(crate) async fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        self.0.one.clone().acquire_owned().await.expect("is open")
    }

    /// Goes over all reports that are kept.
    ///
    /// # Errors
    /// A [`StoreError`] if they can't be read.
    pub async fn each(&self, mut look: impl FnMut(KeptReport)) -> Result<(), StoreError> {
        let (store, now) = (&self.0.store, self.0.clock.now());
        let mut after = None;
        loop {
            let page = store.reports_after(after, PAGE).await?;
            let live = page.rows.into_iter().filter(|row| row.kept_until > now);
            for row in live {
                if let Ok(report) = serde_json::from_value(row.record.report) {
                    let received_at = row.record.received_at;
                    look(KeptReport {
                        received_at,
                        report,
                    });
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// How many are kept.
    ///
    /// # Errors
    /// A [`StoreError`] if they can't be counted.
    pub async fn count(&self) -> Result<u64, StoreError> {
        self.0.store.count_reports(self.0.clock.now()).await
    }

    /// Forgets those whose time is over.
    ///
    /// # Errors
    /// A [`StoreError`]: they are still there, and told to nobody.
    pub async fn forget(&self) -> Result<(), StoreError> {
        let step = Step::ForgetReports(self.0.clock.now());
        let _ = self.0.store.change(Change::new().then(step)).await?;
        Ok(())
    }
}

impl Kept {
    /// What it is known by: its sender's id of it, and what it says, so that nobody who guesses an id keeps the true report
    /// out. And its size.
    fn name(&self) -> (Vec<u8>, usize) {
        let (kind, reporter, id) = match self {
            Self::Tls(report) => ("tls", &report.reporter, &report.id),
            Self::Dmarc(report) => ("dmarc", &report.reporter, &report.id),
        };
        let said = serde_json::to_vec(self).unwrap_or_default();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &said);
        let mut name = format!("{kind}\0{reporter}\0{id}\0").into_bytes();
        name.extend_from_slice(digest.as_ref());
        (name, said.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
