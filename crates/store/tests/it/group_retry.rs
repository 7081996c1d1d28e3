//! An import that is tried again goes on with what is dead, and ends anew.

use std::time::Duration;

use domain::{BizStatus, Failure, FailureCode, FileRole, FileState, Task, TaskStatus};
use store::{Ending, Retried, Settled, StoreError, Story};
use testkit::{TestDatabase, a_lane, terms};

use crate::group_import::{ROWS, Split, a_claimed_import, settled};
use crate::retry::{broken, by_the_owner};
use crate::settle::owner;

const FINISHES: &str = "SELECT SUBSTRING_INDEX(biz_id, '/', -1), status FROM compensate_biz \
                        WHERE biz_type = 'IMPORT_FINISH' ORDER BY id";

/// Has it tried again; its new rings stand in the place of those of the batches that they are for.
async fn retry(split: &mut Split) -> Task {
    let retried = split
        .store
        .retry_task(&owner(), split.task, &by_the_owner())
        .await;
    let Ok(Retried::Now(task, rung)) = retried else {
        panic!("it is open again: {retried:?}");
    };
    for (_, row) in rung {
        for batch in &mut split.batches {
            if batch.id == row.rung.id {
                *batch = row.rung;
            }
        }
    }
    *task
}

async fn finishes(split: &Split) -> Vec<(String, String)> {
    split.database.query(FINISHES).await
}

