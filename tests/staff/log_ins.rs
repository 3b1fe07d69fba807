//! Who gets in, and who has to wait: passwords for each program, and wrong ones.

use crate::support::imap::Imap;
use crate::support::party::{Party, needs_swaks, said};
use crate::support::pop::Pop;
use hustings::daemon::sandbox::peer::{Answer, Dialogue, Post};
use hustings::daemon::sandbox::stage::HOST;
use jiff::SignedDuration;

/// One try with PLAIN at 465.
async fn log_in(party: &Party, user: &str, password: &str) -> Answer {
    let door = party.door("submissions");
    let connecting = Dialogue::connect_secured(door, party.stage.trust(), HOST);
    let (mut dialogue, _) = connecting.await.unwrap();
    dialogue.command("EHLO client.example").await.unwrap();
    let answer = dialogue.log_in(user, password).await.unwrap();
    dialogue.quit().await;
    answer
}

/// The password in what the command line printed.
fn password_in(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("Password:"));
    line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

async fn cli(party: &Party, arguments: &[&str]) -> String {
    let output = party.cli(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_program_has_its_own_password() {
    let party = Party::start().await;
    party.at_ten();
    let add = ["staff", "password", "add", "ada", "--label", "phone"];
    let shown = cli(&party, &add).await;
    for told in [
        "For:       phone",
        "Server:    ",
        "SMTP, port ",
        "TLS (SSL)",
        "STARTTLS",
    ] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    let phone = password_in(&shown);
    for password in [&phone, &party.sender.password] {
        let answer = log_in(&party, "ada", password).await;
        assert_eq!(answer.code, 235, "{answer}");
    }
    if needs_swaks() {
        // A real program, with a mechanism that is older than PLAIN.
        let arguments = [
            "--tls",
            "--auth",
            "LOGIN",
            "--auth-user",
            "ada@party.example",
            "--auth-password",
            &phone,
            "--quit-after",
            "AUTH",
        ];
        let output = party.swaks("submission", &arguments).await;
        assert!(said(&output).contains("235 2.7.0"), "{}", said(&output));
    }
    let list = cli(&party, &["staff", "password", "list", "ada"]).await;
    let today = party.clock.now().to_string();
    let today = today.split('T').next().unwrap();
    for line in ["first", "phone"] {
        let line = list.lines().find(|found| found.contains(line)).unwrap();
        assert!(
            line.contains(today) && line.contains("submission"),
            "{list}"
        );
    }
    assert!(
        !list.contains("127.0.0") && !list.contains(&phone),
        "{list}"
    );

    let revoke = [
        "staff", "password", "revoke", "ada", "--label", "phone", "--yes",
    ];
    cli(&party, &revoke).await;
    let refused = log_in(&party, "ada", &phone).await.to_string();
    assert!(refused.starts_with("535 5.7.8"), "{refused}");
    assert!(refused.contains("hustings staff password add"), "{refused}");
    let other = log_in(&party, "ada", &party.sender.password).await;
    assert_eq!(other.code, 235, "{other}");
    let log = cli(&party, &["audit", "show"]).await;
    for act in ["staff password add", "staff password revoke"] {
        assert!(log.contains(act), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_and_the_owner_does_not() {
    let rules = ("staff", "wrong_passwords = 4".to_owned());
    let party = Party::start_with(vec![rules]).await;
    // Ada is at home here; her account isn't held up by what others try from beside her.
    let good = party.sender.password.clone();
    assert_eq!(log_in(&party, "ada", &good).await.code, 235);
    let add = [
        "staff",
        "add",
        "cy",
        "--address",
        "cy@party.example",
        "--role",
        "reader",
    ];
    let cy = password_in(&cli(&party, &add).await);
    for n in 0..4 {
        let answer = log_in(&party, "nobody", "guess").await;
        assert_eq!(answer.code, 535, "{n}: {answer}");
    }
    let held = log_in(&party, "cy", &cy).await.to_string();
    assert!(
        held.starts_with("454 4.7.0 Too many wrong passwords"),
        "{held}"
    );
    assert!(
        held.contains("hustings staff unlock 127.0.0.0/24"),
        "{held}"
    );
    assert_eq!(log_in(&party, "ada", &good).await.code, 235);
    let status = cli(&party, &["status"]).await;
    assert!(status.contains("1 network held up"), "{status}");

    // An admin lets one person in, then everybody.
    cli(
        &party,
        &["staff", "unlock", "cy", "--reason", "new telephone"],
    )
    .await;
    assert_eq!(log_in(&party, "cy", &cy).await.code, 235);
    assert_eq!(log_in(&party, "nobody", "guess").await.code, 454);
    let lifted = cli(&party, &["staff", "unlock", "127.0.0.0/8"]).await;
    assert!(lifted.contains("1 network was held up"), "{lifted}");
    assert_eq!(log_in(&party, "nobody", "guess").await.code, 535);
    let log = cli(&party, &["audit", "show"]).await;
    assert!(
        log.contains("staff unlock") && log.contains("new telephone"),
        "{log}"
    );
    assert!(
        !log.contains("127.0.0"),
        "nobody's network stands in the log"
    );
    let unknown = party.cli(&["staff", "unlock", "eve"]).await;
    assert!(!unknown.status.success() && said(&unknown).contains("there is no account eve"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_network_never_waits() {
    let rules = "wrong_passwords = 3\ntrusted_networks = [\"127.0.0.0/8\"]".to_owned();
    let party = Party::start_with(vec![("staff", rules)]).await;
    for _ in 0..8 {
        assert_eq!(log_in(&party, "ada", "guess").await.code, 535);
    }
    let list = cli(&party, &["staff", "list"]).await;
    // Under its heading, the last.
    let head = list.lines().next().unwrap();
    let column = head.find("WRONG").unwrap_or_else(|| panic!("{list}"));
    let ada = list.lines().find(|line| line.contains("ada@")).unwrap();
    assert_eq!(ada[column..].trim_end(), "8", "{list}");
    let good = party.sender.password.clone();
    assert_eq!(log_in(&party, "ada", &good).await.code, 235);
}

/// What mail programs look up by themselves: the doors of the configuration, and the same for whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn programs_find_their_settings_and_nobody_is_told_who_is_known() {
    let party = Party::start_with(vec![("dns", "autoconfig = true".to_owned())]).await;
    let browser = party.browser();
    let outlook = "/autodiscover/autodiscover.xml";
    let of = |address: &str| {
        format!(
            "<Autodiscover><Request><EMailAddress>{address}</EMailAddress></Request></Autodiscover>"
        )
    };
    let known = browser
        .post(outlook, &[("xml", &of("ada@party.example"))])
        .await;
    let unknown = browser
        .post(outlook, &[("xml", &of("nobody@party.example"))])
        .await;
    let (known, unknown) = (known.unwrap(), unknown.unwrap());
    assert_eq!(known.status, 200);
    assert_eq!(known.text, unknown.text);
    for spelt in [
        "/Autodiscover/Autodiscover.xml",
        "/autodiscover/Autodiscover.xml",
        "/AutoDiscover/AutoDiscover.XML",
    ] {
        let given = browser.post(spelt, &[("xml", "")]).await.unwrap();
        assert_eq!(given.status, 200, "{spelt}");
        assert_eq!(given.text, known.text, "{spelt}");
    }
    assert!(
        known.text.contains("<Type>SMTP</Type>") && known.text.contains("<Port>465</Port>"),
        "{}",
        known.text
    );
    // Nothing in what is sent is read, so that nothing in it can grow.
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><x>&b;</x>";
    let bomb = browser.post(outlook, &[("xml", bomb)]).await.unwrap();
    assert_eq!(bomb.text, known.text);

    let json = |address: &str| {
        format!("/autodiscover/autodiscover.json?Email={address}&Protocol=AutodiscoverV1")
    };
    let known = browser.get(&json("ada%40party.example")).await.unwrap();
    let unknown = browser.get(&json("nobody%40party.example")).await.unwrap();
    assert_eq!(known.status, 200);
    assert_eq!(known.text, unknown.text);
    assert!(
        known.text.contains("/autodiscover/autodiscover.xml"),
        "{}",
        known.text
    );
    let other = browser
        .get("/autodiscover/autodiscover.json?Protocol=EWS")
        .await;
    assert_eq!(other.unwrap().status, 400);
    let settings = cli(&party, &["staff", "password", "add", "ada", "--label", "x"]).await;
    assert!(settings.contains("SMTP, port 465, TLS (SSL)"), "{settings}");
    let records = cli(&party, &["dns", "records"]).await;
    let mail = "mail.party.example";
    let service =
        |name: &str, port: u16| format!("_{name}._tcp.party.example\n  0 1 {port} {mail}\n");
    for told in [
        "_autodiscover._tcp.party.example".to_owned(),
        service("submissions", 465),
        service("imaps", 993),
        service("pop3s", 995),
    ] {
        assert!(records.contains(&told), "{told}: {records}");
    }
}

/// A mail to a list, as its identity; the answer.
async fn to_list(party: &Party, user: &str, password: &str, to: &str) -> String {
    let door = party.door("submissions");
    let connecting = Dialogue::connect_secured(door, party.stage.trust(), HOST);
    let (mut dialogue, _) = connecting.await.unwrap();
    dialogue.command("EHLO client.example").await.unwrap();
    assert_eq!(dialogue.log_in(user, password).await.unwrap().code, 235);
    let message = format!(
        "From: office@party.example\r\nTo: {to}\r\nSubject: a meeting\r\n\r\nOn Friday at seven.\r\n"
    );
    let post = Post {
        from: "office@party.example",
        to: &[to],
        message: message.as_bytes(),
    };
    dialogue.post(post).await.unwrap().to_string()
}

/// An organiser writes to a constituency for an afternoon, and never sees an address (law A7).
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_for_a_part_of_a_list_and_ends_by_itself() {
    let party = Party::start().await;
    let add = [
        "staff",
        "add",
        "cy",
        "--address",
        "cy@party.example",
        "--role",
        "reader",
    ];
    let cy = password_in(&cli(&party, &add).await);
    let (whole, part, other) = (
        "news@party.example",
        "news+leeds-east@party.example",
        "news+leeds-south@party.example",
    );
    let refused = to_list(&party, "cy", &cy, part).await;
    assert!(
        refused.starts_with("553 5.7.1"),
        "not even the sender: {refused}"
    );
    let grant = [
        "staff",
        "grant",
        "cy",
        "sender",
        "--for",
        "4h",
        "--list",
        "news",
        "--constituency",
        "leeds-east",
        "--reason",
        "the meeting",
    ];
    let granted = cli(&party, &grant).await;
    assert!(
        granted.contains("leeds-east") && granted.contains("news"),
        "{granted}"
    );
    let held = to_list(&party, "cy", &cy, part).await;
    assert!(held.contains("Held as mailing"), "{held}");
    for beyond in [whole, other] {
        let refused = to_list(&party, "cy", &cy, beyond).await;
        assert!(
            refused.starts_with("550 5.7.1 What was granted to you"),
            "{refused}"
        );
    }
    let list = cli(&party, &["staff", "list"]).await;
    assert!(list.contains("reader, sender (for a time)"), "{list}");
    assert!(
        cli(&party, &["staff", "grants"])
            .await
            .contains("leeds-east")
    );

    // Training that is over takes it away, a new one gives it back.
    cli(
        &party,
        &["staff", "training", "cy", "2001-01-01", "--correct"],
    )
    .await;
    let refused = to_list(&party, "cy", &cy, part).await;
    assert!(
        refused.starts_with("550") && refused.contains("training"),
        "{refused}"
    );
    let today = party.clock.now().to_string();
    let trained = cli(&party, &["staff", "training", "cy", &today[..10]]).await;
    assert!(trained.contains("counts to the end of"), "{trained}");
    let held = to_list(&party, "cy", &cy, part).await;
    assert!(held.contains("Held as mailing"), "{held}");

    party.clock.advance(SignedDuration::from_mins(241)).unwrap();
    let refused = to_list(&party, "cy", &cy, part).await;
    assert!(refused.starts_with("553 5.7.1"), "{refused}");
    assert!(
        cli(&party, &["staff", "grants"])
            .await
            .contains("Nobody has a role for a time")
    );
    let log = cli(&party, &["audit", "show"]).await;
    for act in [
        "staff grant sender until",
        "the meeting",
        "staff training until",
    ] {
        assert!(log.contains(act), "{act} in {log}");
    }
}

/// Ada's programs, each logged in by one password: one that idles, one that waits to be told what to do, one that fetches,
/// one that sends, and one that is in the middle of a mail.
struct Programs {
    idle: Imap,
    quiet: Imap,
    pop: Pop,
    sends: Dialogue,
    is_sending: Dialogue,
}

impl Programs {
    async fn with(party: &Party, password: &str) -> Self {
        let (imaps, trust) = (party.door("imaps"), party.stage.trust());
        let mut idle = Imap::log_in(imaps, trust, "ada", password).await;
        idle.say("SELECT INBOX").await;
        idle.begin("IDLE").await;
        assert_eq!(idle.response().await.unwrap(), "+ Idling");
        let pop = Pop::log_in(party.door("pop3s"), trust, "ada", password).await;
        let mut is_sending = sender(party, password).await;
        for line in [
            "MAIL FROM:<ada@party.example>",
            "RCPT TO:<ben@party.example>",
            "DATA",
        ] {
            let answer = is_sending.command(line).await.unwrap();
            assert!(answer.code < 400, "{answer}");
        }
        let begins = b"From: ada@party.example\r\nTo: ben@party.example\r\n\r\nhalf of it";
        is_sending.raw(begins).await.unwrap();
        Self {
            idle,
            quiet: Imap::log_in(imaps, trust, "ada", password).await,
            pop,
            sends: sender(party, password).await,
            is_sending,
        }
    }

    /// Each hears why, and that it's over.
    async fn are_out(mut self) {
        for imap in [&mut self.idle, &mut self.quiet] {
            let last = imap.last_words().await;
            assert!(
                last.starts_with("* BYE [EXPIRED] This account or password was ended"),
                "{last}"
            );
        }
        let last = self.pop.line().await;
        assert!(last.starts_with("-ERR"), "{last}");
        assert_eq!(self.pop.line().await, "");
        self.is_sending
            .raw(b"\r\nand the rest\r\n.\r\n")
            .await
            .unwrap();
        for sender in [&mut self.sends, &mut self.is_sending] {
            let last = sender.answer().await.unwrap();
            assert_eq!(last.code, 421, "{last}");
        }
    }
}

/// A program that sends, logged in.
async fn sender(party: &Party, password: &str) -> Dialogue {
    let door = party.door("submissions");
    let connecting = Dialogue::connect_secured(door, party.stage.trust(), HOST);
    let (mut dialogue, _) = connecting.await.unwrap();
    dialogue.command("EHLO client.example").await.unwrap();
    let answer = dialogue.log_in("ada", password).await.unwrap();
    assert_eq!(answer.code, 235, "{answer}");
    dialogue
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_by_a_password_that_was_ended_is_out_at_once() {
    let party = Party::start().await;
    let first = party.sender.password.clone();
    let add = ["staff", "password", "add", "ada", "--label", "phone"];
    let phone = password_in(&cli(&party, &add).await);
    let by_phone = Programs::with(&party, &phone).await;
    let (imaps, trust) = (party.door("imaps"), party.stage.trust());
    let mut desk = Imap::log_in(imaps, trust, "ada", &first).await;
    let revoke = [
        "staff", "password", "revoke", "ada", "--label", "phone", "--yes",
    ];
    cli(&party, &revoke).await;
    by_phone.are_out().await;
    assert_eq!(party.kept().await, 0, "what was on its way is not taken");
    // Who came in by another goes on, until all are replaced.
    assert!(desk.say("NOOP").await.end.starts_with("OK"));
    let by_first = Programs::with(&party, &first).await;
    let renew = [
        "staff",
        "password",
        "add",
        "ada",
        "--label",
        "new",
        "--replace",
        "--yes",
    ];
    let new = password_in(&cli(&party, &renew).await);
    by_first.are_out().await;
    let last = desk.last_words().await;
    assert!(last.starts_with("* BYE [EXPIRED]"), "{last}");
    // And the account itself.
    let by_new = Programs::with(&party, &new).await;
    cli(&party, &["staff", "revoke", "ada", "--yes"]).await;
    by_new.are_out().await;
    assert_eq!(party.kept().await, 0);
}
