//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the verifier that is stored for a staff password, and the server's side of
//! the exchange, with and without channel binding (RFC 9266).
//!
//! Pure: no socket, no store. A verifier is sealed by the store; PLAIN and LOGIN are checked against the same one. It
//! holds all of one person's passwords: a challenge names one salt, so that they share it.
//!
//! **Iterations.** Passwords are made by us and have 100 random bits or more, so nobody guesses them however cheap a
//! guess is; 4096 iterations, the least that RFC 7677 §4 allows, is enough, and keeps a log-in at a millisecond.

pub(super) mod verifier;

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::id::PasswordId;

/// How often the password is hashed; see the head of this file.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("4096 is not zero");
/// The salt's length in bytes.
pub const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;
/// The longest message we read; a name and a nonce need a tenth of it.
const MAX_MESSAGE: usize = 2048;

/// What went wrong in an exchange. No variant tells an unknown name from a wrong password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message that isn't SCRAM's grammar (RFC 5802 §7), or is too long.
    #[error("the SCRAM message is malformed: check the mail program's authentication settings")]
    Malformed,
    /// The client asks for an extension, an identity or a channel binding that we don't have.
    #[error("the SCRAM message asks for something not supported here: choose another mechanism")]
    Unsupported,
    /// The client was told less than we offer, or is bound to another TLS session: somebody sits in between.
    #[error(
        "the channel binding does not match: somebody may be between the client and this server"
    )]
    ChannelBinding,
    /// The nonce isn't ours, or the proof is wrong.
    #[error("the proof is wrong: check user name and password")]
    Proof,
}

pub use verifier::{MOST_PASSWORDS, Verifier};

/// A password that we don't take: empty, or with something other than printable ASCII in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password is printable ASCII: have a new one made with `hustings staff password`")]
pub struct BadPassword;

/// Bytes that hold no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a password verifier: run `hustings store verify`, or set a new password")]
pub struct BadVerifier;

/// What the connection has to bind a log-in to.
#[derive(Clone, Copy)]
pub enum Binding<'a> {
    /// The client chose `SCRAM-SHA-256-PLUS`: the exporter value of its TLS session must match ours.
    Required(&'a [u8; 32]),
    /// The client chose `SCRAM-SHA-256` though `-PLUS` was offered.
    Declined,
    /// `-PLUS` was not offered.
    NotOffered,
}

/// The client's first message, read and checked. The next step is the verifier of [`ClientFirst::user`].
pub struct ClientFirst {
    user: String,
    nonce: String,
    bare: String,
    /// What the client must say in `c=`: its header and the channel's data, in base64.
    channel: Zeroizing<String>,
}

impl ClientFirst {
    /// Reads `gs2-header client-first-message-bare`.
    ///
    /// # Errors
    /// [`ScramError`], none of which depends on the user name.
    pub fn parse(message: &[u8], binding: Binding<'_>) -> Result<Self, ScramError> {
        let text = bounded_text(message)?;
        let (flag, rest) = text.split_once(',').ok_or(ScramError::Malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;
        let exporter = check_flag(flag, binding)?;
        if bare.starts_with("m=") {
            return Err(ScramError::Unsupported);
        }
        let mut fields = bare.split(',');
        let user = unescape(field(fields.next(), "n=")?)?;
        let nonce = field(fields.next(), "r=")?;
        if user.is_empty() || !is_nonce(nonce) {
            return Err(ScramError::Malformed);
        }
        // Nobody acts for anybody else: an identity to act as is the user's own or none.
        if !authzid.is_empty() && unescape(field(Some(authzid), "a=")?)? != user {
            return Err(ScramError::Unsupported);
        }
        let mut channel = Zeroizing::new(format!("{flag},{authzid},").into_bytes());
        channel.extend_from_slice(exporter.map_or(&[], |value| value.as_slice()));
        Ok(Self {
            user,
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
            channel: Zeroizing::new(STANDARD.encode(&*channel)),
        })
    }

    /// The user name the client gave.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The server's first message, with a random nonce of ours behind the client's.
    pub fn challenge(self, verifier: Verifier) -> Challenge {
        let random: [u8; 16] = crate::id::random();
        self.challenge_with(verifier, &STANDARD.encode(random))
    }

    fn challenge_with(self, verifier: Verifier, server_nonce: &str) -> Challenge {
        let nonce = format!("{}{server_nonce}", self.nonce);
        let salt = STANDARD.encode(verifier.salt_bytes());
        let message = format!("r={nonce},s={salt},i={}", verifier.iterations());
        Challenge {
            verifier,
            nonce,
            transcript: format!("{},{message},", self.bare),
            message,
            channel: self.channel,
        }
    }
}

impl fmt::Debug for ClientFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientFirst(..)")
    }
}

