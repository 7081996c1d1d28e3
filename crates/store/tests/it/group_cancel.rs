//! A person ends an import at any moment: nothing is written afterwards, and the task tells what was.

use domain::{Lane, TaskStatus, Tenant};
use store::{Announced, Cancelled, Ending, Settled, Story};
use testkit::{TestDatabase, a_lane, terms};

use crate::group_import::{ROWS, Split, a_claimed_import, applied, finished, sealed};
use crate::settle::owner;

const OPEN: &str = "SELECT COUNT(*) FROM compensate_biz \
                    WHERE status IN ('WAIT_HANDLE', 'PROCESSING')";

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_tells_what_was_written_and_writes_no_more() {
    let split = Split::into(4).await;
    split.done(0).await;
    split.dead(1).await;
    let running = split.claim(2).await;
    let cancelled = split.store.cancel_task(&owner(), split.task).await;
    assert_eq!(cancelled.expect("answered"), Cancelled::Now);

    let task = split.seen().await;
    assert_eq!(task.status, TaskStatus::Cancelled);
    assert!(task.finished_at.is_some());
    assert_eq!(task.progress.done_rows, u64::from(ROWS));
    assert_eq!(task.unprocessed_rows(), u64::from(3 * ROWS));
    let late = split
        .store
        .settle_held(&running.lease, applied(2), Story::default())
        .await;
    assert_eq!(late.expect("answered"), Settled::Lost);
    let ring = split
        .store
        .claim_rung(&split.batch_lane, &[split.batches[3]], &terms("two"))
        .await
        .expect("answered");
    assert_eq!((ring.claimed.len(), ring.duplicates), (0, 1));
    let group: (u32, u32, u32, u32, u32) = split
        .database
        .one(
            "SELECT succeeded, dead, cancelled, generation, ended_generation \
             FROM compensate_group",
        )
        .await;
    assert_eq!(group, (1, 1, 2, 1, 1), "closed");
    let finishes: u64 = split
        .database
        .one("SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_FINISH'")
        .await;
    assert_eq!(finishes, 0, "without a follow-up");
    let again = split.store.cancel_task(&owner(), split.task).await;
    assert_eq!(
        again.expect("answered"),
        Cancelled::TooLate(TaskStatus::Cancelled)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_cancelled_while_it_is_read_and_while_it_is_finished() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let (task, row) = a_claimed_import(&store, &lane).await;
    let cancelled = store.cancel_task(&owner(), task).await;
    assert_eq!(cancelled.expect("answered"), Cancelled::Now);
    let late = Ending::Finished(sealed(&lane, &a_lane(), 3));
    let late = store.settle_held(&row.lease, late, Story::default()).await;
    assert_eq!(late.expect("answered"), Settled::Lost);
    let rows: u64 = database.one("SELECT COUNT(*) FROM compensate_biz").await;
    assert_eq!(rows, 1, "no batch was born");

    let split = Split::into(1).await;
    let born = split.done(0).await;
    let finish = split.claim_finish(&born).await;
    let cancelled = split.store.cancel_task(&owner(), split.task).await;
    assert_eq!(cancelled.expect("answered"), Cancelled::Now);
    let late = Ending::Finished(store::Effects::none());
    let late = split
        .store
        .settle_held(&finish.lease, late, Story::default())
        .await;
    assert_eq!(late.expect("answered"), Settled::Lost);
    let task = split.seen().await;
    assert_eq!(task.status, TaskStatus::Cancelled);
    assert_eq!(task.progress.done_rows, u64::from(ROWS));
}

/// The door ends a transaction after 20 s.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_open_batches_are_cancelled_in_one_transaction() {
    let split = Split::into(10_000).await;
    assert_eq!(split.batches.len(), 10_000);
    let began = std::time::Instant::now();
    let cancelled = split.store.cancel_task(&owner(), split.task).await;
    println!("cancelled in {:?}", began.elapsed());
    assert_eq!(cancelled.expect("answered"), Cancelled::Now);
    let open: u64 = split.database.one(OPEN).await;
    assert_eq!(open, 0);
    let epochs: (u64, u64) = split
        .database
        .one(
            "SELECT MIN(lease_epoch), MAX(lease_epoch) FROM compensate_biz \
             WHERE biz_type = 'IMPORT_BATCH'",
        )
        .await;
    assert_eq!(epochs, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_among_batches_that_are_applied_at_that_moment_counts_exactly_what_was_written() {
    for round in 0..4 {
        let split = Split::into(60).await;
        let working = (0..6).map(|worker| work_off(&split, worker));
        let cancelling = async {
            // some have been applied, and some are at it
            testkit::eventually("work to be under way", async || {
                (applied_batches(&split).await > round * 8).then_some(())
            })
            .await;
            split.store.cancel_task(&owner(), split.task).await
        };
        let (_, cancelled) = tokio::join!(futures::future::join_all(working), cancelling);
        let status = split.seen().await.status;
        match cancelled.expect("answered") {
            Cancelled::Now => assert_eq!(status, TaskStatus::Cancelled),
            Cancelled::TooLate(_) => assert!(status.is_final()),
            Cancelled::NotFound => panic!("it is there"),
        }
        let task = split.seen().await;
        let tenant = Tenant::parse("acme").expect("a name");
        let ledger = split.store.ledger(&tenant, split.task).await.expect("read");
        assert_eq!(task.progress.done_rows, ledger.done);
        assert_eq!(applied_batches(&split).await * u64::from(ROWS), ledger.done);
        let open: u64 = split.database.one(OPEN).await;
        assert_eq!(open, 0);
    }
}

/// Takes every sixth batch, as long as there is one to take; then the finish, if one is born.
async fn work_off(split: &Split, worker: usize) {
    for batch in (worker..split.batches.len()).step_by(6) {
        let claim = split
            .store
            .claim_rung(&split.batch_lane, &[split.batches[batch]], &terms("w"))
            .await
            .expect("answered");
        let Some(row) = claim.claimed.first() else {
            return;
        };
        let settled = split
            .store
            .settle_held(&row.lease, applied(batch), Story::default())
            .await
            .expect("answered");
        if let Settled::Now(_, born) = settled
            && !born.is_empty()
        {
            finish(split, &born).await;
        }
    }
}

/// Unless the cancel was quicker.
async fn finish(split: &Split, born: &[(Lane, Announced)]) {
    let rung = [born[0].1.rung];
    let claim = split
        .store
        .claim_rung(&split.lane, &rung, &terms("w"))
        .await
        .expect("answered");
    if let Some(row) = claim.claimed.first() {
        split
            .store
            .settle_held(&row.lease, finished(), Story::default())
            .await
            .expect("answered");
    }
}

async fn applied_batches(split: &Split) -> u64 {
    split
        .database
        .one("SELECT COUNT(*) FROM import_batch")
        .await
}
