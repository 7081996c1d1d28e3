//! When a lane is paused by itself.

use std::time::Duration;

use domain::{BreakerTerms, BreakerWindow, Failure, FailureCode, LaneFault, Verdict};
use proptest::prelude::*;

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        20 => Just(Verdict::Good),
        1 => proptest::sample::select(LaneFault::ALL).prop_map(Verdict::Bad),
        2 => Just(Verdict::TriedAgain),
        2 => Just(Verdict::Neither),
    ]
}

/// A plain reading of the rule, over all that has been since the last trip.
fn trips(ends: &[Option<LaneFault>]) -> bool {
    let in_a_row = ends.iter().rev().take_while(|end| end.is_some()).count();
    let last = &ends[ends.len().saturating_sub(200)..];
    let bad = last.iter().flatten().count();
    let share = last.len() >= 100 && bad as f64 > last.len() as f64 * 0.05;
    in_a_row > 0 && (in_a_row >= 50 || share)
}

proptest! {
    #[test]
    fn a_lane_trips_when_and_only_when_the_rule_says_so(
        verdicts in proptest::collection::vec(verdicts(), 0..700),
    ) {
        let mut window = BreakerWindow::default();
        let mut ends = Vec::new();
        for verdict in verdicts {
            let trip = window.record(verdict);
            match verdict {
                Verdict::Good => ends.push(None),
                Verdict::Bad(fault) => ends.push(Some(fault)),
                Verdict::TriedAgain | Verdict::Neither => {
                    prop_assert_eq!(trip, None);
                    continue;
                }
            }
            prop_assert_eq!(trip.is_some(), trips(&ends));
            if let Some(trip) = trip {
                let last = &ends[ends.len().saturating_sub(BreakerWindow::MOST)..];
                prop_assert_eq!((trip.bad, trip.of), (last.iter().flatten().count(), last.len()));
                let times = |fault| last.iter().flatten().filter(|it| **it == fault).count();
                prop_assert!(LaneFault::ALL.iter().all(|it| times(*it) <= times(trip.fault)));
                ends.clear();
            }
        }
    }

    #[test]
    fn pauses_double_from_the_first_to_the_longest(trips in 1_u32..100) {
        let terms = BreakerTerms::default();
        let pause = terms.pause_after(trips);
        let expected = 30_u64.saturating_mul(2_u64.saturating_pow(trips - 1)).min(900);
        prop_assert_eq!(pause, Duration::from_secs(expected));
    }
}

#[test]
fn fifty_in_a_row_trip_and_not_one_less() {
    let mut window = BreakerWindow::default();
    let panic = Verdict::Bad(LaneFault::Panic);
    assert!((1..50).all(|_| window.record(panic).is_none()));
    let trip = window.record(panic).unwrap();
    assert_eq!((trip.fault, trip.bad, trip.of), (LaneFault::Panic, 50, 50));
    assert!(
        (1..50).all(|_| window.record(panic).is_none()),
        "it counts anew"
    );
}

#[test]
fn what_a_failure_says_of_its_lane() {
    let internal = FailureCode::Internal;
    let transient = Failure::transient(internal, "x");
    let bad = Verdict::Bad;
    for (failure, panicked, given_up, verdict) in [
        (&transient, true, false, bad(LaneFault::Panic)),
        (&transient, true, true, bad(LaneFault::Panic)),
        (&transient, false, true, bad(LaneFault::Spent)),
        (&transient, false, false, Verdict::TriedAgain),
        (
            &Failure::permanent(internal, "x"),
            false,
            true,
            bad(LaneFault::Internal),
        ),
        (
            &Failure::permanent(FailureCode::DatasetNotFound, "x"),
            false,
            true,
            Verdict::Neither,
        ),
        (
            &Failure::rejected(FailureCode::EmptyFile, "x"),
            false,
            true,
            Verdict::Neither,
        ),
        (&Failure::stopped(), false, false, Verdict::Neither),
    ] {
        assert_eq!(
            Verdict::of(failure, panicked, given_up),
            verdict,
            "{failure}"
        );
    }
}
