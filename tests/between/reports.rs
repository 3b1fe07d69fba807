//! Reports between servers: ours on TLS go out, those of others come in and are shown.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::support::authority::self_signed;
use crate::support::collector::Collector;
use crate::support::party::said;
use crate::support::world::World;
use base64::Engine as _;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hickory_server::proto::rr::RecordType;
use hustings::daemon::sandbox::peer::{Answer, Post};
use hustings::daemon::sandbox::stage::HOST;
use hustings::delivery::policy::results::{PolicyKind, Tally};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(60);

async fn world() -> World {
    let patience = ("incoming", "patience = \"3s\"\n".to_owned());
    World::with("", vec![patience]).await
}

/// What these stories ask of it.
impl World {
    /// Publishes an MTA-STS policy that is to be enforced.
    async fn enforces(&self, domain: &str) {
        let mx = format!("mx.{domain}");
        self.policy(domain, "1", "enforce", &mx, 86_400).await;
    }

    /// Until an hour of the next day by which every report of this day is due.
    fn next_morning(&self) {
        let day = SignedDuration::from_hours(24);
        let now = self.party.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
        let midnight = now.date().tomorrow().unwrap();
        let midnight = midnight.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let wait = midnight.timestamp().duration_since(now.timestamp());
        assert!(wait <= day);
        self.later(wait + SignedDuration::from_hours(4));
    }

