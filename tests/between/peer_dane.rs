//! DANE with real tools in the way: zones signed by ldns, served by NSD, resolved by Unbound. Once we check the signatures
//! ourselves, once we believe Unbound.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::authority::{key_hash, self_signed};
use crate::support::outside::OutsideMta;
use crate::support::party::{Party, needs};
use crate::support::signed_names::{Records, SignedNames};
use hustings::address::Domain;
use hustings::control::api::queue::{List, QueueReport};
use hustings::daemon::sandbox::stage::free_ports;
use hustings::delivery::policy::results::{PolicyKind, ResultType, Tally};
use hustings::id::MailboxId;
use jiff::SignedDuration;

/// How long a mail may take, one way or the other.
const SOON: Duration = Duration::from_secs(60);

/// What becomes of a mail to a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// It is delivered; the connection is counted so.
    Delivered(PolicyKind),
    /// It waits; whether Ada is told why early, in these words, and how the failure is counted.
    Waits(&'static str, PolicyKind, ResultType),
}

use Becomes::{Delivered, Waits};

const BOGUS: Becomes = Waits(
    "not signed as they should be (DNSSEC)",
    PolicyKind::Tlsa,
    ResultType::DnssecInvalid,
);

/// The domains and what becomes of mail to each.
const DOMAINS: [(&str, Becomes); 8] = [
    ("valid.test", Delivered(PolicyKind::Tlsa)),
    ("alias.test", Delivered(PolicyKind::Tlsa)),
    ("any.wild.test", Delivered(PolicyKind::Tlsa)),
    // Proven that there is no record of a certificate.
    ("bare.test", Delivered(PolicyKind::None)),
    // Nobody vouches for the record that there is.
    ("mail.plain", Delivered(PolicyKind::None)),
    (
        "wrong.test",
        Waits(
            "not the one that its domain has in DNS (DANE)",
            PolicyKind::Tlsa,
            ResultType::TlsaInvalid,
        ),
    ),
    ("mail.bogus", BOGUS),
    ("mail.expired", BOGUS),
];

/// The servers outside, and DNS.
struct World {
    names: SignedNames,
    servers: Vec<(&'static str, OutsideMta)>,
    port: u16,
}

impl World {
    async fn start() -> Self {
        let ports = free_ports().unwrap();
        let (port, mut records, mut servers) = (ports[0], Records::default(), Vec::new());
        records.add("test", "ns A 127.0.0.1");
        for (n, domain) in ["valid.test", "bare.test", "wrong.test"]
            .into_iter()
            .chain(["mail.plain", "mail.bogus", "mail.expired"])
            .enumerate()
        {
            let zone = domain.split_once('.').unwrap().1;
            let address = SocketAddr::from(([127, 0, 0, 10 + u8::try_from(n).unwrap()], port));
            let (chain, key) = self_signed("whoever.test");
            let server = OutsideMta::at(address, chain, key).await;
            let hash = match domain {
                "wrong.test" | "mail.plain" => vec![7; 32],
                _ => key_hash(server.certificate()),
            };
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            records.add(zone, format!("{domain}. MX 10 mx.{domain}."));
            records.add(zone, format!("mx.{domain}. A {}", address.ip()));
            if domain != "bare.test" {
                records.add(zone, format!("_{port}._tcp.mx.{domain}. TLSA 3 1 1 {hash}"));
            }
            servers.push((domain, server));
        }
        records.add("test", "alias.test. CNAME valid.test.");
        records.add("test", "*.wild.test. MX 10 mx.valid.test.");
        // Where somebody would have the mail: a server that is there.
        let names =
            SignedNames::start([ports[1], ports[2]], &records, ("127.0.0.14", "127.0.0.10")).await;
        Self {
            names,
            servers,
            port,
        }
    }

    fn server(&self, domain: &str) -> &OutsideMta {
        let domain = match domain {
            "alias.test" | "any.wild.test" => "valid.test",
            other => other,
        };
        &self
            .servers
            .iter()
            .find(|(name, _)| *name == domain)
            .unwrap()
            .1
    }
}

/// A party whose resolver is Unbound.
struct Sender {
    party: Party,
    how: &'static str,
}

impl Sender {
    async fn start(world: &World, how: &'static str) -> Self {
        let delivery = format!(
            "resolver = [\"{}\"]\ndnssec = \"{how}\"\ntrust_anchor = {:?}\nsmtp_port = {}\nprivate_networks = true\n",
            world.names.resolver(),
            world.names.anchor(),
            world.port,
        );
        let party = Party::start_as(|plan| {
            plan.routed = false;
            plan.more.push(("delivery", delivery));
        });
        let party = party.await;
        // What is counted is counted by the day.
        party.at_ten();
        Self { party, how }
    }

