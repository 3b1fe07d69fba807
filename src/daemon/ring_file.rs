//! How the key ring lies in the store: with the settings by which a passphrase becomes its root key, if it comes from one.
//!
//! Format: `HUSTKEYS | version u8 | length of the settings u8 | settings | wrapped ring`.

use crate::vault::PassphraseParams;

const MAGIC: &[u8; 8] = b"HUSTKEYS";
const VERSION: u8 = 1;

/// The wrapped ring and, where the root key comes from a passphrase, how.
pub(super) struct RingFile {
    pub(super) params: Option<PassphraseParams>,
    pub(super) wrapped: Vec<u8>,
}

impl RingFile {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let params = self
            .params
            .as_ref()
            .map(PassphraseParams::to_bytes)
            .unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        // The settings have 29 bytes.
        bytes.push(u8::try_from(params.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&params);
        bytes.extend_from_slice(&self.wrapped);
        bytes
    }

    /// `None` if the bytes are no such file.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
        let (length, rest) = rest.split_first()?;
        let (params, wrapped) = rest.split_at_checked(usize::from(*length))?;
        let params = match params {
            [] => None,
            params => Some(PassphraseParams::from_bytes(params).ok()?),
        };
        Some(Self {
            params,
            wrapped: wrapped.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_reads_back_with_and_without_settings() {
        for params in [None, Some(PassphraseParams::generate())] {
            let file = RingFile {
                params: params.clone(),
                wrapped: vec![1, 2, 3],
            };
            let read = RingFile::parse(&file.to_bytes()).expect("reads");
            assert_eq!(read.params, params);
            assert_eq!(read.wrapped, [1, 2, 3]);
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_ring_file(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(file) = RingFile::parse(&bytes) {
                prop_assert_eq!(file.to_bytes(), bytes);
            }
        }
    }
}
