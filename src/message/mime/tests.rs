//! Limits, odd structures, quoted-printable.

use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use proptest::prelude::*;

use super::encode::{self, QuotedPrintable};
use super::field;
use super::tree::{Part, check_for_mail_parser};
use super::*;

fn parse(message: &str) -> Result<Part<'_>, MimeError> {
    Part::parse(message.as_bytes(), &Limits::default())
}

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

#[test]
fn what_costs_too_much_is_refused() {
    let limits = Limits::default();
    let parts = |count: usize| {
        let part = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(count);
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}--b--\r\n")
    };
    assert_eq!(parse(&parts(199)).unwrap().children.len(), 199);
    assert_eq!(
        parse(&parts(200)).unwrap_err(),
        MimeError::TooManyParts(limits.parts)
    );
    assert_eq!(
        parse(&parts(10_000)).unwrap_err(),
        MimeError::TooManyParts(limits.parts)
    );

    let nested = |depth: usize| {
        let open: String = (1..depth)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
            .collect();
        format!("{open}Content-Type: text/plain\r\n\r\nx\r\n")
    };
    assert!(parse(&nested(20)).is_ok());
    assert_eq!(
        parse(&nested(21)).unwrap_err(),
        MimeError::TooDeep(limits.depth)
    );
    assert_eq!(
        parse(&nested(10_000)).unwrap_err(),
        MimeError::TooDeep(limits.depth)
    );

    let long = format!("X: {}\r\n\r\nbody\r\n", "x".repeat(limits.header_bytes));
    assert_eq!(
        parse(&long).unwrap_err(),
        MimeError::HeaderTooLong(limits.header_bytes)
    );
    let many = format!("{}\r\nbody\r\n", "X: y\r\n".repeat(limits.fields + 1));
    assert_eq!(
        parse(&many).unwrap_err(),
        MimeError::HeaderTooLong(limits.header_bytes)
    );
    // Embedded messages aren't opened, however deep they nest: mail-parser 0.11 would open them all.
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    assert!(parse(&messages).unwrap().children.is_empty());
}

/// mail-parser 0.11 nests embedded messages without a limit; dropping 100,000 of them ends the process.
#[test]
fn what_would_overflow_mail_parser_s_stack_is_told_apart() {
    let limits = Limits::default();
    let nested = |depth: usize| "Content-Type: message/RFC822\r\n\r\n".repeat(depth);
    assert_eq!(
        check_for_mail_parser(nested(100_000).as_bytes(), &limits),
        Err(MimeError::TooDeep(20))
    );
    let fine = nested(limits.parts);
    assert_eq!(check_for_mail_parser(fine.as_bytes(), &limits), Ok(()));
    assert!(
        mail_parser::MessageParser::new()
            .parse(fine.as_bytes())
            .is_some()
    );
    assert_eq!(check_for_mail_parser(b"", &limits), Ok(()));
}

#[test]
fn octets_that_no_mail_may_have_are_refused() {
    for (message, error) in [
        ("A: b\n\nx\r\n", MimeError::BareLineEnd),
        ("A: b\r\n\r\nx\ry\r\n", MimeError::BareLineEnd),
        ("A: b\r\n\r\nx\r", MimeError::BareLineEnd),
        ("A: b\r\n\r\nx\0y\r\n", MimeError::Nul),
        ("no field\r\n\r\nx", MimeError::Field),
        (" starts folded: x\r\n\r\nx", MimeError::Field),
        ("A : b\r\n\r\nx", MimeError::Field),
        (": b\r\n\r\nx", MimeError::Field),
        ("\u{e4}: b\r\n\r\nx", MimeError::Field),
        ("Content-Type: text\r\n\r\nx", MimeError::Field),
        ("Content-Type: ../etc/passwd\r\n\r\nx", MimeError::Field),
        (
            "Content-Type: multipart/mixed\r\n\r\nx",
            MimeError::Boundary,
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\nx",
            MimeError::Boundary,
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n",
            MimeError::TransferEncoding,
        ),
    ] {
        assert_eq!(parse(message).unwrap_err(), error, "{message:?}");
    }
}

#[test]
fn odd_multiparts_are_cut_as_the_rfc_says() {
    let bodies = |message: &str| -> Vec<String> {
        let text = crlf(message);
        let part = parse(&text).unwrap();
        part.children
            .iter()
            .map(|p| String::from_utf8_lossy(p.body).into_owned())
            .collect()
    };
    let head = "Content-Type: multipart/mixed; boundary=\"b b\"\n\n";
    // Preamble and epilogue, padding after the boundary, a line that only looks like it.
    assert_eq!(
        bodies(&format!(
            "{head}pre\n--b b \t\n\none\n--b bx\n--b b\n\ntwo\n--b b--  \nepilogue\n--b b\n"
        )),
        ["one\r\n--b bx", "two"]
    );
    // Never closed.
    assert_eq!(bodies(&format!("{head}--b b\n\none\n")), ["one\r\n"]);
    // Empty parts; a part without a blank line has only a header.
    assert_eq!(
        bodies(&format!("{head}--b b\n--b b\n\n--b b\nA: b\n--b b--\n")),
        ["", "", ""]
    );
    // An inner boundary that begins like the outer one.
    let text = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--\n--b\n\ny\n--b--\n",
    );
    let part = parse(&text).unwrap();
    assert_eq!(part.children.len(), 2);
    assert_eq!(part.children[0].children.len(), 1);
    assert_eq!(part.children[1].body, b"y");
}

