//! The audience, page by page, in the background: ledger rows are made for whoever is on the list, was so before the
//! release and may be written to. A page's rows and the checkpoint behind them are one change, so a crash leaves
//! neither a gap nor a second row. Only some thousand rows stand ahead of sending.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::running::Running;
use super::{ListError, Mailings};
use crate::consent::Subscription;
use crate::consent::constituency::Code;
use crate::id::SubscriberId;
use crate::store::{CopyState, LedgerRecord, LedgerRow, Mailing, MailingState, Step};

/// How often the room looks by itself: withdrawals may have ended a mailing. Not a matter of the clock that moves.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it waits after the store refused.
const REST: Duration = Duration::from_secs(5);

/// A page that is to be written.
struct Page {
    from: Option<SubscriberId>,
    to: Option<SubscriberId>,
    end: bool,
    rows: Vec<LedgerRow>,
}

impl Mailings {
    /// Expands and ends mailings for as long as it's polled. The daemon runs it once.
    pub async fn run(&self) {
        loop {
            let pause = match self.tick().await {
                Ok(true) => continue,
                Ok(false) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "a mailing could not be expanded; it is tried again");
                    REST
                }
            };
            tokio::select! {
                () = self.0.work.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One round: a page of each mailing that needs one, and the end of those that are over. Answers whether there is
    /// more to do at once.
    ///
    /// # Errors
    /// [`ListError`]; the next round tries again.
    pub async fn tick(&self) -> Result<bool, ListError> {
        let mut more = false;
        for running in self.all_running() {
            match running.state() {
                MailingState::Sending if !self.has_its_list(&running) => {
                    self.pause_without_list(&running).await?;
                }
                MailingState::Sending => {
                    more |= self.expand(&running).await?;
                    self.end_if_over(&running).await?;
                }
                MailingState::Cancelled => self.end_if_over(&running).await?,
                MailingState::Held | MailingState::Paused => {}
                MailingState::Done => self.forget(&running),
            }
        }
        Ok(more)
    }

    /// Writes a page, if rows are wanted. Answers whether it did.
    async fn expand(&self, running: &Arc<Running>) -> Result<bool, ListError> {
        let _one = running.expanding.lock().await;
        let mailing = running.now();
        if mailing.record.expanded || self.is_far_ahead(running).await? {
            return Ok(false);
        }
        let Some(page) = self.page(&mailing).await? else {
            return Ok(false);
        };
        let books = running.books.read().await;
        let written = self.alter(running, |record| {
            if record.state != MailingState::Sending || record.expanded_to != page.from {
                return Err(ListError::State {
                    state: record.state,
                    act: "expanded",
                });
            }
            (record.expanded_to, record.expanded) = (page.to, page.end);
            Ok(match page.rows.is_empty() {
                true => Vec::new(),
                false => vec![Step::PutCopies(page.rows.clone())],
            })
        });
        match written.await {
            Ok(_) => {}
            // Paused or cancelled just now.
            Err(ListError::State { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        running.tally().copies += page.rows.len() as u64;
        drop(books);
        running.more.store(true, Ordering::Relaxed);
        self.say_changed();
        Ok(true)
    }

    /// Whether enough rows stand ahead of sending. Those that a server put off don't count: one that puts thousands off
    /// for hours must not keep everybody else waiting.
    async fn is_far_ahead(&self, running: &Running) -> Result<bool, ListError> {
        let now = self.clock().now();
        let due = self.store().count_copies_due_by(running.id, now).await?;
        Ok(due >= self.terms().settings.pace.ahead)
    }

    async fn page(&self, mailing: &Mailing) -> Result<Option<Page>, ListError> {
        let record = &mailing.record;
        let Some(released_at) = record.released_at else {
            return Ok(None);
        };
        let now = self.clock().now();
        let among = Among {
            released_at,
            now,
            codes: codes(record.constituencies.as_deref()),
        };
        let mut page = Page {
            from: record.expanded_to,
            to: record.expanded_to,
            end: false,
            rows: Vec::new(),
        };
        let pace = self.terms().settings.pace;
        let mut looked = 0;
        while page.rows.len() < pace.rows && looked < pace.look {
            let audience = self
                .consent()
                .audience(&record.list, page.to, pace.page)
                .await?;
            let belong = audience.subscriptions.iter();
            let belong = belong.filter(|one| among.has(one));
            page.rows
                .extend(belong.map(|one| self.row(mailing, one, released_at, now)));
            looked += pace.page as usize;
            match audience.next {
                Some(next) => page.to = Some(next),
                None => {
                    page.end = true;
                    break;
                }
            }
        }
        Ok(Some(page))
    }

    fn row(
        &self,
        mailing: &Mailing,
        to: &Subscription,
        due_at: Timestamp,
        now: Timestamp,
    ) -> LedgerRow {
        LedgerRow {
            copy: self.vault().copy_id(mailing.id, to.subscriber()),
            mailing: mailing.id,
            subscriber: Some(to.subscriber()),
            due_at: Some(due_at),
            record: LedgerRecord {
                state: CopyState::Due,
                attempts: 0,
                since: None,
                domain: Some(to.address().domain().as_str().to_owned()),
                cause: None,
                at: now,
            },
        }
    }

    /// Ends a mailing that was wholly expanded and has nothing due, or that was cancelled, once nothing of it is under
    /// way.
    async fn end_if_over(&self, running: &Running) -> Result<(), ListError> {
        let state = running.state();
        if running.out() > 0 {
            return Ok(());
        }
        if state == MailingState::Sending && self.has_more(running).await? {
            return Ok(());
        }
        let counts = self.final_counts(&running.now()).await?;
        let now = self.clock().now();
        self.alter(running, |record| {
            if record.state != state {
                return Err(ListError::Busy);
            }
            if state == MailingState::Sending {
                record.state = MailingState::Done;
            }
            record.ended_at.get_or_insert(now);
            record.counts = Some(counts.clone());
            Ok(Vec::new())
        })
        .await?;
        self.forget(running);
        Ok(())
    }

    /// Whether anything of it is still to be sent. A due row that doesn't open can't be: it must not keep the mailing from
    /// its end, and its rows from being forgotten.
    async fn has_more(&self, running: &Running) -> Result<bool, ListError> {
        if !running.now().record.expanded {
            return Ok(true);
        }
        let due = self.store().count_due_copies(running.id).await?;
        let sendable = || self.store().due_copies(running.id, Timestamp::MAX, 1);
        Ok(due > 0 && !sendable().await?.is_empty())
    }

    fn forget(&self, running: &Running) {
        self.lock().remove(&running.id);
        self.say_changed();
    }
}

/// Who belongs to a mailing's audience.
struct Among {
    released_at: Timestamp,
    now: Timestamp,
    codes: Option<Vec<Code>>,
}

impl Among {
    fn has(&self, one: &Subscription) -> bool {
        let paused = one.paused_until().is_some_and(|until| self.now < until);
        let elsewhere = self
            .codes
            .as_ref()
            .is_some_and(|codes| !one.constituency().is_some_and(|code| codes.contains(&code)));
        one.confirmed_at() < self.released_at && !paused && !elsewhere
    }
}

/// The codes of a narrowed mailing. One that can't be read fits nobody.
fn codes(texts: Option<&[String]>) -> Option<Vec<Code>> {
    let texts = texts?;
    Some(
        texts
            .iter()
            .filter_map(|text| Code::parse(text).ok())
            .collect(),
    )
}
