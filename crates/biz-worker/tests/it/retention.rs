//! Finished rows go while the lane that they were on is at work.

use std::time::Duration;

use testkit::eventually;

use crate::house::House;

const GRANT: &str = r#"
kind = "rows"
batch_size = 50
concurrency = 4
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

/// Rows that ended long ago, as many as are to be done now, a few of each in turn.
const ROWS: u32 = 6_000;

#[tokio::test(flavor = "multi_thread")]
async fn old_rows_are_removed_while_the_worker_is_at_its_fastest_and_nothing_is_lost_or_done_twice()
{
    let house = House::open().await;
    house.define("grant", GRANT);
    let insert = format!(
        "SET cte_max_recursion_depth = 100000; \
         INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, status, wake_at, \
         created_at, finished_at) \
         SELECT 'acme', IF(old, 'old', 'grant'), n, \
         JSON_OBJECT('batch', 'b', 'member', CONCAT('M', n), 'coupon', 'A'), \
         IF(old, 'SUCCESS', 'WAIT_HANDLE'), IF(old, NULL, UTC_TIMESTAMP(6)), \
         UTC_TIMESTAMP(6) - INTERVAL IF(old, 60, 0) DAY, \
         IF(old, UTC_TIMESTAMP(6) - INTERVAL 59 DAY, NULL) \
         FROM (WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) \
         SELECT n, n DIV 50 % 2 AS old FROM s) mixed",
        2 * ROWS
    );
    house.database.execute(&insert).await;
    let store = house.database.store();
    let _worker = house.work();
    let count = async |kind: &str, status: &str| {
        let sql = format!(
            "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = '{kind}' AND status = '{status}'"
        );
        house.database.one::<u64>(&sql).await
    };
    eventually("the worker to be at it", async || {
        (count("grant", "SUCCESS").await > 0).then_some(())
    })
    .await;
    let (mut after, mut removed, mut meanwhile) = (0, 0, 0);
    // Walk after walk, for as long as there is work: who is at a row is not waited for.
    while count("grant", "WAIT_HANDLE").await > 0 || removed < ROWS as usize {
        let month = Duration::from_secs(30 * 86_400);
        let walked = store.drop_finished_rows(after, month).await.unwrap();
        removed += walked.removed;
        after = walked.next.unwrap_or(0);
        if count("grant", "WAIT_HANDLE").await > 0 {
            meanwhile = removed;
        }
    }
    assert_eq!(removed, ROWS as usize);
    assert!(
        meanwhile > 0,
        "the worker was done before anything was removed"
    );
    assert_eq!(count("old", "SUCCESS").await, 0);
    assert_eq!(count("grant", "SUCCESS").await, u64::from(ROWS));
    let granted: (u64, u64) = house
        .database
        .one("SELECT COUNT(*), COUNT(DISTINCT member_no) FROM coupon_grant")
        .await;
    assert_eq!(granted, (u64::from(ROWS), u64::from(ROWS)));
    assert_eq!(house.letters("grant").await, []);
}
