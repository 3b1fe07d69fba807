//! Tests of TLSA records against certificates.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use super::*;
use crate::tls::CertificateFault;

struct Made {
    authority: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
}

/// A leaf for this name under an authority of its own.
fn made(name: &str, expired: bool) -> Made {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    let leaf = params.signed_by(&key, &issuer).unwrap();
    Made {
        authority: authority.der().clone(),
        leaf: leaf.der().clone(),
    }
}

/// The record of these numbers that this certificate matches.
fn record(usage: u8, selector: u8, matching: u8, certificate: &CertificateDer<'_>) -> Tlsa {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let selected = match selector {
        KEY => parsed.tbs_certificate.subject_pki.raw,
        _ => certificate.as_ref(),
    };
    let data = match matching {
        SHA_256 => digest::digest(&digest::SHA256, selected).as_ref().to_vec(),
        SHA_512 => digest::digest(&digest::SHA512, selected).as_ref().to_vec(),
        _ => selected.to_vec(),
    };
    Tlsa::new(usage, selector, matching, data)
}

fn check(
    records: Vec<Tlsa>,
    names: &[&str],
    shown: &[&CertificateDer<'static>],
) -> Result<(), CertificateFault> {
    let names = names.iter().map(|name| Box::from(*name)).collect();
    let dane = Dane::new(records, names).expect("usable records");
    let others: Vec<_> = shown[1..].iter().map(|one| (*one).clone()).collect();
    dane.check(shown[0], &others, UnixTime::now())
        .map_err(|error| CertificateFault::of(&error).expect("a fault of the certificate"))
}

#[test]
fn each_selector_and_matching_type_fits_its_own_certificate_alone() {
    let (right, wrong) = (made("mx.example", false), made("mx.example", false));
    for selector in [WHOLE, KEY] {
        for matching in [FULL, SHA_256, SHA_512] {
            let records = || vec![record(END_ENTITY, selector, matching, &right.leaf)];
            assert_eq!(check(records(), &[], &[&right.leaf]), Ok(()));
            assert_eq!(
                check(records(), &["mx.example"], &[&wrong.leaf, &wrong.authority]),
                Err(CertificateFault::Tlsa),
                "3 {selector} {matching}"
            );
            let records = || vec![record(TRUST_ANCHOR, selector, matching, &right.authority)];
            let good = [&right.leaf, &right.authority];
            assert_eq!(check(records(), &["mx.example"], &good), Ok(()));
            let bad = [&wrong.leaf, &wrong.authority];
            assert_eq!(
                check(records(), &["mx.example"], &bad),
                Err(CertificateFault::Tlsa),
                "2 {selector} {matching}"
            );
        }
    }
}

#[test]
fn an_end_entity_needs_neither_name_nor_date() {
    let old = made("elsewhere.example", true);
    let records = vec![record(END_ENTITY, KEY, SHA_256, &old.leaf)];
    assert_eq!(check(records, &["mx.example"], &[&old.leaf]), Ok(()));
}

#[test]
fn under_a_trust_anchor_name_and_date_count() {
    let (good, old) = (made("domain.example", false), made("mx.example", true));
    let records = |made: &Made| vec![record(TRUST_ANCHOR, WHOLE, SHA_256, &made.authority)];
    let shown = [&good.leaf, &good.authority];
    let names = ["mx.example", "domain.example"];
    assert_eq!(
        check(records(&good), &names, &shown),
        Ok(()),
        "the next hop's name"
    );
    assert_eq!(
        check(records(&good), &["mx.example"], &shown),
        Err(CertificateFault::OtherName)
    );
    let shown = [&old.leaf, &old.authority];
    assert_eq!(
        check(records(&old), &["mx.example"], &shown),
        Err(CertificateFault::Expired)
    );
    // An authority that is shown beside a leaf that it didn't sign.
    let shown = [&old.leaf, &good.authority];
    assert!(check(records(&good), &["mx.example"], &shown).is_err());
}

#[test]
fn a_trust_anchor_that_is_not_shown_anchors_nothing() {
    let made = made("mx.example", false);
    let records = vec![record(TRUST_ANCHOR, WHOLE, SHA_256, &made.authority)];
    assert_eq!(
        check(records, &["mx.example"], &[&made.leaf]),
        Err(CertificateFault::Tlsa)
    );
}

#[test]
fn what_mail_can_not_use_does_not_count() {
    let made = made("mx.example", false);
    for (usage, selector, matching) in [(0, 0, 1), (1, 1, 1), (4, 0, 1), (3, 2, 1), (3, 0, 3)] {
        let one = Tlsa::new(usage, selector, matching, vec![0; 32]);
        assert!(!one.is_usable(), "{one}");
        assert_eq!(Dane::new(vec![one], Vec::new()), None);
    }
    for (matching, length) in [(SHA_256, 31), (SHA_512, 32), (FULL, 32), (FULL, 0)] {
        assert!(!Tlsa::new(3, 1, matching, vec![7; length]).is_usable());
    }
    // One that counts beside one that doesn't.
    let records = vec![
        Tlsa::new(1, 0, 1, vec![0; 32]),
        record(END_ENTITY, KEY, SHA_256, &made.leaf),
    ];
    assert_eq!(check(records, &[], &[&made.leaf]), Ok(()));
}

/// RFC 7671 §9: who can forge the weaker digest gains nothing while the stronger stands beside it.
#[test]
fn of_two_digests_the_stronger_counts() {
    let (right, wrong) = (made("mx.example", false), made("mx.example", false));
    let records = || {
        vec![
            record(END_ENTITY, KEY, SHA_256, &wrong.leaf),
            record(END_ENTITY, KEY, SHA_512, &right.leaf),
        ]
    };
    assert_eq!(check(records(), &[], &[&right.leaf]), Ok(()));
    assert_eq!(
        check(records(), &[], &[&wrong.leaf]),
        Err(CertificateFault::Tlsa)
    );
    assert_eq!(usable(records()).len(), 1);
}

#[test]
fn records_are_read_and_written_as_zone_files_have_them() {
    assert_eq!(Tlsa::parse(&[3, 1]), None);
    let one = Tlsa::parse(&[3, 1, 1, 0xab, 0x01]).unwrap();
    assert_eq!(one.to_string(), "3 1 1 ab01");
}

proptest! {
    #[test]
    fn no_record_and_no_certificate_makes_it_panic(
        rdata in proptest::collection::vec(any::<u8>(), 0..80), certificate in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let certificate = CertificateDer::from(certificate);
        if let Some(record) = Tlsa::parse(&rdata) {
            let _ = record.is_usable();
            prop_assert!(record.matching == FULL || !record.matches(&certificate));
            if let Some(dane) = Dane::new(vec![record], vec!["mx.example".into()]) {
                let others = [certificate.clone()];
                prop_assert!(dane.check(&certificate, &others, UnixTime::now()).is_err());
            }
        }
    }
}
