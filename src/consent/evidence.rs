//! Evidence: what the consent log holds about an address, shown, or bundled so that somebody without this program can
//! check it; and the verification of both logs.
//!
//! A bundle is one JSON object. For each event it holds the canonical bytes as text, the salt, the number and the path
//! to the root that its checkpoint signs. To check: SHA-256(salt ‖ event) is the leaf; RFC 9162 section 2.1.3.2 leads
//! from the leaf, by the path, to the root; the signature is Ed25519 over the checkpoint's lines. A wording's SHA-256 is
//! over the canonical JSON array of kind, list, language and text.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;

use super::act::{By, act_step};
use super::confirm::Hex;
use super::erase::read_event;
use super::person::{Person, Suppressions};
use super::wording::WordingDigest;
use super::{Consent, ConsentError, ConsentEvent};
use crate::address::EmailAddress;
use crate::audit::{
    Comparison, Frontier, InclusionProofs, LogKind, SignedCheckpoint, Verdict, leaf_input,
};
use crate::id::SubscriberId;
use crate::store::{Change, LoggedEvent, SubscriptionRecord, Suppressed};

/// How many leaves are read at once.
const PAGE: u32 = 2000;

/// All that is held about an address.
#[derive(Debug, Clone)]
pub struct EvidenceView {
    /// The subscriber; none if there is none.
    pub subscriber: Option<SubscriberId>,
    /// The address as its owner spelt it, if subscribed.
    pub address: Option<EmailAddress>,
    /// Until when a sign-up waits for its confirmation, if one does.
    pub pending_until: Option<Timestamp>,
    /// The constituency, if subscribed and chosen.
    pub constituency: Option<String>,
    /// The subscriptions at present.
    pub subscriptions: Vec<SubscriptionRecord>,
    /// What forbids writing to the address.
    pub suppressed: Vec<Suppressed>,
    /// The events of the consent log, in order; erased ones are left out.
    pub events: Vec<NumberedEvent>,
    /// The texts that the events name.
    pub wordings: Vec<ShownWording>,
}

/// An event with its number in the log.
#[derive(Debug, Clone, Serialize)]
pub struct NumberedEvent {
    /// Its number.
    pub seq: u64,
    /// What it says.
    pub event: ConsentEvent,
}

/// A text that somebody was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownWording {
    /// Its SHA-256, as events name it.
    pub sha256: String,
    /// `consent` or `notice`.
    pub kind: String,
    /// The list.
    pub list: Option<String>,
    /// `en` or `cy`.
    pub language: String,
    /// The text.
    pub text: String,
    /// When it was first shown.
    pub first_shown: Timestamp,
}

#[derive(Serialize)]
struct Bundle {
    format: &'static str,
    address: String,
    made_at: Timestamp,
    public_key: String,
    checkpoint: String,
    events: Vec<BundledEvent>,
    wordings: Vec<ShownWording>,
}

#[derive(Serialize)]
struct BundledEvent {
    seq: u64,
    salt: String,
    event: String,
    path: Vec<String>,
}

/// What verifying a log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerdict {
    /// Which log.
    pub log: LogKind,
    /// How many events it has.
    pub size: u64,
    /// How many of them were erased.
    pub erased: u64,
    /// Events that don't fit their leaf, the first hundred.
    pub altered: Vec<u64>,
    /// Whether the leaves make the root that is stored as the log's head.
    pub head_fits: bool,
    /// How it compares with its own newest checkpoint, if there is one.
    pub newest: Option<Verdict>,
    /// How it compares with the checkpoint that was given.
    pub against: Option<Verdict>,
}

impl LogVerdict {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        let good = |verdict: &Option<Verdict>| verdict.is_none_or(Verdict::holds);
        self.altered.is_empty() && self.head_fits && good(&self.newest) && good(&self.against)
    }
}

