//! From the greeting to the second EHLO: encrypted, or not at all.

use super::*;
use crate::tls::CertificateFault;

async fn fails<S, SF>(dialer: Dialer, server: S) -> ClientError
where
    S: FnOnce(Peer) -> SF,
    SF: Future,
{
    let (result, _) = talk(async |stream| connect(&dialer, stream).await, server).await;
    result.expect_err("no session")
}

#[tokio::test]
async fn capabilities_come_from_inside_tls_alone() {
    let ((), ()) = secured(
        "250-mx\r\n250 8BITMIME\r\n",
        async |session: Encrypted<_>| {
            assert!(session.offered().eight_bit);
            assert!(!session.offered().start_tls && !session.offered().pipelining);
            assert_eq!(session.tls().version, "TLSv1.3");
            assert!(
                session.tls().cipher.starts_with("TLS13_"),
                "{}",
                session.tls().cipher
            );
            assert!(matches!(
                session.tls().authentication,
                Authentication::Unverified(_)
            ));
        },
        async |_| {},
    )
    .await;
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let (error, heard) = {
        let dialer = dialer();
        talk(
            async |stream| connect(&dialer, stream).await.unwrap_err(),
            async |mut peer: Peer| {
                peer.say("220 mx\r\n").await;
                peer.hear().await;
                peer.say("250-mx\r\n250 PIPELINING\r\n").await;
                peer.rest().await
            },
        )
        .await
    };
    assert_eq!(error, TlsFailure::NotOffered.into());
    assert_eq!(heard, "");
}

