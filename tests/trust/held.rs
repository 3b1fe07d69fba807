//! How long a policy holds, and when it is fetched again.

use super::*;

impl World {
    /// Waits until the domain's policy was fetched so often. Whoever looks for it once an hour may have looked a moment
    /// before the clock was moved, so it goes on.
    async fn is_asked(&self, domain: &str, times: usize) {
        let deadline = Instant::now() + SOON;
        while self.policies.asked(domain) < times {
            assert!(
                Instant::now() < deadline,
                "not fetched for the {times}. time"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.later(SignedDuration::from_mins(10));
        }
    }
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
    world
        .until("it is told that there is none", |world| {
            let failures = world.tally(domain, PolicyKind::Sts).failures;
            let mut kinds = failures.keys().map(|(kind, _)| *kind);
            kinds.any(|kind| kind == ResultType::StsPolicyFetchError)
        })
        .await;
    let told_at = world.party.clock.now();
    // When the fourth try has begun, the third is over. A slow machine may need more moves of the clock for that.
    world.waiting(1, 4).await;
    let since = world.party.clock.now().duration_since(told_at);
    assert!(
        world.policies.asked(domain) == 2 || since >= SignedDuration::from_mins(5),
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
    world.later(SignedDuration::from_mins(4 * day));
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
    world.later(SignedDuration::from_mins(6 * day));
    world.waiting(1, 3).await;
    assert_eq!(
        evil.inbox().count(),
        before,
        "it holds without its record and its host"
    );
    world.one_more(&evil, before, 2 * day).await;
}

/// One that holds for a day is fetched again within it; one that can't be keeps nobody waiting behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_one_day_holds_for_two() {
    let mut world = World::new().await;
    let (domain, day) = ("short.test", 86_400);
    let shown = world.authority.vouch("mx.short.test");
    let server = world.serves(domain, shown).await;
    world
        .policy(domain, "a1", "enforce", "mx.short.test", day)
        .await;
    world.write(domain).await;
    world.arrives(&server, domain).await;
    assert_eq!(world.policies.asked(domain), 1);
    for round in 2..=4 {
        world.later(SignedDuration::from_mins(13 * 60));
        world.is_asked(domain, round).await;
    }
    // It can't be fetched any more: it isn't due again at once, and holds as long as it said.
    world.policies.forget(domain);
    world.later(SignedDuration::from_mins(13 * 60));
    world.is_asked(domain, 5).await;
    let rooms = world.party.rooms();
    let deadline = Instant::now() + SOON;
    loop {
        let now = world.party.clock.now();
        let due = rooms.store.due_sts_policies(now, 9).await.unwrap();
        if due.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "it stays due");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let known = Domain::parse(domain).unwrap();
    assert!(rooms.store.sts_policy(&known).await.unwrap().is_some());
}
