//! What became of an import: every mixture of batches.

use std::collections::BTreeMap;

use domain::{FileRole, OnError, RowCode, Task, TaskStatus};
use store::{Cancelled, Claimed, ImportEnd, Retried, Settled, Store};
use testkit::TestDatabase;

use super::{
    Lanes, Outcome, a_fault, a_split_import, an_end, born, claim, dying, finishing, recording,
    seen, settle, the_failures,
};
use crate::retry::by_the_owner;
use crate::settle::owner;

/// Rows of one batch: done, failed, skipped; or a batch that died.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Recorded(u32, u32, u32),
    Dead,
}
use Fate::{Dead, Recorded};

/// Rows of a batch that died.
const ROWS_OF_DEAD: u32 = 10;

fn rows(fate: &Fate) -> u32 {
    match fate {
        Recorded(done, failed, skipped) => done + failed + skipped,
        Dead => ROWS_OF_DEAD,
    }
}

fn outcome(number: u32, first_row: u32, done: u32, failed: u32, skipped: u32) -> Outcome {
    let faulty = first_row..first_row + failed;
    Outcome {
        number,
        first_row,
        inserted: done,
        failed,
        skipped,
        errors: faulty.map(|row| a_fault(row, RowCode::Required)).collect(),
        ..Outcome::default()
    }
}

/// Has the batches end as they are fated to; answers the finish, claimed.
async fn to_the_finish(store: &Store, fates: &[Fate]) -> Claimed {
    let total: u32 = fates.iter().map(rows).sum();
    let lanes = Lanes::new();
    let (_, batches) = a_split_import(store, &lanes, u64::from(total), fates.len()).await;
    let (mut first_row, mut follow_ups) = (2, Vec::new());
    for ((number, batch), fate) in (1..).zip(&batches).zip(fates) {
        let ending = match *fate {
            Recorded(done, failed, skipped) => {
                recording(outcome(number, first_row, done, failed, skipped))
            }
            Dead => dying(),
        };
        assert!(follow_ups.is_empty(), "the group ends with its last batch");
        follow_ups = born(settle(store, batch, ending).await);
        first_row += rows(fate);
    }
    assert_eq!(follow_ups.len(), 1);
    claim(store, &follow_ups).await.remove(0)
}

