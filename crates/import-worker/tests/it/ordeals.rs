//! Imports through everything that can happen to their workers.

use domain::{CompensateBizId, LeaseEpoch, Rung, Task, TaskStatus};
use futures::future::join_all;
use serde_json::json;
use std::time::Duration;

use bus::{Ringer, TraceHeaders};
use testkit::{MoodyProxy, eventually, eventually_within};

use crate::house::{House, Import, batches, imports};
use crate::workbook::{members, text};

/// Rows that take a worker some seconds.
const MANY: u32 = 50_000;
/// Of these so many are bad.
const BAD: u64 = 50;
/// How long a busy machine may take to come to a moment.
const PATIENCE: Duration = Duration::from_secs(60);

fn many() -> Vec<u8> {
    members(MANY, |n, row| {
        if n % 1_000 == 7 {
            row[2] = text("13800x");
        }
    })
}

/// Every valid row exactly once, every other told once.
async fn assert_whole(house: &House, done: &Task) {
    let good = u64::from(MANY) - BAD;
    assert_eq!(done.progress.total_rows, Some(MANY.into()));
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (good, BAD)
    );
    assert_eq!(house.rows("member").await, good);
    let errors = house.row_errors(done.id).await;
    let rows: Vec<u32> = errors.iter().map(|error| error.row).collect();
    let expected: Vec<u32> = (0..50).map(|n| n * 1_000 + 9).collect();
    assert_eq!(rows, expected);
    let gaps = "SELECT COUNT(*) FROM import_batch one LEFT JOIN import_batch next \
                ON next.task_id = one.task_id AND next.batch_no = one.batch_no + 1 \
                WHERE next.first_row <> one.last_row + 1";
    assert_eq!(
        house.database.one::<u64>(gaps).await,
        0,
        "each row in exactly one batch"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_workers_killed_at_any_moment_leave_every_valid_row_exactly_once() {
    let house = House::build().await;
    let task = house
        .import_members(many(), json!({"batch_size": 500}))
        .await;
    for round in 0..10_u64 {
        let worker = house.process();
        // now in the midst of the split, now of batches, a little further each time
        let before = house.task(task).await;
        let wanted = before.progress.done_rows + round % 3 * 500;
        eventually_within(PATIENCE, "some work to be done", async || {
            let now = house.task(task).await;
            assert!(!now.status.is_final(), "too quick for ten: {now:?}");
            let has_moved = now.version > before.version + round % 4;
            (has_moved && now.progress.done_rows >= wanted).then_some(())
        })
        .await;
        worker.signal("KILL");
    }
    let last = house.process();
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_whole(&house, &done).await;
    drop(last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_killed_half_way_is_made_again_and_nothing_was_written_before() {
    let house = House::build().await;
    let first = house.process();
    let task = house
        .import_members(many(), json!({"batch_size": 100}))
        .await;
    eventually_within(PATIENCE, "objects to be written", async || {
        (house.stored_for(task).len() > 100).then_some(())
    })
    .await;
    first.signal("KILL");
    let objects = house.stored_for(task).len();
    let born = "SELECT COUNT(*) FROM compensate_biz WHERE biz_type <> 'IMPORT'";
    assert_eq!(
        house.database.one::<u64>(born).await,
        0,
        "{objects} objects were written"
    );
    assert_eq!(house.rows("member").await, 0);
    let second = house.process();
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_whole(&house, &done).await;
    let left: Vec<_> = house.stored_for(task);
    assert_eq!(left.len(), 1, "the failure file alone: {left:?}");
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_leave_hands_its_work_back() {
    let house = House::build().await;
    let mut first = house.process();
    let task = house
        .import_members(many(), json!({"batch_size": 500}))
        .await;
    house.until_in_the_middle(task).await;
    first.signal("TERM");
    let status = eventually("the worker to leave", async || {
        first.0.try_wait().expect("a child")
    });
    assert_eq!(status.await.code(), Some(0));
    let second = house.process();
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_whole(&house, &done).await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_in_the_middle_costs_nothing() {
    let house = House::build().await;
    let proxy = MoodyProxy::before(house.database.url()).await;
    let worker = house.process_at(&proxy.url(house.database.url()));
    let task = house
        .import_members(many(), json!({"batch_size": 500}))
        .await;
    for _ in 0..3 {
        house.until_in_the_middle(task).await;
        let refused = proxy.refused();
        proxy.go_away();
        eventually("the worker to notice", async || {
            (proxy.refused() > refused).then_some(())
        })
        .await;
        proxy.cut_next_commits(1);
        proxy.come_back();
        eventually("a commit without an answer", async || {
            let task = house.task(task).await;
            (proxy.cuts_left() == 0 || task.status.is_final()).then_some(())
        })
        .await;
    }
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_whole(&house, &done).await;
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_delivered_three_times_is_one_ring() {
    let house = House::build().await;
    let ringer = Ringer::new(&house.broker.settings()).expect("the settings are right");
    let thrice = async |biz_type: &str, lane| {
        let rows =
            format!("SELECT id, lease_epoch FROM compensate_biz WHERE biz_type = '{biz_type}'");
        let rows: Vec<(u64, u64)> = house.database.query(&rows).await;
        let rung: Vec<Rung> = rows
            .into_iter()
            .map(|(id, epoch)| Rung {
                id: CompensateBizId(id),
                epoch: LeaseEpoch(epoch),
            })
            .collect();
        for ring in rung.chunks(1).flat_map(|ring| [ring; 3]) {
            ringer
                .ring(&lane, ring, &TraceHeaders::default())
                .await
                .expect("delivered");
        }
        rung.len()
    };
    let task = house
        .import_members(members(2_000, |_, _| ()), json!({}))
        .await;
    assert_eq!(thrice("IMPORT", imports()).await, 1);
    let splitting = house.work_on(&[imports()]);
    let batches_of = eventually("the batches to be born", async || {
        let total = house.task(task).await.progress.phase;
        (total.as_deref() == Some("importing")).then_some(())
    });
    batches_of.await;
    assert_eq!(thrice("IMPORT_BATCH", batches()).await, 4);
    let working = house.work_on(&[batches()]);
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, 2_000);
    assert_eq!(house.rows("member").await, 2_000);
    let ledger: u64 = house
        .database
        .one("SELECT COUNT(*) FROM import_batch")
        .await;
    let epochs = "SELECT MAX(lease_epoch) FROM compensate_biz";
    assert_eq!(
        (ledger, house.database.one::<u64>(epochs).await),
        (4, 1),
        "one attempt at each"
    );
    splitting.stop().await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_cancelled_at_any_moment_says_what_was_written() {
    let house = House::build().await;
    let worker = house.work();
    // moments: before anybody works on it, in the split, at its end, after some batches, near the end
    let moments: [fn(&Task) -> bool; 5] = [
        |_| true,
        |task| task.status == TaskStatus::Processing,
        |task| task.progress.phase.as_deref() == Some("importing"),
        |task| task.progress.done_rows > 0,
        |task| task.progress.done_rows > 3_000,
    ];
    for (number, moment) in (0_u32..).zip(moments) {
        let content = members(5_000, |n, row| row[0] = text(format!("C{number}-{n}")));
        let task = house
            .import_members(content, json!({"batch_size": 100}))
            .await;
        eventually_within(PATIENCE, "the moment", async || {
            let task = house.task(task).await;
            (moment(&task) || task.status.is_final()).then_some(())
        })
        .await;
        // the last moment may be too late, which is as good
        drop(house.store.cancel_task(&house.caller("acme"), task).await);
        let ended = house.ended(task).await;
        eventually("no batch to be at work any more", async || {
            let open = "SELECT COUNT(*) FROM compensate_biz \
                        WHERE status IN ('WAIT_HANDLE', 'PROCESSING')";
            (house.database.one::<u64>(open).await == 0).then_some(())
        })
        .await;
        let written = format!("SELECT COUNT(*) FROM member WHERE member_no LIKE 'C{number}-%'");
        let written: u64 = house.database.one(&written).await;
        assert_eq!(ended.progress.done_rows, written, "{ended:?}");
        assert_eq!(
            house.task(task).await.progress,
            ended.progress,
            "nothing came after the end"
        );
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_imports_of_overlapping_keys_at_once_give_every_key_once() {
    let house = House::build().await;
    let worker = house.work();
    let other = house.work();
    let numbered = |from: u32| members(4_000, |n, row| row[0] = text(format!("K{}", n + from)));
    let options = json!({"batch_size": 250});
    let tasks = join_all([
        house.import_members(numbered(0), options.clone()),
        house.import_members(numbered(2_000), options),
    ])
    .await;
    let ended = join_all(tasks.iter().map(|task| house.ended(*task))).await;
    let (done, failed) = ended.iter().fold((0, 0), |(done, failed), task| {
        assert!(
            matches!(
                task.status,
                TaskStatus::PartialSuccess | TaskStatus::Success
            ),
            "{task:?}"
        );
        (
            done + task.progress.done_rows,
            failed + task.progress.failed_rows,
        )
    });
    assert_eq!((done, failed), (6_000, 2_000));
    assert_eq!(house.rows("member").await, 6_000);
    for task in tasks {
        let errors = house.row_errors(task).await;
        assert!(
            errors
                .iter()
                .all(|error| error.code.as_str() == "duplicate_in_db")
        );
    }
    worker.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_that_import_the_same_keys_do_not_meet() {
    let house = House::build().await;
    let worker = house.work();
    let content = members(1_500, |_, _| ());
    let of = |tenant| Import {
        tenant,
        ..Import::members(content.clone(), json!({"mode": "upsert"}))
    };
    let (one, two) = tokio::join!(house.import(of("acme")), house.import(of("globex")));
    let (one, two) = tokio::join!(house.ended_of("acme", one), house.ended_of("globex", two));
    for task in [&one, &two] {
        assert_eq!(
            (task.status, task.progress.done_rows),
            (TaskStatus::Success, 1_500)
        );
    }
    let counts: Vec<(String, u64)> = house
        .database
        .query("SELECT tenant, COUNT(*) FROM member GROUP BY tenant ORDER BY tenant")
        .await;
    assert_eq!(
        counts,
        [("acme".to_owned(), 1_500), ("globex".to_owned(), 1_500)]
    );
    worker.stop().await;
}
