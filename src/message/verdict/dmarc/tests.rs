//! The tree walk as RFC 9989 tells it (§4.10, appendix B), alignment, and records that are wrong.

use super::super::table::Table;
use super::*;

const ASKS_TO_REJECT: &str = "v=DMARC1; p=reject";

async fn result(table: &Table, author: &str, vouchers: &[Voucher<'_>]) -> (DmarcResult, Policy) {
    let check = check(table, author, vouchers).await;
    (check.result, check.policy)
}

fn spf(domain: &str) -> Voucher<'_> {
    Voucher {
        domain,
        by: Method::Spf,
        passed: true,
    }
}

fn dkim(domain: &str) -> Voucher<'_> {
    Voucher {
        by: Method::Dkim,
        ..spf(domain)
    }
}

#[tokio::test]
async fn the_walk_asks_no_more_than_eight_names() {
    let table = Table::default().with("_dmarc.example.com", "TXT", ASKS_TO_REJECT);
    let author = "a.b.c.d.e.f.g.h.i.j.mail.example.com";
    assert_eq!(
        result(&table, author, &[]).await,
        (DmarcResult::Fail, Policy::Reject)
    );
    let walked = [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ];
    // Seven labels are left of a longer name.
    assert_eq!(walked[1].split('.').count(), 7);
    let asked = walked.map(|name| format!("_dmarc.{name} TXT"));
    assert_eq!(table.asked(), asked);
}

#[tokio::test]
async fn the_author_s_own_record_comes_first_then_the_organisation_s() {
    let table = Table::default()
        .with("_dmarc.mail.example.com", "TXT", "v=DMARC1; p=none")
        .with(
            "_dmarc.example.com",
            "TXT",
            "v=DMARC1; p=reject; sp=quarantine",
        );
    for (author, policy) in [
        ("mail.example.com", Policy::None),
        ("example.com", Policy::Reject),
        ("news.example.com", Policy::Quarantine),
        ("deep.mail.example.com", Policy::Quarantine),
    ] {
        let found = result(&table, author, &[]).await;
        assert_eq!(found, (DmarcResult::Fail, policy), "{author}");
    }
}

#[tokio::test]
async fn psd_n_makes_an_organisation_of_its_own() {
    let table = Table::default()
        .with("_dmarc.uni.example.com", "TXT", "v=DMARC1; p=reject; psd=n")
        .with("_dmarc.example.com", "TXT", "v=DMARC1; p=none");
    let author = "mail.uni.example.com";
    let fail = (DmarcResult::Fail, Policy::Reject);
    assert_eq!(result(&table, author, &[spf("example.com")]).await, fail);
    assert_eq!(
        result(&table, author, &[spf("other.uni.example.com")])
            .await
            .0,
        DmarcResult::Pass
    );
    assert!(!table.asked().contains(&"_dmarc.com TXT".to_owned()));
}

#[tokio::test]
async fn psd_y_makes_organisations_below_it() {
    let table = Table::default()
        .with(
            "_dmarc.gov.example",
            "TXT",
            "v=DMARC1; p=none; sp=reject; np=reject; psd=y",
        )
        .with("_dmarc.tax.gov.example", "TXT", "v=DMARC1; p=quarantine");
    let two_offices = [spf("health.gov.example")];
    let found = result(&table, "tax.gov.example", &two_offices).await;
    assert_eq!(found, (DmarcResult::Fail, Policy::Quarantine));
    let found = result(
        &table,
        "mail.tax.gov.example",
        &[dkim("news.tax.gov.example")],
    )
    .await;
    assert_eq!(found.0, DmarcResult::Pass);
    // No record of its own: the public suffix's.
    let found = result(&table, "health.gov.example", &[]).await;
    assert_eq!(found, (DmarcResult::Fail, Policy::Reject));
    // The suffix itself may write mail as well.
    let found = result(&table, "gov.example", &[dkim("gov.example")]).await;
    assert_eq!(found.0, DmarcResult::Pass);
    let found = result(&table, "gov.example", &[dkim("tax.gov.example")]).await;
    assert_eq!(found.0, DmarcResult::Fail);
}

#[tokio::test]
async fn names_that_do_not_exist_have_their_own_policy() {
    let record = "v=DMARC1; p=none; sp=quarantine; np=reject";
    let table = Table::default()
        .with("_dmarc.example.com", "TXT", record)
        .with("real.example.com", "MX", "10 mx.example.com");
    let found = result(&table, "real.example.com", &[]).await;
    assert_eq!(found, (DmarcResult::Fail, Policy::Quarantine));
    let found = result(&table, "madeup.example.com", &[]).await;
    assert_eq!(found, (DmarcResult::Fail, Policy::Reject));
}

