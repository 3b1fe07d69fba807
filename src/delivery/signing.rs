//! DKIM for all that leaves: a signer for each of our domains and kinds of mail, and the threads that sign.
//!
//! | file | |
//! |---|---|
//! | `stream` | the kinds of mail |
//! | `book` | which keys sign, follow and have signed; pure |
//! | `keep` | the book in the store, made or read |
//! | `rotate` | new keys, the switch to them, the end of the old |
//! | `hash` | a message read for its signature |
//!
//! A signature is the dearest step of a send, a quarter of a millisecond of a core. It is made where blocking is fine, on
//! as many threads as there are cores, so that a mailing can't push everything else off the processor.

mod book;
mod hash;
mod keep;
mod rotate;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::address::Domain;
use crate::audit::NotCanonical;
use crate::message::dkim::{Algorithm, HeaderSet, KeyError, SignError, Signer, SigningTime};
use crate::store::{BodyReader, Store, StoreError};
use crate::vault::OpenError;

pub use book::{KEPT_FOR, PairId, Phase};
pub use hash::{HashedMessage, MessageHasher};
pub use rotate::Which;
pub use stream::{NoStream, Stream};

use book::{Book, algorithm_of, keep_until};
use hash::LONGEST_HEADER;

/// Why mail can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The keys could not be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A kept key does not open.
    #[error(
        "the DKIM keys \"{name}\" in the database were altered and can't be used ({source}); stop the service and put back \
         a copy of the database from before they were"
    )]
    Altered {
        /// Which setting.
        name: &'static str,
        /// Why.
        source: OpenError,
    },
    /// A kept key is no key, or none could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The message or the settings don't allow it.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No domain to sign for.
    #[error("no domain to sign for: set `domains` in the configuration")]
    NoDomain,
    /// Not one of ours.
    #[error("{0} is none of the domains in the configuration: `hustings dns dkim` shows them")]
    NotOurs(Domain),
    /// The keys can't be changed while they can't be read.
    #[error("the DKIM keys in the database can't be read: `hustings status` says more")]
    Broken,
    /// A header that nobody writes.
    #[error("the message's header is longer than {LONGEST_HEADER} bytes and can't be signed")]
    HeaderTooLong,
    /// The act can't be logged.
    #[error(transparent)]
    Audit(#[from] NotCanonical),
    /// The signing thread ended.
    #[error("signing was broken off: the daemon is stopping")]
    Stopped,
}

/// The names that selectors begin with: `NAME-list1` is the first of the kind `list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selectors {
    /// Of RSA keys, which every receiver checks.
    pub rsa: String,
    /// Of Ed25519 keys.
    pub ed25519: String,
}

/// A TXT record that stands, or is to stand, in DNS at `SELECTOR._domainkey.DOMAIN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Of which pair.
    pub pair: PairId,
    /// For which domain.
    pub domain: Domain,
    /// The selector.
    pub selector: String,
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// The record's text; whoever writes the zone cuts it into strings.
    pub text: String,
    /// Where its pair stands.
    pub phase: Phase,
    /// When the key was made; of the first pair of an older installation, when it was taken over.
    pub made_at: Timestamp,
    /// Since when it signs.
    pub live_at: Option<Timestamp>,
    /// Until when the record stays, if it signs no more.
    pub keep_until: Option<Timestamp>,
}

impl KeyRecord {
    /// The record's name.
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

/// The signer in force. Clones see the same one, after a rotation as well.
#[derive(Debug, Clone)]
pub struct SignerCell(Arc<ArcSwap<Signer>>);

impl SignerCell {
    /// The signer, as it is now.
    pub fn now(&self) -> Arc<Signer> {
        self.0.load_full()
    }
}

impl From<Arc<Signer>> for SignerCell {
    fn from(signer: Arc<Signer>) -> Self {
        Self(Arc::new(ArcSwap::new(signer)))
    }
}

/// Signs for all our domains.
pub struct Signing {
    store: Store,
    domains: Vec<Domain>,
    selectors: Selectors,
    signers: HashMap<(Domain, Stream), SignerCell>,
    /// Held while the book is being changed; the copy is that on the disk.
    changing: tokio::sync::Mutex<()>,
    book: Mutex<Book>,
    threads: Arc<Semaphore>,
    broken: Vec<String>,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signing")
            .field("domains", &self.domains)
            .finish_non_exhaustive()
    }
}

