//! A person has a task tried again.

use std::time::Duration;

use domain::{Failure, FailureCode, Lane, Task, TaskId, TaskStatus, Tenant, UserId};
use store::{
    Actor, Announce, Announced, Beat, Claimed, Effects, Ending, Once, OpenTaskLimits, Quota,
    Retried, Retry, Store, Story, Submission, Visibility,
};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::settle::{a_claimed_export, owner};
use crate::submit::{NO_LIMITS, new_task, submit, while_open};

pub(crate) fn by_the_owner() -> Retry {
    Retry {
        actor: Actor {
            tenant: Tenant::parse("acme").expect("a name"),
            user: UserId::parse("7").expect("a name"),
            request_id: Some("r-7".to_owned()),
        },
        limits: NO_LIMITS,
        announce: Announce {
            scan_interval: Duration::from_secs(5),
            trace_context: Some(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            ),
        },
    }
}

pub(crate) async fn fail(store: &Store, row: &Claimed, failure: Failure) -> TaskId {
    let ending = Ending::Failed(failure, Duration::ZERO);
    store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("settled");
    row.task_id.expect("a task")
}

pub(crate) fn broken() -> Failure {
    Failure::permanent(FailureCode::Internal, "no")
}

async fn retry(store: &Store, task: TaskId) -> Retried {
    store
        .retry_task(&owner(), task, &by_the_owner())
        .await
        .expect("answered")
}

