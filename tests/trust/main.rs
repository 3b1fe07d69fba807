//! Who has to prove who they are before mail is given to them: DANE, MTA-STS, REQUIRETLS, and everybody who stands on the
//! way.

#![allow(clippy::unwrap_used)]

mod attacks;
mod held;
mod proof;
mod wishes;

#[path = "../support/mod.rs"]
mod support;

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
use hustings::delivery::policy::results::{PolicyKind, ResultType};
use hustings::dns::{Dnssec, LookupError, MailHosts, ResolverSettings, SecureResolver};
use hustings::id::MailboxId;
use jiff::SignedDuration;
use support::authority::{key_hash, self_signed};
use support::outside::OutsideMta;
use support::world::{ADA, World, bo, mail};
use support::zone::{Fault, Zone};

/// How long a mail may take, one way or the other.
const SOON: Duration = Duration::from_secs(60);

/// What these stories ask of it.
impl World {
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
            self.later(SignedDuration::from_mins(minutes));
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

    fn has_failed(&self, domain: &str, kind: PolicyKind, result: ResultType) {
        let tally = self.tally(domain, kind);
        let count = |(kind, _): &(ResultType, _)| *kind == result;
        assert!(tally.failures.keys().any(count), "{domain}: {tally:?}");
    }
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
    assert_eq!(server.counters().open(), 1);
    world
        .policy("later.test", "a1", "enforce", "mx.later.test", 86_400)
        .await;
    world.write("later.test").await;
    world.waits_for("certificate").await;
    assert_eq!(server.inbox().count(), 1);
    // What was less than is asked now is closed at once, not when its time is over (20 s).
    let deadline = Instant::now() + Duration::from_secs(8);
    while server.counters().open() > 0 {
        assert!(Instant::now() < deadline, "the old connection is kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_has_the_last_word() {
    let mut world = World::with(
        "tls_policy.\"strict.test\" = \"verified\"\ntls_policy.\"*.dane.test\" = \"dane\"\n\
         tls_policy.\"broken.test\" = \"encrypted\"",
        vec![],
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
