//! Tests of what is sent to a destination at once, and when it is left alone.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

mod groups;

/// Odd keys from 100 on are metered.
impl Key for usize {
    fn is_metered(&self) -> bool {
        *self >= 100 && *self % 2 == 1
    }
}

fn limits(total: usize, each: usize) -> Limits {
    Limits {
        total,
        each,
        jobs_per_slot: 1,
        burst: 2,
        ..Limits::default()
    }
}

fn fill(fair: &mut Fair<usize, u8, usize>, counts: &[usize]) {
    for (key, count) in counts.iter().enumerate() {
        for job in 0..*count {
            fair.push(key, job).unwrap();
        }
        fair.set_proven(&key, true);
    }
}

#[test]
fn slots_go_round() {
    let mut fair = Fair::new(limits(10, 2));
    fill(&mut fair, &[9, 9, 9]);
    let now = Instant::now();
    let claims: Vec<_> = std::iter::from_fn(|| fair.claim(now)).collect();
    assert_eq!(claims, [0, 1, 2, 0, 1, 2]);
    assert_eq!(fair.busy(), 6);
}

#[test]
fn a_destination_that_has_not_answered_has_one_slot_and_all_such_leave_a_quarter() {
    let mut fair = Fair::new(limits(4, 4));
    fill(&mut fair, &[9, 9, 9, 9, 9]);
    (0..4).for_each(|key| fair.set_proven(&key, false));
    let now = Instant::now();
    let claims: Vec<_> = std::iter::from_fn(|| fair.claim(now)).collect();
    assert_eq!(claims, [0, 1, 2, 4], "the fourth waits, and nobody has two");
    fair.set_proven(&0, true);
    fair.release(&4);
    assert_eq!(fair.claim(now), Some(3));
    fair.release(&1);
    fair.set_proven(&0, false);
    assert_eq!(fair.claim(now), Some(4));
    for key in [0, 2, 3, 4] {
        while fair.take(&key).is_some() {}
        fair.release(&key);
    }
    assert_eq!((fair.probing, fair.busy()), (0, 0));
}

#[test]
fn one_more_slot_needs_enough_jobs() {
    let mut fair = Fair::new(Limits {
        jobs_per_slot: 20,
        ..limits(10, 4)
    });
    fill(&mut fair, &[39]);
    let now = Instant::now();
    assert_eq!(fair.claim(now), Some(0));
    assert_eq!(fair.claim(now), None);
    fair.push(0, 39).unwrap();
    assert_eq!(fair.claim(now), Some(0));
    assert_eq!(fair.claim(now), None);
}

#[test]
fn a_worker_yields_when_others_wait_without_a_slot() {
    let mut fair = Fair::new(limits(1, 1));
    fill(&mut fair, &[100]);
    let now = Instant::now();
    assert_eq!(fair.claim(now), Some(0));
    assert!(!fair.should_yield(&0, 50), "nobody else waits");
    fair.push(1, 0).unwrap();
    assert!(!fair.should_yield(&0, 1), "the burst isn't done");
    assert!(fair.should_yield(&0, 2));
    fair.release(&0);
    assert_eq!(fair.claim(now), Some(1));
}

#[test]
fn a_large_destination_leaves_room_for_others() {
    let mut fair = Fair::new(Limits {
        waiting: 15,
        waiting_each: 10,
        ..limits(1, 1)
    });
    fill(&mut fair, &[10]);
    assert_eq!(fair.push(0, 10), Err(10));
    assert_eq!(fair.room(&1), 5);
    fill(&mut fair, &[0, 5]);
    assert_eq!(fair.push(2, 0), Err(0));
    assert_eq!(fair.waiting(), 15);
}

#[test]
fn slowed_down_it_pauses_then_has_one_slot_then_all() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut fair = Fair::new(Limits {
        single: Duration::from_secs(100),
        ..limits(10, 3)
    });
    fill(&mut fair, &[50, 1]);
    fair.slow_down(&0, at(10));
    assert_eq!(fair.claim(at(0)), Some(1));
    assert_eq!(fair.claim(at(9)), None);
    assert_eq!(fair.next_wake(), Some(at(10)));
    assert_eq!(fair.claim(at(10)), Some(0));
    assert_eq!(fair.claim(at(10)), None);
    assert_eq!(fair.claim(at(110)), Some(0));
    assert_eq!(fair.claim(at(110)), Some(0));
    assert_eq!(fair.claim(at(110)), None);
}

