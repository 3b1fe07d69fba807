//! Dialogues: `> ` is what the client sends, with CRLF; `< ` are the codes that come back; `! ` means closed.

use super::super::super::envelope::Role;
use super::super::super::host::Refusal;
use super::super::super::limits::Limits;
use super::world::{PLAIN, Taken, WRONG_PLAIN, World, open, small};

fn converse(mut world: World, dialogue: &str) -> World {
    for line in dialogue
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if let Some(sent) = line.strip_prefix("> ") {
            world.codes.clear();
            world.feed(format!("{sent}\r\n").as_bytes());
        } else if let Some(codes) = line.strip_prefix("< ") {
            let expected: Vec<u16> = codes
                .split(' ')
                .map(|code| code.parse().expect("a code"))
                .collect();
            assert_eq!(world.codes, expected, "in\n{dialogue}");
        } else {
            assert_eq!(line, "!", "in\n{dialogue}");
            assert!(world.closed, "not closed in\n{dialogue}");
        }
    }
    world
}

fn mx(dialogue: &str) -> World {
    converse(World::new(Role::Mx, small()), dialogue)
}

fn submission(dialogue: &str) -> World {
    converse(World::new(Role::Submission, small()), dialogue)
}

fn ehlo(role: Role) -> Vec<String> {
    let mut world = World::new(role, Limits::default());
    world.feed(b"EHLO client.example\r\n");
    let reply = world.last.expect("a reply");
    reply.lines().map(str::to_owned).collect()
}

