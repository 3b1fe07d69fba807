//! Messages: DATA and BDAT, what they may hold, and who refuses them.

use super::super::super::envelope::Role;
use super::super::super::host::Refusal;
use super::super::super::limits::Limits;
use super::world::{PLAIN, World, mx, small};

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
fn what_goes_out_has_no_line_longer_than_servers_take() {
    for (octets, codes) in [(998, [354, 250]), (999, [354, 554])] {
        for (role, codes) in [(Role::Submission, codes), (Role::Mx, [354, 250])] {
            let mut world = World::new(role, Limits::default());
            world.feed(b"EHLO c\r\n");
            if role == Role::Submission {
                world.feed(format!("AUTH PLAIN {PLAIN}\r\n").as_bytes());
            }
            world.feed(b"MAIL FROM:<ann@party.example>\r\nRCPT TO:<ann@party.example>\r\n");
            world.codes.clear();
            let line = "x".repeat(octets);
            world.feed(format!("DATA\r\nSubject: x\r\n\r\n.{line}\r\n.\r\n").as_bytes());
            assert_eq!(world.codes, codes, "{octets} {role:?}");
            let hint = world.last.as_ref().and_then(|reply| reply.lines().next());
            assert_eq!(
                hint.is_some_and(|hint| hint.contains("encode")),
                codes[1] == 554
            );
        }
    }
}

#[test]
fn nobody_s_message_becomes_a_fold_of_our_trace_field() {
    for first in [" x: y", "\tx", ". x", " "] {
        let mut world = World::new(Role::Mx, small());
        world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
        world.codes.clear();
        world.feed(format!("DATA\r\n{first}\r\nSubject: x\r\n.\r\nNOOP\r\n").as_bytes());
        assert_eq!(world.codes, [354, 554, 250], "{first:?}");
        assert!(world.taken.is_empty());
    }
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
    world.codes.clear();
    world.feed(b"BDAT 1\r\n BDAT 5 LAST\r\nx\r\n\r\n");
    assert_eq!(world.codes, [554, 503], "the first chunk says so");
    // Later lines may be folded, and a chunk may begin with one.
    world.feed(b"MAIL FROM:<>\r\nRCPT TO:<ann@party.example>\r\n");
    world.codes.clear();
    world.feed(b"BDAT 6\r\nX: y\r\nBDAT 4 LAST\r\n z\r\n");
    assert_eq!(world.codes, [250, 250]);
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

/// Else the octets behind it would be commands of whoever wrote them.
#[test]
fn a_chunk_whose_length_is_no_text_ends_the_connection() {
    let mut world = World::new(Role::Mx, small());
    world.feed(b"EHLO c\r\nRCPT TO:<\xff>\r\nBDAT 22 \xff\r\nRSET\r\nMAIL FROM:<a@b>\r\n");
    assert_eq!(world.codes, [250, 501, 501]);
    assert!(world.closed);
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
        ("", "BDAT\t6\r\nQUIT\r\n", &[501], true),
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
