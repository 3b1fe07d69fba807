//! Tricky values of `From:`, and whom they name.

use proptest::prelude::*;

use super::*;
use crate::message::mime::Limits;

fn of(value: &str) -> Author {
    author(format!("Received: x\r\nFrom: {value}\r\nTo: b@c.example\r\n\r\n").as_bytes())
}

fn party() -> Author {
    Author::One("party.example".to_owned())
}

fn evil() -> Author {
    Author::One("evil.example".to_owned())
}

#[test]
fn what_is_written_by_the_letter_names_its_domain() {
    for value in [
        "leader@party.example",
        "Leader <leader@PARTY.example>",
        "Leader<leader@party.example>",
        "\"x@evil.example\" <leader@party.example>",
        "\"a \\\" <x@evil.example>\" <leader@party.example>",
        "=?utf-8?q?x=40evil.example?= <leader@party.example>",
        "leader@party.example (x@evil.example (nested \\) <x@evil.example>))",
        "(x@evil.example) The Leader (<) <leader@party.example> (>)",
        "A. Leader,\r\n\tB <b@party.example>",
        "a@party.example, B <b@Party.Example>",
        "L\u{e9}ader <leader@party.example>",
        "\r\n Leader\r\n\t<leader@party.example>",
        "\"the leader\"@party.example",
    ] {
        assert_eq!(of(value), party(), "{value}");
    }
    let idn = Author::One("xn--bcher-kva.example".to_owned());
    assert_eq!(of("x@b\u{fc}cher.example"), idn);
}

/// Honest programs write these; any way of reading them leads to the same domain.
#[test]
fn what_is_damaged_counts_if_it_can_name_only_one_domain() {
    for value in [
        "Party, The <leader@party.example>",
        "leader@party.example <leader@party.example>",
        "'leader@party.example' <leader@party.example>",
        "Party: news <leader@party.example>",
        "Leader [press] <leader@party.example>",
        "Leader (never closed <leader@party.example>",
        "Leader \"never closed <leader@party.example>",
        "< leader@party.example >",
        "<<leader@party.example>>",
        "leader @ party.example",
        "a@party.example; b@party.example",
        "<a@party.example>,",
        "<@party.example:leader@party.example>",
    ] {
        assert_eq!(of(value), party(), "{value}");
    }
}

#[test]
fn two_domains_are_refused_however_they_are_joined() {
    for value in [
        "leader@party.example, x@evil.example",
        "<leader@party.example> <x@evil.example>",
        "leader@party.example x@evil.example",
        "leader@party.example <x@evil.example>",
        "leader@party.example\r\n <x@evil.example>",
        "leader@party.example; x@evil.example",
        "\"leader@party.example\"@evil.example",
        "<@evil.example:leader@party.example>",
        "<@evil.example,@other.example:leader@party.example>",
        "=?utf-8?q?leader=40party.example?=, Inc <x@evil.example>",
        "x (<leader@party.example> <x@evil.example>",
        "x@evil.example, \"y\" <leader@party.example",
    ] {
        assert_eq!(of(value), Author::Several, "{value}");
    }
}

#[test]
fn what_nobody_can_read_or_is_a_group_is_told_apart() {
    for value in [
        "Leaders: leader@party.example;",
        "Leaders: leader@party.example, x@evil.example;",
        "Undisclosed:;",
        "\"Nobody:\" : ;",
        "leader@party..example",
        "\"a b\"@party..example, leader@party.example",
        "leader@[192.0.2.1]",
        "leader@party . example",
        "leader@evil.co(x).uk",
        "leader@evil.co .uk",
        "leader@",
        "leader@party.example@evil.example",
        "<=?utf-8?q?leader=40party.example?=@evil.example>",
        "=?utf-8?q?leader=40party..example?=",
        "x\u{0}@party.example",
    ] {
        assert_eq!(of(value), Author::Unreadable, "{value}");
    }
    let long = format!("{}<leader@party.example>", "a ".repeat(2_048));
    assert_eq!(of(&long), Author::Unreadable);
    let latin = b"From: x@b\xfccher.example\r\n\r\n";
    assert_eq!(author(latin), Author::Unreadable);
}

#[test]
fn what_names_nobody_is_as_good_as_no_field() {
    for value in [
        "",
        "<>",
        "MAILER-DAEMON",
        "Mail Delivery System <MAILER-DAEMON>",
        "MAILER-DAEMON (Mail Delivery System)",
    ] {
        assert_eq!(of(value), Author::Missing, "{value}");
    }
    assert_eq!(
        author(b"To: a@b.example\r\n\r\nFrom: x@y.example"),
        Author::Missing
    );
}

#[test]
fn no_other_line_hides_the_author() {
    let many = "X: y\r\n".repeat(1_500);
    for other in [
        "X Foo: bar\r\n",
        "no colon\r\n",
        ": empty\r\n",
        ">From x@evil.example Sat Nov 21 10:00:00 2026\r\n",
        "\u{1}\r\n",
        many.as_str(),
    ] {
        let from = "From: <leader@party.example>\r\n";
        for header in [format!("{other}{from}\r\n"), format!("{from}{other}\r\n")] {
            assert_eq!(author(header.as_bytes()), party(), "{other:.20}");
        }
    }
}

