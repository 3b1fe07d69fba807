//! Commands: their turn, their form, their limits.

use super::super::super::envelope::Role;
use super::super::super::limits::Limits;
use super::world::{Taken, World, mx, small};

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
        "REQUIRETLS",
        "LIMITS MAILMAX=1000 RCPTMAX=100",
    ];
    assert_eq!(ehlo(Role::Mx), base);
    for role in [Role::Submission, Role::Submissions] {
        let lines = ehlo(role);
        assert_eq!(lines[..9], base);
        assert_eq!(
            lines[9..],
            ["DSN", "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"]
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
fn a_refused_quit_counts_like_any_refusal() {
    let mut world = World::new(Role::Mx, small());
    world.feed("QUIT x\r\n".repeat(6).as_bytes());
    assert_eq!(world.codes, [501, 501, 501, 501, 501, 421]);
    assert!(world.closed);
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
