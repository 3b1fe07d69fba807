//! The signature fields themselves: which header fields are signed, how often, and how the field is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::canon::relaxed_field;
use super::key::SigningKey;
use crate::message::mime::field::raw_fields;

/// The widest line of a signature field, without its CRLF (RFC 5322 §2.1.1).
const LINE: usize = 78;

/// Why a message could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Neither an RSA nor an Ed25519 key was given.
    #[error("no DKIM key: make one and publish its record")]
    NoKey,
    /// A domain or selector that can't stand in a signature.
    #[error(
        "the DKIM domain or selector isn't a DNS name in A-label form: correct it in the config"
    )]
    Name,
    /// The message has no From field, which every signature must cover.
    #[error("the message has no From field: a message without a sender can't be signed")]
    NoFrom,
    /// The cryptographic library refused.
    #[error("the DKIM signature could not be made: the key may be damaged; make a new one")]
    Failed,
}

/// Which header fields a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderSet {
    /// A list copy: as a message, and no `List-*` field may be added or changed on the way (RFC 8058 §4).
    ListCopy,
    /// Any other message. Its `List-*` fields are not sealed off, so that an outside list may still carry it.
    Message,
}

/// Fields that are *oversigned*: named once more than they occur, so that adding another breaks the signature.
const OVERSIGNED: [&str; 14] = [
    "From",
    "Subject",
    "To",
    "Cc",
    "Date",
    "Message-ID",
    "Reply-To",
    "Sender",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
];
/// Fields that are oversigned in a list copy, and signed elsewhere only as often as they occur.
const LIST_FIELDS: [&str; 3] = ["List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"];
/// Fields of a report on TLS (RFC 8460 §5.3), signed where they occur.
const REPORT_FIELDS: [&str; 2] = ["TLS-Report-Domain", "TLS-Report-Submitter"];

/// When a signature is made, and until when it holds. Times are arguments: a repeated copy is byte-alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningTime {
    /// The time of signing (`t=`).
    pub at: Timestamp,
    /// The time after which verifiers may refuse it (`x=`), if any.
    pub expires: Option<Timestamp>,
}

/// A key and the selector that its record is published under.
#[derive(Debug)]
pub struct SelectedKey {
    /// The selector (`s=`).
    pub selector: String,
    /// The private key.
    pub key: SigningKey,
}

/// Signs messages for one domain with all its keys.
///
/// Signing is the dearest step of a send (about 0.25 ms with RSA-2048): call it where blocking is fine.
#[derive(Debug)]
pub struct Signer {
    domain: String,
    keys: Vec<SelectedKey>,
}

impl Signer {
    /// A signer for the domain (A-label). The keys sign in the order given: RSA first, as more verifiers know it.
    ///
    /// # Errors
    /// [`SignError::NoKey`] without a key, [`SignError::Name`] for a domain or selector with other than letters, digits,
    /// hyphens and dots.
    pub fn new(domain: &str, keys: Vec<SelectedKey>) -> Result<Self, SignError> {
        if keys.is_empty() {
            return Err(SignError::NoKey);
        }
        if !is_name(domain) || !keys.iter().all(|key| is_name(&key.selector)) {
            return Err(SignError::Name);
        }
        Ok(Self {
            domain: domain.to_ascii_lowercase(),
            keys,
        })
    }

    /// A signer whose keys can't be used: it signs nothing, so that nothing goes out unsigned.
    pub fn without_keys(domain: &str) -> Self {
        Self {
            domain: domain.to_ascii_lowercase(),
            keys: Vec::new(),
        }
    }

