//! One call after the other, on eight connections, compared step by step.

use std::collections::HashSet;
use std::sync::Mutex;

use domain::CompensateBizId;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::Store;
use testkit::TestDatabase;
use tokio::runtime::Handle;

use super::act::{Act, act};
use super::call::{Answer, OnLetter, perform};
use super::club::{CONNECTIONS, Club, stores};
use super::known::Known;
use super::reference::Reference;

const CASES: u32 = 20;
const ACTS: usize = 80;

/// Tries to find a smaller failing order.
const SHRINKS: u32 = 300;

/// What happened in all cases together, so that a test that does nothing is noticed.
type Happened = Mutex<HashSet<&'static str>>;

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_and_every_row_is_what_the_rules_say_in_any_order_of_calls() {
    let database = TestDatabase::with_examples().await;
    let stores = stores(database.url());
    let orders = prop::collection::vec((0..CONNECTIONS, act()), ACTS);
    let config = Config {
        cases: CASES,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    let (handle, happened) = (Handle::current(), Happened::default());
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&orders, |order| {
            handle.block_on(run(&database, &stores, &order, &happened));
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let happened = happened.into_inner().expect("no panic under it");
    let wanted = [
        "claimed by ring",
        "claimed by scan",
        "duplicate",
        "lost",
        "settled",
        "rescued",
        "relayed",
        "retracted",
        "cancelled",
        "redriven",
        "redriven by its letter",
        "letter discarded",
        "letter refused",
        "given up",
        "ended twice",
        "superseded",
        "done in a batch",
        "failed in a batch",
        "duplicate in a batch",
    ];
    for wanted in wanted {
        assert!(
            happened.contains(wanted),
            "{wanted}: never, of {happened:?}"
        );
    }
}

async fn run(database: &TestDatabase, stores: &[Store], order: &[(usize, Act)], all: &Happened) {
    let club = Club::new(database, &stores[0]).await;
    let mut reference = Reference::new(&club);
    let mut known = Known::default();
    for (who, act) in order {
        let Some(call) = known.call(&club, act) else {
            continue;
        };
        let name = format!("number-{who}");
        let answer = perform(&club, &stores[*who], &name, &call).await;
        reference.allows(&call, &answer, &known.follow_ups);
        let follow_ups = club.follow_ups().await;
        let seen = club.look().await;
        let generations: Vec<u32> = follow_ups.iter().map(|(_, number)| *number).collect();
        reference.compare(&seen, club.counts().await, &generations);
        let mut happened = all.lock().expect("no panic under it");
        happened.extend(names(&answer));
        happened.extend(seen.iter().any(|row| row.letters > 0).then_some("given up"));
        happened.extend((generations.len() > 1).then_some("ended twice"));
        drop(happened);
        for (epoch, row) in known.epochs.iter_mut().zip(&seen) {
            assert!(row.epoch >= *epoch, "an epoch fell: {seen:?}");
            *epoch = row.epoch;
        }
        known.follow_ups = follow_ups
            .iter()
            .map(|(id, _)| *id)
            .collect::<Vec<CompensateBizId>>();
        known.learn(&answer);
    }
}

/// What an answer shows to have happened.
fn names(answer: &Answer) -> Vec<&'static str> {
    use store::{Beat, Cancelled, Settled};
    let (name, happened) = match answer {
        Answer::Rung(claimed, 0) => ("claimed by ring", !claimed.is_empty()),
        Answer::Rung(_, _) => ("duplicate", true),
        Answer::Scanned(claimed) => ("claimed by scan", !claimed.is_empty()),
        Answer::Batch(ran) if !ran.failed.is_empty() => ("failed in a batch", true),
        Answer::Batch(ran) if ran.done > 0 => ("done in a batch", true),
        Answer::Batch(ran) => ("duplicate in a batch", ran.duplicates > 0),
        Answer::Beat(beat) => ("lost", *beat == Beat::Lost),
        Answer::Settled(Settled::Lost) => ("lost", true),
        Answer::Settled(_) => ("settled", true),
        Answer::Swept(rescued) => ("rescued", !rescued.is_empty()),
        Answer::Relayed(rung) => ("relayed", !rung.is_empty()),
        Answer::Retracted(touched) => ("retracted", *touched > 0),
        Answer::Cancelled(cancelled) => ("cancelled", *cancelled == Cancelled::Now),
        Answer::Retried(rung) => ("redriven", rung.is_some()),
        Answer::Letter(OnLetter::Redriven(..)) => ("redriven by its letter", true),
        Answer::Letter(OnLetter::Discarded(_)) => ("letter discarded", true),
        Answer::Letter(OnLetter::Refused(_)) => ("letter refused", true),
        Answer::Letter(OnLetter::Nothing) => ("no letter", true),
        Answer::Nothing => ("time passed", true),
        Answer::FollowUp(_, told) => ("superseded", *told == Some(true)),
    };
    happened.then_some(name).into_iter().collect()
}
