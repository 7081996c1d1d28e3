//! Rescuing rows whose worker has vanished.

use std::time::Duration;

use domain::{BizStatus, TaskStatus};
use store::SweepPlace;
use testkit::{TestDatabase, a_lane, terms};

use crate::import::{Lanes, a_claimed_import, seen};
use crate::settle::{a_claimed_export, owner};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_lease_runs_is_left_alone_and_one_whose_lease_ended_is_rescued_once() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(4);
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    assert!(store.sweep(&lane, 10).await.expect("swept").is_empty());

    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    let (one, two) = tokio::join!(store.sweep(&lane, 10), store.sweep(&lane, 10));
    let rescued: Vec<_> = [one, two]
        .into_iter()
        .flat_map(|swept| swept.expect("swept"))
        .collect();
    assert_eq!(rescued.len(), 1);
    assert_eq!(rescued[0].change.to, BizStatus::WaitHandle);
    let again = store
        .claim_due(&lane, 1, &terms("two"))
        .await
        .expect("claimed")
        .remove(0);
    assert_eq!(
        again.lease.epoch.0,
        row.lease.epoch.0 + 2,
        "sweep and claim each raise the epoch"
    );
    assert_eq!(again.cnt, 1);
    let outcome: String = database
        .one("SELECT outcome FROM compensate_biz_attempt")
        .await;
    assert_eq!(outcome, "LOST");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_hard_deadline_the_user_reads_that_it_took_too_long() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6), hard_deadline = wake_at")
        .await;
    store.sweep(&lane, 10).await.expect("swept");
    let task = store
        .task(&owner(), row.task_id.expect("a task"))
        .await
        .expect("read");
    let task = task.expect("visible");
    let error = task.error.expect("a failed task says why");
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(
        (&*error.code, &*error.message),
        ("timed_out", "处理超时，请重新导出")
    );
    let letters: u64 = database.one("SELECT COUNT(*) FROM dead_letter").await;
    assert_eq!(letters, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_took_too_long_is_told_so_in_words_of_imports() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let row = a_claimed_import(&store, &lanes).await;
    let task = row.task_id.expect("a task");
    let told = async || {
        database
            .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
            .await;
        assert_eq!(
            store.sweep(&lanes.imports, 10).await.expect("swept").len(),
            1
        );
        let task = seen(&store, task).await;
        let error = task.error.as_ref();
        let error = error.map(|error| (error.code.clone(), error.message.clone()));
        (task.status, error)
    };
    assert_eq!(
        told().await,
        (TaskStatus::Pending, None),
        "it is tried again"
    );
    let again = store.claim_due(&lanes.imports, 1, &terms("two")).await;
    assert_eq!(again.expect("claimed").len(), 1);
    database
        .execute("UPDATE compensate_biz SET hard_deadline = UTC_TIMESTAMP(6)")
        .await;
    let error = ("timed_out".to_owned(), "处理超时，请重试".to_owned());
    assert_eq!(told().await, (TaskStatus::Failed, Some(error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_rescued_holds_up_no_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let broken = a_claimed_export(&store, &lane).await;
    for _ in 0..3 {
        a_claimed_export(&store, &lane).await;
    }
    // the end of its group asks for what is no JSON
    database
        .execute(&format!(
            "INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) \
             VALUES (5, 'acme', 1, TRUE, 'garbage'); \
             UPDATE compensate_biz SET group_id = 5 WHERE id = {}; \
             UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6), hard_deadline = wake_at",
            broken.lease.id
        ))
        .await;
    assert_eq!(store.sweep(&lane, 10).await.expect("swept").len(), 3);
    let left: Vec<(u64, String)> = database
        .query("SELECT id, status FROM compensate_biz WHERE biz_type = 'EXPORT' AND status <> 'FAILED'")
        .await;
    assert_eq!(left, [(broken.lease.id.0, "PROCESSING".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_somebody_holds_keeps_back_its_own_row_alone() {
    use mysql_async::prelude::Queryable;

    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let held = a_claimed_export(&store, &lane).await;
    for _ in 0..3 {
        a_claimed_export(&store, &lane).await;
    }
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6), hard_deadline = wake_at")
        .await;
    let mut somebody = database.plain_connection().await;
    let task = held.task_id.expect("an export is a task's");
    let lock = format!("BEGIN; SELECT id FROM task WHERE id = {task} FOR UPDATE");
    somebody.query_drop(lock).await.expect("locks");

    let swept = store
        .sweep(&lane, 10)
        .await
        .expect("the others are rescued");
    assert_eq!(swept.len(), 3);
    assert!(swept.iter().all(|row| row.id != held.lease.id));
    somebody.query_drop("ROLLBACK").await.expect("lets go");
    let swept = store.sweep(&lane, 10).await.expect("swept");
    assert_eq!(swept[0].id, held.lease.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lane_that_a_row_names_is_found_whatever_has_become_of_the_row() {
    let database = TestDatabase::create().await;
    let store = database.store();
    assert_eq!(
        store.lanes_of_rows().await.expect("read"),
        Vec::<String>::new()
    );
    database
        .execute(
            "INSERT INTO compensate_biz (biz_type, biz_id, context, lane, status, wake_at) VALUES \
             ('X', '1', '{}', 'quayside.biz.X', 'WAIT_HANDLE', UTC_TIMESTAMP(6)), \
             ('X', '2', '{}', 'quayside.biz.X', 'SUCCESS', NULL), \
             ('X', '3', '{}', 'quayside.biz.X.dlt', 'FAILED', NULL), \
             ('X', '4', '{}', 'quayside.biz.x', 'PROCESSING', UTC_TIMESTAMP(6))",
        )
        .await;
    let lanes = store.lanes_of_rows().await.expect("read");
    assert_eq!(
        lanes,
        ["quayside.biz.X", "quayside.biz.X.dlt", "quayside.biz.x"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_does_not_wait_for_a_row_that_its_worker_has_locked() {
    use mysql_async::prelude::Queryable;

    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    a_claimed_export(&store, &lane).await;
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    let mut worker = database.plain_connection().await;
    worker.query_drop("BEGIN").await.expect("begins");
    worker
        .query_drop("SELECT id FROM compensate_biz FOR UPDATE")
        .await
        .expect("locks");
    let swept = tokio::time::timeout(Duration::from_secs(2), store.sweep(&lane, 10)).await;
    assert!(swept.expect("it does not wait").expect("swept").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_comes_to_every_row_though_none_at_the_head_can_be_rescued() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let mut rows = Vec::new();
    for _ in 0..7 {
        rows.push(a_claimed_export(&store, &lane).await.lease.id);
    }
    // the first three, and one in between; some at the same moment
    let broken = [rows[0], rows[1], rows[2], rows[5]];
    for id in broken {
        database
            .execute(&format!(
                "INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) \
                 VALUES ({id}, 'acme', 1, TRUE, 'garbage'); \
                 UPDATE compensate_biz SET group_id = {id} WHERE id = {id}"
            ))
            .await;
    }
    database
        .execute(&format!(
            "UPDATE compensate_biz SET hard_deadline = UTC_TIMESTAMP(6), \
             wake_at = UTC_TIMESTAMP(6) - INTERVAL IF(id <= {}, 5, 1) MINUTE \
             WHERE status = 'PROCESSING'",
            rows[4]
        ))
        .await;
    let (mut from, mut rescued, mut steps) = (None, Vec::new(), 0);
    loop {
        let swept = store.sweep_from(&lane, from, 2).await.expect("swept");
        rescued.extend(swept.rescued.into_iter().map(|row| row.id));
        (from, steps) = (swept.next, steps + 1);
        if from.is_none() {
            break;
        }
    }
    assert_eq!((rescued, steps), (vec![rows[3], rows[4], rows[6]], 4));
    let left: Vec<u64> = database
        .query("SELECT id FROM compensate_biz WHERE status = 'PROCESSING' ORDER BY id")
        .await;
    assert_eq!(left, broken.map(|id| id.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_backlog_is_walked_in_steps_and_hides_no_lease_that_has_ended() {
    let (database, lane) = (TestDatabase::create().await, a_lane());
    let store = database.store();
    let mut rows = Vec::new();
    for _ in 0..3 {
        rows.push(a_claimed_export(&store, &lane).await.lease.id.0);
    }
    // two thousand wait, due at one moment, between the first ended lease and the others
    database
        .execute(&format!(
            "SET cte_max_recursion_depth = 10000; \
             UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) - INTERVAL IF(id = {}, 2, 0) DAY; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane, wake_at) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2000) \
             SELECT 'acme', 'EXPORT', UUID(), '{{}}', '{lane}', UTC_TIMESTAMP(6) - INTERVAL 1 DAY FROM s",
            rows[0]
        ))
        .await;
    let mut from = None;
    for expected in [&rows[..1], &[], &rows[1..2]] {
        let swept = store.sweep_from(&lane, from, 1).await.expect("swept");
        assert_eq!(ids(&swept.rescued), expected);
        assert_eq!(swept.next, swept.seen, "there is more");
        from = swept.next;
        assert!(from.is_some());
    }
    let last = store.sweep_from(&lane, from, 1).await.expect("swept");
    assert_eq!((ids(&last.rescued), last.next), (vec![rows[2]], None));
    let behind = store.sweep_from(&lane, last.seen, 1).await.expect("swept");
    assert_eq!((ids(&behind.rescued), behind.next), (vec![], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_just_ended_is_met_without_the_backlog_before_it() {
    let (database, lane) = (TestDatabase::create().await, a_lane());
    let store = database.store();
    let (old, new) = held_rows_and_others(&database, &lane, 1).await;
    let recent = SweepPlace::since(Duration::from_secs(240));
    let swept = store
        .sweep_from(&lane, Some(recent), 10)
        .await
        .expect("swept");
    assert_eq!((ids(&swept.rescued), swept.next), (new, None));
    assert_eq!(ids(&store.sweep(&lane, 10).await.expect("swept")), old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_somebody_holds_keeps_back_its_own_rows_alone_however_many_they_are() {
    let (database, lane) = (TestDatabase::create().await, a_lane());
    let store = database.store();
    let (held, behind) = held_rows_and_others(&database, &lane, 5).await;
    // one group and one task, as the batches of an import have them
    database
        .execute(&format!(
            "INSERT INTO compensate_group (id, tenant, total, sealed) VALUES (5, 'acme', 9, TRUE); \
             SET @task = (SELECT task_id FROM compensate_biz WHERE id = {0}); \
             UPDATE compensate_biz SET group_id = 5, task_id = @task WHERE id BETWEEN {0} AND {1}",
            held[0], held[4]
        ))
        .await;
    let somebody = locked(&database, "compensate_group", &[5]).await;

    let swept = store
        .sweep(&lane, 10)
        .await
        .expect("the others are rescued");
    assert_eq!(ids(&swept), behind);
    drop(somebody);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_somebody_holds_keep_back_nothing_behind_them_from_whoever_walks_on() {
    let (database, lane) = (TestDatabase::create().await, a_lane());
    let store = database.store();
    let (held, behind) = held_rows_and_others(&database, &lane, 3).await;
    let tasks: Vec<u64> = database
        .query(&format!(
            "SELECT task_id FROM compensate_biz WHERE id <= {}",
            held[2]
        ))
        .await;
    let somebody = locked(&database, "task", &tasks).await;

    let first = store.sweep_from(&lane, None, 10).await.expect("swept");
    assert_eq!(
        ids(&first.rescued),
        [0; 0],
        "three locks are enough to wait for"
    );
    let second = store
        .sweep_from(&lane, first.next, 10)
        .await
        .expect("swept");
    assert_eq!((ids(&second.rescued), second.next), (behind, None));
    drop(somebody);
}

/// So many rows, which the test is to hold, and two that lie behind them; the leases of all have ended.
async fn held_rows_and_others(
    database: &TestDatabase,
    lane: &domain::Lane,
    held: usize,
) -> (Vec<u64>, Vec<u64>) {
    let store = database.store();
    let mut rows = Vec::new();
    for _ in 0..held + 2 {
        rows.push(a_claimed_export(&store, lane).await.lease.id.0);
    }
    let behind = rows.split_off(held);
    database
        .execute(&format!(
            "UPDATE compensate_biz SET hard_deadline = UTC_TIMESTAMP(6), \
             wake_at = UTC_TIMESTAMP(6) - INTERVAL IF(id < {}, 5, 1) MINUTE",
            behind[0]
        ))
        .await;
    (rows, behind)
}

/// A connection that holds these rows until it is dropped.
async fn locked(database: &TestDatabase, table: &str, ids: &[u64]) -> mysql_async::Conn {
    use mysql_async::prelude::Queryable;

    let mut somebody = database.plain_connection().await;
    somebody.query_drop("BEGIN").await.expect("begins");
    // one by one: a statement about several of few rows may read, and lock, all of them
    for id in ids {
        let lock = format!("SELECT id FROM {table} WHERE id = {id} FOR UPDATE");
        somebody.query_drop(lock).await.expect("locks");
    }
    somebody
}

fn ids(rescued: &[store::Rescued]) -> Vec<u64> {
    rescued.iter().map(|row| row.id.0).collect()
}
