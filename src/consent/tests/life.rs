//! Any order of things: there is never a live subscription without a confirmation that came after the last withdrawal,
//! and never a queued challenge to somebody who said "never again".

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const PEOPLE: [&str; 2] = ["ann@elector.example", "Ben@other.example"];
const LISTS: [&str; 2] = ["news", "appeals"];

#[derive(Debug, Clone)]
enum Happens {
    Asks { who: usize, lists: usize },
    AsksByMail { who: usize, list: usize },
    Works,
    Confirms { who: usize },
    Leaves { who: usize, list: usize },
    LeavesAll { who: usize },
    NeverAgain { who: usize },
    Stops { who: usize },
    IsErased { who: usize },
    IsImported { who: usize },
    IsInSuppressionFile { who: usize },
    TimePasses { hours: i64 },
    Crash,
}

fn happens() -> impl Strategy<Value = Happens> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        6 => (who.clone(), 1..4_usize).prop_map(|(who, lists)| Happens::Asks { who, lists }),
        1 => (who.clone(), 0..2_usize).prop_map(|(who, list)| Happens::AsksByMail { who, list }),
        6 => Just(Happens::Works),
        8 => who.clone().prop_map(|who| Happens::Confirms { who }),
        3 => (who.clone(), 0..2_usize).prop_map(|(who, list)| Happens::Leaves { who, list }),
        1 => who.clone().prop_map(|who| Happens::LeavesAll { who }),
        1 => who.clone().prop_map(|who| Happens::NeverAgain { who }),
        1 => who.clone().prop_map(|who| Happens::Stops { who }),
        1 => who.clone().prop_map(|who| Happens::IsErased { who }),
        1 => who.clone().prop_map(|who| Happens::IsImported { who }),
        1 => who.prop_map(|who| Happens::IsInSuppressionFile { who }),
        5 => (1..60_i64).prop_map(|hours| Happens::TimePasses { hours }),
        1 => Just(Happens::Crash),
    ]
}

/// What each person would say of themselves.
#[derive(Default)]
struct Said {
    /// On which lists they are, by their own last word.
    yes: BTreeMap<usize, BTreeSet<String>>,
    never: BTreeSet<usize>,
    /// The newest link that each got.
    links: BTreeMap<usize, String>,
}

fn token(party: &Party, who: usize, list: Option<usize>) -> String {
    let vault = party.store.vault();
    let form = address(PEOPLE[who]).match_form();
    let index = vault.index(crate::vault::IndexColumn::Suppression, form.as_bytes());
    let tag = list.map_or(crate::vault::ListTag::ALL, |list| {
        vault.list_tag(LISTS[list])
    });
    vault.withdrawal_token(tag, &index)
}

async fn works(party: &Party, said: &mut Said) {
    party.work().await;
    for mail in party.outbox().await {
        let who = PEOPLE
            .iter()
            .position(|one| address(one).match_form() == address(&mail.to).match_form())
            .expect("one of them");
        assert!(
            !said.never.contains(&who),
            "mail to {who}, who said never again"
        );
        if mail.kind == "challenge" {
            said.links.insert(who, mail.token);
        }
    }
}

async fn confirms(party: &Party, said: &mut Said, who: usize) {
    if let Some(link) = said.links.get(&who) {
        let view = party.consent.open_request(link).await.expect("reads");
        let full = view.is_some_and(|view| view.full_form.is_some());
        let lists = full.then(|| vec!["news".to_owned()]);
        let choice = Confirmation {
            lists,
            ..party.choice()
        };
        let outcome = party.consent.confirm(link, choice).await.expect("answers");
        if let ConfirmOutcome::Subscribed(made) = outcome {
            assert!(!said.never.contains(&who), "a link after never again");
            let yes = said.yes.entry(who).or_default();
            yes.extend(made.iter().map(|one| one.list().to_owned()));
        }
    }
}

async fn is_imported(party: &Party, who: usize) {
    let mut import = party.consent.begin_import(by("old")).await.expect("begins");
    let file = format!(
        "address,lists,channel,date,batch,age,wording\n{},news,paper,2026-01-01,b,16,yes The Fair Party: political opinions: withdraw\n",
        PEOPLE[who]
    );
    import.feed(file.as_bytes()).await.expect("takes");
    import.state_no_suppressions();
    let report = import.finish().await.expect("ends");
    assert_eq!(report.taken, 1);
    party
        .consent
        .approve_import(&report.batch, &second())
        .await
        .expect("approves");
}

