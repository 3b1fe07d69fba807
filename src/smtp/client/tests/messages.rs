//! Messages on an encrypted session.

use super::*;

const BODY: &str = "Subject: x\r\n\r\n.hidden\r\nlast\r\n";

async fn ready(session: Encrypted<DuplexStream>, envelope: &Envelope) -> Ready<DuplexStream> {
    match session
        .begin(envelope)
        .expect("fit")
        .opened()
        .await
        .expect("opened")
    {
        Opened::Ready(ready) => ready,
        Opened::Refused(_, answers) => panic!("refused: {answers:?}"),
    }
}

/// A message whose body has left and whose dot has not.
async fn sent<B: AsRef<[u8]>>(
    session: Encrypted<DuplexStream>,
    body: impl IntoIterator<Item = B>,
) -> AwaitingDot<DuplexStream> {
    let ready = ready(session, &envelope()).await;
    ready.send_body(body).await.unwrap()
}

async fn refused(
    session: Encrypted<DuplexStream>,
    envelope: &Envelope,
) -> (Encrypted<DuplexStream>, Answers) {
    match session
        .begin(envelope)
        .expect("fit")
        .opened()
        .await
        .expect("opened")
    {
        Opened::Ready(_) => panic!("not refused"),
        Opened::Refused(session, answers) => (session, answers),
    }
}

async fn hear_envelope(peer: &mut Peer) {
    assert!(
        peer.hear()
            .await
            .starts_with("MAIL FROM:<list@example.org>")
    );
    assert_eq!(peer.hear().await, "RCPT TO:<ada@example.net>");
    assert_eq!(peer.hear().await, "DATA");
}

/// Hears an envelope and lets the message come.
async fn take_envelope(peer: &mut Peer) {
    hear_envelope(peer).await;
    peer.say("250 ok\r\n250 ok\r\n354 go\r\n").await;
}

#[tokio::test]
async fn one_message() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let envelope = envelope().with_size(BODY.len() as u64).with_eight_bit();
            let waiting = ready(session, &envelope)
                .await
                .send_body([BODY])
                .await
                .unwrap();
            let (outcome, session) = waiting.finish().await;
            assert!(matches!(outcome, Outcome::Accepted(reply) if reply.code() == 250));
            session.expect("still good").quit().await;
        },
        async |mut peer: Peer| {
            assert_eq!(
                peer.hear().await,
                "MAIL FROM:<list@example.org> SIZE=29 BODY=8BITMIME"
            );
            assert_eq!(peer.hear().await, "RCPT TO:<ada@example.net>");
            assert_eq!(peer.hear().await, "DATA");
            peer.say("250 ok\r\n250 ok\r\n354 go\r\n").await;
            assert_eq!(
                peer.hear_until(".").await,
                ["Subject: x", "", "..hidden", "last"]
            );
            peer.say("250 2.0.0 taken\r\n").await;
            assert_eq!(peer.hear().await, "QUIT");
            peer.say("221 bye\r\n").await;
        },
    )
    .await;
}

#[tokio::test]
async fn nothing_of_a_dot_leaves_before_its_permission() {
    let (allow, mut allowed) = tokio::sync::oneshot::channel::<()>();
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let large = vec![format!("{}\r\n", "x".repeat(70)); 2_000];
            let waiting = sent(session, large).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            allow.send(()).unwrap();
            let (outcome, _) = waiting.finish().await;
            assert!(matches!(outcome, Outcome::Accepted(_)));
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            let mut lines = 0;
            loop {
                let line = peer.hear().await;
                if line == "." {
                    break;
                }
                lines += 1;
            }
            assert!(
                allowed.try_recv().is_ok(),
                "the dot came before its permission"
            );
            assert_eq!(lines, 2_000);
            peer.say("250 ok\r\n").await;
        },
    )
    .await;
}

#[tokio::test]
async fn the_next_envelope_goes_with_the_dot() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let mut ready = ready(session, &envelope()).await;
            for n in 0..5 {
                let waiting = ready.send_body([BODY]).await.unwrap();
                let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
                assert!(matches!(outcome, Outcome::Accepted(_)));
                let Next::Opening(opening) = next else {
                    panic!("no next after {n}")
                };
                let Opened::Ready(next) = opening.opened().await.unwrap() else {
                    panic!("refused")
                };
                ready = next;
            }
            ready.abandon();
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            for _ in 0..5 {
                peer.hear_until(".").await;
                // All of it is here before the dot is answered.
                hear_envelope(&mut peer).await;
                peer.say("250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n")
                    .await;
            }
            assert_eq!(peer.rest().await, "", "the sixth has neither body nor dot");
        },
    )
    .await;
}

