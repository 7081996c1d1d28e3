//! The retry budget.

use std::time::Duration;

use domain::{BudgetTerms, RetryBudget};
use proptest::prelude::*;

/// Milliseconds since the event before, and whether a row was tried for the first time.
fn events() -> impl Strategy<Value = Vec<(u64, bool)>> {
    proptest::collection::vec((0_u64..200, any::<bool>()), 1..600)
}

fn terms() -> impl Strategy<Value = BudgetTerms> {
    (0.0_f64..1.0, 0.1_f64..50.0, 0.0_f64..50.0).prop_map(|(share, per_second, burst)| {
        BudgetTerms {
            share,
            per_second,
            burst,
            longest: Duration::from_secs(60),
        }
    })
}

proptest! {
    #[test]
    fn whatever_fails_no_more_tries_come_than_the_budget_grants(
        terms in terms(), events in events(), jitter in 0.0_f64..1.0,
    ) {
        let mut budget = RetryBudget::new(terms);
        let (mut now, mut firsts, mut due) = (0, 0_u32, Vec::new());
        for (passed, is_first) in events {
            now += passed;
            let at = Duration::from_millis(now);
            if is_first {
                budget.first_try();
                firsts += 1;
            } else {
                let wait = budget.further_try(at, jitter);
                prop_assert!(wait <= terms.longest.mul_f64(1.5));
                // those that wait as long as any are told no time of their own
                if wait < terms.longest {
                    due.push(at + wait);
                }
            }
        }
        due.sort_unstable();
        for (before, at) in due.iter().enumerate() {
            let granted = terms.burst + terms.per_second * at.as_secs_f64()
                + terms.share * f64::from(firsts);
            prop_assert!(before as f64 + 1.0 <= granted + 1e-3, "{before} before {at:?}");
        }
    }

    #[test]
    fn a_lane_that_fails_seldom_is_never_held_up(count in 1_u32..2_000) {
        let mut budget = RetryBudget::new(BudgetTerms::default());
        for number in 0..count {
            budget.first_try();
            if number % 5 == 0 {
                prop_assert_eq!(budget.further_try(Duration::ZERO, 1.0), Duration::ZERO);
            }
        }
    }

    #[test]
    fn after_any_storm_the_budget_is_there_again_within_its_longest_wait(storm in 1_u32..5_000) {
        let terms = BudgetTerms::default();
        let mut budget = RetryBudget::new(terms);
        for _ in 0..storm {
            budget.further_try(Duration::ZERO, 1.0);
        }
        let later = terms.longest + Duration::from_secs(1);
        prop_assert_eq!(budget.further_try(later, 1.0), Duration::ZERO);
    }
}

#[test]
fn a_budget_that_nothing_fills_makes_tries_wait_the_longest() {
    let terms = BudgetTerms {
        share: 0.0,
        per_second: 0.0,
        burst: 1.0,
        longest: Duration::from_secs(60),
    };
    let mut budget = RetryBudget::new(terms);
    let waits: Vec<Duration> = (0..3)
        .map(|_| budget.further_try(Duration::ZERO, 0.0))
        .collect();
    assert_eq!(waits, [0, 60, 60].map(Duration::from_secs));
}
