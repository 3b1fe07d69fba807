//! What takes a code of a second factor, and what doesn't.

use super::*;
use crate::control::Class;
use crate::control::api::mailbox;
use crate::control::api::staff::{
    Add, AddFactor, AddPassword, Change as ChangeAccount, ConfirmFactor, EndGrant, Grant, List,
    RemoveFactor, Revoke, RevokePassword, Training,
};
use crate::control::api::subscriber::{Agree, Export, Find, Import, Refuse, Waiting};
use crate::staff::{CodeRule, NewFactor, TotpSecret};
use jiff::SignedDuration;

impl World {
    /// A code that wasn't used yet.
    fn code(&self, secret: &TotpSecret) -> String {
        let clock = &self.rooms.clock;
        clock.advance(SignedDuration::from_secs(30)).expect("moves");
        secret.code_at(clock.now()).to_string()
    }

    async fn enrol(&self, name: &str) -> TotpSecret {
        let (actor, staff) = (self.actor(name), &self.rooms.staff);
        let new = NewFactor {
            name,
            replaces: false,
            code: None,
            reason: None,
        };
        let secret = staff.begin_factor(&actor, new).await.expect("begins");
        let code = self.code(&secret);
        let proven = staff.confirm_factor(&actor, name, &code).await;
        proven.expect("is in force");
        secret
    }

    /// It's refused without a code, with a wrong and with a used one, and nothing is done; then it's done with a good one.
    async fn takes_a_code<A: Ask>(&self, secret: &TotpSecret, ask: &A) -> A::Answer {
        let before = self.verbs().await.len();
        let none = self.server.ask(ask).await.err().expect("it takes a code");
        assert_eq!(none.class, Class::CodeNeeded, "{}: {none}", A::NAME);
        assert!(none.next.contains("--code -"), "{none}");
        let wrong = secret.wrong_at(self.rooms.clock.now());
        let wrong = self.server.ask_with(ask, Some(&wrong)).await;
        let wrong = wrong.err().expect("it's wrong");
        assert_eq!(wrong.class, Class::Refused, "{}: {wrong}", A::NAME);
        let verbs = self.verbs().await;
        let new: Vec<_> = verbs[before..].iter().map(String::as_str).collect();
        assert_eq!(new, ["staff second-factor wrong code"], "{}", A::NAME);
        let code = self.code(secret);
        let done = self.server.ask_with(ask, Some(&code)).await;
        let (_, answer) = done.unwrap_or_else(|failure| panic!("{}: {failure}", A::NAME));
        let again = self.server.ask_with(ask, Some(&code)).await.err();
        let again = again.expect("a code works once").to_string();
        // What it was for may be over as well.
        let over = ["nothing waits", "given already", "nothing would change"];
        let refused = again.contains("used already") || over.iter().any(|why| again.contains(why));
        assert!(refused, "{}: {again}", A::NAME);
        answer
    }

    /// It's answered without a code.
    async fn takes_none<A: Ask>(&self, ask: &A) {
        if let Err(failure) = self.server.ask(ask).await {
            panic!("{}: {failure}", A::NAME);
        }
    }
}

fn change(add_roles: Vec<Role>, let_into: Vec<String>, remove_roles: Vec<Role>) -> ChangeAccount {
    ChangeAccount {
        name: "eve".into(),
        add_roles,
        remove_roles,
        let_into,
        ..ChangeAccount::default()
    }
}

fn password(name: Option<&str>, label: &str) -> AddPassword {
    AddPassword {
        name: name.map(str::to_owned),
        label: label.into(),
        replace: false,
        reason: None,
    }
}

#[tokio::test]
async fn whoever_lets_others_do_more_proves_it() {
    let world = World::new().await;
    let secret = world.enrol("ada").await;
    let grant = Grant {
        name: "eve".into(),
        role: Role::Sender,
        seconds: 3600,
        list: None,
        constituencies: Vec::new(),
        reason: None,
    };
    world.takes_a_code(&secret, &grant).await;
    let add = Add {
        name: "flo".into(),
        addresses: vec!["flo@party.example".into()],
        roles: vec![Role::Reader],
        uid: None,
        reason: None,
    };
    world.takes_a_code(&secret, &add).await;
    let widened = change(vec![Role::Approver], Vec::new(), Vec::new());
    world.takes_a_code(&secret, &widened).await;
    let mailbox = world
        .rooms
        .config()
        .mailbox
        .iter()
        .next()
        .map(|(name, _)| name.to_string());
    let let_into = change(Vec::new(), vec![mailbox.expect("one")], Vec::new());
    world.takes_a_code(&secret, &let_into).await;
    let named = |add: &[&str], main: Option<&str>, uid| ChangeAccount {
        name: "eve".into(),
        add_addresses: add.iter().map(|one| (*one).to_owned()).collect(),
        main_address: main.map(str::to_owned),
        uid,
        ..ChangeAccount::default()
    };
    for widened in [
        named(&["eve.moor@party.example"], None, None),
        named(&[], Some("e.moor@party.example"), None),
        named(&[], None, Some(4242)),
    ] {
        world.takes_a_code(&secret, &widened).await;
    }
    world
        .takes_a_code(&secret, &password(Some("eve"), "desk"))
        .await;
    let training = Training {
        name: "eve".into(),
        date: jiff::civil::date(2026, 11, 1),
        correct: false,
        reason: None,
    };
    world.takes_a_code(&secret, &training).await;
    // Whatever takes rights away, or is one's own, is for who is at the keyboard.
    let narrowed = change(Vec::new(), Vec::new(), vec![Role::Approver]);
    world.ask(&narrowed).await.expect("narrows");
    let fewer = ChangeAccount {
        name: "eve".into(),
        remove_addresses: vec!["eve.moor@party.example".into()],
        ..ChangeAccount::default()
    };
    world.ask(&fewer).await.expect("takes an address away");
    world
        .ask(&password(None, "laptop"))
        .await
        .expect("makes one's own");
    let end = EndGrant {
        name: "eve".into(),
        role: Role::Sender,
        reason: None,
    };
    world.ask(&end).await.expect("ends it");
    let revoke = RevokePassword {
        name: Some("eve".into()),
        label: None,
        reason: None,
    };
    world.ask(&revoke).await.expect("ends them");
    let revoke = Revoke {
        name: "eve".into(),
        reason: None,
    };
    world.ask(&revoke).await.expect("revokes");
    // Who has none is asked for none.
    world.am("ben");
    world
        .ask(&password(Some("cy"), "desk"))
        .await
        .expect("makes one");
}

