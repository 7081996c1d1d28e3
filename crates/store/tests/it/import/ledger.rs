//! Batches and their counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{RowCode, TaskId, Tenant};
use futures::StreamExt;
use store::{Store, StoreError, Story, TaskFilter};
use testkit::TestDatabase;

use super::{Lanes, Outcome, a_fault, a_split_import, acme, recording, seen, settle};
use crate::settle::owner;

/// Rows of a batch of these tests.
const ROWS: u32 = 10;

/// Batch `number` of batches of [`ROWS`] rows, some of each kind.
fn a_mixed_batch(number: u32) -> Outcome {
    let first_row = 2 + (number - 1) * ROWS;
    let failed = number % 3;
    let skipped = number % 2;
    let errors = (0..failed).flat_map(|place| {
        let row = first_row + place;
        let codes = [RowCode::Required, RowCode::TooLong];
        codes
            .into_iter()
            .take(1 + number as usize % 2)
            .map(move |code| a_fault(row, code))
    });
    Outcome {
        number,
        first_row,
        inserted: ROWS - failed - skipped - 1,
        updated: 1,
        failed,
        skipped,
        errors: errors.collect(),
    }
}

/// What is told of a task whichever way it is read: done, failed, skipped, unprocessed.
async fn told(store: &Store, task: TaskId) -> Vec<(u64, [u64; 4])> {
    let filter = TaskFilter {
        limit: 9,
        ..TaskFilter::default()
    };
    let mut all = vec![seen(store, task).await];
    all.extend(store.tasks(&owner(), filter).await.expect("listed").items);
    all.extend(store.tasks_by_id(vec![task]).await.expect("read"));
    let told = all.into_iter().map(|task| {
        let total = task.progress.total_rows.expect("known since the split");
        let progress = &task.progress;
        let settled = progress.done_rows + progress.failed_rows + progress.skipped_rows;
        assert!(settled <= total, "{settled} of {total}");
        assert_eq!(settled + task.unprocessed_rows(), total);
        let counts = [
            progress.done_rows,
            progress.failed_rows,
            progress.skipped_rows,
            task.unprocessed_rows(),
        ];
        (task.version, counts)
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_add_up_at_every_poll_while_eight_connections_record_batches() {
    const BATCHES: u32 = 240;
    let database = TestDatabase::create().await;
    let (store, reader) = (database.store_with_pool(8), database.store_with_pool(2));
    let total = u64::from(BATCHES * ROWS);
    let (task, batches) = a_split_import(&store, &Lanes::new(), total, BATCHES as usize).await;
    let before = seen(&store, task).await.version;
    let is_over = AtomicBool::new(false);
    let recorded = async {
        futures::stream::iter((1..).zip(&batches))
            .for_each_concurrent(8, |(number, batch)| {
                let ending = recording(a_mixed_batch(number));
                async { drop(settle(&store, batch, ending).await) }
            })
            .await;
        is_over.store(true, Ordering::Relaxed);
    };
    let polled = async {
        let mut polls = 0;
        let mut last = (0, [0, 0, 0, total]);
        while !is_over.load(Ordering::Relaxed) {
            for (version, counts) in told(&reader, task).await {
                assert!(version >= last.0, "versions rise");
                assert!(
                    counts[..3]
                        .iter()
                        .zip(&last.1)
                        .all(|(now, then)| now >= then)
                );
                last = (version, counts);
                polls += 1;
            }
        }
        polls
    };
    let ((), polls) = tokio::join!(recorded, polled);
    assert!(polls > 3, "{polls} polls");

    let task = seen(&store, task).await;
    assert!(
        task.version >= before + u64::from(BATCHES),
        "each commit is a version"
    );
    assert_eq!(task.unprocessed_rows(), 0);
    let expected = (1..=BATCHES).map(a_mixed_batch);
    let sum =
        |of: fn(&Outcome) -> u32| -> u64 { expected.clone().map(|it| u64::from(of(&it))).sum() };
    let ledger = store.ledger(&acme(), task.id).await.expect("read");
    assert_eq!(ledger.settled(), total);
    assert_eq!(ledger.inserted, sum(|it| it.inserted));
    assert_eq!(ledger.updated, sum(|it| it.updated));
    assert_eq!(ledger.done, ledger.inserted + ledger.updated);
    assert_eq!(ledger.failed, sum(|it| it.failed));
    assert_eq!(ledger.skipped, sum(|it| it.skipped));
    let mut by_code: BTreeMap<RowCode, u64> = BTreeMap::new();
    for error in expected.clone().flat_map(|it| it.errors) {
        *by_code.entry(error.code).or_default() += 1;
    }
    assert_eq!(ledger.by_code, by_code);
    assert_eq!(task.errors_by_code, by_code);
    assert_eq!(task.progress.done_rows, ledger.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_stands_in_the_ledger_once_and_only_with_its_finish() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 20, 2).await;
    settle(&store, &batches[0], recording(a_mixed_batch(1))).await;
    settle(&store, &batches[0], recording(a_mixed_batch(1))).await;
    let twice = store
        .settle_held(
            &batches[1].lease,
            recording(a_mixed_batch(1)),
            Story::default(),
        )
        .await;
    assert!(matches!(twice, Err(StoreError::Duplicate(_))), "{twice:?}");
    let ledger = store.ledger(&acme(), task).await.expect("read");
    assert_eq!(ledger.settled(), u64::from(ROWS));
    assert_eq!(seen(&store, task).await.unprocessed_rows(), u64::from(ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_has_no_ledger_of_this_task() {
    let store = TestDatabase::create().await.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 10, 1).await;
    settle(&store, &batches[0], recording(a_mixed_batch(1))).await;
    let globex = Tenant::parse("globex").expect("a name");
    let theirs = store.ledger(&globex, task).await.expect("read");
    assert_eq!(theirs, store::Ledger::default());
    let errors = store.batch_errors(&globex, task, None).await.expect("read");
    assert_eq!(errors, None);
    assert!(
        store
            .batch_errors(&acme(), task, None)
            .await
            .expect("read")
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_all_batches_come_one_batch_after_the_other_in_sheet_order() {
    let store = TestDatabase::create().await.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 60, 6).await;
    for number in (1..=6).rev() {
        let batch = &batches[number as usize - 1];
        let mut outcome = a_mixed_batch(number);
        outcome.errors.reverse();
        settle(&store, batch, recording(outcome)).await;
    }
    let (mut after, mut numbers, mut rows) = (None, Vec::new(), Vec::new());
    while let Some((part, errors)) = store
        .batch_errors(&acme(), task, after)
        .await
        .expect("read")
    {
        rows.extend(errors.into_iter().map(|error| error.row));
        numbers.push((part.batch, part.part));
        after = Some(part);
    }
    assert_eq!(
        numbers,
        [(1, 0), (2, 0), (4, 0), (5, 0)],
        "3 and 6 have none"
    );
    let expected = (1..=6).flat_map(|number| a_mixed_batch(number).errors);
    assert_eq!(rows, expected.map(|error| error.row).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_errors_of_one_batch_lie_in_parts_of_a_few_thousand_and_count_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 100_010, 1).await;
    let errors: Vec<_> = (2..100_002)
        .map(|row| {
            a_fault(
                row,
                [RowCode::DateInvalid, RowCode::Required][row as usize % 2],
            )
        })
        .collect();
    let outcome = Outcome {
        number: 1,
        first_row: 2,
        inserted: 10,
        failed: 100_000,
        errors: errors.clone(),
        ..Outcome::default()
    };
    settle(&store, &batches[0], recording(outcome)).await;
    let (mut after, mut stored, mut parts) = (None, Vec::new(), 0);
    while let Some((part, errors)) = store
        .batch_errors(&acme(), task, after)
        .await
        .expect("read")
    {
        assert!(errors.len() <= 2_000, "{} errors in a part", errors.len());
        assert_eq!((part.batch, part.part), (1, parts));
        stored.extend(errors);
        parts += 1;
        after = Some(part);
    }
    assert!(stored == errors, "each once, in sheet order");
    let largest: u64 = database
        .one("SELECT MAX(LENGTH(row_errors)) FROM import_batch")
        .await;
    assert!(largest < 100_000, "{largest} bytes in one row");
    let shown = seen(&store, task).await;
    let by_code = [(RowCode::DateInvalid, 50_000), (RowCode::Required, 50_000)];
    assert_eq!(shown.errors_by_code, BTreeMap::from(by_code));
    let ledger = store.ledger(&acme(), task).await.expect("read");
    assert_eq!(
        (
            ledger.done,
            ledger.inserted,
            ledger.failed,
            ledger.settled()
        ),
        (10, 10, 100_000, 100_010)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_have_every_fault_at_once() {
    let store = TestDatabase::create().await.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 100, 1).await;
    let errors: Vec<_> = RowCode::ALL.iter().map(|code| a_fault(2, *code)).collect();
    let outcome = Outcome {
        number: 1,
        first_row: 2,
        inserted: 99,
        failed: 1,
        errors,
        ..Outcome::default()
    };
    settle(&store, &batches[0], recording(outcome)).await;
    let by_code = seen(&store, task).await.errors_by_code;
    assert_eq!(
        by_code,
        RowCode::ALL.iter().map(|code| (*code, 1)).collect()
    );
}
