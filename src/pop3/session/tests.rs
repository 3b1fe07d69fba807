//! Dialogues, and any octets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::id::{FolderId, MessageId, StaffId};
use crate::mailbox::Maildrop;
use crate::pop3::host::Refusal;
use crate::pop3::limits::Limits;
use crate::staff::scram::Verifier;
use crate::staff::scram::client::Client;
use crate::staff::{Knocked, LoginOutcome, Tried};
use crate::tls::TlsInfo;

fn stranger() -> Stranger {
    Stranger::new(TlsInfo::pretended(), Limits::default())
}

fn maildrop(count: u32) -> Maildrop {
    let message = |number| Dropped {
        uid: Uid(number * 2),
        size: u64::from(number) * 100,
        message: MessageId::random(),
    };
    Maildrop::for_tests(
        FolderId::random(),
        0xabc,
        (1..=count).map(message).collect(),
    )
}

fn known(asked: &Asked) -> Knocked {
    let is_known = asked.user() == "ann";
    Knocked {
        verifier: Verifier::new("secret word").unwrap(),
        tried: Tried::pretended(is_known.then(StaffId::random)),
    }
}

/// Says a line as a stranger, and what comes of it when the host knows Ann.
enum Came {
    Said(String),
    Closed(String),
    In(Member, String),
}

fn say(stranger: &mut Stranger, line: &str, drop: Result<Option<Maildrop>, Refusal>) -> Came {
    let line = format!("{line}\r\n");
    let (used, mut step) = stranger.advance(line.as_bytes());
    assert_eq!(used, line.len());
    loop {
        step = match step {
            Step::Say(text) => return Came::Said(String::from_utf8(text).unwrap()),
            Step::Close(text) => return Came::Closed(String::from_utf8(text).unwrap()),
            Step::AskCredentials(asked) => {
                let known = known(&asked);
                stranger.answer_credentials(asked, Ok(known))
            }
            Step::Login(login) => {
                let answer = match login.outcome() {
                    LoginOutcome::Proven(..) => drop.clone(),
                    LoginOutcome::Refused(_) => Ok(None),
                };
                match stranger.answer_login(login, answer) {
                    Admitted::Not(step) => step,
                    Admitted::Member(member, text) => {
                        return Came::In(member, String::from_utf8(text).unwrap());
                    }
                }
            }
            other => panic!("{other:?}"),
        };
    }
}

fn said(stranger: &mut Stranger, line: &str) -> String {
    match say(stranger, line, Ok(None)) {
        Came::Said(text) => text,
        Came::Closed(text) => panic!("closed: {text}"),
        Came::In(..) => panic!("{line} let somebody in"),
    }
}

#[test]
fn a_stranger_can_do_nothing_but_log_in() {
    let mut ann = stranger();
    assert!(Stranger::greeting().starts_with(b"+OK "));
    let capabilities = said(&mut ann, "CAPA");
    for wanted in [
        "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN",
        "UIDL",
        "TOP",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
    ] {
        assert!(
            capabilities.contains(&format!("\r\n{wanted}\r\n")),
            "{capabilities}"
        );
    }
    assert!(capabilities.ends_with("\r\n.\r\n"));
    for line in [
        "STAT",
        "LIST",
        "RETR 1",
        "DELE 1",
        "TOP 1 1",
        "UIDL",
        "RSET",
        "NOOP",
        "PASS secret word",
        "STLS",
        "APOP ann 00",
    ] {
        assert!(said(&mut ann, line).starts_with("-ERR "), "{line}");
    }
    assert!(
        matches!(say(&mut ann, "QUIT", Ok(None)), Came::Closed(text) if text.starts_with("+OK"))
    );
    assert!(matches!(
        say(&mut ann, "GET / HTTP/1.1", Ok(None)),
        Came::Closed(_)
    ));
}

