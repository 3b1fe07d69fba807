//! Mail that comes in, by a real client (swaks) where it can, by raw sockets where it can't: nothing in the clear, no relay,
//! no smuggled message, no command injected behind STARTTLS.

use std::process::Output;
use std::time::Duration;

use crate::support::party::{Party, needs_swaks};
use hustings::daemon::sandbox::peer::{Dialogue, Post};
use hustings::daemon::sandbox::stage::HOST;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const STRANGER: &str = "stranger@elsewhere.example";
const OFFICE: &str = "office@party.example";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_in_the_clear_is_refused_with_530() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    for door in ["smtp", "submission"] {
        let output = party
            .swaks(door, &["--from", STRANGER, "--to", OFFICE])
            .await;
        let said = said(&output);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("530 5.7.0"), "{door}: {said}");
        assert!(said.contains("STARTTLS"), "{door}: {said}");
    }
    assert_eq!(party.kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_over_starttls_is_kept() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    let arguments = [
        "--tls",
        "--from",
        STRANGER,
        "--to",
        OFFICE,
        "--body",
        "a question",
    ];
    let output = party.swaks("smtp", &arguments).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(party.kept().await, 1);
    let postmaster = ["--tls", "--from", "<>", "--to", "postmaster@party.example"];
    let output = party.swaks("smtp", &postmaster).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(party.kept().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_relayed() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    for to in [
        "somebody@elsewhere.example",
        "nobody@party.example",
        "news@party.example",
    ] {
        let output = party
            .swaks("smtp", &["--tls", "--from", STRANGER, "--to", to])
            .await;
        let said = said(&output);
        assert!(
            !output.status.success() && said.contains("<~* 55"),
            "{to}: {said}"
        );
    }
    // On submission nobody says anything before they have said who they are.
    let arguments = [
        "--tls",
        "--from",
        OFFICE,
        "--to",
        "somebody@elsewhere.example",
    ];
    let output = party.swaks("submission", &arguments).await;
    let said = said(&output);
    assert!(
        !output.status.success() && said.contains("<~* 530"),
        "{said}"
    );
    assert_eq!(party.outside.counters().messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_is_offered_inside_tls_alone() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    let password = party.sender.password.as_str();
    let log_in = [
        "--auth",
        "PLAIN",
        "--auth-user",
        "ada",
        "--auth-password",
        password,
    ];
    let quit = ["--quit-after", "AUTH"];
    let output = party
        .swaks("submission", &[&log_in[..], &quit].concat())
        .await;
    let heard = said(&output);
    assert!(!output.status.success(), "{heard}");
    assert!(
        !heard.contains("250-AUTH") && !heard.contains("250 AUTH"),
        "{heard}"
    );
    for (door, tls) in [("submission", "--tls"), ("submissions", "--tls-on-connect")] {
        let output = party
            .swaks(door, &[&[tls][..], &log_in, &quit].concat())
            .await;
        assert!(
            output.status.success() && said(&output).contains("235 2.7.0"),
            "{}",
            said(&output)
        );
    }
    let wrong = [
        "--tls",
        "--auth",
        "PLAIN",
        "--auth-user",
        "ada",
        "--auth-password",
        "guessed",
    ];
    let output = party
        .swaks("submission", &[&wrong[..], &quit].concat())
        .await;
    assert!(
        !output.status.success() && said(&output).contains("535 5.7.8"),
        "{}",
        said(&output)
    );
    // The MX has no AUTH at all.
    let output = party
        .swaks("smtp", &["--tls", "--quit-after", "EHLO"])
        .await;
    assert!(!said(&output).contains("AUTH"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_to_too_many_outside_goes_to_none_of_them() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    let password = party.sender.password.as_str();
    let submit = async |to: &str, subject: &str| {
        let subject = format!("Subject: {subject}");
        let arguments = [
            ["--tls", "--auth", "PLAIN", "--auth-user", "ada"].as_slice(),
            &["--auth-password", password, "--from", "ada@party.example"],
            &["--to", to, "--h-To", "p1@elsewhere.example"],
            &["--header", &subject, "--body", "at the office"],
        ];
        party.swaks("submission", &arguments.concat()).await
    };
    // All but the first are blind copies: they stand in the envelope alone.
    let people = |most: u32| (1..=most).map(|n| format!("p{n}@elsewhere.example"));
    let eleven: Vec<String> = people(11).collect();
    let list_and_one = "news@party.example,p1@elsewhere.example".to_owned();
    for (to, reason) in [(eleven.join(","), "use a list"), (list_and_one, "alone")] {
        let output = submit(&to, "to nobody").await;
        let heard = said(&output);
        assert!(!output.status.success(), "{heard}");
        assert!(heard.contains("<~* 550 5."), "{heard}");
        assert!(heard.contains("Sent to nobody"), "{heard}");
        assert!(heard.contains(reason), "{heard}");
        assert!(!heard.contains("~> Subject"), "{heard}");
    }
    let ten: Vec<String> = people(10).collect();
    let output = submit(&ten.join(","), "to ten").await;
    assert!(output.status.success(), "{}", said(&output));
    // Had anything of the first two been taken, it would have left before this.
    for to in &ten {
        let mail = party.mail(to, |_| true).await;
        assert_eq!(mail.header("Subject").as_deref(), Some("to ten"));
    }
    let mailings = said(&party.cli(&["mailing", "list"]).await);
    assert!(mailings.contains("no mailing"), "{mailings}");
}

/// What other servers have taken for the end of a message, or for the end of a line before one.
const NEARLY_ENDS: [&[u8]; 7] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n\n.\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_smuggled_behind_another() {
    let party = Party::start().await;
    for end in NEARLY_ENDS {
        let mut dialogue = party.mx().await;
        dialogue
            .command(&format!("MAIL FROM:<{STRANGER}>"))
            .await
            .unwrap();
        dialogue
            .command(&format!("RCPT TO:<{OFFICE}>"))
            .await
            .unwrap();
        assert_eq!(dialogue.command("DATA").await.unwrap().code, 354);
        let smuggled = format!(
            "MAIL FROM:<ada@party.example>\r\nRCPT TO:<{OFFICE}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
        );
        let all = [b"Subject: outer\r\n\r\ntext", end, smuggled.as_bytes()].concat();
        dialogue.raw(&all).await.unwrap();
        let answer = dialogue.answer().await.unwrap();
        assert!(answer.code >= 500, "{end:?}: {answer}");
        // One refusal and the end: what stood behind it was never a command.
        let rest = dialogue.rest().await.unwrap();
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            !rest.contains("250") && !rest.contains("354"),
            "{end:?}: {rest}"
        );
    }
    assert_eq!(party.kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_clients_bare_line_feeds_are_refused() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    let data = "Subject: outer\n\ntext\n.\nMAIL FROM:<ada@party.example>\n";
    let arguments = [
        "--tls",
        "--from",
        STRANGER,
        "--to",
        OFFICE,
        "--no-data-fixup",
        "--data",
        data,
    ];
    let output = party.swaks("smtp", &arguments).await;
    let heard = said(&output);
    assert!(!output.status.success(), "{heard}");
    assert_eq!(party.kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dots_and_long_texts_come_through_whole() {
    let party = Party::start().await;
    let mut dialogue = party.mx().await;
    let dots = b".\r\n..\r\nSubject: dots\r\n\r\n.\r\n.hidden\r\nlast\r\n".to_vec();
    let long = [
        b"Subject: long\r\n\r\n".to_vec(),
        b"0123456789\r\n".repeat(20_000),
    ]
    .concat();
    for text in [&dots, &long] {
        let post = Post {
            from: STRANGER,
            to: &[OFFICE],
            message: text,
        };
        let answer = dialogue.post(post).await.unwrap();
        assert_eq!(answer.code, 250, "{answer}");
    }
    dialogue.quit().await;
    assert_eq!(party.kept().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_starttls_is_executed() {
    let party = Party::start().await;
    for door in ["smtp", "submission"] {
        let mut stream = TcpStream::connect(party.door(door)).await.unwrap();
        let mut heard = vec![0; 4096];
        // The greeting, then EHLO's answer, so that the next bytes stand behind STARTTLS alone.
        let _ = stream.read(&mut heard).await.unwrap();
        stream.write_all(b"EHLO client.example\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let _ = stream.read(&mut heard).await.unwrap();
        let injected = format!(
            "STARTTLS\r\nMAIL FROM:<{STRANGER}>\r\nRCPT TO:<{OFFICE}>\r\nDATA\r\nSubject: injected\r\n\r\nx\r\n.\r\n"
        );
        stream.write_all(injected.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed =
            tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{door}: the connection stays open");
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            !rest.contains("250") && !rest.contains("354") && !rest.contains("530"),
            "{door}: {rest}"
        );
    }
    // Without anything behind it, the same door works.
    let (dialogue, hello) =
        Dialogue::connect_starttls(party.door("smtp"), party.stage.trust(), HOST)
            .await
            .unwrap();
    assert_eq!(hello.code, 250);
    dialogue.quit().await;
    assert_eq!(party.kept().await, 0);
}
