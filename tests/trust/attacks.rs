//! Everybody who stands on the way.

use std::net::SocketAddr;

use super::*;

/// Issue 3, "must show" 3.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_on_the_way_gets_anything() {
    let mut world = World::new().await;
    let mut servers = Vec::new();
    let good = |world: &World, domain: &str| world.authority.vouch(&format!("mx.{domain}"));

    // STARTTLS stripped, with and without a policy.
    for domain in ["stripped.test", "plaintext.test"] {
        let shown = good(&world, domain);
        let server = world.serves(domain, shown).await;
        server.without_starttls();
        servers.push(server);
    }
    // Certificates that prove something else, or nothing.
    let wrong = world.authority.vouch("mx.elsewhere.test");
    servers.push(world.serves("othername.test", wrong).await);
    servers.push(
        world
            .serves("selfmade.test", self_signed("mx.selfmade.test"))
            .await,
    );
    let old = world.authority.vouched("mx.expired.test");
    servers.push(world.serves("expired.test", old).await);
    // The MX itself is somebody else's, whose certificate is good.
    let shown = good(&world, "detour.test");
    servers.push(world.serves("detour.test", shown).await);
    for domain in [
        "stripped.test",
        "othername.test",
        "selfmade.test",
        "expired.test",
    ] {
        let mx = format!("mx.{domain}");
        world.policy(domain, "a1", "enforce", &mx, 86_400).await;
    }
    world
        .policy("detour.test", "a1", "enforce", "*.right.test", 86_400)
        .await;
    // Another key than the one in DNS.
    let shown = good(&world, "tlsa.test");
    servers.push(world.serves("tlsa.test", shown).await);
    world.tlsa("mx.tlsa.test", [3, 1, 1], &[7; 32]).await;
    // DNS forged: the mail server, its address, what is known of its certificate.
    let shown = good(&world, "forged.test");
    let server = world.server("mx.forged.test", shown).await;
    let forged = MX::new(10, Name::from_ascii("mx.forged.test.").unwrap());
    world.zone.forge("forged.test", RData::MX(forged)).await;
    servers.push(server);
    let shown = good(&world, "moved.test");
    let server = world.serves("moved.test", shown).await;
    let SocketAddr::V4(address) = server.address() else {
        panic!("IPv4")
    };
    world.zone.remove("mx.moved.test", RecordType::A).await;
    world
        .zone
        .forge("mx.moved.test", RData::A(A(*address.ip())))
        .await;
    servers.push(server);

    let domains = [
        ("stripped.test", "no-tls", "does not encrypt"),
        ("plaintext.test", "no-tls", "does not encrypt"),
        (
            "othername.test",
            "certificate",
            "its certificate does not match",
        ),
        (
            "selfmade.test",
            "certificate",
            "its certificate does not match",
        ),
        (
            "expired.test",
            "certificate",
            "its certificate does not match",
        ),
        (
            "detour.test",
            "not-in-policy",
            "the one we found is not among them",
        ),
        (
            "tlsa.test",
            "tlsa",
            "not the one that its domain has in DNS (DANE)",
        ),
        (
            "forged.test",
            "dnssec",
            "not signed as they should be (DNSSEC)",
        ),
        (
            "moved.test",
            "dnssec",
            "not signed as they should be (DNSSEC)",
        ),
    ];
    for (domain, ..) in domains {
        world.write(domain).await;
    }
    let mut causes = world.waiting(domains.len(), 1).await;
    causes
        .iter_mut()
        .for_each(|cause| cause.truncate(cause.find(':').unwrap()));
    let mut expected: Vec<_> = domains.iter().map(|(_, cause, _)| *cause).collect();
    causes.sort();
    expected.sort_unstable();
    assert_eq!(causes, expected);
    assert!(world.notices().await.is_empty(), "too early");

    // A quarter of an hour later Ada hears of each, and why.
    world.later(SignedDuration::from_mins(16));
    let notices = world.told(domains.len()).await;
    for (domain, _, words) in domains {
        let about = |notice: &&String| notice.contains(&format!("plans for {domain}"));
        let notice = notices
            .iter()
            .find(about)
            .unwrap_or_else(|| panic!("no word of {domain}"));
        assert!(notice.contains("Action: delayed"), "{notice}");
        assert!(notice.contains(words), "{domain}: {notice}");
        assert!(!notice.contains("Secret plans"));
    }
    assert_eq!(notices.len(), domains.len());
    for server in &servers {
        assert_eq!(server.inbox().count(), 0);
        assert_eq!(server.counters().plaintext(), 0);
    }
    for (domain, kind, result) in [
        (
            "stripped.test",
            PolicyKind::Sts,
            ResultType::StarttlsNotSupported,
        ),
        (
            "plaintext.test",
            PolicyKind::None,
            ResultType::StarttlsNotSupported,
        ),
        (
            "othername.test",
            PolicyKind::Sts,
            ResultType::CertificateHostMismatch,
        ),
        (
            "selfmade.test",
            PolicyKind::Sts,
            ResultType::CertificateNotTrusted,
        ),
        (
            "expired.test",
            PolicyKind::Sts,
            ResultType::CertificateExpired,
        ),
        (
            "detour.test",
            PolicyKind::Sts,
            ResultType::ValidationFailure,
        ),
        ("tlsa.test", PolicyKind::Tlsa, ResultType::TlsaInvalid),
        ("forged.test", PolicyKind::Tlsa, ResultType::DnssecInvalid),
        ("moved.test", PolicyKind::Tlsa, ResultType::DnssecInvalid),
    ] {
        world.has_failed(domain, kind, result);
    }

    // They mend it: what waits goes out by itself.
    servers[0].behave();
    world
        .tlsa(
            "mx.tlsa.test",
            [3, 1, 1],
            &key_hash(servers[6].certificate()),
        )
        .await;
    world.one_more(&servers[0], 0, 2).await;
    world.one_more(&servers[6], 0, 2).await;
    world.arrives(&servers[0], "stripped.test").await;
    world.arrives(&servers[6], "tlsa.test").await;
}