#[test]
fn a_password_lets_in_and_a_wrong_one_does_not() {
    let mut ann = stranger();
    said(&mut ann, "USER ann");
    let wrong = said(&mut ann, "PASS other");
    assert!(wrong.starts_with("-ERR [AUTH] "), "{wrong}");
    // The name has to be said again, and a name alone tells nothing.
    assert!(said(&mut ann, "PASS secret word").starts_with("-ERR USER"));
    assert_eq!(said(&mut ann, "USER nobody"), said(&mut ann, "USER ann"));
    let in_use = Refusal {
        code: "IN-USE",
        text: "busy".into(),
    };
    let Came::Said(busy) = say(&mut ann, "PASS secret word", Err(in_use)) else {
        panic!("let in");
    };
    assert_eq!(busy, "-ERR [IN-USE] busy\r\n");
    said(&mut ann, "USER ann");
    let Came::In(_, welcome) = say(&mut ann, "PASS secret word", Ok(Some(maildrop(2)))) else {
        panic!("not let in");
    };
    assert_eq!(welcome, "+OK 2 messages (300 octets)\r\n");

    let mut guesser = stranger();
    for _ in 0..2 {
        said(&mut guesser, "USER ann");
        said(&mut guesser, "PASS guess");
    }
    said(&mut guesser, "USER nobody");
    assert!(matches!(
        say(&mut guesser, "PASS secret word", Ok(None)),
        Came::Closed(_)
    ));
}

#[test]
fn dialogues_prove_and_can_be_cancelled() {
    let plain = STANDARD.encode("\0ann\0secret word");
    let mut ann = stranger();
    assert_eq!(said(&mut ann, "AUTH PLAIN"), "+ \r\n");
    assert!(said(&mut ann, "*").starts_with("-ERR"));
    assert!(
        said(&mut ann, &plain).starts_with("-ERR"),
        "no dialogue is left"
    );
    assert_eq!(said(&mut ann, "auth plain"), "+ \r\n");
    assert!(said(&mut ann, "no base64!").starts_with("-ERR"));
    assert!(said(&mut ann, "AUTH CRAM-MD5").starts_with("-ERR"));
    let once = say(
        &mut ann,
        &format!("AUTH PLAIN {plain}"),
        Ok(Some(maildrop(0))),
    );
    assert!(matches!(once, Came::In(..)));

    let exporter = TlsInfo::pretended().exporter().copied();
    for (mechanism, bound) in [("SCRAM-SHA-256", None), ("SCRAM-SHA-256-PLUS", exporter)] {
        let client = Client::new("ann", "secret word", bound);
        let mut ann = stranger();
        let first = format!("AUTH {mechanism} {}", STANDARD.encode(client.first()));
        let challenge = said(&mut ann, &first);
        let challenge = STANDARD
            .decode(challenge.trim().strip_prefix("+ ").unwrap())
            .unwrap();
        let proof = client.proof(&String::from_utf8(challenge).unwrap());
        let last = said(&mut ann, &STANDARD.encode(proof));
        assert!(last.starts_with("+ "), "{last}");
        let ended = say(&mut ann, "", Ok(Some(maildrop(1))));
        assert!(matches!(ended, Came::In(..)), "{mechanism}");
    }
}

fn member(count: u32) -> Member {
    let mut ann = stranger();
    said(&mut ann, "USER ann");
    match say(&mut ann, "PASS secret word", Ok(Some(maildrop(count)))) {
        Came::In(member, _) => member,
        Came::Said(text) | Came::Closed(text) => panic!("{text}"),
    }
}

