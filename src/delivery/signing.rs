//! DKIM for all that leaves: the keys in sealed settings, a signer for each of our domains, and the threads that sign.
//!
//! A signature is the dearest step of a send, a quarter of a millisecond of a core. It is made where blocking is fine, on
//! as many threads as there are cores, so that a mailing can't push everything else off the processor.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::address::Domain;
use crate::message::dkim::{
    BodyHasher, HeaderSet, KeyError, SelectedKey, SignError, Signer, SigningKey, SigningTime,
};
use crate::store::{BodyReader, Change, ChangeOutcome, Setting, Step, Store, StoreError};
use crate::vault::OpenError;

const RSA: &str = "dkim-rsa";
const ED25519: &str = "dkim-ed25519";
/// The longest header that is held to be signed.
const LONGEST_HEADER: usize = 256 * 1024;

/// Why mail can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The keys could not be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A kept key does not open.
    #[error(
        "the DKIM key \"{name}\" in the database was altered and can't be used ({source}); stop the service and put back a \
         copy of the database from before it was"
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
    /// A header that nobody writes.
    #[error("the message's header is longer than {LONGEST_HEADER} bytes and can't be signed")]
    HeaderTooLong,
    /// The signing thread ended.
    #[error("signing was broken off: the daemon is stopping")]
    Stopped,
}

/// The selectors under which the public keys stand in DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selectors {
    /// Of the RSA key, which every receiver checks.
    pub rsa: String,
    /// Of the Ed25519 key.
    pub ed25519: String,
}

/// A TXT record that has to stand in DNS at `SELECTOR._domainkey.DOMAIN`, for each of our domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The selector.
    pub selector: String,
    /// The record's text; whoever writes the zone cuts it into strings.
    pub text: String,
}

/// Signs for all our domains.
#[derive(Debug)]
pub struct Signing {
    signers: HashMap<Domain, Arc<Signer>>,
    first: Arc<Signer>,
    records: Vec<KeyRecord>,
    threads: Arc<Semaphore>,
    broken: Vec<String>,
}

impl Signing {
    /// Reads the keys, making them if there are none. The first domain signs for what is from no domain of ours.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn open(
        store: &Store,
        domains: &[Domain],
        selectors: &Selectors,
    ) -> Result<Self, SigningError> {
        let keys = keys(store).await?;
        for broken in &keys.broken {
            tracing::error!(broken, "a signing key can't be used");
        }
        let mut signers = HashMap::with_capacity(domains.len());
        for domain in domains {
            let signer = match &keys.rsa {
                Some(_) => Signer::new(domain.as_str(), selected(&keys, selectors)?)?,
                None => Signer::without_keys(domain.as_str()),
            };
            let signer = Arc::new(signer);
            signers.insert(domain.clone(), signer);
        }
        let first = domains.first().and_then(|domain| signers.get(domain));
        let first = first.cloned().ok_or(SigningError::NoDomain)?;
        let records = selected(&keys, selectors)?
            .into_iter()
            .map(|key| {
                Ok(KeyRecord {
                    text: key.key.record()?,
                    selector: key.selector,
                })
            })
            .collect::<Result<_, KeyError>>()?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            signers,
            first,
            records,
            threads: Arc::new(Semaphore::new(cores)),
            broken: keys.broken,
        })
    }

    /// What can't be signed with, and what that means: for `status`.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// What has to stand in DNS.
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// The signer of a domain, or of the first if it isn't ours.
    pub fn signer(&self, domain: Option<&Domain>) -> Arc<Signer> {
        domain
            .and_then(|domain| self.signers.get(domain))
            .unwrap_or(&self.first)
            .clone()
    }

    /// Does work that signs where it blocks nobody, when a core is free for it.
    ///
    /// # Errors
    /// [`SigningError::Stopped`].
    pub async fn run<R: Send + 'static>(
        &self,
        domain: Option<&Domain>,
        work: impl FnOnce(&Signer) -> R + Send + 'static,
    ) -> Result<R, SigningError> {
        let signer = self.signer(domain);
        let place = self.threads.clone().acquire_owned().await;
        let place = place.map_err(|_| SigningError::Stopped)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&signer);
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
        read: HashedMessage,
        time: SigningTime,
    ) -> Result<String, SigningError> {
        let domain = read.author_domain();
        let fields = self
            .run(domain.as_ref(), move |signer| {
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
        mut body: BodyReader,
        time: SigningTime,
    ) -> Result<String, SigningError> {
        let mut hasher = MessageHasher::new();
        while let Some(chunk) = body.next().await? {
            hasher.update(&chunk)?;
        }
        self.sign(hasher.finish(), time).await
    }
}

type KeyBytes = Zeroizing<Vec<u8>>;

/// The keys as they were found.
struct Keys {
    rsa: Option<KeyBytes>,
    ed25519: Option<KeyBytes>,
    /// Which were altered, and what that means.
    broken: Vec<String>,
}

/// The kept keys, or new ones. Without the RSA key, the one that every receiver checks, nothing can be signed; without
/// the other mail goes out as from those who have one key.
async fn keys(store: &Store) -> Result<Keys, SigningError> {
    loop {
        let mut broken = Vec::new();
        let mut found = Vec::new();
        for (name, means) in [
            (RSA, "mail to others waits until then"),
            (ED25519, "mail is signed with the RSA key alone until then"),
        ] {
            found.push(match kept(store, name).await {
                Err(error @ SigningError::Altered { .. }) => {
                    broken.push(format!("{error}; {means}"));
                    None
                }
                kept => kept?,
            });
        }
        if let (Some(ed25519), Some(rsa)) = (found.pop(), found.pop())
            && (!broken.is_empty() || (rsa.is_some() && ed25519.is_some()))
        {
            return Ok(Keys {
                rsa,
                ed25519,
                broken,
            });
        }
        let made = tokio::task::spawn_blocking(|| {
            let rsa = SigningKey::generate_rsa()?.to_pkcs8()?;
            let ed25519 = SigningKey::generate_ed25519()?.to_pkcs8()?;
            Ok::<_, KeyError>((rsa, ed25519))
        });
        let (rsa, ed25519) = made.await.map_err(|_| SigningError::Stopped)??;
        let put = |name: &'static str, value: KeyBytes| {
            let name = name.into();
            Step::PutSetting(Setting { name, value })
        };
        let change = Change::new()
            .then(put(RSA, rsa))
            .then(put(ED25519, ed25519));
        if store.change(change).await? == ChangeOutcome::Done {
            tracing::info!("made new DKIM keys: publish their records");
        }
    }
}

