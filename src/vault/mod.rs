//! The vault: the root key, the key ring, sealing, indexes and tokens.
//!
//! It turns plain bytes into bytes that may lie on the disk, and a few identifiers into strings that may lie in a
//! stranger's inbox. It knows nobody: no store, no list, no address; whoever calls it says what is sealed and where.
//!
//! | file | what it holds |
//! |---|---|
//! | `root` | where the root key comes from, and what each source protects against |
//! | `ring` | the data keys, per purpose and generation, wrapped by the root key |
//! | `seal` | sealed values: encryption bound to the place where the value lies |
//! | `index` | keyed hashes to look things up by |
//! | `token` | the strings in links, return paths and Message-IDs |
//! | `secret_box` | sealing to the vault's public key, while the vault is locked |
//! | `stream` | sealed files of any length, for somebody elsewhere |
//! | `sheet` | the recovery sheet, printed and read back |

pub(crate) mod base32;
mod cipher;
mod index;
mod purpose;
mod ring;
mod root;
mod seal;
mod secret;
mod secret_box;
mod sheet;
mod stream;
mod token;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

pub use index::{INDEX_LEN, Index, ListTag, LogName};
pub use purpose::{IndexColumn, Purpose, TokenKind};
pub use ring::{KeyRing, RingError, UnlockError};
pub use root::{KeySource, PassphraseParams, RootKey, RootKeyError, check_passphrase};
pub use seal::{Clear, OpenError, Place, SEAL_HEADER, SEAL_OVERHEAD};
pub use secret_box::{BoxError, SealTo};
pub use sheet::{RecoverySheet, SheetError};
pub use stream::{StreamError, StreamKey, StreamOpener, StreamSealer, StreamTo};
pub use token::{ConfirmToken, CopyTokenKind, TokenHash};

use crate::id::{CopyId, MailboxId, MailingId, SubscriberId};

