//! The certificates in use: which one a client gets, and how they change without a restart.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::challenges::{Challenges, is_challenge};
use super::pair::{Pair, PairError};
use super::refused::Refusals;
use crate::clock::Clock;

/// The files of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// The chain, in PEM.
    pub chain: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// They're as they were.
    Unchanged,
    /// New certificates are in use for connections from now on.
    Changed,
}

/// The pairs in use. All doors share them; a change is seen by the next handshake and never by one that is under way.
pub struct Certificates {
    pairs: ArcSwap<Vec<Pair>>,
    watched: Mutex<Watched>,
    challenges: Arc<Challenges>,
    refusals: Arc<Refusals>,
}

/// Pairs that were read again from the files that are watched.
pub struct ReadAgain {
    files: Vec<PairFiles>,
    pairs: Vec<Pair>,
    seen: Vec<Stamp>,
}

#[derive(Default)]
struct Watched {
    files: Vec<PairFiles>,
    seen: Vec<Stamp>,
}

/// What tells a changed file at a glance: a replaced file has another inode, a rewritten one another time or length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    length: u64,
}

impl Stamp {
    fn of(path: &std::path::Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            length: meta.len(),
        })
    }

    fn all(files: &[PairFiles]) -> Option<Vec<Self>> {
        files
            .iter()
            .flat_map(|pair| [&pair.chain, &pair.key])
            .map(|path| Self::of(path))
            .collect()
    }
}

impl Certificates {
    /// Reads pairs from their files, to be watched.
    ///
    /// # Errors
    /// The first [`PairError`].
    pub fn open(files: Vec<PairFiles>, now: Timestamp) -> Result<Arc<Self>, PairError> {
        let (pairs, seen) = read_all(&files, now)?;
        Ok(Arc::new(Self {
            pairs: ArcSwap::from_pointee(pairs),
            watched: Mutex::new(Watched { files, seen }),
            challenges: Arc::default(),
            refusals: Arc::default(),
        }))
    }

    /// Pairs that come from no file that others change: our own, and the tests'.
    pub fn fixed(pairs: Vec<Pair>) -> Arc<Self> {
        Arc::new(Self {
            pairs: ArcSwap::from_pointee(sorted(pairs)),
            watched: Mutex::default(),
            challenges: Arc::default(),
            refusals: Arc::default(),
        })
    }

    /// Serves these from the next handshake on, and watches no file.
    pub fn put(&self, pairs: Vec<Pair>) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = Watched::default();
        self.pairs.store(Arc::new(sorted(pairs)));
    }

    /// Handshakes that came to nothing, at all doors.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// What an ACME authority is answered.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// Reads the files again, changed or not (SIGHUP); what is read isn't served yet.
    ///
    /// # Errors
    /// The first [`PairError`].
    pub fn read_again(&self, now: Timestamp) -> Result<ReadAgain, PairError> {
        let files = self
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .files
            .clone();
        let (pairs, seen) = read_all(&files, now)?;
        Ok(ReadAgain { files, pairs, seen })
    }

    /// Serves what was read again from the next handshake on, unless others are watched by now.
    pub fn take(&self, read: ReadAgain) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !read.files.is_empty() && watched.files == read.files {
            watched.seen = read.seen;
            self.pairs.store(Arc::new(read.pairs));
        }
    }

    /// Reads pairs from other files from now on (a new configuration).
    ///
    /// # Errors
    /// The first [`PairError`]; pairs and files in use stay.
    pub fn replace(&self, files: Vec<PairFiles>, now: Timestamp) -> Result<(), PairError> {
        let (pairs, seen) = read_all(&files, now)?;
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = Watched { files, seen };
        self.pairs.store(Arc::new(pairs));
        Ok(())
    }

    /// Reads the files again if one has changed.
    ///
    /// # Errors
    /// The first [`PairError`]; the pairs in use stay, and the next look tries again: somebody may be replacing the
    /// chain before the key.
    pub fn reload_if_changed(&self, now: Timestamp) -> Result<Reloaded, PairError> {
        let files = {
            let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            if Stamp::all(&watched.files).is_some_and(|stamps| stamps == watched.seen) {
                return Ok(Reloaded::Unchanged);
            }
            watched.files.clone()
        };
        self.replace(files, now).map(|()| Reloaded::Changed)
    }

    /// Looks at the files for ever. The interval is elapsed time, not the clock's: files change whatever time it is. A
    /// pair that can't be read is logged once, and the old one stays in use.
    pub async fn watch(self: Arc<Self>, every: Duration, clock: Clock) {
        let mut last_error = None;
        loop {
            tokio::time::sleep(every).await;
            let (this, now) = (self.clone(), clock.now());
            let look = tokio::task::spawn_blocking(move || this.reload_if_changed(now)).await;
            match look {
                Ok(Ok(Reloaded::Unchanged)) | Err(_) => {}
                Ok(Ok(Reloaded::Changed)) => {
                    last_error = None;
                    tracing::info!("certificates changed: new connections use the new ones");
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if last_error.as_ref() != Some(&text) {
                        tracing::warn!(
                            error = text,
                            next = error.next_step(),
                            "certificates changed, but can't be used: the old ones stay"
                        );
                        last_error = Some(text);
                    }
                }
            }
        }
    }

    /// When the first of the pairs in use ends.
    pub fn expires(&self) -> Option<Timestamp> {
        self.pairs.load().iter().map(Pair::expires).min()
    }

    /// The pairs in use, in order of preference.
    pub fn pairs(&self) -> Arc<Vec<Pair>> {
        self.pairs.load_full()
    }
}

fn read_all(files: &[PairFiles], now: Timestamp) -> Result<(Vec<Pair>, Vec<Stamp>), PairError> {
    // The stamps first: a file that changes while it's read is read again at the next look.
    let seen = Stamp::all(files).unwrap_or_default();
    let pairs: Result<Vec<_>, _> = files
        .iter()
        .map(|pair| Pair::load(&pair.chain, &pair.key, now))
        .collect();
    Ok((sorted(pairs?), seen))
}

fn sorted(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_by_key(Pair::preference);
    pairs
}

impl ResolvesServerCert for Certificates {
    /// The first pair for the asked name whose key the client can verify; if no certificate has the name, or none was
    /// asked for (many mail servers send none), the first that the client can verify.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs.load();
        let usable = |pair: &&Pair| {
            pair.certified()
                .key
                .choose_scheme(hello.signature_schemes())
                .is_some()
        };
        let named = |pair: &&Pair| hello.server_name().is_some_and(|name| pair.serves(name));
        let mut candidates = pairs.iter().filter(usable);
        let pair = pairs
            .iter()
            .filter(usable)
            .find(named)
            .or_else(|| candidates.next());
        pair.map(|pair| pair.certified().clone())
    }
}

/// The certificates on the https port, where an ACME authority may ask for a name of ours.
#[derive(Debug)]
pub(super) struct WithChallenges(pub(super) Arc<Certificates>);

impl ResolvesServerCert for WithChallenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match is_challenge(&hello) {
            true => self.0.challenges.certificate(&hello),
            false => self.0.resolve(hello),
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.pairs.load().len())
    }
}
