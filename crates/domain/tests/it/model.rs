//! The house as an exhaustive model: every order of steps of relays, workers, sweepers and persons,
//! on a network that loses, doubles and reorders, with a crash between any two steps.
//!
//! What may follow what is asked of `domain::transition` and `domain::GroupState`, so a wrong table
//! breaks a law here. Each guard that the house relies on is taken away in turn by a negative model,
//! and the checker must find the law that breaks: a guard without which nothing breaks is not shown
//! to be needed. Time is abstract: a timer that was set may end at any moment.
//!
//! - `house`: one row, two workers by ring and scan, two sweepers, two relays, cancel, redrive; and two
//!   bulk workers beside one that leases;
//! - `lane`: one partition, two members of the group, offsets, a message that is no ring;
//! - `group`: two members, follow-ups of each generation, cancel, redrive;
//! - `letters`: giving up, dead letters and the rows that tell of them, two persons.

mod group;
mod house;
mod lane;
mod letters;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Walks every state: no law breaks, and everything that is worth a law does happen.
fn holds<M>(name: &str, model: M)
where
    M: Model<State: Clone + Debug + Hash + PartialEq + Send + Sync> + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().spawn_bfs().join();
    println!(
        "{name}: {} states, {} steps, {} deep",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

/// Walks until the law breaks, and tells how.
fn breaks<M>(model: M, law: &'static str)
where
    M: Model<State: Clone + Debug + Hash + PartialEq + Send + Sync> + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let law_is_one = model
        .properties()
        .iter()
        .any(|property| property.name == law && property.expectation.discovery_is_failure());
    assert!(law_is_one, "{law:?} is no law of this model");
    let until = HasDiscoveries::AllOf(BTreeSet::from([law]));
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let Some(path) = checker.discovery(law) else {
        panic!(
            "{law:?} holds in all {} states",
            checker.unique_state_count()
        );
    };
    println!("{law:?} breaks by {:?}", path.into_actions());
}
