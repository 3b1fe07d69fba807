//! Who is asked, how often, and what the button does.

use hustings::daemon::sandbox::leak::Secrets;
use hustings::daemon::sandbox::peer::Post;
use hustings::message::dkim::{SelectedKey, Signer, SigningKey};
use jiff::SignedDuration;

use crate::support::dkimpy::signed;
use crate::support::party::{Party, link_in};
use crate::world::{
    OFFICE, counts, decided, kept_of, letter, office, party, post_to, question, questions, until,
    write, zone,
};

const ANN: &str = "ann.heliotrope@good.example";
const SENTENCE: &str = "Is the amaranth pavilion wheelchair accessible";

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

/// The names of a mail's fields, in their order.
fn fields_of(mail: &str) -> Vec<&str> {
    let (header, _) = mail.split_once("\r\n\r\n").unwrap();
    let lines = header.split("\r\n");
    let fields = lines.filter(|line| !line.starts_with([' ', '\t']));
    fields
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect()
}

/// What a link answers: the status and the heading of looking and of pressing.
async fn answers(party: &Party, link: &str) -> [(u16, String); 2] {
    let browser = party.browser();
    let seen = browser.get(link).await.unwrap();
    let path = &link[link.find("/m/").unwrap()..];
    let pressed = browser.post(path, &[("lang", "en")]).await.unwrap();
    [seen, pressed].map(|page| (page.status.as_u16(), page.heading()))
}

