//! Mail that staff hand over, as the world gets it: signed, without a word of their computer, to no more people than a list
//! would be needed for; and what its sender is told of it (RFC 3461).

use std::time::{Duration, Instant};

use crate::support::outside::{Act, At};
use crate::support::party::{Party, needs_swaks, said};
use hustings::address::EmailAddress;
use hustings::daemon::sandbox::peer::{Answer, Dialogue};
use hustings::daemon::sandbox::stage::HOST;
use jiff::SignedDuration;

const ADA: &str = "ada@party.example";
const BEN: &str = "ben@party.example";
const OUTSIDE: &str = "someone@elsewhere.example";
/// How long a mail may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

fn mail(to: &str, subject: &str) -> String {
    format!(
        "From: Ada <{ADA}>\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nThey are at the office.\r\n"
    )
}

/// Ada's program, logged in.
async fn program(party: &Party) -> Dialogue {
    let door = party.door("submissions");
    let connecting = Dialogue::connect_secured(door, party.stage.trust(), HOST);
    let (mut dialogue, _) = connecting.await.unwrap();
    dialogue.command("EHLO desk-7.home.example").await.unwrap();
    let by = &party.sender;
    let answer = dialogue.log_in(by.name, &by.password).await.unwrap();
    assert_eq!(answer.code, 235, "{answer}");
    dialogue
}

/// Hands a mail over with parameters of its own; the last answer, or the first that is none of a success.
async fn hand_over(party: &Party, mail_from: &str, to: &[&str], message: &str) -> Answer {
    let mut dialogue = program(party).await;
    let mut lines = vec![format!("MAIL FROM:<{ADA}>{mail_from}")];
    lines.extend(to.iter().map(|to| format!("RCPT TO:{to}")));
    lines.push("DATA".to_owned());
    for line in lines {
        let answer = dialogue.command(&line).await.unwrap();
        if answer.code >= 400 {
            return answer;
        }
    }
    dialogue
        .raw(format!("{message}.\r\n").as_bytes())
        .await
        .unwrap();
    let answer = dialogue.answer().await.unwrap();
    dialogue.quit().await;
    answer
}

/// Somebody's mail, as text.
async fn inbox(party: &Party, whose: &str) -> Vec<String> {
    let rooms = party.rooms();
    let address = EmailAddress::parse(whose).unwrap();
    let owner = rooms.staff.roll().by_address(&address).unwrap().id;
    let kept = rooms.store.entries(owner.into(), 1000).await.unwrap();
    let mut all = Vec::new();
    for entry in kept {
        let whole = rooms.store.body(entry.message).read_whole(1 << 22).await;
        all.push(String::from_utf8_lossy(&whole.unwrap()).into_owned());
    }
    all
}

