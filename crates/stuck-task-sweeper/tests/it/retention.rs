//! What has had its time goes from storage and database, and nothing else.

use domain::{FileRole, FileState, Lane, TaskId, TaskStatus, task_prefix};
use std::time::{Duration, Instant};
use store::{Claimed, Effects, Ending, NewArtifact, Store, StoreSettings, Story};
use stuck_task_sweeper::Pass;
use testkit::{MoodyProxy, a_lane, eventually};
use tokio_util::sync::CancellationToken;

use crate::house::{DAY, House};

/// Lets so many days pass for everything that has a time.
async fn days_later(house: &House, days: u32) {
    for (table, columns) in [
        ("task", "finished_at swept_at sweep_again_at deleted_at"),
        ("task_file", "remove_at expires_at"),
        ("compensate_biz", "created_at finished_at"),
    ] {
        let set: Vec<String> = columns
            .split(' ')
            .map(|column| format!("{column} = {column} - INTERVAL {days} DAY"))
            .collect();
        let sql = format!("UPDATE {table} SET {}", set.join(", "));
        house.database.execute(&sql).await;
    }
}

async fn finish(house: &House, row: &Claimed) -> (TaskId, String) {
    let task = row.task_id.expect("a task");
    let key = format!(
        "{}/e{}/1.xlsx",
        task_prefix(&row.tenant, task),
        row.lease.epoch
    );
    house.put(&key).await;
    let file = NewArtifact {
        role: FileRole::Artifact,
        object_key: key.clone(),
        name: "a.xlsx".to_owned(),
        size: 3,
        sha256: "0".repeat(64),
        rows: 1,
        keep: 7 * DAY,
    };
    let effects = Effects::new(move |tx| {
        let file = file.clone();
        Box::pin(async move { tx.publish(&file).await })
    });
    let settled = house
        .store
        .settle_held(&row.lease, Ending::Finished(effects), Story::default());
    settled.await.expect("settled");
    (task, key)
}