impl Consent {
    /// Shows all that is held about an address. The act goes into the audit log.
    ///
    /// # Errors
    /// [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn show_evidence(
        &self,
        address: &EmailAddress,
        by: &By,
    ) -> Result<EvidenceView, ConsentError> {
        self.look_up(address, "consent show", by).await
    }

    /// The same for `subscriber find`.
    ///
    /// # Errors
    /// As [`Consent::show_evidence`].
    pub async fn find(
        &self,
        address: &EmailAddress,
        by: &By,
    ) -> Result<EvidenceView, ConsentError> {
        self.look_up(address, "subscriber find", by).await
    }

    async fn look_up(
        &self,
        address: &EmailAddress,
        verb: &str,
        by: &By,
    ) -> Result<EvidenceView, ConsentError> {
        let person = Person::of(self.vault(), address);
        self.log_look(&person, verb, by).await?;
        let found = self.find_person(&person).await?;
        let now = self.clock().now();
        let pending = self.store().request_of(&person.form, now).await?;
        let suppressions = Suppressions::read(self.store(), &person.indexes).await?;
        let mut events = Vec::new();
        for logged in self.logged(&person).await? {
            if let Some(event) = read_event(&logged)? {
                events.push(NumberedEvent {
                    seq: logged.seq,
                    event,
                });
            }
        }
        let wordings = self
            .wordings_of(events.iter().map(|one| &one.event))
            .await?;
        let scopes = suppressions.0.into_iter().flat_map(|row| row.record.scopes);
        let id = found.as_ref().map(|one| one.id);
        let subscriber = found.map(|one| one.record);
        Ok(EvidenceView {
            subscriber: id,
            address: subscriber.as_ref().map(|one| one.address.clone()),
            pending_until: pending.map(|request| request.expires_at),
            constituency: subscriber.as_ref().and_then(|one| one.constituency.clone()),
            subscriptions: subscriber.map_or_else(Vec::new, |one| one.subscriptions),
            suppressed: scopes.collect(),
            events,
            wordings,
        })
    }

    /// Bundles the evidence about an address as one JSON text that proves itself: see the module's documentation. The
    /// act goes into the audit log.
    ///
    /// # Errors
    /// [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn bundle_evidence(
        &self,
        address: &EmailAddress,
        by: &By,
    ) -> Result<String, ConsentError> {
        let person = Person::of(self.vault(), address);
        self.log_look(&person, "consent bundle", by).await?;
        let logged = self.logged(&person).await?;
        let signed = self.sign(LogKind::Consent).await?;
        let numbers = logged.iter().map(|one| one.seq);
        let mut proofs = InclusionProofs::new(numbers, signed.size);
        self.each_leaf(LogKind::Consent, |leaf| proofs.push(leaf))
            .await?;
        let proofs = proofs.finish().unwrap_or_default();
        let mut events = Vec::new();
        let mut said = Vec::new();
        for logged in &logged {
            let path = proofs.iter().find(|(seq, _)| *seq == logged.seq);
            let (Some((salt, event)), Some((_, path))) = (&logged.event, path) else {
                continue;
            };
            said.extend(read_event(logged)?);
            events.push(BundledEvent {
                seq: logged.seq,
                salt: Hex(salt).to_string(),
                event: String::from_utf8_lossy(event).into_owned(),
                path: path.iter().map(|hash| Hex(hash).to_string()).collect(),
            });
        }
        let bundle = Bundle {
            format: "hustings evidence v1",
            address: address.to_string(),
            made_at: self.clock().now(),
            public_key: STANDARD.encode(self.vault().checkpoint_public()),
            checkpoint: signed.text,
            events,
            wordings: self.wordings_of(said.iter()).await?,
        };
        Ok(serde_json::to_string_pretty(&bundle).expect("plain data is written as JSON"))
    }

    async fn log_look(&self, person: &Person, verb: &str, by: &By) -> Result<(), ConsentError> {
        let act = self.act(by, verb)?.to(self.object_of(person));
        self.commit(Change::new().then(act_step(&act)?)).await?;
        self.sign_checkpoints_quietly().await;
        Ok(())
    }

    async fn logged(&self, person: &Person) -> Result<Vec<LoggedEvent>, ConsentError> {
        let mut all = Vec::new();
        for subject in person.subjects(self.vault()) {
            all.extend(self.store().evidence_of(&subject).await?);
        }
        all.sort_by_key(|one| one.seq);
        Ok(all)
    }

    /// The texts that events name, each once.
    async fn wordings_of<'a>(
        &self,
        events: impl Iterator<Item = &'a ConsentEvent>,
    ) -> Result<Vec<ShownWording>, ConsentError> {
        let digests = events.flat_map(ConsentEvent::wordings).map(str::to_owned);
        self.shown_wordings(&digests.collect()).await
    }

    /// The texts with these digests, as far as they are known.
    pub(super) async fn shown_wordings(
        &self,
        digests: &BTreeSet<String>,
    ) -> Result<Vec<ShownWording>, ConsentError> {
        let mut shown = Vec::new();
        for text in digests {
            let Some(digest) = WordingDigest::parse(text) else {
                continue;
            };
            let Some(record) = self.store().wording(&digest.0).await? else {
                continue;
            };
            shown.push(ShownWording {
                sha256: text.clone(),
                kind: record.kind,
                list: record.list,
                language: record.language,
                text: record.text,
                first_shown: record.first_shown,
            });
        }
        Ok(shown)
    }

    /// Verifies a log: each event against its leaf, the leaves against the head, and the whole against its newest
    /// checkpoint and against the one that is given.
    ///
    /// # Errors
    /// [`ConsentError::Checkpoint`] if the given checkpoint can't be believed or is of the other log;
    /// [`ConsentError::Store`], also if a row is missing from the log.
    pub async fn verify_log(
        &self,
        log: LogKind,
        against: Option<&str>,
    ) -> Result<LogVerdict, ConsentError> {
        let public = self.vault().checkpoint_public();
        let begin = |text: &str| {
            let signed = SignedCheckpoint::parse(text)?;
            let checkpoint = signed.verify(&public)?;
            if checkpoint.log != log {
                return Err(crate::audit::CheckpointError::Malformed("log"));
            }
            Ok(Comparison::with(checkpoint))
        };
        let mut against = against.map(begin).transpose()?;
        let newest = self.store().newest_checkpoint(log).await?;
        let mut newest = newest.map(|one| begin(&one.text)).transpose()?;
        let mut verdict = LogVerdict {
            log,
            size: 0,
            erased: 0,
            altered: Vec::new(),
            head_fits: false,
            newest: None,
            against: None,
        };
        // Read before the leaves: the log may grow meanwhile.
        let head = self.store().log_head(log).await?;
        let mut frontier = Frontier::new();
        loop {
            let events = self.store().events(log, verdict.size, PAGE).await?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                if event.seq != verdict.size {
                    return Err(cut(log, verdict.size).into());
                }
                if frontier.size() < head.size() {
                    frontier.push(&event.leaf);
                }
                for comparison in [&mut against, &mut newest].into_iter().flatten() {
                    comparison.push(&event.leaf);
                }
                verdict.take(event);
            }
        }
        verdict.head_fits = frontier == head;
        verdict.against = against.map(Comparison::finish);
        verdict.newest = newest.map(Comparison::finish);
        Ok(verdict)
    }

    /// Goes over a log's leaves in order.
    async fn each_leaf(
        &self,
        log: LogKind,
        mut with: impl FnMut(&[u8; 32]),
    ) -> Result<(), ConsentError> {
        let mut from = 0;
        loop {
            let leaves = self.store().leaves(log, from, PAGE).await?;
            if leaves.is_empty() {
                return Ok(());
            }
            leaves.iter().for_each(&mut with);
            from += leaves.len() as u64;
        }
    }
}

fn cut(log: LogKind, seq: u64) -> crate::store::StoreError {
    crate::store::StoreError::LogCut {
        log: log.name(),
        seq: i64::try_from(seq).unwrap_or(i64::MAX),
    }
}

impl LogVerdict {
    fn take(&mut self, logged: &LoggedEvent) {
        self.size += 1;
        let Some((salt, event)) = &logged.event else {
            self.erased += 1;
            return;
        };
        let fits = <&[u8; 32]>::try_from(&salt[..])
            .is_ok_and(|salt| leaf_input(salt, event) == logged.leaf);
        if !fits && self.altered.len() < 100 {
            self.altered.push(logged.seq);
        }
    }
}
