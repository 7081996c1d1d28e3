//! The split's finish: one transaction, under the fence.

use std::time::Duration;

use domain::{Failure, FailureCode, TaskId, TaskStatus, Warning};
use store::{Effects, Ending, Settled, StoreError, Story};
use testkit::{TestDatabase, terms};

use super::{Lanes, a_claimed_import, born, claim, cut, sealing, seen, settle};

/// Batches, groups, and the rows of the task that tell of them.
const WRITTEN: &str = "SELECT (SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_BATCH'), \
     (SELECT COUNT(*) FROM compensate_group), (SELECT COUNT(*) FROM task WHERE group_id IS NOT NULL)";

#[tokio::test(flavor = "multi_thread")]
async fn a_split_bears_its_batches_its_group_and_the_total_at_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let first = a_claimed_import(&store, &lanes).await.task_id;
    let row = a_claimed_import(&store, &lanes).await;
    let mut split = cut(&lanes, 2_500, 3);
    split.batches[2].delay = Duration::from_secs(600);
    split.mends = first;
    split.warnings = vec![Warning::new("column_ignored", 2)];
    let born = born(settle(&store, &row, sealing(split)).await);
    assert_eq!(born.len(), 2, "what is due now is to be rung");
    assert!(born.iter().all(|(lane, _)| *lane == lanes.batches));

    let task = seen(&store, row.task_id.expect("a task")).await;
    assert_eq!(task.status, TaskStatus::Processing);
    assert_eq!(task.progress.phase.as_deref(), Some("importing"));
    assert_eq!(task.progress.total_rows, Some(2_500));
    assert_eq!(task.unprocessed_rows(), 2_500);
    assert_eq!((task.mends, task.warnings.len()), (first, 1));

    let group: (u32, bool, u64) = database
        .one("SELECT total, sealed, task_id FROM compensate_group")
        .await;
    assert_eq!(group, (3, true, task.id.0));
    let batches = claim(&store, &born).await;
    for (number, batch) in batches.iter().enumerate() {
        assert_eq!(batch.context, format!("{{\"number\":{}}}", number + 1));
        assert_eq!(batch.task_id, Some(task.id));
    }
    let due = store.claim_due(&lanes.batches, 9, &terms("two")).await;
    assert!(due.expect("answers").is_empty(), "the third is not due yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_names_no_import_of_its_own_user_and_dataset_mends_none() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let foreign = a_claimed_import(&store, &lanes)
        .await
        .task_id
        .expect("a task");
    let theirs = format!("UPDATE task SET created_by = 'another' WHERE id = {foreign}");
    database.execute(&theirs).await;
    let other = a_claimed_import(&store, &lanes).await.task_id;
    let other = other.expect("a task");
    let elsewhere = format!("UPDATE task SET dataset = 'another' WHERE id = {other}");
    database.execute(&elsewhere).await;
    for said in [foreign, other, TaskId(77)] {
        let row = a_claimed_import(&store, &lanes).await;
        let mut split = cut(&lanes, 10, 1);
        split.mends = Some(said);
        born(settle(&store, &row, sealing(split)).await);
        let task = seen(&store, row.task_id.expect("a task")).await;
        assert_eq!(task.mends, None, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_that_fails_at_its_last_write_has_written_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let row = a_claimed_import(&store, &lanes).await;
    let split = std::sync::Arc::new(cut(&lanes, 2_500, 1_200));
    let effects = Effects::new(move |tx| {
        let split = split.clone();
        Box::pin(async move {
            tx.seal_split(&split).await?;
            Err(StoreError::Corrupt("no".to_owned()))
        })
    });
    let settled = store
        .settle_held(&row.lease, Ending::Finished(effects), Story::default())
        .await;
    assert!(settled.is_err());
    let written: (u64, u64, u64) = database.one(WRITTEN).await;
    assert_eq!(written, (0, 0, 0));
    settle(&store, &row, sealing(cut(&lanes, 2_500, 1_200))).await;
    let written: (u64, u64, u64) = database.one(WRITTEN).await;
    assert_eq!(written, (1_200, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_whose_epoch_has_moved_bears_nothing_and_the_next_one_all_of_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let stale = a_claimed_import(&store, &lanes).await;
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    store.sweep(&lanes.imports, 9).await.expect("swept");
    let due = store.claim_due(&lanes.imports, 1, &terms("two")).await;
    let fresh = due.expect("claimed").remove(0);

    assert_eq!(
        settle(&store, &stale, sealing(cut(&lanes, 9, 3))).await,
        Settled::Lost
    );
    let written: (u64, u64, u64) = database.one(WRITTEN).await;
    assert_eq!(written, (0, 0, 0));
    assert_eq!(
        born(settle(&store, &fresh, sealing(cut(&lanes, 8, 2))).await).len(),
        2
    );
    assert_eq!(
        settle(&store, &stale, sealing(cut(&lanes, 9, 3))).await,
        Settled::Lost
    );
    let again = settle(&store, &fresh, sealing(cut(&lanes, 9, 3))).await;
    assert!(
        matches!(again, Settled::Now(_, born) if born.is_empty()),
        "told, not repeated"
    );
    let written: (u64, u64, u64) = database.one(WRITTEN).await;
    assert_eq!(written, (2, 1, 1));
    let task = seen(&store, fresh.task_id.expect("a task")).await;
    assert_eq!(task.progress.total_rows, Some(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_splits_at_one_epoch_exactly_one_happens() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let lanes = Lanes::new();
    let row = a_claimed_import(&store, &lanes).await;
    let splits = (1..=8).map(|batches| settle(&store, &row, sealing(cut(&lanes, 100, batches))));
    let born: Vec<usize> = futures::future::join_all(splits)
        .await
        .into_iter()
        .map(|settled| born(settled).len())
        .filter(|born| *born > 0)
        .collect();
    assert_eq!(born.len(), 1);
    let written: (u64, u64, u64) = database.one(WRITTEN).await;
    assert_eq!(written, (born[0] as u64, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_that_is_refused_ends_the_import_with_its_code_and_no_batch() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_import(&store, &Lanes::new()).await;
    let failure = Failure::rejected(FailureCode::EmptyFile, "no data row");
    settle(&store, &row, Ending::Failed(failure, Duration::ZERO)).await;
    let task = seen(&store, row.task_id.expect("a task")).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(task.error.expect("says why").code, "empty_file");
    let written: (u64, u64, u64) = database.one(WRITTEN).await;
    assert_eq!(written, (0, 0, 0));
}
