//! DKIM on incoming mail (RFC 6376, 8463, 8301). The body is hashed as it comes, so that no message has to be held; the
//! header and the keys are looked at when it's whole. Signatures are read and checked by mail-auth; the body's hash is
//! our own, which mends that library's relaxed form (it keeps lines of white space at the end of a body).

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::headers::Header;
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::to_a_label;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::{Canonicalization, Signature};

use super::names::{Answer, NoAnswer};
use crate::message::dkim::BodyHasher;

/// Signatures that are looked at (RFC 6376 §6.1 lets a verifier choose): a mail with more is up to something.
pub const MOST_SIGNATURES: usize = 8;
/// Names in `h=`.
const MOST_FIELDS: usize = 200;
/// The shortest RSA key that counts (RFC 8301 §3.2).
const LEAST_BITS: usize = 1024;
/// `t=s` of a key: the identity's domain must be the signature's, not one below it.
const STRICT_DOMAIN: u64 = 0x20;
/// `h=` of a key: what it may be used with.
const HASHES: u64 = 0x03;
const SHA256: u64 = 0x02;

/// The result of one signature (RFC 8601 §2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DkimResult {
    /// It's right.
    Pass,
    /// It's wrong: the message was changed, or it's forged.
    Fail,
    /// It may be right, and we don't count it.
    Policy,
    /// It has run out.
    Neutral,
    /// Its key could not be looked up.
    TempError,
    /// It can't be read, or there is no such key.
    PermError,
}

impl DkimResult {
    /// The result's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Policy => "policy",
            Self::Neutral => "neutral",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// What became of one signature.
#[derive(Clone, PartialEq, Eq)]
pub struct DkimCheck {
    /// The result.
    pub result: DkimResult,
    /// Why, in words for `Authentication-Results`; for a pass, what is notable about the key.
    pub note: String,
    /// Who signed (`d=`), in lower case.
    pub domain: String,
    /// Under which selector (`s=`).
    pub selector: String,
    /// How (`a=`).
    pub algorithm: &'static str,
    /// The beginning of the signature, to tell it from others (`header.b`, RFC 6008).
    pub beginning: String,
}

impl std::fmt::Debug for DkimCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DkimCheck({} {})", self.result.as_str(), self.note)
    }
}

/// The answers to look-ups of keys, by name.
pub type Keys = BTreeMap<String, Answer<Vec<u8>>>;

/// Hashes a body in the forms that its signatures ask for.
pub struct BodyHashes {
    relaxed: Option<BodyHasher>,
    simple: Option<SimpleHasher>,
}

impl BodyHashes {
    /// The hashes that a header's signatures ask for.
    pub fn of(header: &[u8]) -> Self {
        let mut hashes = Self {
            relaxed: None,
            simple: None,
        };
        let message = AuthenticatedMessage::parse_with_opts(header, None, true);
        for signature in signatures(message.as_ref()) {
            match signature.header.cb {
                Canonicalization::Relaxed => hashes.relaxed = Some(BodyHasher::new()),
                Canonicalization::Simple => hashes.simple = Some(SimpleHasher::new()),
            }
        }
        hashes
    }

    /// Takes the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(relaxed) = &mut self.relaxed {
            relaxed.update(bytes);
        }
        if let Some(simple) = &mut self.simple {
            simple.update(bytes);
        }
    }

    /// The body is whole.
    pub fn finish(self) -> HashedBody {
        HashedBody {
            relaxed: self.relaxed.map(BodyHasher::finish),
            simple: self.simple.map(SimpleHasher::finish),
        }
    }
}

/// The hashes of a body.
pub struct HashedBody {
    relaxed: Option<[u8; 32]>,
    simple: Option<[u8; 32]>,
}

/// The *simple* form (RFC 6376 §3.4.3): empty lines at the end don't count, and there is one line end at least.
struct SimpleHasher {
    hash: digest::Context,
    lines: usize,
    cr: bool,
}

