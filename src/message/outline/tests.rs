//! Outlines of whole messages and of pieces, held against the parser that has the whole message in memory.

use proptest::prelude::*;

use super::*;
use crate::message::mime::Limits;
use crate::message::mime::tree::Part;

const MIXED: &str = "From: a@example.org\r\nReceived: x\r\nSubject: a\r\n b\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\npreamble\r\n--outer\r\n\
    Content-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\n\r\nplain\r\ntext\r\n\
    --inner \r\nContent-Type: text/html\r\nX-Other: y\r\n\r\n<p>html</p>\r\n\r\n--inner--\r\nepilogue\r\n\
    --outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: within\r\nReceived: y\r\n\r\nbody\r\n\
    --outer\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n\
    --outer--\r\nend\r\n";

fn text<'m>(message: &'m [u8], node: &Node) -> &'m str {
    let from = usize::try_from(node.body_at).unwrap();
    let body = &message[from..from + usize::try_from(node.size).unwrap()];
    std::str::from_utf8(body).unwrap()
}

#[test]
fn each_part_stands_where_it_is_said_to() {
    let message = MIXED.as_bytes();
    let seen = outline(message);
    assert!(seen.whole);
    let own = String::from_utf8(seen.root.fields.clone()).unwrap();
    assert_eq!(
        own,
        "From: a@example.org\r\nSubject: a\r\n b\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"outer\"\r\n"
    );
    assert_eq!(
        seen.root.fields_named("subject").collect::<Vec<_>>(),
        [b"Subject: a\r\n b\r\n"]
    );
    let [alternative, attached, pdf] = &seen.root.parts[..] else {
        panic!("{seen:?}");
    };
    let [plain, html] = &alternative.parts[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((text(message, plain), plain.lines), ("plain\r\ntext", 1));
    assert_eq!((text(message, html), html.lines), ("<p>html</p>\r\n", 1));
    assert_eq!(html.fields, b"Content-Type: text/html\r\n");
    assert!(text(message, alternative).ends_with("--inner--\r\nepilogue"));
    let [within] = &attached.parts[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(within.fields, b"Subject: within\r\n");
    assert_eq!((text(message, within), within.lines), ("body", 0));
    assert_eq!(
        text(message, attached),
        "Subject: within\r\nReceived: y\r\n\r\nbody"
    );
    assert_eq!(text(message, pdf), "AAAA");
    assert!(
        text(message, &seen.root).starts_with("preamble")
            && text(message, &seen.root).ends_with("end\r\n")
    );
    assert_eq!(seen.root.lines, MIXED.lines().count() as u64 - 7);
}

/// A line that ends with a bare LF has one octet less to cut off.
#[test]
fn parts_of_a_message_with_bare_line_feeds_are_whole() {
    for message in [
        MIXED.replace("\r\n", "\n"),
        MIXED.replacen("text\r\n--inner", "text\n--inner", 1),
    ] {
        for size in [1, 2, 7, 1000] {
            let mut scanner = Scanner::default();
            let message = message.as_bytes();
            message.chunks(size).for_each(|piece| scanner.take(piece));
            let seen = scanner.finish();
            let [alternative, attached, pdf] = &seen.root.parts[..] else {
                panic!("{seen:?}");
            };
            let plain = text(message, &alternative.parts[0]).replace("\r\n", "\n");
            assert_eq!(
                (plain.as_str(), alternative.parts[0].lines),
                ("plain\ntext", 1)
            );
            assert!(text(message, &alternative.parts[1]).trim_end() == "<p>html</p>");
            assert_eq!(text(message, &attached.parts[0]), "body");
            assert_eq!(text(message, pdf), "AAAA");
        }
    }
}

#[test]
fn pieces_make_no_difference_and_it_can_be_read_back() {
    let whole = outline(MIXED.as_bytes());
    for size in [1, 2, 3, 7, 64, 300] {
        let mut scanner = Scanner::default();
        MIXED
            .as_bytes()
            .chunks(size)
            .for_each(|piece| scanner.take(piece));
        assert_eq!(scanner.finish(), whole, "{size}");
    }
    let bytes = whole.to_bytes();
    assert_eq!(Outline::from_bytes(&bytes), Some(whole));
    for cut in 0..bytes.len() {
        assert_eq!(Outline::from_bytes(&bytes[..cut]), None, "{cut}");
    }
}

#[test]
fn another_header_moves_the_parts() {
    let (header, body) = MIXED.split_at(MIXED.find("\r\n\r\n").unwrap() + 4);
    let longer = format!("Message-ID: <a@b>\r\nReceived: z\r\n{header}");
    let expected = outline(format!("{longer}{body}").as_bytes());
    assert_eq!(
        outline(MIXED.as_bytes()).behind(longer.as_bytes()),
        expected
    );
}

#[test]
fn what_is_damaged_or_too_much_is_outlined_as_far_as_it_goes() {
    for (message, parts) in [
        ("", 0),
        ("\r\n", 0),
        ("Subject: x", 0),
        ("Subject: x\r\n\r\n", 0),
        ("no field\r\n\r\nbody", 0),
        ("Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n", 0),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n--b--\r\n",
            2,
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno end of header",
            1,
        ),
        (
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: y\r\n\r\nz\r\n--b--",
            1,
        ),
    ] {
        let seen = outline(message.as_bytes());
        assert_eq!(seen.root.parts.len(), parts, "{message:?}: {seen:?}");
    }
    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nx\r\n".repeat(5_000)
    );
    assert_eq!(
        outline(many.as_bytes()).root.parts.len(),
        Limits::STRANGERS.parts - 1
    );
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    let bytes = outline(deep.as_bytes()).to_bytes();
    assert!(Outline::from_bytes(&bytes).is_some());
    let long = format!("Subject: {}\r\n\r\nx", "y".repeat(100_000));
    assert!(!outline(long.as_bytes()).whole);
}

fn compare(node: &Node, part: &Part<'_>, message: &[u8]) {
    assert_eq!(text(message, node).as_bytes(), part.body);
    if part.is_multipart() {
        assert_eq!(node.parts.len(), part.children.len());
        for (node, part) in node.parts.iter().zip(&part.children) {
            compare(node, part, message);
        }
    }
}

/// A message of parts within parts, none of whose lines is a boundary by chance.
fn any_part(depth: u32) -> BoxedStrategy<String> {
    let leaf = proptest::collection::vec("[a-z ]{0,20}", 0..4)
        .prop_map(|lines| format!("Content-Type: text/plain\r\n\r\n{}", lines.join("\r\n")));
    if depth == 0 {
        return leaf.boxed();
    }
    let many = proptest::collection::vec(any_part(depth - 1), 1..4).prop_map(move |parts| {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| format!("\r\n--b{depth}\r\n{part}"))
            .collect();
        format!(
            "Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n{}\r\n--b{depth}--\r\n",
            parts.concat()
        )
    });
    prop_oneof![leaf, many].boxed()
}

proptest! {
    #[test]
    fn it_sees_what_a_parser_of_the_whole_sees(message in any_part(3), size in 1..40_usize) {
        let mut scanner = Scanner::default();
        message.as_bytes().chunks(size).for_each(|piece| scanner.take(piece));
        let part = Part::parse_leniently(message.as_bytes(), &Limits::default()).unwrap();
        compare(&scanner.finish().root, &part, message.as_bytes());
    }

    #[test]
    fn any_bytes_have_an_outline(bytes: Vec<u8>) {
        let seen = outline(&bytes);
        prop_assert_eq!(Outline::from_bytes(&seen.to_bytes()), Some(seen));
        let _ = Outline::from_bytes(&bytes);
    }
}
