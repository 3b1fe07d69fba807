//! Tests of the end of data: however it is cut, a message ends where RFC 5321 says and nowhere else.

use proptest::prelude::*;

use super::*;

/// The message, how it ended, and what is left behind its end.
type Outcome = (Vec<u8>, Option<Result<(), Fault>>, Vec<u8>);

/// Feeds pieces one after another, as a socket would.
fn read_all<'i>(pieces: impl IntoIterator<Item = &'i [u8]>) -> Outcome {
    let mut reader = DataReader::new();
    let (mut text, mut end, mut rest) = (Vec::new(), None, Vec::new());
    for piece in pieces {
        let mut left = piece;
        while end.is_none() && !left.is_empty() {
            let (used, event) = reader.read(left);
            match event {
                DataEvent::Text(octets) => text.extend_from_slice(octets),
                DataEvent::Starved => assert_eq!(used, left.len()),
                DataEvent::End => end = Some(Ok(())),
                DataEvent::Fault(fault) => end = Some(Err(fault)),
            }
            left = &left[used..];
        }
        rest.extend_from_slice(left);
    }
    (text, end, rest)
}

/// What a correct client puts on the wire for a message of whole lines.
fn stuff(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[test]
fn texts_end_at_crlf_dot_crlf_and_lose_their_stuffed_dots() {
    for (wire, text) in [
        (&b".\r\n"[..], &b""[..]),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a.\r\nb..\r\n.\r\n", b"a.\r\nb..\r\n"),
        (b"\xff\xc3\xa9\r\n.\r\n", b"\xff\xc3\xa9\r\n"),
    ] {
        let behind = [wire, b"QUIT\r\n"].concat();
        let expected = (text.to_vec(), Some(Ok(())), b"QUIT\r\n".to_vec());
        assert_eq!(read_all([&behind[..]]), expected, "{wire:?}");
        assert_eq!(read_all(behind.chunks(1)), expected, "{wire:?} by octets");
    }
}

#[test]
fn nothing_else_ends_a_text() {
    for ending in [
        &b"\n.\n"[..],
        b"\n.\r\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\r\n.\r\0\n",
        b"\r\r\n.\r\n",
        b"\n\r\n.\r\n",
        b"\r\n\r.\r\n",
        b"\r\n\n.\r\n",
    ] {
        let wire = [b"Subject: x\r\n\r\nbody", ending, b"MAIL FROM:<>\r\n"].concat();
        let (_, end, _) = read_all([&wire[..]]);
        assert!(matches!(end, Some(Err(_))), "{ending:?}: {end:?}");
        let (_, end, _) = read_all(wire.chunks(1));
        assert!(matches!(end, Some(Err(_))), "{ending:?} by octets: {end:?}");
    }
}

#[test]
fn a_text_that_may_still_end_has_not_ended() {
    for wire in [&b""[..], b"a", b"a\r", b"a\r\n", b"a\r\n.", b"a\r\n.\r"] {
        assert_eq!(read_all([wire]).1, None, "{wire:?}");
    }
}

#[test]
fn the_longest_line_is_known_before_it_ends() {
    let mut reader = DataReader::new();
    let _ = reader.read(b"12345\r\n..23\r\n");
    let _ = reader.read(b"..23\r\n");
    assert_eq!(reader.longest_line(), 5);
    let _ = reader.read(b"123456");
    let _ = reader.read(b"7");
    assert_eq!(reader.longest_line(), 7);
}

#[test]
fn ordinary_text_comes_out_in_one_piece() {
    let text = b"From: a\r\n\r\nline\r\nline\r\n";
    let mut reader = DataReader::new();
    assert_eq!(reader.read(text), (text.len(), DataEvent::Text(text)));
}

/// Octets that matter, more often than chance would bring them.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        Just(b'\r'),
        Just(b'\n'),
        Just(b'.'),
        Just(0u8),
        Just(b'a'),
        any::<u8>()
    ];
    let piece = prop_oneof![octet.prop_map(|octet| vec![octet]), Just(b"\r\n".to_vec())];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_text(wire in nasty(), cuts in prop::collection::vec(1usize..9, 0..80)) {
        let whole = read_all([&wire[..]]);
        let mut pieces = Vec::new();
        let mut left = &wire[..];
        for cut in cuts {
            let (piece, rest) = left.split_at(cut.min(left.len()));
            pieces.push(piece);
            left = rest;
        }
        pieces.push(left);
        prop_assert_eq!(read_all(pieces), whole);
    }

    #[test]
    fn what_is_stuffed_comes_back(lines in prop::collection::vec("[.a\u{e9}]{0,5}", 0..9)) {
        let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let (text, end, rest) = read_all([&stuff(message.as_bytes())[..]]);
        prop_assert_eq!(text, message.as_bytes());
        prop_assert_eq!((end, rest.len()), (Some(Ok(())), 0));
    }

    /// An independent reading of RFC 5321: a text ends exactly where CRLF.CRLF first stands, if all CR and LF before
    /// it are in pairs.
    #[test]
    fn the_end_is_where_the_rfc_says(wire in nasty()) {
        let framed = [b"\r\n", &wire[..]].concat();
        let end = framed.windows(5).position(|five| five == b"\r\n.\r\n");
        let clean = |text: &[u8]| {
            let pairs = text.windows(2).filter(|pair| pair == b"\r\n").count();
            let count = |octet| text.iter().filter(|&&other| other == octet).count();
            count(b'\r') == pairs && count(b'\n') == pairs && count(0) == 0
        };
        let expected = end.is_some_and(|end| clean(&framed[..end + 5]));
        prop_assert_eq!(matches!(read_all([&wire[..]]).1, Some(Ok(()))), expected);
    }
}