/// All keys, ready for use. Cloning is cheap and all clones are the same vault.
///
/// There is a vault only while the service is unlocked. Its memory is wiped when the last clone goes.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    ring: KeyRing,
    sealers: Vec<seal::Sealer>,
    indexers: Vec<index::Indexer>,
    tokens: Vec<token::TokenKeys>,
    checkpoint_key: Ed25519KeyPair,
    box_key: secret_box::BoxKey,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// Makes the keys of a ring ready for use.
    ///
    /// A ring that [needs saving](KeyRing::needs_saving) must be wrapped and saved first, or what is sealed with
    /// its new keys is lost.
    pub fn from_ring(ring: KeyRing) -> Self {
        let sealers = Purpose::ALL
            .iter()
            .map(|&purpose| seal::Sealer::new(&ring, purpose))
            .collect();
        let indexers = IndexColumn::ALL
            .iter()
            .map(|&column| index::Indexer::new(&ring, column))
            .collect();
        let tokens = TokenKind::ALL
            .iter()
            .map(|&kind| token::TokenKeys::new(&ring, kind))
            .collect();
        let checkpoint_key = ring.checkpoint_key();
        let box_key = ring.box_key();
        Self(Arc::new(Inner {
            ring,
            sealers,
            indexers,
            tokens,
            checkpoint_key,
            box_key,
        }))
    }

    /// A vault with fresh random keys.
    #[cfg(any(test, fuzzing))]
    pub fn for_tests() -> Self {
        Self::from_ring(KeyRing::generate())
    }

    /// Tells whether all clones are gone, and with them the keys.
    #[cfg(test)]
    pub(crate) fn watch(&self) -> impl Fn() -> bool + use<> {
        let held = Arc::downgrade(&self.0);
        move || held.strong_count() == 0
    }

    /// The ring this vault was made from: to add a generation to a copy of it, or to print the recovery sheet.
    pub fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// Seals a value with the purpose's newest key and binds it to its place: it opens nowhere else, nor beside
    /// other clear columns.
    pub fn seal(&self, purpose: Purpose, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.seal_into(purpose, place, plain, &mut sealed);
        sealed
    }

    /// Like [`Vault::seal`], but appends to a buffer that the caller keeps.
    pub fn seal_into(&self, purpose: Purpose, place: &Place<'_>, plain: &[u8], out: &mut Vec<u8>) {
        self.sealer(purpose).seal_into(place, plain, out);
    }

    /// Seals a long value where it lies, without a copy: the first [`SEAL_HEADER`] bytes of the buffer are left
    /// free by the caller, the rest is the plain value. Give the buffer a capacity of the plain length plus
    /// [`SEAL_OVERHEAD`], or it is moved once. Meant for the 64 KiB chunks of bodies.
    ///
    /// # Panics
    /// If the buffer is shorter than [`SEAL_HEADER`].
    pub fn seal_in_place(&self, purpose: Purpose, place: &Place<'_>, buffer: &mut Vec<u8>) {
        self.sealer(purpose).seal_in_place(place, buffer);
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`OpenError`] if it was altered, moved to another place, lies beside edited clear columns, or was sealed
    /// with a key that this ring doesn't hold.
    pub fn open(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut plain = Zeroizing::new(Vec::new());
        self.open_into(purpose, place, sealed, &mut plain)?;
        Ok(plain)
    }

    /// Like [`Vault::open`], but replaces the content of a buffer that the caller keeps for the next value.
    ///
    /// # Errors
    /// As [`Vault::open`]; the buffer is empty then.
    pub fn open_into(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        sealed: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), OpenError> {
        self.sealer(purpose).open_into(place, sealed, out)
    }

    /// Opens a sealed value in the buffer that holds it, for buffers that came from the store and aren't needed
    /// afterwards.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_in_place(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        sealed: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.sealer(purpose).open_in_place(place, sealed)
    }

    /// Whether a sealed value was sealed with the purpose's newest key; if not, `key rotate` seals it anew.
    pub fn is_current(&self, purpose: Purpose, sealed: &[u8]) -> bool {
        seal::generation_of(sealed) == Some(self.sealer(purpose).newest())
    }

    /// The keyed hash of a value by which a row is found, with the column's newest key.
    pub fn index(&self, column: IndexColumn, value: &[u8]) -> Index {
        self.indexer(column).index(value)
    }

    /// The keyed hashes of a value with every generation of the column's key, the newest first. A look-up must
    /// try them all: rows and tokens made before a new generation carry the older tag.
    pub fn index_all(&self, column: IndexColumn, value: &[u8]) -> Vec<Index> {
        self.indexer(column).index_all(value)
    }

    /// The keyed short hash under which a person or mailbox may appear in the log.
    pub fn log_name(&self, value: &[u8]) -> LogName {
        LogName::of(&self.index(IndexColumn::LogName, value))
    }

    /// The id of a mailing's copy for a subscriber. It derives from both, so that a repeat after a crash is the same copy,
    /// and by a key, so that nobody else can tell whose it is.
    pub fn copy_id(&self, mailing: MailingId, subscriber: SubscriberId) -> CopyId {
        let pair = [mailing.as_bytes().as_slice(), subscriber.as_bytes()].concat();
        CopyId::from_bytes(self.index(IndexColumn::Copy, &pair).mac())
    }

    /// The id of a role's mailbox, by the role's name in the configuration.
    pub fn role_mailbox(&self, name: &str) -> MailboxId {
        MailboxId::from_bytes(self.index(IndexColumn::MailboxName, name.as_bytes()).mac())
    }

    /// The tag of a list, by its key in the configuration.
    pub fn list_tag(&self, list_key: &str) -> ListTag {
        ListTag::of(&self.index(IndexColumn::ListTag, list_key.as_bytes()))
    }

    /// The tags of a list with every generation of the key, the newest first: an old token carries an old tag.
    pub fn list_tags(&self, list_key: &str) -> Vec<ListTag> {
        self.index_all(IndexColumn::ListTag, list_key.as_bytes())
            .iter()
            .map(ListTag::of)
            .collect()
    }

    /// The token by which an address leaves a list (or, with [`ListTag::ALL`], everything). The same list and
    /// address always give the same token, and it never expires.
    pub fn withdrawal_token(&self, list: ListTag, suppression: &Index) -> String {
        token::withdrawal_token(self.tokens(TokenKind::Withdrawal), list, suppression)
    }

    /// The list and suppression index in a withdrawal token, in either case of letters; `None` if we didn't make it.
    pub fn open_withdrawal_token(&self, text: &str) -> Option<(ListTag, Index)> {
        token::open_withdrawal_token(self.tokens(TokenKind::Withdrawal), text)
    }

    /// The token that stands for a copy in its return path or Message-ID.
    pub fn copy_token(&self, kind: CopyTokenKind, copy: CopyId) -> String {
        token::copy_token(self.tokens(kind.into()), copy)
    }

    /// The copy that a return path or Message-ID names; `None` if we didn't make it, or made it for the other use.
    pub fn open_copy_token(&self, kind: CopyTokenKind, text: &str) -> Option<CopyId> {
        token::open_copy_token(self.tokens(kind.into()), text)
    }

    /// The key that signs checkpoints of the Merkle logs.
    pub fn checkpoint_key(&self) -> &Ed25519KeyPair {
        &self.0.checkpoint_key
    }

    /// The Ed25519 public key that checks checkpoints; it stands on the recovery sheet.
    pub fn checkpoint_public(&self) -> [u8; 32] {
        ring::public_of(&self.0.checkpoint_key)
    }

    /// The public half to which anybody can seal a box that only this vault opens.
    pub fn seal_to(&self) -> SealTo {
        self.0.box_key.public()
    }

    /// Opens a box that was sealed to [`Vault::seal_to`].
    ///
    /// # Errors
    /// [`BoxError`] if it was altered or sealed to another key.
    pub fn open_box(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BoxError> {
        self.0.box_key.open(sealed)
    }

    fn sealer(&self, purpose: Purpose) -> &seal::Sealer {
        &self.0.sealers[purpose.position()]
    }

    fn indexer(&self, column: IndexColumn) -> &index::Indexer {
        &self.0.indexers[column.position()]
    }

    fn tokens(&self, kind: TokenKind) -> &token::TokenKeys {
        &self.0.tokens[kind.position()]
    }
}
