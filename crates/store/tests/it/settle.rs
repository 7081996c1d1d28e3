//! Ending attempts: the fence, retries, what becomes visible.

use std::time::Duration;

use domain::{
    Failure, FailureCode, FileRole, Lane, Progress, TaskId, TaskStatus, Tenant, UserId, Warning,
};
use store::{
    Beat, Claimed, Effects, Ending, NewArtifact, Settled, Store, StoreError, Story, Visibility,
};
use testkit::{TestDatabase, a_lane, an_export, terms};

pub(crate) fn owner() -> Visibility {
    Visibility {
        tenant: Tenant::parse("acme").expect("a name"),
        user: Some(UserId::parse("7").expect("a name")),
    }
}

pub(crate) async fn a_claimed_export(store: &Store, lane: &Lane) -> Claimed {
    let rung = store
        .submit_export(an_export(lane))
        .await
        .expect("accepted")
        .rung;
    let claim = store
        .claim_rung(lane, &[rung], &terms("one"))
        .await
        .expect("claimed");
    claim.claimed.into_iter().next().expect("the row was free")
}

fn a_file(path: &str) -> Effects {
    let file = NewArtifact {
        role: FileRole::Artifact,
        object_key: path.to_owned(),
        name: "员工信息_20260102_030405.xlsx".to_owned(),
        size: 10,
        sha256: "0".repeat(64),
        rows: 3,
        keep: Duration::from_secs(3600),
    };
    let progress = Progress {
        total_rows: Some(3),
        done_rows: 3,
        ..Progress::default()
    };
    let warnings = vec![Warning::new("cell_truncated", 2)];
    Effects::new(move |tx| {
        let (file, progress, warnings) = (file.clone(), progress.clone(), warnings.clone());
        Box::pin(async move {
            tx.publish(&file).await?;
            tx.count(&progress, &warnings).await
        })
    })
}

fn lost_connection() -> Failure {
    Failure::transient(FailureCode::DatabaseUnavailable, "connection reset")
}

