//! Who has to prove who they are before mail is given to them: DANE, MTA-STS, REQUIRETLS, and everybody who stands on the
//! way.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_server::proto::rr::RData;
use hickory_server::proto::rr::rdata::{A, MX};
use hickory_server::proto::rr::{Name, RecordType};
use hustings::address::Domain;
use hustings::control::api::queue::{List, QueueReport};
use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::peer::{Answer, Dialogue};
use hustings::daemon::sandbox::stage::HOST;
use hustings::delivery::policy::results::{PolicyKind, ResultType, Tally};
use hustings::id::MailboxId;
use jiff::SignedDuration;
use support::authority::{Authority, Shown, key_hash, self_signed};
use support::outside::OutsideMta;
use support::party::Party;
use support::policies::PolicyHost;
use support::zone::Zone;

const ADA: &str = "ada@party.example";
/// How long a mail may take, one way or the other.
const SOON: Duration = Duration::from_secs(60);

/// A party before a world of DNS, policies and mail servers, each of which can be honest or not.
struct World {
    zone: Zone,
    policies: PolicyHost,
    authority: Arc<Authority>,
    party: Party,
    /// The address of the last mail server.
    last: u8,
    _files: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more lines in `[delivery]`.
    async fn with(more: &str) -> Self {
        let (zone, authority) = (Zone::signed().await, Arc::new(Authority::new()));
        let policies = PolicyHost::start(authority.clone()).await;
        let files = tempfile::tempdir().unwrap();
        let (anchor, trusted) = (files.path().join("anchor"), files.path().join("ca.pem"));
        std::fs::write(&anchor, zone.anchor()).unwrap();
        authority.write_to(&trusted);
        let delivery = format!(
            "resolver = [\"{}\"]\ntrust_anchor = {anchor:?}\ntrusted_certificates = {trusted:?}\n\
             mta_sts_port = {}\nprivate_networks = true\nretry = [\"1m\"]\nexpire = \"12h\"\n{more}",
            zone.address(),
            policies.port(),
        );
        let party = Party::start_as(|plan| {
            plan.routed = false;
            let port = format!("smtp_port = {}\n", plan.outside.port());
            plan.more.push(("delivery", port + &delivery));
        })
        .await;
        Self {
            zone,
            policies,
            authority,
            party,
            last: 1,
            _files: files,
        }
    }

    /// A mail server of this name that shows this certificate.
    async fn server(&mut self, name: &str, (chain, key): Shown) -> OutsideMta {
        self.last += 1;
        let port = self.party.outside.address().port();
        let address = SocketAddr::from(([127, 0, 0, self.last], port));
        let ip = address.ip().to_string();
        self.zone.address_of(name, &ip).await;
        OutsideMta::at(address, chain, key).await
    }

    /// A mail server `mx.` of a domain, with its MX record.
    async fn serves(&mut self, domain: &str, shown: Shown) -> OutsideMta {
        let name = format!("mx.{domain}");
        self.zone.mx(domain, 10, &name).await;
        self.server(&name, shown).await
    }

    async fn tlsa(&self, host: &str, kind: [u8; 3], data: &[u8]) {
        let port = self.party.outside.address().port();
        let owner = format!("_{port}._tcp.{host}");
        self.zone.tlsa(&owner, kind, data).await;
    }

    /// Publishes an MTA-STS policy.
    async fn policy(&self, domain: &str, id: &str, mode: &str, mx: &str, max_age: u64) {
        let host = format!("mta-sts.{domain}");
        self.zone.remove(&host, RecordType::A).await;
        self.zone.address_of(&host, "127.0.0.1").await;
        self.policies.set(domain, mode, mx, max_age);
        self.publish(domain, id).await;
    }

    /// Says in DNS that there is a policy of this id.
    async fn publish(&self, domain: &str, id: &str) {
        let name = format!("_mta-sts.{domain}");
        self.zone.remove(&name, RecordType::TXT).await;
        let record = format!("v=STSv1; id={id};");
        self.zone.txt(&name, &record).await;
    }

    /// Ada writes to `bo` of a domain.
    async fn write(&self, domain: &str) {
        let answer = self.party.submit(&[&bo(domain)], &mail(domain, "")).await;
        assert_eq!(answer.code, 250, "{domain}: {answer}");
    }

    /// Ada writes with these parameters of MAIL and these header fields.
    async fn write_with(&self, to: &str, parameters: &str, fields: &str) -> Answer {
        let (mut dialogue, _) = Dialogue::connect_secured(
            self.party.door("submissions"),
            self.party.stage.trust(),
            HOST,
        )
        .await
        .unwrap();
        let hello = dialogue.command("EHLO client.example").await.unwrap();
        assert!(hello.to_string().contains("REQUIRETLS"), "{hello}");
        let sender = &self.party.sender;
        let answer = dialogue
            .log_in(sender.name, &sender.password)
            .await
            .unwrap();
        assert_eq!(answer.code, 235, "{answer}");
        let from = format!("MAIL FROM:<{ADA}> {parameters}");
        let answer = dialogue.command(from.trim_end()).await.unwrap();
        assert_eq!(answer.code, 250, "{answer}");
        let answer = dialogue.command(&format!("RCPT TO:<{to}>")).await.unwrap();
        if answer.code != 250 {
            return answer;
        }
        dialogue.command("DATA").await.unwrap();
        let domain = to.split_once('@').unwrap().1;
        let text = String::from_utf8(mail(domain, fields)).unwrap();
        dialogue.command(&format!("{text}.")).await.unwrap()
    }

