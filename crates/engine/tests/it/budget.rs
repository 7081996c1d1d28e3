//! The retry budget: an outage does not become a storm.

use std::time::Duration;

use domain::{BudgetTerms, Failure, FailureCode, RetryPolicy};
use testkit::eventually;

use crate::counted::Counted;
use crate::probe::{House, Probe, Step};

const STRETCHED: &str = "quayside_retries_stretched_total";

/// Without a budget each row would be tried again at once, ten times over.
#[tokio::test(flavor = "multi_thread")]
async fn while_everything_fails_further_tries_are_a_share_of_first_ones_and_no_row_is_lost() {
    let counted = Counted::begin();
    let house = House::build().await;
    let (lane, rows) = (&house.lane, 100_u32);
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (biz_type, biz_id, context, lane) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT 'EXPORT', n, '{{}}', '{lane}' FROM s"
        ))
        .await;
    let mut settings = house.settings();
    settings.permits = 8;
    settings.retry = RetryPolicy::new(10, vec![Duration::from_millis(1)])
        .expect("a backoff")
        .into();
    settings.budget = BudgetTerms {
        share: 0.2,
        per_second: 0.0,
        burst: 10.0,
        longest: Duration::from_secs(600),
    };
    let away = Failure::transient(FailureCode::StorageUnavailable, "away");
    let probe = Probe::always(Step::Fail(away));
    let worker = house.work("one", settings, &probe);
    eventually("all to have been tried, and none to be due", async || {
        let sql = "SELECT COUNT(*) FROM compensate_biz WHERE cnt = 0 OR status <> 'WAIT_HANDLE' \
             OR wake_at < UTC_TIMESTAMP(6) + INTERVAL 60 SECOND";
        let open: u64 = house.database.one(sql).await;
        (open == 0).then_some(())
    })
    .await;
    let tries: u32 = probe.runs().values().sum();
    let granted = 10 + rows / 5;
    assert!(tries > rows, "some were tried again at once");
    assert!(tries <= rows + granted, "{tries} tries of {rows} rows");
    let stretched = counted.of(STRETCHED, lane);
    assert_eq!(
        stretched,
        u64::from(rows),
        "each row waits now, and only for that"
    );
    worker.stop().await;
}
