//! A subscriber's copy of a prepared mailing, made and signed at the moment it's sent.

use bytes::Bytes;

use super::dkim::is_relaxed;
use super::dkim::{BodyHasher, HeaderSet, SignError, Signer, SigningTime};
use super::segment::{Prepared, Segment, SlotError, SlotValues};

/// A prepared mailing with what its copies' signatures have in common: the hash of the body up to the first slot.
#[derive(Debug)]
pub struct CopyPlan {
    prepared: Prepared,
    prefix: BodyHasher,
    /// The index of the body's first slot.
    first_slot: usize,
    /// For each body segment, whether its bytes are in relaxed form already.
    relaxed: Vec<bool>,
}

/// Why a copy could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// A value that can't stand in its slot.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// It could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A copy that isn't signed yet.
#[derive(Clone)]
pub struct UnsignedCopy {
    header: Bytes,
    body: Vec<Bytes>,
    body_hash: [u8; 32],
}

/// A copy ready to go on the wire: in chunks, most of which are the mailing's own bytes.
#[derive(Clone)]
pub struct SignedCopy {
    chunks: Vec<Bytes>,
}

impl std::fmt::Debug for UnsignedCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnsignedCopy(..)")
    }
}

impl std::fmt::Debug for SignedCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedCopy({} octets)", self.len())
    }
}

impl CopyPlan {
    /// Reads the mailing once.
    pub fn new(prepared: Prepared) -> Self {
        let is_slot = |segment: &Segment| matches!(segment, Segment::Slot(..));
        let first_slot = prepared
            .body
            .iter()
            .position(is_slot)
            .unwrap_or(prepared.body.len());
        let mut prefix = BodyHasher::new();
        for segment in &prepared.body[..first_slot] {
            if let Segment::Bytes(bytes) = segment {
                prefix.update(bytes);
            }
        }
        let relaxed = prepared
            .body
            .iter()
            .map(|segment| matches!(segment, Segment::Bytes(bytes) if is_relaxed(bytes)))
            .collect();
        Self {
            prepared,
            prefix,
            first_slot,
            relaxed,
        }
    }

    /// The mailing.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Makes a copy and hashes its body. Cheap beside [`UnsignedCopy::sign`].
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn copy(&self, values: &SlotValues<'_>) -> Result<UnsignedCopy, SlotError> {
        values.check()?;
        let mut header = Vec::with_capacity(2048);
        for segment in &self.prepared.header {
            match segment {
                Segment::Bytes(bytes) => header.extend_from_slice(bytes),
                Segment::Slot(slot, form) => header.extend(values.encoded(*slot, *form)),
            }
        }
        let mut hasher = self.prefix.clone();
        let mut body = Vec::with_capacity(self.prepared.body.len());
        for (at, segment) in self.prepared.body.iter().enumerate() {
            let chunk = match segment {
                Segment::Bytes(bytes) => bytes.clone(),
                Segment::Slot(slot, form) => values.encoded(*slot, *form).into(),
            };
            if at >= self.first_slot {
                if self.relaxed[at] {
                    hasher.update_relaxed(&chunk);
                } else {
                    hasher.update(&chunk);
                }
            }
            body.push(chunk);
        }
        Ok(UnsignedCopy {
            header: header.into(),
            body,
            body_hash: hasher.finish(),
        })
    }

    /// Makes a copy and signs it with all the signer's keys. Takes about a quarter of a millisecond of CPU: call it where
    /// blocking is fine.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn signed_copy(
        &self,
        values: &SlotValues<'_>,
        signer: &Signer,
        time: SigningTime,
    ) -> Result<SignedCopy, CopyError> {
        Ok(self.copy(values)?.sign(signer, time)?)
    }
}

impl UnsignedCopy {
    /// Signs the copy. The dear step: call it where blocking is fine.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(self, signer: &Signer, time: SigningTime) -> Result<SignedCopy, SignError> {
        let fields = signer.sign(&self.header, &self.body_hash, HeaderSet::ListCopy, time)?;
        let mut chunks = Vec::with_capacity(self.body.len() + 3);
        chunks.push(fields.into());
        chunks.push(self.header);
        chunks.push(Bytes::from_static(b"\r\n"));
        chunks.extend(self.body);
        Ok(SignedCopy { chunks })
    }
}

impl SignedCopy {
    /// The copy's chunks in their order.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The copy's chunks in their order.
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.chunks
    }

    /// The copy's size in octets (for `SIZE=`).
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Whether the copy has no octets; it never does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the copy can only go to a server that offers SMTPUTF8: its recipient's address isn't ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        self.chunks.get(1).is_some_and(|header| !header.is_ascii())
    }
}