/// An answer to the question does what its button does: of whoever was asked, and not of a program, nor of others.
#[tokio::test(flavor = "multi_thread")]
async fn answering_the_question_is_as_good_as_its_button() {
    let zone = zone().await;
    let party = party(&zone, "", "").await;
    write(&party, ANN, "", SENTENCE).await;
    let mail = question(&party, ANN).await;
    let from = mail.header("From").unwrap();
    assert!(from.contains(OFFICE), "whom she wrote to asks: {from}");
    let names = format!("In-Reply-To: {}\r\n", mail.header("Message-ID").unwrap());
    let absent = format!("{names}Auto-Submitted: auto-replied\r\n");
    write(&party, ANN, &absent, "I am away").await;
    write(&party, "bob@good.example", &names, "It was Ann").await;
    decided(&party).await;
    assert_eq!(counts(&party).await, (0, 3));
    write(&party, ANN, &names, "Yes, it was me").await;
    until("hers came in", async || counts(&party).await == (3, 1)).await;
    let kept = kept_of(&party, office(&party)).await;
    assert!(kept["Unconfirmed"][0].contains("It was Ann"));
    let [seen, pressed] = answers(&party, &link_in(&mail, "/m/").unwrap()).await;
    assert_eq!((seen.0, pressed.0), (200, 200), "the link says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_asked_and_their_button_brings_it_in() {
    let zone = zone().await;
    let mut party = party(&zone, "", "").await;
    let forged = "Hustings-Sender: proven (by me)\r\nHUSTINGS-sender: proven\r\n";
    write(&party, &format!("Ann <{ANN}>"), forged, SENTENCE).await;
    let mail = question(&party, ANN).await;
    assert_eq!(counts(&party).await, (0, 1));
    // What goes out: from nobody who could be answered by a program, without a word of theirs, with both ways.
    assert_eq!(mail.reverse_path, "");
    assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
    let whole = String::from_utf8_lossy(&mail.message()).into_owned();
    assert!(
        whole.contains(" s=hustings-") && whole.contains("service"),
        "{whole}"
    );
    assert!(!mail.contains("amaranth") && !mail.contains("A question"));
    assert!(link_in(&mail, "/n/").is_some());
    assert!(whole.contains("Ysgrifennodd rhywun"), "in Welsh as well");
    let link = link_in(&mail, "/m/").unwrap();
    // More of her waits; so does what others write in her name, from where her domain says nobody of theirs writes.
    write(&party, ANN, "", "a second one").await;
    let answer = post_to(
        &party,
        "eve@elsewhere.example",
        OFFICE,
        &letter(ANN, "", "forged"),
    )
    .await;
    assert_eq!(answer.code, 250, "{answer}");
    assert_eq!(counts(&party).await, (0, 3));
    // Looking changes nothing.
    let page = party.browser().get(&link).await.unwrap();
    assert_eq!((page.status.as_u16(), counts(&party).await), (200, (0, 3)));
    assert!(!page.text.contains("heliotrope"), "it names nobody");
    let page = party.press(&link).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.heading());
    assert_eq!(counts(&party).await, (2, 1), "what proves itself came in");
    let kept = kept_of(&party, office(&party)).await;
    assert!(kept["Unconfirmed"][0].contains("forged"));
    for mail in &kept["INBOX"] {
        assert_eq!(mail.to_lowercase().matches("hustings-sender").count(), 1);
        assert!(
            mail.contains("\r\nHustings-Sender: proven (whoever has"),
            "{mail}"
        );
    }
    assert!(kept["Unconfirmed"][0].contains("\r\nHustings-Sender: unproven"));
    // From now on hers come in at once, and what only claims to be hers doesn't.
    write(&party, ANN, "", "a third").await;
    let answer = post_to(
        &party,
        "eve@elsewhere.example",
        OFFICE,
        &letter(ANN, "", "again"),
    )
    .await;
    assert_eq!(answer.code, 250, "{answer}");
    assert_eq!(counts(&party).await, (3, 2));
    // Nothing in a mail tells whether its author was known when it came.
    let kept = kept_of(&party, office(&party)).await;
    let stranger = fields_of(&kept["INBOX"][1]);
    assert_eq!(stranger, fields_of(&kept["INBOX"][2]));
    assert!(kept["INBOX"][2].contains("a third") && stranger.len() > 5);
    // The same button again says the same for an hour; then the link is like one that never was.
    let never = link.replace("/m/", "/m/a");
    let [looked, pressed] = answers(&party, &link).await;
    assert_eq!(pressed.0, 200);
    assert_eq!(looked, pressed, "looked at again, it says what was said");
    party.clock.advance(SignedDuration::from_hours(2)).unwrap();
    assert_eq!(answers(&party, &link).await, answers(&party, &never).await);
    assert_eq!(counts(&party).await, (3, 2));
    decided(&party).await;
    assert_eq!(questions(&party), [ANN], "one question");
    let mut secrets = Secrets::new();
    secrets.add_all([ANN, SENTENCE, "heliotrope"]);
    assert_eq!(party.leaks(&secrets).leaks, [], "while it runs");
    party.stop().await;
    assert_eq!(party.leaks(&secrets).leaks, [], "when it has stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_lists_forgers_and_our_own_are_not_asked() {
    let zone = zone().await;
    // Who sends what has no sender is vouched for by the name of the host.
    zone.txt("mail.good.example", "v=spf1 ip4:127.0.0.1 -all")
        .await;
    let party = party(&zone, "", "").await;
    let cases = [
        ("a@good.example", "List-Id: <fans.good.example>\r\n", "post"),
        (
            "b@good.example",
            "List-Post: <mailto:x@good.example>\r\n",
            "post",
        ),
        ("c@good.example", "Precedence: bulk\r\n", "offer"),
        ("d@good.example", "Auto-Submitted: auto-replied\r\n", "away"),
        ("e@good.example", "Feedback-ID: 1:2:3\r\n", "offer"),
        ("no-reply@good.example", "", "ticket"),
        ("fans-request@good.example", "", "ticket"),
        ("stranger@elsewhere.example", "", "nobody vouches"),
    ];
    for (from, more, body) in cases {
        write(&party, from, more, body).await;
    }
    // A bounce, and what claims to be of ours: neither is asked.
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n";
    let bounce = letter("mailer@good.example", report, "--b--");
    let plain = letter("plain@good.example", "", "null path");
    let mut host = party.mx().await;
    let answer = host.command("EHLO mail.good.example").await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    for message in [&bounce, &plain] {
        let (from, to, message) = ("", &[OFFICE][..], message.as_bytes());
        let answer = host.post(Post { from, to, message }).await.unwrap();
        assert_eq!(answer.code, 250, "{answer}");
    }
    host.quit().await;
    let ours = letter("ben@party.example", "", "in our name");
    let answer = post_to(&party, "x@elsewhere.example", OFFICE, &ours).await;
    assert_eq!(answer.code, 250, "{answer}");
    // What is of ours indeed comes in.
    write(&party, OFFICE, "", "of ours").await;
    // Who asks to be left alone is left alone. Who left a list is asked: it may be a complaint.
    write(&party, "stop@good.example", "", "Stop.").await;
    party.subscribe("left@good.example", "", &["news"]).await;
    let welcome = party
        .mail("left@good.example", |mail| link_in(mail, "/u/").is_some())
        .await;
    let _ = party.press(&link_in(&welcome, "/u/").unwrap()).await;
    write(&party, "left@good.example", "", "hello").await;
    // Somebody who is subscribed is a stranger like any other: nobody could tell them by their mail.
    party.subscribe("sue@good.example", "", &["news"]).await;
    write(&party, "sue@good.example", "", "of Sue").await;
    write(&party, "tom@fine.example", "", "of Tom").await;
    let asked = [
        question(&party, "sue@good.example").await,
        question(&party, "tom@fine.example").await,
    ];
    decided(&party).await;
    let (inbox, unconfirmed) = counts(&party).await;
    assert_eq!((inbox, unconfirmed), (1, cases.len() + 7));
    let kept = kept_of(&party, office(&party)).await;
    assert!(kept["INBOX"][0].contains("of ours"));
    let said = |mail: &&String| mail.contains("\r\nHustings-Sender: unproven");
    assert_eq!(kept["Unconfirmed"].iter().filter(said).count(), 2);
    // Nor does the header tell who is subscribed, before the button or behind it.
    for question in asked {
        let page = party.press(&link_in(&question, "/m/").unwrap()).await;
        assert_eq!(page.status.as_u16(), 200);
    }
    write(&party, "sue@good.example", "", "more of Sue").await;
    write(&party, "tom@fine.example", "", "more of Tom").await;
    let kept = kept_of(&party, office(&party)).await;
    let said = ["of Sue", "of Tom", "more of Sue", "more of Tom"].map(|body| {
        let end = format!("\r\n\r\n{body}\r\n");
        let mail = kept["INBOX"].iter().find(|mail| mail.ends_with(&end));
        let mut lines = mail.unwrap().lines();
        lines.find(|line| line.starts_with("Hustings-Sender:"))
    });
    assert!(said[0].unwrap().contains("proven"), "{said:?}");
    assert!(said.iter().all(|line| *line == said[0]), "{said:?}");
    // Who was put off for a while would be asked by now.
    party.clock.advance(SignedDuration::from_hours(2)).unwrap();
    decided(&party).await;
    let all = ["left@good.example", "sue@good.example", "tom@fine.example"];
    assert_eq!(questions(&party), all);
}

/// Whoever signs is vouched for as well, wherever it comes from: in their own name alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_alone_vouches_for_its_own_domain() {
    let zone = zone().await;
    let key = SigningKey::generate_ed25519().unwrap();
    let record = key.record().unwrap();
    let host = "ed._domainkey.signed.example";
    zone.txt(host, &record).await;
    let selector = "ed".to_owned();
    let keys = vec![SelectedKey { selector, key }];
    let signer = Signer::new("signed.example", keys).unwrap();
    let party = party(&zone, "", "").await;
    for from in ["ann@signed.example", "bob@other.example"] {
        let whole = letter(from, "", &format!("by {from}"));
        let (header, body) = whole.split_once("\r\n\r\n").unwrap();
        let mail = signed(&signer, &format!("{header}\r\n"), body);
        let answer = post_to(&party, "x@elsewhere.example", OFFICE, &mail).await;
        assert_eq!(answer.code, 250, "{answer}");
    }
    let asked = question(&party, "ann@signed.example").await;
    party.clock.advance(SignedDuration::from_hours(2)).unwrap();
    decided(&party).await;
    assert_eq!(questions(&party), ["ann@signed.example"]);
    assert_eq!(counts(&party).await, (0, 2));
    let page = party.press(&link_in(&asked, "/m/").unwrap()).await;
    assert_eq!(page.status.as_u16(), 200);
    assert_eq!(counts(&party).await, (1, 1));
    let kept = kept_of(&party, office(&party)).await;
    assert!(kept["INBOX"][0].contains("\r\nHustings-Sender: proven"));
    assert!(kept["Unconfirmed"][0].contains("\r\nHustings-Sender: unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_week_and_so_many_an_hour() {
    let zone = zone().await;
    let party = party(&zone, "", "first_contacts_per_hour = 10").await;
    write(&party, "a@good.example", "", "one").await;
    write(&party, "a@good.example", "", "two").await;
    write(&party, "a+tag@good.example", "", "three").await;
    write(&party, "b@good.example", "", "four").await;
    write(&party, "c@good.example", "", "five").await;
    let asked = async |count| questions(&party).len() == count;
    until("two are asked", async || asked(2).await).await;
    decided(&party).await;
    assert_eq!(questions(&party), ["a@good.example", "b@good.example"]);
    // A domain has a fifth. The third waits for the next hour, and is not forgotten.
    party.clock.advance(SignedDuration::from_hours(2)).unwrap();
    let _ = question(&party, "c@good.example").await;
    // Within the week nobody is asked again, whatever they write.
    party.clock.advance(days(6)).unwrap();
    write(&party, "a@good.example", "", "six").await;
    decided(&party).await;
    assert_eq!(questions(&party).len(), 3);
    party.clock.advance(days(1)).unwrap();
    write(&party, "a@good.example", "", "seven").await;
    until("asked again", async || asked(4).await).await;
    // Both links are good as long as they were said to be; the newer brings all of it in.
    let mails = party.outside.inbox().to("a@good.example");
    let link = link_in(mails.last().unwrap(), "/m/").unwrap();
    assert_eq!(party.press(&link).await.status.as_u16(), 200);
    assert_eq!(counts(&party).await, (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_confirms_is_gone_after_fourteen_days() {
    let zone = zone().await;
    let mut party = party(&zone, "", "").await;
    write(&party, ANN, "", SENTENCE).await;
    let large = "0123456789 abcdefghij\r\n".repeat(20_000);
    write(&party, "big@good.example", "", &large).await;
    let mail = question(&party, ANN).await;
    let link = link_in(&mail, "/m/").unwrap();
    party.clock.advance(days(13)).unwrap();
    write(&party, "late@fine.example", "", "it stays").await;
    assert_eq!(counts(&party).await, (0, 3));
    party.clock.advance(days(1)).unwrap();
    party.clock.advance(SignedDuration::from_hours(1)).unwrap();
    until("two are gone", async || counts(&party).await == (0, 1)).await;
    let [looked, pressed] = answers(&party, &link).await;
    assert_eq!((looked.0, pressed.0), (404, 404));
    let report = party.rooms().store.verify(|_, _| ()).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    let mut secrets = Secrets::new();
    secrets.add_all([ANN, SENTENCE]);
    party.stop().await;
    assert_eq!(party.leaks(&secrets).leaks, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn never_again_ends_the_questions_and_erasing_takes_all() {
    let zone = zone().await;
    let party = party(&zone, "", "").await;
    write(&party, ANN, "", SENTENCE).await;
    let mail = question(&party, ANN).await;
    let page = party.press(&link_in(&mail, "/n/").unwrap()).await;
    assert_eq!(page.status.as_u16(), 200);
    party.clock.advance(days(8)).unwrap();
    write(&party, ANN, "", "once more").await;
    write(&party, "bob@good.example", "", "hello").await;
    let asked = question(&party, "bob@good.example").await;
    decided(&party).await;
    assert_eq!(questions(&party), [ANN, "bob@good.example"]);
    let page = party.press(&link_in(&asked, "/m/").unwrap()).await;
    assert_eq!(page.status.as_u16(), 200);
    assert_eq!(counts(&party).await, (1, 2));
    for (who, left) in [(ANN, (1, 0)), ("bob@good.example", (1, 0))] {
        let erase = [
            "subscriber",
            "erase",
            who,
            "--yes",
            "--reason",
            "asked for it",
        ];
        let output = party.cli(&erase).await;
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("Erased."));
        assert_eq!(counts(&party).await, left, "{who}");
    }
    let output = party.cli(&["contact", "list"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("Contacts: 0") && said.contains("Waiting:  0"),
        "{said}"
    );
    // Bob is nobody that is known any more, and asked as anybody is. Ann still isn't.
    write(&party, "bob@good.example", "", "again").await;
    write(&party, ANN, "", "and again").await;
    decided(&party).await;
    assert_eq!(counts(&party).await, (1, 2));
    let bob = "bob@good.example";
    assert_eq!(questions(&party), [ANN, bob, bob]);
}

/// Who writes to us chooses no words in what we sign.
#[tokio::test(flavor = "multi_thread")]
async fn the_question_is_from_the_address_without_its_detail() {
    let zone = zone().await;
    let party = party(&zone, "", "").await;
    let to = "office+you-have-won@party.example";
    let answer = post_to(&party, ANN, to, &letter(ANN, "", SENTENCE)).await;
    assert_eq!(answer.code, 250, "{answer}");
    let mail = question(&party, ANN).await;
    assert!(mail.header("From").unwrap().contains(OFFICE));
    assert!(!mail.contains("you-have-won"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliver_asks_nobody() {
    let zone = zone().await;
    let party = party(&zone, "first_contact = \"deliver\"", "").await;
    write(&party, ANN, "", SENTENCE).await;
    write(&party, "stranger@elsewhere.example", "", "hello").await;
    decided(&party).await;
    assert_eq!(counts(&party).await, (2, 0));
    assert_eq!(questions(&party), Vec::<String>::new());
    let kept = kept_of(&party, office(&party)).await;
    assert!(kept["INBOX"][0].contains("Hustings-Sender: proven"));
    assert!(kept["INBOX"][1].contains("Hustings-Sender: unproven"));
}
