//! Tests of the gate between withdrawals and final dots.

use super::*;

fn person(n: u8) -> Index {
    Index::from_bytes([n; 17])
}

#[tokio::test]
async fn a_withdrawal_waits_for_who_is_inside_and_for_nobody_else() {
    let gate = DepartureGate::default();
    assert!(gate.settle(&person(1)).await, "an empty gate");
    let other = gate.depart(person(2));
    assert!(gate.settle(&person(1)).await, "somebody else's dot");
    let mut first = gate.depart(person(1));
    let second = gate.depart(person(1));
    assert!(!first.is_called_off());
    let waiting = tokio::spawn({
        let gate = gate.clone();
        async move { gate.settle(&person(1)).await }
    });
    first.called_off().await;
    assert!(first.is_called_off() && second.is_called_off() && !other.is_called_off());
    drop(first);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished(), "the second is still inside");
    let newcomer = gate.depart(person(1));
    assert!(
        !newcomer.is_called_off(),
        "who comes later reads what was committed"
    );
    drop(newcomer);
    drop(second);
    assert!(waiting.await.expect("no panic"));
    drop(other);
    assert!(gate.is_empty());
}

#[tokio::test]
async fn a_sender_that_is_stuck_is_waited_for_only_so_long() {
    let gate = DepartureGate::default();
    let stuck = gate.depart(person(1));
    let patience = Duration::from_millis(20);
    assert!(!gate.settle_within(&person(1), patience).await);
    assert!(stuck.is_called_off());
    drop(stuck);
    assert!(gate.settle(&person(1)).await);
}
