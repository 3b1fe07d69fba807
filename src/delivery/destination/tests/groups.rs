//! Tests of destinations that are counted and paused as one. Odd keys from 100 on are metered.

use super::*;

/// Claims, joins the group and gives the slot back if it may not be kept, until nobody may have one.
fn claim_all(fair: &mut Fair<usize, u8, usize>, most: usize, now: Instant) -> Vec<usize> {
    let mut kept = Vec::new();
    for _ in 0..100 {
        let Some(key) = fair.claim(now) else {
            return kept;
        };
        if fair.join(&key, &1, most) {
            fair.set_proven(&key, true);
            kept.push(key);
        } else {
            fair.release(&key);
        }
    }
    panic!("it runs in circles: {kept:?}")
}

fn with(keys: &[usize], jobs: usize) -> Fair<usize, u8, usize> {
    let mut fair = Fair::new(Limits {
        single: Duration::from_secs(100),
        ..limits(50, 10)
    });
    for key in keys {
        for job in 0..jobs {
            fair.push(*key, job).unwrap();
        }
    }
    fair
}

#[test]
fn a_group_has_its_slots_and_one_more_for_letters() {
    let mut fair = with(&[101, 103, 105], 9);
    let now = Instant::now();
    assert_eq!(claim_all(&mut fair, 2, now), [101, 103]);
    fair.push(8, 0).unwrap();
    assert_eq!(claim_all(&mut fair, 2, now), [8], "a letter doesn't wait");
    assert!(!fair.is_overdrawn(&101), "and nobody has to go for it");
    fair.push(10, 0).unwrap();
    assert_eq!(claim_all(&mut fair, 2, now), [] as [usize; 0]);
    fair.release(&101);
    assert_eq!(
        claim_all(&mut fair, 2, now),
        [105],
        "who waits in line comes first"
    );
    assert_eq!(fair.groups[&1].busy(), 3);
}

#[test]
fn a_worker_gives_way_to_others_of_its_group() {
    let mut fair = with(&[101, 103], 9);
    assert_eq!(claim_all(&mut fair, 1, Instant::now()), [101]);
    assert!(!fair.should_yield(&101, 1), "the burst isn't done");
    assert!(fair.should_yield(&101, 2));
    let mut alone = with(&[101], 9);
    claim_all(&mut alone, 1, Instant::now());
    assert!(!alone.should_yield(&101, 50), "nobody else waits");
}

#[test]
fn who_asks_to_slow_down_speaks_for_the_group() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut fair = with(&[101, 103, 8], 5);
    assert_eq!(claim_all(&mut fair, 3, start).len(), 4);
    fair.slow_group(&101, at(10));
    for key in [101, 103, 8] {
        assert!(fair.is_overdrawn(&key), "{key}");
        assert_eq!(fair.closed_until(&key), Some(at(10)));
        while fair.busy_for(&key) > 0 {
            fair.release(&key);
        }
    }
    assert_eq!(fair.claim(at(9)), None);
    assert_eq!(claim_all(&mut fair, 3, at(10)).len(), 1, "one at first");
    assert_eq!(fair.closed_until(&8), None);
    assert_eq!(claim_all(&mut fair, 3, at(110)).len(), 3, "then all");
}

#[test]
fn what_is_spent_holds_up_the_metered_alone() {
    let start = Instant::now();
    let mut fair = with(&[101], 5);
    fair.push(8, 0).unwrap();
    assert_eq!(claim_all(&mut fair, 1, start), [101, 8]);
    let until = start + Duration::from_secs(3_600);
    fair.set_spent(&1, until);
    assert!(!fair.is_overdrawn(&101), "what it has taken is counted");
    fair.release(&101);
    fair.push(12, 0).unwrap();
    assert_eq!(claim_all(&mut fair, 1, start), [12], "letters go on");
    assert_eq!(fair.closed_until(&101), Some(until));
    assert_eq!(fair.closed_until(&8), None);

    // They are taken back to where they came from, and what comes meanwhile is known to have to wait.
    let soon = start + Duration::from_secs(90);
    let taken = fair.take_closed(soon);
    assert_eq!(
        taken,
        (0..5).map(|job| (101, job, until)).collect::<Vec<_>>()
    );
    assert_eq!(fair.take_closed(soon), []);
    assert_eq!(fair.closed_until(&101), Some(until));
    fair.push(101, 7).unwrap();
    for key in [8, 12] {
        while fair.take(&key).is_some() {}
        fair.release(&key);
    }
    assert_eq!(fair.claim(start), None);
    fair.unspend();
    assert_eq!(fair.claim(start), Some(101));
}