#[tokio::test]
async fn a_refused_starttls_is_failed_tls() {
    for refusal in [
        "454 4.7.0 no certificate\r\n",
        "502 what?\r\n",
        "421 4.7.0 not now\r\n",
    ] {
        let error = fails(dialer(), async |mut peer: Peer| {
            peer.up_to_starttls().await;
            peer.say(refusal).await;
            assert_eq!(
                peer.rest().await,
                "",
                "nothing in the clear after a refusal"
            );
        })
        .await;
        assert!(
            matches!(error, ClientError::Tls(TlsFailure::Refused(_))),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn plaintext_behind_the_220_is_never_taken() {
    for injected in ["250 2.0.0 ok\r\n", "x", "250-mx\r\n"] {
        let error = fails(dialer(), async |mut peer: Peer| {
            peer.up_to_starttls().await;
            peer.say(&format!("220 go\r\n{injected}")).await;
            peer.rest().await;
        })
        .await;
        assert_eq!(error, TlsFailure::Injected.into(), "{injected:?}");
    }
    // Sent apart, it falls into the handshake and breaks it.
    let error = fails(dialer(), async |mut peer: Peer| {
        peer.up_to_starttls().await;
        peer.say("220 go\r\n").await;
        peer.more().await;
        peer.say("250 2.0.0 ok\r\n").await;
        peer.rest().await;
    })
    .await;
    assert!(
        matches!(error, ClientError::Tls(TlsFailure::Handshake(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_stalled_handshake_is_a_failed_one() {
    let error = fails(hasty(Phase::Handshake), async |mut peer: Peer| {
        peer.up_to_starttls().await;
        peer.say("220 go\r\n").await;
        peer.rest().await;
    })
    .await;
    assert_eq!(error, TlsFailure::Stalled.into());
    assert!(error.is_tls());
}

#[tokio::test]
async fn a_handshake_cut_off_is_failed_tls() {
    let error = fails(dialer(), async |mut peer: Peer| {
        peer.up_to_starttls().await;
        peer.say("220 go\r\n").await;
        peer.more().await;
    })
    .await;
    assert_eq!(error, TlsFailure::Closed.into());
}

#[tokio::test]
async fn a_handshake_of_garbage_is_failed_tls() {
    let error = fails(dialer(), async |mut peer: Peer| {
        peer.up_to_starttls().await;
        peer.say("220 go\r\n").await;
        peer.more().await;
        peer.stream
            .write_all(&[0x15, 3, 3, 0, 2, 2, 40])
            .await
            .unwrap();
        peer.rest().await;
    })
    .await;
    assert!(
        matches!(error, ClientError::Tls(TlsFailure::Handshake(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn refused_greetings_and_ehlos_end_it() {
    for (at, reply) in [
        (Phase::Greeting, "554 no\r\n"),
        (Phase::Greeting, "421 busy\r\n"),
        (Phase::Hello, "502 no\r\n"),
    ] {
        let error = fails(dialer(), async |mut peer: Peer| {
            if at == Phase::Hello {
                peer.say("220 mx\r\n").await;
                peer.hear().await;
            }
            peer.say(reply).await;
            assert_eq!(peer.rest().await.matches("EHLO").count(), 0);
        })
        .await;
        assert!(
            matches!(error, ClientError::Refused(phase, _) if phase == at),
            "{error:?}"
        );
    }
}

/// Plays the server up to `stop` phases, then does `last`.
async fn play(mut peer: Peer, stop: Phase, close: bool) {
    if stop != Phase::Greeting {
        peer.say("220 mx\r\n").await;
        peer.hear().await;
        if stop != Phase::Hello {
            peer.say("250-mx\r\n250 STARTTLS\r\n").await;
            peer.hear().await;
        }
    }
    if !close {
        peer.rest().await;
    }
}

#[tokio::test]
async fn every_phase_before_tls_may_stall_or_close() {
    for phase in [Phase::Greeting, Phase::Hello, Phase::StartTls] {
        // Without an answer to STARTTLS there is no encryption.
        let told = |error: ClientError| match phase {
            Phase::StartTls => TlsFailure::Unanswered(Box::new(error)).into(),
            _ => error,
        };
        let error = fails(hasty(phase), async |peer: Peer| {
            play(peer, phase, false).await
        })
        .await;
        assert_eq!(error, told(ClientError::TimedOut(phase)));
        assert_eq!(error.is_tls(), phase == Phase::StartTls);
        let error = fails(dialer(), async |peer: Peer| play(peer, phase, true).await).await;
        assert_eq!(error, told(ClientError::Closed(phase)));
    }
}

#[tokio::test]
async fn a_greeting_that_drips_is_late_like_a_silent_one() {
    let error = fails(hasty(Phase::Greeting), async |mut peer: Peer| {
        while peer.stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(error, ClientError::TimedOut(Phase::Greeting));
}

#[tokio::test]
async fn the_second_ehlo_may_fail_too() {
    let error = fails(dialer(), async |mut peer: Peer| {
        peer.up_to_starttls().await;
        peer.say("220 go\r\n").await;
        let mut peer = peer.tls().await;
        peer.hear().await;
        peer.say("500 no\r\n").await;
    })
    .await;
    assert!(
        matches!(error, ClientError::Refused(Phase::Hello, _)),
        "{error:?}"
    );
}

#[tokio::test]
async fn replies_split_anywhere_read_the_same() {
    for size in 1..=16 {
        let dialer = dialer();
        let (limit, ()) = talk(
            async |stream| {
                connect(&dialer, stream)
                    .await
                    .expect("a session")
                    .offered()
                    .size_limit()
            },
            async |mut peer: Peer| {
                peer.drip("220-mx\r\n220 ready\r\n", size).await;
                peer.hear().await;
                peer.drip("250-mx\r\n250 STARTTLS\r\n", size).await;
                peer.hear().await;
                // The 220 itself is split too; only what follows its CRLF would be an injection.
                peer.drip("220 go\r\n", size).await;
                let mut peer = peer.tls().await;
                peer.hear().await;
                peer.drip(OFFER, size).await;
                peer.rest().await;
            },
        )
        .await;
        assert_eq!(limit, Some(100_000), "pieces of {size}");
    }
}

#[tokio::test]
async fn a_good_certificate_is_recorded_as_verified_and_a_wrong_name_with_its_reason() {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.net".to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let tls = TlsSetup::new(Some(roots)).unwrap();
    let dialer = Dialer { tls, ..dialer() };
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key)
    .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for (name, verified) in [("mx.example.net", true), ("mx.other.example", false)] {
        let name = ServerName::try_from(name).unwrap();
        let (record, ()) = talk(
            async |stream| {
                let plain = dialer.greet(stream).await.unwrap();
                plain
                    .encrypt(&dialer, &name, &TlsPolicy::Opportunistic)
                    .await
                    .unwrap()
                    .tls()
                    .clone()
            },
            async |mut peer: Peer| {
                peer.up_to_starttls().await;
                peer.say("220 go\r\n").await;
                let stream = acceptor.accept(peer.stream).await.unwrap();
                let mut peer = Peer {
                    stream: Box::new(stream),
                    input: Vec::new(),
                };
                peer.hear().await;
                peer.say(OFFER).await;
                peer.rest().await;
            },
        )
        .await;
        match record.authentication {
            Authentication::Verified => assert!(verified),
            Authentication::Unverified(why) => {
                assert!(!verified, "{why}");
                assert_eq!(why, CertificateFault::OtherName);
            }
            Authentication::Dane => panic!("nobody asked for DANE"),
        }
    }
}

#[tokio::test]
async fn nonsense_instead_of_an_answer_to_starttls_is_failed_tls() {
    for nonsense in ["what?\r\n", "354 go on\r\n"] {
        let error = fails(dialer(), async |mut peer: Peer| {
            peer.up_to_starttls().await;
            peer.say(nonsense).await;
            assert_eq!(peer.rest().await, "");
        })
        .await;
        assert!(
            matches!(error, ClientError::Tls(TlsFailure::Unanswered(_))),
            "{error:?}"
        );
    }
}
