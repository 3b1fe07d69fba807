//! Who can be signed up, and by whom: the party's own addresses at the page, imports that are refused or beaten, and what
//! a staff member may do from one command to the next.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::mailing;
use crate::support::party::{Party, said};
use hustings::address::EmailAddress;
use hustings::daemon::sandbox::reading::{links, show};
use hustings::id::MailboxId;

const OFFICE: &str = "office@party.example";
const NEWS: &str = "news@party.example";
const ADA: &str = "ada@party.example";
const SUBSCRIBE: &str = "news+subscribe@party.example";

/// What Ada's mailbox holds.
async fn adas(party: &Party) -> Vec<Vec<u8>> {
    let rooms = party.rooms();
    let roll = rooms.staff.roll();
    let ada = roll.by_address(&EmailAddress::parse(ADA).unwrap()).unwrap();
    let entries = rooms.store.entries(MailboxId::from(ada.id), 100).await;
    let mut mails = Vec::new();
    for entry in entries.unwrap() {
        let body = rooms.store.body(entry.message);
        mails.push(body.read_whole(1 << 20).await.unwrap());
    }
    mails
}

/// Waits for a mail of hers that holds these words, and gives its text.
async fn comes_to_ada(party: &Party, words: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        for mail in adas(party).await {
            let text = show(&mail).text;
            if text.contains(words) {
                return text;
            }
        }
        assert!(Instant::now() < deadline, "nothing with {words:?} came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A file that the command line can read, whoever runs it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(), all).unwrap();
        Self(place)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

async fn cli(party: &Party, arguments: &[&str]) -> (Option<i32>, String) {
    let output = party.cli(arguments).await;
    (output.status.code(), said(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_subscribe_themselves_by_a_mail_and_nobody_else() {
    let party = Party::start().await;
    let let_in = ["staff", "change", "ada", "--let-into", "office"];
    assert_eq!(cli(&party, &let_in).await.0, Some(0));
    let wish = |from: &str| {
        format!("From: {from}\r\nTo: {SUBSCRIBE}\r\nSubject: me, too\r\n\r\nPlease.\r\n")
            .into_bytes()
    };
    let refused = party
        .submit_from(OFFICE, &[SUBSCRIBE], &wish(OFFICE))
        .await
        .to_string();
    assert!(
        refused.starts_with("550") && refused.contains("address of your own"),
        "{refused}"
    );
    let taken = party.submit(&[SUBSCRIBE], &wish("ada@party.example")).await;
    assert_eq!(taken.code, 250, "{taken}");
    comes_to_ada(&party, "/c/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_party_asks_nobody_at_its_own_addresses_but_its_staff() {
    let party = Party::start().await;
    let stranger = party.sign_up("ann@x.example", "", &["news"]).await;
    party.challenge("ann@x.example").await;
    let own = [
        NEWS,
        "news+subscribe@party.example",
        "news+leeds-east@party.example",
        "appeals@party.example",
        OFFICE,
        "Privacy+x@Party.Example",
        "postmaster@party.example",
        "abuse@party.example",
        "webmaster@party.example",
        "u+aaaa@party.example",
        "nobody@party.example",
    ];
    for address in own {
        let page = party.sign_up(address, "", &["news"]).await;
        // The stamp of the next form aside, which isn't on this page.
        assert_eq!(
            (page.status, page.text),
            (stranger.status, stranger.text.clone()),
            "{address}"
        );
    }
    // Ada is a person. What is asked of her stays inside.
    let page = party
        .sign_up("Ada+party@party.example", "", &["news"])
        .await;
    assert_eq!(page.text, stranger.text);
    let text = comes_to_ada(&party, "/c/").await;
    let link = links(&text).into_iter().find(|link| link.contains("/c/"));
    let page = party.press(link.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.heading());
    mailing::send(&party, NEWS, "The May news").await;
    comes_to_ada(&party, "The May news, in short.").await;
    // The worker takes one after the other: nothing was ever brought outside, or stands in the queue.
    let all = party.outside.inbox().all();
    assert!(all.iter().all(|mail| mail.is_to("ann@x.example")));
    let queue = cli(&party, &["queue", "list"]).await;
    assert!(!queue.1.contains("party.example"), "{queue:?}");
    assert_eq!(
        party.kept().await as usize,
        adas(&party).await.len() + 1,
        "and Ben's link"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_what_is_in_force_and_can_be_refused() {
    let party = Party::start().await;
    party.subscribe("ann@x.example", "", &["news"]).await;
    let place = Place::new();
    let rows = place.file(
        "rows.csv",
        "address,lists,channel,date,batch,age,wording\n\
         new@x.example,news,paper,2026-05-01,stall 7,16,\"Yes, The Example Party may send me news; it tells of political \
         opinions; I can withdraw.\"\n",
    );
    // She said yes here today; he left there, for good.
    let left = place.file(
        "left.csv",
        "address,lists,date\nann@x.example,news,2026-05-02\nbob@x.example,,\n",
    );
    let import = [
        "subscriber",
        "import",
        "--suppressions",
        &left,
        "--reason",
        "the old system",
        &rows,
    ];
    let (code, told) = cli(&party, &import).await;
    assert_eq!(code, Some(0), "{told}");
    for line in [
        "In force from the suppression file: 1 row.",
        "Not in force: 1 row, since who is named there said yes here later.",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let waiting = cli(&party, &["--json", "subscriber", "waiting"]).await.1;
    let row: serde_json::Value = serde_json::from_str(waiting.lines().next().unwrap()).unwrap();
    let number = row["code"].as_str().unwrap().to_owned();
    let refuse = ["subscriber", "refuse", &number, "--yes", "--reason"];
    let (code, why) = cli(&party, &[&refuse[..], &[" "]].concat()).await;
    assert_eq!(code, Some(2), "{why}");
    let (code, told) = cli(&party, &[&refuse[..], &["the wrong file"]].concat()).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("subscriber import") && told.contains("ben"),
        "{told}"
    );
    let (code, why) = cli(&party, &["subscriber", "agree", &number, "--yes"]).await;
    assert_eq!(code, Some(1), "it is gone: {why}");
    let find = ["subscriber", "find", "bob@x.example", "--reason", "to see"];
    let found = cli(&party, &find).await.1;
    assert!(
        found.contains("everything"),
        "its suppressions stay: {found}"
    );
    let log = cli(&party, &["audit", "show"]).await.1;
    assert!(
        log.contains("subscriber import cancel") && log.contains("the wrong file"),
        "{log}"
    );
    let asked = party.outside.inbox().to("new@x.example");
    assert!(asked.is_empty(), "nobody of it was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_staff_member_may_do_changes_at_once() {
    let party = Party::start().await;
    let from_office = |subject: &str| {
        mailing::written("jo@x.example", subject).replace("To: ", "Message-ID: <1@ada>\r\nTo: ")
    };
    let change = |how: [&'static str; 2]| {
        let party = &party;
        let arguments = [
            "staff",
            "change",
            "ada",
            how[0],
            how[1],
            "--reason",
            "new duties",
        ];
        async move { cli(party, &arguments).await }
    };
    assert_eq!(mailing::hand_in(&party, NEWS, "One").await.code, 250);
    let (code, told) = change(["--remove-role", "sender"]).await;
    assert_eq!(code, Some(0), "{told}");
    let refused = mailing::hand_in(&party, NEWS, "Two").await.to_string();
    assert!(
        refused.starts_with("550") && refused.contains("role sender"),
        "{refused}"
    );
    assert_eq!(change(["--add-role", "sender"]).await.0, Some(0));
    assert_eq!(mailing::hand_in(&party, NEWS, "Three").await.code, 250);
    // The office's address is hers once she is let into its mailbox, and no longer.
    let to = &["jo@x.example"][..];
    let office = async |subject: &str| {
        let message = from_office(subject);
        party.submit_from(OFFICE, to, message.as_bytes()).await.code
    };
    assert_eq!(office("Four").await, 550);
    assert_eq!(change(["--let-into", "office"]).await.0, Some(0));
    assert_eq!(office("Five").await, 250);
    assert_eq!(change(["--shut-out-of", "office"]).await.0, Some(0));
    assert_eq!(office("Six").await, 550);
    for (how, word) in [
        (["--add-role", "king"], "king"),
        (["--let-into", "palace"], "palace"),
    ] {
        let (code, why) = change(how).await;
        assert_ne!(code, Some(0), "{why}");
        assert!(why.contains(word), "{why}");
    }
    let log = cli(&party, &["audit", "show"]).await.1;
    for act in [
        "remove role sender",
        "add role sender",
        "let into mailbox office",
        "shut out of mailbox office",
    ] {
        assert_eq!(log.matches(&format!("staff {act}")).count(), 1, "{log}");
    }
}
