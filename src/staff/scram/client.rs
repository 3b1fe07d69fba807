//! The client's side of the exchange, for the tests of the doors that offer it.

use super::*;

/// A client that knows a user name and a password.
pub(crate) struct Client {
    password: String,
    header: &'static str,
    bare: String,
    exporter: Option<[u8; 32]>,
}

impl Client {
    /// With an exporter value, the client binds its log-in to the channel.
    pub(crate) fn new(user: &str, password: &str, exporter: Option<[u8; 32]>) -> Self {
        Self {
            password: password.to_owned(),
            header: exporter.map_or("n,,", |_| "p=tls-exporter,,"),
            bare: format!("n={user},r=clientnonce"),
            exporter,
        }
    }

    /// The client's first message.
    #[cfg(test)]
    pub(crate) fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// The client's final message.
    pub(crate) fn proof(&self, server_first: &str) -> String {
        let mut channel = self.header.as_bytes().to_vec();
        channel.extend_from_slice(self.exporter.as_ref().map_or(&[], |value| value.as_slice()));
        answer(&self.bare, server_first, &channel, &self.password)
    }
}

/// The client's final message, from its parts.
pub(super) fn answer(bare: &str, server_first: &str, channel: &[u8], password: &str) -> String {
    let mut fields = server_first.split(',');
    let mut field = |name| {
        fields
            .next()
            .and_then(|text| text.strip_prefix(name))
            .expect("a field")
    };
    let (nonce, salt, iterations) = (field("r="), field("s="), field("i="));
    let unsigned = format!("c={},r={nonce}", STANDARD.encode(channel));
    let signed = format!("{bare},{server_first},{unsigned}");
    let salt = STANDARD.decode(salt).expect("base64");
    let salted = salted_password(password, &salt, iterations.parse().expect("a number"));
    let mut client_key = hmac_sha256(&*salted, b"Client Key");
    let signature = hmac_sha256(&sha256(&*client_key), signed.as_bytes());
    for (byte, mask) in client_key.iter_mut().zip(signature.iter()) {
        *byte ^= mask;
    }
    format!("{unsigned},p={}", STANDARD.encode(*client_key))
}
