//! The party's own certificates: keys that stay the same over renewals, so that what DNS says of them stays right (DANE);
//! certificates for them from an authority (ACME), renewed by themselves; and new keys, when somebody asks for them.
//!
//! | file | |
//! |---|---|
//! | `book` | the keys and when something is due; pure |
//! | `files` | what the doors show while the vault is locked |
//! | `http` | the way to an authority |
//! | `order` | one certificate from an authority |
//! | `refusal` | why there is none, in words |
//! | `work` | what is done by itself, and when it is tried again |
//! | `rotate` | new keys |
//!
//! It knows no configuration file, and how DNS is looked up others know.

mod book;
mod files;
mod http;
mod order;
mod refusal;
mod rotate;
mod work;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::audit::NotCanonical;
use crate::clock::Clock;
use crate::config::ChallengeKind;
use crate::store::{Change, ChangeOutcome, Setting, Step, Store, StoreError};
use crate::tls::{Certificates, KeyKind, SelfMadeError};

pub use self::book::NoPair;
pub use self::files::at_start;
pub use self::http::Http;
pub use self::refusal::Refusal;
pub use self::rotate::Rotation;

use self::book::{Book, Hint, KeySet, Served};

/// The book's name in the store.
const BOOK: &str = "tls-keys";

/// Why certificates can't be looked after.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys in the store are no keys.
    #[error(
        "the TLS keys in the database were altered and can't be used; the certificates in tls.directory stay in use; put back \
         a copy of the database from before they were"
    )]
    Altered,
    /// A key can't be made.
    #[error(transparent)]
    Make(#[from] SelfMadeError),
    /// A key can't be served.
    #[error(transparent)]
    Pair(#[from] NoPair),
    /// The act can't be logged.
    #[error(transparent)]
    Audit(#[from] NotCanonical),
    /// The work was broken off.
    #[error("the TLS keys were not made: the daemon is stopping")]
    Stopped,
}

/// What is looked after, and how.
#[derive(Clone)]
pub struct CertificateSettings {
    /// The names, the host's own first.
    pub names: Vec<String>,
    /// Where keys and certificates lie in files.
    pub directory: PathBuf,
    /// The authority; without one the keys sign for themselves.
    pub acme: Option<AcmeSettings>,
}

/// The authority that certificates come from.
#[derive(Clone)]
pub struct AcmeSettings {
    /// Its directory.
    pub directory: String,
    /// Whom it may write to.
    pub contact: Option<String>,
    /// How it may look whether a name is ours, the first one first.
    pub kinds: Vec<ChallengeKind>,
    /// The way to it.
    pub http: Http,
}

/// What goes wrong, and when it is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Why.
    pub refusal: Refusal,
    /// Since when.
    pub since: Timestamp,
    /// When it's tried again.
    pub again_at: Timestamp,
}

/// Our own certificates. All doors show what this puts into [`Certificates`].
pub struct OwnCertificates {
    store: Store,
    clock: Clock,
    served: Arc<Certificates>,
    settings: ArcSwap<CertificateSettings>,
    /// Held while the book is being changed; the copy is that on the disk.
    changing: tokio::sync::Mutex<()>,
    book: Mutex<Book>,
    trouble: Mutex<Option<Trouble>>,
    /// Why the files are not what is served.
    unwritten: Mutex<Option<String>>,
    hints: Mutex<HashMap<KeyKind, Hint>>,
    wake: Notify,
}

impl std::fmt::Debug for OwnCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnCertificates(..)")
    }
}

