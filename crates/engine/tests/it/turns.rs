//! Turns that several lanes share.

use engine::{Turn, Turns};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};

#[tokio::test]
async fn turns_go_to_the_lanes_that_wait_by_their_weights_and_none_starves() {
    let turns = Turns::new(1);
    let seats = [16, 4, 1].map(|weight| turns.seat(weight, None));
    let held = seats[0].take().await;
    let mut waiting = FuturesUnordered::new();
    let wait = |lane: usize| {
        let seat = seats[lane].clone();
        async move { (lane, seat.take().await) }
    };
    for lane in 0..3 {
        waiting.push(wait(lane).boxed());
    }
    assert!(waiting.next().now_or_never().is_none(), "one turn is all");
    drop(held);
    let mut had = [0; 3];
    for _ in 0..210 {
        let (lane, turn) = waiting.next().await.expect("a turn");
        had[lane] += 1;
        // It waits again at once: each lane always has something to do.
        waiting.push(wait(lane).boxed());
        assert!(waiting.next().now_or_never().is_none(), "no turn is free");
        drop(turn);
    }
    assert_eq!(had, [160, 40, 10]);
}

#[tokio::test]
async fn a_lane_that_is_alone_has_every_turn_and_one_that_has_gone_has_none() {
    let turns = Turns::new(3);
    let (light, heavy) = (turns.seat(1, None), turns.seat(100, None));
    let held: Vec<Turn> = std::iter::from_fn(|| light.try_take()).collect();
    assert_eq!(held.len(), 3);
    // It asks, again and again, and does not wait for the answer.
    for _ in 0..5 {
        assert!(heavy.take().now_or_never().is_none());
    }
    let waiting = light.take();
    tokio::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(held);
    let _turn = waiting.await;
    let free: Vec<Turn> = std::iter::from_fn(|| heavy.try_take()).collect();
    assert_eq!(free.len(), 2, "nobody took a turn along");
}

#[tokio::test]
async fn a_turn_that_was_given_to_whoever_has_just_gone_goes_to_the_next() {
    let turns = Turns::new(1);
    let (one, other) = (turns.seat(1, None), turns.seat(1, None));
    let held = one.take().await;
    let mut gone = Box::pin(one.take());
    assert!(gone.as_mut().now_or_never().is_none());
    let mut stays = Box::pin(other.take());
    assert!(stays.as_mut().now_or_never().is_none());
    drop(held);
    // The turn lies ready for the one who does not look any more.
    drop(gone);
    let _turn = stays.await;
}

#[tokio::test]
async fn whoever_has_asked_waits_from_then_on_and_keeps_what_it_is_given_until_it_looks() {
    let turns = Turns::new(1);
    let (light, heavy) = (turns.seat(1, None), turns.seat(16, None));
    let held = heavy.ask().await;
    let (mut other, asked) = (light.ask(), heavy.ask());
    drop(held);
    assert!((&mut other).now_or_never().is_none());
    let held = asked.now_or_never().expect("the heavy one has it");
    let asked = heavy.ask();
    // It does not want it any more.
    drop(asked);
    drop(held);
    assert!((&mut other).now_or_never().is_some());
}
