//! New keys, the switch to them, and the end of the old ones. Whether a record is in DNS others find out; here is what
//! follows. Each step is one change with its entry in the audit log: a restart in between goes on where it was.

use jiff::{SignedDuration, Timestamp};

use super::book::{KeySet, Next};
use super::{CertificateError, OwnCertificates, made};
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

impl OwnCertificates {
    /// Makes the next keys; they're served once their records were seen, and others have forgotten the old set of them.
    /// Where next ones wait already, they're kept. `act` goes into the log.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn rotate(&self, act: Step) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        if book.next.is_none() {
            let (number, now) = (book.live.number + 1, self.clock.now());
            book.next = Some(Next {
                set: made(move || KeySet::make(number, now)).await?,
                seen_at: None,
                wait_until: None,
            });
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

    /// Notes that the records of the next keys are in DNS, where they're remembered for `ttl`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn seen(&self, ttl: SignedDuration) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        if !book.seen(self.clock.now(), ttl) {
            return Ok(());
        }
        let act = by_itself("dns seen-tls", &book.next_number(), self.clock.now())?;
        self.take(book, vec![act]).await?;
        tracing::info!(
            "the records of the next TLS keys are in DNS: they're served after two TTLs"
        );
        self.wake.notify_one();
        Ok(())
    }

    /// Forgets the keys before, whose records are gone from DNS.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn forget_retired(&self) -> Result<(), CertificateError> {
        let _changing = self.changing.lock().await;
        let mut book = self.book();
        book.retired.clear();
        self.take(book, Vec::new()).await
    }

    /// Serves the next keys from now on.
    pub(super) async fn switch(&self) -> Result<(), CertificateError> {
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
fn by_itself(verb: &str, number: &str, now: Timestamp) -> Result<Step, CertificateError> {
    let act = Act::new("system", verb, now).to(ActObject::new("tls", number.to_owned()));
    Ok(Step::Append(NewEvent {
        log: LogKind::Audit,
        subject: None,
        event: act.to_canonical()?,
    }))
}
