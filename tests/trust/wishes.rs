//! What the sender asks: REQUIRETLS, and its opposite.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn requiretls_is_passed_on_or_the_mail_comes_back() {
    let mut world = World::new().await;
    let require = "REQUIRETLS";
    let server = world.serves("passes.test", self_signed("x.test")).await;
    world
        .tlsa("mx.passes.test", [3, 1, 1], &key_hash(server.certificate()))
        .await;
    server.with_require_tls();
    let answer = world.write_with("bo@passes.test", require, "").await;
    assert_eq!(answer.code, 250, "{answer}");
    assert!(world.arrives(&server, "passes.test").await.require_tls);
    // Without the wish, over another connection, and nothing is asked.
    world.write("passes.test").await;
    let deadline = Instant::now() + SOON;
    while server.inbox().count() < 2 {
        assert!(Instant::now() < deadline, "{:?}", world.failures().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        server
            .inbox()
            .all()
            .iter()
            .filter(|mail| mail.require_tls)
            .count(),
        1
    );

    // One proves itself and doesn't pass it on, one passes it on and nobody knows who it is.
    let first = world.serves("drops.test", self_signed("x.test")).await;
    world
        .tlsa("mx.drops.test", [3, 1, 1], &key_hash(first.certificate()))
        .await;
    let second = world.serves("who.plain", self_signed("x.test")).await;
    second.with_require_tls();
    for domain in ["drops.test", "who.plain"] {
        let answer = world.write_with(&bo(domain), require, "").await;
        assert_eq!(answer.code, 250, "{answer}");
    }
    let notices = world.told(2).await;
    for notice in &notices {
        assert!(
            notice.contains("Action: failed") && notice.contains("Status: 5.7.30"),
            "{notice}"
        );
        assert!(notice.contains("You asked for REQUIRETLS"), "{notice}");
    }
    // One whose certificate doesn't match may be mended: that mail waits.
    let third = world.serves("mended.test", self_signed("x.test")).await;
    world.tlsa("mx.mended.test", [3, 1, 1], &[7; 32]).await;
    third.with_require_tls();
    world.write_with("bo@mended.test", require, "").await;
    world.waits_for("tlsa").await;
    assert_eq!(
        first.inbox().count() + second.inbox().count() + third.inbox().count(),
        0
    );

    let refused = world.write_with("news@party.example", require, "").await;
    assert_eq!(refused.code, 550, "{refused}");
    assert!(refused.to_string().contains("5.7.30"), "{refused}");
    // From other servers it is taken: their mail goes no further.
    let mut mx = world.party.mx().await;
    let answer = mx
        .command("MAIL FROM:<a@other.test> REQUIRETLS")
        .await
        .unwrap();
    assert_eq!(answer.code, 250, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_required_no_asks_for_encryption_and_nothing_more() {
    let mut world = World::new().await;
    let field = "TLS-Required: No\r\n";
    let server = world.serves("broken.test", self_signed("x.test")).await;
    world.tlsa("mx.broken.test", [3, 1, 1], &[7; 32]).await;
    world
        .policy("broken.test", "a1", "enforce", "mx.other.test", 86_400)
        .await;
    let answer = world.write_with("bo@broken.test", "", field).await;
    assert_eq!(answer.code, 250, "{answer}");
    let mail = world.arrives(&server, "broken.test").await;
    assert_ne!(mail.tls, "none");
    assert!(
        mail.contains("TLS-Required: No"),
        "the next server may need it"
    );
    // Not where REQUIRETLS says the opposite, and never in the clear.
    world
        .write_with("bo@broken.test", "REQUIRETLS", field)
        .await;
    world.waits_for("tlsa").await;
    let plain = world.serves("plain.test", self_signed("x.test")).await;
    plain.without_starttls();
    world.write_with("bo@plain.test", "", field).await;
    world.waiting(2, 1).await;
    assert_eq!(server.inbox().count(), 1);
    assert_eq!(plain.counters().plaintext(), 0);
    // What DNS can't prove stops the others, and not this one.
    let forged = world.server("mx.forged.test", self_signed("x.test")).await;
    let record = MX::new(10, Name::from_ascii("mx.forged.test.").unwrap());
    world.zone.forge("forged.test", RData::MX(record)).await;
    world.write_with("bo@forged.test", "", field).await;
    world.arrives(&forged, "forged.test").await;
    world.write("forged.test").await;
    let causes = world.waiting(3, 1).await;
    let is_dnssec = |cause: &String| cause.starts_with("dnssec: ");
    assert!(causes.iter().any(is_dnssec), "{causes:?}");
    assert_eq!(forged.inbox().count(), 1);
}
