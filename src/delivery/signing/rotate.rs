//! New keys, the switch to them, and the end of the old ones. Whether a record is in DNS others find out; here is what
//! follows. Each step is one change with its entry in the audit log: a restart in between goes on where it was.

use jiff::Timestamp;

use super::book::Book;
use super::{PairId, Phase, Signing, SigningError, Stream, keep, signer};
use crate::address::Domain;
use crate::audit::{Act, ActObject, LogKind};
use crate::store::{NewEvent, Step};

/// Which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Of this domain; none is all.
    pub domain: Option<Domain>,
    /// For this kind of mail; none is all.
    pub stream: Option<Stream>,
}

impl Which {
    /// Whether a pair is among them.
    pub fn has(&self, pair: &PairId) -> bool {
        let domain = pair.domain.is_none() || self.domain.is_none() || self.domain == pair.domain;
        domain && (pair.stream.is_none() || self.stream.is_none() || self.stream == pair.stream)
    }
}

impl Signing {
    /// Makes new keys; they sign nothing before [`Signing::switch`]. Where new ones wait already, they're kept. `act` goes
    /// into the log.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn rotate(
        &self,
        which: &Which,
        act: Step,
        now: Timestamp,
    ) -> Result<(), SigningError> {
        let _changing = self.changing.lock().await;
        if !self.broken.is_empty() {
            return Err(SigningError::Broken);
        }
        if let Some(domain) = which
            .domain
            .as_ref()
            .filter(|one| !self.domains.contains(one))
        {
            return Err(SigningError::NotOurs(domain.clone()));
        }
        let mut book = self.book();
        let mut wanted = Vec::new();
        for domain in &self.domains {
            for stream in Stream::ALL {
                let asked = which.domain.as_ref().is_none_or(|one| one == domain)
                    && which.stream.is_none_or(|one| one == stream);
                if asked && book.next(domain, stream).is_none() {
                    wanted.push((domain.clone(), stream));
                }
            }
        }
        let made = keep::make(&book, &wanted, &self.selectors, now).await?;
        book.pairs.extend(made);
        self.take(book, vec![act]).await
    }

    /// The pairs that wait for their records to be seen in DNS.
    pub fn waiting(&self) -> Vec<PairId> {
        self.in_phase(Phase::Next, Timestamp::MIN)
    }

    /// The pairs whose records may be gone from DNS.
    pub fn removable(&self, now: Timestamp) -> Vec<PairId> {
        self.in_phase(Phase::Removable, now)
    }

    fn in_phase(&self, phase: Phase, now: Timestamp) -> Vec<PairId> {
        let book = self.book();
        let pairs = book.pairs.iter();
        pairs
            .filter(|pair| pair.phase(now) == phase)
            .map(super::book::Pair::id)
            .collect()
    }

    /// Signs with this pair from now on: its records were seen. Its forerunner's private keys are gone with that.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn switch(&self, pair: &PairId, now: Timestamp) -> Result<bool, SigningError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        let (Some(domain), Some(stream)) = (&pair.domain, pair.stream) else {
            return Ok(false);
        };
        let is_next = book
            .next(domain, stream)
            .is_some_and(|next| next.id() == *pair);
        if !is_next || !book.switch(domain, stream, &self.domains, now) {
            return Ok(false);
        }
        let act = by_itself("dns switch-dkim", pair, now)?;
        self.take(book, vec![act]).await?;
        tracing::info!(
            domain = domain.as_str(),
            stream = stream.as_str(),
            "signing with new keys"
        );
        Ok(true)
    }

    /// Forgets a pair whose time is over and whose records are gone from DNS.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn forget(&self, pair: &PairId, now: Timestamp) -> Result<bool, SigningError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        if !book.forget(pair, now) {
            return Ok(false);
        }
        let act = by_itself("dns forget-dkim", pair, now)?;
        self.take(book, vec![act]).await?;
        Ok(true)
    }

    /// Keeps the new book, then signs by it.
    async fn take(&self, book: Book, with: Vec<Step>) -> Result<(), SigningError> {
        // Made before it is kept: a book that can't be signed by is not.
        let mut signers = Vec::new();
        for ((domain, stream), cell) in &self.signers {
            signers.push((cell, signer(&book, domain, *stream)?));
        }
        keep::write(&self.store, &book, with).await?;
        for (cell, signer) in signers {
            cell.0.store(signer);
        }
        *self
            .book
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = book;
        Ok(())
    }
}

/// What the service did by itself, for the log.
fn by_itself(verb: &str, pair: &PairId, now: Timestamp) -> Result<Step, SigningError> {
    let domain = pair.domain.as_ref().map_or("all", Domain::as_str);
    let stream = pair.stream.map_or("all", Stream::as_str);
    let what = format!("{domain} {stream}{}", pair.number);
    let act = Act::new("system", verb, now).to(ActObject::new("dkim", what));
    Ok(Step::Append(NewEvent {
        log: LogKind::Audit,
        subject: None,
        event: act.to_canonical()?,
    }))
}
