//! What is said of each row, and of a file that isn't one.

use super::*;

/// Rows, and what is said of those that are bad. `known` is the digest of the wording in force.
fn cases(known: &str) -> Vec<(String, &'static str)> {
    let w = "I agree that The Fair Party writes to me though it tells of political opinions until I withdraw";
    let lacking = "I agree that The Fair Party writes to me";
    let never = "I agree that The Fair Party writes to me though it tells of political opinions";
    vec![
        (format!("a@x.example,news,paper,2026-05-01,b,{w},,,,16"), ""),
        (
            format!("b@x.example,news,paper,2026-05-01,b,,{known},,,16"),
            "",
        ),
        (
            format!("not an address,news,paper,2026-05-01,b,{w},,,,"),
            "`address`",
        ),
        (
            format!("c@x.example,,paper,2026-05-01,b,{w},,,,"),
            "`lists`",
        ),
        (
            format!("c@x.example,other,paper,2026-05-01,b,{w},,,,"),
            "`lists`",
        ),
        (
            format!("c@x.example,news,phone,2026-05-01,b,{w},,,,"),
            "telephone",
        ),
        (
            format!("c@x.example,news,paper,01/05/2026,b,{w},,,,"),
            "`date`",
        ),
        (
            format!("c@x.example,news,paper,2027-05-01,b,{w},,,,"),
            "future",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,,{w},,,,"),
            "`batch`",
        ),
        ("c@x.example,news,paper,2026-05-01,b,,,,,".into(), "proof"),
        (
            format!(
                "c@x.example,news,paper,2026-05-01,b,,{},,,",
                "ab".repeat(32)
            ),
            "proof",
        ),
        (
            "c@x.example,news,paper,2026-05-01,b,Other Party may write,,,,".into(),
            "name the party",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,b,{lacking},,,,"),
            "political opinions, so",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,b,{never},,,,"),
            "withdrawn at any time, so",
        ),
        (
            format!("c@x.example,appeals,paper,2026-05-01,b,,{known},,,16"),
            "another list",
        ),
        (
            format!("c@x.example,news appeals,paper,2026-05-01,b,,{known},,,16"),
            "another list",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,b,{w},,Open Register 2025,,"),
            "unlawful",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,b,{w},,marked-register,,"),
            "unlawful",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,b,{w},,,Atlantis,"),
            "`constituency`",
        ),
        (
            format!("c@x.example,news,paper,2026-05-01,b,{w},,,,12"),
            "`age`",
        ),
        (
            format!("A@x.example,news,paper,2026-05-01,b,{w},,,,16"),
            "earlier row",
        ),
        ("c@x.example,news".into(), "fields"),
        (
            format!("\"c@x.example,news,paper,2026-05-01,b,{w},,,,"),
            "quoted",
        ),
        (
            format!("d@x.example,news;appeals,web,2026-05-01,b,{w},,a form,W07000112,21"),
            "",
        ),
    ]
}

#[tokio::test]
async fn each_bad_row_is_named_and_the_good_ones_are_kept() {
    let party = Party::new().await;
    let known = party
        .consent
        .wording("news", Lang::En)
        .expect("in force")
        .digest;
    let header =
        "address,lists,channel,date,batch,wording,wording_sha256,source,constituency,age\n";
    let cases = cases(&known.to_string());
    let lines: Vec<_> = cases.iter().map(|(line, _)| line.as_str()).collect();
    let report = import(&party, &format!("{header}\n{}", lines.join("\r\n")), "").await;
    assert_eq!(report.taken, 3);
    let expected: Vec<_> = (3..)
        .zip(&cases)
        .filter(|(_, (_, why))| !why.is_empty())
        .map(|(line, (_, why))| (line, *why))
        .collect();
    assert_eq!(
        report.rejected.len(),
        expected.len(),
        "{:?}",
        report.rejected
    );
    for (found, (line, why)) in report.rejected.iter().zip(expected) {
        assert_eq!(found.line, line, "{found}");
        assert!(found.why.contains(why), "{found} should say {why}");
        assert!(
            !found.why.contains("x.example"),
            "no address in a reason: {found}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_not_one_is_refused_whole() {
    let party = Party::new().await;
    let cases = [
        ("name,address,lists,channel,date,batch\n", "isn't known"),
        ("address,lists,channel,date\n", "no column `batch`"),
        (
            "Elector Number,address,lists,channel,date,batch\n",
            "unlawful",
        ),
        (
            "address,lists,channel,date,batch,Polling-District\n",
            "unlawful",
        ),
        ("\u{1}\n", "control character"),
    ];
    for (header, why) in cases {
        let mut import = party.consent.begin_import(by("old")).await.expect("begins");
        let error = import
            .feed(header.as_bytes())
            .await
            .expect_err("refused")
            .to_string();
        assert!(error.contains(why), "{error} should say {why}");
        import.cancel().await.expect("cancels");
    }
    let import = party.consent.begin_import(by("old")).await.expect("begins");
    assert!(
        matches!(import.finish().await, Err(ImportError::File(_))),
        "empty"
    );
    let mut import = party.consent.begin_import(by("old")).await.expect("begins");
    import.feed(HEADER.as_bytes()).await.expect("takes");
    assert!(matches!(
        import.finish().await,
        Err(ImportError::NoSuppressions)
    ));
    let mut import = party.consent.begin_import(by("old")).await.expect("begins");
    assert!(
        import.feed(&vec![b'a'; 40_000]).await.is_err(),
        "a line without end"
    );
    assert!(
        party.consent.begin_import(by(" ")).await.is_err(),
        "without a reason"
    );

    let mut small = settings();
    (small.limits.import_rows, small.limits.import_bytes) = (2, 2000);
    let party = Party::with(small).await;
    let mut import = party.consent.begin_import(by("old")).await.expect("begins");
    import.feed(HEADER.as_bytes()).await.expect("takes");
    import
        .feed(row("a@x.example", "news").as_bytes())
        .await
        .expect("takes");
    import.feed(b"\nbad\n").await.expect("takes");
    let error = import
        .feed(row("c@x.example", "news").as_bytes())
        .await
        .expect_err("full");
    assert!(error.to_string().contains("more than 2 rows"), "{error}");
    let error = import.feed(&b"x\n".repeat(2000)).await.expect_err("full");
    assert!(
        error.to_string().contains("larger than 2000 bytes"),
        "{error}"
    );
    // What was given up half-way is erased.
    party.pass(days(2));
    party.consent.expire().await.expect("tends");
    assert!(party.consent.imports().await.expect("reads").is_empty());
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
}