fn answer(member: &mut Member, line: &str) -> String {
    let line = format!("{line}\r\n");
    let (used, step) = member.advance(line.as_bytes());
    assert_eq!(used, line.len());
    match step {
        Step::Say(text) => String::from_utf8(text).unwrap(),
        Step::List(mut listing) => {
            let mut all = Vec::new();
            loop {
                let (text, rest) = member.list(listing);
                all.extend(text);
                match rest {
                    Some(rest) => listing = rest,
                    None => return String::from_utf8(all).unwrap(),
                }
            }
        }
        Step::Send(message, lines) => format!("sends {} {lines:?}", message.size),
        Step::Leave(uids) => format!(
            "leaves {:?}",
            uids.iter().map(|uid| uid.0).collect::<Vec<_>>()
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_keep_their_numbers_until_the_end() {
    let mut ann = member(4);
    for (line, expected) in [
        ("STAT", "+OK 4 1000\r\n"),
        ("LIST", "+OK\r\n1 100\r\n2 200\r\n3 300\r\n4 400\r\n.\r\n"),
        ("LIST 3", "+OK 3 300\r\n"),
        ("UIDL 3", "+OK 3 00000abc00000006\r\n"),
        ("RETR 2", "sends 200 None"),
        ("TOP 2 10", "sends 200 Some(10)"),
        ("DELE 2", "+OK It goes when you quit\r\n"),
        ("DELE 2", "-ERR No such message\r\n"),
        ("RETR 2", "-ERR No such message\r\n"),
        ("LIST 2", "-ERR No such message\r\n"),
        ("LIST 5", "-ERR No such message\r\n"),
        ("RETR 0", "-ERR No such message\r\n"),
        ("STAT", "+OK 3 800\r\n"),
        (
            "UIDL",
            "+OK\r\n1 00000abc00000002\r\n3 00000abc00000006\r\n4 00000abc00000008\r\n.\r\n",
        ),
        ("RSET", "+OK Everything stays\r\n"),
        ("STAT", "+OK 4 1000\r\n"),
        ("DELE 4", "+OK It goes when you quit\r\n"),
        ("DELE 1", "+OK It goes when you quit\r\n"),
        ("USER ann", "-ERR Logged in already\r\n"),
        ("QUIT", "leaves [2, 8]"),
    ] {
        assert_eq!(answer(&mut ann, line), expected, "{line}");
    }
    assert!(ann.farewell(true).starts_with(b"+OK") && ann.farewell(false).starts_with(b"-ERR"));
    assert_eq!(answer(&mut member(0), "UIDL"), "+OK\r\n.\r\n");
    let many = answer(&mut member(1501), "LIST");
    assert_eq!(many.lines().count(), 1503);
    assert!(many.ends_with("\r\n1501 150100\r\n.\r\n"));
}

#[test]
fn who_only_makes_mistakes_is_sent_away() {
    let mut ann = member(1);
    let mut mistakes = 0;
    loop {
        match ann.advance(b"XYZ\r\n").1 {
            Step::Say(_) => mistakes += 1,
            Step::Close(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(mistakes, 20);
    let mut ann = member(1);
    for _ in 0..10_000 {
        assert!(answer(&mut ann, "NOOP").starts_with("+OK"));
    }
    assert!(matches!(ann.advance(&[b'x'; 5_000]).1, Step::Close(_)));
    let mut idle = stranger();
    let ended = (0..60).find(|_| matches!(say(&mut idle, "CAPA", Ok(None)), Came::Closed(_)));
    assert_eq!(ended, Some(50));
}

proptest! {
    /// Whatever comes, in whatever pieces, the answers are the same, and nobody gets in without a proof.
    #[test]
    fn any_octets_in_any_pieces(lines in prop::collection::vec("(USER ann|PASS x|AUTH PLAIN( =)?|CAPA|[ -~]{0,12}|\\*)(\r\n|\n|\r)?", 0..12), cut in 1..7_usize) {
        let input = lines.concat().into_bytes();
        let hear = |size: usize| {
            let (mut stranger, mut said, mut held) = (stranger(), Vec::new(), Vec::new());
            for piece in input.chunks(size) {
                held.extend_from_slice(piece);
                loop {
                    let (used, mut step) = stranger.advance(&held);
                    held.drain(..used);
                    if matches!(step, Step::NeedInput) {
                        break;
                    }
                    loop {
                        step = match step {
                            Step::AskCredentials(asked) => {
                                let known = known(&asked);
                                stranger.answer_credentials(asked, Ok(known))
                            }
                            Step::Login(login) => match stranger.answer_login(login, Ok(None)) {
                                Admitted::Not(step) => step,
                                Admitted::Member(..) => panic!("let in"),
                            },
                            Step::Say(text) => { said.extend(text); break; }
                            Step::Close(text) => { said.extend(text); return said; }
                            other => panic!("{other:?}"),
                        };
                    }
                }
            }
            said
        };
        prop_assert_eq!(hear(cut), hear(input.len().max(1)));
    }
}
