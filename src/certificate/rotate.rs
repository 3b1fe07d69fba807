//! New keys, the switch to them, and the end of the old ones. Whether a record is in DNS others find out; here is what
//! follows. Each step is one change with its entry in the audit log: a restart in between goes on where it was.

use std::pin::Pin;
use std::sync::Weak;

use jiff::{SignedDuration, Timestamp};

use super::book::{KeySet, Next};
use super::{CertificateError, OwnCertificates, Refusal, made};
use crate::audit::{Act, ActObject, LogKind};
use crate::store::{NewEvent, Step};

/// How a rotation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// What the records of the new keys hold.
    pub digests: Vec<[u8; 32]>,
    /// When all of them were seen in DNS.
    pub seen_at: Option<Timestamp>,
    /// When the new keys are served at the earliest.
    pub not_before: Option<Timestamp>,
}

/// What is found in DNS of the records of some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// All of them, at each of the zone's name servers that answers.
    All,
    /// No record of any key.
    None,
    /// Some are not there, and where.
    Missing(String),
    /// It can't be known, and why.
    Unknown(String),
}

/// A look that is under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Found> + Send + 'a>>;

/// Looks in DNS, past all caches.
pub trait Records: Send + Sync {
    /// What is there of the records of these keys.
    fn look<'a>(&'a self, digests: &'a [[u8; 32]]) -> Looking<'a>;
}

impl OwnCertificates {
    /// Makes the next keys; they're served once their records were seen, and others have forgotten the old set of them,
    /// which they may remember for `ttl` as it is now, if that is known. Where next ones wait already, they're kept. `act`
    /// goes into the log.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn rotate(
        &self,
        act: Step,
        ttl: Option<SignedDuration>,
    ) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        if book.next.is_none() {
            let (number, now) = (book.live.number + 1, self.clock.now());
            let set = made(move || KeySet::make(number, now)).await?;
            book.next = Some(Next::of(set, ttl));
        }
        self.take(book, vec![act]).await
    }

    /// The rotation that is under way.
    pub fn rotation(&self) -> Option<Rotation> {
        self.book().next.map(|next| Rotation {
            digests: next.set.digests(),
            seen_at: next.seen_at,
            not_before: next.wait_until,
        })
    }

    /// What the records of the keys hold that were served before: they can be taken out of DNS.
    pub fn retired(&self) -> Vec<[u8; 32]> {
        self.book().retired
    }

    /// Notes that the records of the next keys are in DNS, where they're remembered for `ttl`; without one, that they wait
    /// for none, since there never were any.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn seen(&self, ttl: Option<SignedDuration>) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        if !book.seen(self.clock.now(), ttl.unwrap_or_default()) {
            return Ok(());
        }
        if let Some(next) = &mut book.next {
            next.unpublished = ttl.is_none();
        }
        let act = by_itself("dns seen-tls", &book.next_number(), self.clock.now())?;
        self.take(book, vec![act]).await?;
        tracing::info!(
            "the records of the next TLS keys are in DNS: they're served after two TTLs"
        );
        self.wake.notify_one();
        Ok(())
    }

    /// Forgets keys from before whose records were seen to be gone from DNS.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn forget_retired(&self, gone: &[[u8; 32]]) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        match book.forget(gone) {
            true => self.take(book, Vec::new()).await,
            false => Ok(()),
        }
    }

    /// Serves the next keys if their records are still in DNS; where those were taken out again, they're waited for anew.
    pub(super) async fn switch_if_published(&self) -> Result<(), Refusal> {
        let Some(next) = self.book().next else {
            return Ok(());
        };
        let found = match self.records.get().and_then(Weak::upgrade) {
            Some(records) => records.look(&next.set.digests()).await,
            None => Found::All,
        };
        let why = match found {
            Found::All => return Ok(self.switch().await?),
            Found::None if next.unpublished => return Ok(self.switch().await?),
            Found::None => "there is none".to_owned(),
            Found::Missing(why) => why,
            Found::Unknown(why) => {
                let why = format!("the TLSA records of the next keys can't be looked up: {why}");
                return Err(Refusal::odd(why));
            }
        };
        tracing::warn!(
            why,
            "the records of the next TLS keys are in DNS no more: they're waited for again"
        );
        Ok(self.unseen().await?)
    }

    async fn unseen(&self) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        if !book.unseen() {
            return Ok(());
        }
        let act = by_itself("dns unseen-tls", &book.next_number(), self.clock.now())?;
        self.take(book, vec![act]).await
    }

    /// Serves the next keys from now on.
    async fn switch(&self) -> Result<(), CertificateError> {
        {
            let _changing = self.changing.lock().await;
            let mut book = self.book();
            let number = book.next_number();
            if !book.switch() {
                return Ok(());
            }
            let act = by_itself("dns switch-tls", &number, self.clock.now())?;
            self.take(book, vec![act]).await?;
        }
        self.hints().clear();
        self.publish().await?;
        tracing::info!("new TLS keys are served");
        Ok(())
    }
}

impl super::Book {
    fn next_number(&self) -> String {
        let next = self.next.as_ref().map_or(0, |next| next.set.number);
        next.to_string()
    }
}

/// What the service did by itself, for the log.
pub(super) fn by_itself(
    verb: &str,
    number: &str,
    now: Timestamp,
) -> Result<Step, CertificateError> {
    let act = Act::new("system", verb, now).to(ActObject::new("tls", number.to_owned()));
    Ok(Step::Append(NewEvent {
        log: LogKind::Audit,
        subject: None,
        event: act.to_canonical()?,
    }))
}