/// What can't be done is refused for that, and the code is good for what can.
#[tokio::test]
async fn what_is_refused_for_itself_uses_no_code_up() {
    let world = World::new().await;
    let secret = world.enrol("ada").await;
    let add = |name: &str, address: &str| Add {
        name: name.into(),
        addresses: vec![address.into()],
        roles: vec![Role::Reader],
        uid: None,
        reason: None,
    };
    let grant = |name: &str, hours: i64| Grant {
        name: name.into(),
        role: Role::Sender,
        seconds: hours * 3600,
        list: None,
        constituencies: Vec::new(),
        reason: None,
    };
    let training = Training {
        name: "nobody.at.all".into(),
        date: jiff::civil::date(2026, 11, 1),
        correct: false,
        reason: None,
    };
    let nothing = change(vec![Role::Reader], Vec::new(), Vec::new());
    let code = world.code(&secret);
    let no = Some(code.as_str());
    let server = &world.server;
    let refused = [
        server
            .ask_with(&add("eve", "eve2@party.example"), no)
            .await
            .err(),
        server
            .ask_with(&add("flo", "eve@party.example"), no)
            .await
            .err(),
        server.ask_with(&grant("nobody.at.all", 1), no).await.err(),
        server.ask_with(&grant("eve", 24 * 60), no).await.err(),
        server.ask_with(&training, no).await.err(),
        server.ask_with(&nothing, no).await.err(),
        server
            .ask_with(&password(Some("nobody.at.all"), "desk"), no)
            .await
            .err(),
    ];
    for (at, failure) in refused.into_iter().enumerate() {
        let failure = failure.unwrap_or_else(|| panic!("{at} is done"));
        assert!(!failure.why.contains("code"), "{at}: {failure}");
    }
    let done = server.ask_with(&grant("eve", 1), no).await;
    done.expect("the code is still good");
    // Who may not at all hears that first.
    world.enrol("eve").await;
    world.am("eve");
    let add = add("flo", "flo@party.example");
    let failure = world.ask(&add).await.expect_err("no admin");
    assert_eq!(failure.class, Class::Refused);
    assert!(failure.why.contains("needs the role admin"), "{failure}");
}

#[tokio::test]
async fn both_of_an_export_prove_it() {
    let world = World::new().await;
    let (adas, bens) = (world.enrol("ada").await, world.enrol("ben").await);
    world.subscribe("jo@elector.example", None).await;
    let ask = Export {
        reason: "the new host".into(),
    };
    let bare = world.ask(&ask).await.expect_err("it takes a code");
    assert_eq!(bare.class, Class::CodeNeeded);
    let none = world.ask(&Waiting {}).await.expect("lists").0;
    assert!(none.is_empty(), "nothing waits for a second person");
    let code = world.code(&adas);
    let exporting = world.server.ask_with(&ask, Some(&code));
    let agreeing = async {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let waits = loop {
            let rows = world.ask(&Waiting {}).await.expect("lists").0;
            if let Some(row) = rows.into_iter().next() {
                break row;
            }
            assert!(std::time::Instant::now() < deadline, "nothing waits");
            tokio::task::yield_now().await;
        };
        let agree = Agree { code: waits.code };
        let own = world.ask(&agree).await.expect_err("it's her own");
        assert_eq!(own.class, Class::Refused, "before any code: {own}");
        world.am("ben");
        let agreed = world.takes_a_code(&bens, &agree).await;
        assert!(agreed.opens_with.is_some());
    };
    let (exported, ()) = tokio::join!(exporting, agreeing);
    assert_eq!(exported.expect("is written").1.subscribers, 1);
}