#[tokio::test]
async fn an_outcome_is_known_before_the_next_envelope_is_answered() {
    let (known, heard) = tokio::sync::oneshot::channel::<()>();
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let waiting = sent(session, [BODY]).await;
            let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
            assert!(matches!(outcome, Outcome::Refused(reply) if reply.code() == 552));
            known.send(()).unwrap();
            let Next::Opening(opening) = next else {
                panic!("no next")
            };
            assert!(matches!(opening.opened().await.unwrap(), Opened::Ready(_)));
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            peer.hear_until(".").await;
            hear_envelope(&mut peer).await;
            peer.say("552 5.2.2 full\r\n").await;
            heard.await.unwrap();
            peer.say("250 ok\r\n250 ok\r\n354 go\r\n").await;
            peer.rest().await;
        },
    )
    .await;
}

#[tokio::test]
async fn without_pipelining_the_next_envelope_waits_by_itself() {
    let ((), ()) = secured(
        "250-mx\r\n250 SIZE\r\n",
        async |session: Encrypted<_>| {
            let waiting = sent(session, [BODY]).await;
            let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
            assert!(matches!(outcome, Outcome::Accepted(_)));
            let Next::Opening(opening) = next else {
                panic!("no next")
            };
            assert!(matches!(opening.opened().await.unwrap(), Opened::Ready(_)));
        },
        async |mut peer: Peer| {
            for round in 0..2 {
                for reply in ["250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
                    peer.hear().await;
                    assert!(peer.input.is_empty(), "the client went ahead");
                    peer.say(reply).await;
                }
                if round == 0 {
                    peer.hear_until(".").await;
                    assert!(peer.input.is_empty(), "the client went ahead");
                    peer.say("250 taken\r\n").await;
                }
            }
        },
    )
    .await;
}

#[tokio::test]
async fn one_of_three_recipients_refused() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let envelope = envelope()
                .and(path("bob@example.net"))
                .and(path("cyd@example.net"));
            let ready = ready(session, &envelope).await;
            let codes: Vec<u16> = (0..3)
                .map(|n| ready.answers().recipient(n).unwrap().code())
                .collect();
            assert_eq!(codes, [250, 550, 250]);
            let (outcome, _) = ready.send_body([BODY]).await.unwrap().finish().await;
            assert!(matches!(outcome, Outcome::Accepted(_)));
        },
        async |mut peer: Peer| {
            for _ in 0..5 {
                peer.hear().await;
            }
            peer.say("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n")
                .await;
            peer.hear_until(".").await;
            peer.say("250 taken\r\n").await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_refused_envelope_leaves_a_session_for_the_next() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let (session, answers) = refused(session, &envelope()).await;
            assert_eq!(answers.recipient(0).unwrap().code(), 550);
            let (outcome, _) = sent(session, [BODY]).await.finish().await;
            assert!(matches!(outcome, Outcome::Accepted(_)));
        },
        async |mut peer: Peer| {
            hear_envelope(&mut peer).await;
            peer.say("250 ok\r\n550 5.1.1 no\r\n503 no recipients\r\n")
                .await;
            assert_eq!(peer.hear().await, "RSET");
            hear_envelope(&mut peer).await;
            peer.say("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n")
                .await;
            peer.hear_until(".").await;
            peer.say("250 taken\r\n").await;
        },
    )
    .await;
}

#[tokio::test]
async fn abandoned_and_dropped_messages_have_no_dot() {
    for drop_it in [true, false] {
        let ((), heard) = secured(
            OFFER,
            async |session: Encrypted<_>| {
                let large = vec![BODY; 5_000];
                let waiting = sent(session, large).await;
                if drop_it {
                    drop(waiting)
                } else {
                    waiting.abandon()
                }
            },
            async |mut peer: Peer| {
                take_envelope(&mut peer).await;
                peer.rest().await
            },
        )
        .await;
        assert!(!heard.contains("\r\n.\r\n"));
        assert!(
            heard.contains("..hidden"),
            "a part of a large message had left"
        );
    }
}