impl Signing {
    /// Reads the keys, making what isn't there. The first domain signs for what is from no domain of ours.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn open(
        store: &Store,
        domains: &[Domain],
        selectors: &Selectors,
        now: Timestamp,
    ) -> Result<Self, SigningError> {
        if domains.is_empty() {
            return Err(SigningError::NoDomain);
        }
        let kept = keep::read(store, domains, selectors, now).await?;
        for broken in &kept.broken {
            tracing::error!(broken, "signing keys can't be used");
        }
        let mut signers = HashMap::new();
        for domain in domains {
            for stream in Stream::ALL {
                let signer = signer(&kept.book, domain, stream)?;
                signers.insert((domain.clone(), stream), SignerCell::from(signer));
            }
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            store: store.clone(),
            domains: domains.to_vec(),
            selectors: selectors.clone(),
            signers,
            changing: tokio::sync::Mutex::new(()),
            book: Mutex::new(kept.book),
            threads: Arc::new(Semaphore::new(cores)),
            broken: kept.broken,
        })
    }

    fn book(&self) -> Book {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.clone()
    }

    /// What can't be signed with, and what that means: for `status`.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// All keys, as they stand at this time: what has to be in DNS, and what may go from it.
    pub fn records(&self, now: Timestamp) -> Vec<KeyRecord> {
        let book = self.book();
        let mut records = Vec::new();
        for pair in &book.pairs {
            let domains = self.domains.iter();
            let served =
                domains.filter(|domain| pair.domain.as_ref().is_none_or(|own| own == *domain));
            for domain in served {
                records.extend(pair.halves.iter().map(|half| KeyRecord {
                    pair: pair.id(),
                    domain: domain.clone(),
                    selector: half.selector.clone(),
                    algorithm: algorithm_of(&half.record),
                    text: half.record.clone(),
                    phase: pair.phase(now),
                    made_at: pair.made_at,
                    live_at: pair.live_at,
                    keep_until: pair.retired_at.map(keep_until),
                }));
            }
        }
        let order = |record: &KeyRecord| (record.pair.stream, record.pair.number);
        let place = |domain: &Domain| self.domains.iter().position(|own| own == domain);
        records.sort_by_key(|record| (place(&record.domain), order(record)));
        records
    }

    /// The signer of a kind of mail from a domain; of the first domain if it isn't ours.
    pub fn signer(&self, stream: Stream, domain: Option<&Domain>) -> SignerCell {
        let own = domain.and_then(|domain| self.signers.get(&(domain.clone(), stream)));
        own.or_else(|| self.signers.get(&(self.domains[0].clone(), stream)))
            .cloned()
            .unwrap_or_else(|| Arc::new(Signer::without_keys("")).into())
    }

    /// Does work that signs where it blocks nobody, when a core is free for it.
    ///
    /// # Errors
    /// [`SigningError::Stopped`].
    pub async fn run<R: Send + 'static>(
        &self,
        signer: SignerCell,
        work: impl FnOnce(&Signer) -> R + Send + 'static,
    ) -> Result<R, SigningError> {
        let place = self.threads.clone().acquire_owned().await;
        let place = place.map_err(|_| SigningError::Stopped)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&signer.now());
            drop(place);
            done
        });
        working.await.map_err(|_| SigningError::Stopped)
    }

    /// Signs a message that was read through a [`MessageHasher`]: the fields that go before it, for the domain of its
    /// From.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn sign(
        &self,
        stream: Stream,
        read: HashedMessage,
        time: SigningTime,
    ) -> Result<String, SigningError> {
        let domain = read.author_domain();
        let fields = self
            .run(self.signer(stream, domain.as_ref()), move |signer| {
                signer.sign(&read.header, &read.body, HeaderSet::Message, time)
            })
            .await??;
        // The signer writes ASCII.
        String::from_utf8(fields).map_err(|_| SignError::Failed.into())
    }

    /// Signs a stored message, reading it once.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn sign_stored(
        &self,
        stream: Stream,
        mut body: BodyReader,
        time: SigningTime,
    ) -> Result<String, SigningError> {
        let mut hasher = MessageHasher::new();
        while let Some(chunk) = body.next().await? {
            hasher.update(&chunk)?;
        }
        self.sign(stream, hasher.finish(), time).await
    }
}

/// The signer that the book says.
fn signer(book: &Book, domain: &Domain, stream: Stream) -> Result<Arc<Signer>, SigningError> {
    let live = book.live(domain, stream);
    let keys = live
        .map(book::Pair::selected)
        .transpose()?
        .unwrap_or_default();
    Ok(Arc::new(match keys.is_empty() {
        true => Signer::without_keys(domain.as_str()),
        false => Signer::new(domain.as_str(), keys)?,
    }))
}

#[cfg(test)]
mod tests;
