//! Submission: who may send, and the mechanisms that prove it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::envelope::{Role, TlsInfo};
use super::world::{PASSWORD, PLAIN, USER, WRONG_PLAIN, World, small, submission};
use crate::staff::scram::client::Client;

/// What a SCRAM exchange comes to.
fn scram(mechanism: &str, client: &Client) -> Vec<u16> {
    let mut world = World::new(Role::Submission, small());
    world.feed(b"EHLO c\r\n");
    world.codes.clear();
    let first = STANDARD.encode(client.first());
    world.feed(format!("AUTH {mechanism} {first}\r\n").as_bytes());
    if world.codes == [334] {
        let proof = client.proof(&world.challenge());
        world.feed(format!("{}\r\n", STANDARD.encode(proof)).as_bytes());
    }
    if world.codes == [334, 334] {
        assert!(world.challenge().starts_with("v="));
        world.feed(b"\r\n");
    }
    world.codes
}

#[test]
fn log_ins_by_scram() {
    let exporter = TlsInfo::pretended().exporter().copied();
    let plain = Client::new(USER, PASSWORD, None);
    let bound = Client::new(USER, PASSWORD, exporter);
    assert_eq!(scram("SCRAM-SHA-256", &plain), [334, 334, 235]);
    assert_eq!(scram("scram-sha-256-plus", &bound), [334, 334, 235]);
    let elsewhere = Client::new(USER, PASSWORD, Some([8; 32]));
    assert_eq!(scram("SCRAM-SHA-256-PLUS", &elsewhere), [334, 535]);
    assert_eq!(scram("SCRAM-SHA-256-PLUS", &plain), [501]);
    assert_eq!(scram("SCRAM-SHA-256", &bound), [504]);
}

#[test]
fn an_unknown_name_looks_like_a_wrong_password() {
    let wrong = Client::new(USER, "wrong horse", None);
    let unknown = Client::new("nobody", PASSWORD, None);
    assert_eq!(scram("SCRAM-SHA-256", &wrong), [334, 535]);
    assert_eq!(scram("SCRAM-SHA-256", &unknown), [334, 535]);
}

#[test]
fn a_cut_out_channel_binding_is_noticed() {
    let mut world = World::new(Role::Submission, small());
    world.feed(b"EHLO c\r\n");
    let first = STANDARD.encode("y,,n=ann,r=abc");
    world.feed(format!("AUTH SCRAM-SHA-256 {first}\r\n").as_bytes());
    assert_eq!(world.codes, [250, 535]);
}

#[test]
fn a_scram_exchange_may_be_cancelled_or_spoilt() {
    for (line, code) in [("*", 501), ("!", 501), ("", 501), ("YmxhaA==", 501)] {
        let mut world = World::new(Role::Submission, small());
        world.feed(b"EHLO c\r\n");
        let first = STANDARD.encode("n,,n=ann,r=abc");
        world.feed(format!("AUTH SCRAM-SHA-256 {first}\r\n{line}\r\n").as_bytes());
        assert_eq!(world.codes, [250, 334, code], "{line:?}");
        world.feed(b"MAIL FROM:<ann@party.example>\r\n");
        assert_eq!(world.codes.last(), Some(&530));
    }
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
        format!("> EHLO Ada's iPhone\n> AUTH PLAIN {PLAIN}\n< 235"),
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
        "> EHLO c\n> AUTH\n< 501".to_owned(),
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