async fn a_finished_export(house: &House, lane: &Lane) -> (TaskId, String) {
    let row = house.a_claimed_export(lane, Duration::from_secs(60)).await;
    finish(house, &row).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_killed_attempts_left_goes_a_day_after_the_end_and_the_file_stays_until_it_expires() {
    let house = House::build().await;
    let lane = a_lane();
    let lost = house
        .a_claimed_export(&lane, Duration::from_millis(1))
        .await;
    let prefix = task_prefix(&lost.tenant, lost.task_id.expect("a task"));
    let left = format!("{prefix}/e{}/1.xlsx", lost.lease.epoch);
    house.put(&left).await;
    assert_eq!(house.store.sweep(&lane, 9).await.expect("swept").len(), 1);
    let again = house
        .store
        .claim_due(&lane, 1, &testkit::terms("two"))
        .await;
    let again = again.expect("claimed").remove(0);
    let foreign = format!("{prefix}/kept/by-hand");
    house.put(&foreign).await;
    let (task, file) = finish(&house, &again).await;
    let later = format!("{prefix}/e{}/1.xlsx", again.lease.epoch.0 + 1);
    house.put(&later).await;

    assert_eq!(house.retention().pass().await, Pass::Done);
    assert_eq!(house.stored().len(), 4, "it has just ended");
    days_later(&house, 1).await;
    assert_eq!(house.retention().pass().await, Pass::Done);
    let mut kept = [file.clone(), later.clone(), foreign.clone()];
    kept.sort();
    assert_eq!(house.stored(), kept, "a later epoch is not over");

    days_later(&house, 7).await;
    assert_eq!(house.retention().pass().await, Pass::Done);
    let seen = house.store.task(&house.owner(), task).await;
    let seen = seen.expect("read").expect("the task itself stays");
    assert_eq!(seen.status, TaskStatus::Success);
    assert_eq!(seen.files[0].state, FileState::Expired);
    assert!(!house.stored().contains(&file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_goes_away_and_comes_back_has_lost_nothing_and_keeps_nothing() {
    let house = House::build().await;
    let (task, file) = a_finished_export(&house, &a_lane()).await;
    days_later(&house, 8).await;
    let mut retention = house.retention();
    std::fs::rename(house.path("storage"), house.path("elsewhere")).expect("moved");
    assert_eq!(retention.pass().await, Pass::Done, "the database answered");
    let files = "SELECT COUNT(*) FROM task_file WHERE remove_at IS NOT NULL";
    assert_eq!(
        house.database.one::<u64>(files).await,
        1,
        "not noted as removed"
    );
    std::fs::rename(house.path("elsewhere"), house.path("storage")).expect("moved");
    assert_eq!(house.stored(), [file]);
    assert_eq!(retention.pass().await, Pass::Done);
    assert_eq!(house.stored(), Vec::<String>::new());
    assert_eq!(house.database.one::<u64>(files).await, 0);
    let seen = house.store.task(&house.owner(), task).await;
    assert!(seen.expect("read").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_leave_of_deleted_tasks_nothing_and_of_the_others_everything() {
    const EACH: usize = 45;
    let house = House::build().await;
    let lane = a_lane();
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        deleted.push(a_finished_export(&house, &lane).await);
        kept.push(a_finished_export(&house, &lane).await);
    }
    for (task, _) in &deleted {
        let gone = house.store.delete_task(&house.owner(), *task).await;
        assert!(matches!(gone, Ok(store::Deleted::Now(_))), "{gone:?}");
    }
    // the files of the others are kept longer than that
    house
        .database
        .execute("UPDATE task_file SET remove_at = remove_at + INTERVAL 1 YEAR WHERE state = 'AVAILABLE'")
        .await;
    days_later(&house, 31).await;
    let (mut one, mut two) = (house.retention(), house.retention());
    // what the one was told of, the other leaves alone: who is left with it comes back to it
    for _ in 0..2 {
        let answered = tokio::join!(one.pass(), two.pass());
        assert_eq!(answered, (Pass::Done, Pass::Done));
        house
            .database
            .execute("UPDATE task SET sweep_again_at = sweep_again_at - INTERVAL 1 HOUR WHERE deleted_at IS NOT NULL")
            .await;
    }
    let mut keys: Vec<String> = kept.iter().map(|(_, key)| key.clone()).collect();
    keys.sort();
    assert_eq!(house.stored(), keys);
    let counts = "SELECT (SELECT COUNT(*) FROM task), (SELECT COUNT(*) FROM task_file), \
                  (SELECT COUNT(*) FROM compensate_biz)";
    let counts: (usize, usize, usize) = house.database.one(counts).await;
    assert_eq!(counts, (EACH, EACH, EACH));
    for (task, _) in &kept {
        let seen = house.store.task(&house.owner(), *task).await;
        let seen = seen.expect("read").expect("it stays");
        assert_eq!(seen.files.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_others_come_first_for_a_lease_period_from_its_end() {
    let house = House::build().await;
    house
        .database
        .execute(
            "INSERT INTO idempotency (tenant, created_by, route, idempotency_key, request_hash, \
             task_id, expires_at) VALUES ('acme', '7', 'x', 'k', 'h', 1, UTC_TIMESTAMP(6))",
        )
        .await;
    let proxy = MoodyProxy::before(house.database.url()).await;
    let url = proxy.url(house.database.url());
    let store = Store::connect(StoreSettings { url, pool_size: 2 }).expect("a pool");
    let (lease, stop) = (Duration::from_secs(1), CancellationToken::new());
    let retention = house.retention_on(store);
    proxy.go_away();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let running = tokio::spawn(retention.run(Duration::from_millis(10), lease, stop.clone()));
    let met = eventually("a pass to meet the outage", async || {
        (proxy.refused() > 0).then(Instant::now)
    })
    .await;
    // What it would wait if it counted from the failed pass is nearly over when the outage ends.
    eventually("a lease period to pass", async || {
        (met.elapsed() > lease).then_some(())
    })
    .await;
    let back = Instant::now();
    proxy.come_back();
    eventually("the key to be forgotten", async || {
        let left: u64 = house.database.one("SELECT COUNT(*) FROM idempotency").await;
        (left == 0).then_some(())
    })
    .await;
    let waited = back.elapsed();
    assert!(waited >= lease, "{waited:?}");
    stop.cancel();
    running.await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_removes_groups_without_rows_and_old_notifications() {
    let house = House::build().await;
    let old = "UTC_TIMESTAMP(6) - INTERVAL 31 DAY";
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_group (tenant, sealed, ended_generation, created_at, \
             updated_at) VALUES ('acme', TRUE, 1, {old}, {old}); \
             INSERT INTO notification (tenant, recipient_kind, recipient, kind, \
             notification_key, params, created_at, updated_at) \
             VALUES ('acme', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', 'x', '{{}}', {old}, {old})"
        ))
        .await;
    assert_eq!(house.retention().pass().await, Pass::Done);
    let left: u64 = house
        .database
        .one("SELECT (SELECT COUNT(*) FROM compensate_group) + (SELECT COUNT(*) FROM notification)")
        .await;
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_leaves_rows_says_so_and_the_next_goes_on_there() {
    const ROWS: u64 = 50_500;
    let house = House::build().await;
    house
        .database
        .execute(&format!(
            "SET SESSION cte_max_recursion_depth = {ROWS}; \
             INSERT INTO compensate_biz (biz_type, biz_id, context, status, wake_at, created_at, \
             finished_at) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n \
             WHERE n < {ROWS}) SELECT 'x', n, '{{}}', 'SUCCESS', NULL, \
             UTC_TIMESTAMP(6) - INTERVAL 31 DAY, UTC_TIMESTAMP(6) - INTERVAL 31 DAY FROM n"
        ))
        .await;
    let mut retention = house.retention();
    assert_eq!(retention.pass().await, Pass::Behind);
    let left = "SELECT COUNT(*) FROM compensate_biz";
    assert_eq!(house.database.one::<u64>(left).await, 500);
    assert_eq!(retention.pass().await, Pass::Done);
    assert_eq!(house.database.one::<u64>(left).await, 0);
}