    /// Posts to our own address for reports.
    async fn post(&self, kind: &str, body: &[u8]) -> String {
        let stream = TcpStream::connect(self.party.door("https")).await.unwrap();
        let mut stream = self.party.stage.trust().secure(stream, HOST).await.unwrap();
        let head = format!(
            "POST /tls-reports HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        // The far end may close without a word.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A mail from far.test comes in to the address for reports.
    async fn comes(&self, message: &[u8]) -> Answer {
        let mut mx = self.party.mx().await;
        let post = Post {
            from: "reports@far.test",
            to: &["dmarc@party.example"],
            message,
        };
        mx.post(post).await.unwrap()
    }

    /// `dns reports`, as JSON.
    async fn reports(&self) -> Vec<Value> {
        let output = self.party.cli(&["--json", "dns", "reports"]).await;
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn unpacked(packed: &[u8]) -> Value {
    let mut json = String::new();
    GzDecoder::new(packed).read_to_string(&mut json).unwrap();
    assert!(!json.contains("ada") && !json.contains("bo@"), "{json}");
    serde_json::from_str(&json).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_hears_the_next_day_how_tls_fared() {
    let mut world = world().await;
    let vouched = world.authority.vouch("mx.far.test");
    let far = world.serves("far.test", vouched).await;
    far.without_starttls();
    // Its own mail would not get there: it asks for proof, and its server has none.
    let near = world.serves("near.test", self_signed("mx.near.test")).await;
    world.enforces("near.test").await;
    let collector = Collector::start(&world.authority, "reports.far.test").await;
    world.zone.address_of("reports.far.test", "127.0.0.1").await;
    let record = format!(
        "v=TLSRPTv1; rua=https://reports.far.test:{}/in?x=1,mailto:tls@near.test",
        collector.port()
    );
    world.zone.txt("_smtp._tls.far.test", &record).await;
    collector.next_answer("503 Not now");
    collector.next_answer("302 Found\r\nLocation: https://reports.far.test/elsewhere");

    world.write("far.test").await;
    until("a connection failed", async || {
        !world
            .tally("far.test", PolicyKind::None)
            .failures
            .is_empty()
    })
    .await;
    let failed = world.tally("far.test", PolicyKind::None);
    world.party.start_again().await;
    let kept = world.tally("far.test", PolicyKind::None);
    assert!(
        kept.failures.values().sum::<u64>() >= failed.failures.values().sum::<u64>(),
        "a restart loses nothing: {kept:?}"
    );
    assert!(collector.posted().is_empty(), "the day is not over");

    world.next_morning();
    let posts = async |count: usize| {
        until("a report is posted", async || {
            collector.posted().len() >= count
        })
        .await;
    };
    posts(1).await;
    // What isn't taken, and a redirection, are tried again.
    world.later(SignedDuration::from_mins(16));
    posts(2).await;
    world.later(SignedDuration::from_mins(61));
    posts(3).await;
    let posted = collector.posted();
    let reports: Vec<Value> = posted.iter().map(|one| unpacked(&one.body)).collect();
    assert!(reports.iter().all(|report| *report == reports[0]));
    for one in &posted {
        assert!(one.head.starts_with("post /in?x=1 http/1.1\r\n"));
        assert!(
            one.head
                .contains("content-type: application/tlsrpt+gzip\r\n")
        );
    }
    let policy = &reports[0]["policies"][0];
    assert_eq!(policy["policy"]["policy-domain"], "far.test");
    assert_eq!(policy["policy"]["policy-type"], "no-policy-found");
    let failure = &policy["failure-details"][0];
    assert_eq!(failure["result-type"], "starttls-not-supported");
    assert_eq!(failure["receiving-mx-hostname"], "mx.far.test");
    assert!(policy["summary"]["total-failure-session-count"].as_u64() >= Some(1));

    // The same by mail, over TLS, though its server can't prove itself; and no report tells of that.
    let mail = near.inbox().wait_for(|mail| mail.is_to("tls@near.test"));
    let mail = tokio::time::timeout(SOON, mail).await.unwrap();
    assert!(mail.tls.starts_with("TLS"), "{}", mail.tls);
    assert_eq!(mail.reverse_path, "");
    assert_eq!(mail.header("TLS-Report-Domain").unwrap(), "far.test");
    let submitter = mail.header("TLS-Report-Submitter").unwrap();
    assert_eq!(submitter, "party.example");
    let signature = mail.header("DKIM-Signature").unwrap();
    let signature: String = signature.split_whitespace().collect();
    assert!(signature.contains("d=party.example;"), "{signature}");
    assert!(signature.contains(":TLS-Report-Submitter"), "{signature}");
    let kind = mail.header("Content-Type").unwrap();
    assert!(kind.contains("report-type=\"tlsrpt\""), "{kind}");
    for kind in [PolicyKind::None, PolicyKind::Sts] {
        assert_eq!(world.tally("near.test", kind), Tally::default());
    }
    let all = near.inbox().all();
    assert_eq!(
        all.len(),
        1,
        "one mail, however often the other way was tried"
    );
    // Other mail to that server is held to its policy, and that is counted.
    world.write("near.test").await;
    until("the policy is kept to", async || {
        !world
            .tally("near.test", PolicyKind::Sts)
            .failures
            .is_empty()
    })
    .await;
    // It is done with: the day is gone from the disk.
    let rooms = world.party.rooms();
    until("the day is done with", async || {
        let days = rooms.store.tls_days(Timestamp::MIN, Timestamp::MAX, 99);
        let days = days.await.unwrap();
        let today = world.party.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
        days.iter().all(|day| day.record.day == today.date())
    })
    .await;
    assert_eq!(collector.posted().len(), 3);

    // Nobody asks any more: it is dropped without a word.
    world
        .zone
        .remove("_smtp._tls.far.test", RecordType::TXT)
        .await;
    world.next_morning();
    until("that day is dropped", async || {
        let now = world.party.clock.now();
        let days = rooms.store.tls_days(Timestamp::MIN, now, 99);
        days.await.unwrap().is_empty()
    })
    .await;
    assert_eq!(collector.posted().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_report_is_kept_shown_and_forgotten() {
    let world = world().await;
    world
        .zone
        .txt("far.test", "v=spf1 ip4:127.0.0.1 -all")
        .await;
    world
        .zone
        .txt("_dmarc.far.test", "v=DMARC1; p=reject")
        .await;

    // Where others find the way.
    let records = world.party.cli(&["dns", "records", "--zone"]).await;
    let records = said(&records);
    for line in [
        "_smtp._tls.party.example. IN TXT \"v=TLSRPTv1; rua=https://",
        "/tls-reports\"",
        "rua=mailto:dmarc@party.example\"",
    ] {
        assert!(records.contains(line), "{line}: {records}");
    }

    let tls = r#"{"organization-name":"Far & Co","date-range":{"start-datetime":"2026-11-20T00:00:00Z",
        "end-datetime":"2026-11-20T23:59:59Z"},"contact-info":"tls@far.test","report-id":"r1","policies":[{
        "policy":{"policy-type":"sts","policy-string":[],"policy-domain":"party.example"},
        "summary":{"total-successful-session-count":40,"total-failure-session-count":3},
        "failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mail.party.example",
        "failed-session-count":3}]}]}"#;
    let gzipped = "application/tlsrpt+gzip";
    let answer = world.post(gzipped, &gzip(tls.as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let again = world.post("application/tlsrpt+json", tls.as_bytes()).await;
    assert!(again.starts_with("HTTP/1.1 200"), "{again}");
    let bad = world.post(gzipped, b"nonsense").await;
    assert!(bad.starts_with("HTTP/1.1 400"), "{bad}");

    let xml = "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>far.test</org_name>\
        <email>reports@far.test</email><report_id>d1</report_id><date_range><begin>1795132800</begin>\
        <end>1795219199</end></date_range></report_metadata><policy_published><domain>party.example</domain>\
        <p>quarantine</p></policy_published><record><row><source_ip>203.0.113.9</source_ip><count>7</count>\
        <policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>\
        <identifiers><header_from>party.example</header_from></identifiers><auth_results><spf><domain>bulk.test</domain>\
        <result>pass</result></spf></auth_results></record></feedback>";
    let packed = base64::engine::general_purpose::STANDARD.encode(gzip(xml.as_bytes()));
    let report = format!(
        "From: reports@far.test\r\nTo: dmarc@party.example\r\nSubject: Report Domain: party.example\r\n\
         MIME-Version: 1.0\r\nContent-Type: application/gzip; name=\"far.test!party.example!1!2.xml.gz\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{packed}\r\n"
    );
    let answer = world.comes(report.as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    let words = b"From: reports@far.test\r\nTo: dmarc@party.example\r\nSubject: hello\r\n\r\nAnybody there?\r\n";
    let answer = world.comes(words).await;
    assert_eq!(answer.code, 550, "{answer}");
    assert!(answer.to_string().contains("postmaster"), "{answer}");
    assert_eq!(world.party.kept().await, 0, "nobody's mailbox fills up");

    let shown = said(&world.party.cli(&["dns", "reports"]).await);
    for part in [
        "203.0.113.0/24",
        "SPF fail, DKIM fail; taken for junk; sent by bulk.test",
        "certificate-expired (sts)",
        "Far & Co (unproven)",
        "1 report on mail (DMARC), 1 report on TLS.",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let rows = world.reports().await;
    let counts: Vec<_> = rows
        .iter()
        .map(|row| (row["passes"].as_bool(), row["count"].as_u64()))
        .collect();
    let expected = [
        (Some(false), Some(7)),
        (Some(false), Some(3)),
        (Some(true), Some(40)),
        (None, None),
    ];
    assert_eq!(counts, expected, "what fails comes first: {rows:?}");
    assert_eq!(rows[0]["unproven"], false, "SPF vouches for far.test");
    let status = world.party.cli(&["--json", "status"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["work"]["reports"]["kept"], 2, "{status}");

    world.later(SignedDuration::from_hours(24 * 91));
    let rooms = world.party.rooms();
    until("they are forgotten", async || {
        rooms.store.count_reports(Timestamp::MIN).await.unwrap() == 0
    })
    .await;
    assert_eq!(world.reports().await.len(), 1, "the sums alone");
}
