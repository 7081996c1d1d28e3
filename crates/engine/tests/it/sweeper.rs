//! Rescue.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{Lane, TaskStatus};
use engine::{Leases, Sweeper};
use testkit::{eventually, terms};
use tokio_util::sync::CancellationToken;

use crate::probe::{House, Probe, Step};

/// A row of the lane, held by a worker that will not be heard of again.
async fn vanish(house: &House, lane: &Lane) {
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) \
             VALUES ('acme', 'EXPORT', '{lane}', '{{}}', '{lane}')"
        ))
        .await;
    let claimed = house.store.claim_due(lane, 1, &terms("vanished")).await;
    assert_eq!(claimed.expect("claimed").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_of_a_worker_that_vanished_is_run_by_another_after_the_first_lease_period() {
    let house = House::build().await;
    let submitted = house
        .store
        .submit_export(house.a_rung_export())
        .await
        .expect("accepted");
    let mut vanished = terms("vanished");
    vanished.lease = Duration::from_millis(1);
    let claim = house
        .store
        .claim_rung(&house.lane, &[submitted.rung], &vanished)
        .await;
    assert_eq!(claim.expect("claimed").claimed.len(), 1);

    let lease = Duration::from_secs(1);
    let sweeper = Sweeper {
        store: house.store.clone(),
        leases: lease.into(),
        interval: Duration::from_millis(100),
    };
    let stop = CancellationToken::new();
    let began = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    eventually("the row to be rescued", async || {
        let status: String = house
            .database
            .one("SELECT status FROM compensate_biz")
            .await;
        (status == "WAIT_HANDLE").then_some(())
    })
    .await;
    assert!(
        began.elapsed() >= lease,
        "a sweeper that has just started does not act"
    );

    let probe = Probe::always(Step::Finish);
    let worker = house.work("two", house.settings(), &probe);
    let done = house.until(submitted.task, TaskStatus::Success).await;
    assert_eq!((done.files.len(), done.retry_count), (1, 1));
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_lease_keeps_no_other_lane_waiting_for_its_rescue() {
    let house = House::build().await;
    let [quick, slow, long] = [testkit::a_lane(), testkit::a_lane(), testkit::a_lane()];
    let retired = Lane::parse(format!("quayside.biz.{quick}")).expect("a name");
    for lane in [&quick, &slow, &long, &retired] {
        vanish(&house, lane).await;
    }
    let end = "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)";
    house.database.execute(end).await;
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    let sweeper = Sweeper {
        store: house.store.clone(),
        leases: Leases {
            defined: BTreeMap::from([(slow.clone(), 3 * second), (long.clone(), hour)]),
            common: second,
        },
        interval: hour,
    };
    let stop = CancellationToken::new();
    let began = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    for (lease, held) in [
        (second, vec![&slow, &long, &retired]),
        (3 * second, vec![&long, &retired]),
    ] {
        eventually("the next lane to be rescued", async || {
            let lanes: Vec<String> = house
                .database
                .query("SELECT lane FROM compensate_biz WHERE status = 'PROCESSING' ORDER BY id")
                .await;
            (lanes == held.iter().map(|lane| lane.as_str()).collect::<Vec<_>>()).then_some(())
        })
        .await;
        assert!(began.elapsed() >= lease, "not before its own lease");
    }
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_rescued_ends_no_pass_before_its_time() {
    const ROWS: usize = 120;
    let house = House::build().await;
    let lane = &house.lane;
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) \
             SELECT 'acme', 'EXPORT', n, '{{}}', '{lane}' FROM s"
        ))
        .await;
    let claimed = house.store.claim_due(lane, ROWS, &terms("vanished")).await;
    let claimed = claimed.expect("claimed");
    assert_eq!(claimed.len(), ROWS);
    // the end of its group asks for what is no JSON
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) \
             VALUES (5, 'acme', 1, TRUE, 'garbage'); \
             UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6); \
             UPDATE compensate_biz SET group_id = 5, hard_deadline = UTC_TIMESTAMP(6), \
             wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE WHERE id = {}",
            claimed[0].lease.id
        ))
        .await;
    let sweeper = Sweeper {
        store: house.store.clone(),
        leases: Duration::from_secs(1).into(),
        interval: Duration::from_secs(3600),
    };
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    eventually("all others to be rescued in one pass", async || {
        let held: u64 = house
            .database
            .one("SELECT COUNT(*) FROM compensate_biz WHERE status = 'PROCESSING'")
            .await;
        (held == 1).then_some(())
    })
    .await;
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rows_that_cannot_be_rescued_hold_up_nobody_behind_them() {
    const BROKEN: usize = 110;
    const OTHERS: usize = 5;
    let house = House::build().await;
    let (lane, rows) = (&house.lane, BROKEN + OTHERS);
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT 'acme', 'EXPORT', n, '{{}}', '{lane}' FROM s"
        ))
        .await;
    let claimed = house.store.claim_due(lane, rows, &terms("vanished")).await;
    let claimed = claimed.expect("claimed");
    assert_eq!(claimed.len(), rows);
    // each is the last of a group whose end asks for what is no JSON
    let broken = &claimed[BROKEN - 1].lease.id;
    house
        .database
        .execute(&format!(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6); \
             INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) \
             SELECT id, 'acme', 1, TRUE, 'garbage' FROM compensate_biz WHERE id <= {broken}; \
             UPDATE compensate_biz SET group_id = id, hard_deadline = UTC_TIMESTAMP(6), \
             wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE WHERE id <= {broken}"
        ))
        .await;
    let sweeper = Sweeper {
        store: house.store.clone(),
        leases: Duration::from_secs(1).into(),
        interval: Duration::from_secs(3600),
    };
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    eventually("all behind them to be rescued", async || {
        let held: usize = house
            .database
            .one("SELECT COUNT(*) FROM compensate_biz WHERE status = 'PROCESSING'")
            .await;
        (held == BROKEN).then_some(())
    })
    .await;
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_longer_than_a_pass_looks_at_keeps_no_ended_lease_from_being_met() {
    const WAITING: usize = 31_000;
    let house = House::build().await;
    let lane = &house.lane;
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) VALUES \
             ('acme', 'EXPORT', 'old', '{{}}', '{lane}'), ('acme', 'EXPORT', 'new', '{{}}', '{lane}')"
        ))
        .await;
    let claimed = house.store.claim_due(lane, 2, &terms("vanished")).await;
    let claimed = claimed.expect("claimed");
    // one lease has ended just now, the other long ago; all who wait do so for longer
    house
        .database
        .execute(&format!(
            "SET cte_max_recursion_depth = 100000; \
             UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) - INTERVAL IF(id = {}, 20, 0) HOUR; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane, wake_at) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {WAITING}) \
             SELECT 'acme', 'EXPORT', n, '{{}}', '{lane}', UTC_TIMESTAMP(6) - INTERVAL 1 DAY FROM s",
            claimed[0].lease.id
        ))
        .await;
    // one pass for the one, a second pass for the other
    for (interval, left) in [(3600.0, 1), (0.1, 0)] {
        let sweeper = Sweeper {
            store: house.store.clone(),
            leases: Duration::from_secs(1).into(),
            interval: Duration::from_secs_f64(interval),
        };
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let sweeping = tokio::spawn(sweeper.run(stop.clone()));
        eventually("it to be rescued", async || {
            let held: Vec<u64> = house
                .database
                .query("SELECT id FROM compensate_biz WHERE status = 'PROCESSING'")
                .await;
            (held.len() == left).then_some(())
        })
        .await;
        stop.cancel();
        sweeping.await.expect("the sweeper ends well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_at_which_the_database_fails_keeps_the_passes_from_no_other() {
    let house = House::build().await;
    let mut lanes = [testkit::a_lane(), testkit::a_lane(), testkit::a_lane()];
    lanes.sort();
    for lane in &lanes {
        vanish(&house, lane).await;
    }
    // the server goes away whenever the rows of the first lane are written
    house
        .database
        .execute(&format!(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6); \
             CREATE TRIGGER away BEFORE UPDATE ON compensate_biz FOR EACH ROW \
             IF OLD.lane = '{}' THEN SIGNAL SQLSTATE 'HY000' \
             SET MYSQL_ERRNO = 1053, MESSAGE_TEXT = 'Server shutdown in progress'; END IF",
            lanes[0]
        ))
        .await;
    let sweeper = Sweeper {
        store: house.store.clone(),
        leases: Duration::from_millis(300).into(),
        interval: Duration::from_secs(3600),
    };
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    eventually("the others to be rescued", async || {
        let held: Vec<String> = house
            .database
            .query("SELECT lane FROM compensate_biz WHERE status = 'PROCESSING'")
            .await;
        (held == [lanes[0].as_str()]).then_some(())
    })
    .await;
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
}
