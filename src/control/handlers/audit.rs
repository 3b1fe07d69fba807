//! `audit …`, and `consent verify`, which is the same of the other log.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::audit::{
    Act, Checkpoint, Comparison, Frontier, Leaf, LogKind, SignedCheckpoint, leaf_input,
};
use crate::clock::Clock;
use crate::control::api::audit::{AuditEntry, LogVerdict, Show, Verify};
use crate::control::api::consent::Verify as ConsentVerify;
use crate::control::{Ask, Call, Class, Failure, Handle, Nothing};
use crate::id::MailboxId;
use crate::staff::{Roll, StaffRoom, kept_checkpoints, sign_checkpoint};
use crate::store::{Blanks, LoggedEvent, Store, StoreError};

/// How many entries are read at a time.
const PAGE: u32 = 500;
/// How many broken entries are named.
const NAMED: usize = 100;

/// Answers for the logs.
pub struct AuditDesk {
    store: Store,
    clock: Clock,
    staff: StaffRoom,
}

impl AuditDesk {
    /// A desk for the logs of this store.
    pub fn new(store: Store, clock: Clock, staff: StaffRoom) -> Self {
        Self {
            store,
            clock,
            staff,
        }
    }
}

impl Handle<Show> for AuditDesk {
    async fn handle(&self, ask: Show, call: &mut Call<Show>) -> Result<Nothing, Failure> {
        let failure = |error| Failure::store("can't read the audit log", &error);
        let head = self.store.log_head(LogKind::Audit).await.map_err(failure)?;
        let mut next = ask
            .from
            .unwrap_or_else(|| head.size().saturating_sub(ask.limit));
        let end = next.saturating_add(ask.limit);
        while next < end {
            let limit = u32::try_from(end - next).unwrap_or(PAGE).min(PAGE);
            let events = self
                .store
                .events(LogKind::Audit, next, limit)
                .await
                .map_err(failure)?;
            let Some(last) = events.last() else { break };
            next = last.seq + 1;
            let names = Names {
                roll: self.staff.roll(),
                roles: self.staff.role_mailboxes_by_id(),
            };
            for event in events.into_iter().filter(|event| event.seq < end) {
                if let Some(entry) = names.entry(event) {
                    call.row(&entry).await?;
                }
            }
        }
        Ok(Nothing {})
    }
}

/// What people call that of which the log has ids.
struct Names {
    roll: Arc<Roll>,
    /// Roles by their mailboxes.
    roles: HashMap<MailboxId, String>,
}

impl Names {
    fn entry(&self, event: LoggedEvent) -> Option<AuditEntry> {
        let act: Act = serde_json::from_slice(&event.event?.1).ok()?;
        Some(AuditEntry {
            seq: event.seq,
            at: act.at,
            actor: self.of(&act.actor),
            second: act.second.map(|second| self.of(&second)),
            verb: act.verb,
            object: act
                .object
                .map(|object| format!("{} {}", object.kind, self.of(&object.id))),
            reason: act.reason,
        })
    }

    /// The name of the account or of the role's mailbox with this id; the id if there is none, or is no longer.
    fn of(&self, id: &str) -> String {
        let mut accounts = self.roll.all().iter();
        let account = accounts.find(|member| member.id.to_string() == id);
        let role = || {
            let mut roles = self.roles.iter();
            roles.find(|(mailbox, _)| mailbox.to_string() == id)
        };
        let name = account.map(|member| &member.name);
        let name = name.or_else(|| role().map(|(_, name)| name));
        name.map_or_else(|| id.to_owned(), String::clone)
    }
}

impl Handle<Verify> for AuditDesk {
    async fn handle(&self, ask: Verify, call: &mut Call<Verify>) -> Result<LogVerdict, Failure> {
        self.verify(LogKind::Audit, &ask, call).await
    }
}

impl Handle<ConsentVerify> for AuditDesk {
    async fn handle(
        &self,
        ask: ConsentVerify,
        call: &mut Call<ConsentVerify>,
    ) -> Result<LogVerdict, Failure> {
        self.verify(LogKind::Consent, &ask.0, call).await
    }
}