#[test]
fn a_hold_up_that_ends_soon_is_waited_for() {
    let start = Instant::now();
    let mut fair = with(&[101], 5);
    claim_all(&mut fair, 1, start);
    fair.slow_group(&101, start + Duration::from_secs(60));
    fair.release(&101);
    assert_eq!(fair.take_closed(start + Duration::from_secs(90)), []);
}

#[test]
fn a_destination_that_moves_takes_its_slots_along() {
    let mut fair = with(&[101, 103], 9);
    let now = Instant::now();
    assert_eq!(claim_all(&mut fair, 1, now), [101]);
    assert!(fair.join(&101, &2, 1));
    assert_eq!(claim_all(&mut fair, 1, now), [103]);
    assert_eq!((fair.groups[&1].busy(), fair.groups[&2].busy()), (1, 1));
}

#[test]
fn groups_without_work_are_forgotten() {
    let mut fair = with(&[101, 103], 1);
    let now = Instant::now();
    for key in claim_all(&mut fair, 9, now) {
        while fair.take(&key).is_some() {}
        fair.release(&key);
    }
    assert!(fair.lanes.is_empty() && fair.groups.is_empty());
    assert_eq!(fair.claim(now), None);
}

proptest! {
    /// Whatever is done in whatever order: a group has no more than its slots, nothing is lost, and all is done in the end.
    #[test]
    fn groups_hold_and_nothing_is_lost(
        most in 1usize..4,
        steps in proptest::collection::vec((0u8..8, 0usize..6), 1..250),
    ) {
        let key = |n: usize| 100 + n;
        let home = |n: usize| u8::try_from(n % 2).unwrap();
        let mut now = Instant::now();
        let mut fair = Fair::<usize, u8, usize>::new(limits(20, 3));
        let (mut pushed, mut taken) = (0, 0);
        let mut busy = BTreeMap::<usize, usize>::new();
        for (action, n) in steps {
            let it = key(n);
            match action {
                0 | 1 => {
                    fair.push(it, pushed).unwrap();
                    pushed += 1;
                }
                2 | 3 => if let Some(claimed) = fair.claim(now) {
                    if fair.join(&claimed, &home(claimed), most) {
                        fair.set_proven(&claimed, true);
                        *busy.entry(claimed).or_default() += 1;
                    } else {
                        fair.release(&claimed);
                    }
                },
                4 => taken += usize::from(busy.get(&it).is_some_and(|slots| *slots > 0) && fair.take(&it).is_some()),
                5 => if let Some(slots) = busy.get_mut(&it).filter(|slots| **slots > 0) {
                    *slots -= 1;
                    fair.release(&it);
                },
                6 => fair.slow_group(&it, now + Duration::from_secs(5)),
                _ => {
                    fair.set_spent(&home(n), now + Duration::from_secs(4));
                    now += Duration::from_secs(3);
                }
            }
            for group in [0, 1] {
                let slots: usize = busy.iter().filter(|(key, _)| home(**key) == group).map(|(_, slots)| slots).sum();
                prop_assert!(slots <= most + 1);
                let metered: usize = busy.iter().filter(|(key, _)| home(**key) == group && key.is_metered()).map(|(_, slots)| slots).sum();
                prop_assert!(metered <= most);
            }
            prop_assert_eq!(fair.waiting(), pushed - taken);
        }
        for (key, slots) in busy {
            (0..slots).for_each(|_| fair.release(&key));
        }
        now += Duration::from_secs(10_000);
        while let Some(claimed) = fair.claim(now) {
            if fair.join(&claimed, &home(claimed), most) {
                taken += usize::from(fair.take(&claimed).is_some());
            }
            fair.release(&claimed);
        }
        prop_assert_eq!(taken, pushed);
        prop_assert!(fair.lanes.is_empty() && fair.groups.is_empty());
    }
}
