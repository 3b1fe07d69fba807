//! The one way by which the address list leaves the server (design §1.8): asked for by one person with a reason, allowed
//! by a second, as JSON lines for an encrypted file, with suppressions, evidence and wordings in it (law C10).
//!
//! Lines: `{"line":"export",…}` first, then `subscriber`, `suppression`, `event` and `wording`, then `{"line":"end",…}`
//! with the counts. Suppressions and events name people by keyed hashes: another server matches them with the index keys
//! of this one, which stand on its recovery sheet.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::act::{By, act_step};
use super::evidence::ShownWording;
use super::{Consent, ConsentError, ConsentEvent};
use crate::audit::LogKind;
use crate::id::{StaffId, SubscriberId};
use crate::store::{Change, SubscriptionRecord, Suppressed};
use crate::vault::Index;

/// How many rows one line group reads.
const PAGE: u32 = 500;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "line")]
enum Line<'a> {
    Export {
        format: u32,
        party: &'a str,
        at: Timestamp,
        checkpoint: String,
    },
    Subscriber {
        address: &'a str,
        constituency: Option<&'a str>,
        subscriptions: &'a [SubscriptionRecord],
        suppression: Index,
    },
    Suppression {
        index: Index,
        scopes: &'a [Suppressed],
    },
    Event {
        seq: u64,
        event: &'a ConsentEvent,
    },
    Wording(&'a ShownWording),
    End {
        subscribers: u64,
        suppressions: u64,
        events: u64,
        left_out: u64,
    },
}

enum Stage {
    Head,
    Subscribers(Option<SubscriberId>),
    Suppressions(Option<Index>),
    Events(u64),
    Wordings,
    End,
    Over,
}

/// How much an export has given so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportCounts {
    /// Subscribers.
    pub subscribers: u64,
    /// Suppressions.
    pub suppressions: u64,
    /// Events of the consent log.
    pub events: u64,
    /// Rows that don't open and are not in it.
    pub left_out: u64,
}

/// An export that is being read. It is in the audit log whether or not it's read to its end.
pub struct Export {
    consent: Consent,
    stage: Stage,
    wordings: BTreeSet<String>,
    subscribers: u64,
    suppressions: u64,
    events: u64,
    left_out: u64,
}

impl Consent {
    /// Begins an export. Whether both people may is for the caller to check; that they are two is checked here.
    ///
    /// # Errors
    /// [`ConsentError::SecondPerson`], [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn export(&self, by: &By, second: StaffId) -> Result<Export, ConsentError> {
        if second == by.staff {
            return Err(ConsentError::SecondPerson);
        }
        let act = self.act(by, "subscriber export")?.with(second);
        self.commit(Change::new().then(act_step(&act)?)).await?;
        self.sign_checkpoints_quietly().await;
        Ok(Export {
            consent: self.clone(),
            stage: Stage::Head,
            wordings: BTreeSet::new(),
            subscribers: 0,
            suppressions: 0,
            events: 0,
            left_out: 0,
        })
    }
}

impl Export {
    /// How much was given so far.
    pub fn counts(&self) -> ExportCounts {
        ExportCounts {
            subscribers: self.subscribers,
            suppressions: self.suppressions,
            events: self.events,
            left_out: self.left_out,
        }
    }

    /// The next lines, each with LF at its end; none after the last. They are personal data: seal them at once.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ConsentError> {
        let mut out = Vec::new();
        self.stage = match &self.stage {
            Stage::Head => self.head(&mut out).await?,
            Stage::Subscribers(after) => self.subscribers(*after, &mut out).await?,
            Stage::Suppressions(after) => self.suppressions(*after, &mut out).await?,
            Stage::Events(from) => self.events(*from, &mut out).await?,
            Stage::Wordings => self.shown(&mut out).await?,
            Stage::End => self.end(&mut out),
            Stage::Over => return Ok(None),
        };
        Ok(Some(out))
    }

    async fn head(&self, out: &mut Vec<u8>) -> Result<Stage, ConsentError> {
        let checkpoint = self.consent.sign(LogKind::Consent).await?.text;
        let live = self.consent.live();
        let line = Line::Export {
            format: 1,
            party: &live.settings.party,
            at: self.consent.clock().now(),
            checkpoint,
        };
        write(&line, out);
        Ok(Stage::Subscribers(None))
    }

    async fn subscribers(
        &mut self,
        after: Option<SubscriberId>,
        out: &mut Vec<u8>,
    ) -> Result<Stage, ConsentError> {
        let page = self.consent.store().standings_after(after, PAGE).await?;
        for standing in &page.rows {
            let record = &standing.subscriber.record;
            let line = Line::Subscriber {
                address: record.address.as_str(),
                constituency: record.constituency.as_deref(),
                subscriptions: &record.subscriptions,
                suppression: standing.subscriber.suppression_index,
            };
            write(&line, out);
            self.subscribers += 1;
        }
        self.left_out += page.broken;
        Ok(match page.next {
            None => Stage::Suppressions(None),
            next => Stage::Subscribers(next),
        })
    }

    async fn suppressions(
        &mut self,
        after: Option<Index>,
        out: &mut Vec<u8>,
    ) -> Result<Stage, ConsentError> {
        let page = self.consent.store().suppressions_after(after, PAGE).await?;
        for row in &page.rows {
            let line = Line::Suppression {
                index: row.index,
                scopes: &row.record.scopes,
            };
            write(&line, out);
            self.suppressions += 1;
        }
        self.left_out += page.broken;
        Ok(match page.next {
            None => Stage::Events(0),
            next => Stage::Suppressions(next),
        })
    }

    async fn events(&mut self, from: u64, out: &mut Vec<u8>) -> Result<Stage, ConsentError> {
        let store = self.consent.store();
        let logged = store.events(LogKind::Consent, from, PAGE).await?;
        let Some(last) = logged.last() else {
            return Ok(Stage::Wordings);
        };
        let next = last.seq + 1;
        for one in &logged {
            let Some(event) = super::erase::read_event(one)? else {
                continue;
            };
            let named = event.wordings().into_iter().map(str::to_owned);
            self.wordings.extend(named);
            let line = Line::Event {
                seq: one.seq,
                event: &event,
            };
            write(&line, out);
            self.events += 1;
        }
        Ok(Stage::Events(next))
    }

    async fn shown(&self, out: &mut Vec<u8>) -> Result<Stage, ConsentError> {
        for shown in self.consent.shown_wordings(&self.wordings).await? {
            write(&Line::Wording(&shown), out);
        }
        Ok(Stage::End)
    }

    fn end(&self, out: &mut Vec<u8>) -> Stage {
        let line = Line::End {
            subscribers: self.subscribers,
            suppressions: self.suppressions,
            events: self.events,
            left_out: self.left_out,
        };
        write(&line, out);
        Stage::Over
    }
}

fn write(line: &Line<'_>, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("plain data is written as JSON to memory");
    out.push(b'\n');
}