async fn due_again(database: &TestDatabase) {
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_finish_makes_file_counts_and_warnings_visible_together() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let ending = Ending::Finished(a_file("acme/e1"));
    store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("settled");

    let task = store
        .task(&owner(), row.task_id.expect("a task"))
        .await
        .expect("read");
    let task = task.expect("it is the owner's");
    assert_eq!(task.status, TaskStatus::Success);
    assert_eq!((task.files.len(), task.progress.done_rows), (1, 3));
    assert_eq!(task.warnings[0].count, 2);
    assert!(task.finished_at.is_some());
    let timer: Option<String> = database
        .one("SELECT CAST(wake_at AS CHAR) FROM compensate_biz")
        .await;
    assert_eq!(timer, None, "nobody needs to look at a finished row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_worker_can_neither_publish_nor_write_progress_nor_fail_the_row() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let stale = a_claimed_export(&store, &lane).await;
    let task = stale.task_id.expect("a task");
    due_again(&database).await;
    store.sweep(&lane, 10).await.expect("swept");
    let fresh = store
        .claim_due(&lane, 1, &terms("two"))
        .await
        .expect("claimed")
        .remove(0);

    let progress = Progress {
        done_rows: 77,
        ..Progress::default()
    };
    let beat = store
        .heartbeat(
            &stale.lease,
            Duration::from_secs(30),
            Some((task, progress)),
        )
        .await;
    assert_eq!(beat.expect("the database answers"), Beat::Lost);
    for ending in [
        Ending::Finished(a_file("stale")),
        Ending::Failed(lost_connection(), Duration::ZERO),
        Ending::HandedBack,
    ] {
        let settled = store
            .settle_held(&stale.lease, ending, Story::default())
            .await;
        assert_eq!(settled.expect("the database answers"), Settled::Lost);
    }
    let seen = store
        .task(&owner(), task)
        .await
        .expect("read")
        .expect("visible");
    assert_eq!((seen.files.len(), seen.progress.done_rows), (0, 0));

    let ending = Ending::Finished(a_file("fresh"));
    store
        .settle_held(&fresh.lease, ending, Story::default())
        .await
        .expect("settled");
    let seen = store
        .task(&owner(), task)
        .await
        .expect("read")
        .expect("visible");
    assert_eq!(
        seen.files
            .iter()
            .map(|file| &*file.object_key)
            .collect::<Vec<_>>(),
        ["fresh"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_settles_at_one_epoch_exactly_one_happens() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let row = a_claimed_export(&store, &a_lane()).await;
    let settles = (0..8).map(|number| {
        let (store, lease) = (store.clone(), row.lease.clone());
        async move {
            let ending = match number % 3 {
                0 => Ending::Finished(a_file(&number.to_string())),
                1 => Ending::Failed(lost_connection(), Duration::from_secs(2)),
                _ => Ending::HandedBack,
            };
            store
                .settle_held(&lease, ending, Story::default())
                .await
                .expect("answers")
        }
    });
    futures::future::join_all(settles).await;
    // A finish leaves a file, a failure an attempt, handing back the next epoch.
    let (files, attempts, handed_back): (u64, u64, u64) = database
        .one(
            "SELECT (SELECT COUNT(*) FROM task_file), \
             (SELECT COUNT(*) FROM compensate_biz_attempt), lease_epoch - 1 FROM compensate_biz",
        )
        .await;
    assert_eq!(files + attempts + handed_back, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_fails_takes_the_finish_back() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let effects = Effects::new(|tx| {
        Box::pin(async move {
            tx.count(
                &Progress {
                    done_rows: 5,
                    ..Progress::default()
                },
                &[],
            )
            .await?;
            Err(StoreError::Corrupt("no".to_owned()))
        })
    });
    let settled = store
        .settle_held(&row.lease, Ending::Finished(effects), Story::default())
        .await;
    assert!(settled.is_err());
    let seen = store
        .task(&owner(), row.task_id.expect("a task"))
        .await
        .expect("read");
    let seen = seen.expect("visible");
    assert_eq!(
        (seen.status, seen.progress.done_rows),
        (TaskStatus::Processing, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transient_failure_comes_back_when_its_delay_has_passed_and_not_before() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    let ending = Ending::Failed(lost_connection(), Duration::from_secs(600));
    store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("settled");

    assert!(
        store
            .claim_due(&lane, 1, &terms("two"))
            .await
            .expect("answers")
            .is_empty()
    );
    assert!(
        store
            .announce_due(&lane, 9, Duration::ZERO)
            .await
            .expect("answers")
            .is_empty()
    );
    due_again(&database).await;
    let again = store
        .claim_due(&lane, 1, &terms("two"))
        .await
        .expect("claimed");
    assert_eq!((again[0].cnt, again[0].lease.epoch.0), (1, 2));
    let task = store
        .task(&owner(), row.task_id.expect("a task"))
        .await
        .expect("read");
    assert_eq!(task.expect("visible").retry_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn spent_retries_leave_a_failed_task_a_dead_letter_and_every_attempt() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let mut row = a_claimed_export(&store, &lane).await;
    let task = row.task_id.expect("a task");
    for _ in 0..3 {
        let ending = Ending::Failed(lost_connection(), Duration::ZERO);
        store
            .settle_held(&row.lease, ending, Story::default())
            .await
            .expect("settled");
        row = store
            .claim_due(&lane, 1, &terms("one"))
            .await
            .expect("claimed")
            .remove(0);
    }
    let ending = Ending::Failed(lost_connection(), Duration::ZERO);
    store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("settled");

    let seen = store
        .task(&owner(), task)
        .await
        .expect("read")
        .expect("visible");
    let error = seen.error.expect("a failed task says why");
    assert_eq!(seen.status, TaskStatus::Failed);
    assert_eq!(error.code, "database_unavailable");
    assert_eq!(error.message, "数据库暂不可用，请稍后重试");
    assert_eq!(seen.retry_count, 3);
    let counts: (u64, u64) = database
        .one("SELECT (SELECT COUNT(*) FROM dead_letter), (SELECT COUNT(*) FROM compensate_biz_attempt)")
        .await;
    assert_eq!(counts, (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_fails_at_once_without_a_dead_letter() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let failure = Failure::rejected(FailureCode::TooManyRows, "2000000 rows");
    let ending = Ending::Failed(failure, Duration::ZERO);
    store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("settled");
    let letters: u64 = database.one("SELECT COUNT(*) FROM dead_letter").await;
    assert_eq!(letters, 0);
    assert_eq!(status(&store, row.task_id).await, TaskStatus::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_back_is_due_at_once_and_costs_no_try() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    store
        .settle_held(&row.lease, Ending::HandedBack, Story::default())
        .await
        .expect("handed back");
    let due = store
        .announce_due(&lane, 9, Duration::ZERO)
        .await
        .expect("answers");
    assert_eq!(due.len(), 1);
    let again = store
        .claim_rung(&lane, &[due[0].rung], &terms("two"))
        .await
        .expect("claimed");
    assert_eq!(
        (again.claimed[0].cnt, again.claimed[0].lease.epoch.0),
        (0, 3)
    );
}

async fn status(store: &Store, task: Option<TaskId>) -> TaskStatus {
    let task = store
        .task(&owner(), task.expect("a task"))
        .await
        .expect("read");
    task.expect("visible").status
}