async fn happen(mut party: Party, said: &mut Said, what: Happens) -> Party {
    match what {
        Happens::Asks { who, lists } => {
            let ticked = LISTS
                .iter()
                .enumerate()
                .filter(|(n, _)| lists & (1 << n) != 0);
            let ticked: Vec<_> = ticked.map(|(_, list)| *list).collect();
            party.ask(PEOPLE[who], &ticked).await;
        }
        Happens::AsksByMail { who, list } => {
            let asked = party
                .consent
                .subscribe_by_mail(address(PEOPLE[who]), LISTS[list]);
            asked.await.expect("taken");
        }
        Happens::Works => works(&party, said).await,
        Happens::Confirms { who } => confirms(&party, said, who).await,
        Happens::Leaves { who, list } => {
            party
                .out(&token(&party, who, Some(list)), Extent::AsToken)
                .await;
            said.yes.entry(who).or_default().remove(LISTS[list]);
        }
        Happens::LeavesAll { who } => {
            party
                .out(&token(&party, who, Some(0)), Extent::AllLists)
                .await;
            said.yes.remove(&who);
        }
        Happens::NeverAgain { who } => {
            party
                .out(&token(&party, who, None), Extent::NeverAgain)
                .await;
            said.yes.remove(&who);
            said.never.insert(who);
        }
        Happens::Stops { who } => {
            party
                .consent
                .bare_stop(address(PEOPLE[who]))
                .await
                .expect("taken");
        }
        Happens::IsErased { who } => {
            party
                .consent
                .erase(&address(PEOPLE[who]), &by("asked"))
                .await
                .expect("erases");
            said.yes.remove(&who);
        }
        Happens::IsImported { who } => is_imported(&party, who).await,
        Happens::IsInSuppressionFile { who } => {
            let mut import = party.consent.begin_import(by("old")).await.expect("begins");
            let file = format!("address\n{}\n", PEOPLE[who]);
            import
                .feed_suppressions(file.as_bytes())
                .await
                .expect("takes");
            import
                .feed(b"address,lists,channel,date,batch\n")
                .await
                .expect("takes");
            import.finish().await.expect("ends");
            said.yes.remove(&who);
        }
        Happens::TimePasses { hours } => {
            party.pass(SignedDuration::from_hours(hours));
            party.consent.expire().await.expect("expires");
        }
        Happens::Crash => party = party.crash().await,
    }
    party
}

async fn holds(party: &Party, said: &Said) {
    for (who, name) in PEOPLE.iter().enumerate() {
        let live = party.live_on(name).await;
        let yes = said.yes.get(&who).cloned().unwrap_or_default();
        // A pause may silence, so live is a part of what was said; but nothing beyond it is.
        assert!(
            live.iter().all(|list| yes.contains(list)),
            "{name}: {live:?} of {yes:?}"
        );
        let form = address(name).match_form();
        let row = party.store.subscriber(&form).await.expect("reads");
        let mut on: Vec<_> = row.map_or_else(Vec::new, |row| row.record.subscriptions);
        on.sort_by(|a, b| a.list.cmp(&b.list));
        let on: Vec<_> = on.into_iter().map(|one| one.list).collect();
        assert_eq!(on, yes.iter().cloned().collect::<Vec<_>>(), "{name}");
    }
    let page = party.store.queue_page(None, 100).await.expect("reads");
    for row in page.rows {
        let form = row.record.recipient.match_form();
        let never = said
            .never
            .iter()
            .any(|who| address(PEOPLE[*who]).match_form() == form);
        assert!(!never, "mail is queued for somebody who said never again");
    }
    let on_lists: usize = said.yes.values().map(BTreeSet::len).sum();
    let counted: u64 = LISTS
        .iter()
        .map(|list| party.consent.count(list, None))
        .sum();
    assert_eq!(counted, on_lists as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_live_against_their_last_word(story in prop::collection::vec(happens(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut party = Party::new().await;
            let mut said = Said::default();
            for what in story {
                party = happen(party, &mut said, what).await;
                holds(&party, &said).await;
            }
            for log in [crate::audit::LogKind::Audit, crate::audit::LogKind::Consent] {
                assert!(party.consent.verify_log(log, None).await.expect("verifies").holds());
            }
        });
    }
}
