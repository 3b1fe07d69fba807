//! What DNS proves, and what it doesn't.

use super::*;

fn resolver(zone: &Zone, dnssec: Dnssec<'_>) -> SecureResolver {
    let settings = ResolverSettings {
        servers: vec![zone.address()],
        ..ResolverSettings::default()
    };
    SecureResolver::new(settings, dnssec).unwrap()
}

#[tokio::test]
async fn dns_says_what_it_can_prove() {
    let zone = Zone::signed().await;
    let files = tempfile::tempdir().unwrap();
    let anchor = files.path().join("anchor");
    std::fs::write(&anchor, zone.anchor()).unwrap();
    let resolver = resolver(&zone, Dnssec::Validate(Some(&anchor)));
    let domain = |name: &str| Domain::parse(name).unwrap();
    zone.mx("good.test", 10, "mx.good.test").await;
    zone.address_of("mx.good.test", "192.0.2.1").await;
    zone.mx("a.plain", 10, "mx.a.plain").await;
    zone.address_of("mx.a.plain", "192.0.2.2").await;
    let found = resolver.mail_hosts(&domain("good.test")).await.unwrap();
    assert!(found.secure);
    let addresses = resolver.addresses("mx.good.test").await.unwrap();
    assert_eq!(addresses.tlsa_bases, ["mx.good.test".into()]);
    let none = resolver.tlsa("mx.good.test", 25).await;
    assert_eq!(none, Ok(Vec::new()), "proven that there is none");
    // Unsigned records prove nothing, wherever an alias hides them: that there are any is not said.
    let shown = [7; 32];
    zone.tlsa("_25._tcp.mx.good.test", [3, 1, 1], &shown).await;
    let signed = resolver.tlsa("mx.good.test", 25).await.unwrap();
    assert_eq!(signed.len(), 1);
    zone.tlsa("_25._tcp.mx.a.plain", [3, 1, 1], &shown).await;
    zone.cname("_25._tcp.mx.alias.test", "_25._tcp.mx.a.plain")
        .await;
    for host in ["mx.a.plain", "mx.alias.test"] {
        assert_eq!(resolver.tlsa(host, 25).await, Ok(Vec::new()), "{host}");
    }
    let found = resolver.mail_hosts(&domain("a.plain")).await;
    assert!(
        !found
            .unwrap_or_else(|error| panic!("{error}: {:?}", zone.queries()))
            .secure
    );
}

#[tokio::test]
async fn forged_answers_are_no_unsigned_ones() {
    let zone = Zone::signed().await;
    let files = tempfile::tempdir().unwrap();
    let anchor = files.path().join("anchor");
    std::fs::write(&anchor, zone.anchor()).unwrap();
    let right = resolver(&zone, Dnssec::Validate(Some(&anchor)));
    let domain = Domain::parse("good.test").unwrap();
    zone.mx("good.test", 10, "mx.good.test").await;
    // An alias that is signed, of a name that isn't: the alias vouches for itself.
    zone.cname("mx.good.test", "far.plain").await;
    zone.address_of("far.plain", "192.0.2.9").await;
    let found = right.addresses("mx.good.test").await.unwrap();
    assert_eq!(found.tlsa_bases, ["mx.good.test".into()]);
    let owner = "_25._tcp.mx.forged.test";
    let data = RData::Unknown {
        code: RecordType::TLSA,
        rdata: NULL::with([&[3, 1, 1][..], &[7; 32]].concat()),
    };
    zone.forge(owner, data).await;
    let forged = right.tlsa("mx.forged.test", 25).await;
    assert_eq!(forged, Err(LookupError::Bogus));
    // That there are none has to be proven too, or whoever stands on the way could take them out.
    for (n, fault) in [Fault::BareDenial, Fault::BareNothing]
        .into_iter()
        .enumerate()
    {
        zone.fault(&format!("_25._tcp.mx.bare{n}.test"), Some(fault));
        let denied = right.tlsa(&format!("mx.bare{n}.test"), 25).await;
        assert_eq!(denied, Err(LookupError::Bogus), "{fault:?}");
    }
    // Without the right anchor nothing is proven, and nothing is taken for unsigned.
    let wrong = resolver(&zone, Dnssec::Validate(None));
    let error = wrong.mail_hosts(&domain).await.unwrap_err();
    assert_eq!(error, LookupError::Bogus);
    // A resolver that says nothing of proof is believed that there is none.
    let trusting = resolver(&zone, Dnssec::TrustAd);
    let found = trusting.mail_hosts(&domain).await.unwrap();
    assert!(!found.secure && found.hosts != MailHosts::Implicit);
    // An anchor that can't be read is no anchor.
    std::fs::write(&anchor, "nothing\n").unwrap();
    let settings = ResolverSettings::default();
    let error = SecureResolver::new(settings, Dnssec::Validate(Some(&anchor))).unwrap_err();
    assert_eq!(error, LookupError::Anchor);
}
