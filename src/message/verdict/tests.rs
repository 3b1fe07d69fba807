//! What follows from what was found out, and how it is written down.

use super::dkim::DkimResult;
use super::results::results_field;
use super::table::Table;
use super::*;

const IP: &str = "192.0.2.1";
const PATIENCE: Duration = Duration::from_secs(60);

fn signed(domain: &str, result: DkimResult) -> DkimCheck {
    DkimCheck {
        result,
        note: "2048-bit key".to_owned(),
        domain: domain.to_owned(),
        selector: "s".to_owned(),
        algorithm: "rsa-sha256",
        beginning: "abcdefgh".to_owned(),
    }
}

fn world() -> Table {
    Table::default()
        .with("1.2.0.192.in-addr.arpa", "PTR", "mx.good.example")
        .with("mx.good.example", "A", IP)
        .with("good.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        .with("_dmarc.good.example", "TXT", "v=DMARC1; p=reject")
        .with("_dmarc.wary.example", "TXT", "v=DMARC1; p=quarantine")
        .with("silent.example", "TIMEOUT", "")
        .with("lax.silent.example", "TIMEOUT", "")
        .with(
            "_dmarc.lax.silent.example",
            "TXT",
            "v=DMARC1; p=none; psd=n",
        )
        .with("strict.silent.example", "TIMEOUT", "")
        .with(
            "_dmarc.strict.silent.example",
            "TXT",
            "v=DMARC1; p=reject; psd=n",
        )
        .with("_dmarc.silent.example", "TIMEOUT", "")
}

async fn verdict(sender: &str, from: &str, dkim: Vec<DkimCheck>) -> Verdict {
    let (table, ip) = (world(), IP.parse().unwrap());
    let helo = "mx.good.example";
    let arrived = look_at_arrival(&table, Sending { ip, helo, sender }, PATIENCE).await;
    let header = format!("Received: x\r\n{from}To: b@party.example\r\n\r\n");
    judge(&table, header.as_bytes(), arrived, dkim).await
}

async fn ruling(sender: &str, from: &str, dkim: Vec<DkimCheck>) -> Ruling {
    verdict(sender, from, dkim).await.ruling()
}

#[tokio::test]
async fn rulings() {
    let good = "From: A <a@good.example>\r\n";
    let refused = |domain: &str| Ruling::RefuseFor(domain.to_owned());
    assert_eq!(ruling("a@good.example", good, vec![]).await, Ruling::Keep);
    assert_eq!(
        ruling("x@evil.example", good, vec![]).await,
        refused("good.example")
    );
    let forged = "From: a@sub.good.example\r\n";
    assert_eq!(
        ruling("x@evil.example", forged, vec![]).await,
        refused("good.example")
    );
    let theirs = vec![signed("evil.example", DkimResult::Pass)];
    assert_eq!(
        ruling("x@evil.example", good, theirs).await,
        refused("good.example")
    );
    let ours = vec![signed("good.example", DkimResult::Pass)];
    assert_eq!(
        ruling("x@silent.example", good, ours.clone()).await,
        Ruling::Keep
    );
    let uncounted = vec![signed("good.example", DkimResult::Policy)];
    assert_eq!(
        ruling("x@evil.example", good, uncounted).await,
        refused("good.example")
    );
    let unknown = vec![signed("good.example", DkimResult::TempError)];
    assert_eq!(
        ruling("x@evil.example", good, unknown).await,
        Ruling::LaterForDns
    );
    assert_eq!(
        ruling("a@wary.example", "From: a@wary.example\r\n", vec![]).await,
        Ruling::Junk
    );
    assert_eq!(
        ruling("a@plain.example", "From: a@plain.example\r\n", vec![]).await,
        Ruling::Keep
    );
    assert_eq!(
        ruling("a@plain.example", "From: a@silent.example\r\n", vec![]).await,
        Ruling::LaterForDns
    );
}

#[tokio::test]
async fn mail_is_put_off_only_for_what_could_change_its_ruling() {
    // Nobody asks for anything, so it doesn't matter who vouches.
    for from in [
        "From: a@plain.example\r\n",
        "From: a@lax.silent.example\r\n",
        "",
    ] {
        let kept = ruling("a@lax.silent.example", from, vec![]).await;
        assert_eq!(kept == Ruling::Keep, !from.is_empty(), "{from}");
        assert!(
            !matches!(kept, Ruling::LaterForSpf | Ruling::LaterForDns),
            "{from}"
        );
    }
    let strict = "From: a@strict.silent.example\r\n";
    let sender = "a@strict.silent.example";
    assert_eq!(ruling(sender, strict, vec![]).await, Ruling::LaterForSpf);
    let ours = vec![signed("strict.silent.example", DkimResult::Pass)];
    assert_eq!(ruling(sender, strict, ours).await, Ruling::Keep);
    // It isn't aligned, whatever it would have said.
    let other = ruling("a@silent.example", "From: a@good.example\r\n", vec![]).await;
    assert_eq!(other, Ruling::RefuseFor("good.example".to_owned()));
    let dead = vec![
        signed("silent.example", DkimResult::TempError),
        signed("evil.example", DkimResult::TempError),
    ];
    let good = "From: a@good.example\r\n";
    assert_eq!(ruling("a@good.example", good, dead).await, Ruling::Keep);
}

#[tokio::test]
async fn names_that_hang_are_waited_for_no_longer_than_they_matter() {
    let mut table = world().with("4.2.0.192.in-addr.arpa", "PTR", "HANG");
    table.add("hang.example", "TXT", "HANG");
    let (ip, patience) = ("192.0.2.4".parse().unwrap(), Duration::from_millis(90));
    let (helo, sender) = ("hang.example", "a@good.example");
    let arrived = look_at_arrival(&table, Sending { ip, helo, sender }, patience).await;
    assert!(arrived.iprev == Iprev::TempError && arrived.helo == SpfResult::TempError);
    assert_eq!(arrived.sender, SpfResult::Fail);
    for (sender, domain) in [("a@HANG.example", "hang.example"), ("", "hang.example")] {
        let arrived = look_at_arrival(&table, Sending { ip, helo, sender }, patience).await;
        assert_eq!(arrived.sender, SpfResult::TempError);
        assert_eq!(arrived.helo, SpfResult::TempError);
        assert_eq!(arrived.sender_domain, domain);
    }
}

#[tokio::test]
async fn authors() {
    let junk = "From: nobody\r\n";
    assert_eq!(ruling("a@good.example", junk, vec![]).await, Ruling::Junk);
    for report in ["", "From: MAILER-DAEMON (Mail)\r\n", "X Foo: bar\r\n"] {
        assert_eq!(ruling("", report, vec![]).await, Ruling::Keep, "{report}");
    }
    let unreadable = "From: \"a b\"@bank..example, a@good.example\r\n";
    for sender in ["", "a@good.example"] {
        let ruling = ruling(sender, unreadable, vec![]).await;
        assert_eq!(ruling, Ruling::RefuseUnreadable);
    }
    // A broken line beside it neither hides the author nor costs an honest mail.
    let good = [
        "X Foo: bar\r\nFrom: a@good.example\r\n",
        "From: a@good.example\r\nno colon\r\n",
    ];
    for from in good {
        let refused = Ruling::RefuseFor("good.example".to_owned());
        for sender in ["", "x@evil.example"] {
            assert_eq!(ruling(sender, from, vec![]).await, refused, "{from}");
        }
        assert_eq!(ruling("a@good.example", from, vec![]).await, Ruling::Keep);
    }
    for several in [
        "From: a@good.example\r\nFrom: b@evil.example\r\n",
        "From: a@good.example\r\nfrom: a@good.example\r\n",
        "From: a@good.example, b@evil.example\r\n",
        "From: \"x\" <a@good.example>,\r\n <b@evil.example>\r\n",
        "From: <a@good.example> <b@evil.example>\r\n",
    ] {
        let ours = vec![signed("good.example", DkimResult::Pass)];
        assert_eq!(
            ruling("a@good.example", several, ours).await,
            Ruling::RefuseAuthors
        );
    }
    let two = "From: a@good.example, b@GOOD.example\r\n";
    assert_eq!(ruling("a@good.example", two, vec![]).await, Ruling::Keep);
}

#[tokio::test]
async fn results_are_written_down() {
    let dkim = vec![signed("good.example", DkimResult::Pass)];
    let verdict = verdict("a@good.example", "From: a@good.example\r\n", dkim).await;
    assert_eq!(
        results_field(&verdict, "mail.party.example", IP.parse().unwrap()),
        "Authentication-Results: mail.party.example;\r\n\tiprev=pass (mx.good.example) policy.iprev=192.0.2.1;\r\n\
         \tspf=none smtp.helo=mx.good.example;\r\n\tspf=pass smtp.mailfrom=good.example;\r\n\
         \tdkim=pass (2048-bit key) header.d=good.example\r\n\t header.s=s header.a=rsa-sha256 header.b=abcdefgh;\r\n\
         \tdmarc=pass (p=reject of good.example) header.from=good.example\r\n"
    );
}

#[tokio::test]
async fn nothing_of_it_is_shown() {
    let verdict = verdict("a@good.example", "From: a@good.example\r\n", vec![]).await;
    assert_eq!(format!("{verdict:?}"), "Verdict(..)");
    assert!(!format!("{:?}", verdict.dmarc).contains("good"));
}

#[test]
fn a_sender_is_believed_unless_their_own_domain_says_otherwise() {
    use DmarcResult as Dmarc;
    use SpfResult as Spf;
    // SPF, DMARC, and whether they are believed as the author, and as somebody else's postman.
    for (spf, dmarc, author, other) in [
        (Spf::Pass, None, true, true),
        (Spf::Pass, Some(Dmarc::Fail), true, true),
        (Spf::None, None, true, false),
        (Spf::Neutral, Some(Dmarc::None), true, false),
        (Spf::None, Some(Dmarc::Fail), false, false),
        (Spf::Fail, None, false, false),
        (Spf::Fail, Some(Dmarc::None), false, false),
        (Spf::SoftFail, Some(Dmarc::None), false, false),
        (Spf::Fail, Some(Dmarc::Pass), true, false),
        (Spf::TempError, None, true, false),
    ] {
        let verdict = Verdict {
            arrived: Arrived {
                iprev: Iprev::Fail,
                helo: Spf::None,
                helo_name: String::new(),
                sender: spf,
                sender_domain: "a.example".to_owned(),
                is_null: false,
            },
            dkim: Vec::new(),
            dmarc: dmarc.map(|result| DmarcCheck {
                result,
                author: "a.example".to_owned(),
                policy: Policy::None,
                policy_of: "a.example".to_owned(),
            }),
            author: Author::One("a.example".to_owned()),
        };
        let found = [true, false].map(|is_author| verdict.sender_is_believable(is_author));
        assert_eq!(found, [author, other], "{spf:?} {dmarc:?}");
    }
}

/// Who vouches for an author, where their domain says what becomes of others' mail and where it says nothing.
#[tokio::test]
async fn who_vouches_for_an_author() {
    let (here, none) = ("v=spf1 ip4:192.0.2.1 -all", vec![]);
    let table = || {
        world()
            .with("plain.example", "TXT", here)
            .with("mx.plain.example", "TXT", here)
            .with("loose.example", "TXT", here)
            .with("mx.loose.example", "TXT", here)
            .with("_dmarc.loose.example", "TXT", "v=DMARC1; p=none")
            .with("_dmarc.closed.example", "TXT", "v=DMARC1; p=none")
    };
    let by = |domain: &str| vec![signed(domain, DkimResult::Pass)];
    let wrong = |domain: &str| vec![signed(domain, DkimResult::Fail)];
    for (helo, sender, author, dkim, vouched) in [
        // No policy: SPF or a signature, of that very domain.
        (
            "x.example",
            "a@plain.example",
            "plain.example",
            none.clone(),
            true,
        ),
        (
            "x.example",
            "a@plain.example",
            "other.example",
            none.clone(),
            false,
        ),
        (
            "x.example",
            "a@plain.example",
            "sub.plain.example",
            none.clone(),
            false,
        ),
        (
            "x.example",
            "a@bare.example",
            "bare.example",
            none.clone(),
            false,
        ),
        (
            "x.example",
            "a@bare.example",
            "bare.example",
            by("bare.example"),
            true,
        ),
        (
            "x.example",
            "a@bare.example",
            "BARE.example",
            by("bare.EXAMPLE"),
            true,
        ),
        (
            "x.example",
            "a@bare.example",
            "bare.example",
            wrong("bare.example"),
            false,
        ),
        (
            "x.example",
            "a@bare.example",
            "bare.example",
            by("mail.bare.example"),
            false,
        ),
        (
            "x.example",
            "a@bare.example",
            "bare.example",
            by("other.example"),
            false,
        ),
        // No sender: the host's name vouches for nobody who writes, unless a policy says so.
        (
            "mx.plain.example",
            "",
            "mx.plain.example",
            none.clone(),
            false,
        ),
        ("mx.plain.example", "", "plain.example", none.clone(), false),
        ("mx.loose.example", "", "loose.example", none.clone(), true),
        ("x.example", "", "plain.example", by("plain.example"), true),
        // A policy: what it takes for enough, the domains above and below as well.
        (
            "x.example",
            "a@loose.example",
            "loose.example",
            none.clone(),
            true,
        ),
        (
            "x.example",
            "a@plain.example",
            "loose.example",
            none.clone(),
            false,
        ),
        (
            "x.example",
            "a@bare.example",
            "closed.example",
            by("mail.closed.example"),
            true,
        ),
        (
            "x.example",
            "a@bare.example",
            "closed.example",
            by("other.example"),
            false,
        ),
        (
            "x.example",
            "a@closed.example",
            "closed.example",
            none.clone(),
            false,
        ),
    ] {
        let (table, ip) = (table(), IP.parse().unwrap());
        let arrived = look_at_arrival(&table, Sending { ip, helo, sender }, PATIENCE).await;
        let header = format!("From: a@{author}\r\n\r\n");
        let count = dkim.len();
        let verdict = judge(&table, header.as_bytes(), arrived, dkim).await;
        assert_eq!(
            verdict.vouches_for_author(),
            vouched,
            "{helo}, <{sender}>, {count} signatures: {author}"
        );
    }
}