fn told(finishes: &[(&str, &str)]) -> Vec<(String, String)> {
    let told = finishes
        .iter()
        .map(|(generation, status)| ((*generation).to_owned(), (*status).to_owned()));
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_dead_batches_are_redriven_in_bulk_as_one_generation_and_complete_it() {
    let mut split = Split::into(5).await;
    for batch in [0, 3] {
        split.done(batch).await;
    }
    for batch in [1, 2] {
        split.dead(batch).await;
    }
    let born = split.dead(4).await;
    split.stands_at(TaskStatus::Processing).await;
    split.finish(&born).await;
    let ended = split.seen().await;
    assert_eq!(ended.status, TaskStatus::PartialSuccess);
    assert_eq!(ended.unprocessed_rows(), u64::from(3 * ROWS));

    let task = retry(&mut split).await;
    assert_eq!(task.status, TaskStatus::Processing);
    assert!(task.finished_at.is_none() && task.error.is_none());
    let workbook = |task: &Task| {
        let files = task.files.iter();
        let states = files
            .filter(|file| file.role == FileRole::Failures)
            .map(|file| file.state);
        states.collect::<Vec<_>>()
    };
    assert_eq!(workbook(&task), [FileState::Deleted]);
    let (generation, dead): (u32, u32) = split
        .database
        .one("SELECT generation, dead FROM compensate_group")
        .await;
    assert_eq!((generation, dead), (2, 0));
    let open_letters: u64 = split
        .database
        .one("SELECT COUNT(*) FROM dead_letter WHERE status = 'OPEN'")
        .await;
    assert_eq!(open_letters, 0);

    for batch in [1, 2] {
        assert_eq!(split.done(batch).await, []);
    }
    let born = split.done(4).await;
    split.finish(&born).await;
    let done = split.seen().await;
    assert_eq!(done.status, TaskStatus::Success);
    assert_eq!(done.progress.done_rows, u64::from(5 * ROWS));
    assert_eq!(workbook(&done), [FileState::Deleted, FileState::Available]);
    let both = told(&[("1", "SUCCESS"), ("2", "SUCCESS")]);
    assert_eq!(finishes(&split).await, both);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_finish_is_redriven_by_itself_and_a_passed_one_never() {
    let mut split = Split::into(2).await;
    split.done(0).await;
    let born = split.done(1).await;
    let finish = split.claim_finish(&born).await;
    settled(
        &split.store,
        &finish,
        Ending::Failed(broken(), Duration::ZERO),
    )
    .await;
    let failed = split.seen().await;
    assert_eq!(failed.status, TaskStatus::Failed);
    assert_eq!(
        failed.progress.done_rows,
        u64::from(2 * ROWS),
        "and says so"
    );

    assert_eq!(retry(&mut split).await.status, TaskStatus::Processing);
    assert_eq!(finishes(&split).await, told(&[("1", "WAIT_HANDLE")]));
    let due = split
        .store
        .claim_rung(
            &split.lane,
            &[domain::Rung {
                id: finish.lease.id,
                epoch: finish.lease.epoch.next(),
            }],
            &terms("two"),
        )
        .await
        .expect("claimed");
    let ending = Ending::Failed(broken(), Duration::ZERO);
    settled(&split.store, &due.claimed[0], ending).await;
    split.stands_at(TaskStatus::Failed).await;

    // With dead batches it is they who are tried again; their end asks for a finish of its own.
    let mut split = Split::into(2).await;
    split.done(0).await;
    let born = split.dead(1).await;
    let finish = split.claim_finish(&born).await;
    settled(
        &split.store,
        &finish,
        Ending::Failed(broken(), Duration::ZERO),
    )
    .await;
    assert_eq!(retry(&mut split).await.status, TaskStatus::Processing);
    assert_eq!(finishes(&split).await, told(&[("1", "FAILED")]));
    let born = split.done(1).await;
    let second = split.claim_finish(&born).await;
    settled(
        &split.store,
        &second,
        Ending::Failed(broken(), Duration::ZERO),
    )
    .await;
    split.stands_at(TaskStatus::Failed).await;
    retry(&mut split).await;
    let first_stays = told(&[("1", "FAILED"), ("2", "WAIT_HANDLE")]);
    assert_eq!(finishes(&split).await, first_stays);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_reading_was_given_up_begins_anew_and_a_refused_file_does_not() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let (task, row) = a_claimed_import(&store, &lane).await;
    settled(&store, &row, Ending::Failed(broken(), Duration::ZERO)).await;
    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    let Ok(Retried::Now(again, rung)) = retried else {
        panic!("it is open again: {retried:?}");
    };
    assert_eq!((again.status, rung.len()), (TaskStatus::Pending, 1));
    let claim = store
        .claim_rung(&lane, &[rung[0].1.rung], &terms("two"))
        .await
        .expect("claimed");
    let refused = Failure::rejected(FailureCode::NotAWorkbook, "no zip");
    let ending = Ending::Failed(refused, Duration::ZERO);
    settled(&store, &claim.claimed[0], ending).await;
    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    assert!(matches!(retried, Ok(Retried::Refused(task)) if task.status == TaskStatus::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_another_try_leaves_the_import_as_it_is() {
    let split = Split::into(2).await;
    let before = split.seen().await;
    let row = split.claim(0).await;
    let failure = Failure::transient(FailureCode::DatabaseUnavailable, "gone");
    settled(&split.store, &row, Ending::Failed(failure, Duration::ZERO)).await;
    let after = split.seen().await;
    assert_eq!(after.status, TaskStatus::Processing);
    assert_eq!((after.retry_count, after.error), (0, None));
    assert!(after.version > before.version);
    let handed_back = split.claim(1).await;
    settled(&split.store, &handed_back, Ending::HandedBack).await;
    split.stands_at(TaskStatus::Processing).await;
    let due = split
        .store
        .claim_due(&split.batch_lane, 9, &terms("two"))
        .await
        .expect("claimed");
    assert_eq!(due.len(), 2);
    split.stands_at(TaskStatus::Processing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_that_waits_for_another_try_keeps_the_import_going() {
    let split = Split::into(1).await;
    let born = split.done(0).await;
    let row = split.claim_finish(&born).await;
    let failure = Failure::transient(FailureCode::StorageUnavailable, "gone");
    settled(&split.store, &row, Ending::Failed(failure, Duration::ZERO)).await;
    let task = split.seen().await;
    assert_eq!((task.status, task.retry_count), (TaskStatus::Processing, 1));
    assert_eq!(task.finished_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_is_not_tried_again() {
    let split = Split::into(2).await;
    let cancelled = split.store.cancel_task(&owner(), split.task).await;
    assert!(cancelled.is_ok());
    let retried = split
        .store
        .retry_task(&owner(), split.task, &by_the_owner())
        .await;
    assert!(matches!(retried, Ok(Retried::Refused(task)) if task.status == TaskStatus::Cancelled));
    let group: (u32, u32) = split
        .database
        .one("SELECT generation, cancelled FROM compensate_group")
        .await;
    assert_eq!(group, (1, 2));
    let late = split
        .store
        .claim_due(&split.batch_lane, 9, &terms("one"))
        .await
        .expect("answered");
    assert_eq!(late, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_retries_at_once_one_redrives_the_batches() {
    let split = Split::into(3).await;
    split.done(0).await;
    split.dead(1).await;
    let born = split.dead(2).await;
    split.finish(&born).await;
    let terms = by_the_owner();
    let who = owner();
    let retries = (0..8).map(|_| split.store.retry_task(&who, split.task, &terms));
    let answers = futures::future::join_all(retries).await;
    let opened = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Retried::Now(..))));
    assert_eq!(opened.count(), 1);
    let generation: u32 = split
        .database
        .one("SELECT generation FROM compensate_group")
        .await;
    assert_eq!(generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_put_back_though_the_ledger_has_it_ends_as_done() {
    let mut split = Split::into(2).await;
    split.done(0).await;
    let born = split.dead(1).await;
    split.finish(&born).await;
    // as a row looks that was restored, or put back by hand
    let applied_before = split.batches[0].id;
    split
        .database
        .execute(&format!(
            "UPDATE compensate_biz SET status = 'FAILED' WHERE id = {applied_before}; \
             UPDATE compensate_group SET succeeded = 0, dead = 2"
        ))
        .await;
    retry(&mut split).await;
    let row = split.claim(0).await;
    let again = split
        .store
        .settle_held(
            &row.lease,
            crate::group_import::applied(0),
            Story::default(),
        )
        .await;
    assert!(matches!(again, Err(StoreError::Duplicate(_))), "{again:?}");
    let failed = Ending::Failed(broken(), Duration::ZERO);
    let settled = split
        .store
        .settle_held(&row.lease, failed, Story::default());
    let settled = settled.await.expect("settled");
    assert_eq!(settled, Settled::Now(BizStatus::Success, Vec::new()));
    let born = split.done(1).await;
    split.finish(&born).await;
    let done = split.seen().await;
    assert_eq!(done.status, TaskStatus::Success);
    assert_eq!(done.progress.done_rows, u64::from(2 * ROWS));
    let open_letters: u64 = split
        .database
        .one("SELECT COUNT(*) FROM dead_letter WHERE status = 'OPEN'")
        .await;
    assert_eq!(open_letters, 0);
}
