//! The sweeper as a process.

use domain::TaskStatus;
use testkit::{a_lane, eventually};

use crate::house::{HANDLERS, House};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_queue_that_no_definition_names_is_rescued_and_rung_again() {
    let house = House::build().await;
    let lane = a_lane();
    let task = house.a_lost_export(&lane).await;
    let mut sweeping = house.process("one", &[]);
    eventually("the row to be rescued and announced", async || {
        let row: (String, bool, u32) = house
            .database
            .one("SELECT status, announced, cnt FROM compensate_biz")
            .await;
        (row == ("WAIT_HANDLE".to_owned(), true, 1)).then_some(())
    })
    .await;
    let seen = house.store.task(&house.owner(), task).await;
    let seen = seen.expect("read").expect("visible");
    assert_eq!((seen.status, seen.retry_count), (TaskStatus::Pending, 1));
    assert_eq!(seen.error, None, "nobody is told to do again what goes on");

    let line = sweeping.logged("rescued rows whose lease had ended").await;
    assert!(
        line.contains("\"rescued\":1") && line.contains("\"given_up\":0"),
        "{line}"
    );
    let (ready, body) = sweeping.ask("/readyz").await;
    assert_eq!(ready, 200);
    for dependency in ["mysql", "kafka", "storage"] {
        assert!(body.contains(dependency), "{body}");
    }
    let (_, metrics) = sweeping.ask("/metrics").await;
    let rescued = format!("quayside_rescued_total{{lane=\"{lane}\"}} 1");
    assert!(metrics.contains(&rescued), "{metrics}");
    assert!(
        metrics.contains("# HELP quayside_rescued_total "),
        "{metrics}"
    );
    assert_eq!(sweeping.end().await.code(), Some(0));
    let lines = sweeping.log();
    assert_eq!(
        lines.matches("rescued rows").count(),
        1,
        "a pass that did nothing says nothing: {lines}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_meets_others_locks_is_left_to_the_next_pass_and_is_no_error() {
    let house = House::build().await;
    house.a_lost_export(&a_lane()).await;
    let deadlock = "CREATE TRIGGER deadlock BEFORE UPDATE ON task FOR EACH ROW \
                    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = \
                    'Deadlock found when trying to get lock; try restarting transaction'";
    house.database.execute(deadlock).await;
    let sweeping = house.process("one", &[]);
    let line = sweeping.logged("a row is left to the next pass").await;
    assert!(line.contains("WARN"), "{line}");
    house.database.execute("DROP TRIGGER deadlock").await;
    sweeping.logged("rescued rows whose lease had ended").await;
    let (_, metrics) = sweeping.ask("/metrics").await;
    let again = r#"quayside_store_retries_total{op="sweep"}"#;
    assert!(metrics.contains(again), "{metrics}");
    let error = r#"quayside_store_errors_total{op="sweep""#;
    assert!(!metrics.contains(error), "no alert for it: {metrics}");
}

/// The example's rows are scanned every minute.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_definition_are_announced_with_its_scan_interval() {
    let house = House::build().await;
    house
        .database
        .execute(
            "INSERT INTO compensate_biz (biz_type, biz_id, context) \
             VALUES ('coupon_grant', '1', '{}')",
        )
        .await;
    let settings = [
        ("QUAYSIDE__HANDLERS__DIR", HANDLERS),
        ("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "3600"),
    ];
    let _sweeping = house.process("one", &settings);
    eventually("the row to be announced", async || {
        let row: (bool, bool) = house
            .database
            .one(
                "SELECT announced, wake_at < UTC_TIMESTAMP(6) + INTERVAL 10 MINUTE \
                 FROM compensate_biz",
            )
            .await;
        (row == (true, true)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweepers_rescue_every_row_once() {
    const ROWS: u64 = 250;
    let house = House::build().await;
    let lanes = [a_lane(), a_lane()];
    for number in 0..ROWS {
        house
            .a_lost_export(&lanes[usize::from(number % 2 == 0)])
            .await;
    }
    let sweeping = [house.process("one", &[]), house.process("two", &[])];
    let told = "SELECT (SELECT COUNT(*) FROM compensate_biz WHERE status = 'WAIT_HANDLE' AND cnt = 1), \
                (SELECT COUNT(*) FROM compensate_biz_attempt WHERE outcome = 'LOST')";
    eventually("all rows to be rescued", async || {
        let told: (u64, u64) = house.database.one(told).await;
        (told == (ROWS, ROWS)).then_some(())
    })
    .await;
    let counter = "quayside_rescued_total";
    let counted = sweeping[0].counted(counter).await + sweeping[1].counted(counter).await;
    assert_eq!(counted, ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_away_holds_up_no_rescue_and_no_other_retention() {
    let house = House::build().await;
    house.a_lost_export(&a_lane()).await;
    house
        .database
        .execute(
            "INSERT INTO idempotency (tenant, created_by, route, idempotency_key, request_hash, \
             task_id, expires_at) VALUES ('acme', '7', 'x', 'k', 'h', 1, UTC_TIMESTAMP(6))",
        )
        .await;
    // a port that nobody listens on
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", nobody.local_addr().expect("it is bound"));
    drop(nobody);
    let mut sweeping = house.process(
        "one",
        &[
            ("QUAYSIDE__STORAGE__BACKEND", "s3"),
            ("QUAYSIDE__STORAGE__BUCKET", "files"),
            ("QUAYSIDE__STORAGE__REGION", "us-east-1"),
            ("QUAYSIDE__STORAGE__ENDPOINT", &endpoint),
            ("QUAYSIDE__STORAGE__PATH_STYLE", "true"),
            ("QUAYSIDE__STORAGE__ACCESS_KEY_ID", "me"),
            ("QUAYSIDE__STORAGE__SECRET_ACCESS_KEY", "hunter2"),
        ],
    );
    eventually(
        "the row to be rescued and the key to be forgotten",
        async || {
            let left: (String, u64) = house
                .database
                .one("SELECT status, (SELECT COUNT(*) FROM idempotency) FROM compensate_biz")
                .await;
            (left == ("WAIT_HANDLE".to_owned(), 0)).then_some(())
        },
    )
    .await;
    sweeping
        .logged("a pass of the retention was cut short")
        .await;
    assert_eq!(sweeping.ask("/readyz").await.0, 200);
    assert_eq!(sweeping.end().await.code(), Some(0));
}