#[tokio::test]
async fn who_agrees_to_an_import_proves_it() {
    let world = World::new().await;
    let bens = world.enrol("ben").await;
    let party = world.rooms.config().party.name.clone();
    let rows = format!(
        "address,lists,channel,date,batch,age,wording\njo@elector.example,news,paper,2026-05-01,stall 7,18,\"{party} may \
         write to me; it tells of political opinions; I can withdraw\"\n"
    );
    let ask = Import {
        suppression_bytes: Some(8),
        dry_run: false,
        reason: "the old system".into(),
    };
    let body = format!("address\n{rows}");
    let brought = world.talk(&ask, body.as_bytes()).await.expect("takes");
    let agree = Agree {
        code: brought.2.code.expect("waits"),
    };
    world.am("ben");
    world.takes_a_code(&bens, &agree).await;
    // Nobody is asked for a code to agree to their own.
    let brought = world.talk(&ask, body.as_bytes()).await.expect("takes");
    let agree = Agree {
        code: brought.2.code.expect("waits"),
    };
    let own = world.ask(&agree).await.expect_err("it's his own");
    assert_eq!(own.class, Class::Refused, "{own}");
}

#[tokio::test]
async fn what_reaches_no_further_takes_none() {
    let world = World::new().await;
    world.enrol("ada").await;
    world.takes_none(&List { revoked: true }).await;
    world.takes_none(&Waiting {}).await;
    world.takes_none(&mailbox::List {}).await;
    let find = Find {
        address: "jo@elector.example".into(),
        reason: None,
    };
    world.takes_none(&find).await;
    let refuse = Refuse {
        code: "7f3a91c2".into(),
        reason: "no".into(),
    };
    // Nothing of that code waits: it is refused for that alone.
    let refused = world.server.ask(&refuse).await.expect_err("nothing waits");
    assert_ne!(refused.class, Class::CodeNeeded, "{refused}");
}

#[tokio::test]
async fn it_is_set_up_shown_and_taken_away_at_the_socket() {
    let world = World::new().await;
    let add = AddFactor {
        name: None,
        replace: false,
        reason: None,
    };
    let (_, begun) = world.ask(&add).await.expect("begins");
    let uri = begun.uri.reveal();
    let party = &world.rooms.config().party;
    let issuer = party.short_name.as_ref().unwrap_or(&party.name);
    let issuer = issuer.replace(' ', "%20").replace('&', "%26");
    assert!(
        uri.starts_with(&format!("otpauth://totp/{issuer}:ada?secret=")),
        "{uri}"
    );
    assert!(uri.contains(begun.secret.reveal()));
    let confirm = ConfirmFactor { name: "ada".into() };
    for wrong in [None, Some("12345")] {
        let wrong = world.server.ask_with(&confirm, wrong).await.err();
        let wrong = wrong.expect("no code");
        assert_eq!(wrong.class, Class::CodeNeeded, "another may be tried");
    }
    let secret = TotpSecret::from_base32(begun.secret.reveal()).expect("reads");
    let code = world.code(&secret);
    let confirmed = world.server.ask_with(&confirm, Some(&code)).await;
    let (_, codes) = confirmed.expect("is in force");
    let none = world.server.ask_with(&confirm, Some(&code)).await.err();
    let none = none.expect("nothing waits").class;
    assert_eq!(none, Class::Refused, "no other code helps");
    assert_eq!(codes.codes.len(), 8);
    let of = |rows: Vec<crate::control::api::staff::Account>, name: &str| {
        let mut rows = rows.into_iter().filter(|row| row.name == name);
        rows.next().expect("is there").second_factor
    };
    world.am("eve");
    let rows = world.ask(&List { revoked: false }).await.expect("lists").0;
    let report = of(rows.clone(), "ada").expect("has one");
    assert_eq!((report.recovery_codes, report.wrong_codes), (8, 0));
    assert!(of(rows, "ben").is_none());
    world.am("ada");
    let remove = RemoveFactor {
        name: None,
        reason: None,
    };
    let paper = codes.codes[0].reveal();
    let removed = world.server.ask_with(&remove, Some(paper)).await;
    assert_eq!(removed.expect("is gone").1.name, "ada");
    let verbs = world.verbs().await;
    assert_eq!(
        verbs,
        [
            "staff second-factor add",
            "staff second-factor recovery code",
            "staff second-factor remove"
        ]
    );
}

#[tokio::test]
async fn where_everybody_must_have_one_nothing_far_is_done_without() {
    let world = World::new().await;
    world.rooms.staff.ask_codes(CodeRule::Required);
    let grant = Grant {
        name: "eve".into(),
        role: Role::Sender,
        seconds: 3600,
        list: None,
        constituencies: Vec::new(),
        reason: None,
    };
    let refused = world.ask(&grant).await.expect_err("ada has none");
    assert_eq!(refused.class, Class::Refused);
    assert!(
        refused.next.contains("hustings staff second-factor add"),
        "{refused}"
    );
    let secret = world.enrol("ada").await;
    world.takes_a_code(&secret, &grant).await;
    world
        .ask(&List { revoked: false })
        .await
        .expect("what reaches no further is as it was");
}