/// Waits until a mail of hers fits.
async fn notice(party: &Party, fits: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = inbox(party, ADA).await.into_iter().find(|mail| fits(mail));
        if let Some(mail) = found {
            return mail;
        }
        assert!(Instant::now() < deadline, "no notice came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until nothing is queued.
async fn all_gone(party: &Party) {
    let deadline = Instant::now() + PATIENCE;
    while party.rooms().store.count_queue().await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "it is still queued");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_told_that_it_arrived() {
    let party = Party::start().await;
    let to = [
        format!("<{OUTSIDE}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;some+2Bone@elsewhere.example"),
        format!("<{BEN}> NOTIFY=SUCCESS"),
        "<quiet@elsewhere.example>".to_owned(),
    ];
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let text = mail(OUTSIDE, "leaflets");
    let taken = hand_over(&party, " RET=HDRS ENVID=QQ+2B314", &to, &text).await;
    assert_eq!(taken.code, 250, "{taken}");

    let delivered = notice(&party, |mail| mail.contains("Action: delivered")).await;
    for line in [
        "Original-Envelope-Id: QQ+314\r\n",
        "Final-Recipient: rfc822; ben@party.example\r\n",
        "Status: 2.0.0\r\n",
        "Subject: Delivered: leaflets\r\n",
    ] {
        assert!(delivered.contains(line), "{line} in {delivered}");
    }
    let relayed = notice(&party, |mail| mail.contains("Action: relayed")).await;
    for line in [
        "Original-Envelope-Id: QQ+314\r\n",
        "Original-Recipient: rfc822;some+one@elsewhere.example\r\n",
        "Final-Recipient: rfc822; someone@elsewhere.example\r\n",
        "does not tell of delivery",
        "Subject: leaflets\r\n",
    ] {
        assert!(relayed.contains(line), "{line} in {relayed}");
    }
    assert!(!relayed.contains("at the office"), "the header alone");
    all_gone(&party).await;
    assert_eq!(inbox(&party, ADA).await.len(), 2, "who asks for it alone");
    let came = party.mail(OUTSIDE, |_| true).await;
    assert!(!came.parameters.contains("NOTIFY"), "{}", came.parameters);

    // On port 25 no report is promised: nobody outside is ever sent one.
    let mut stranger = party.mx().await;
    let refused = stranger
        .command("MAIL FROM:<x@elsewhere.example> RET=HDRS")
        .await;
    assert_eq!(refused.unwrap().code, 555);
}

/// However the one at home is written, and whatever stands in the header.
#[tokio::test(flavor = "multi_thread")]
async fn one_notice_tells_of_all_who_are_at_home() {
    let party = Party::start().await;
    let to: Vec<String> = ["ben", "ben+1", "BEN+2", "ada", "ada+x"]
        .iter()
        .map(|name| format!("<{name}@party.example> NOTIFY=SUCCESS"))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let long = "leaflets ".repeat(100) + &"\r\n leaflets and more leaflets".repeat(2000);
    let taken = hand_over(&party, "", &to, &mail(BEN, &long)).await;
    assert_eq!(taken.code, 250, "{taken}");
    let is_notice = |mail: &&String| mail.contains("Action: delivered");
    let found = inbox(&party, ADA).await;
    let notices: Vec<_> = found.iter().filter(is_notice).collect();
    assert_eq!(notices.len(), 1, "{}", found.len());
    assert_eq!(notices[0].matches("Final-Recipient: ").count(), 2);
    assert!(notices[0].len() < 16 * 1024, "{}", notices[0].len());
}

/// It is asked for where it is needed, whatever the sender's program said.
#[tokio::test(flavor = "multi_thread")]
async fn smtputf8_is_what_the_mail_needs() {
    let party = Party::start().await;
    let to = format!("<{OUTSIDE}>");
    let raw = mail(OUTSIDE, "S\u{ee}an");
    let taken = hand_over(&party, "", &[&to], &raw).await;
    assert_eq!(taken.code, 250, "{taken}");
    let came = party.mail(OUTSIDE, |_| true).await;
    assert!(came.parameters.contains("SMTPUTF8"), "{}", came.parameters);

    // Many programs always say it.
    let other = "other@elsewhere.example";
    party.outside.without_utf8();
    let plain = mail(other, "plain");
    let taken = hand_over(&party, " SMTPUTF8", &[&format!("<{other}>")], &plain).await;
    assert_eq!(taken.code, 250, "{taken}");
    let came = party.mail(other, |_| true).await;
    assert!(!came.parameters.contains("SMTPUTF8"), "{}", came.parameters);

    let twice = mail(OUTSIDE, "one").replace("Subject:", "Subject: two\r\nSubject:");
    let refused = hand_over(&party, "", &[&to], &twice).await.to_string();
    assert!(refused.starts_with("554 5.6.0"), "{refused}");
    assert!(refused.contains("Subject twice"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_tells_is_left_to_tell() {
    let party = Party::start().await;
    party.outside.with_dsn();
    let to = format!("<{OUTSIDE}> NOTIFY=SUCCESS ORCPT=rfc822;a+2Bb@elsewhere.example");
    let text = mail(OUTSIDE, "leaflets");
    let taken = hand_over(&party, " RET=FULL ENVID=x", &[&to], &text).await;
    assert_eq!(taken.code, 250, "{taken}");
    let came = party.mail(OUTSIDE, |_| true).await;
    for said in [
        " RET=FULL ENVID=x",
        " NOTIFY=SUCCESS ORCPT=rfc822;a+2Bb@elsewhere.example",
    ] {
        assert!(came.parameters.contains(said), "{}", came.parameters);
    }
    all_gone(&party).await;
    assert_eq!(inbox(&party, ADA).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_as_was_asked() {
    let party = Party::start().await;
    let dead = Act::Reply("550 5.1.1 nobody of that name".to_owned());
    for who in ["never", "usual", "whole"] {
        let address = format!("{who}@elsewhere.example");
        party
            .outside
            .for_address(At::Recipient, &address, dead.clone());
    }
    let text = mail(OUTSIDE, "quiet");
    let never = ["<never@elsewhere.example> NOTIFY=NEVER"];
    let taken = hand_over(&party, "", &never, &text).await;
    assert_eq!(taken.code, 250, "{taken}");
    all_gone(&party).await;
    assert_eq!(inbox(&party, ADA).await.len(), 0, "NEVER");

    let text = mail(OUTSIDE, "usual");
    hand_over(&party, "", &["<usual@elsewhere.example>"], &text).await;
    let told = notice(&party, |mail| mail.contains("Not delivered: usual")).await;
    assert!(told.contains("text/rfc822-headers") && !told.contains("at the office"));
    let text = mail(OUTSIDE, "whole");
    let whole = ["<whole@elsewhere.example> NOTIFY=FAILURE"];
    hand_over(&party, " RET=FULL", &whole, &text).await;
    let told = notice(&party, |mail| mail.contains("Not delivered: whole")).await;
    assert!(told.contains("message/rfc822") && told.contains("at the office"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mail_to_many_is_not_cut_up() {
    let per_hour = ("staff", "outside_per_hour = 12".to_owned());
    let party = Party::start_with(vec![per_hour]).await;
    let person = |n: usize| format!("p{n}@elsewhere.example");
    // What the header names counts, whatever the envelope says.
    let eleven: Vec<String> = (0..11).map(person).collect();
    let to_all = mail(&eleven.join(", "), "all of you");
    let refused = hand_over(&party, "", &["<p0@elsewhere.example>"], &to_all).await;
    let text = refused.to_string();
    assert!(text.starts_with("550 5.7.1"), "{text}");
    assert!(text.contains("10 at most") && text.contains("use a list"));

    // Nor does it help to name nobody, and to send many mails.
    let hidden = mail("undisclosed-recipients:;", "all of you");
    for n in 0..12 {
        let to = format!("<{}>", person(n));
        let taken = hand_over(&party, "", &[&to], &hidden).await;
        assert_eq!(taken.code, 250, "{n}: {taken}");
    }
    let refused = hand_over(&party, "", &["<p12@elsewhere.example>"], &hidden).await;
    let text = refused.to_string();
    assert!(text.starts_with("450 4.7.1"), "{text}");
    assert!(text.contains("outside_per_hour") && text.contains("use a list"));
    let again = hand_over(&party, "", &["<p3@elsewhere.example>"], &hidden).await;
    assert_eq!(again.code, 250, "somebody whom she wrote to: {again}");
    let inside = hand_over(&party, "", &[&format!("<{BEN}>")], &hidden).await;
    assert_eq!(inside.code, 250, "{inside}");
    party.clock.advance(SignedDuration::from_mins(61)).unwrap();
    let later = hand_over(&party, "", &["<p12@elsewhere.example>"], &hidden).await;
    assert_eq!(later.code, 250, "{later}");
}

/// With a real program, over 587.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_leaves_signed_and_without_a_word_of_where_from() {
    if !needs_swaks() {
        return;
    }
    let party = Party::start().await;
    let password = party.sender.password.as_str();
    let log_in = [
        "--auth",
        "PLAIN",
        "--auth-user",
        ADA,
        "--auth-password",
        password,
    ];
    let data = format!(
        "From: Ada <ada+leaflets@party.example>, {ADA}\\nTo: {OUTSIDE}\\nBcc: hidden@elsewhere.example\\n\
         Subject: leaflets\\nUser-Agent: Program 7\\nX-Originating-IP: 192.0.2.7\\n\
         Received: from desk-7 [192.0.2.7]\\n\\nThey are here.\\n"
    );
    let to = format!("{OUTSIDE},hidden@elsewhere.example");
    let envelope = ["--tls", "--from", "ada+leaflets@party.example", "--to", &to];
    let more = ["--data", &data, "--ehlo", "desk-7.home.example"];
    let output = party
        .swaks("submission", &[&log_in[..], &envelope, &more].concat())
        .await;
    assert!(output.status.success(), "{}", said(&output));
    for to in [OUTSIDE, "hidden@elsewhere.example"] {
        let mail = party.mail(to, |_| true).await;
        let text = String::from_utf8(mail.message()).unwrap();
        let (header, _) = text.split_once("\r\n\r\n").unwrap();
        for there in [
            "DKIM-Signature: ",
            "d=party.example",
            "-staff",
            "\r\nDate: ",
            "\r\nMessage-ID: <",
            "\r\nSender: <ada+leaflets@party.example>",
        ] {
            assert!(header.contains(there), "{there} in {header}");
        }
        for gone in [
            "192.0.2.7",
            "127.0.0.1",
            "desk-7",
            "Program 7",
            "Bcc",
            "hidden@",
        ] {
            assert!(!header.contains(gone), "{gone} in {header}");
        }
        assert_eq!(mail.reverse_path, "ada+leaflets@party.example");
    }
}

/// RFC 5321 §4.4: the first server leaves its stamp. It says nothing of the client.
#[tokio::test(flavor = "multi_thread")]
async fn what_staff_send_carries_our_stamp_and_none_of_theirs() {
    let party = Party::start().await;
    let theirs = "Received: from desk-7.home.example ([192.0.2.7])\r\n\tby desk-7;\r\n";
    let text = format!("{theirs}{}", mail(OUTSIDE, "leaflets"));
    let taken = hand_over(
        &party,
        "",
        &[&format!("<{OUTSIDE}>"), &format!("<{BEN}>")],
        &text,
    )
    .await;
    assert_eq!(taken.code, 250, "{taken}");
    let sent = party.mail(OUTSIDE, |_| true).await;
    let sent = String::from_utf8(sent.message()).unwrap();
    let kept = inbox(&party, BEN).await;
    let [kept] = &kept[..] else {
        panic!("one mail");
    };
    let stamp = format!("Received: by {HOST} with ESMTPSA\r\n\tid ");
    for mail in [&sent, kept] {
        let (header, _) = mail.split_once("\r\n\r\n").unwrap();
        assert_eq!(header.matches("Received:").count(), 1, "{header}");
        assert!(header.contains(&stamp), "{header}");
        let tls = header.contains(" tls TLS_") || header.contains(" tls TLS13_");
        assert!(tls && header.contains(" +0000\r\n"), "{header}");
        for gone in ["192.0.2.7", "127.0.0.1", "desk-7", "home.example"] {
            assert!(!header.contains(gone), "{gone} in {header}");
        }
    }
    assert!(kept.starts_with("Received: by "), "{kept}");
    // Our own stamp is no hop that makes a loop; theirs count.
    let many = |hops: usize| format!("{}{}", "Received: x\r\n".repeat(hops), mail(BEN, "loop"));
    let to = format!("<{BEN}>");
    let looped = hand_over(&party, "", &[&to], &many(100)).await;
    assert_eq!(looped.code, 554, "{looped}");
    let taken = hand_over(&party, "", &[&to], &many(99)).await;
    assert_eq!(taken.code, 250, "{taken}");
}
