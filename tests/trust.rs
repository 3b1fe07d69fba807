//! Who has to prove who they are before mail is given to them: DANE, MTA-STS, REQUIRETLS, and everybody who stands on the
//! way.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_server::proto::rr::RData;
use hickory_server::proto::rr::rdata::{A, MX, NULL};
use hickory_server::proto::rr::{Name, RecordType};
use hustings::address::Domain;
use hustings::control::api::queue::{List, QueueReport};
use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::peer::{Answer, Dialogue};
use hustings::daemon::sandbox::stage::HOST;
use hustings::delivery::policy::results::{PolicyKind, ResultType, Tally};
use hustings::dns::{Dnssec, LookupError, MailHosts, ResolverSettings, SecureResolver};
use hustings::id::MailboxId;
use jiff::SignedDuration;
use support::authority::{Authority, Shown, key_hash, self_signed};
use support::outside::OutsideMta;
use support::party::Party;
use support::policies::PolicyHost;
use support::zone::{Fault, Zone};

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
             mta_sts_port = {}\nprivate_networks = true\nretry = [\"1m\"]\nexpire = \"30d\"\n{more}",
            zone.address(),
            policies.port(),
        );
        let party = Party::start_as(|plan| {
            plan.routed = false;
            let port = format!("smtp_port = {}\n", plan.outside.port());
            plan.more.push(("delivery", port + &delivery));
        })
        .await;
        party.at_ten();
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
        assert!(hello.offers("REQUIRETLS"), "{hello}");
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

    /// One mail more arrives there some tries from now: the clock is moved on from one to the next. A try that is under
    /// way while it is moved is followed by another only when it is moved again.
    async fn one_more(&self, at: &OutsideMta, than: u64, minutes: i64) {
        let deadline = Instant::now() + SOON;
        while at.inbox().count() <= than {
            let failures = self.failures().await;
            assert!(Instant::now() < deadline, "nothing arrives: {failures:?}");
            self.later(minutes);
            let moved = Instant::now();
            while at.inbox().count() <= than && moved.elapsed() < Duration::from_secs(2) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
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

    /// Waits until this many mails wait, each tried this often; the clock is moved on from try to try.
    async fn waiting(&self, count: usize, tries: u32) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        let mut moved = Instant::now();
        loop {
            let rows = self.queue().await;
            let failed = |row: &QueueReport| row.attempts >= tries && row.last_failure.is_some();
            if rows.len() == count && rows.iter().all(failed) {
                let failures = rows.into_iter().filter_map(|row| row.last_failure);
                return failures.collect();
            }
            let failures: Vec<_> = rows
                .iter()
                .map(|row| (row.attempts, &row.last_failure))
                .collect();
            assert!(
                Instant::now() < deadline,
                "{count} wait, {tries} times tried: {failures:?}"
            );
            if tries > 1 && moved.elapsed() > Duration::from_secs(1) {
                // A minute, and what a wait may be longer.
                self.party
                    .clock
                    .advance(SignedDuration::from_secs(67))
                    .unwrap();
                moved = Instant::now();
            }
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
            let whole = String::from_utf8(whole.unwrap()).unwrap();
            // However its lines are broken.
            let words: Vec<_> = whole.split_whitespace().collect();
            notices.push(words.join(" "));
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

    /// Waits until `holds`.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds(self) {
            let failures = self.failures().await;
            assert!(Instant::now() < deadline, "not yet: {what}: {failures:?}");
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

fn resolver(zone: &Zone, dnssec: Dnssec<'_>) -> SecureResolver {
    let settings = ResolverSettings {
        servers: vec![zone.address()],
        ..ResolverSettings::default()
    };
    SecureResolver::new(settings, dnssec).unwrap()
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
    world.one_more(&servers[0], 0, 2).await;
    world.one_more(&servers[6], 0, 2).await;
    world.arrives(&servers[0], "stripped.test").await;
    world.arrives(&servers[6], "tlsa.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proves_it_gets_the_mail() {
    let mut world = World::new().await;
    let mut servers = Vec::new();
    // DANE: the key itself, a name that is no matter, and an authority of the domain's own.
    let server = world.serves("key.test", self_signed("whoever.test")).await;
    world
        .tlsa("mx.key.test", [3, 1, 1], &key_hash(server.certificate()))
        .await;
    servers.push(("key.test", server));
    let shown = world.authority.vouch("authority.test");
    let server = world.serves("authority.test", shown).await;
    let hash = key_hash(world.authority.certificate());
    world.tlsa("mx.authority.test", [2, 1, 1], &hash).await;
    servers.push(("authority.test", server));
    // DANE goes before MTA-STS, which would have none of this server.
    let server = world.serves("both.test", self_signed("mx.both.test")).await;
    world
        .tlsa("mx.both.test", [3, 1, 1], &key_hash(server.certificate()))
        .await;
    world
        .policy("both.test", "a1", "enforce", "mx.other.test", 86_400)
        .await;
    servers.push(("both.test", server));
    // A mail server under an alias: its records stand under its own name.
    let server = world.server("real.alias.test", self_signed("x.test")).await;
    world.zone.mx("alias.test", 10, "mx.alias.test").await;
    world.zone.cname("mx.alias.test", "real.alias.test").await;
    world
        .tlsa(
            "real.alias.test",
            [3, 1, 1],
            &key_hash(server.certificate()),
        )
        .await;
    servers.push(("alias.test", server));
    // MTA-STS.
    let shown = world.authority.vouch("mx.sts.test");
    servers.push(("sts.test", world.serves("sts.test", shown).await));
    world
        .policy("sts.test", "a1", "enforce", "*.sts.test", 86_400)
        .await;

    // None of these asks for proof: no policy; records that can't be used; records that nobody signed; a policy that is
    // only tried out; one that is no more; one that can't be had.
    for domain in [
        "bare.test",
        "unusable.test",
        "a.plain",
        "testing.test",
        "none.test",
        "down.test",
    ] {
        servers.push((domain, world.serves(domain, self_signed("x.test")).await));
    }
    world.tlsa("mx.unusable.test", [1, 1, 1], &[7; 32]).await;
    world.tlsa("mx.a.plain", [3, 1, 1], &[7; 32]).await;
    world
        .policy("testing.test", "a1", "testing", "mx.testing.test", 86_400)
        .await;
    world
        .policy("none.test", "a1", "none", "mx.none.test", 86_400)
        .await;
    world
        .policy("down.test", "a1", "enforce", "mx.down.test", 86_400)
        .await;
    world.policies.unproven("down.test");
    for (domain, server) in &servers {
        world.write(domain).await;
        assert_ne!(world.arrives(server, domain).await.tls, "none");
        assert_eq!(server.counters().plaintext(), 0);
    }

    let ok = |domain: &str, kind| {
        let tally = world.tally(domain, kind);
        assert!(
            tally.successes > 0 && tally.failures.is_empty(),
            "{domain}: {tally:?}"
        );
    };
    for domain in [
        "key.test",
        "authority.test",
        "both.test",
        "alias.test",
        "unusable.test",
    ] {
        ok(domain, PolicyKind::Tlsa);
    }
    ok("sts.test", PolicyKind::Sts);
    for domain in ["bare.test", "a.plain", "none.test"] {
        ok(domain, PolicyKind::None);
    }
    world.has_failed(
        "testing.test",
        PolicyKind::Sts,
        ResultType::CertificateNotTrusted,
    );
    world.has_failed("down.test", PolicyKind::Sts, ResultType::StsWebpkiInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_stands_in_for_one_that_proves_nothing() {
    let mut world = World::new().await;
    let first = world.serves("two.test", self_signed("mx.two.test")).await;
    let shown = world.authority.vouch("mx2.two.test");
    let second = world.server("mx2.two.test", shown).await;
    world.zone.mx("two.test", 20, "mx2.two.test").await;
    world
        .policy("two.test", "a1", "enforce", "*.two.test", 86_400)
        .await;
    world.write("two.test").await;
    world.arrives(&second, "two.test").await;
    // And one whose records are not to be had is passed over too (RFC 7672 §2.1.2).
    let third = world.serves("three.test", self_signed("x.test")).await;
    let fourth = world.server("mx2.three.test", self_signed("x.test")).await;
    world.zone.mx("three.test", 20, "mx2.three.test").await;
    let port = world.party.outside.address().port();
    let owner = format!("_{port}._tcp.mx.three.test");
    world.zone.fault(&owner, Some(Fault::ServerFailure));
    world.write("three.test").await;
    world.arrives(&fourth, "three.test").await;
    assert_eq!(first.inbox().count() + third.inbox().count(), 0);
    assert_eq!(third.counters().connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_less_secure_before_is_not_used_for_more() {
    let mut world = World::new().await;
    let server = world
        .serves("later.test", self_signed("mx.later.test"))
        .await;
    world.write("later.test").await;
    world.arrives(&server, "later.test").await;
    // The connection is kept for a while. Then the domain asks for proof.
    world
        .policy("later.test", "a1", "enforce", "mx.later.test", 86_400)
        .await;
    world.write("later.test").await;
    world.waits_for("certificate").await;
    assert_eq!(server.inbox().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_has_the_last_word() {
    let mut world = World::with(
        "tls_policy.\"strict.test\" = \"verified\"\ntls_policy.\"*.dane.test\" = \"dane\"\n\
         tls_policy.\"broken.test\" = \"encrypted\"",
    )
    .await;
    let strict = world
        .serves("strict.test", self_signed("mx.strict.test"))
        .await;
    world.write("strict.test").await;
    world.waits_for("certificate").await;
    let dane = world
        .serves("a.dane.test", self_signed("mx.a.dane.test"))
        .await;
    world.write("a.dane.test").await;
    let failures = world.waiting(2, 1).await;
    assert!(
        failures.iter().any(|failure| failure.starts_with("tlsa: ")),
        "{failures:?}"
    );
    // A domain whose own policy nobody can meet.
    let broken = world
        .serves("broken.test", self_signed("mx.broken.test"))
        .await;
    world
        .policy("broken.test", "a1", "enforce", "mx.gone.test", 86_400)
        .await;
    world.tlsa("mx.broken.test", [3, 1, 1], &[7; 32]).await;
    world.write("broken.test").await;
    world.arrives(&broken, "broken.test").await;
    assert_eq!(strict.inbox().count() + dane.inbox().count(), 0);
    world.has_failed("a.dane.test", PolicyKind::None, ResultType::DaneRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_holds_as_long_as_it_says_and_is_fetched_again_before() {
    let mut world = World::new().await;
    let (domain, day) = ("held.test", 24 * 60);
    let shown = world.authority.vouch("mx.held.test");
    let server = world.serves(domain, shown).await;
    let week = 7 * 86_400;
    world
        .policy(domain, "a1", "enforce", "mx.held.test", week)
        .await;
    world.write(domain).await;
    world.arrives(&server, domain).await;
    world.write(domain).await;
    world
        .until("both arrive", |_| server.inbox().count() == 2)
        .await;
    assert_eq!(world.policies.asked(domain), 1, "once for both");

    // Its host is gone, its record too, and then somebody says that there is another: it holds.
    world.policies.forget(domain);
    drop(server);
    world
        .zone
        .remove("_mta-sts.held.test", RecordType::TXT)
        .await;
    world.zone.remove("mx.held.test", RecordType::A).await;
    let evil = world
        .server("mx.held.test", self_signed("mx.held.test"))
        .await;
    world.write(domain).await;
    world.waits_for("certificate").await;
    world.publish(domain, "evil").await;
    world.waiting(1, 2).await;
    world
        .until("another id asks for another policy", |world| {
            world.policies.asked(domain) == 2
        })
        .await;
    world.has_failed(domain, PolicyKind::Sts, ResultType::StsPolicyFetchError);
    // When the fourth try has begun, the third is over.
    world.waiting(1, 4).await;
    assert_eq!(
        world.policies.asked(domain),
        2,
        "not again for five minutes"
    );

    // A restart forgets none of it.
    world.party.start_again().await;
    world.waiting(1, 6).await;
    assert_eq!(evil.inbox().count(), 0);

    // A new policy of a new id is taken.
    world
        .policy(domain, "b2", "testing", "mx.held.test", week)
        .await;
    world.one_more(&evil, 0, 6).await;

    // Half its time later it is fetched again, without any mail.
    let asked = world.policies.asked(domain);
    world.later(4 * day);
    world
        .until("it is fetched again", |world| {
            world.policies.asked(domain) > asked
        })
        .await;
    // Nobody can fetch it any more: when its time is over, it is.
    world
        .policy(domain, "c3", "enforce", "mx.gone.test", week)
        .await;
    world.write(domain).await;
    world.waits_for("not-in-policy").await;
    world.policies.forget(domain);
    world
        .zone
        .remove("_mta-sts.held.test", RecordType::TXT)
        .await;
    let before = evil.inbox().count();
    world.later(6 * day);
    world.waiting(1, 3).await;
    assert_eq!(
        evil.inbox().count(),
        before,
        "it holds without its record and its host"
    );
    world.one_more(&evil, before, 2 * day).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requiretls_is_passed_on_or_the_mail_comes_back() {
    let mut world = World::new().await;
    let require = "REQUIRETLS";
    let server = world.serves("passes.test", self_signed("x.test")).await;
    world
        .tlsa("mx.passes.test", [3, 1, 1], &key_hash(server.certificate()))
        .await;
    server.with_require_tls();
    let answer = world.write_with("bo@passes.test", require, "").await;
    assert_eq!(answer.code, 250, "{answer}");
    assert!(world.arrives(&server, "passes.test").await.require_tls);
    // Without the wish, over another connection, and nothing is asked.
    world.write("passes.test").await;
    let deadline = Instant::now() + SOON;
    while server.inbox().count() < 2 {
        assert!(Instant::now() < deadline, "{:?}", world.failures().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        server
            .inbox()
            .all()
            .iter()
            .filter(|mail| mail.require_tls)
            .count(),
        1
    );

    // One proves itself and doesn't pass it on, one passes it on and nobody knows who it is.
    let first = world.serves("drops.test", self_signed("x.test")).await;
    world
        .tlsa("mx.drops.test", [3, 1, 1], &key_hash(first.certificate()))
        .await;
    let second = world.serves("who.plain", self_signed("x.test")).await;
    second.with_require_tls();
    for domain in ["drops.test", "who.plain"] {
        let answer = world.write_with(&bo(domain), require, "").await;
        assert_eq!(answer.code, 250, "{answer}");
    }
    let notices = world.told(2).await;
    for notice in &notices {
        assert!(
            notice.contains("Action: failed") && notice.contains("Status: 5.7.30"),
            "{notice}"
        );
        assert!(notice.contains("You asked for REQUIRETLS"), "{notice}");
    }
    // One whose certificate doesn't match may be mended: that mail waits.
    let third = world.serves("mended.test", self_signed("x.test")).await;
    world.tlsa("mx.mended.test", [3, 1, 1], &[7; 32]).await;
    third.with_require_tls();
    world.write_with("bo@mended.test", require, "").await;
    world.waits_for("tlsa").await;
    assert_eq!(
        first.inbox().count() + second.inbox().count() + third.inbox().count(),
        0
    );

    let refused = world.write_with("news@party.example", require, "").await;
    assert_eq!(refused.code, 550, "{refused}");
    assert!(refused.to_string().contains("5.7.30"), "{refused}");
    // From other servers it is taken: their mail goes no further.
    let mut mx = world.party.mx().await;
    let answer = mx
        .command("MAIL FROM:<a@other.test> REQUIRETLS")
        .await
        .unwrap();
    assert_eq!(answer.code, 250, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_required_no_asks_for_encryption_and_nothing_more() {
    let mut world = World::new().await;
    let field = "TLS-Required: No\r\n";
    let server = world.serves("broken.test", self_signed("x.test")).await;
    world.tlsa("mx.broken.test", [3, 1, 1], &[7; 32]).await;
    world
        .policy("broken.test", "a1", "enforce", "mx.other.test", 86_400)
        .await;
    let answer = world.write_with("bo@broken.test", "", field).await;
    assert_eq!(answer.code, 250, "{answer}");
    let mail = world.arrives(&server, "broken.test").await;
    assert_ne!(mail.tls, "none");
    assert!(
        mail.contains("TLS-Required: No"),
        "the next server may need it"
    );
    // Not where REQUIRETLS says the opposite, and never in the clear.
    world
        .write_with("bo@broken.test", "REQUIRETLS", field)
        .await;
    world.waits_for("tlsa").await;
    let plain = world.serves("plain.test", self_signed("x.test")).await;
    plain.without_starttls();
    world.write_with("bo@plain.test", "", field).await;
    world.waiting(2, 1).await;
    assert_eq!(server.inbox().count(), 1);
    assert_eq!(plain.counters().plaintext(), 0);
}

#[tokio::test]
async fn dns_says_what_it_can_prove() {
    let zone = Zone::signed().await;
    let files = tempfile::tempdir().unwrap();
    let anchor = files.path().join("anchor");
    std::fs::write(&anchor, zone.anchor()).unwrap();
    let resolver = resolver(&zone, Dnssec::Validate(Some(&anchor)));
    let domain = |name: &str| Domain::parse(name).unwrap();
    zone.mx("good.test", 10, "mx.good.test").await;
    zone.address_of("mx.good.test", "192.0.2.1").await;
    zone.mx("a.plain", 10, "mx.a.plain").await;
    zone.address_of("mx.a.plain", "192.0.2.2").await;
    let found = resolver.mail_hosts(&domain("good.test")).await.unwrap();
    assert!(found.secure);
    let addresses = resolver.addresses("mx.good.test").await.unwrap();
    assert_eq!(addresses.tlsa_bases, ["mx.good.test".into()]);
    let none = resolver.tlsa("mx.good.test", 25).await;
    assert_eq!(none, Ok(Vec::new()), "proven that there is none");
    let found = resolver.mail_hosts(&domain("a.plain")).await;
    assert!(
        !found
            .unwrap_or_else(|error| panic!("{error}: {:?}", zone.queries()))
            .secure
    );
}

#[tokio::test]
async fn forged_answers_are_no_unsigned_ones() {
    let zone = Zone::signed().await;
    let files = tempfile::tempdir().unwrap();
    let anchor = files.path().join("anchor");
    std::fs::write(&anchor, zone.anchor()).unwrap();
    let right = resolver(&zone, Dnssec::Validate(Some(&anchor)));
    let domain = Domain::parse("good.test").unwrap();
    zone.mx("good.test", 10, "mx.good.test").await;
    // An alias that is signed, of a name that isn't: the alias vouches for itself.
    zone.cname("mx.good.test", "far.plain").await;
    zone.address_of("far.plain", "192.0.2.9").await;
    let found = right.addresses("mx.good.test").await.unwrap();
    assert_eq!(found.tlsa_bases, ["mx.good.test".into()]);
    let owner = "_25._tcp.mx.forged.test";
    let data = RData::Unknown {
        code: RecordType::TLSA,
        rdata: NULL::with([&[3, 1, 1][..], &[7; 32]].concat()),
    };
    zone.forge(owner, data).await;
    let forged = right.tlsa("mx.forged.test", 25).await;
    assert_eq!(forged, Err(LookupError::Bogus));
    // Without the right anchor nothing is proven, and nothing is taken for unsigned.
    let wrong = resolver(&zone, Dnssec::Validate(None));
    let error = wrong.mail_hosts(&domain).await.unwrap_err();
    assert_eq!(error, LookupError::Bogus);
    // A resolver that says nothing of proof is believed that there is none.
    let trusting = resolver(&zone, Dnssec::TrustAd);
    let found = trusting.mail_hosts(&domain).await.unwrap();
    assert!(!found.secure && found.hosts != MailHosts::Implicit);
    // An anchor that can't be read is no anchor.
    std::fs::write(&anchor, "nothing\n").unwrap();
    let settings = ResolverSettings::default();
    let error = SecureResolver::new(settings, Dnssec::Validate(Some(&anchor))).unwrap_err();
    assert_eq!(error, LookupError::Anchor);
}