    /// An address at a domain that only this party writes to.
    fn to(&self, domain: &str) -> String {
        format!("{}@{domain}", self.how)
    }

    async fn write(&self, domain: &str) {
        let to = self.to(domain);
        let mail = format!(
            "From: ada@party.example\r\nTo: {to}\r\nSubject: plans for {domain}\r\n\r\nSecret plans.\r\n"
        );
        let answer = self.party.submit(&[&to], mail.as_bytes()).await;
        assert_eq!(answer.code, 250, "{domain}: {answer}");
    }

    async fn queue(&self) -> Vec<QueueReport> {
        self.party.socket().ask(List {}).await.unwrap().rows
    }

    async fn until<T>(&self, what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(found) = holds().await {
                return found;
            }
            let rows = self.queue().await.into_iter();
            let failures: Vec<_> = rows.map(|row| (row.to, row.last_failure)).collect();
            assert!(
                Instant::now() < deadline,
                "{}: {what}: {failures:#?}",
                self.how
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The notices in Ada's mailbox, each in one line.
    async fn notices(&self) -> Vec<String> {
        let rooms = self.party.rooms();
        let roll = rooms.staff.roll();
        let ada = roll.live().find(|one| one.name == "ada").unwrap().id;
        let mut notices = Vec::new();
        let entries = rooms.store.entries(MailboxId::from(ada), 100).await;
        for entry in entries.unwrap() {
            let whole = rooms.store.body(entry.message).read_whole(1 << 20).await;
            let whole = String::from_utf8(whole.unwrap()).unwrap();
            notices.push(whole.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        notices
    }

    fn tally(&self, domain: &str, kind: PolicyKind) -> Tally {
        let today = self.party.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
        let domain = Domain::parse(domain).unwrap();
        let rooms = self.party.rooms();
        let tally = rooms.trust.tally().unwrap();
        tally.of(today.date(), &domain, kind)
    }

    async fn writes_to_all(&self, world: &World) {
        for (domain, _) in DOMAINS {
            self.write(domain).await;
        }
        let waiting = DOMAINS
            .iter()
            .filter(|(_, becomes)| matches!(becomes, Waits(..)));
        let waiting = waiting.count();
        self.until("all have been tried, and some wait", async || {
            let rows = self.queue().await;
            (rows.len() == waiting && rows.iter().all(|row| row.last_failure.is_some()))
                .then_some(())
        })
        .await;
        // Early enough: a quarter of an hour later.
        self.party
            .clock
            .advance(SignedDuration::from_mins(16))
            .unwrap();
        let notices = self.until("the notices", async || {
            let notices = self.notices().await;
            (notices.len() >= waiting).then_some(notices)
        });
        let notices = notices.await;
        assert_eq!(notices.len(), waiting, "{notices:#?}");
        for (domain, becomes) in DOMAINS {
            let to = self.to(domain);
            let arrived = world.server(domain).inbox().to(&to);
            match becomes {
                Delivered(kind) => {
                    assert_eq!(arrived.len(), 1, "{to}");
                    assert_ne!(arrived[0].tls, "none", "{to}");
                    let tally = self.tally(domain, kind);
                    assert!(
                        tally.successes > 0 && tally.failures.is_empty(),
                        "{to}: {tally:?}"
                    );
                }
                Waits(words, kind, result) => {
                    assert!(arrived.is_empty(), "{to}");
                    let about = |notice: &&String| notice.contains(&format!("plans for {domain}"));
                    let notice = notices.iter().find(about).unwrap();
                    assert!(notice.contains(words), "{to}: {notice}");
                    let tally = self.tally(domain, kind);
                    let counted = tally.failures.keys().any(|(one, _)| *one == result);
                    assert!(counted, "{to}: {tally:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_names_say_who_gets_the_mail() {
    let there =
        |program| std::path::Path::new("/usr/sbin").join(program).is_file() || needs(program);
    if !there("nsd") || !there("unbound") || !needs("ldns-signzone") {
        return;
    }
    let world = World::start().await;
    let (own, trusting) = tokio::join!(
        Sender::start(&world, "validate"),
        Sender::start(&world, "trust-ad")
    );
    tokio::join!(own.writes_to_all(&world), trusting.writes_to_all(&world));
    for (_, server) in &world.servers {
        assert_eq!(server.counters().plaintext(), 0);
    }
}