impl SimpleHasher {
    fn new() -> Self {
        Self {
            hash: digest::Context::new(&digest::SHA256),
            lines: 0,
            cr: false,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let end = bytes
            .iter()
            .rposition(|b| !matches!(b, b'\r' | b'\n'))
            .map_or(0, |last| last + 1);
        let (text, ends) = bytes.split_at(end);
        // A line end that began in the chunk before may end in this one.
        let mut text = text;
        while let Some((&first @ (b'\r' | b'\n'), rest)) = text.split_first() {
            self.line_end(first);
            text = rest;
        }
        if !text.is_empty() {
            self.flush();
            self.hash.update(text);
        }
        ends.iter().for_each(|byte| self.line_end(*byte));
    }

    fn line_end(&mut self, byte: u8) {
        if byte == b'\n' && std::mem::take(&mut self.cr) {
            self.lines += 1;
            return;
        }
        if self.cr || byte == b'\n' {
            self.flush();
        }
        if byte == b'\r' {
            self.cr = true;
        } else {
            self.hash.update(b"\n");
        }
    }

    fn flush(&mut self) {
        for _ in 0..std::mem::take(&mut self.lines) {
            self.hash.update(b"\r\n");
        }
        if std::mem::take(&mut self.cr) {
            self.hash.update(b"\r");
        }
    }

    fn finish(mut self) -> [u8; 32] {
        if self.cr {
            self.flush();
        }
        self.hash.update(b"\r\n");
        let mut out = [0; 32];
        out.copy_from_slice(self.hash.finish().as_ref());
        out
    }
}

fn signatures<'a, 'x>(
    message: Option<&'a AuthenticatedMessage<'x>>,
) -> impl Iterator<Item = &'a Header<'x, Signature>> {
    message
        .into_iter()
        .flat_map(|message| &message.dkim_headers)
        .take(MOST_SIGNATURES)
}

/// The names of the keys that a header's signatures need, each once.
pub fn key_names(header: &[u8]) -> Vec<String> {
    let message = AuthenticatedMessage::parse_with_opts(header, None, true);
    let mut names = Vec::new();
    for found in signatures(message.as_ref()) {
        let name = key_name(&found.header);
        if refused_unseen(&found.header, None).is_none() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn key_name(signature: &Signature) -> String {
    // RFC 8616 §5: names are looked up as A-labels.
    let (selector, domain) = (to_a_label(&signature.s), to_a_label(&signature.d));
    format!("{selector}._domainkey.{domain}")
}

/// Checks the signatures of a message. `header` is all of it up to and with the empty line.
pub fn verify(header: &[u8], body: &HashedBody, keys: &Keys, now: Timestamp) -> Vec<DkimCheck> {
    let Some(mut message) = AuthenticatedMessage::parse_with_opts(header, None, true) else {
        return Vec::new();
    };
    // The library reads other fields as well, DKIM2's among them, and puts all errors together.
    let is_ours = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"DKIM-Signature");
    let errors = message.errors.iter().filter(|error| is_ours(error.name));
    let unread = errors.take(MOST_SIGNATURES).map(|_| DkimCheck {
        result: DkimResult::PermError,
        note: "unreadable, or with a body length".to_owned(),
        domain: String::new(),
        selector: String::new(),
        algorithm: "",
        beginning: String::new(),
    });
    let mut checks: Vec<DkimCheck> = unread.collect();
    let found = std::mem::take(&mut message.dkim_headers);
    for one in found.into_iter().take(MOST_SIGNATURES) {
        let signature = one.header.clone();
        message.dkim_headers = vec![one];
        let outcome = check(&mut message, &signature, body, keys, now);
        checks.push(told(&signature, outcome));
    }
    checks
}

fn told(signature: &Signature, (result, note): (DkimResult, String)) -> DkimCheck {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(&signature.b);
    DkimCheck {
        result,
        note,
        domain: to_a_label(&signature.d).into_owned(),
        selector: signature.s.clone(),
        algorithm: match signature.a {
            Algorithm::RsaSha1 => "rsa-sha1",
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        },
        beginning: text.chars().take(8).collect(),
    }
}

type Outcome = (DkimResult, String);

fn say(result: DkimResult, note: &str) -> Outcome {
    (result, note.to_owned())
}

/// What can be said without a key.
fn refused_unseen(signature: &Signature, now: Option<Timestamp>) -> Option<Outcome> {
    let names = |name: &str| signature.h.iter().any(|one| one.eq_ignore_ascii_case(name));
    let past = |now: Timestamp| {
        signature.x > 0 && u64::try_from(now.as_second()).is_ok_and(|now| signature.x <= now)
    };
    if signature.a == Algorithm::RsaSha1 {
        Some(say(DkimResult::Policy, "rsa-sha1 does not count"))
    } else if signature.h.len() > MOST_FIELDS {
        Some(say(DkimResult::Policy, "too many fields signed"))
    } else if !names("from") {
        Some(say(DkimResult::PermError, "From is not signed"))
    } else if !is_own_identity(signature, false) {
        Some(say(DkimResult::PermError, "identity of another domain"))
    } else if now.is_some_and(past) {
        Some(say(DkimResult::Neutral, "expired"))
    } else {
        None
    }
}

/// `i=` is in `d=`, or below it unless the key forbids that (RFC 6376 §3.5, §3.6.1).
fn is_own_identity(signature: &Signature, strict: bool) -> bool {
    let Some((_, domain)) = signature.i.rsplit_once('@') else {
        return signature.i.is_empty();
    };
    let (domain, own) = (
        domain.to_ascii_lowercase(),
        signature.d.to_ascii_lowercase(),
    );
    let below = domain
        .strip_suffix(&own)
        .is_some_and(|before| before.ends_with('.'));
    domain == own || (below && !strict)
}

fn check(
    message: &mut AuthenticatedMessage<'_>,
    signature: &Signature,
    body: &HashedBody,
    keys: &Keys,
    now: Timestamp,
) -> Outcome {
    if let Some(refused) = refused_unseen(signature, Some(now)) {
        return refused;
    }
    let hash = match signature.cb {
        Canonicalization::Relaxed => body.relaxed,
        Canonicalization::Simple => body.simple,
    };
    if hash.is_none_or(|hash| hash.as_slice() != signature.bh) {
        return say(DkimResult::Fail, "body hash differs");
    }
    let key = match keys.get(&key_name(signature)) {
        Some(Ok(texts)) => texts.iter().find_map(|text| DomainKey::parse(text).ok()),
        Some(Err(NoAnswer::Later)) | None => {
            return say(DkimResult::TempError, "key not looked up");
        }
        Some(Err(_)) => return say(DkimResult::PermError, "no key"),
    };
    let Some(key) = key else {
        return say(DkimResult::PermError, "key revoked or unreadable");
    };
    if !is_own_identity(signature, key.has_flag(STRICT_DOMAIN)) {
        return say(DkimResult::PermError, "identity of another domain");
    }
    if key.f & HASHES != 0 && key.f & SHA256 == 0 {
        return say(DkimResult::PermError, "key is not for sha256");
    }
    let bits = key.p.public_key_bits();
    let rsa = signature.a == Algorithm::RsaSha256;
    if rsa && bits < LEAST_BITS {
        return (DkimResult::Policy, format!("{bits}-bit key does not count"));
    }
    // The library looks at expiry by its own clock; ours has been asked.
    for one in &mut message.dkim_headers {
        one.header.x = 0;
    }
    let signed = message.get_canonicalized_header().now_or_never();
    let right = signed.and_then(Result::ok).is_some_and(|signed| {
        key.p
            .verify_bytes(&signed, &signature.b, signature.a)
            .is_ok()
    });
    match right {
        true if rsa => (DkimResult::Pass, format!("{bits}-bit key")),
        true => say(DkimResult::Pass, ""),
        false => say(DkimResult::Fail, "signature differs"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
