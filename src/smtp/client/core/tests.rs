//! Tests of the client's core, without a socket.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::smtp::client::command::WirePath;
use proptest::prelude::*;

fn path(text: &str) -> WirePath {
    WirePath::check(text).unwrap()
}

fn envelope(recipients: usize) -> Envelope {
    let mut envelope = Envelope::new(Some(path("list@example.org")), path("r0@example.net"));
    for n in 1..recipients {
        envelope = envelope.and(path(&format!("r{n}@example.net")));
    }
    envelope
}

fn idle(offer: &str) -> Core {
    let mut core = Core::inside_tls();
    core.hello(&HelloName::parse("mail.example.org").unwrap());
    core.received(format!("250-mx\r\n250 {offer}\r\n").as_bytes());
    assert!(matches!(
        core.step().unwrap(),
        Step::Event(Event::Answer(_))
    ));
    written(&mut core);
    core
}

fn written(core: &mut Core) -> String {
    let text = String::from_utf8(core.outgoing().to_vec()).unwrap();
    core.wrote(text.len());
    text
}

/// Feeds replies; gives what was written meanwhile and the last event.
fn run(core: &mut Core, replies: &[&str]) -> (String, Option<Event>) {
    let (mut wrote, mut last) = (String::new(), None);
    for reply in replies {
        wrote.push_str(&written(core));
        core.received(format!("{reply}\r\n").as_bytes());
        loop {
            match core.step().unwrap() {
                Step::NeedBytes => break,
                Step::Taken => {}
                Step::Event(event) => last = Some(event),
            }
            wrote.push_str(&written(core));
        }
    }
    (wrote, last)
}

fn opened(event: Option<Event>) -> (Answers, bool) {
    match event {
        Some(Event::Opened { answers, ready }) => (answers, ready),
        other => panic!("not opened: {other:?}"),
    }
}

const ENVELOPE: &str = "MAIL FROM:<list@example.org>\r\nRCPT TO:<r0@example.net>\r\nDATA\r\n";

#[test]
fn pipelined_an_envelope_is_one_group() {
    let mut core = idle("PIPELINING");
    core.open(&envelope(1)).unwrap();
    assert_eq!(written(&mut core), ENVELOPE);
    let (wrote, event) = run(&mut core, &["250 ok", "250 ok", "354 go"]);
    assert_eq!(wrote, "");
    assert!(opened(event).1);
}

#[test]
fn without_pipelining_each_command_waits_for_the_last_reply() {
    let mut core = idle("SIZE");
    core.open(&envelope(1)).unwrap();
    assert_eq!(written(&mut core), "MAIL FROM:<list@example.org>\r\n");
    assert_eq!(core.phase(), Phase::Mail);
    core.received(b"250 ok\r\n");
    assert_eq!(core.step().unwrap(), Step::Taken);
    assert_eq!(written(&mut core), "RCPT TO:<r0@example.net>\r\n");
    let (wrote, event) = run(&mut core, &["250 ok", "354 go"]);
    assert_eq!(wrote, "DATA\r\n");
    assert!(opened(event).1);
}

