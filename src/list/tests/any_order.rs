//! Whatever happens in whatever order: nobody gets two copies but by a crash, nobody gets one after they withdrew, and in
//! the end everybody who stayed has one.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PEOPLE: usize = 6;

#[derive(Debug, Clone)]
enum Act {
    Expand,
    /// Take up to this many and bring them; the second number says what comes of each.
    Bring(u8, u8),
    /// Make a letter and lose it.
    Lose,
    Withdraw(usize),
    /// Between the letter and its dot.
    WithdrawInside(usize),
    Pause,
    Resume,
    Wait(u8),
    Crash,
    /// With a dot that left and no outcome.
    CrashAfterDot,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => Just(Act::Expand),
        5 => (1..4_u8, 0..4_u8).prop_map(|(count, fate)| Act::Bring(count, fate)),
        1 => Just(Act::Lose),
        2 => (0..PEOPLE).prop_map(Act::Withdraw),
        2 => (0..PEOPLE).prop_map(Act::WithdrawInside),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        2 => (0..120_u8).prop_map(Act::Wait),
        1 => Just(Act::Crash),
        1 => Just(Act::CrashAfterDot),
    ];
    prop::collection::vec(act, 5..30)
}

struct Story {
    world: World,
    id: MailingId,
    left: Vec<Left>,
    withdrawn: BTreeSet<String>,
    unknown: usize,
    failed: BTreeSet<String>,
}

impl Story {
    async fn begin() -> Self {
        let world = World::new().await;
        world.people(PEOPLE).await;
        let id = world.released().await;
        Self {
            world,
            id,
            left: Vec::new(),
            withdrawn: BTreeSet::new(),
            unknown: 0,
            failed: BTreeSet::new(),
        }
    }

    async fn withdraw(&mut self, n: usize) {
        self.world.withdraw(&person(n), "news").await;
        self.withdrawn.insert(person(n));
    }

    fn got(&mut self, copy: Left) {
        assert!(
            !self.withdrawn.contains(&copy.to),
            "a copy after a withdrawal"
        );
        self.left.push(copy);
    }

    /// One copy by hand, with somebody withdrawing before its dot.
    async fn bring(&mut self, parcel: &dyn Parcel, fate: u8, inside: Option<usize>) {
        let Some(copy) = load(parcel).await else {
            return;
        };
        if let Some(n) = inside {
            self.withdraw(n).await;
        }
        let Some(clearance) = parcel.clearance().await else {
            return;
        };
        drop(clearance);
        let outcome = match fate {
            0 => failed(Cause::AddressBusy, false),
            1 => failed(Cause::AddressDead, true),
            _ => Fate::Delivered,
        };
        match outcome {
            Fate::Delivered => self.got(copy),
            _ if fate == 1 => drop(self.failed.insert(copy.to)),
            _ => {}
        }
        parcel.settle(self.world.attempted(outcome)).await.unwrap();
    }

    async fn act(mut self, act: Act) -> Self {
        match act {
            Act::Expand => drop(self.world.room.tick().await.unwrap()),
            Act::Bring(count, fate) => {
                let now = self.world.clock.now();
                for parcel in self.world.room.due(now, count.into()).await.unwrap() {
                    self.bring(&*parcel, fate, None).await;
                }
            }
            Act::Lose => {
                for parcel in self.world.due().await {
                    load(&*parcel).await;
                }
            }
            Act::Withdraw(n) => self.withdraw(n).await,
            Act::WithdrawInside(n) => {
                for parcel in self.world.due().await {
                    self.bring(&*parcel, 2, Some(n)).await;
                }
            }
            Act::Pause => drop(self.world.room.pause(self.id, &self.world.who("ada")).await),
            Act::Resume => drop(
                self.world
                    .room
                    .resume(self.id, &self.world.who("ada"))
                    .await,
            ),
            Act::Wait(minutes) => self.world.wait(SignedDuration::from_mins(minutes.into())),
            Act::Crash => self.world = self.world.crash().await,
            Act::CrashAfterDot => {
                let parcels = self.world.due().await;
                if let Some(parcel) = parcels.first()
                    && let Some(copy) = load(&**parcel).await
                    && parcel.clearance().await.is_some()
                {
                    self.got(copy);
                    self.unknown += 1;
                }
                drop(parcels);
                self.world = self.world.crash().await;
            }
        }
        self
    }

    async fn end(mut self) {
        let _ = self
            .world
            .room
            .resume(self.id, &self.world.who("ada"))
            .await;
        for _ in 0..40 {
            for copy in self.world.bring(delivered).await {
                self.got(copy);
            }
            self.world.wait(SignedDuration::from_hours(5));
        }
        let tally = tally(&self.left);
        let more: usize = tally.values().map(|count| count - 1).sum();
        assert!(
            more <= self.unknown,
            "{more} came twice, {} may",
            self.unknown
        );
        for n in 0..PEOPLE {
            let stayed = !self.withdrawn.contains(&person(n)) && !self.failed.contains(&person(n));
            assert!(
                !stayed || tally.contains_key(&person(n)),
                "somebody got none"
            );
        }
        assert_eq!(self.world.state(self.id).await, MailingState::Done);
        assert!(self.world.store.verify(|_, _| ()).await.unwrap().is_clean());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn everybody_who_stays_gets_one(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut story = Story::begin().await;
            for act in acts {
                story = story.act(act).await;
            }
            story.end().await;
        });
    }
}