#[test]
fn an_idle_destination_is_forgotten_but_not_that_it_is_slow() {
    let start = Instant::now();
    let mut fair = Fair::new(limits(10, 3));
    fill(&mut fair, &[1, 1]);
    fair.slow_down(&1, start + Duration::from_secs(10));
    assert_eq!(fair.claim(start), Some(0));
    assert_eq!(fair.take(&0), Some(0));
    fair.release(&0);
    fair.take(&1);
    assert_eq!(fair.lanes.len(), 1);
    assert_eq!(fair.claim(start + Duration::from_secs(100_000)), None);
    assert!(fair.lanes.is_empty());
}

#[test]
fn put_back_comes_first() {
    let mut fair = Fair::new(limits(10, 3));
    fill(&mut fair, &[3]);
    fair.claim(Instant::now());
    let job = fair.take(&0).unwrap();
    fair.put_back(0, job);
    assert_eq!(fair.take(&0), Some(0));
    assert_eq!(fair.take(&0), Some(1));
}

#[test]
fn releasing_what_was_not_claimed_does_nothing() {
    let mut fair = Fair::<usize, u8, usize>::new(limits(10, 3));
    fair.release(&7);
    fill(&mut fair, &[1]);
    fair.release(&0);
    assert_eq!(fair.busy(), 0);
}

proptest! {
    /// Whatever is done in whatever order: limits hold, and each job is given out once, in order.
    #[test]
    fn limits_hold_and_nothing_is_lost(
        total in 1usize..6, each in 1usize..4, jobs_per_slot in 1usize..4,
        steps in proptest::collection::vec((0u8..5, 0usize..4), 1..200),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut fair = Fair::<usize, u8, usize>::new(Limits { jobs_per_slot, ..limits(total, each) });
        let (mut pushed, mut taken) = (BTreeMap::<usize, usize>::new(), BTreeMap::<usize, usize>::new());
        let mut busy = BTreeMap::<usize, usize>::new();
        for (action, key) in steps {
            match action {
                0 => {
                    let count = pushed.entry(key).or_default();
                    fair.push(key, *count).unwrap();
                    fair.set_proven(&key, *count % 3 != 1);
                    *count += 1;
                }
                1 => if let Some(key) = fair.claim(now) {
                    *busy.entry(key).or_default() += 1;
                },
                2 => if let Some(job) = fair.take(&key) {
                    let count = taken.entry(key).or_default();
                    prop_assert_eq!(job, *count);
                    *count += 1;
                },
                3 => if let Some(count) = busy.get_mut(&key).filter(|count| **count > 0) {
                    *count -= 1;
                    fair.release(&key);
                },
                _ => {
                    fair.slow_down(&key, now + Duration::from_secs(5));
                    now += Duration::from_secs(3);
                }
            }
            prop_assert!(busy.values().sum::<usize>() <= total);
            prop_assert!(busy.values().all(|count| *count <= each));
            prop_assert_eq!(fair.busy(), busy.values().sum::<usize>());
            prop_assert_eq!(fair.waiting(), pushed.values().sum::<usize>() - taken.values().sum::<usize>());
            prop_assert!(fair.ring.len() <= 4);
            prop_assert!(fair.probing <= fair.busy());
        }
    }

    /// Workers that do a burst and give way: nobody waits longer than everybody else's one burst.
    #[test]
    fn nobody_starves(
        total in 1usize..5, each in 1usize..4,
        counts in proptest::collection::vec(1usize..60, 1..12),
    ) {
        let now = Instant::now();
        let mut fair = Fair::new(limits(total, each));
        fill(&mut fair, &counts);
        let mut since_served = vec![0usize; counts.len()];
        let mut done = vec![0usize; counts.len()];
        let mut workers = VecDeque::new();
        loop {
            while let Some(key) = fair.claim(now) {
                for (other, waits) in since_served.iter_mut().enumerate() {
                    *waits = if other == key { 0 } else { *waits + 1 };
                }
                for (other, waits) in since_served.iter().enumerate() {
                    let has_slot = workers.contains(&other);
                    prop_assert!(
                        has_slot || done[other] == counts[other] || *waits <= counts.len() + total,
                        "{other} waited {waits} turns"
                    );
                }
                workers.push_back(key);
            }
            let Some(key) = workers.pop_front() else { break };
            for _ in 0..2 {
                if let Some(job) = fair.take(&key) {
                    prop_assert_eq!(job, done[key]);
                    done[key] += 1;
                }
            }
            fair.release(&key);
        }
        prop_assert_eq!(done, counts);
        prop_assert!(fair.lanes.is_empty());
    }
}
