//! What must hold for any input at all.

use proptest::prelude::*;

use super::super::super::envelope::Role;
use super::super::super::limits::Limits;
use super::world::{PLAIN, WRONG_PLAIN, World, open, small};

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::Mx),
        Just(Role::Submission),
        Just(Role::Submissions)
    ]
}

/// Pieces of dialogue, in any order, with line ends that are right, wrong or missing.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "EHLO c".to_owned(),
        "HELO c".to_owned(),
        "MAIL FROM:<bob@other.example>".to_owned(),
        "MAIL FROM:<>".to_owned(),
        "RCPT TO:<ann@party.example>".to_owned(),
        "RCPT TO:<eve@elsewhere.example>".to_owned(),
        "RCPT TO:<@party.example:eve@elsewhere.example>".to_owned(),
        "RCPT TO:<\"eve@elsewhere.example\"@party.example>".to_owned(),
        "RCPT TO:<eve%elsewhere.example@[192.0.2.1]>".to_owned(),
        "RCPT TO:<nobody@party.example>".to_owned(),
        "DATA".to_owned(),
        "BDAT 4".to_owned(),
        "BDAT 6 LAST".to_owned(),
        "BDAT 0 LAST".to_owned(),
        "RSET".to_owned(),
        "AUTH PLAIN".to_owned(),
        format!("AUTH PLAIN {PLAIN}"),
        format!("AUTH PLAIN {WRONG_PLAIN}"),
        PLAIN.to_owned(),
        "*".to_owned(),
        "STARTTLS".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "x".to_owned(),
        String::new(),
    ]);
    let end = prop_oneof![
        20 => Just(&b"\r\n"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b""[..]),
        1 => Just(&b"\0"[..]),
    ];
    (words, end).prop_map(|(word, end)| [word.as_bytes(), end].concat())
}

fn wire() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => prop::collection::vec(piece(), 0..30).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

/// A session greeted and ready for a mail's text.
fn at_data() -> World {
    let mut world = World::new(Role::Mx, Limits::default());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\nDATA\r\n");
    world
}

/// Each line without the dot it starts with.
fn unstuffed(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let lines = text.split("\r\n");
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix('.').unwrap_or(line))
        .collect();
    lines.join("\r\n").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_into_reads_gives_the_same(role in role(), wire in wire(), cuts in prop::collection::vec(1usize..40, 0..60)) {
        let mut whole = World::new(role, small());
        whole.feed(&wire);
        let mut pieces = World::new(role, small());
        let mut left = &wire[..];
        for cut in cuts {
            let (piece, rest) = left.split_at(cut.min(left.len()));
            pieces.feed(piece);
            left = rest;
        }
        pieces.feed(left);
        prop_assert_eq!(&pieces.codes, &whole.codes);
        prop_assert_eq!(&pieces.taken, &whole.taken);
        prop_assert_eq!(pieces.closed, whole.closed);
    }

    /// No open relay, in any state; and on submission nobody but staff.
    #[test]
    fn no_input_gets_a_refused_recipient_through(role in role(), wire in wire()) {
        let mut world = World::new(role, Limits::default());
        world.feed(b"EHLO c\r\n");
        world.feed(&wire);
        for taken in &world.taken {
            prop_assert!(!taken.recipients.is_empty());
            prop_assert!(taken.recipients.iter().all(|path| path.ends_with("@party.example")));
            prop_assert_eq!(taken.staff, role.is_submission());
        }
    }

    /// A text with CRLF.CRLF at its end alone is one message or none, and is what was sent.
    #[test]
    fn no_text_becomes_two_messages(pieces in prop::collection::vec(piece(), 0..20)) {
        let wire = [&b"\r\n"[..], &pieces.concat(), b"\r\n.\r\n"].concat();
        let end = wire.windows(5).position(|five| five == b"\r\n.\r\n");
        prop_assume!(end == Some(wire.len() - 5));
        let mut world = at_data();
        let before = world.codes.len();
        world.feed(&wire[2..]);
        prop_assert_eq!(world.codes.len(), before + 1, "no line of it is a command");
        prop_assert!(world.taken.len() <= 1);
        match world.taken.first() {
            Some(taken) => prop_assert_eq!(&taken.text, &unstuffed(&wire[2..wire.len() - 3])),
            None => prop_assert!(world.closed, "refused texts are never followed by commands"),
        }
    }

    #[test]
    fn before_tls_nothing_else_ever_happens(wire in wire()) {
        let (codes, _) = open(&wire, small());
        prop_assert!(codes.iter().all(|code| [220, 221, 250, 421, 500, 501, 502, 503, 530, 554].contains(code)));
        prop_assert!(!codes.contains(&354) && !codes.contains(&235));
    }
}

/// A peer that reads its table wrong could make the property tests above pass by never getting anywhere.
#[test]
fn the_vocabulary_does_get_mail_through() {
    let mut world = World::new(Role::Submission, small());
    world.feed(format!("EHLO c\r\nAUTH PLAIN {PLAIN}\r\nMAIL FROM:<>\r\n").as_bytes());
    world.feed(b"RCPT TO:<\"eve@elsewhere.example\"@party.example>\r\nDATA\r\nx\r\n.\r\n");
    assert_eq!(world.taken.len(), 1);
    let mut world = at_data();
    world.feed(b"..\r\n.\r\n");
    assert_eq!(world.taken[0].text, b".\r\n");
}