#[tokio::test]
async fn a_message_with_bare_line_ends_is_never_ended() {
    let ((), heard) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let sent = ready(session, &envelope())
                .await
                .send_body(["a\r\n", "b\n.\r\nMAIL FROM:<x@y>\r\n"])
                .await;
            assert_eq!(sent.unwrap_err(), ClientError::Body(BodyError::BareLineEnd));
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            peer.rest().await
        },
    )
    .await;
    assert_eq!(heard, "");
}

#[tokio::test]
async fn messages_the_server_can_not_take_are_unfit_and_the_session_stays() {
    let ((), heard) = secured(
        "250-mx\r\n250 SIZE 100\r\n",
        async |session: Encrypted<_>| {
            let (session, unfit) = session.begin(&envelope().with_size(101)).unwrap_err();
            assert_eq!(unfit, Unfit::Size { limit: 100 });
            let (session, unfit) = session.begin(&envelope().with_eight_bit()).unwrap_err();
            assert_eq!(unfit, Unfit::EightBit);
            let utf8 = Envelope::new(None, path("ü@example.net"));
            let (_, unfit) = session.begin(&utf8).unwrap_err();
            assert_eq!(unfit, Unfit::Utf8);
        },
        async |mut peer: Peer| peer.rest().await,
    )
    .await;
    assert_eq!(heard, "", "nothing was sent for them");
}

#[tokio::test]
async fn an_unfit_next_message_does_not_harm_the_one_before() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let waiting = sent(session, [BODY]).await;
            let (outcome, next) = waiting
                .finish_and_begin(&envelope().with_size(1_000_000))
                .await;
            assert!(matches!(outcome, Outcome::Accepted(_)));
            assert!(matches!(next, Next::Unfit(_, Unfit::Size { .. })));
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            peer.hear_until(".").await;
            peer.say("250 taken\r\n").await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_spent_connection_begins_nothing_more() {
    let ((), ()) = secured(
        "250-mx\r\n250-LIMITS MAILMAX=1\r\n250 PIPELINING\r\n",
        async |session: Encrypted<_>| {
            assert!(!session.is_spent());
            let waiting = sent(session, [BODY]).await;
            let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
            assert!(matches!(outcome, Outcome::Accepted(_)));
            let Next::Spent(session) = next else {
                panic!("not spent")
            };
            assert_eq!(session.begun(), 1);
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            peer.hear_until(".").await;
            peer.say("250 taken\r\n").await;
            assert_eq!(peer.rest().await, "");
        },
    )
    .await;
}

#[tokio::test]
async fn no_reply_to_the_dot_is_doubt() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let waiting = sent(session, [BODY]).await;
            let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
            assert_eq!(
                outcome,
                Outcome::InDoubt(ClientError::Closed(Phase::FinalDot))
            );
            assert!(matches!(next, Next::Lost));
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            peer.hear_until(".").await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_421_to_the_dot_is_a_refusal_and_the_end() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let waiting = sent(session, [BODY]).await;
            let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
            assert!(matches!(outcome, Outcome::Refused(reply) if reply.code() == 421));
            assert!(matches!(next, Next::Lost));
        },
        async |mut peer: Peer| {
            take_envelope(&mut peer).await;
            peer.hear_until(".").await;
            peer.say("421 4.3.2 going down\r\n").await;
        },
    )
    .await;
}

