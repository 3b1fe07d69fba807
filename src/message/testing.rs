//! What the message tests share: keys, an offline verifier and a check by Python's dkimpy.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt,
};

use super::dkim::{SelectedKey, Signer, SigningKey};
use super::footer::{Footer, FooterText};
use super::inspect::inspect;
use super::mime::Limits;
use super::prepare::{Letterhead, prepare};
use super::segment::{Prepared, SlotValues};

/// The domain that the tests' signer signs for.
pub(crate) const DOMAIN: &str = "party.example";

/// A signer, and selector and record of each of its keys.
type Signing = (Arc<Signer>, Vec<(String, String)>);

static SIGNER: LazyLock<Signing> = LazyLock::new(|| {
    let keys = [
        ("r1", SigningKey::generate_rsa().unwrap()),
        ("e1", SigningKey::generate_ed25519().unwrap()),
    ];
    let records = keys
        .iter()
        .map(|(selector, key)| {
            (
                format!("{selector}._domainkey.{DOMAIN}."),
                key.record().unwrap(),
            )
        })
        .collect();
    let keys = keys.map(|(selector, key)| SelectedKey {
        selector: selector.into(),
        key,
    });
    (Arc::new(Signer::new(DOMAIN, keys.into()).unwrap()), records)
});

/// A signer with an RSA and an Ed25519 key, made once per test process.
pub(crate) fn signer() -> &'static Signer {
    &SIGNER.0
}

/// The same, for rooms that keep it.
pub(crate) fn shared_signer() -> Arc<Signer> {
    SIGNER.0.clone()
}

struct TxtCache(Mutex<HashMap<Box<str>, Txt>>);

impl ResolverCache<Box<str>, Txt> for TxtCache {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().unwrap().get(name).cloned()
    }

    fn remove<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().unwrap().remove(name)
    }

    fn insert(&self, key: Box<str>, value: Txt, _: std::time::Instant) {
        self.0.lock().unwrap().insert(key, value);
    }
}

/// A verifier that answers every look-up from the signer's own records and never asks the network.
pub(crate) struct Zone {
    verifier: MessageAuthenticator,
    records: TxtCache,
}

impl Zone {
    pub(crate) fn new() -> Self {
        let verifier =
            MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
        let records = SIGNER
            .1
            .iter()
            .map(|(name, text)| {
                let key = DomainKey::parse(text.as_bytes()).unwrap();
                (name.clone().into_boxed_str(), Txt::DomainKey(key.into()))
            })
            .collect();
        Self {
            verifier,
            records: TxtCache(Mutex::new(records)),
        }
    }

    /// Whether each signature of the message passes.
    pub(crate) async fn verify(&self, message: &[u8]) -> Vec<bool> {
        let message = AuthenticatedMessage::parse(message).unwrap();
        let parameters = Parameters::new(&message).with_txt_cache(&self.records);
        let outputs = self.verifier.verify_dkim(parameters).await;
        outputs
            .iter()
            .map(|output| *output.result() == DkimResult::Pass)
            .collect()
    }
}

/// Runs a Python program over messages, which it reads as lines of base64; `None` if Python or a module that it needs is
/// absent (the program then exits with 77).
pub(crate) fn python(program: &str, arguments: &[&str], messages: &[Vec<u8>]) -> Option<String> {
    let mut child = Command::new("python3")
        .arg("-c")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    // A program that lacks a module doesn't read its input.
    let written = messages
        .iter()
        .try_for_each(|m| writeln!(input, "{}", STANDARD.encode(m)));
    drop(input);
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(77) {
        return None;
    }
    assert!(
        written.is_ok() && output.status.success(),
        "the Python helper failed"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Has dkimpy verify both signatures of each message, if it's installed.
pub(crate) fn dkimpy_verifies(messages: &[Vec<u8>]) {
    const PROGRAM: &str = "
import base64, sys
try:
    import dkim, nacl
except ImportError:
    sys.exit(77)
records = dict(zip(sys.argv[1::2], sys.argv[2::2]))
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return records.get(name, '').encode()
for line in sys.stdin:
    check = dkim.DKIM(base64.b64decode(line))
    print([check.verify(idx=n, dnsfunc=txt) for n in range(2)])
";
    let records: Vec<&str> = SIGNER
        .1
        .iter()
        .flat_map(|(name, text)| [name.as_str(), text.as_str()])
        .collect();
    match python(PROGRAM, &records, messages) {
        Some(verdicts) => {
            assert_eq!(verdicts.lines().count(), messages.len());
            assert!(
                verdicts.lines().all(|verdict| verdict == "[True, True]"),
                "{verdicts}"
            );
        }
        None => println!("skipped: needs dkimpy"),
    }
}

/// The imprint of the tests' footer.
pub(crate) const IMPRINT: &str =
    "Promoted by The Example Party of 1 High Street, Anytown, AB1 2CD.";

/// The default footer with the words of law annex 1.
pub(crate) fn footer() -> Footer {
    FooterText {
        party: "The Example Party",
        imprint: IMPRINT,
        why: "You get this because you asked for News & campaigns at party.example.",
        right_heading: "Your right to stop this",
        right: "You have the right to object at any time to our using your data to send you political e-mail, and to \
            withdraw your consent. Use the link below, reply 'stop', or write to us. We stop at once.",
        way_out: "Stop these e-mails",
        postal_address: "The Example Party, 1 High Street, Anytown, AB1 2CD",
        complaints: "Unhappy with how we handle your data? Complain to us: privacy@party.example. You can also \
            complain to the Information Commission (ICO), ico.org.uk, 0303 123 1113.",
    }
    .footer()
    .unwrap()
}

/// The tests' list.
pub(crate) fn letterhead(footer: &Footer) -> Letterhead<'_> {
    Letterhead {
        from_name: "The Example Party",
        from_address: "news@party.example",
        reply_to: None,
        list_id: "news.party.example",
        list_name: "News & campaigns",
        footer,
    }
}

/// Values of a copy.
pub(crate) fn values() -> SlotValues<'static> {
    SlotValues {
        to: "ann@voter.example",
        message_id: "mabcdefgh234567@party.example",
        date: jiff::Timestamp::UNIX_EPOCH,
        unsubscribe_url: "https://party.example/u/abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwxyz234567",
        unsubscribe_mailto: "mailto:u+abcdefghijklmnopqrstuvwxyz234567@party.example?subject=stop&body=x",
    }
}

/// A mail to the list with these fields and this body.
pub(crate) fn mail(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "Received: from laptop (192.0.2.7)\nFrom: Staff <news@party.example>\nTo: <news@party.example>\n\
         Subject: Meeting on Friday\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <client@laptop>\n\
         User-Agent: Client 1.0\nX-Originating-IP: 192.0.2.7\nMIME-Version: 1.0\n{fields}\n{body}"
    );
    text.replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .into_bytes()
}

/// Prepares a mail for the tests' list.
pub(crate) fn prepared(message: &[u8]) -> Prepared {
    let mail = inspect(message, &Limits::default()).unwrap();
    prepare(&mail, &letterhead(&footer())).unwrap()
}

/// The copy with the tests' values, as one piece.
pub(crate) fn copy(prepared: &Prepared, values: &SlotValues<'_>) -> Vec<u8> {
    prepared.personalise(values).unwrap().concat()
}