impl OwnCertificates {
    /// Reads the keys, or makes them for a new installation, and serves them.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub async fn open(
        store: Store,
        clock: Clock,
        served: Arc<Certificates>,
        settings: CertificateSettings,
    ) -> Result<Arc<Self>, CertificateError> {
        let kept = store.setting(BOOK).await.map_err(|error| match error {
            StoreError::Seal(_) => CertificateError::Altered,
            error => error.into(),
        })?;
        let book = match kept {
            Some(bytes) => Book::read(&bytes).ok_or(CertificateError::Altered)?,
            None => {
                let now = clock.now();
                let book = made(move || Book::new(now)).await?;
                keep(&store, &book, Vec::new()).await?;
                book
            }
        };
        let own = Arc::new(Self {
            store,
            clock,
            served,
            settings: ArcSwap::from_pointee(settings),
            changing: tokio::sync::Mutex::new(()),
            book: Mutex::new(book),
            trouble: Mutex::default(),
            unwritten: Mutex::default(),
            hints: Mutex::default(),
            wake: Notify::new(),
        });
        own.publish().await?;
        Ok(own)
    }

    /// Takes other names or another authority, and sees at once what is to be done about it.
    ///
    /// # Errors
    /// [`CertificateError`] if what is served can't be made anew.
    pub async fn reload(&self, settings: CertificateSettings) -> Result<(), CertificateError> {
        self.settings.store(Arc::new(settings));
        self.publish().await?;
        self.wake.notify_one();
        Ok(())
    }

    fn book(&self) -> Book {
        self.book
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hints(&self) -> MutexGuard<'_, HashMap<KeyKind, Hint>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong at the moment.
    pub fn trouble(&self) -> Option<Trouble> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the files for the locked time can't be written.
    pub fn unwritten(&self) -> Option<String> {
        let unwritten = self.unwritten.lock();
        unwritten.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names that the authority would not have, and why.
    pub fn left_out(&self) -> Vec<(String, String)> {
        let book = self.book();
        let issued = book
            .live
            .keys
            .iter()
            .filter_map(|kept| kept.issued.as_ref());
        let mut all: Vec<_> = issued.flat_map(|issued| issued.left_out.clone()).collect();
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
        all
    }

    /// Whether an authority is asked.
    pub fn is_acme(&self) -> bool {
        self.settings.load().acme.is_some()
    }

    /// When the certificate of the served key of this kind is due to be renewed, if an authority issued one.
    pub fn renews_at(&self, kind: KeyKind) -> Option<Timestamp> {
        let hint = self.hints().get(&kind).copied();
        let book = self.book();
        let kept = book.live.keys.iter().find(|kept| kept.kind == kind)?;
        let issued = kept.issued.as_ref()?;
        Some(book::renew_at(issued, hint))
    }

    /// What is served from the next handshake on, in the doors and in the files.
    async fn publish(&self) -> Result<(), CertificateError> {
        let settings = self.settings.load_full();
        let (mut live, now) = (self.book().live, self.clock.now());
        if settings.acme.is_none() {
            live.keys.iter_mut().for_each(|kept| kept.issued = None);
        }
        let directory = settings.directory.clone();
        let served = tokio::task::spawn_blocking(move || {
            let served = all_served(&live, &settings.names, now)?;
            let written = files::write(&directory, &served);
            Ok::<_, CertificateError>((served, written))
        });
        let (served, written) = served.await.map_err(|_| CertificateError::Stopped)??;
        // What can't be written is missed while the vault is locked, and only then.
        if let Err(error) = &written {
            tracing::error!(%error, "certificates can't be kept for the locked time");
        }
        *self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = written.err().map(|error| error.to_string());
        self.served
            .put(served.into_iter().map(|one| one.pair).collect());
        Ok(())
    }

    /// Keeps a changed book.
    async fn take(&self, book: Book, with: Vec<Step>) -> Result<(), CertificateError> {
        keep(&self.store, &book, with).await?;
        *self.book.lock().unwrap_or_else(PoisonError::into_inner) = book;
        Ok(())
    }
}

fn all_served(
    set: &KeySet,
    names: &[String],
    now: Timestamp,
) -> Result<Vec<Served>, CertificateError> {
    let served = set.keys.iter().map(|kept| kept.pair(names, now));
    Ok(served.collect::<Result<Vec<_>, _>>()?)
}

/// Makes keys where it blocks nobody.
async fn made<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, SelfMadeError> + Send + 'static,
) -> Result<T, CertificateError> {
    let made = tokio::task::spawn_blocking(make).await;
    Ok(made.map_err(|_| CertificateError::Stopped)??)
}

async fn keep(store: &Store, book: &Book, with: Vec<Step>) -> Result<(), CertificateError> {
    let put = Step::PutSetting(Setting {
        name: BOOK.into(),
        value: book.write(),
    });
    // Nothing guards it: one service has the store, and holds the book while it changes it.
    match store.change(Change::new().then(put).then_all(with)).await? {
        ChangeOutcome::Done => Ok(()),
        ChangeOutcome::Conflict => Err(StoreError::Record { table: "setting" }.into()),
    }
}
