//! The plan of faults.

use std::collections::BTreeSet;
use std::time::Duration;

use chaos::{Fault, plan};

const LEASE: Duration = Duration::from_secs(4);
const EVERY: Duration = Duration::from_secs(3);

fn of(seed: u64, seconds: u64) -> Vec<(Duration, Fault)> {
    plan(seed, Duration::from_secs(seconds), EVERY, LEASE)
}

#[test]
fn one_seed_is_one_plan_and_another_seed_another() {
    assert_eq!(of(7, 600), of(7, 600));
    assert_ne!(of(7, 600), of(8, 600));
}

#[test]
fn a_fault_comes_every_three_seconds_and_every_kind_comes() {
    let faults = of(7, 600);
    assert!((180..=220).contains(&faults.len()), "{}", faults.len());
    assert!(faults.is_sorted_by_key(|(at, _)| *at));
    let short: BTreeSet<_> = of(7, 50).iter().map(|(_, fault)| fault.word()).collect();
    assert_eq!(short.len(), 11, "the first faults are one of each kind");
}

/// What deploy/local/chaos.sh runs at the end of `./dev test`.
#[test]
fn the_short_plan_of_the_test_suite_has_every_kind() {
    let (length, every) = (Duration::from_secs(24), Duration::from_millis(1_800));
    let faults = plan(1, length, every, LEASE);
    let kinds: BTreeSet<_> = faults.iter().map(|(_, fault)| fault.word()).collect();
    assert_eq!(kinds.len(), 11, "{faults:?}");
}

#[test]
fn whoever_is_frozen_is_frozen_for_longer_than_the_lease() {
    for (_, fault) in of(7, 600) {
        if let Fault::Freeze(_, millis) = fault {
            assert!(Duration::from_millis(millis) > LEASE, "{fault:?}");
        }
    }
}
