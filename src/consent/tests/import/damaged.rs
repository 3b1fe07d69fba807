//! Imports that don't open any more.

use super::*;

/// Two imports, of Ann and of Bob.
async fn two(party: &Party) -> (String, String) {
    let rows = |who| format!("{HEADER}{}", row(who, "news"));
    let ann = import(party, &rows("ann@x.example"), "").await.batch;
    let bob = import(party, &rows("bob@x.example"), "").await.batch;
    (ann, bob)
}

/// What is kept of an import is nonsense from now on.
async fn spoil(party: &Party, batch: &str) {
    let put = Step::PutSetting(Setting {
        name: format!("consent.import.{batch}").into(),
        value: b"{}".to_vec().into(),
    });
    let written = party.store.change(Change::new().then(put)).await;
    assert_eq!(written.expect("writes"), ChangeOutcome::Done);
}

#[tokio::test]
async fn a_damaged_import_is_named_and_holds_up_no_other() {
    let party = Party::new().await;
    let (spoilt, whole) = two(&party).await;
    spoil(&party, &spoilt).await;
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
    let (spoilt, whole) = two(&party).await;
    for batch in [&spoilt, &whole] {
        let approved = party.consent.approve_import(batch, &second()).await;
        assert_eq!(approved.expect("approves"), 1);
    }
    spoil(&party, &spoilt).await;
    assert_eq!(party.one_mail("challenge").await.to, "bob@x.example");
}