#[test]
fn a_mail_is_taken() {
    let world = mx("
        > EHLO mx.other.example
        < 250
        > MAIL FROM:<bob@other.example> SIZE=20 BODY=8BITMIME
        < 250
        > RCPT TO:<ann@party.example>
        < 250
        > RCPT TO:<postmaster>
        < 250
        > RCPT TO:<ann@party.example>
        < 250
        > DATA
        < 354
        > Subject: x
        > .
        < 250
        > QUIT
        < 221
        !");
    let taken = Taken {
        recipients: vec!["ann@party.example".into(), "postmaster".into()],
        text: b"Subject: x\r\n".to_vec(),
        staff: false,
    };
    assert_eq!(world.taken, [taken]);
}

#[test]
fn extensions_are_offered_after_tls_and_auth_on_submission_only() {
    let base = [
        "mx.party.example",
        "PIPELINING",
        "SIZE 26214400",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "ENHANCEDSTATUSCODES",
        "LIMITS MAILMAX=1000 RCPTMAX=100",
    ];
    assert_eq!(ehlo(Role::Mx), base);
    for role in [Role::Submission, Role::Submissions] {
        let lines = ehlo(role);
        assert_eq!(lines[..8], base);
        assert_eq!(
            lines[8..],
            ["AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"]
        );
    }
}

#[test]
fn commands_out_of_turn_are_refused() {
    for dialogue in [
        "> MAIL FROM:<>
         < 503",
        "> EHLO c
         > RCPT TO:<ann@party.example>
         < 503
         > DATA
         < 503",
        "> EHLO c
         > MAIL FROM:<>
         < 250
         > MAIL FROM:<>
         < 503
         > DATA
         < 554",
        "> EHLO c
         > MAIL FROM:<>
         > RSET
         < 250
         > RCPT TO:<ann@party.example>
         < 503",
        "> EHLO c
         > MAIL FROM:<>
         > RCPT TO:<ann@party.example>
         > EHLO c
         < 250
         > DATA
         < 503",
        "> EHLO c
         > MAIL FROM:<>
         > RCPT TO:<nobody@party.example>
         < 550
         > RCPT TO:<ann@elsewhere.example>
         < 550
         > DATA
         < 554",
        "> EHLO c
         > STARTTLS
         < 503",
        "> EHLO c
         > MAIL FROM:<>
         > RCPT TO:<ann@party.example>
         > BDAT 3
         > a
         < 250
         > DATA
         < 503
         > RCPT TO:<eve@party.example>
         < 503
         > MAIL FROM:<>
         < 503",
    ] {
        assert!(mx(dialogue).taken.is_empty());
    }
}

#[test]
fn malformed_commands_are_refused() {
    for (command, code) in [
        ("EHLO", 501),
        ("EHLO foo bar", 501),
        ("HELO", 501),
        ("DATA foo", 501),
        ("RSET foo", 501),
        ("QUIT foo", 501),
        ("MAIL FROM: <a@b.example>", 501),
        ("MAIL FROM:<a@b.example> FOO=bar", 555),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", 501),
        ("MAIL FROM:<a@b.example> SIZE=1001", 552),
        ("MAIL FROM:<\u{e9}@b.example>", 553),
        ("XYZZY", 500),
        ("", 500),
        ("EXPN news", 502),
        ("VRFY ann", 252),
        ("HELP", 214),
        ("NOOP what ever", 250),
        ("AUTH PLAIN", 502),
    ] {
        let mut world = World::new(Role::Mx, small());
        world.feed(b"EHLO c\r\n");
        world.feed(format!("{command}\r\n").as_bytes());
        assert_eq!(world.codes, [250, code], "{command:?}");
        assert!(!world.closed, "{command:?}");
    }
}

#[test]
fn lines_that_are_no_lines_close_the_connection() {
    let long = [&vec![b'x'; 600][..], b"\r\n"].concat();
    for bad in [
        &b"NOOP\n"[..],
        b"NOOP\rNOOP\r\n",
        b"NO\0OP\r\n",
        b"RCPT TO:<a\rb@party.example>\r\n",
        &long,
        b"AUTH PLAIN\n",
    ] {
        let mut world = World::new(Role::Mx, small());
        world.feed(b"EHLO c\r\n");
        world.feed(bad);
        world.feed(b"NOOP\r\n");
        assert_eq!(world.codes, [250, 500], "{bad:?}");
        assert!(world.closed);
    }
    let mut world = World::new(Role::Mx, small());
    world.feed(b"POST / HTTP/1.1\r\nMAIL FROM:<>\r\n");
    assert_eq!(world.codes, [502]);
    assert!(world.closed);
}

#[test]
fn helo_has_no_extensions() {
    let world = mx("
        > HELO c
        < 250
        > MAIL FROM:<> SIZE=1
        < 555
        > MAIL FROM:<>
        < 250");
    assert!(world.codes == [250]);
}

#[test]
fn too_many_recipients_are_refused_one_by_one_and_the_mail_goes_on() {
    let mut world = mx("> EHLO c
        > MAIL FROM:<>
        > RCPT TO:<a@party.example>
        > RCPT TO:<b@party.example>
        > RCPT TO:<c@party.example>
        < 250
        > RCPT TO:<d@party.example>
        < 452
        > RCPT TO:<e@party.example>
        < 452");
    world.feed(b"DATA\r\n.\r\n");
    assert_eq!(world.taken[0].recipients.len(), 3);
}

#[test]
fn ten_thousand_recipients_are_each_answered() {
    let mut world = World::new(Role::Mx, Limits::default());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\n");
    world.codes.clear();
    for number in 0..10_000 {
        world.feed(format!("RCPT TO:<u{number}@party.example>\r\n").as_bytes());
    }
    assert_eq!(world.codes.len(), 10_000);
    assert!(world.codes[..100].iter().all(|&code| code == 250));
    assert!(world.codes[100..].iter().all(|&code| code == 452));
}

#[test]
fn errors_and_idling_end_the_connection() {
    let mut world = World::new(Role::Mx, small());
    for _ in 0..9 {
        world.feed(b"XYZZY\r\n");
    }
    assert_eq!(world.codes, [500, 500, 500, 500, 500, 421]);
    for idle in ["NOOP", "RSET", "VRFY a", "HELP", "EHLO c", "HELO c"] {
        let mut world = World::new(Role::Mx, small());
        for _ in 0..20 {
            world.feed(format!("{idle}\r\n").as_bytes());
        }
        assert_eq!(world.codes.len(), 9, "{idle}");
        assert_eq!(world.codes.last(), Some(&421), "{idle}");
    }
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\n");
    for _ in 0..100 {
        world.feed(b"RCPT TO:<full@party.example>\r\n");
    }
    assert_eq!(
        world.codes.len(),
        61,
        "451s are no errors, but they end too"
    );
    assert!(world.closed);
}

#[test]
fn mails_are_counted_and_forgive_errors() {
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\n");
    for _ in 0..4 {
        world.feed(
            b"XYZZY\r\nXYZZY\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\n.\r\n",
        );
    }
    assert_eq!(world.taken.len(), 4);
    world.feed(b"MAIL FROM:<>\r\n");
    assert_eq!(world.codes.last(), Some(&421));
    assert!(world.closed);
}

#[test]
fn a_host_that_is_locked_or_sick_is_believed() {
    mx("> EHLO c
        > MAIL FROM:<>
        > RCPT TO:<full@party.example>
        < 451
        > RCPT TO:<locked@party.example>
        < 421
        !");
    let refusals: [fn(&mut World, Refusal); 3] = [
        |world, refusal| world.begin_refused = Some(refusal),
        |world, refusal| world.write_refused = Some(refusal),
        |world, refusal| world.finish_refused = Some(refusal),
    ];
    for (number, refuse) in refusals.iter().enumerate() {
        let mut world = World::new(Role::Mx, small());
        refuse(&mut world, Refusal::try_later());
        world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
        world.codes.clear();
        world.feed(b"DATA\r\n");
        if number == 0 {
            assert_eq!(world.codes, [451]);
        } else {
            world.feed(b"one\r\ntwo\r\n.\r\nNOOP\r\n");
            assert_eq!(world.codes, [354, 451, 250], "refusal {number}");
        }
        assert!(world.taken.is_empty());
    }
}

#[test]
fn a_big_message_is_refused_at_its_end_and_a_huge_one_at_once() {
    for (octets, codes, closed) in [
        (1000, &[354, 250, 250][..], false),
        (1002, &[354, 552, 250], false),
        (2100, &[354, 552], true),
    ] {
        let mut world = World::new(Role::Mx, small());
        world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
        world.codes.clear();
        world.feed(b"DATA\r\n");
        let text: Vec<u8> = b"12345678\r\n"
            .iter()
            .copied()
            .cycle()
            .take(octets / 10 * 10)
            .collect();
        world.feed(&text);
        world.feed(&b"xxxxxxxxx"[..octets % 10]);
        world.feed(if octets % 10 == 0 {
            b".\r\nNOOP\r\n"
        } else {
            b"\r\n.\r\nNOOP\r\n"
        });
        assert_eq!(world.codes, codes, "{octets}");
        assert_eq!(world.closed, closed);
    }
}

#[test]
fn a_line_beyond_the_limit_refuses_the_message() {
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\n");
    world.codes.clear();
    world.feed(&[b'x'; 101]);
    world.feed(b"\r\n.\r\nNOOP\r\n");
    assert_eq!(world.codes, [554, 250]);
    assert!(world.taken.is_empty());
}

#[test]
fn smuggling_never_makes_two_of_one() {
    for ending in [
        &b"\n.\n"[..],
        b"\r.\r",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r\n\0.\r\n",
        b".\r\r\n",
        b"\r\n.\r\r\n",
        b"\r.\r\n",
        b"\r\n.\r",
    ] {
        let smuggled = b"MAIL FROM:<eve@other.example>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\nevil\r\n.\r\n";
        for by_octets in [false, true] {
            let mut world = World::new(Role::Mx, small());
            world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\n");
            world.codes.clear();
            let wire = [b"Subject: x\r\n\r\nbody", ending, smuggled].concat();
            if by_octets {
                wire.iter().for_each(|&octet| world.feed(&[octet]));
            } else {
                world.feed(&wire);
            }
            assert_eq!(world.codes, [550], "{ending:?}");
            assert!(world.closed && world.taken.is_empty(), "{ending:?}");
        }
    }
}

#[test]
fn chunks_make_a_message() {
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
    world.codes.clear();
    world.feed(b"BDAT 6\r\none\r\n.BDAT 0\r\nBDAT 6 LAST\r\n\r\n..\r\nNOOP\r\n");
    assert_eq!(world.codes, [250, 250, 250, 250]);
    assert_eq!(world.taken[0].text, b"one\r\n.\r\n..\r\n");
    world.feed(b"MAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nBDAT 0 LAST\r\n");
    assert_eq!(world.taken.len(), 2);
}

#[test]
fn chunks_nobody_wants_are_read_past() {
    let rest = "NOOP\r\n";
    for (commands, chunk, codes, closed) in [
        ("", "BDAT 6 LAST\r\nQUIT\r\n", &[503, 250][..], false),
        ("MAIL FROM:<>\r\n", "BDAT 6\r\nQUIT\r\n", &[554, 250], false),
        (
            "MAIL FROM:<>\r\nRCPT TO:<a@party.example>\r\n",
            "BDAT x\r\nQUIT\r\n",
            &[501],
            true,
        ),
        (
            "MAIL FROM:<>\r\nRCPT TO:<a@party.example>\r\n",
            "BDAT 6\r\na\nb\r\nc",
            &[550],
            true,
        ),
        (
            "MAIL FROM:<>\r\nRCPT TO:<a@party.example>\r\n",
            "BDAT 2 LAST\r\na\r",
            &[550],
            true,
        ),
        (
            "MAIL FROM:<>\r\nRCPT TO:<a@party.example>\r\n",
            "BDAT 9999\r\n",
            &[552],
            true,
        ),
    ] {
        let mut world = World::new(Role::Mx, small());
        world.feed(format!("EHLO c\r\n{commands}").as_bytes());
        world.codes.clear();
        world.feed(format!("{chunk}{rest}").as_bytes());
        assert_eq!(world.codes, codes, "{commands:?} {chunk:?}");
        assert_eq!(world.closed, closed, "{commands:?} {chunk:?}");
        assert!(world.taken.is_empty());
    }
}

#[test]
fn a_chunk_too_many_ends_the_mail_and_what_follows_is_read_past() {
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
    world.codes.clear();
    let chunk = b"12345678\r\n".repeat(60);
    for _ in 0..2 {
        world.feed(b"BDAT 600\r\n");
        world.feed(&chunk);
    }
    world.feed(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(world.codes, [250, 552, 503, 250]);
    assert!(world.taken.is_empty());
}

#[test]
fn a_sick_store_between_chunks_refuses_and_reads_past() {
    let mut world = World::new(Role::Mx, small());
    world.write_refused = Some(Refusal::try_later());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
    world.codes.clear();
    world.feed(b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(world.codes, [451, 503, 250]);
}

#[test]
fn submission_takes_mail_from_staff_alone() {
    let world = submission(&format!(
        "> EHLO c
         > MAIL FROM:<ann@party.example>
         < 530
         > AUTH PLAIN {PLAIN}
         < 235
         > AUTH PLAIN {PLAIN}
         < 503
         > MAIL FROM:<ann@party.example> AUTH=<>
         < 250
         > RCPT TO:<bob@party.example>
         < 250
         > DATA
         < 354
         > .
         < 250
         > EHLO c
         > MAIL FROM:<ann@party.example>
         < 250"
    ));
    assert!(world.taken[0].staff);
}

#[test]
fn log_ins_by_plain_and_login() {
    for dialogue in [
        format!("> EHLO c\n> AUTH PLAIN\n< 334\n> {PLAIN}\n< 235"),
        format!("> EHLO c\n> auth plain {PLAIN}\n< 235"),
        format!(
            "> EHLO c\n> AUTH PLAIN {WRONG_PLAIN}\n< 535\n> AUTH PLAIN {WRONG_PLAIN}\n< 421\n!"
        ),
        "> EHLO c\n> AUTH LOGIN\n< 334\n> YW5u\n< 334\n> Y29ycmVjdCBob3JzZQ==\n< 235".to_owned(),
        "> EHLO c\n> AUTH LOGIN YW5u\n< 334\n> Y29ycmVjdCBob3JzZQ==\n< 235".to_owned(),
        "> EHLO c\n> AUTH LOGIN YW5u\n< 334\n> YW5u\n< 535".to_owned(),
        "> EHLO c\n> AUTH LOGIN Ym9i\n< 334\n> Y29ycmVjdCBob3JzZQ==\n< 535".to_owned(),
        "> EHLO c\n> AUTH PLAIN\n< 334\n> *\n< 501\n> NOOP\n< 250".to_owned(),
        "> EHLO c\n> AUTH PLAIN =\n< 501".to_owned(),
        "> EHLO c\n> AUTH PLAIN !!!\n< 501".to_owned(),
        "> EHLO c\n> AUTH PLAIN YW5u\n< 501".to_owned(),
        "> EHLO c\n> AUTH CRAM-MD5\n< 504".to_owned(),
        "> EHLO c\n> AUTH\n< 504".to_owned(),
        format!("> AUTH PLAIN {PLAIN}\n< 503"),
        // "eve" acts for "ann": \0-separated identity, user, password.
        "> EHLO c\n> AUTH PLAIN ZXZlAGFubgBjb3JyZWN0IGhvcnNl\n< 535".to_owned(),
    ] {
        submission(&dialogue);
    }
}

#[test]
fn auth_lines_may_be_long_but_not_endless() {
    let mut world = World::new(Role::Submission, small());
    world.feed(b"EHLO c\r\nAUTH PLAIN ");
    world.feed(&[b'A'; 12_000]);
    assert!(!world.closed);
    world.feed(&[b'A'; 500]);
    assert!(world.closed);
    let mut world = World::new(Role::Submission, small());
    world.feed(b"EHLO c\r\nAUTH PLAIN\r\n");
    world.feed(&[b'A'; 12_287]);
    assert!(world.closed);
}

#[test]
fn before_tls_there_is_starttls_and_nothing_else() {
    for (input, codes, tls) in [
        ("EHLO c\r\nSTARTTLS\r\n", &[250, 220][..], true),
        ("HELO c\r\nstarttls\r\n", &[250, 220], true),
        ("STARTTLS\r\n", &[503], false),
        ("EHLO c\r\nSTARTTLS foo\r\n", &[250, 501], false),
        ("EHLO c\r\nMAIL FROM:<a@b.example>\r\n", &[250, 530], false),
        ("RCPT TO:<a@b.example>\r\nDATA\r\n", &[530, 530], false),
        ("AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl\r\n", &[530], false),
        ("VRFY a\r\nEXPN a\r\nHELP\r\n", &[530, 530, 530], false),
        ("NOOP\r\nRSET\r\nQUIT\r\n", &[250, 250, 221], false),
        ("BDAT 6\r\nNOOP\r\n", &[530], false),
        ("GET / HTTP/1.1\r\nNOOP\r\n", &[502], false),
        ("EHLO foo bar\r\n", &[501], false),
        ("NOOP\nNOOP\r\n", &[500], false),
        (
            "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n",
            &[500, 500, 500, 500, 500, 421],
            false,
        ),
    ] {
        assert_eq!(
            open(input.as_bytes(), small()),
            (codes.to_vec(), tls),
            "{input:?}"
        );
    }
    let endless = "NOOP\r\n".repeat(60);
    assert_eq!(open(endless.as_bytes(), small()), (vec![421], false));
}

#[test]
fn nothing_that_waits_behind_starttls_is_run() {
    for behind in ["MAIL FROM:<>\r\n", "RSET\r\n", "\n", "\x16\x03\x01"] {
        let input = format!("EHLO c\r\nSTARTTLS\r\n{behind}");
        assert_eq!(
            open(input.as_bytes(), small()),
            (vec![250, 554], false),
            "{behind:?}"
        );
    }
}