#[tokio::test]
async fn alignment() {
    let strict = "v=DMARC1; p=reject; adkim=s; aspf=s";
    let table = Table::default()
        .with("_dmarc.relaxed.example", "TXT", ASKS_TO_REJECT)
        .with("_dmarc.strict.example", "TXT", strict);
    for (author, voucher, passes) in [
        ("relaxed.example", spf("relaxed.example"), true),
        ("relaxed.example", spf("Bounce.Relaxed.Example"), true),
        ("mail.relaxed.example", dkim("relaxed.example"), true),
        ("a.relaxed.example", dkim("b.relaxed.example"), true),
        ("relaxed.example", dkim("unrelaxed.example"), false),
        (
            "relaxed.example",
            dkim("relaxed.example.evil.example"),
            false,
        ),
        ("relaxed.example", dkim("example"), false),
        ("strict.example", spf("strict.example"), true),
        ("strict.example", spf("bounce.strict.example"), false),
        ("strict.example", dkim("mail.strict.example"), false),
    ] {
        let found = result(&table, author, &[voucher]).await.0 == DmarcResult::Pass;
        assert_eq!(found, passes, "{author} {voucher:?}");
    }
}

#[tokio::test]
async fn records_that_are_wrong() {
    let with = |texts: &[&str]| {
        texts.iter().fold(Table::default(), |table, text| {
            table.with("_dmarc.example.com", "TXT", text)
        })
    };
    let none = (DmarcResult::None, Policy::None);
    for texts in [
        &["v=DMARC1; p=reject", "v=DMARC1; p=none"][..],
        &["v=DMARC2; p=reject"],
        &["p=reject; v=DMARC1"],
        &["v=DMARC1; sp=reject"],
        &["v=DMARC1; p=refuse"],
        &["v=spf1 -all"],
    ] {
        assert_eq!(
            result(&with(texts), "example.com", &[]).await,
            none,
            "{texts:?}"
        );
    }
    for (text, policy) in [
        ("v=DMARC1;p=Reject", Policy::Reject),
        ("v = DMARC1 ; p = quarantine ;", Policy::Quarantine),
        ("v=DMARC1; p=refuse; rua=mailto:a@b.example", Policy::None),
        ("v=DMARC1; p=reject; t=y", Policy::Quarantine),
        ("v=DMARC1; p=quarantine; t=y", Policy::None),
        ("v=DMARC1; p=reject; pct=0; unknown", Policy::Reject),
    ] {
        let found = result(&with(&[text, "v=spf1 -all"]), "example.com", &[]).await;
        assert_eq!(found, (DmarcResult::Fail, policy), "{text}");
    }
}

#[tokio::test]
async fn silence_is_no_failure() {
    let silent = Table::default().with("_dmarc.example.com", "TIMEOUT", "");
    let found = result(&silent, "example.com", &[]).await;
    assert_eq!(found.0, DmarcResult::TempError);
    let table = Table::default().with("_dmarc.example.com", "TXT", ASKS_TO_REJECT);
    let unanswered = |domain| Voucher {
        passed: false,
        ..dkim(domain)
    };
    let found = result(&table, "example.com", &[unanswered("example.com")]).await;
    assert_eq!(found.0, DmarcResult::TempError);
    let found = result(&table, "example.com", &[unanswered("other.example")]).await;
    assert_eq!(found.0, DmarcResult::Fail);
    let both = [spf("example.com"), unanswered("example.com")];
    assert_eq!(
        result(&table, "example.com", &both).await.0,
        DmarcResult::Pass
    );
}

#[tokio::test]
async fn a_domain_without_a_record_has_no_policy() {
    let found = check(&Table::default(), "Example.COM", &[spf("example.com")]).await;
    assert_eq!(found.result, DmarcResult::None);
    assert_eq!(found.author, "example.com");
}

proptest::proptest! {
    #[test]
    fn any_record_can_be_read(text: Vec<u8>, rest in "[ -~]{0,80}") {
        let _ = Record::read(&text);
        let _ = Record::read(format!("v=DMARC1;{rest}").as_bytes());
    }
}

#[tokio::test]
async fn one_voucher_that_dns_is_silent_about_doesn_t_hide_the_next() {
    let table = Table::default()
        .with("_dmarc.example.com", "TXT", ASKS_TO_REJECT)
        .with("_dmarc.dead.example.com", "TIMEOUT", "");
    let vouchers = [dkim("dead.example.com"), dkim("example.com")];
    let found = result(&table, "example.com", &vouchers).await;
    assert_eq!(found, (DmarcResult::Pass, Policy::Reject));
    let found = result(&table, "example.com", &vouchers[..1]).await;
    assert_eq!(found, (DmarcResult::TempError, Policy::Reject));
    let lax = Table::default()
        .with("_dmarc.example.com", "TXT", "v=DMARC1; p=none")
        .with("_dmarc.dead.example.com", "TIMEOUT", "");
    let found = result(&lax, "example.com", &vouchers[..1]).await;
    assert_eq!(found, (DmarcResult::TempError, Policy::None));
    // Nothing is known, so all may be asked for.
    let silent = Table::default().with("_dmarc.example.com", "TIMEOUT", "");
    let found = result(&silent, "example.com", &[]).await;
    assert_eq!(found, (DmarcResult::TempError, Policy::Reject));
}
