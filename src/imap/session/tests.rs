//! Log-ins and commands, octet by octet, without a socket.

use super::*;
use crate::id::StaffId;
use crate::imap::host::Refusal;
use crate::imap::limits::Limits;
use crate::staff::scram::{Verifier, client};
use crate::staff::{Knocked, LoginOutcome, Tried};
use crate::tls::TlsInfo;

const LIMITS: Limits = Limits {
    message_size: 100,
    command: (300, 600),
    errors: 3,
    commands_before_log_in: 20,
    failed_logins: 2,
    messages_at_once: 2,
    per_account: 2,
};

fn stranger() -> Stranger {
    Stranger::new(TlsInfo::pretended(), LIMITS)
}

fn ada() -> StaffId {
    StaffId::from_slice(&[7; 16]).unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// What a stranger hears who says this; the password is `secret`.
fn hear(stranger: &mut Stranger, said: &str) -> Vec<String> {
    let (mut rest, mut heard) = (said.as_bytes(), Vec::new());
    loop {
        let (used, mut step) = stranger.advance(rest);
        rest = &rest[used..];
        if let Step::AskCredentials(asked) = step {
            let tried = Tried::pretended((asked.user() == "ada").then(ada));
            let verifier = Verifier::new("secret").unwrap();
            step = stranger.answer_credentials(asked, Ok(Knocked { verifier, tried }));
        }
        if let Step::Login(login) = step {
            let outcome = login.outcome();
            let answer = match outcome {
                // Nobody has a mailbox here: who is proven is told so.
                LoginOutcome::Proven(..) => Err(Refusal {
                    code: "X-PROVEN",
                    text: "Proven".into(),
                }),
                LoginOutcome::Refused(_) => Ok(None),
            };
            match stranger.answer_login(login, answer) {
                Admitted::Not(not) => step = not,
                Admitted::Member(..) => panic!("nobody was let in"),
            }
        }
        match step {
            Step::Say(said) => heard.push(text(&said)),
            Step::Close(said) => {
                heard.push(text(&said));
                heard.push("closed".to_owned());
                return heard;
            }
            Step::Continue => {}
            Step::NeedInput => return heard,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stranger_can_log_in_and_little_else() {
    let mut stranger = stranger();
    assert!(
        text(&stranger.greeting()).starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 SASL-IR ")
    );
    let heard = hear(
        &mut stranger,
        "a capability\r\nb noop\r\nc id nil\r\nd namespace\r\ne fetch 1 all\r\nf x\r\n",
    );
    assert!(
        heard[0].contains(" AUTH=SCRAM-SHA-256-PLUS\r\na OK"),
        "{}",
        heard[0]
    );
    assert!(!heard[0].contains("IDLE"));
    for (at, start) in [
        "a OK",
        "b OK",
        "c OK",
        "d BAD Log in",
        "e BAD Log in",
        "f BAD",
    ]
    .iter()
    .enumerate()
    {
        assert!(
            heard[at].lines().last().unwrap().starts_with(start),
            "{}",
            heard[at]
        );
    }
    let heard = hear(&mut stranger, "g logout\r\nh noop\r\n");
    assert_eq!(heard, ["* BYE Good bye\r\ng OK Done\r\n", "closed"]);
}

#[test]
fn passwords_are_heard_in_all_forms() {
    // NUL ada NUL secret
    let plain = "AGFkYQBzZWNyZXQ=";
    for said in [
        "a login ada secret\r\n".to_owned(),
        "a LOGIN \"ada\" {6+}\r\nsecret\r\n".to_owned(),
        format!("a authenticate plain {plain}\r\n"),
        format!("a authenticate PLAIN\r\n{plain}\r\n"),
    ] {
        let heard = hear(&mut stranger(), &said);
        assert_eq!(
            heard.last().unwrap(),
            "a NO [X-PROVEN] Proven\r\n",
            "{said}"
        );
    }
    for (said, answer) in [
        ("a login ada wrong\r\n", "a NO [AUTHENTICATIONFAILED]"),
        ("a login bo secret\r\n", "a NO [AUTHENTICATIONFAILED]"),
        ("a login \"\" secret\r\n", "a NO [AUTHENTICATIONFAILED]"),
        ("a authenticate plain =\r\n", "a BAD"),
        ("a authenticate plain !\r\n", "a BAD"),
        (
            "a authenticate plain\r\n*\r\n",
            "a BAD Authentication cancelled",
        ),
        ("a authenticate cram-md5\r\n", "a NO [CANNOT]"),
        (
            "a authenticate plain Ym8AYWRhAHNlY3JldA==\r\n",
            "a NO [AUTHORIZATIONFAILED]",
        ),
    ] {
        let heard = hear(&mut stranger(), said);
        assert!(
            heard.last().unwrap().starts_with(answer),
            "{said}: {heard:?}"
        );
    }
}

#[test]
fn a_proof_is_taken_instead_of_a_password() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    for plus in [false, true] {
        let mut stranger = stranger();
        let exporter = TlsInfo::pretended();
        let binding = plus.then(|| *exporter.exporter().unwrap());
        let client = client::Client::new("ada", "secret", binding);
        let name = if plus {
            "SCRAM-SHA-256-PLUS"
        } else {
            "SCRAM-SHA-256"
        };
        let first = STANDARD.encode(client.first());
        let heard = hear(&mut stranger, &format!("a authenticate {name} {first}\r\n"));
        let challenge = STANDARD.decode(heard[0][2..].trim_end()).unwrap();
        let challenge = String::from_utf8(challenge).unwrap();
        let proof = STANDARD.encode(client.proof(&challenge));
        let heard = hear(&mut stranger, &format!("{proof}\r\n\r\n"));
        assert!(heard[0].starts_with("+ dj"), "{heard:?}");
        assert_eq!(heard[1], "a NO [X-PROVEN] Proven\r\n");
    }
}

#[test]
fn what_is_too_much_ends_it() {
    for (said, start) in [
        ("a login x y\r\n".repeat(2), "a NO [AUTHENTICATIONFAILED]"),
        ("a noop\r\n".repeat(21), "* BYE"),
        (
            format!("a login {} x\r\n", "y".repeat(400)),
            "a BAD [TOOBIG]",
        ),
        ("a login {1000000000+}\r\n".to_owned(), "a BAD [TOOBIG]"),
        ("a noop\nb noop\r\n".to_owned(), "a BAD [CLIENTBUG]"),
        (
            format!("a authenticate plain\r\n{}", "A".repeat(5000)),
            "* BYE",
        ),
        ("GET / HTTP/1.1\r\n".to_owned(), "GET BAD"),
    ] {
        let mut heard = hear(&mut stranger(), &said);
        assert_eq!(heard.pop().as_deref(), Some("closed"), "{said:.40}");
        assert!(heard.pop().unwrap().starts_with(start), "{said:.40}");
    }
    let heard = hear(&mut stranger(), "a login {1000000000}\r\nb noop\r\n");
    assert!(
        heard[0].starts_with("a BAD [TOOBIG]") && heard[1].starts_with("b OK"),
        "{heard:?}"
    );
    let heard = hear(&mut stranger(), "a append x {5+}\r\nhello\r\n");
    assert!(heard[0].starts_with("a BAD"), "{heard:?}");
}

/// What the driver would be asked to do; APPENDs to `No` are refused.
fn ask(member: &mut Member, said: &[u8]) -> Vec<String> {
    let (mut rest, mut asked) = (said, Vec::new());
    loop {
        let (used, step) = member.advance(rest);
        let mut refused = false;
        match step {
            Step::NeedInput => return asked,
            Step::Continue => {}
            Step::Say(said) => asked.push(text(&said)),
            Step::Close(said) => {
                asked.push(format!("closed: {}", text(&said)));
                return asked;
            }
            Step::AppendTo(name) => {
                refused = name.0 == b"No";
                asked.push("to".to_owned());
            }
            Step::AppendBegin(head) => asked.push(format!("begin {}", head.size)),
            Step::AppendOctets(octets) => asked.push(format!("octets {}", text(octets))),
            Step::AppendEnd => asked.push("end".to_owned()),
            Step::AppendFinish(tag) => asked.push(format!("finish {}", tag.0)),
            Step::IdleEnds(tag) => asked.push(format!("idle ends {}", tag.0)),
            Step::Run(tag, command) => asked.push(format!("{} {command:?}", tag.0)),
            Step::AskCredentials(_) | Step::Login(_) => panic!("logged in already"),
        }
        if refused {
            member.refuse_append(crate::imap::desk::No::new("TRYCREATE", "No such folder"));
        }
        rest = &rest[used..];
    }
}

fn member() -> Member {
    Member::new(LIMITS)
}

#[test]
fn commands_and_messages_go_to_the_desk() {
    let said = b"a noop\r\nb append X {5}\r\nhello (\\Seen) {2+}\r\nyo\r\nc idle\r\nDONE\r\nd unselect\r\n";
    assert_eq!(
        ask(&mut member(), said),
        [
            "a Noop",
            "to",
            "begin 5",
            "+ Go on\r\n",
            "octets hello",
            "end",
            "begin 2",
            "octets yo",
            "end",
            "finish b",
            "c Idle",
            "idle ends c",
            "d Unselect"
        ]
    );
}

#[test]
fn a_refused_message_is_read_to_its_end() {
    // One that waits doesn't send it, another one does.
    assert_eq!(
        ask(&mut member(), b"a append No {5}\r\nb noop\r\n"),
        ["to", "a NO [TRYCREATE] No such folder\r\n", "b Noop"]
    );
    assert_eq!(
        ask(&mut member(), b"a append No {5+}\r\nhello\r\nb noop\r\n"),
        ["to", "a NO [TRYCREATE] No such folder\r\n", "b Noop"]
    );
    assert_eq!(
        ask(&mut member(), b"a append X {101}\r\nb noop\r\n"),
        ["to", "a NO [TOOBIG] The message is too large\r\n", "b Noop"]
    );
    let long = [
        b"a append X {101+}\r\n".as_slice(),
        &[b'x'; 101],
        b"\r\nb noop\r\n",
    ]
    .concat();
    assert_eq!(
        ask(&mut member(), &long),
        ["to", "a NO [TOOBIG] The message is too large\r\n", "b Noop"]
    );
    let asked = ask(&mut member(), b"a append X {1000000000+}\r\n");
    assert!(asked[1].starts_with("closed: a NO [TOOBIG]"), "{asked:?}");
    let three = b"a append X {1+}\r\nx {1+}\r\ny {1+}\r\nz\r\nb noop\r\n";
    let asked = ask(&mut member(), three);
    assert_eq!(
        asked[asked.len() - 2..],
        ["a NO [LIMIT] Too many messages at once\r\n", "b Noop"]
    );
}

/// Whoever fills a mailbox makes no mistake, however often it is too full.
#[test]
fn what_is_refused_ends_nothing() {
    for append in [
        &b"a append No {5}\r\n"[..],
        b"a append No {5+}\r\nhello\r\n",
    ] {
        let asked = ask(&mut member(), &append.repeat(9));
        assert_eq!(asked.len(), 18, "{asked:?}");
        assert!(asked[17].starts_with("a NO [TRYCREATE]"), "{asked:?}");
    }
    let asked = ask(&mut member(), &b"a append X ( {5}\r\n".repeat(9));
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked[3].starts_with("closed: a BAD"), "{asked:?}");
}

#[test]
fn messages_of_one_append_are_as_long_as_one_together() {
    let sixty = "x".repeat(60);
    for (second, answer) in [(40, "finish a"), (41, "a NO [LIMIT]")] {
        let message = "y".repeat(second);
        let said = format!("a append X {{60+}}\r\n{sixty} {{{second}+}}\r\n{message}\r\n");
        let asked = ask(&mut member(), said.as_bytes());
        assert!(asked.last().unwrap().starts_with(answer), "{asked:?}");
    }
}

#[test]
fn mistakes_are_answered_and_too_many_end_it() {
    let mut member = member();
    let asked = ask(
        &mut member,
        b"a x\r\nb login a b\r\nc idle\r\nstop\r\nd noop\r\n",
    );
    assert!(
        asked[0].starts_with("a BAD") && asked[1].starts_with("b BAD Logged in"),
        "{asked:?}"
    );
    assert_eq!(
        asked[2..],
        ["c Idle", "c BAD DONE was expected\r\n", "d Noop"]
    );
    let asked = ask(&mut member, &b"a x\r\n".repeat(9));
    assert_eq!(asked.len(), 4);
    assert!(
        asked[3].starts_with("closed: a BAD") && asked[3].contains("* BYE"),
        "{asked:?}"
    );
    for said in [
        &b"a append X {5+}\r\nhello\nb"[..],
        b"a append X {1+}\r\nx y\r\n",
    ] {
        let asked = ask(&mut self::member(), said);
        assert!(asked.last().unwrap().starts_with("closed: "), "{asked:?}");
    }
}

#[test]
fn a_message_of_no_octets_cancels_its_append() {
    let answer = "a NO A message of no octets cancels the APPEND\r\n";
    for said in [
        &b"a append X {5+}\r\nhello {0+}\r\n\r\nb noop\r\n"[..],
        b"a append X {5+}\r\nhello {0}\r\nb noop\r\n",
        b"a append X {0}\r\nb noop\r\n",
        b"a append X {0+}\r\n {5+}\r\nhello\r\nb noop\r\n",
    ] {
        let asked = ask(&mut member(), said);
        let last = &asked[asked.len() - 2..];
        assert_eq!(last, [answer, "b Noop"], "{}", text(said));
        assert!(!asked.iter().any(|asked| asked.starts_with("finish")));
    }
}

/// What is wrong with an APPEND is told as it is: programs take TOOBIG for a message that is too large.
#[test]
fn what_is_wrong_with_an_append_is_told() {
    let answer = "a BAD A date was expected, as in \"17-Jul-1996 02:44:25 -0700\"\r\n";
    for said in [
        "a append X \"31-Feb-2026 00:00:00 +0000\" {5}\r\nb noop\r\n",
        "a append X \"31-Feb-2026 00:00:00 +0000\" {5+}\r\nhello\r\nb noop\r\n",
        "a append X \"31-Feb-2026 00:00:00 +0000\" {1+}\r\nx {1+}\r\ny\r\nb noop\r\n",
    ] {
        assert_eq!(ask(&mut member(), said.as_bytes()), [answer, "b Noop"]);
    }
    let asked = ask(&mut member(), b"a append X ( {1+}\r\nx\r\nb noop\r\n");
    assert_eq!(asked, ["a BAD A word was expected\r\n", "b Noop"]);
    let asked = ask(&mut member(), b"a append X ( {1000000000+}\r\n");
    assert!(asked[0].starts_with("closed: a BAD A word"), "{asked:?}");
    let asked = ask(&mut member(), b"a append X {1+}\r\nx (\r\n");
    assert!(
        asked
            .last()
            .unwrap()
            .starts_with("closed: a BAD [CLIENTBUG] A word was"),
        "{asked:?}"
    );
}

/// What people call themselves, their folders and their marks stands in no log.
#[test]
fn nothing_shows_what_was_said() {
    let mut member = member();
    let said = b"a list \"\" bevan\r\nb store 1 flags bevan\r\nc append bevan (bevan) {5}\r\n";
    assert!(!format!("{:?}", ask(&mut member, said)).contains("bevan"));
    let shown = format!("{member:?}");
    assert!(!shown.contains("bevan"), "{shown}");
    let mut member = self::member();
    let begun = ask(&mut member, b"a login bevan {5}\r\nsec");
    // As octets they stand there too.
    let shown = format!("{begun:?} {member:?}");
    assert!(
        !shown.contains("bevan") && !shown.contains("98, 101, 118"),
        "{shown}"
    );
}

proptest::proptest! {
    #[test]
    fn anything_can_be_said(said in "([a-c] (noop|idle|append X \\{[0-9]{1,3}\\+?\\}|login \\{2\\}|fetch 1 body\\[\\]|search all)|DONE|[ -~]{0,9})?((\r\n|\n|\0){0,2}([ -~]{0,9}(\r\n)?){0,3}){0,5}") {
        let _ = ask(&mut member(), said.as_bytes());
        let _ = hear(&mut stranger(), &said);
    }
}