/// The server's first message is out; the client's proof is awaited.
pub struct Challenge {
    verifier: Verifier,
    nonce: String,
    message: String,
    /// `client-first-message-bare "," server-first-message ","`: the start of what is signed.
    transcript: String,
    channel: Zeroizing<String>,
}

impl Challenge {
    /// The server's first message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Checks the client's final message: the server's, `v=…`, which proves that we hold the verifier, and which of the
    /// passwords it was. As many are tried for everybody, in the same time.
    ///
    /// # Errors
    /// [`ScramError`]; to be told to the client as "authentication failed" whatever it is.
    pub fn verify(self, message: &[u8]) -> Result<(String, PasswordId), ScramError> {
        let text = bounded_text(message)?;
        let (unsigned, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut fields = unsigned.split(',');
        let channel = field(fields.next(), "c=")?;
        let nonce = field(fields.next(), "r=")?;
        if !bool::from(channel.as_bytes().ct_eq(self.channel.as_bytes())) {
            return Err(ScramError::ChannelBinding);
        }
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(ScramError::Proof);
        }
        let proof = STANDARD.decode(proof).map_err(|_| ScramError::Malformed)?;
        let proof: Zeroizing<[u8; HASH_LEN]> =
            Zeroizing::new(proof.try_into().map_err(|_| ScramError::Malformed)?);
        let signed = format!("{}{unsigned}", self.transcript);
        let found = self.verifier.find(|stored_key| {
            let mut client_key = Zeroizing::new(*proof);
            let signature = hmac_sha256(stored_key, signed.as_bytes());
            for (byte, mask) in client_key.iter_mut().zip(signature.iter()) {
                *byte ^= mask;
            }
            sha256(&*client_key)
        });
        let (id, server_key) = found.ok_or(ScramError::Proof)?;
        let server = hmac_sha256(&*server_key, signed.as_bytes());
        Ok((format!("v={}", STANDARD.encode(*server)), id))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// The channel binding flag of RFC 5802 §7 against what was offered. `y` means "I could bind, but you don't offer
/// it"; where we do offer it, somebody has cut our offer out (RFC 5802 §6).
fn check_flag<'a>(flag: &str, binding: Binding<'a>) -> Result<Option<&'a [u8; 32]>, ScramError> {
    match (flag, binding) {
        ("p=tls-exporter", Binding::Required(exporter)) => Ok(Some(exporter)),
        ("n", Binding::Declined | Binding::NotOffered) | ("y", Binding::NotOffered) => Ok(None),
        ("y", Binding::Declined) => Err(ScramError::ChannelBinding),
        _ if flag.starts_with("p=") => Err(ScramError::Unsupported),
        _ => Err(ScramError::Malformed),
    }
}

fn bounded_text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE || message.contains(&0) {
        return Err(ScramError::Malformed);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed)
}

fn field<'t>(text: Option<&'t str>, name: &str) -> Result<&'t str, ScramError> {
    text.and_then(|text| text.strip_prefix(name))
        .ok_or(ScramError::Malformed)
}

/// `saslname`: a comma is written `=2C`, an equals sign `=3D`, and nothing else is escaped.
fn unescape(name: &str) -> Result<String, ScramError> {
    let mut pieces = name.split('=');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(ScramError::Malformed),
        };
        plain.push(character);
        plain.push_str(rest);
    }
    Ok(plain)
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_printable(password: &str) -> bool {
    !password.is_empty() && password.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn salted_password(
    password: &str,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Zeroizing<[u8; HASH_LEN]> {
    let mut salted = Zeroizing::new([0; HASH_LEN]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password.as_bytes(),
        salted.as_mut_slice(),
    );
    salted
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> Zeroizing<[u8; HASH_LEN]> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    Zeroizing::new(to_array(tag.as_ref()))
}

fn sha256(data: &[u8]) -> [u8; HASH_LEN] {
    to_array(digest::digest(&digest::SHA256, data).as_ref())
}

/// SHA-256 gives 32 bytes, alone and in HMAC.
fn to_array(bytes: &[u8]) -> [u8; HASH_LEN] {
    let mut array = [0; HASH_LEN];
    array.copy_from_slice(bytes);
    array
}

#[cfg(any(test, fuzzing))]
pub(crate) mod client;
#[cfg(test)]
mod tests;
