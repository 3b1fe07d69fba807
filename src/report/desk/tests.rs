//! Reports that are kept, refused and forgotten.

use super::*;
use crate::report::dmarc::tests::OLD;
use crate::report::quota::A_DAY;
use crate::report::tls::tests::RFC;
use crate::report::unpack::tests::{gzip, mail_with, zipped};
use crate::store::{Files, LockedStore};
use crate::vault::Vault;

pub(crate) async fn store(directory: &std::path::Path) -> Store {
    let locked = LockedStore::open(Files::in_directory(directory)).await;
    locked
        .unwrap()
        .unlock(Vault::for_tests(), 1 << 20)
        .await
        .unwrap()
}

pub(crate) fn clock() -> Clock {
    Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap())
}

async fn desk(directory: &std::path::Path, clock: &Clock) -> Reports {
    let ours = Ours {
        domains: ["party.example", "company-y.example"]
            .map(|name| Domain::parse(name).unwrap())
            .to_vec(),
        addresses: vec!["192.0.2.7".parse().unwrap()],
    };
    Reports::new(store(directory).await, clock.clone(), ours)
}

fn at(network: u32) -> IpAddr {
    std::net::Ipv4Addr::from_bits(network << 8 | 7).into()
}

fn far() -> Option<Domain> {
    Some(Domain::parse("far.example").unwrap())
}

async fn kept(desk: &Reports) -> Vec<Kept> {
    let mut all = Vec::new();
    desk.each(|one| all.push(one.report)).await.unwrap();
    all
}

#[tokio::test]
async fn a_report_is_kept_once_and_forgotten_in_time() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    let packed = gzip(RFC.as_bytes());
    assert_eq!(
        desk.take_tls(packed.clone(), true, at(1)).await.unwrap(),
        Taken::Kept
    );
    let plain = desk.take_tls(RFC.as_bytes().to_vec(), false, at(1)).await;
    assert_eq!(plain.unwrap(), Taken::Again);
    let mail = mail_with("application/zip", "r.zip", &zipped(&[OLD.as_bytes()]));
    assert_eq!(
        desk.take_dmarc(mail.clone(), at(1), far()).await.unwrap(),
        Taken::Kept
    );
    assert_eq!(
        desk.take_dmarc(mail, at(1), far()).await.unwrap(),
        Taken::Again
    );
    assert_eq!(
        (kept(&desk).await.len(), desk.count().await.unwrap()),
        (2, 2)
    );

    clock.advance(KEPT - SignedDuration::from_secs(1)).unwrap();
    desk.forget().await.unwrap();
    assert_eq!(desk.0.store.count_reports(Timestamp::MIN).await.unwrap(), 2);
    clock.advance(SignedDuration::from_secs(1)).unwrap();
    assert!(kept(&desk).await.is_empty(), "told to nobody any more");
    desk.forget().await.unwrap();
    assert_eq!(desk.0.store.count_reports(Timestamp::MIN).await.unwrap(), 0);
}

#[tokio::test]
async fn reports_wait_while_the_disk_is_short() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    let store = desk.0.store.clone();
    store.keep_free(Some(4 * store.space().unwrap().left + (1 << 40)));
    let short = desk.take_tls(RFC.as_bytes().to_vec(), false, at(1)).await;
    let reserved = matches!(short, Err(TakeError::Store(StoreError::Reserved { .. })));
    assert!(reserved, "{short:?}");
    store.keep_free(Some(0));
    let taken = desk.take_tls(RFC.as_bytes().to_vec(), false, at(1)).await;
    assert_eq!(taken.unwrap(), Taken::Kept);
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    let bomb = gzip(&vec![b' '; MOST_UNPACKED + 1]);
    let tls = desk.take_tls(bomb.clone(), true, at(1)).await;
    assert!(matches!(tls, Err(TakeError::Packed(UnpackError::TooBig))));
    let tls = desk.take_tls(b"{}".to_vec(), false, at(1)).await;
    assert!(matches!(tls, Err(TakeError::Unfit(Unfit::Unreadable))));
    let dmarc = async |bytes: &[u8]| {
        let mail = mail_with("application/gzip", "r.xml.gz", bytes);
        desk.take_dmarc(mail, at(1), far()).await
    };
    assert!(matches!(dmarc(&bomb).await, Err(TakeError::Packed(_))));
    let other = OLD.replace("party.example", "other.example");
    let other = dmarc(&gzip(other.as_bytes())).await;
    assert!(matches!(other, Err(TakeError::Unfit(Unfit::NotOurs))));
    let words = desk.take_dmarc(b"Subject: hello\r\n\r\nHello\r\n".to_vec(), at(1), far());
    assert!(matches!(words.await, Err(TakeError::None)));
    assert!(kept(&desk).await.is_empty());
}

