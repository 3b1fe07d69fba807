//! What conversations are tried with that nobody thought of: an input is a whole conversation, with how its octets come in
//! pieces and what the house answers. libFuzzer makes them (`fuzz/`), and the tests replay those that are kept there.
//!
//! It's here and not in `fuzz/`, because the sessions are nobody's but their door's; a door's own harness is in its `fuzz.rs`.
//! None of it is in the program: it is compiled for tests and under `--cfg fuzzing` alone.

use crate::id::{PasswordId, StaffId};
use crate::staff::scram::Verifier;
use crate::staff::scram::client::Client;
use crate::staff::{Entrant, Knocked, Tried};

/// The name and the password that the house knows.
const USER: &str = "ada";
const PASSWORD: &str = "secret";
/// The password, in words and in base64, and PLAIN's message with it behind each identity that it may have: what anybody must
/// have said who is believed, if it wasn't [`PROOF`].
const SAID: [&[u8]; 4] = [
    b"secret",
    b"c2VjcmV0",
    b"AGFkYQBzZWNyZXQ",
    b"YWRhAGFkYQBzZWNyZXQ",
];

/// In an input's octets, the client's proof (SCRAM) for the last challenge: nobody could guess it.
const PROOF: u8 = 0xfe;
/// Somebody else speaks, or the same one after the handshake.
const OTHER: u8 = 0xfd;
/// An octet again and again: how many times [`RUN`], and which.
const REPEAT: u8 = 0xfc;
const RUN: usize = 64;
/// No input is longer once it's written out.
const LONGEST: usize = 32 * 1024;

/// Tries one input; it panics where something doesn't hold.
pub type Target = fn(&[u8]);

/// What can be tried, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("imap", crate::imap::fuzz::session),
    ("pop3", crate::pop3::fuzz::session),
    ("smtp", crate::smtp::server::fuzz::session),
    ("desk", crate::imap::fuzz::desk),
    ("words", crate::imap::fuzz::words),
    ("message", crate::message::fuzz::message),
];

/// A conversation.
pub(crate) struct Case {
    /// Which kind: each door has its own.
    pub(crate) kind: u8,
    /// What the house answers.
    house: u8,
    /// Into which pieces the octets are cut.
    cuts: u8,
    /// What the client says, and who.
    pub(crate) parts: Vec<Part>,
}

/// What a client says in one go.
#[derive(Clone)]
pub(crate) enum Part {
    Octets(Vec<u8>),
    /// The proof for the last challenge.
    Proof,
    /// Now somebody else.
    Other,
}

impl Case {
    /// Three octets, of which zero and `0` mean the usual, and then what the client says.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let [kind, house, cuts, rest @ ..] = data else {
            return None;
        };
        let (mut parts, mut octets, mut length) = (Vec::new(), Vec::new(), 0);
        let mut rest = rest.iter();
        while let Some(&octet) = rest.next() {
            let part = match octet {
                PROOF => Some(Part::Proof),
                OTHER => Some(Part::Other),
                REPEAT => {
                    let times = rest.next().map_or(0, |times| usize::from(*times) * RUN);
                    let octet = rest.next().copied().unwrap_or_default();
                    octets.extend(std::iter::repeat_n(octet, times));
                    length += times;
                    None
                }
                octet => {
                    octets.push(octet);
                    length += 1;
                    None
                }
            };
            if length > LONGEST {
                return None;
            }
            if let Some(part) = part {
                parts.push(Part::Octets(std::mem::take(&mut octets)));
                parts.push(part);
            }
        }
        parts.push(Part::Octets(octets));
        Some(Self {
            kind: kind.wrapping_sub(b'0'),
            house: *house,
            cuts: *cuts,
            parts,
        })
    }

    /// All that the client says.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let octets = |part: &Part| match part {
            Part::Octets(octets) => octets.clone(),
            Part::Proof | Part::Other => Vec::new(),
        };
        self.parts.iter().flat_map(octets).collect()
    }

    /// What the house answers: the same in the same order, however the octets came.
    pub(crate) fn house(&self) -> Whim {
        Whim::new(self.house)
    }

    /// The ways in which the octets come: all that answer a conversation must agree.
    pub(crate) fn ways(&self) -> [Way; 3] {
        [Way::Whole, Way::Each, Way::Random(self.cuts)]
    }
}

/// How octets come in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Whole,
    Each,
    Random(u8),
}

impl Way {
    /// The lengths of the pieces.
    pub(crate) fn pieces(self) -> impl FnMut(&mut &[u8]) -> Option<Vec<u8>> {
        let mut whim = Whim(match self {
            Self::Random(seed) => 0x9e37_79b9_7f4a_7c15 + u64::from(seed),
            _ => 1,
        });
        move |left: &mut &[u8]| {
            let most = match self {
                Self::Whole => left.len(),
                Self::Each => 1,
                Self::Random(_) => {
                    let most = if whim.below(3) == 0 { 200 } else { 9 };
                    1 + whim.below(most)
                }
            };
            let (piece, rest) = left.split_at(most.min(left.len()));
            *left = rest;
            (!piece.is_empty()).then(|| piece.to_vec())
        }
    }
}