    /// Whether it can sign at all.
    pub fn can_sign(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The domain that signs (`d=`).
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Signs a message given its header block (CRLF line ends; an empty line at its end is ignored) and its body's hash.
    /// Gives one `DKIM-Signature` field per key, each with its CRLF, to stand before the header.
    ///
    /// # Errors
    /// [`SignError::NoFrom`], [`SignError::NoKey`], or [`SignError::Failed`] if the library refuses.
    pub fn sign(
        &self,
        header: &[u8],
        body_hash: &[u8; 32],
        set: HeaderSet,
        time: SigningTime,
    ) -> Result<Vec<u8>, SignError> {
        if self.keys.is_empty() {
            return Err(SignError::NoKey);
        }
        let fields: Vec<&[u8]> = raw_fields(header).collect();
        if !fields.iter().any(|field| is_named(field, "From")) {
            return Err(SignError::NoFrom);
        }
        let (names, signed) = select(&fields, set);
        let mut data = Vec::with_capacity(header.len() + 1024);
        for field in signed {
            relaxed_field(&mut data, field);
            data.extend_from_slice(b"\r\n");
        }
        let common = data.len();
        let mut out = Vec::with_capacity(2048);
        for key in &self.keys {
            let unsigned = self.unsigned_field(key, &names, body_hash, time);
            data.truncate(common);
            // RFC 6376 §3.7: this field comes last, with an empty b= and without its CRLF.
            relaxed_field(&mut data, unsigned.text.as_bytes());
            let signature = key.key.sign(&data).ok_or(SignError::Failed)?;
            let mut field = unsigned;
            field.push_folding(&STANDARD.encode(signature));
            field.text.push_str("\r\n");
            out.extend_from_slice(field.text.as_bytes());
        }
        Ok(out)
    }

    /// The field up to and with `b=`.
    fn unsigned_field(
        &self,
        key: &SelectedKey,
        names: &[&str],
        body_hash: &[u8; 32],
        time: SigningTime,
    ) -> Folded {
        let mut field = Folded::new("DKIM-Signature: v=1;");
        field.push(&format!(" a={};", key.key.algorithm().tag()));
        field.push(" c=relaxed/relaxed;");
        field.push(&format!(" d={};", self.domain));
        field.push(&format!(" s={};", key.selector));
        field.push(&format!(" t={};", time.at.as_second()));
        if let Some(expires) = time.expires {
            field.push(&format!(" x={};", expires.as_second()));
        }
        for (at, name) in names.iter().enumerate() {
            let lead = if at == 0 { " h=" } else { "" };
            let tail = if at + 1 == names.len() { ";" } else { ":" };
            field.push(&format!("{lead}{name}{tail}"));
        }
        field.push(&format!(" bh={};", STANDARD.encode(body_hash)));
        field.push(" b=");
        field
    }
}

/// A header field written with folds so that no line is longer than [`LINE`].
struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    fn new(start: &str) -> Self {
        Self {
            text: start.to_owned(),
            column: start.len(),
        }
    }

    /// Appends a piece that must not be cut, folding before it if need be.
    fn push(&mut self, piece: &str) {
        if self.column + piece.len() > LINE {
            let piece = piece.strip_prefix(' ').unwrap_or(piece);
            self.text.push_str("\r\n ");
            self.text.push_str(piece);
            self.column = 1 + piece.len();
        } else {
            self.text.push_str(piece);
            self.column += piece.len();
        }
    }

    /// Appends base64, which may be cut anywhere (RFC 6376 §3.5, `b=`).
    fn push_folding(&mut self, mut base64: &str) {
        while self.column + base64.len() > LINE {
            let (now, later) = base64.split_at(LINE.saturating_sub(self.column));
            self.text.push_str(now);
            self.text.push_str("\r\n ");
            self.column = 1;
            base64 = later;
        }
        self.text.push_str(base64);
        self.column += base64.len();
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

fn is_named(field: &[u8], name: &str) -> bool {
    let colon = field.iter().position(|&b| b == b':').unwrap_or(0);
    field[..colon]
        .trim_ascii_end()
        .eq_ignore_ascii_case(name.as_bytes())
}

/// The names for `h=` and the fields they stand for, both in the order they're hashed (RFC 6376 §5.4.2: the last
/// occurrence of a name is taken first; a name beyond the last occurrence stands for nothing).
fn select<'f>(fields: &[&'f [u8]], set: HeaderSet) -> (Vec<&'static str>, Vec<&'f [u8]>) {
    let mut names = Vec::with_capacity(32);
    let mut signed = Vec::with_capacity(fields.len());
    let mut take = |name: &'static str, oversign: bool| {
        let before = signed.len();
        signed.extend(fields.iter().rev().filter(|field| is_named(field, name)));
        let times = signed.len() - before + usize::from(oversign);
        names.extend(std::iter::repeat_n(name, times));
    };
    OVERSIGNED.into_iter().for_each(|name| take(name, true));
    LIST_FIELDS
        .into_iter()
        .for_each(|name| take(name, set == HeaderSet::ListCopy));
    REPORT_FIELDS.into_iter().for_each(|name| take(name, false));
    (names, signed)
}
