//! Imports through everything that can happen to their workers.

use domain::{CompensateBizId, Lane, LeaseEpoch, Rung, Task, TaskStatus};
use futures::future::join_all;
use serde_json::json;

use bus::{Ringer, TraceHeaders};
use testkit::{MoodyProxy, eventually};

use crate::house::{House, Import, batches, imports};
use crate::moments::{Moment, Moments, Since, has_been_read};
use crate::workbook::{members, number, text};

/// Rows that take a worker some seconds.
const MANY: u32 = 50_000;
/// Of these so many are bad.
const BAD: u64 = 50;

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

/// Ten workers die: three while the file is read, seven while batches are applied, each at a moment of
/// its own drawing.
#[tokio::test(flavor = "multi_thread")]
async fn ten_workers_killed_at_random_moments_leave_every_valid_row_exactly_once() {
    let house = House::build().await;
    let mut moments = Moments::new();
    // of 100 objects, and of as many batches of 500: what is left is more than ten deaths let pass
    let mut drawn = moments.of_split(3, 90);
    drawn.extend(moments.of_apply(7, 35_000));
    let task = house
        .import_members(many(), json!({"batch_size": 500}))
        .await;
    for moment in drawn {
        let since = house.since(task).await;
        let worker = house.process();
        house.until_moment(task, moment, &since).await;
        moments.pass(&house, task).await;
        let now = house.task(task).await;
        assert!(!now.status.is_final(), "too quick for ten: {now:?}");
        worker.signal("KILL");
    }
    let last = house.process();
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_whole(&house, &done).await;
    let lost = "SELECT COUNT(*) FROM compensate_biz_attempt WHERE outcome = 'LOST'";
    let lost: u64 = house.database.one(lost).await;
    assert!(lost >= 3, "of ten deaths {lost} met work");
    drop(last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_killed_after_half_its_objects_is_made_again_and_nothing_was_written_before() {
    let house = House::build().await;
    let first = house.process();
    let task = house
        .import_members(many(), json!({"batch_size": 100}))
        .await;
    let objects = MANY as usize / 100;
    let half = Moment::Split(objects / 2);
    house.until_moment(task, half, &Since::default()).await;
    first.signal("KILL");
    let written = house.written(task).objects;
    assert!(
        (objects / 2..objects).contains(&written),
        "{written} of {objects} objects were written"
    );
    let born = "SELECT COUNT(*) FROM compensate_biz WHERE biz_type <> 'IMPORT'";
    assert_eq!(house.database.one::<u64>(born).await, 0);
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

/// Rings every row of a kind three times more; how many they are.
async fn ring_thrice(house: &House, biz_type: &str, lane: &Lane) -> usize {
    let ringer = Ringer::new(&house.broker.settings()).expect("the settings are right");
    let rows = format!("SELECT id, lease_epoch FROM compensate_biz WHERE biz_type = '{biz_type}'");
    let rows: Vec<(u64, u64)> = house.database.query(&rows).await;
    for (id, epoch) in &rows {
        let ring = Rung {
            id: CompensateBizId(*id),
            epoch: LeaseEpoch(*epoch),
        };
        let (ring, trace) = ([ring], TraceHeaders::default());
        for _ in 0..3 {
            let rung = ringer.ring(lane, &ring, &trace).await;
            rung.expect("delivered");
        }
    }
    rows.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_delivered_three_times_is_one_ring_of_upload_batch_and_finish_alike() {
    let house = House::build().await;
    let content = members(2_000, |n, row| {
        if n % 500 == 7 {
            row[2] = text("13800x");
        }
    });
    let task = house.import_members(content, json!({})).await;
    assert_eq!(ring_thrice(&house, "IMPORT", &imports()).await, 1);
    let splitting = house.work_on(&[imports()]);
    eventually("the batches to be born", async || {
        has_been_read(&house.task(task).await).then_some(())
    })
    .await;
    splitting.stop().await;
    assert_eq!(ring_thrice(&house, "IMPORT_BATCH", &batches()).await, 4);
    let applying = house.work_on(&[batches()]);
    eventually("the finish to be born", async || {
        let born = "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_FINISH'";
        (house.database.one::<u64>(born).await == 1).then_some(())
    })
    .await;
    assert_eq!(ring_thrice(&house, "IMPORT_FINISH", &imports()).await, 1);
    let finishing = house.work_on(&[imports()]);
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    let counts = (done.progress.done_rows, done.progress.failed_rows);
    assert_eq!(counts, (1_996, 4));
    assert_eq!(house.rows("member").await, 1_996);
    finishing.stop().await;
    applying.stop().await;
    let told = "SELECT (SELECT COUNT(*) FROM import_batch), COUNT(*), MAX(lease_epoch), \
                SUM(status = 'SUCCESS') FROM compensate_biz";
    let told: Vec<(u64, u64, u64, u64)> = house.database.query(told).await;
    assert_eq!(told, [(4, 6, 1, 6)], "one attempt at each");
    let files = house.stored_for(task);
    assert_eq!(files.len(), 1, "one file of failures: {files:?}");
    assert_eq!(done.files.len(), 2, "and the upload: {done:?}");
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
    // once more, each row with the mark of its import: nobody's fault now, and one of the two holds
    let marked = |from: u32, mark: u32| {
        members(4_000, |n, row| {
            row[0] = text(format!("K{}", n + from));
            row[5] = number(mark);
        })
    };
    let options = json!({"batch_size": 250, "mode": "upsert"});
    let tasks = join_all([
        house.import_members(marked(0, 1_001), options.clone()),
        house.import_members(marked(2_000, 1_002), options),
    ])
    .await;
    for task in join_all(tasks.iter().map(|task| house.ended(*task))).await {
        assert_eq!(task.status, TaskStatus::Success, "{task:?}");
        assert_eq!(task.progress.done_rows, 4_000);
    }
    let told = "SELECT COUNT(*), COUNT(DISTINCT member_no), SUM(points IN (1001, 1002)), \
                SUM(points = 1001) >= 2000, SUM(points = 1002) >= 2000 FROM member";
    let told: Vec<(u64, u64, u64, bool, bool)> = house.database.query(told).await;
    assert_eq!(told, [(6_000, 6_000, 6_000, true, true)]);
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
