//! A party before a world of DNS, MTA-STS policies and mail servers with their certificates, each of which can be honest or
//! not.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_server::proto::rr::RecordType;
use hustings::address::Domain;
use hustings::delivery::policy::results::{PolicyKind, Tally};
use jiff::SignedDuration;

use super::authority::{Authority, Shown};
use super::outside::OutsideMta;
use super::party::Party;
use super::policies::PolicyHost;
use super::zone::Zone;

/// Who writes.
pub const ADA: &str = "ada@party.example";

/// A party before a world of DNS, policies and mail servers, each of which can be honest or not.
pub struct World {
    pub zone: Zone,
    pub policies: PolicyHost,
    pub authority: Arc<Authority>,
    pub party: Party,
    /// The address of the last mail server.
    pub last: u8,
    _files: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with("", vec![]).await
    }

    /// With more lines in `[delivery]`, and in other sections.
    pub async fn with(more: &str, others: Vec<(&'static str, String)>) -> Self {
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
            plan.more.extend(others);
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
    pub async fn server(&mut self, name: &str, (chain, key): Shown) -> OutsideMta {
        self.last += 1;
        let port = self.party.outside.address().port();
        let address = SocketAddr::from(([127, 0, 0, self.last], port));
        let ip = address.ip().to_string();
        self.zone.address_of(name, &ip).await;
        OutsideMta::at(address, chain, key).await
    }

    /// A mail server `mx.` of a domain, with its MX record.
    pub async fn serves(&mut self, domain: &str, shown: Shown) -> OutsideMta {
        let name = format!("mx.{domain}");
        self.zone.mx(domain, 10, &name).await;
        self.server(&name, shown).await
    }

    pub async fn tlsa(&self, host: &str, kind: [u8; 3], data: &[u8]) {
        let port = self.party.outside.address().port();
        let owner = format!("_{port}._tcp.{host}");
        self.zone.tlsa(&owner, kind, data).await;
    }

    /// Publishes an MTA-STS policy.
    pub async fn policy(&self, domain: &str, id: &str, mode: &str, mx: &str, max_age: u64) {
        let host = format!("mta-sts.{domain}");
        self.zone.remove(&host, RecordType::A).await;
        self.zone.address_of(&host, "127.0.0.1").await;
        self.policies.set(domain, mode, mx, max_age);
        self.publish(domain, id).await;
    }

    /// Says in DNS that there is a policy of this id.
    pub async fn publish(&self, domain: &str, id: &str) {
        let name = format!("_mta-sts.{domain}");
        self.zone.remove(&name, RecordType::TXT).await;
        let record = format!("v=STSv1; id={id};");
        self.zone.txt(&name, &record).await;
    }

    /// Ada writes to `bo` of a domain.
    pub async fn write(&self, domain: &str) {
        let answer = self.party.submit(&[&bo(domain)], &mail(domain, "")).await;
        assert_eq!(answer.code, 250, "{domain}: {answer}");
    }

    pub fn tally(&self, domain: &str, kind: PolicyKind) -> Tally {
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

    /// Time passes.
    pub fn later(&self, span: SignedDuration) {
        self.party.clock.advance(span).unwrap();
    }
}

/// Who is written to.
pub fn bo(domain: &str) -> String {
    format!("bo@{domain}")
}

/// What Ada writes there, with these header fields.
pub fn mail(domain: &str, fields: &str) -> Vec<u8> {
    format!("From: {ADA}\r\nTo: bo@{domain}\r\n{fields}Subject: plans for {domain}\r\n\r\nSecret plans.\r\n")
        .into_bytes()
}