#[test]
fn names_and_identifiers_are_read_in_all_their_spellings() {
    for (fields, name) in [
        (
            "Content-Disposition: attachment; filename=a.pdf",
            Some("a.pdf"),
        ),
        (
            "Content-Disposition: attachment; filename*=utf-8''Caf%C3%A9.pdf",
            Some("Caf\u{e9}.pdf"),
        ),
        (
            "Content-Disposition: attachment; filename*0=\"a\"; filename*1=\"b.pdf\"",
            Some("ab.pdf"),
        ),
        (
            "Content-Type: application/pdf; name=\"=?utf-8?q?Caf=C3=A9?=.pdf\"",
            Some("Caf\u{e9}.pdf"),
        ),
        ("Content-Type: application/pdf", None),
    ] {
        let text = format!("{fields}\r\n\r\nx");
        let part = parse(&text).unwrap();
        assert_eq!(
            part.file_name().map(|n| n.replace(' ', "")).as_deref(),
            name,
            "{fields}"
        );
    }
    for (id, read) in [
        ("<a@b>", Some("a@b")),
        ("a@b", None),
        ("<a b>", None),
        ("<>", None),
        ("<a>b>", None),
    ] {
        let text = format!("Content-ID: {id}\r\n\r\nx");
        assert_eq!(parse(&text).unwrap().content_id(), read);
    }
}

#[test]
fn a_field_s_text_has_no_control_characters() {
    let (fields, _) = field::split(
        b"Subject: =?utf-8?q?a=0D=0AX:_y=00?=\r\n\r\n",
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(fields[0].text(), "aX: y");
    assert!(!format!("{:?}", fields[0]).contains("utf"));
}

fn encode(pieces: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut qp = QuotedPrintable::default();
    for piece in pieces {
        qp.text(&mut out, piece);
    }
    out
}

proptest! {
    #[test]
    fn quoted_printable_is_what_was_written(pieces in prop::collection::vec("(\\PC|\n| |\t|=|\\.|From |[a-z]{60,90}){0,12}", 0..6)) {
        let out = encode(&pieces);
        prop_assert!(out.is_ascii());
        for line in out.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            prop_assert!(line.len() <= 76);
            prop_assert!(!line.ends_with(b" ") && !line.starts_with(b".") && !line.starts_with(b"From "));
        }
        let decoded = String::from_utf8(quoted_printable_decode(&out).unwrap()).unwrap();
        prop_assert_eq!(decoded.replace("\r\n", "\n"), pieces.concat());
    }

    #[test]
    fn a_value_of_any_length_fits_between_two_texts(before in "[a-z =\n]{0,80}", value in "[!-~]{0,400}", after in "[a-z =\n]{0,80}") {
        let mut out = Vec::new();
        let mut qp = QuotedPrintable::default();
        qp.text(&mut out, &before);
        qp.to_line_start(&mut out);
        QuotedPrintable::value(&mut out, &value);
        qp.after_value(&mut out);
        qp.text(&mut out, &after);
        prop_assert!(out.split(|&b| b == b'\n').all(|line| line.len() <= 77));
        let decoded = String::from_utf8(quoted_printable_decode(&out).unwrap()).unwrap();
        prop_assert_eq!(decoded.replace("\r\n", "\n"), format!("{before}{value}{after}"));
    }

    #[test]
    fn base64_lines_are_fine_and_come_back(octets in prop::collection::vec(any::<u8>(), 1..400)) {
        let mut out = Vec::new();
        encode::base64_lines(&mut out, &octets);
        prop_assert!(encode::is_fine_base64(&out));
        let text = [b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec(), out].concat();
        let part = Part::parse(&text, &Limits::default()).unwrap();
        prop_assert_eq!(&*part.decoded().unwrap(), &octets[..]);
    }

    #[test]
    fn anything_is_read_without_harm(text in "(Content-Type: |multipart/mixed; boundary=|b|\r\n|--|\\PC|:|;|\"|=\\?|\\?=){0,60}") {
        if let Ok(part) = Part::parse(text.as_bytes(), &Limits::default()) {
            part.walk(&mut |part| {
                let _ = (part.file_name(), part.content_id(), super::text::decode(part));
                for field in &part.fields {
                    let _ = (field.text(), field.mailboxes(), field.message_ids());
                }
            });
        }
    }
}

#[test]
fn base64_that_isn_t_fine_is_told_apart() {
    for fine in ["QUJD\r\n", "QUJD", "QUI=\r\n", "QQ==", "QUJD\r\nQUJD\r\n"] {
        assert!(encode::is_fine_base64(fine.as_bytes()), "{fine:?}");
    }
    let long = "QUJD".repeat(20);
    for bad in [
        "",
        "\r\n",
        "QUJ",
        "QQ==\r\nQUJD\r\n",
        "QU JD",
        "QUJD\r\n\r\nQUJD",
        "Q===",
        "QU=D",
        long.as_str(),
        "QUJD\nQUJD\n",
    ] {
        assert!(!encode::is_fine_base64(bad.as_bytes()), "{bad:?}");
    }
}