#[test]
fn the_dot_and_the_next_envelope_are_one_group_and_answered_apart() {
    let mut core = idle("PIPELINING");
    core.open(&envelope(1)).unwrap();
    run(&mut core, &["250 ok", "250 ok", "354 go"]);
    core.body(b"Subject: x\r\n\r\n.hidden\r\n").unwrap();
    core.end_body().unwrap();
    core.dot();
    core.open(&envelope(1)).unwrap();
    assert_eq!(
        written(&mut core),
        format!("Subject: x\r\n\r\n..hidden\r\n.\r\n{ENVELOPE}")
    );
    core.received(b"250 2.0.0 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    assert!(matches!(core.step().unwrap(), Step::Event(Event::Done(reply)) if reply.code() == 250));
    let (_, event) = run(&mut core, &[]);
    assert_eq!(event, None);
    assert_eq!(core.step().unwrap(), Step::Taken);
    assert_eq!(core.step().unwrap(), Step::Taken);
    assert!(matches!(
        core.step().unwrap(),
        Step::Event(Event::Opened { ready: true, .. })
    ));
}

#[test]
fn one_of_three_recipients_refused_does_not_stop_the_others() {
    for offer in ["PIPELINING", "SIZE"] {
        let mut core = idle(offer);
        core.open(&envelope(3)).unwrap();
        let (_, event) = run(
            &mut core,
            &["250 ok", "250 ok", "550 5.1.1 no", "250 ok", "354 go"],
        );
        let (answers, ready) = opened(event);
        assert!(ready);
        let codes: Vec<u16> = (0..3)
            .map(|n| answers.recipient(n).unwrap().code())
            .collect();
        assert_eq!(codes, [250, 550, 250]);
    }
}

#[test]
fn a_refused_mail_refuses_all_recipients() {
    let mut core = idle("PIPELINING");
    core.open(&envelope(2)).unwrap();
    let (_, event) = run(&mut core, &["451 4.7.1 later", "503 ?", "503 ?", "503 ?"]);
    let (answers, ready) = opened(event);
    assert!(!ready);
    assert_eq!(answers.recipient(1).unwrap().code(), 451);
    // No transaction was opened, so there's none to reset.
    core.open(&envelope(1)).unwrap();
    assert_eq!(written(&mut core), ENVELOPE);
}

#[test]
fn without_pipelining_a_refused_mail_sends_nothing_more() {
    let mut core = idle("SIZE");
    core.open(&envelope(2)).unwrap();
    let (wrote, event) = run(&mut core, &["550 no"]);
    assert_eq!(wrote, "MAIL FROM:<list@example.org>\r\n");
    assert_eq!(opened(event).0.recipient(0).unwrap().code(), 550);
    assert_eq!(core.phase(), Phase::Idle);
}

#[test]
fn without_recipients_no_data_is_sent_and_the_next_transaction_resets() {
    let mut core = idle("SIZE");
    core.open(&envelope(2)).unwrap();
    let (wrote, event) = run(&mut core, &["250 ok", "550 no", "450 later"]);
    assert!(!wrote.contains("DATA"));
    let (answers, _) = opened(event);
    assert_eq!(answers.recipient(0).unwrap().code(), 550);
    assert_eq!(answers.recipient(1).unwrap().code(), 450);
    core.open(&envelope(1)).unwrap();
    assert_eq!(written(&mut core), "RSET\r\n");
}

#[test]
fn pipelined_without_recipients_a_taken_data_is_ended_with_a_lone_dot() {
    let mut core = idle("PIPELINING");
    core.open(&envelope(1)).unwrap();
    let (wrote, event) = run(
        &mut core,
        &["250 ok", "550 no", "354 go", "554 no valid recipients"],
    );
    assert_eq!(wrote, format!("{ENVELOPE}.\r\n"));
    let (answers, ready) = opened(event);
    assert!(!ready);
    assert_eq!(answers.recipient(0).unwrap().code(), 550);
}

#[test]
fn a_data_refused_refuses_those_that_were_taken() {
    let mut core = idle("PIPELINING");
    core.open(&envelope(2)).unwrap();
    let (_, event) = run(
        &mut core,
        &["250 ok", "250 ok", "550 no", "451 4.3.0 no room"],
    );
    let (answers, ready) = opened(event);
    assert!(!ready);
    assert_eq!(answers.recipient(0).unwrap().code(), 451);
    assert_eq!(answers.recipient(1).unwrap().code(), 550);
    core.open(&envelope(1)).unwrap();
    assert_eq!(written(&mut core), format!("RSET\r\n{ENVELOPE}"));
}

#[test]
fn a_421_ends_the_conversation_in_every_phase() {
    for before in 0..3 {
        let mut core = idle("PIPELINING");
        core.open(&envelope(1)).unwrap();
        run(&mut core, &["250 ok", "250 ok"][..before]);
        core.received(b"421 4.3.2 bye\r\n");
        let expected = [Phase::Mail, Phase::Recipient, Phase::Data][before];
        let Err(ClientError::Refused(phase, reply)) = core.step() else {
            panic!("not refused")
        };
        assert_eq!((phase, reply.code()), (expected, 421));
        assert!(core.is_closing());
    }
    let mut core = idle("PIPELINING");
    core.received(b"421 idle too long\r\n");
    assert!(matches!(
        core.step(),
        Err(ClientError::Refused(Phase::Idle, _))
    ));
}

#[test]
fn a_421_to_the_final_dot_is_an_outcome() {
    let mut core = idle("PIPELINING");
    core.open(&envelope(1)).unwrap();
    run(&mut core, &["250 ok", "250 ok", "354 go"]);
    core.dot();
    core.received(b"421 4.3.2 bye\r\n");
    assert!(matches!(core.step().unwrap(), Step::Event(Event::Done(reply)) if reply.code() == 421));
    assert!(core.is_closing());
}

#[test]
fn replies_that_fit_no_command() {
    let mut core = idle("PIPELINING");
    core.received(b"250 for what?\r\n");
    assert_eq!(
        core.step(),
        Err(ClientError::Protocol(Phase::Idle, ReplyError::Unasked))
    );
    for (replies, phase) in [
        (vec!["354 go"], Phase::Mail),
        (vec!["250 ok", "354 go"], Phase::Recipient),
        (vec!["250 ok", "250 ok", "250 done already"], Phase::Data),
        (vec!["250 ok", "250 ok", "334 x"], Phase::Data),
        (vec!["550 no", "250 ok", "354 go"], Phase::Data),
    ] {
        let mut core = idle("PIPELINING");
        core.open(&envelope(1)).unwrap();
        core.received(format!("{}\r\n", replies.join("\r\n")).as_bytes());
        let error = std::iter::repeat_with(|| core.step())
            .find_map(Result::err)
            .unwrap();
        assert_eq!(
            error,
            ClientError::Protocol(phase, ReplyError::OutOfPlace),
            "{replies:?}"
        );
    }
}

#[test]
fn an_unfit_message_writes_nothing() {
    let mut core = idle("SIZE 10");
    assert_eq!(
        core.open(&envelope(1).with_size(11)),
        Err(Unfit::Size { limit: 10 })
    );
    assert_eq!(core.outgoing(), b"");
}

proptest! {
    /// Whatever a server answers, nothing panics, "ready" needs a taken MAIL, RCPT and a 354, and a positive answer
    /// for a recipient comes only from a reply that took him.
    #[test]
    fn any_answers(
        pipelining in any::<bool>(),
        count in 1usize..4,
        codes in proptest::collection::vec(
            prop_oneof![Just(250u16), Just(354), Just(421), Just(450), Just(550), Just(251), Just(200)], 1..8),
    ) {
        let mut core = idle(if pipelining { "PIPELINING" } else { "SIZE" });
        core.open(&envelope(count)).unwrap();
        let mut taken = Vec::new();
        'feed: for code in codes {
            core.received(format!("{code} x\r\n").as_bytes());
            loop {
                match core.step() {
                    Err(_) => break 'feed,
                    Ok(Step::NeedBytes) => break,
                    Ok(Step::Taken) => {}
                    Ok(Step::Event(Event::Opened { answers, ready })) => {
                        if ready {
                            prop_assert!(taken.first().is_some_and(|c| c / 100 == 2));
                            prop_assert_eq!(code, 354);
                            prop_assert!((0..count).any(|n| answers.recipient(n).unwrap().is_positive()));
                        } else {
                            prop_assert!((0..count).all(|n| answers.recipient(n).is_none_or(|r| !r.is_positive())));
                        }
                        break 'feed;
                    }
                    Ok(Step::Event(event)) => prop_assert!(false, "{:?}", event),
                }
            }
            taken.push(code);
        }
    }
}

#[test]
fn debug_shows_nothing_of_what_is_said() {
    let mut core = Core::inside_tls();
    core.received(b"550 5.1.1 <ann@elsewhere.exa");
    assert!(core.body(b"Dear Ann").is_ok());
    let shown = format!("{core:?}");
    assert!(
        shown.starts_with("Core {") && shown.contains("phase"),
        "{shown}"
    );
    assert!(!shown.contains("nn"), "{shown}");
    let shown = format!("{:?}", core.replies);
    assert_eq!(shown, "ReplyParser(28 octets)");
}
