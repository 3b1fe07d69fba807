//! What admins see of the queue, and what they can do with it. Whoever calls this has checked that they may, and writes
//! the audit log.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::address::{Domain, EmailAddress};
use crate::id::QueueId;
use crate::store::{
    Change, ChangeOutcome, Guard, MailClass, Page, Queued, Step, Store, StoreError,
};

const PAGE: u32 = 500;

/// A queued mail as an admin sees it. `Debug` shows no address.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueView {
    /// Its id, as the commands take it.
    pub id: QueueId,
    /// `staff`, or the kind of a service mail.
    pub kind: String,
    /// The recipient.
    pub recipient: EmailAddress,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it waits: the cause and the far end's words.
    pub why: Option<String>,
}

impl std::fmt::Debug for QueueView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueueView({}, {} attempts)", self.id, self.attempts)
    }
}

impl From<Queued> for QueueView {
    fn from(row: Queued) -> Self {
        Self {
            id: row.id,
            kind: match row.record.class {
                MailClass::Staff { .. } => "staff".into(),
                MailClass::Service { kind } => kind,
            },
            recipient: row.record.recipient,
            queued_at: row.record.queued_at,
            due_at: row.due_at,
            expires_at: row.record.expires_at,
            attempts: row.record.attempts,
            why: row.record.last_failure,
        }
    }
}

/// What waits for one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationView {
    /// The domain.
    pub domain: Domain,
    /// How many mails.
    pub count: u64,
    /// When the oldest of them was queued.
    pub oldest: Timestamp,
    /// When the next of them is tried.
    pub next: Timestamp,
    /// Why they wait: the reason of the one that was tried last, if any was.
    pub why: Option<String>,
}

/// The queue by destination, the fullest first.
///
/// # Errors
/// A [`StoreError`] if the table can't be read.
pub async fn by_destination(store: &Store) -> Result<Vec<DestinationView>, StoreError> {
    let mut found = BTreeMap::<Domain, DestinationView>::new();
    let mut after = None;
    loop {
        let page = store.queue_page(after, PAGE).await?;
        for row in page.rows {
            let record = row.record;
            let one = found
                .entry(record.recipient.domain().clone())
                .or_insert_with_key(|domain| DestinationView {
                    domain: domain.clone(),
                    count: 0,
                    oldest: record.queued_at,
                    next: row.due_at,
                    why: None,
                });
            one.count += 1;
            one.oldest = one.oldest.min(record.queued_at);
            one.next = one.next.min(row.due_at);
            one.why = record.last_failure.or(one.why.take());
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut all: Vec<_> = found.into_values().collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.domain.cmp(&b.domain)));
    Ok(all)
}

/// A page of the queue, of one domain or of all. A page of one domain may have few rows, or none, and not be the last.
///
/// # Errors
/// A [`StoreError`] if the table can't be read.
pub async fn list(
    store: &Store,
    after: Option<QueueId>,
    limit: u32,
    domain: Option<&Domain>,
) -> Result<Page<QueueView, QueueId>, StoreError> {
    let page = store.queue_page(after, limit.clamp(1, PAGE)).await?;
    let fits = |row: &Queued| domain.is_none_or(|domain| row.record.recipient.domain() == domain);
    Ok(Page {
        rows: page
            .rows
            .into_iter()
            .filter(fits)
            .map(QueueView::from)
            .collect(),
        next: page.next,
        broken: page.broken,
    })
}

/// One queued mail.
///
/// # Errors
/// A [`StoreError`] if the row can't be read.
pub async fn show(store: &Store, id: QueueId) -> Result<Option<QueueView>, StoreError> {
    Ok(store.queued(id).await?.map(QueueView::from))
}

/// Has a mail tried now; wake the engine afterwards. Says whether it is still there.
///
/// # Errors
/// A [`StoreError`]: nothing was changed.
pub async fn retry(store: &Store, id: QueueId, now: Timestamp) -> Result<bool, StoreError> {
    let Some(mut row) = store.queued(id).await? else {
        return Ok(false);
    };
    row.due_at = now;
    let change = Change::new()
        .require(Guard::Queued(id))
        .then(Step::PutQueued(row));
    Ok(store.change(change).await? == ChangeOutcome::Done)
}

/// Takes a mail out of the queue without telling its sender. Says whether it was there.
///
/// # Errors
/// A [`StoreError`]: nothing was changed.
pub async fn drop_mail(store: &Store, id: QueueId) -> Result<bool, StoreError> {
    let change = Change::new()
        .require(Guard::Queued(id))
        .then(Step::RemoveQueued(id));
    Ok(store.change(change).await? == ChangeOutcome::Done)
}