impl AuditDesk {
    async fn verify<A: Ask>(
        &self,
        log: LogKind,
        ask: &Verify,
        call: &Call<A>,
    ) -> Result<LogVerdict, Failure> {
        let what = format!("can't verify the {log} log");
        let failure = |error: StoreError| Failure::store(what.clone(), &error);
        let given = self.checkpoint(log, ask, &what)?;
        let mut walk = Walk::new(log, given.as_ref());
        // Before the head, which may grow meanwhile.
        match kept_checkpoints(&self.store, log).await {
            Ok(kept) => walk.kept = kept.into(),
            Err(error) => walk.find(format!("our own checkpoints can't be compared: {error}")),
        }
        let head = match self.store.log_head(log).await {
            Ok(head) => Some(head),
            Err(StoreError::Record { .. }) => None,
            Err(error) => return Err(failure(error)),
        };
        let size = head.as_ref().map(Frontier::size);
        let progress = call.progress();
        // What is appended meanwhile is not looked at: the walk ends where the head was.
        while walk.next < size.unwrap_or(u64::MAX) {
            let left = u32::try_from(size.unwrap_or(u64::MAX) - walk.next).unwrap_or(PAGE);
            let went_on = self
                .page(log, left.min(PAGE), &mut walk)
                .await
                .map_err(failure)?;
            if !went_on || progress.is_gone() {
                break;
            }
            progress.report("entries", walk.next, size);
        }
        let mut verdict = walk.verdict(head.as_ref());
        // What is broken must not be signed as if it were right.
        if verdict.holds {
            let signed = sign_checkpoint(&self.store, &self.clock, log).await;
            verdict.checkpoint = signed.map_err(failure)?.to_string();
        }
        Ok(verdict)
    }

