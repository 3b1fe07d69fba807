//! Mail that others have signed; and dkimpy, a verifier of DKIM signatures that is not ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use hustings::message::dkim::{BodyHasher, HeaderSet, Signer, SigningTime};
use jiff::Timestamp;

use super::party::Party;

/// A mail with a signature in front of it.
pub fn signed(signer: &Signer, header: &str, body: &str) -> String {
    let mut hasher = BodyHasher::new();
    hasher.update(body.as_bytes());
    let (at, expires) = (Timestamp::now(), None);
    let fields = signer.sign(
        header.as_bytes(),
        &hasher.finish(),
        HeaderSet::Message,
        SigningTime { at, expires },
    );
    let fields = String::from_utf8(fields.unwrap()).unwrap();
    format!("{fields}{header}\r\n{body}")
}

/// A line for each message on its input: what each signature came to, and which fields each covers.
const VERIFIER: &str = r"
import base64, sys
try:
    import dkim, nacl
except ImportError:
    sys.exit(77)
records = {}
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return records.get(name.rstrip('.'), '').encode()
print('ready', flush=True)
for line in sys.stdin:
    what, _, rest = line.strip().partition(' ')
    if what == 'key':
        name, _, text = rest.partition(' ')
        records[name] = text
        continue
    message = base64.b64decode(rest)
    said = []
    count = sum(1 for name, _ in dkim.rfc822_parse(message)[0] if name.lower() == b'dkim-signature')
    for n in range(count):
        check = dkim.DKIM(message)
        try:
            passed = check.verify(idx=n, dnsfunc=txt)
        except dkim.DKIMException:
            passed = False
        fields = check.signature_fields
        covers = b':'.join(fields[b'h'].split(b':')).decode().lower().replace(' ', '').replace('\r\n', '')
        said.append('%s|%s|%s|%s|%s' % (passed, fields[b'a'].decode(), fields[b'd'].decode(), fields[b's'].decode(), covers))
    print(' '.join(said), flush=True)
";

/// One Python that lives as long as the story.
pub struct Dkimpy {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What dkimpy found in one signature.
pub struct Signature {
    /// Whether it holds.
    pub passed: bool,
    /// As in `a=`.
    pub algorithm: String,
    /// Who signed.
    pub domain: String,
    /// As in `s=`.
    pub selector: String,
    /// The fields that it covers, in lower case.
    pub covers: Vec<String>,
}

impl Dkimpy {
    /// None if it isn't installed, which CI must not have.
    pub fn start() -> Option<Self> {
        // Distributions put their modules beside their own interpreter, which need not be the first in PATH.
        let started = ["/usr/bin/python3", "python3"]
            .iter()
            .find_map(|python| Self::start_with(python));
        assert!(
            started.is_some() || std::env::var_os("CI").is_none(),
            "CI must have python3 with dkimpy and pynacl"
        );
        started
    }

    fn start_with(python: &str) -> Option<Self> {
        let mut child = Command::new(python)
            .args(["-c", VERIFIER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        (first == "ready\n").then_some(Self {
            child,
            input,
            output,
        })
    }

    /// Tells it the keys that a party would publish.
    pub fn knows_keys_of(&mut self, party: &Party) {
        for key in party.rooms().names.keys() {
            writeln!(self.input, "key {} {}", key.name(), key.text).unwrap();
        }
    }

    /// What it finds in a mail's signatures, from the top.
    pub fn look(&mut self, message: &[u8]) -> Vec<Signature> {
        writeln!(self.input, "mail {}", STANDARD.encode(message)).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.split_whitespace()
            .map(|one| {
                let parts: Vec<&str> = one.split('|').collect();
                Signature {
                    passed: parts[0] == "True",
                    algorithm: parts[1].to_owned(),
                    domain: parts[2].to_owned(),
                    selector: parts[3].to_owned(),
                    covers: parts[4].split(':').map(str::to_owned).collect(),
                }
            })
            .collect()
    }
}

impl Drop for Dkimpy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