async fn finished(store: &Store, fates: &[Fate], end: ImportEnd) -> Task {
    let finish = to_the_finish(store, fates).await;
    born(settle(store, &finish, finishing(end)).await);
    seen(store, finish.task_id.expect("a task")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_came_to_follows_from_its_batches() {
    let store = TestDatabase::create().await.store();
    let (whole, part, not) = (
        TaskStatus::Success,
        TaskStatus::PartialSuccess,
        TaskStatus::Failed,
    );
    let checking = ImportEnd {
        validate_only: true,
        ..an_end()
    };
    let aborting = ImportEnd {
        on_error: OnError::Abort,
        ..an_end()
    };
    let checking_all = ImportEnd {
        validate_only: true,
        ..aborting.clone()
    };
    for (fates, end, status, code) in [
        (
            vec![Recorded(5, 0, 0), Recorded(5, 0, 0)],
            an_end(),
            whole,
            None,
        ),
        (vec![Recorded(5, 0, 2)], an_end(), whole, None),
        (vec![Recorded(0, 0, 3)], an_end(), whole, None),
        (
            vec![Recorded(5, 0, 0), Recorded(4, 1, 0)],
            an_end(),
            part,
            None,
        ),
        (
            vec![Recorded(5, 0, 0), Recorded(0, 5, 0)],
            an_end(),
            part,
            None,
        ),
        (
            vec![Recorded(0, 5, 0), Recorded(0, 4, 1)],
            an_end(),
            not,
            Some("all_rows_failed"),
        ),
        (vec![Recorded(5, 0, 0), Dead], an_end(), part, None),
        (vec![Dead, Recorded(4, 1, 0)], an_end(), part, None),
        (vec![Dead, Dead], an_end(), not, Some("internal")),
        (
            vec![Recorded(0, 5, 0), Dead],
            an_end(),
            not,
            Some("internal"),
        ),
        (
            vec![Recorded(0, 0, 5), Dead],
            an_end(),
            not,
            Some("internal"),
        ),
        (vec![Recorded(5, 0, 0)], aborting.clone(), whole, None),
        (
            vec![Recorded(0, 2, 1)],
            aborting.clone(),
            not,
            Some("aborted"),
        ),
        (vec![Dead], aborting, not, Some("internal")),
        (vec![Recorded(4, 1, 0)], checking.clone(), part, None),
        (vec![Recorded(0, 5, 0)], checking.clone(), part, None),
        (vec![Recorded(5, 0, 0)], checking, whole, None),
        (vec![Recorded(4, 1, 0)], checking_all, part, None),
    ] {
        let task = finished(&store, &fates, end).await;
        let told = task.error.as_ref().map(|error| error.code.as_str());
        assert_eq!((task.status, told), (status, code), "{fates:?}");
        let recorded = |of: fn(u32, u32, u32) -> u32| -> u64 {
            let of = |fate: &Fate| match *fate {
                Recorded(done, failed, skipped) => of(done, failed, skipped),
                Dead => 0,
            };
            fates.iter().map(|fate| u64::from(of(fate))).sum()
        };
        let progress = &task.progress;
        assert_eq!(progress.done_rows, recorded(|done, _, _| done));
        assert_eq!(progress.failed_rows, recorded(|_, failed, _| failed));
        assert_eq!(progress.skipped_rows, recorded(|_, _, skipped| skipped));
        let dead = fates.iter().filter(|fate| matches!(fate, Dead)).count() as u64;
        assert_eq!(task.unprocessed_rows(), dead * u64::from(ROWS_OF_DEAD));
        let failed = progress.failed_rows;
        let by_code = (failed > 0).then_some((RowCode::Required, failed));
        assert_eq!(task.errors_by_code, BTreeMap::from_iter(by_code));
        assert!(task.finished_at.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_import_that_wrote_nothing_counts_its_good_rows_as_unprocessed() {
    let store = TestDatabase::create().await.store();
    let lanes = Lanes::new();
    let (task, batches) = a_split_import(&store, &lanes, 100, 1).await;
    let ending = recording(outcome(1, 2, 0, 3, 0));
    let finish = claim(&store, &born(settle(&store, &batches[0], ending).await)).await;
    let end = ImportEnd {
        on_error: OnError::Abort,
        ..an_end()
    };
    settle(&store, &finish[0], finishing(end)).await;
    let task = seen(&store, task).await;
    assert_eq!(task.status, TaskStatus::Failed);
    let error = task.error.clone().expect("says why");
    assert_eq!(error.code, "aborted");
    assert_eq!(error.message, "存在错误数据，已按要求放弃整个导入");
    assert_eq!(
        (task.progress.failed_rows, task.unprocessed_rows()),
        (3, 97)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_finish_makes_the_failure_workbook_visible_with_the_counts() {
    let store = TestDatabase::create().await.store();
    let finish = to_the_finish(&store, &[Recorded(4, 1, 0)]).await;
    let task = finish.task_id.expect("a task");
    assert_eq!(seen(&store, task).await.status, TaskStatus::Processing);
    let end = ImportEnd {
        file: Some(the_failures("acme/tasks/1/e1/failures.xlsx")),
        ..an_end()
    };
    settle(&store, &finish, finishing(end)).await;
    let task = seen(&store, task).await;
    let roles: Vec<FileRole> = task.files.iter().map(|file| file.role).collect();
    assert_eq!(roles, [FileRole::Upload, FileRole::Failures]);
    assert_eq!(task.status, TaskStatus::PartialSuccess);
    assert_eq!(task.progress.phase.as_deref(), Some("done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_completes_the_import_and_rewrites_its_counts() {
    let store = TestDatabase::create().await.store();
    let finish = to_the_finish(&store, &[Recorded(9, 1, 0), Dead]).await;
    let task = finish.task_id.expect("a task");
    settle(&store, &finish, finishing(an_end())).await;
    assert_eq!(seen(&store, task).await.unprocessed_rows(), 10);

    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    let Ok(Retried::Now(open, reopened)) = retried else {
        panic!("rows are unprocessed: {retried:?}");
    };
    assert_eq!((open.progress.done_rows, open.unprocessed_rows()), (9, 10));
    assert_eq!(
        open.errors_by_code,
        BTreeMap::from([(RowCode::Required, 1)])
    );
    let batch = claim(&store, &reopened).await.remove(0);
    let ending = recording(outcome(2, 12, 8, 2, 0));
    let finish = claim(&store, &born(settle(&store, &batch, ending).await)).await;
    settle(&store, &finish[0], finishing(an_end())).await;
    let task = seen(&store, task).await;
    assert_eq!(task.status, TaskStatus::PartialSuccess);
    assert_eq!(
        (task.progress.done_rows, task.progress.failed_rows),
        (17, 3)
    );
    assert_eq!(
        (
            task.unprocessed_rows(),
            task.errors_by_code[&RowCode::Required]
        ),
        (0, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_whose_batches_are_tried_again_writes_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let finish = to_the_finish(&store, &[Recorded(9, 1, 0), Dead]).await;
    let task = finish.task_id.expect("a task");
    // as a redrive of the dead batch does while this finish is at work
    database
        .execute("UPDATE compensate_group SET generation = generation + 1")
        .await;
    let end = ImportEnd {
        file: Some(the_failures("acme/tasks/1/e1/failures.xlsx")),
        ..an_end()
    };
    let settled = settle(&store, &finish, finishing(end)).await;
    assert!(matches!(settled, Settled::Now(..)), "{settled:?}");
    let task = seen(&store, task).await;
    assert_eq!(task.status, TaskStatus::Processing);
    assert_eq!((task.files.len(), task.finished_at), (1, None));
    assert_eq!(task.progress.done_rows, 9, "told by the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_of_a_cancelled_import_writes_nothing() {
    let store = TestDatabase::create().await.store();
    let finish = to_the_finish(&store, &[Recorded(9, 1, 0)]).await;
    let task = finish.task_id.expect("a task");
    let cancelled = store.cancel_task(&owner(), task).await;
    assert_eq!(cancelled.expect("answered"), Cancelled::Now);
    assert_eq!(
        settle(&store, &finish, finishing(an_end())).await,
        Settled::Lost
    );
    let task = seen(&store, task).await;
    assert_eq!(task.status, TaskStatus::Cancelled);
    assert_eq!((task.progress.done_rows, task.progress.failed_rows), (9, 1));
    assert_eq!(
        task.errors_by_code,
        BTreeMap::from([(RowCode::Required, 1)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_finish_died_tells_what_was_written_and_is_finished_by_a_retry() {
    let store = TestDatabase::create().await.store();
    let finish = to_the_finish(&store, &[Recorded(9, 1, 0), Recorded(5, 0, 2)]).await;
    settle(&store, &finish, dying()).await;
    let task = seen(&store, finish.task_id.expect("a task")).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(
        (task.progress.done_rows, task.progress.failed_rows),
        (14, 1)
    );
    assert_eq!(
        (task.progress.skipped_rows, task.unprocessed_rows()),
        (2, 0)
    );
    assert_eq!(
        task.errors_by_code,
        BTreeMap::from([(RowCode::Required, 1)])
    );
    let retried = store.retry_task(&owner(), task.id, &by_the_owner()).await;
    let Ok(Retried::Now(_, reopened)) = retried else {
        panic!("the finish may be tried again: {retried:?}");
    };
    let finish = claim(&store, &reopened).await;
    settle(&store, &finish[0], finishing(an_end())).await;
    let task = seen(&store, task.id).await;
    assert_eq!(task.status, TaskStatus::PartialSuccess);
    assert_eq!((task.progress.done_rows, task.error), (14, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_finish_has_tries_of_its_own() {
    let database = TestDatabase::create().await;
    let finish = to_the_finish(&database.store(), &[Recorded(10, 0, 0), Recorded(10, 0, 0)]).await;
    let tries: Vec<(String, u32)> = database
        .query(
            "SELECT DISTINCT biz_type, max_cnt FROM compensate_biz \
             WHERE biz_type <> 'IMPORT' ORDER BY biz_type",
        )
        .await;
    let tries: Vec<(&str, u32)> = tries
        .iter()
        .map(|(kind, tries)| (&**kind, *tries))
        .collect();
    assert_eq!(tries, [("IMPORT_BATCH", 3), ("IMPORT_FINISH", 5)]);
    assert_eq!(finish.biz_type.as_str(), "IMPORT_FINISH");
}