#[tokio::test]
async fn there_is_an_end_to_what_anybody_could_have_written() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    for n in 0..A_DAY {
        let json = RFC.replace("5065427c", &n.to_string()).into_bytes();
        let taken = desk.take_tls(json, false, at(n / 10)).await;
        assert_eq!(taken.unwrap(), Taken::Kept);
    }
    let one_more = RFC.replace("5065427c", "more").into_bytes();
    let refused = desk.take_tls(one_more.clone(), false, at(999)).await;
    assert!(matches!(refused, Err(TakeError::TooMany)));
    let mail = mail_with("application/gzip", "r.xml.gz", &gzip(OLD.as_bytes()));
    let other_kind = desk.take_dmarc(mail, at(1), None).await;
    assert_eq!(other_kind.unwrap(), Taken::Kept);
    clock.advance(SignedDuration::from_hours(24)).unwrap();
    let tomorrow = desk.take_tls(one_more, false, at(999)).await;
    assert_eq!(tomorrow.unwrap(), Taken::Kept);
}

#[tokio::test]
async fn a_full_day_is_told_before_anything_is_unpacked() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    for n in 0..10 {
        let json = RFC.replace("5065427c", &n.to_string()).into_bytes();
        desk.take_tls(json, false, at(1)).await.unwrap();
    }
    let bomb = gzip(&vec![b' '; MOST_UNPACKED + 1]);
    let refused = desk.take_tls(bomb.clone(), true, at(1)).await;
    assert!(matches!(refused, Err(TakeError::TooMany)));
    let elsewhere = desk.take_tls(bomb, true, at(2)).await;
    assert!(matches!(elsewhere, Err(TakeError::Packed(_))));
}

#[tokio::test]
async fn who_is_proven_is_who_reports() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    let xml = OLD.replace("far.example</org_name>", "google.com</org_name>");
    let mail = mail_with("application/gzip", "r.xml.gz", &gzip(xml.as_bytes()));
    desk.take_dmarc(mail.clone(), at(1), far()).await.unwrap();
    let said = async || {
        let all = kept(&desk).await.into_iter();
        let said = all.map(|one| match one {
            Kept::Dmarc(report) => (report.reporter, report.proven),
            Kept::Tls(report) => panic!("{report:?}"),
        });
        let mut said: Vec<_> = said.collect();
        said.sort();
        said
    };
    assert_eq!(said().await, [("far.example".to_owned(), true)]);
    desk.take_dmarc(mail, at(1), None).await.unwrap();
    assert_eq!(said().await[1], ("google.com".to_owned(), false));
}

#[tokio::test]
async fn what_is_kept_is_small() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    let (head, rest) = RFC.split_once("\"failure-details\": [").unwrap();
    let (first, _) = rest.split_once('}').unwrap();
    let detail = first.replace(
        "\"failed-session-count\"",
        &format!(
            "\"failure-reason-code\": \"{}\", \"failed-session-count\"",
            "\u{10348}".repeat(500)
        ),
    );
    let details = vec![format!("{detail}}}"); 100].join(",");
    let json = format!("{head}\"failure-details\": [{details}]}}]}}");
    let refused = desk.take_tls(json.into_bytes(), false, at(1)).await;
    assert!(
        matches!(refused, Err(TakeError::Unfit(Unfit::TooMuch))),
        "{refused:?}"
    );
    // What a large provider tells fits: names beyond the room for them are summed up.
    let record = |n: u32| {
        let name = format!("{}.{n}.example", "a".repeat(60));
        let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 + (n << 8));
        format!(
            "<record><row><source_ip>{ip}</source_ip><count>1</count></row><identifiers><header_from>{name}</header_from>\
             </identifiers><auth_results><spf><domain>x{name}</domain><result>pass</result></spf><dkim><domain>y{name}\
             </domain><result>pass</result></dkim></auth_results></record>"
        )
    };
    let (head, _) = OLD.split_once("<record>").unwrap();
    let records: String = (0..500).map(record).collect();
    let xml = format!("{head}{records}</feedback>");
    let mail = mail_with("application/gzip", "r.xml.gz", &gzip(xml.as_bytes()));
    assert_eq!(
        desk.take_dmarc(mail, at(1), None).await.unwrap(),
        Taken::Kept
    );
    let [Kept::Dmarc(report)] = &kept(&desk).await[..] else {
        panic!("one is kept");
    };
    assert_eq!(report.sources.iter().map(|one| one.count).sum::<u64>(), 500);
}

#[tokio::test]
async fn who_would_wait_too_long_comes_again() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
    let desk = desk(directory.path(), &clock).await;
    let held = desk.hold().await;
    let json = RFC.as_bytes().to_vec();
    let busy = desk.take_tls(json.clone(), false, at(1)).await;
    assert!(matches!(busy, Err(TakeError::Busy)));
    drop(held);
    let taken = desk.take_tls(json, false, at(1)).await;
    assert_eq!(taken.unwrap(), Taken::Kept);
}