/// Stops a conversation at each reply in turn, by silence and by closing.
#[tokio::test]
async fn every_phase_of_a_message_may_stall_or_close() {
    let replies = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n"];
    let phases = [Phase::Mail, Phase::Recipient, Phase::Data, Phase::FinalDot];
    for (stop, phase) in phases.into_iter().enumerate() {
        for close in [false, true] {
            let dialer = if close { dialer() } else { hasty(phase) };
            let (error, ()) = talk(
                async |stream| {
                    let session = connect(&dialer, stream).await.unwrap();
                    let ready = match session.begin(&envelope()).unwrap().opened().await {
                        Ok(Opened::Ready(ready)) => ready,
                        Ok(Opened::Refused(..)) => panic!("refused"),
                        Err(error) => return error,
                    };
                    match ready.send_body([BODY]).await.unwrap().finish().await {
                        (Outcome::InDoubt(error), None) => error,
                        other => panic!("{other:?}"),
                    }
                },
                async |peer: Peer| {
                    let mut peer = peer.secured(OFFER).await;
                    hear_envelope(&mut peer).await;
                    peer.say(&replies[..stop].concat()).await;
                    if stop == 3 {
                        peer.hear_until(".").await;
                    }
                    if !close {
                        peer.rest().await;
                    }
                },
            )
            .await;
            let expected = if close {
                ClientError::Closed(phase)
            } else {
                ClientError::TimedOut(phase)
            };
            assert_eq!(error, expected);
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_is_timed_out() {
    let dialer = hasty(Phase::Body);
    let (done, over) = tokio::sync::oneshot::channel::<()>();
    let (error, ()) = talk(
        async |stream| {
            let ready = ready(connect(&dialer, stream).await.unwrap(), &envelope()).await;
            let sent = ready.send_body(vec![BODY; 20_000]).await;
            done.send(()).unwrap();
            sent.map(drop).unwrap_err()
        },
        async |peer: Peer| {
            let mut peer = peer.secured(OFFER).await;
            take_envelope(&mut peer).await;
            over.await.unwrap();
        },
    )
    .await;
    assert_eq!(error, ClientError::TimedOut(Phase::Body));
}

#[tokio::test]
async fn a_server_that_breaks_off_in_the_message_is_heard() {
    let ((), ()) = secured(
        OFFER,
        async |session: Encrypted<_>| {
            let ready = ready(session, &envelope()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let error = ready
                .send_body(vec![BODY; 50_000])
                .await
                .map(drop)
                .unwrap_err();
            assert!(
                matches!(&error, ClientError::Refused(Phase::Body, reply) if reply.code() == 421),
                "{error:?}"
            );
        },
        async |mut peer: Peer| {
            hear_envelope(&mut peer).await;
            peer.say("250 ok\r\n250 ok\r\n354 go\r\n421 4.7.0 enough\r\n")
                .await;
        },
    )
    .await;
}

#[tokio::test]
async fn all_replies_of_a_message_split_anywhere() {
    for size in 1..=12 {
        let ((), ()) = secured(
            OFFER,
            async |session: Encrypted<_>| {
                let waiting = sent(session, [BODY]).await;
                let (outcome, next) = waiting.finish_and_begin(&envelope()).await;
                assert!(matches!(outcome, Outcome::Accepted(_)));
                let Next::Opening(opening) = next else {
                    panic!("no next")
                };
                let Opened::Refused(session, answers) = opening.opened().await.unwrap() else {
                    panic!("taken")
                };
                assert_eq!(answers.recipient(0).unwrap().code(), 452);
                drop(session);
            },
            async |mut peer: Peer| {
                hear_envelope(&mut peer).await;
                peer.drip("250-two\r\n250 lines\r\n250 2.1.5 ok\r\n354 go\r\n", size)
                    .await;
                peer.hear_until(".").await;
                peer.drip(
                    "250-2.0.0 taken\r\n250 2.0.0 thanks\r\n250 ok\r\n452 4.2.2 full\r\n503 ?\r\n",
                    size,
                )
                .await;
                peer.rest().await;
            },
        )
        .await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_good_until_something_comes() {
    for last_words in ["421 4.4.2 idle too long\r\n", ""] {
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let ((), ()) = secured(
            OFFER,
            async |mut session: Encrypted<_>| {
                assert!(session.is_reusable());
                assert!(session.is_reusable(), "looking doesn't hurt");
                go.send(()).unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert!(!session.is_reusable());
            },
            async |mut peer: Peer| {
                gone.await.unwrap();
                peer.say(last_words).await;
            },
        )
        .await;
    }
}

#[tokio::test]
async fn quitting_waits_for_nobody() {
    let dialer = hasty(Phase::Quit);
    let ((), ()) = talk(
        async |stream| connect(&dialer, stream).await.unwrap().quit().await,
        async |peer: Peer| {
            let mut peer = peer.secured(OFFER).await;
            assert_eq!(peer.hear().await, "QUIT");
            tokio::time::sleep(Duration::from_millis(500)).await;
        },
    )
    .await;
}