/// A kept key. One that doesn't open is not made anew: its public half stands in DNS.
async fn kept(store: &Store, name: &'static str) -> Result<Option<KeyBytes>, SigningError> {
    store.setting(name).await.map_err(|error| match error {
        StoreError::Seal(source) => SigningError::Altered { name, source },
        error => error.into(),
    })
}

/// The keys that can be used, with their selectors.
fn selected(keys: &Keys, selectors: &Selectors) -> Result<Vec<SelectedKey>, KeyError> {
    let all = [
        (&selectors.rsa, &keys.rsa),
        (&selectors.ed25519, &keys.ed25519),
    ];
    all.into_iter()
        .filter_map(|(selector, der)| Some((selector, der.as_ref()?)))
        .map(|(selector, der)| {
            Ok(SelectedKey {
                selector: selector.clone(),
                key: SigningKey::from_pkcs8(der)?,
            })
        })
        .collect()
}

/// Reads a message that is streamed past, for its signature: the header is kept, the body only hashed.
#[derive(Default)]
pub struct MessageHasher {
    header: Vec<u8>,
    body: Option<BodyHasher>,
}

impl std::fmt::Debug for MessageHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageHasher(..)")
    }
}

impl MessageHasher {
    /// At the first byte of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, however the message is cut.
    ///
    /// # Errors
    /// [`SigningError::HeaderTooLong`].
    pub fn update(&mut self, chunk: &[u8]) -> Result<(), SigningError> {
        if let Some(body) = &mut self.body {
            body.update(chunk);
            return Ok(());
        }
        let from = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(chunk);
        if let Some(end) = header_end(&self.header, from) {
            let mut body = BodyHasher::new();
            body.update(&self.header[end..]);
            self.header.truncate(end);
            self.body = Some(body);
        }
        if self.header.len() > LONGEST_HEADER {
            return Err(SigningError::HeaderTooLong);
        }
        Ok(())
    }

    /// At the end of the message.
    pub fn finish(self) -> HashedMessage {
        HashedMessage {
            header: self.header,
            body: self.body.unwrap_or_default().finish(),
        }
    }
}

/// Where the body begins.
fn header_end(bytes: &[u8], from: usize) -> Option<usize> {
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    memchr::memmem::find(&bytes[from..], b"\r\n\r\n").map(|at| from + at + 4)
}

/// What a signature needs of a message.
pub struct HashedMessage {
    header: Vec<u8>,
    body: [u8; 32],
}

impl std::fmt::Debug for HashedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashedMessage(..)")
    }
}

impl HashedMessage {
    /// The header, with the empty line at its end.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The domain of the address in From, so that the signature is aligned with it (RFC 9989).
    fn author_domain(&self) -> Option<Domain> {
        let inspected = crate::message::inspect::inspect(
            &self.header,
            &crate::message::mime::Limits::default(),
        )
        .ok()?;
        let address = &inspected.from.first()?.address;
        Domain::parse(address.rsplit_once('@')?.1).ok()
    }
}

#[cfg(test)]
mod tests;
