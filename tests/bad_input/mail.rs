//! Mail that is too large, too deep or too wide, and a disk that is full.

use super::*;

/// A staff member's or a stranger's conversation that goes through MAIL and RCPT, to DATA.
async fn to_data(party: &Party, to: &str) -> Dialogue {
    let mut mx = party.mx().await;
    assert_eq!(
        mx.command(&format!("MAIL FROM:<{STRANGER}>"))
            .await
            .unwrap()
            .code,
        250
    );
    assert_eq!(
        mx.command(&format!("RCPT TO:<{to}>")).await.unwrap().code,
        250
    );
    mx
}

const HUNDRED: usize = 100 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_too_large_deep_or_wide_is_refused_or_taken_whole() {
    let addresses: Vec<_> = (0..150).map(|n| format!("desk{n}@party.example")).collect();
    let desks: Vec<_> = addresses.chunks(75).enumerate().collect();
    let desks: Vec<_> = desks
        .iter()
        .map(|(n, some)| format!("[mailbox.desks{n}]\ntitle = \"Desks\"\naddresses = {some:?}\n"))
        .collect();
    let party = Party::start_with(vec![("", desks.concat())]).await;

    // A hundred megabytes, said at once.
    let mut mx = party.mx().await;
    let answer = mx
        .command(&format!("MAIL FROM:<{STRANGER}> SIZE={HUNDRED}"))
        .await
        .unwrap();
    assert_eq!(answer.code, 552, "{answer}");
    mx.quit().await;
    // Or not said: all of it is sent, and refused at its end, or the connection is closed before.
    let mut mx = to_data(&party, OFFICE).await;
    assert_eq!(mx.command("DATA").await.unwrap().code, 354);
    let line = [b"x".repeat(998), b"\r\n".to_vec()].concat();
    let block = line.repeat(1000);
    let mut sent = 0;
    while sent < HUNDRED && mx.raw(&block).await.is_ok() {
        sent += block.len();
    }
    let _ = mx.raw(b".\r\n").await;
    let answer = mx.answer().await.unwrap();
    assert_eq!(answer.code, 552, "{answer}");
    // By BDAT, of which the first chunk says how long it is.
    let mut mx = to_data(&party, OFFICE).await;
    mx.raw(format!("BDAT {HUNDRED} LAST\r\n").as_bytes())
        .await
        .unwrap();
    let answer = mx.answer().await.unwrap();
    assert_eq!(answer.code, 552, "{answer}");
    drop(mx);
    // By many chunks, each small.
    let mut mx = to_data(&party, OFFICE).await;
    let chunk = [
        format!("BDAT {}\r\n", block.len()).into_bytes(),
        block.clone(),
    ]
    .concat();
    let mut last = 250;
    for _ in 0..HUNDRED / block.len() {
        mx.raw(&chunk).await.unwrap();
        last = mx.answer().await.unwrap().code;
        if last != 250 {
            break;
        }
    }
    assert_eq!(last, 552);
    drop(mx);
    assert_eq!(party.kept().await, 0, "nothing of them is kept");

    // Ten thousand recipients on one mail.
    let mut mx = party.mx().await;
    assert_eq!(
        mx.command(&format!("MAIL FROM:<{STRANGER}>"))
            .await
            .unwrap()
            .code,
        250
    );
    let many: String = (0..10_000)
        .map(|n| format!("RCPT TO:<{}>\r\n", addresses[n % addresses.len()]))
        .collect();
    let mut codes = std::collections::BTreeMap::new();
    let mut closed = false;
    for part in many.as_bytes().chunks(30 * 100) {
        if mx.raw(part).await.is_err() {
            closed = true;
            break;
        }
    }
    for _ in 0..10_000 {
        let Ok(answer) = mx.answer().await else {
            closed = true;
            break;
        };
        *codes.entry(answer.code).or_insert(0) += 1;
        if answer.code == 421 {
            closed = true;
            break;
        }
    }
    assert!(codes[&250] <= 100, "{codes:?}");
    assert!(
        codes.keys().all(|code| [250, 421, 452].contains(code)),
        "{codes:?}"
    );
    assert!(closed || codes.contains_key(&452), "{codes:?}");

    // Ten thousand parts, and ten thousand deep: to a mailbox, as they are; to a list, refused with the reason.
    let wide = {
        let part = "--b\r\nContent-Type: text/plain\r\n\r\na\r\n".repeat(10_000);
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}--b--\r\n")
    };
    let deep: String = (0..10_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .chain(["\r\na\r\n".to_owned()])
        .collect();
    let rfc822 = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000) + "\r\na\r\n";
    for (n, body) in [wide, deep, rfc822].iter().enumerate() {
        let before = party.kept().await;
        let message = format!("From: {STRANGER}\r\nSubject: a\r\nMIME-Version: 1.0\r\n{body}");
        let mut mx = party.mx().await;
        let post = Post {
            from: STRANGER,
            to: &[OFFICE],
            message: message.as_bytes(),
        };
        let answer = mx.post(post).await.unwrap();
        let kept = party.kept().await - before;
        assert!(
            (answer.code, kept) == (250, 1) || answer.code >= 500 && kept == 0,
            "{n}: {answer}, {kept}"
        );
        mx.quit().await;
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
        let message = format!(
            "From: {OFFICE}\r\nTo: news@party.example\r\nDate: {date}\r\nSubject: a\r\nMIME-Version: 1.0\r\n{body}"
        );
        let answer = party
            .submit(&["news@party.example"], message.as_bytes())
            .await;
        assert!((500..600).contains(&answer.code), "{n}: {answer}");
        assert!(answer.lines.concat().len() > 20, "it says why: {answer}");
    }
    // It is all there, and the house stands.
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let mut mx = party.mx().await;
    let message = letter("still there");
    let post = Post {
        from: STRANGER,
        to: &[OFFICE],
        message: &message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    let log = fs::read_to_string(support::party::log()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_mail_is_put_off_nothing_is_sent_and_nothing_lost() {
    let Some(disk) = SmallDisk::mount("24m") else {
        return;
    };
    let place = disk.path().join("party");
    // Without a reserve, so that mail fills it to the last byte.
    let party = Party::start_as(|plan| {
        plan.directory = Some(place);
        plan.more
            .push(("limits", "disk_reserve = \"0 MiB\"".into()));
    })
    .await;
    let data = party.stage.data().to_owned();
    // A mail waits for its next try.
    party.outside.refuse(At::Mail, "451 4.7.1 come back later");
    let to = "friend@elsewhere.example";
    let message = format!(
        "From: {}\r\nTo: {to}\r\nSubject: a\r\n\r\nwaiting\r\n",
        party.sender.address
    );
    assert_eq!(party.submit(&[to], message.as_bytes()).await.code, 250);
    until("the first try", async || {
        let rows = party.socket().ask(queue::List {}).await.unwrap().rows;
        rows.iter().any(|row| row.attempts > 0)
    })
    .await;
    party.outside.behave();

    // Mails come in over four connections while the disk fills up.
    let before = party.kept().await;
    let ballast = Ballast::fill(&data);
    let accepted = AtomicU64::new(0);
    let body = [
        letter("full"),
        b"a line of a mail that fills the disk up\r\n".repeat(2500),
    ]
    .concat();
    let intake = async || {
        loop {
            let Ok((mut mx, _)) =
                Dialogue::connect_starttls(party.door("smtp"), party.stage.trust(), HOST).await
            else {
                // Greeted with 421.
                return 421;
            };
            let post = Post {
                from: STRANGER,
                to: &[OFFICE],
                message: &body,
            };
            match mx.post(post).await {
                Ok(answer) if answer.code == 250 => {
                    accepted.fetch_add(1, Relaxed);
                }
                Ok(answer) => return answer.code,
                Err(_) => return 421,
            }
        }
    };
    let (a, b, c, d) = tokio::join!(intake(), intake(), intake(), intake());
    for code in [a, b, c, d] {
        assert!((400..500).contains(&code), "{code}");
    }
    // Until not even a line has room: free pages inside the file are used up, too.
    for size in [20_000, 2_000, 10] {
        let message = [letter("full"), vec![b'x'; size]].concat();
        loop {
            let mut mx = party.mx().await;
            let post = Post {
                from: STRANGER,
                to: &[OFFICE],
                message: &message,
            };
            let answer = mx.post(post).await.unwrap();
            if answer.code != 250 {
                assert!((400..500).contains(&answer.code), "{answer}");
                break;
            }
            accepted.fetch_add(1, Relaxed);
        }
    }
    let status = said(&party.cli(&["status"]).await);
    assert!(status.contains("nearly full"), "{status}");
    // Pages say "later" and a command says why, unless what little they write has room.
    let page = party.browser().get("/").await.unwrap();
    let form = page.form().unwrap();
    party.clock.advance(SignedDuration::from_secs(2)).unwrap();
    let form = support::party::filled(form, "new@elsewhere.example", "", &["news"]);
    let page = party.browser().submit(&form).await.unwrap();
    assert!(
        [200, 503].contains(&page.status.as_u16()),
        "{}",
        page.heading()
    );
    let add = [
        "staff",
        "add",
        "cy",
        "--address",
        "cy@party.example",
        "--role",
        "reader",
    ];
    let output = party.cli(&add).await;
    let text = said(&output);
    assert!(
        output.status.success() || text.contains("full") && text.contains("free some space"),
        "{text}"
    );
    // The waiting mail is due. It goes if what becomes of it can be written down, else it waits.
    party.clock.advance(SignedDuration::from_hours(3)).unwrap();

    drop(ballast);
    let mut mx = party.mx().await;
    let message = letter("room again");
    let post = Post {
        from: STRANGER,
        to: &[OFFICE],
        message: &message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    party.clock.advance(SignedDuration::from_hours(3)).unwrap();
    party.mail(to, |mail| mail.contains("waiting")).await;
    let accepted = accepted.load(Relaxed);
    assert_eq!(
        party.kept().await,
        before + accepted + 1,
        "what was answered 250 is there"
    );
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(party.outside.inbox().to(to).len(), 1, "once");
    drop(party);
}
