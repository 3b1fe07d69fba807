//! The book in the store: read, or made for a new installation, or begun from the two keys of an older one. What is
//! altered is never made anew: its public half stands in DNS.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::book::{Book, Half, Pair, Private};
use super::{Selectors, SigningError, Stream};
use crate::address::Domain;
use crate::message::dkim::{KeyError, SigningKey};
use crate::store::{Change, ChangeOutcome, Setting, Step, Store, StoreError};

/// The book.
pub(super) const BOOK: &str = "dkim-keys";
/// The keys of installations from before there was a book.
const RSA: &str = "dkim-rsa";
const ED25519: &str = "dkim-ed25519";

type KeyBytes = Zeroizing<Vec<u8>>;

/// What was found.
pub(super) struct Kept {
    pub(super) book: Book,
    /// What was altered, and what that means.
    pub(super) broken: Vec<String>,
}

/// Reads the book, and makes what it lacks for these domains.
pub(super) async fn read(
    store: &Store,
    domains: &[Domain],
    selectors: &Selectors,
    now: Timestamp,
) -> Result<Kept, SigningError> {
    let mut kept = match setting(store, BOOK).await {
        Ok(None) => older(store, selectors, now).await?,
        Ok(Some(bytes)) => Kept {
            book: Book::read(&bytes).ok_or(StoreError::Record { table: "setting" })?,
            broken: Vec::new(),
        },
        Err(error @ SigningError::Altered { .. }) => Kept {
            book: Book::default(),
            broken: vec![format!("{error}; mail to others waits until then")],
        },
        Err(error) => return Err(error),
    };
    if kept.broken.is_empty() && fill(&mut kept.book, domains, selectors, now).await? {
        write(store, &kept.book, Vec::new()).await?;
        tracing::info!("made new DKIM keys: publish their records");
    }
    Ok(kept)
}

/// A setting. One that doesn't open is named.
async fn setting(store: &Store, name: &'static str) -> Result<Option<KeyBytes>, SigningError> {
    let found = store.setting(name).await.map_err(|error| match error {
        StoreError::Seal(source) => SigningError::Altered { name, source },
        error => error.into(),
    })?;
    // Emptied when its time was over.
    Ok(found.filter(|bytes| !bytes.is_empty()))
}

/// Begins the book with the keys of an older installation, whose one pair serves everything until it is rotated. Without
/// the RSA key, the one that every receiver checks, nothing can be signed; without the other mail goes out as from those
/// who have one key.
async fn older(store: &Store, selectors: &Selectors, now: Timestamp) -> Result<Kept, SigningError> {
    let mut broken = Vec::new();
    let mut halves = Vec::new();
    for (name, selector, means) in [
        (RSA, &selectors.rsa, "mail to others waits until then"),
        (
            ED25519,
            &selectors.ed25519,
            "mail is signed with the RSA key alone until then",
        ),
    ] {
        match setting(store, name).await {
            Err(error @ SigningError::Altered { .. }) => broken.push(format!("{error}; {means}")),
            Err(error) => return Err(error),
            Ok(None) => {}
            Ok(Some(der)) => halves.push((name, half(selector, &SigningKey::from_pkcs8(&der)?)?)),
        }
    }
    let mut book = Book::default();
    if halves.iter().any(|(name, _)| *name == RSA) {
        let halves = halves.into_iter().map(|(_, half)| half).collect();
        let mut first = Pair::new(None, None, 0, halves, now);
        first.live_at = Some(now);
        book.pairs.push(first);
        // Where a key is missing for now, the book is begun once it is back.
        if broken.is_empty() {
            write(store, &book, Vec::new()).await?;
        }
    }
    Ok(Kept { book, broken })
}

fn half(selector: &str, key: &SigningKey) -> Result<Half, KeyError> {
    Ok(Half {
        selector: selector.to_owned(),
        record: key.record()?,
        private: Some(Private::of(key)?),
    })
}

/// Makes a pair that signs at once wherever none does: of a new installation, or of a domain that is new. Says whether
/// there was need.
async fn fill(
    book: &mut Book,
    domains: &[Domain],
    selectors: &Selectors,
    now: Timestamp,
) -> Result<bool, SigningError> {
    let mut missing = Vec::new();
    for domain in domains {
        let streams = Stream::ALL.into_iter();
        let alone = streams.filter(|stream| book.live(domain, *stream).is_none());
        missing.extend(alone.map(|stream| (domain.clone(), stream)));
    }
    for pair in make(book, &missing, selectors, now).await? {
        let mut pair = pair;
        pair.live_at = Some(now);
        book.pairs.push(pair);
    }
    Ok(!missing.is_empty())
}

/// New pairs for these domains and kinds of mail.
pub(super) async fn make(
    book: &Book,
    of: &[(Domain, Stream)],
    selectors: &Selectors,
    now: Timestamp,
) -> Result<Vec<Pair>, SigningError> {
    let mut making = Vec::new();
    for (domain, stream) in of {
        let (domain, stream) = (domain.clone(), *stream);
        let number = book.number(&domain, stream);
        let name = move |base: &str| format!("{base}-{stream}{number}");
        let (rsa, ed25519) = (name(&selectors.rsa), name(&selectors.ed25519));
        making.push(tokio::task::spawn_blocking(move || {
            let halves = vec![
                half(&rsa, &SigningKey::generate_rsa()?)?,
                half(&ed25519, &SigningKey::generate_ed25519()?)?,
            ];
            Ok::<_, KeyError>(Pair::new(Some(domain), Some(stream), number, halves, now))
        }));
    }
    let mut made = Vec::with_capacity(making.len());
    for pair in making {
        made.push(pair.await.map_err(|_| SigningError::Stopped)??);
    }
    Ok(made)
}

/// Keeps the book, with what goes into the log for it.
pub(super) async fn write(store: &Store, book: &Book, with: Vec<Step>) -> Result<(), SigningError> {
    let put = |name, value| Step::PutSetting(Setting { name, value });
    let mut change = Change::new()
        .then(put(BOOK.into(), book.write()))
        .then_all(with);
    let over = |pair: &Pair| pair.domain.is_some() || pair.retired_at.is_some();
    if book.pairs.iter().all(over) {
        // What the first pair was taken from goes with it.
        for name in [RSA, ED25519] {
            if setting(store, name).await?.is_some() {
                change = change.then(put(name.into(), Zeroizing::default()));
            }
        }
    }
    // Nothing guards it: one service has the store, and holds the book while it changes it.
    match store.change(change).await? {
        ChangeOutcome::Done => Ok(()),
        ChangeOutcome::Conflict => Err(StoreError::Record { table: "setting" }.into()),
    }
}
