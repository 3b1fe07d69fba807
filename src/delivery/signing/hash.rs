//! Reading a message for its signature: the header is kept, the body only hashed.

use super::SigningError;
use crate::address::Domain;
use crate::message::dkim::BodyHasher;
use crate::message::mime::{Limits, field};

/// The longest header that is held to be signed.
pub(super) const LONGEST_HEADER: usize = 256 * 1024;

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
        let before = self.header.len();
        self.header.extend_from_slice(chunk);
        if let Some(end) = field::header_end(&self.header, before) {
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

/// What a signature needs of a message.
pub struct HashedMessage {
    pub(super) header: Vec<u8>,
    pub(super) body: [u8; 32],
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
    pub(super) fn author_domain(&self) -> Option<Domain> {
        // Of the header alone: a multipart without its body is no message.
        let (fields, _) = field::split(&self.header, &Limits::default()).ok()?;
        let from = fields.iter().find(|field| field.is("From"))?;
        let address = from.mailboxes().into_iter().next()?.address;
        Domain::parse(address.rsplit_once('@')?.1).ok()
    }
}
