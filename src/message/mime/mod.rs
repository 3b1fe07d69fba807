//! Reading and writing MIME within limits: header fields, the tree of parts, text in its charset, quoted-printable.
//!
//! We split messages into parts ourselves, strictly and with limits, because what a mailing's rules look at must be
//! what is later written, byte for byte, and because mail-parser 0.11 nests messages without a limit (dropping a
//! deep one overflows the stack). Header values, transfer decoding and charsets are mail-parser's.

pub mod decode;
pub mod encode;
pub mod field;
pub mod text;
pub mod tree;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// What a message may cost to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most parts, the message itself counted.
    pub parts: usize,
    /// How deep parts may nest; a message that isn't multipart has depth 1.
    pub depth: usize,
    /// The most octets of a header block.
    pub header_bytes: usize,
    /// The most fields of a header block.
    pub fields: usize,
}

impl Limits {
    /// For what comes from outside.
    pub const STRANGERS: Self = Self {
        parts: 200,
        depth: 20,
        header_bytes: 256 * 1024,
        fields: 1000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STRANGERS
    }
}

/// Why a message can't be read as MIME. Never holds what the message said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// A bare CR or LF.
    #[error(
        "a line doesn't end in CRLF: the mail program sent a bare CR or LF; send it with another"
    )]
    BareLineEnd,
    /// A NUL octet.
    #[error(
        "there is a NUL octet in the message: the mail program sent binary data without encoding it"
    )]
    Nul,
    /// A header line that is no field.
    #[error("a header line isn't a field (Name: value): the message is damaged; write it anew")]
    Field,
    /// A header block over the limit.
    #[error("a header is longer than {0} octets or has too many fields: write the message anew")]
    HeaderTooLong(usize),
    /// More parts than the limit.
    #[error(
        "the message has more than {0} parts: send fewer attachments, or put them into one archive"
    )]
    TooManyParts(usize),
    /// Parts nested deeper than the limit.
    #[error("the message's parts nest deeper than {0}: copy its text into a new message")]
    TooDeep(usize),
    /// A multipart whose boundary is missing or wrong.
    #[error("a multipart has no usable boundary: the message is damaged; write it anew")]
    Boundary,
    /// A transfer encoding that is unknown or wrong.
    #[error("a part's transfer encoding is unknown or damaged: attach the file again")]
    TransferEncoding,
    /// A charset nobody knows.
    #[error("a text's charset is unknown: set the mail program to UTF-8")]
    Charset,
    /// Octets that aren't text in the charset named.
    #[error("a text holds octets that its charset doesn't have: set the mail program to UTF-8")]
    NotText,
}
