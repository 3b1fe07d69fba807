//! Importing: what is taken, who must approve, and that nobody is subscribed by it.

mod cards;
mod damaged;
mod rows;

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