    /// Takes the next page; one by one if an entry in it doesn't open. Returns whether there was one.
    async fn page(&self, log: LogKind, limit: u32, walk: &mut Walk) -> Result<bool, StoreError> {
        match self.store.events(log, walk.next, limit).await {
            Ok(events) => {
                events.iter().for_each(|event| walk.take(event));
                return Ok(!events.is_empty());
            }
            Err(StoreError::Seal(_) | StoreError::Record { .. }) => {}
            Err(error) => return Err(error),
        }
        for _ in 0..limit {
            match self.store.events(log, walk.next, 1).await {
                Ok(events) => events.iter().for_each(|event| walk.take(event)),
                Err(StoreError::Seal(_) | StoreError::Record { .. }) => {
                    // Its leaf still stands in the clear: the tree can be walked on.
                    let leaves = self.store.leaves(log, walk.next, 1).await;
                    walk.broken(leaves.ok().and_then(|leaves| leaves.first().copied()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The checkpoint that was given, once its signature holds.
    fn checkpoint(
        &self,
        log: LogKind,
        ask: &Verify,
        what: &str,
    ) -> Result<Option<Checkpoint>, Failure> {
        let Some(text) = &ask.against else {
            return Ok(None);
        };
        let failure =
            |error: &dyn std::error::Error| Failure::from_error(Class::Refused, what, error);
        let signed = SignedCheckpoint::parse(text).map_err(|error| failure(&error))?;
        let public = match &ask.public_key {
            None => self.store.vault().checkpoint_public(),
            Some(hex) => crate::id::parse_hex(hex.trim()).ok_or_else(|| {
                Failure::misuse(
                    what,
                    "the public key is not 64 hexadecimal digits",
                    "copy it from the recovery sheet",
                )
            })?,
        };
        let checkpoint = signed.verify(&public).map_err(|error| failure(&error))?;
        if checkpoint.log != log {
            return Err(Failure::misuse(
                what,
                format!("the checkpoint is of the {} log", checkpoint.log),
                format!("hustings {} verify --against …", checkpoint.log),
            ));
        }
        Ok(Some(checkpoint.clone()))
    }
}

/// A walk over a log, leaf by leaf.
struct Walk {
    log: LogKind,
    next: u64,
    seen: u64,
    erased: u64,
    blanks: Blanks,
    frontier: Frontier,
    comparison: Option<Comparison>,
    /// Our own checkpoints that the walk has not come to yet, by size.
    kept: VecDeque<Checkpoint>,
    findings: Vec<String>,
    unnamed: u64,
}

impl Walk {
    fn new(log: LogKind, given: Option<&Checkpoint>) -> Self {
        Self {
            log,
            next: 0,
            seen: 0,
            erased: 0,
            blanks: Blanks::default(),
            frontier: Frontier::default(),
            comparison: given.map(Comparison::with),
            kept: VecDeque::new(),
            findings: Vec::new(),
            unnamed: 0,
        }
    }

    fn find(&mut self, what: String) {
        if self.findings.len() < NAMED {
            self.findings.push(what);
        } else {
            self.unnamed += 1;
        }
    }

    fn take(&mut self, event: &LoggedEvent) {
        if event.seq != self.next {
            let (first, last) = (self.next, event.seq - 1);
            self.find(match first == last {
                true => format!("entry {first} was cut out"),
                false => format!("entries {first} to {last} were cut out"),
            });
        }
        self.next = event.seq + 1;
        self.seen += 1;
        self.push(&event.leaf);
        self.blanks.take(self.log, event);
        match &event.event {
            None => self.erased += 1,
            Some((salt, text)) => {
                let intact = <[u8; 32]>::try_from(salt.as_slice())
                    .is_ok_and(|salt| leaf_input(&salt, text) == event.leaf);
                if !intact {
                    self.find(format!("entry {} is not what was logged", event.seq));
                }
            }
        }
    }

    /// An entry that doesn't open.
    fn broken(&mut self, leaf: Option<[u8; 32]>) {
        self.find(format!("entry {} does not open: it was changed", self.next));
        self.next += 1;
        self.seen += 1;
        if let Some(leaf) = leaf {
            self.push(&leaf);
        }
    }

    fn push(&mut self, leaf: &Leaf) {
        self.frontier.push(leaf);
        if let Some(comparison) = &mut self.comparison {
            comparison.push(leaf);
        }
        while let Some(checkpoint) = self
            .kept
            .pop_front_if(|kept| kept.size <= self.frontier.size())
        {
            if checkpoint.size == self.frontier.size() && checkpoint.root != self.frontier.root() {
                self.find(format!(
                    "one of the first {} entries was changed since {}, when they were signed",
                    checkpoint.size, checkpoint.at
                ));
            }
        }
    }

    fn verdict(mut self, head: Option<&Frontier>) -> LogVerdict {
        for (first, count) in std::mem::take(&mut self.blanks).finish() {
            let lot = match count {
                1 => format!("entry {first} was blanked"),
                _ => format!(
                    "entry {first} and {} more of that person were blanked",
                    count - 1
                ),
            };
            self.find(format!("{lot}, and no erasure explains it"));
        }
        if let Some(last) = self.kept.pop_back()
            && last.size > self.seen
        {
            self.find(format!(
                "{} entries are there of {} that were signed on {}: the log's end was cut off, or an older file was put back",
                self.seen, last.size, last.at
            ));
        }
        match head {
            None => self.find("the log's head was changed and can't be read".to_owned()),
            Some(head)
                if self.frontier.size() != head.size() || self.frontier.root() != head.root() =>
            {
                self.find(format!(
                    "the log's head says {} entries, and the entries that are there don't lead to it",
                    head.size()
                ));
            }
            Some(_) => {}
        }
        if self.unnamed > 0 {
            let more = format!("and {} more", self.unnamed);
            self.findings.push(more);
        }
        let compared = self.comparison.map(Comparison::finish);
        LogVerdict {
            log: self.log.name().to_owned(),
            holds: self.findings.is_empty() && compared.is_none_or(|verdict| verdict.holds()),
            size: self.seen,
            erased: self.erased,
            findings: self.findings,
            against: compared.map(|verdict| verdict.to_string()),
            checkpoint: String::new(),
        }
    }
}
