//! Importing: what is taken, who must approve, and that nobody is subscribed by it.

use super::*;
use crate::store::{Change, Channel, Setting, Step};

const HEADER: &str = "address,lists,channel,date,batch,age,wording,source,constituency\n";
const WORDS: &str =
    "\"Yes, The Fair Party may write to me; it tells of my political opinions; I can withdraw\"";

fn row(who: &str, lists: &str) -> String {
    format!("{who},{lists},paper,2026-05-01,stall 7,16,{WORDS},cards,Aldershot\n")
}

async fn import(party: &Party, rows: &str, suppressions: &str) -> ImportReport {
    let mut import = party
        .consent
        .begin_import(by("old system"))
        .await
        .expect("begins");
    for piece in rows.as_bytes().chunks(13) {
        import.feed(piece).await.expect("takes");
    }
    if suppressions.is_empty() {
        import.state_no_suppressions();
    }
    for piece in suppressions.as_bytes().chunks(7) {
        import.feed_suppressions(piece).await.expect("takes");
    }
    import.finish().await.expect("ends")
}

#[tokio::test]
async fn imported_people_are_asked_once_approved_and_never_subscribed() {
    let party = Party::new().await;
    let rows = format!("{HEADER}{}", row("ann@elector.example", "news appeals"));
    let report = import(&party, &rows, "").await;
    assert_eq!((report.taken, report.rejected), (1, vec![]));
    party.pass(days(1));
    party.no_mail().await;
    let refused = party
        .consent
        .approve_import(&report.batch, &by("fine"))
        .await;
    assert!(
        matches!(refused, Err(ConsentError::SecondPerson)),
        "not by who brought it"
    );
    let unknown = party.consent.approve_import("0000", &second()).await;
    assert!(matches!(unknown, Err(ConsentError::UnknownImport(_))));
    assert_eq!(
        party
            .consent
            .approve_import(&report.batch, &second())
            .await
            .expect("ok"),
        1
    );
    let again = party.consent.approve_import(&report.batch, &second()).await;
    assert!(
        matches!(again, Err(ConsentError::UnknownImport(_))),
        "once is enough"
    );
    let mail = party.one_mail("challenge").await;
    assert!(party.live_on("ann@elector.example").await.is_empty());
    let view = party
        .consent
        .open_request(&mail.token)
        .await
        .expect("reads")
        .expect("waits");
    assert_eq!(
        view.full_form,
        Some(Heard::Import),
        "shown what stands here now"
    );
    let refused = party.consent.confirm(&mail.token, party.choice()).await;
    let nothing_ticked = vec![FormProblem::ListsMissing];
    assert_eq!(
        refused.expect("answers"),
        ConfirmOutcome::Refused(nothing_ticked)
    );
    party.pass(days(1));
    party.tick(&mail.token, &["news"]).await;
    let ConsentEvent::Confirmed(event) = &party.events().await[0] else {
        panic!("a consent")
    };
    // What was ticked was ticked on the web, now, beside the words of now.
    assert_eq!(
        (event.channel, event.asked_at),
        (Channel::Web, noon() + days(2))
    );
    assert_eq!((&event.batch, &event.entered_by), (&None, &None));
    let shown = party.consent.wording("news", Lang::En).expect("in force");
    assert_eq!(event.wording, shown.digest.to_string());
    let origin = event.origin.clone().expect("from an import");
    assert_eq!(
        (origin.channel, origin.batch.as_deref()),
        (Channel::Paper, Some("stall 7"))
    );
    assert_eq!(origin.entered_by, by("").staff.to_string());
    assert_eq!(origin.asked_at.to_string(), "2026-05-01T00:00:00Z");
    let (ann, asked) = (address("ann@elector.example"), by("asked"));
    let view = party.consent.show_evidence(&ann, &asked).await;
    let texts = view.expect("reads").wordings;
    let imported = texts
        .iter()
        .find(|one| Some(&one.sha256) == origin.wording.as_ref());
    assert!(imported.is_some_and(|one| one.text.starts_with("Yes, The Fair Party may")));
    party.consent.expire().await.expect("tends");
    assert!(party.consent.imports().await.expect("reads").is_empty());
    assert_eq!(
        super::proof::acts(&party).await,
        [
            "subscriber import",
            "subscriber import approve",
            "consent show"
        ]
    );
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
    let w = "I agree that The Fair Party writes to me though it tells of political opinions until I withdraw";
    let lacking = "I agree that The Fair Party writes to me";
    let never = "I agree that The Fair Party writes to me though it tells of political opinions";
    let cases = [
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
    ];
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

#[tokio::test]
async fn so_many_a_day_and_not_one_more() {
    let mut settings = settings();
    settings.limits.imported_per_day = 3;
    let party = Party::with(settings).await;
    let rows: String = (0..8)
        .map(|n| row(&format!("n{n}@x.example"), "news"))
        .collect();
    let report = import(&party, &format!("{HEADER}{rows}"), "").await;
    let other: String = (8..10)
        .map(|n| row(&format!("n{n}@x.example"), "news"))
        .collect();
    let second_report = import(&party, &format!("{HEADER}{other}"), "").await;
    for batch in [&report.batch, &second_report.batch] {
        party
            .consent
            .approve_import(batch, &second())
            .await
            .expect("approves");
    }
    let mut sent = Vec::new();
    for _ in 0..24 * 6 {
        party.work().await;
        sent.extend(
            party
                .outbox()
                .await
                .into_iter()
                .map(|mail| (party.clock.now(), mail.to)),
        );
        party.pass(SignedDuration::from_hours(1));
    }
    assert_eq!(sent.len(), 10, "all are asked in the end");
    for (at, _) in &sent {
        let until = *at + days(1);
        let in_a_day = sent
            .iter()
            .filter(|(one, _)| one >= at && *one < until)
            .count();
        assert!(in_a_day <= 2 * 3, "windows meet: {in_a_day}");
    }
    let first_day = sent.iter().filter(|(at, _)| *at < noon() + days(1)).count();
    assert_eq!(first_day, 3);
}

#[tokio::test]
async fn who_left_is_left_alone() {
    let party = Party::new().await;
    let made = party.join("left@x.example", &["news", "appeals"]).await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.join("here@x.example", &["news"]).await;
    party.pass(days(200));
    let rows: String = [
        "left@x.example",
        "gone@x.example",
        "here@x.example",
        "new@x.example",
    ]
    .map(|who| row(who, "news"))
    .concat();
    let suppressions =
        "address,lists,date\ngone@x.example,,\nnot an address,,\nx@x.example,other,\n";
    let report = import(&party, &format!("{HEADER}{rows}"), suppressions).await;
    assert_eq!(
        (report.taken, report.suppressed, report.rejected.len()),
        (4, 1, 2)
    );
    party
        .consent
        .approve_import(&report.batch, &second())
        .await
        .expect("approves");
    party.pass(days(1));
    let mail = party.one_mail("challenge").await;
    assert_eq!(mail.to, "new@x.example");
    // A person's own asking is another thing.
    party.ask("gone@x.example", &["news"]).await;
    party.one_mail("challenge").await;
}

#[tokio::test]
async fn a_fresh_consent_here_outweighs_an_older_leaving_there() {
    let party = Party::new().await;
    party.join("ann@x.example", &["news"]).await;
    let older = "address,lists,date\nann@x.example,,2026-11-20\n";
    let report = import(&party, HEADER, older).await;
    assert_eq!(party.live_on("ann@x.example").await, ["news"]);
    // The other list was left, and is.
    assert_eq!((report.suppressed, report.outdated), (1, 0));
    let beaten =
        "address,lists,date\nann@x.example,news,2026-11-20\nbob@x.example,news,2026-11-20\n";
    let report = import(&party, HEADER, beaten).await;
    assert_eq!((report.suppressed, report.outdated), (1, 1));
    assert_eq!(party.live_on("ann@x.example").await, ["news"]);
    party.pass(days(5));
    let newer = "address,lists,date\nann@x.example,news,2026-11-24\n";
    let report = import(&party, HEADER, newer).await;
    assert_eq!((report.suppressed, report.outdated), (1, 0));
    assert!(party.live_on("ann@x.example").await.is_empty());
}

#[tokio::test]
async fn a_row_without_a_stated_age_leads_to_the_full_form() {
    let party = Party::new().await;
    let line = format!("ann@x.example,news,paper,2026-05-01,b,,{WORDS},,\n");
    let report = import(&party, &format!("{HEADER}{line}"), "").await;
    party
        .consent
        .approve_import(&report.batch, &second())
        .await
        .expect("approves");
    let mail = party.one_mail("challenge").await;
    let view = party
        .consent
        .open_request(&mail.token)
        .await
        .expect("reads")
        .expect("waits");
    assert_eq!(view.full_form, Some(Heard::Import));
}

#[tokio::test]
async fn a_trial_judges_both_files_and_does_nothing() {
    let party = Party::new().await;
    party.join("ann@x.example", &["news"]).await;
    let mut trial = party.consent.begin_import(by("try")).await.expect("begins");
    trial.only_try();
    let left = "address,lists,date\nann@x.example,,\nno address,,\nbob@x.example,nolist,";
    trial
        .feed_suppressions(left.as_bytes())
        .await
        .expect("reads");
    let header = "address,lists,channel,date,batch,age,wording,language\n";
    let rows = format!(
        "{header}eve@x.example,news,paper,2026-05-01,of ann@x.example,16,{WORDS},en\n\
         dan@x.example,news,paper,2026-05-01,stall 7,16,{WORDS},cy\n\
         cat@x.example,news,paper,2026-05-01,stall 7,16,{WORDS},en\n"
    );
    trial.feed(rows.as_bytes()).await.expect("reads");
    let report = trial.try_out().await.expect("ends");
    assert_eq!((report.taken, report.suppressed), (1, 1));
    let why: Vec<_> = report
        .rejected
        .iter()
        .map(|one| (one.line, &*one.why))
        .collect();
    for (line, needle) in [
        (3, "suppression file: `address`"),
        (4, "suppression file: `lists`"),
        (2, "`batch` holds a mail address"),
        (3, "`wording` is in English"),
    ] {
        let named = |(at, why): &(usize, &str)| *at == line && why.starts_with(needle);
        assert!(why.iter().any(named), "{needle}: {why:?}");
    }
    assert_eq!(why.len(), 4, "{why:?}");
    assert_eq!(party.live_on("ann@x.example").await, ["news"]);
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
}

#[tokio::test]
async fn an_import_can_be_given_up_and_one_that_nobody_approves_goes() {
    let party = Party::new().await;
    let rows = format!("{HEADER}{}", row("ann@x.example", "news"));
    let report = import(&party, &rows, "").await;
    party
        .consent
        .cancel_import(&report.batch, &by("wrong file"))
        .await
        .expect("cancels");
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    import(&party, &rows, "").await;
    party.pass(days(31));
    party.consent.expire().await.expect("tends");
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    assert!(party.consent.imports().await.expect("reads").is_empty());
}

#[tokio::test]
async fn a_damaged_import_is_named_and_holds_up_no_other() {
    let party = Party::new().await;
    let rows = |who| format!("{HEADER}{}", row(who, "news"));
    let spoilt = import(&party, &rows("ann@x.example"), "").await.batch;
    let whole = import(&party, &rows("bob@x.example"), "").await.batch;
    let put = Step::PutSetting(Setting {
        name: format!("consent.import.{spoilt}").into(),
        value: b"{}".to_vec().into(),
    });
    let _ = party
        .store
        .change(Change::new().then(put))
        .await
        .expect("writes");
    let all = party.consent.imports().await.expect("reads");
    let sound: Vec<_> = all.iter().flatten().map(|one| one.id.as_str()).collect();
    assert_eq!((sound, all.len()), (vec![whole.as_str()], 2));
    let refused = party.consent.approve_import(&spoilt, &second()).await;
    let said = refused.expect_err("it can't be read").to_string();
    assert!(
        said.contains(&spoilt) && said.contains("subscriber refuse"),
        "{said}"
    );
    party.consent.expire().await.expect("tends the others");
    let approved = party.consent.approve_import(&whole, &second()).await;
    assert_eq!(approved.expect("approves"), 1);
    assert_eq!(party.one_mail("challenge").await.to, "bob@x.example");
    party
        .consent
        .cancel_import(&spoilt, &by("damaged"))
        .await
        .expect("takes it away");
    party.consent.expire().await.expect("tends");
    assert!(party.consent.imports().await.expect("reads").is_empty());
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
}

#[tokio::test]
async fn an_import_that_is_damaged_once_agreed_to_holds_up_no_other() {
    let party = Party::new().await;
    let rows = |who| format!("{HEADER}{}", row(who, "news"));
    let spoilt = import(&party, &rows("ann@x.example"), "").await.batch;
    let whole = import(&party, &rows("bob@x.example"), "").await.batch;
    for batch in [&spoilt, &whole] {
        let approved = party.consent.approve_import(batch, &second()).await;
        assert_eq!(approved.expect("approves"), 1);
    }
    let put = Step::PutSetting(Setting {
        name: format!("consent.import.{spoilt}").into(),
        value: b"{}".to_vec().into(),
    });
    let _ = party
        .store
        .change(Change::new().then(put))
        .await
        .expect("writes");
    assert_eq!(party.one_mail("challenge").await.to, "bob@x.example");
}

#[tokio::test]
async fn a_card_is_a_sign_up_with_its_batch() {
    let party = Party::new().await;
    let card = Card {
        address: address("ann@elector.example"),
        lists: vec!["news".into()],
        constituency: None,
        language: Lang::En,
        age_stated: true,
        at_event: true,
        batch: "stall 7".into(),
        filled_in: noon(),
    };
    party.pass(days(3));
    let cases = [
        (
            Card {
                batch: " ".into(),
                ..card.clone()
            },
            FormProblem::BatchMissing,
        ),
        (
            Card {
                batch: "from bob@x.example".into(),
                ..card.clone()
            },
            FormProblem::BatchAddress,
        ),
        (
            // The words in force were first shown at noon: another text stood on a card of the day before.
            Card {
                filled_in: noon() - days(1),
                ..card.clone()
            },
            FormProblem::BeforeWording,
        ),
        (
            Card {
                lists: Vec::new(),
                ..card.clone()
            },
            FormProblem::ListsMissing,
        ),
        (
            Card {
                filled_in: noon() + days(4),
                ..card.clone()
            },
            FormProblem::DateInFuture,
        ),
    ];
    for (wrong, problem) in cases {
        match party.consent.enter_card(wrong, &by("stall")).await {
            Err(ConsentError::Form(problems)) => assert_eq!(problems, [problem]),
            other => panic!("{problem:?}: {other:?}"),
        }
    }
    party
        .consent
        .enter_card(card.clone(), &by("stall"))
        .await
        .expect("taken");
    let mail = party.one_mail("challenge").await;
    let made = party.confirm(&mail.token).await;
    party.outbox().await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.pass(days(2));
    party
        .consent
        .enter_card(card, &by("stall"))
        .await
        .expect("taken");
    party.no_mail().await;
}

#[tokio::test]
async fn a_card_without_a_stated_age_leads_to_the_full_form() {
    let party = Party::new().await;
    let card = Card {
        address: address("ann@elector.example"),
        lists: vec!["news".into()],
        constituency: None,
        language: Lang::En,
        age_stated: false,
        at_event: true,
        batch: "stall 7".into(),
        filled_in: noon(),
    };
    party.pass(days(3));
    let entered = party.consent.enter_card(card, &by("stall")).await;
    entered.expect("taken");
    let mail = party.one_mail("challenge").await;
    let view = party.consent.open_request(&mail.token).await;
    let view = view.expect("reads").expect("waits");
    assert_eq!(view.full_form, Some(Heard::Card));
    party.tick(&mail.token, &["news", "appeals"]).await;
    let origins = party.events().await.into_iter().map(|event| match event {
        ConsentEvent::Confirmed(one) => {
            assert_eq!(
                (one.channel, one.asked_at),
                (Channel::Web, noon() + days(3))
            );
            assert_eq!((one.stated_age, one.batch), (Some(16), None));
            one.origin.map(|origin| (origin.channel, origin.stated_age))
        }
        other => panic!("{other:?}"),
    });
    // The card said nothing of the other list.
    let card = Some((Channel::Event, None));
    assert_eq!(origins.collect::<Vec<_>>(), [card, None]);
}