    /// The mail to `bo` of a domain.
    async fn arrives(&self, at: &OutsideMta, domain: &str) -> Arc<Mail> {
        let bo = bo(domain);
        let waiting = at.inbox().wait_for(|mail| mail.is_to(&bo));
        match tokio::time::timeout(SOON, waiting).await {
            Ok(mail) => mail,
            Err(_) => panic!("nothing arrives at {domain}: {:?}", self.failures().await),
        }
    }

    async fn queue(&self) -> Vec<QueueReport> {
        self.party.socket().ask(List {}).await.unwrap().rows
    }

    /// Why what waits, waits.
    async fn failures(&self) -> Vec<String> {
        let rows = self.queue().await.into_iter();
        rows.filter_map(|row| row.last_failure).collect()
    }

    /// Waits until this many mails wait, each tried this often.
    async fn waiting(&self, count: usize, tries: u32) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let rows = self.queue().await;
            let failed = |row: &QueueReport| row.attempts >= tries && row.last_failure.is_some();
            if rows.len() == count && rows.iter().all(failed) {
                return rows
                    .into_iter()
                    .filter_map(|row| row.last_failure)
                    .collect();
            }
            let failures: Vec<_> = rows
                .iter()
                .map(|row| (row.attempts, &row.last_failure))
                .collect();
            assert!(
                Instant::now() < deadline,
                "{count} wait, {tries} times tried: {failures:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The one mail to this domain waits, for this cause.
    async fn waits_for(&self, cause: &str) {
        let failures = self.waiting(1, 1).await;
        assert!(
            failures[0].starts_with(&format!("{cause}: ")),
            "{failures:?}"
        );
    }

    /// The notices in Ada's mailbox.
    async fn notices(&self) -> Vec<String> {
        let rooms = self.party.rooms();
        let roll = rooms.staff.roll();
        let ada = roll.live().find(|one| one.name == "ada").unwrap().id;
        let mut notices = Vec::new();
        for entry in rooms
            .store
            .entries(MailboxId::from(ada), 100)
            .await
            .unwrap()
        {
            let whole = rooms.store.body(entry.message).read_whole(1 << 20).await;
            notices.push(
                String::from_utf8(whole.unwrap())
                    .unwrap()
                    .replace("=\r\n", ""),
            );
        }
        notices
    }

    /// Waits until Ada has this many notices.
    async fn told(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let notices = self.notices().await;
            if notices.len() >= count {
                return notices;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count} notices",
                notices.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn later(&self, minutes: i64) {
        let span = SignedDuration::from_mins(minutes);
        self.party.clock.advance(span).unwrap();
    }

    fn tally(&self, domain: &str, kind: PolicyKind) -> Tally {
        let rooms = self.party.rooms();
        let today = self
            .party
            .clock
            .now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let domain = Domain::parse(domain).unwrap();
        rooms.trust.tally().unwrap().of(today, &domain, kind)
    }

    fn has_failed(&self, domain: &str, kind: PolicyKind, result: ResultType) {
        let tally = self.tally(domain, kind);
        let count = |(kind, _): &(ResultType, _)| *kind == result;
        assert!(tally.failures.keys().any(count), "{domain}: {tally:?}");
    }
}

fn bo(domain: &str) -> String {
    format!("bo@{domain}")
}

fn mail(domain: &str, fields: &str) -> Vec<u8> {
    format!("From: {ADA}\r\nTo: bo@{domain}\r\n{fields}Subject: plans for {domain}\r\n\r\nSecret plans.\r\n")
        .into_bytes()
}

/// Issue 3, "must show" 3.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_on_the_way_gets_anything() {
    let mut world = World::new().await;
    let mut servers = Vec::new();
    let good = |world: &World, domain: &str| world.authority.vouch(&format!("mx.{domain}"));

    // STARTTLS stripped, with and without a policy.
    for domain in ["stripped.test", "plaintext.test"] {
        let shown = good(&world, domain);
        let server = world.serves(domain, shown).await;
        server.without_starttls();
        servers.push(server);
    }
    // Certificates that prove something else, or nothing.
    let wrong = world.authority.vouch("mx.elsewhere.test");
    servers.push(world.serves("othername.test", wrong).await);
    servers.push(
        world
            .serves("selfmade.test", self_signed("mx.selfmade.test"))
            .await,
    );
    let old = world.authority.vouched("mx.expired.test");
    servers.push(world.serves("expired.test", old).await);
    // The MX itself is somebody else's, whose certificate is good.
    let shown = good(&world, "detour.test");
    servers.push(world.serves("detour.test", shown).await);
    for domain in [
        "stripped.test",
        "othername.test",
        "selfmade.test",
        "expired.test",
    ] {
        let mx = format!("mx.{domain}");
        world.policy(domain, "a1", "enforce", &mx, 86_400).await;
    }
    world
        .policy("detour.test", "a1", "enforce", "*.right.test", 86_400)
        .await;
    // Another key than the one in DNS.
    let shown = good(&world, "tlsa.test");
    servers.push(world.serves("tlsa.test", shown).await);
    world.tlsa("mx.tlsa.test", [3, 1, 1], &[7; 32]).await;
    // DNS forged: the mail server, its address, what is known of its certificate.
    let shown = good(&world, "forged.test");
    let server = world.server("mx.forged.test", shown).await;
    let forged = MX::new(10, Name::from_ascii("mx.forged.test.").unwrap());
    world.zone.forge("forged.test", RData::MX(forged)).await;
    servers.push(server);
    let shown = good(&world, "moved.test");
    let server = world.serves("moved.test", shown).await;
    let SocketAddr::V4(address) = server.address() else {
        panic!("IPv4")
    };
    world.zone.remove("mx.moved.test", RecordType::A).await;
    world
        .zone
        .forge("mx.moved.test", RData::A(A(*address.ip())))
        .await;
    servers.push(server);

    let domains = [
        ("stripped.test", "no-tls", "does not encrypt"),
        ("plaintext.test", "no-tls", "does not encrypt"),
        (
            "othername.test",
            "certificate",
            "its certificate does not match",
        ),
        (
            "selfmade.test",
            "certificate",
            "its certificate does not match",
        ),
        (
            "expired.test",
            "certificate",
            "its certificate does not match",
        ),
        (
            "detour.test",
            "not-in-policy",
            "the one we found is not among them",
        ),
        (
            "tlsa.test",
            "tlsa",
            "not the one that its domain has in DNS (DANE)",
        ),
        (
            "forged.test",
            "dnssec",
            "not signed as they should be (DNSSEC)",
        ),
        (
            "moved.test",
            "dnssec",
            "not signed as they should be (DNSSEC)",
        ),
    ];
    for (domain, ..) in domains {
        world.write(domain).await;
    }
    let mut causes = world.waiting(domains.len(), 1).await;
    causes
        .iter_mut()
        .for_each(|cause| cause.truncate(cause.find(':').unwrap()));
    let mut expected: Vec<_> = domains.iter().map(|(_, cause, _)| *cause).collect();
    causes.sort();
    expected.sort_unstable();
    assert_eq!(causes, expected);
    assert!(world.notices().await.is_empty(), "too early");

    // A quarter of an hour later Ada hears of each, and why.
    world.later(16);
    let notices = world.told(domains.len()).await;
    for (domain, _, words) in domains {
        let about = |notice: &&String| notice.contains(&format!("plans for {domain}"));
        let notice = notices
            .iter()
            .find(about)
            .unwrap_or_else(|| panic!("no word of {domain}"));
        assert!(notice.contains("Action: delayed"), "{notice}");
        assert!(notice.contains(words), "{domain}: {notice}");
        assert!(!notice.contains("Secret plans"));
    }
    assert_eq!(notices.len(), domains.len());
    for server in &servers {
        assert_eq!(server.inbox().count(), 0);
        assert_eq!(server.counters().plaintext(), 0);
    }
    for (domain, kind, result) in [
        (
            "stripped.test",
            PolicyKind::Sts,
            ResultType::StarttlsNotSupported,
        ),
        (
            "plaintext.test",
            PolicyKind::None,
            ResultType::StarttlsNotSupported,
        ),
        (
            "othername.test",
            PolicyKind::Sts,
            ResultType::CertificateHostMismatch,
        ),
        (
            "selfmade.test",
            PolicyKind::Sts,
            ResultType::CertificateNotTrusted,
        ),
        (
            "expired.test",
            PolicyKind::Sts,
            ResultType::CertificateExpired,
        ),
        (
            "detour.test",
            PolicyKind::Sts,
            ResultType::ValidationFailure,
        ),
        ("tlsa.test", PolicyKind::Tlsa, ResultType::TlsaInvalid),
        ("forged.test", PolicyKind::Tlsa, ResultType::DnssecInvalid),
        ("moved.test", PolicyKind::Tlsa, ResultType::DnssecInvalid),
    ] {
        world.has_failed(domain, kind, result);
    }

    // They mend it: what waits goes out by itself.
    servers[0].behave();
    world
        .tlsa(
            "mx.tlsa.test",
            [3, 1, 1],
            &key_hash(servers[6].certificate()),
        )
        .await;
    world.later(2);
    world.arrives(&servers[0], "stripped.test").await;
    world.arrives(&servers[6], "tlsa.test").await;
}
