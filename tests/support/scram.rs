//! The client's side of SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), bound to its channel (RFC 9266). It shares no code with the
//! server.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hustings::daemon::sandbox::peer::Secured;

const HEADER: &str = "p=tls-exporter,,";

/// What one TLS session alone knows.
pub type Exporter = [u8; 32];

/// What this end of a TLS session knows.
pub fn exporter(stream: &Secured) -> Exporter {
    let session = stream.get_ref().1;
    let label = b"EXPORTER-Channel-Binding";
    session
        .export_keying_material([0; 32], label, Some(b""))
        .unwrap()
}

/// One exchange.
pub struct Scram {
    bare: String,
    password: String,
    exporter: Exporter,
    /// What the server must say in the end, since the proof was given.
    expected: Option<String>,
}

impl Scram {
    /// Of somebody with a password, over this channel.
    pub fn new(user: &str, password: &str, exporter: Exporter) -> Self {
        Self {
            bare: format!("n={user},r=a0nonce1of2the3client"),
            password: password.to_owned(),
            exporter,
            expected: None,
        }
    }

    /// What is said first, in base64.
    pub fn first(&self) -> String {
        STANDARD.encode(format!("{HEADER}{}", self.bare))
    }

    /// What is said to this, both in base64: the proof, and then nothing if the server has proven itself as well.
    pub fn reply(&mut self, said: &str) -> String {
        let said = String::from_utf8(STANDARD.decode(said).unwrap()).unwrap();
        match &self.expected {
            None => self.proof(&said),
            Some(expected) => {
                assert_eq!(&said, expected, "the server doesn't know the password");
                String::new()
            }
        }
    }

    fn proof(&mut self, challenge: &str) -> String {
        let field = |name: &str| {
            let mut fields = challenge.split(',');
            fields.find_map(|field| field.strip_prefix(name)).unwrap()
        };
        let salt = STANDARD.decode(field("s=")).unwrap();
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            field("i=").parse().unwrap(),
            &salt,
            self.password.as_bytes(),
            &mut salted,
        );
        let channel = STANDARD.encode([HEADER.as_bytes(), &self.exporter].concat());
        let unsigned = format!("c={channel},r={}", field("r="));
        let signed = format!("{},{challenge},{unsigned}", self.bare);
        let key = sign(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &key);
        let signature = sign(stored.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let servers = sign(&sign(&salted, b"Server Key"), signed.as_bytes());
        self.expected = Some(format!("v={}", STANDARD.encode(servers)));
        STANDARD.encode(format!("{unsigned},p={}", STANDARD.encode(proof)))
    }
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}