/// Decisions that only look random. Where nothing special was asked for, all are the usual.
#[derive(Clone)]
pub(crate) struct Whim(u64);

impl Whim {
    fn new(seed: u8) -> Self {
        match seed {
            0 | b'0' => Self(0),
            seed => Self(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        }
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = usize::try_from(self.0 >> 33).unwrap_or_default();
        high % below.max(1)
    }

    /// Whether the house says no this time.
    pub(crate) fn refuses(&mut self) -> bool {
        self.0 != 0 && self.below(4) == 0
    }
}

/// What was said so far, to be held against what came of it.
#[derive(Default)]
pub(crate) struct Said {
    octets: Vec<u8>,
    proof: bool,
}

impl Said {
    pub(crate) fn take(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Who is believed has said the password, or proven that they know it.
    pub(crate) fn assert_proven(&self) {
        let said = |words: &&[u8]| contains(&self.octets, words);
        assert!(
            self.proof || SAID.iter().any(said),
            "somebody was let in who proved nothing"
        );
    }

    /// The client's proof for a challenge in base64; of another one, something else.
    pub(crate) fn proof(&mut self, challenge: &[u8], exporter: Option<[u8; 32]>) -> Vec<u8> {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let text = STANDARD.decode(challenge).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let known = text.filter(|text| text.starts_with("r=clientnonce"));
        let Some(text) = known else {
            return b"*\r\n".to_vec();
        };
        self.proof = true;
        let client = Client::new(USER, PASSWORD, exporter);
        [STANDARD.encode(client.proof(&text)).as_bytes(), b"\r\n"].concat()
    }
}

/// What is known of a name.
pub(crate) fn known(user: &str) -> Knocked {
    let staff = (user == USER).then(|| entrant().staff);
    let verifier = match staff {
        Some(_) => Verifier::pretended(PASSWORD),
        None => Verifier::dummy(&[9; 32], user),
    };
    Knocked {
        verifier,
        tried: Tried::pretended(staff),
    }
}

/// Whose name that is.
pub(crate) fn entrant() -> Entrant {
    Entrant {
        staff: StaffId::from_bytes([1; 16]),
        password: PasswordId::from_bytes([2; 16]),
    }
}

pub(crate) fn contains(octets: &[u8], words: &[u8]) -> bool {
    memchr::memmem::find(octets, words).is_some()
}

/// The lines of an answer, which ends each with CRLF and holds neither of the two, nor NUL, elsewhere.
pub(crate) fn lines(answer: &[u8]) -> Vec<&[u8]> {
    let text = answer.strip_suffix(b"\r\n");
    let text = text.unwrap_or_else(|| panic!("no line's end: {}", answer.escape_ascii()));
    let mut lines = Vec::new();
    for line in text.split(|octet| *octet == b'\n') {
        lines.push(line.strip_suffix(b"\r").unwrap_or(line));
    }
    let whole = lines.join(&b"\r\n"[..]);
    assert_eq!(whole, text, "a bare line's end");
    let broken = |line: &&[u8]| memchr::memchr2(b'\r', 0, line).is_some();
    assert!(!lines.iter().any(broken), "a line holds CR or NUL");
    lines
}

/// A challenge without what is random in it.
pub(crate) fn masked(answer: &[u8], before: &[u8]) -> Vec<u8> {
    match answer.strip_prefix(before) {
        Some(challenge) if challenge.len() > 30 => [before, b"challenge\r\n"].concat(),
        _ => answer.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Each input that was kept, because it went where no other did or because it once found something.
    fn replay(target: &str) {
        let known = TARGETS.iter().find(|(name, _)| *name == target);
        let (_, run) = known.expect("a target");
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let mut count = 0;
        for file in std::fs::read_dir(kept.join(target)).expect("a corpus") {
            let file = file.expect("a file").path();
            let data = std::fs::read(&file).expect("an input");
            let ended = std::panic::catch_unwind(|| run(&data));
            assert!(ended.is_ok(), "{} finds something", file.display());
            count += 1;
        }
        assert!(count > 5, "the corpus is there");
    }

    #[test]
    fn replayed_imap() {
        replay("imap");
    }

    #[test]
    fn replayed_pop3() {
        replay("pop3");
    }

    #[test]
    fn replayed_smtp() {
        replay("smtp");
    }

    #[test]
    fn replayed_desk() {
        replay("desk");
    }

    #[test]
    fn replayed_words() {
        replay("words");
    }

    #[test]
    fn replayed_message() {
        replay("message");
    }
}