async fn reopened(store: &Store, task: TaskId) -> (Task, Vec<(Lane, Announced)>) {
    match retry(store, task).await {
        Retried::Now(task, rows) => (*task, rows),
        other => panic!("expected it to be open again: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_begins_anew_with_a_fresh_count_and_a_higher_epoch() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    let failed = fail(&store, &row, broken()).await;
    database
        .execute("UPDATE task SET total_rows = 9, done_rows = 5, retry_count = 3")
        .await;

    let (task, rows) = reopened(&store, failed).await;
    assert_eq!(task.status, TaskStatus::Pending);
    assert_eq!((task.error, task.finished_at), (None, None));
    assert_eq!((task.retry_count, task.progress), (0, Default::default()));
    let [(rung_lane, announced)] = rows.as_slice() else {
        panic!("one row: {rows:?}");
    };
    assert_eq!((rung_lane, announced.rung.id), (&lane, row.lease.id));
    assert_eq!(announced.rung.epoch, row.lease.epoch.next());
    let (cnt, announced_already, later): (u32, bool, bool) = database
        .one(
            "SELECT cnt, announced, wake_at > UTC_TIMESTAMP(6) \
             FROM compensate_biz",
        )
        .await;
    assert_eq!((cnt, announced_already, later), (0, true, true));

    let claim = store
        .claim_rung(&lane, &[announced.rung], &terms("two"))
        .await
        .expect("claimed");
    let fresh = claim.claimed.first().expect("its ring finds it");
    let ending = Ending::Finished(Effects::none());
    store
        .settle_held(&fresh.lease, ending, Story::default())
        .await
        .expect("settled");
    let again = retry(&store, failed).await;
    assert!(matches!(again, Retried::Refused(task) if task.status == TaskStatus::Success));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_dead_letter_is_redriven_with_it_by_name() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let other = a_claimed_export(&store, &a_lane()).await;
    let failed = fail(&store, &row, broken()).await;
    fail(&store, &other, broken()).await;
    reopened(&store, failed).await;
    let letters: Vec<(u64, String, Option<String>)> = database
        .query("SELECT compensate_biz_id, status, acted_by FROM dead_letter ORDER BY id")
        .await;
    assert_eq!(
        letters,
        [
            (row.lease.id.0, "REDRIVEN".to_owned(), Some("7".to_owned())),
            (other.lease.id.0, "OPEN".to_owned(), None),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_export_is_tried_again_and_its_old_worker_stays_out() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let old = a_claimed_export(&store, &lane).await;
    let task = old.task_id.expect("a task");
    store.cancel_task(&owner(), task).await.expect("cancelled");
    let (_, rows) = reopened(&store, task).await;
    let claim = store
        .claim_rung(&lane, &[rows[0].1.rung], &terms("two"))
        .await
        .expect("claimed");
    assert_eq!(claim.claimed.len(), 1);
    let beat = store
        .heartbeat(&old.lease, Duration::from_secs(30), None)
        .await;
    assert_eq!(beat.expect("answers"), Beat::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_or_was_the_users_own_fault_is_not_tried_again() {
    let store = TestDatabase::create().await.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let open = row.task_id.expect("a task");
    assert!(matches!(retry(&store, open).await, Retried::Refused(task)
        if task.status == TaskStatus::Processing));
    let fault = Failure::rejected(FailureCode::UnknownColumn, "gone");
    let rejected = fail(&store, &row, fault).await;
    assert!(
        matches!(retry(&store, rejected).await, Retried::Refused(task)
        if task.status == TaskStatus::Failed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_retries_at_once_one_opens_the_task() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let row = a_claimed_export(&store, &a_lane()).await;
    let failed = fail(&store, &row, broken()).await;
    let answers = futures::future::join_all((0..8).map(|_| retry(&store, failed))).await;
    let opened = answers
        .iter()
        .filter(|answer| matches!(answer, Retried::Now(..)));
    assert_eq!(opened.count(), 1);
    let epoch: u64 = database.one("SELECT lease_epoch FROM compensate_biz").await;
    assert_eq!(epoch, row.lease.epoch.next().0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_submit_finds_the_task_that_is_tried_again() {
    let store = TestDatabase::create().await.store();
    let export = an_export(&a_lane());
    let first = new_task(&store, &export, while_open()).await;
    store.cancel_task(&owner(), first).await.expect("cancelled");
    reopened(&store, first).await;
    let again = submit(&store, &export, while_open()).await;
    assert!(matches!(again, Submission::Open(task) if task.id == first));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_export_that_was_opened_meanwhile_stays_the_one_that_is_found() {
    let store = TestDatabase::create().await.store();
    let export = an_export(&a_lane());
    let first = new_task(&store, &export, while_open()).await;
    store.cancel_task(&owner(), first).await.expect("cancelled");
    let second = new_task(&store, &export, while_open()).await;
    let (task, _) = reopened(&store, first).await;
    assert_eq!(task.status, TaskStatus::Pending);
    let again = submit(&store, &export, while_open()).await;
    assert!(matches!(again, Submission::Open(task) if task.id == second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_needs_room_among_the_open_tasks_and_leaves_nothing_behind_without() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let failed = fail(&store, &row, broken()).await;
    new_task(&store, &an_export(&a_lane()), Once::Always).await;
    let full = Retry {
        limits: OpenTaskLimits {
            per_user: Some(1),
            per_tenant: None,
        },
        ..by_the_owner()
    };
    let refused = store.retry_task(&owner(), failed, &full).await;
    assert_eq!(
        refused.expect("answered"),
        Retried::TooManyOpen(Quota::User)
    );
    let still: (String, String) = database
        .one(&format!(
            "SELECT (SELECT status FROM task WHERE id = {failed}), \
             (SELECT status FROM compensate_biz WHERE id = {})",
            row.lease.id
        ))
        .await;
    assert_eq!(still, ("FAILED".to_owned(), "FAILED".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_anothers_task_tried_again() {
    let store = TestDatabase::create().await.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let failed = fail(&store, &row, broken()).await;
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let stranger = Visibility {
            tenant: Tenant::parse(tenant).expect("a name"),
            user: Some(UserId::parse(user).expect("a name")),
        };
        let answer = store.retry_task(&stranger, failed, &by_the_owner()).await;
        assert_eq!(answer.expect("answered"), Retried::NotFound);
    }
}