#[test]
fn a_field_that_some_programs_take_for_from_counts() {
    let from = "From: <x@evil.example>\r\n";
    for other in [
        "from: <leader@party.example>\r\n",
        "From : x\r\n",
        "From\u{0}: x\r\n",
        "Fr om: x\r\n",
    ] {
        let header = format!("{from}{other}\r\n");
        assert_eq!(author(header.as_bytes()), Author::Several, "{other:?}");
    }
    assert_eq!(author(b"FROM \t: <x@evil.example>\r\n\r\n"), evil());
    assert_eq!(
        author(b"Fr om: <x@evil.example>\r\n\r\n"),
        Author::Unreadable
    );
    for other in [
        "X-From: leader@party.example\r\n",
        "Fromm: leader@party.example\r\n",
    ] {
        let header = format!("{from}{other}\r\n");
        assert_eq!(author(header.as_bytes()), evil());
    }
}

#[test]
fn the_sole_author_is_an_address_read_by_the_letter() {
    let sole = |value: &str| {
        let found = sole_author(format!("X Y: z\r\nFrom: {value}\r\n\r\n").as_bytes());
        found.map(|address| format!("{}@{}", address.local(), address.domain()))
    };
    for value in [
        "Leader@party.example",
        "\"x@evil.example\" <Leader@PARTY.example> (x@evil.example)",
    ] {
        assert_eq!(sole(value).as_deref(), Some("Leader@party.example"));
    }
    for value in [
        "a@party.example, b@party.example",
        "a@party.example <b@party.example>",
        "<a@party.example> <b@party.example>",
        "A: a@party.example;",
        "MAILER-DAEMON",
    ] {
        assert_eq!(sole(value), None, "{value}");
    }
    let twice = b"From: a@party.example\r\nFrom: a@party.example\r\n\r\n";
    assert_eq!(sole_author(twice), None);
}

#[test]
fn debug_names_nobody() {
    assert_eq!(format!("{:?}", party()), "One(..)");
}

/// Pieces of which a value may be put together.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "x@evil.example",
        "leader@party.example",
        "@party.example",
        "@evil.example",
        "<",
        ">",
        ",",
        ";",
        ":",
        " ",
        "\"",
        "(",
        ")",
        "\\",
        ".",
        "A",
        "\r\n ",
        "=?utf-8?q?a=40party.example?=",
        "[",
        "]",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The value without its quoted strings and comments, as RFC 5322 has them; none if one doesn't end.
fn in_the_open(value: &str) -> Option<String> {
    let (mut open, mut chars, mut depth, mut quoted) = (String::new(), value.chars(), 0, false);
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted || depth > 0 => drop(chars.next()?),
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            c if !quoted && depth == 0 => open.push(c),
            _ => {}
        }
    }
    (depth == 0 && !quoted).then_some(open)
}

proptest! {
    #[test]
    fn a_comment_ends_or_does_not(value in "[()\\\\a]{0,30}") {
        let value = value.as_bytes();
        let ended = ended_comments(value);
        for at in memchr::memchr_iter(b'(', value) {
            prop_assert_eq!(ended[at], comment_end(&value[at..]).is_some());
        }
    }

    /// If evil.example is the author, no program can show party.example as one.
    #[test]
    fn one_author_is_the_only_one_that_can_be_read(value in pieces()) {
        let found = of(&value);
        if found != evil() {
            return Ok(());
        }
        let seen = in_the_open(&value).unwrap_or(value.clone());
        prop_assert!(!seen.contains("@party.example"), "{value:?}");
        // Another reader.
        let header = format!("From: {value}\r\n\r\n");
        let (fields, _) = field::split(header.as_bytes(), &Limits::default()).unwrap();
        for mailbox in fields[0].mailboxes() {
            prop_assert!(!mailbox.address.ends_with("@party.example"), "{value:?}");
        }
    }

    #[test]
    fn names_of_any_kind_leave_the_domain_alone(
        name in "([A-Za-z0-9.!#' ]{0,20}|\"[a-z<>@:;,. ]{0,20}\"|\\([a-z<>@:;,. ]{0,20}\\) ?X)",
        local in "[a-z0-9.+_-]{1,20}",
    ) {
        prop_assert_eq!(of(&format!("{name} <{local}@party.example>")), party());
        let two = format!("{name} <{local}@party.example>,\r\n\t{local}@party.example");
        prop_assert_eq!(of(&two), party());
    }

    #[test]
    fn any_octets_can_be_read(header: Vec<u8>, value: Vec<u8>, text in pieces()) {
        let _ = author(&header);
        let _ = author(&[b"From:", &value[..]].concat());
        let _ = author(format!("From:{text}").as_bytes());
    }
}
