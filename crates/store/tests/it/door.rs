//! The transaction door, met through public calls.

use std::time::{Duration, Instant};

use domain::TaskId;
use mysql_async::prelude::Queryable;
use store::{Cancelled, StoreError};
use testkit::{TestDatabase, a_lane, an_export, eventually};

use crate::settle::owner;

/// Strict for all tables; the order is the server's.
const STRICT: &str = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
                      NO_ENGINE_SUBSTITUTION";

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_repeated_whole_and_never_reaches_the_caller() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let submitted = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted");

    // The other transaction locks the task; cancel locks the row and waits for the task; then the
    // other one asks for the row: a deadlock, whose smaller side (cancel's) InnoDB rolls back.
    let mut other = database.plain_connection().await;
    other.query_drop("BEGIN").await.expect("begins");
    other.query_drop("INSERT INTO task_file (tenant, task_id, role, state, object_key, name, expires_at) \
         SELECT 'x', seq.n, 'PART', 'PENDING', '', '', UTC_TIMESTAMP() FROM \
         (WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 200) SELECT n FROM s) seq")
        .await.expect("makes this side the heavier");
    other
        .query_drop(format!(
            "SELECT id FROM task WHERE id = {} FOR UPDATE",
            submitted.task
        ))
        .await
        .expect("locks the task");
    let cancel = {
        let (store, task) = (store.clone(), submitted.task);
        async move { store.cancel_task(&owner(), task).await }
    };
    let collide = async {
        eventually("cancel to wait for the task", async || {
            waiting_for(&database, submitted.task).await.then_some(())
        })
        .await;
        other
            .query_drop(format!(
                "SELECT id FROM compensate_biz WHERE id = {} FOR UPDATE",
                submitted.rung.id
            ))
            .await
            .expect("this side wins");
        other.query_drop("ROLLBACK").await.expect("releases");
    };
    let (cancelled, ()) = tokio::join!(cancel, collide);
    assert_eq!(cancelled.expect("repeated, not reported"), Cancelled::Now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_outlasts_one_wait_is_waited_for_again() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let submitted = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted");
    let mut other = database.plain_connection().await;
    other.query_drop("BEGIN").await.expect("begins");
    let lock = format!(
        "SELECT id FROM task WHERE id = {} FOR UPDATE",
        submitted.task
    );
    other.query_drop(lock).await.expect("locks");
    let who = owner();
    let cancel = store.cancel_task(&who, submitted.task);
    let release = async {
        let began = Instant::now();
        // Longer than innodb_lock_wait_timeout, so that the first try has failed with 1205.
        eventually("the second wait", async || {
            let waits = waiting_for(&database, submitted.task).await;
            (waits && began.elapsed() > Duration::from_millis(3_500)).then_some(())
        })
        .await;
        other.query_drop("ROLLBACK").await.expect("releases");
    };
    let (cancelled, ()) = tokio::join!(cancel, release);
    assert_eq!(cancelled.expect("repeated, not reported"), Cancelled::Now);
}

/// Lets the next inserts of a task end with an error, so many times.
async fn refuse_tasks(database: &TestDatabase, times: u32, number: u32, text: &str) {
    // What AUTO_INCREMENT has counted stays when the transaction is rolled back.
    for statement in [
        "DROP TRIGGER IF EXISTS refuse".to_owned(),
        "DROP TABLE IF EXISTS tries".to_owned(),
        "CREATE TABLE tries (number INT AUTO_INCREMENT PRIMARY KEY)".to_owned(),
        format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON task FOR EACH ROW BEGIN \
             INSERT INTO tries () VALUES (); IF LAST_INSERT_ID() <= {times} THEN \
             SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = '{text}'; \
             END IF; END"
        ),
    ] {
        database.execute(&statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_must_be_prepared_anew_is_repeated_with_its_transaction() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let text = "Prepared statement needs to be re-prepared";
    refuse_tasks(&database, 2, 1615, text).await;
    let submitted = store.submit_export(an_export(&a_lane())).await;
    submitted.expect("repeated, not reported");
    let taken: u32 = database.one("SELECT number FROM tries").await;
    assert_eq!(taken, 3, "two tries were refused, the third was not");
    refuse_tasks(&database, 100, 1615, text).await;
    let refused = store.submit_export(an_export(&a_lane())).await;
    assert!(
        matches!(refused, Err(StoreError::Contended(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_failed_over_and_only_reads_is_away() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for (number, text) in [
        (
            1290,
            "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
        ),
        (1836, "Running in read-only mode"),
    ] {
        refuse_tasks(&database, 1, number, text).await;
        let refused = store.submit_export(an_export(&a_lane())).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{number}: {refused:?}"
        );
        store
            .submit_export(an_export(&a_lane()))
            .await
            .expect("later");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_cut_its_transaction() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let submit = store.submit_export(an_export(&a_lane()));
    // Polled once, then dropped: the transaction runs on as a task of the store's runtime.
    let gone = tokio::time::timeout(Duration::ZERO, submit).await;
    assert!(gone.is_err(), "it cannot be done within no time");
    eventually("both rows of the submit", async || {
        let counts: (u64, u64) = database
            .one("SELECT (SELECT COUNT(*) FROM task), (SELECT COUNT(*) FROM compensate_biz)")
            .await;
        (counts == (1, 1)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_has_the_session_that_the_design_asks_for() {
    let database = TestDatabase::create().await;
    let store = database.store();
    store.ping().await.expect("answers");
    let name = database
        .url()
        .rsplit('/')
        .next()
        .expect("a name")
        .to_owned();
    let settings: Vec<(String, String)> = database
        .query(&format!(
            "SELECT v.VARIABLE_NAME, v.VARIABLE_VALUE \
             FROM performance_schema.variables_by_thread v \
             JOIN performance_schema.threads t ON t.THREAD_ID = v.THREAD_ID \
             WHERE t.PROCESSLIST_DB = '{name}' AND t.PROCESSLIST_ID <> CONNECTION_ID() \
             AND v.VARIABLE_NAME IN ('transaction_isolation', 'time_zone', \
             'innodb_lock_wait_timeout', 'lc_messages', 'sql_mode') ORDER BY 1"
        ))
        .await;
    let expected = [
        ("innodb_lock_wait_timeout", "3"),
        ("lc_messages", "en_US"),
        ("sql_mode", STRICT),
        ("time_zone", "+00:00"),
        ("transaction_isolation", "READ-COMMITTED"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(settings, expected);
}

/// Whether somebody waits for the lock of that task.
pub(crate) async fn waiting_for(database: &TestDatabase, task: TaskId) -> bool {
    let sql = format!(
        "SELECT COUNT(*) FROM performance_schema.data_locks WHERE LOCK_STATUS = 'WAITING' \
         AND OBJECT_NAME = 'task' AND OBJECT_SCHEMA = DATABASE() AND LOCK_DATA = '{task}'"
    );
    database.one::<u64>(&sql).await > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_meets_locks_five_times_is_given_up_and_leaves_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for (number, text) in [
        (
            1205,
            "Lock wait timeout exceeded; try restarting transaction",
        ),
        (
            1213,
            "Deadlock found when trying to get lock; try restarting transaction",
        ),
    ] {
        let rows = "SELECT (SELECT COUNT(*) FROM task) + (SELECT COUNT(*) FROM compensate_biz) \
                    + (SELECT COUNT(*) FROM operation_log)";
        let before: u64 = database.one(rows).await;
        refuse_tasks(&database, 5, number, text).await;
        let refused = store.submit_export(an_export(&a_lane())).await;
        let error = refused.expect_err("five tries are all");
        assert!(matches!(error, StoreError::Contended(_)), "{error:?}");
        assert!(error.is_transient(), "a later call may succeed");
        assert_eq!(
            database.one::<u64>(rows).await,
            before,
            "nothing was written"
        );
        // the next call is the sixth try, which the fifth of a call would have been
        let accepted = store.submit_export(an_export(&a_lane())).await;
        accepted.expect("nothing is in its way");
        let tries: u32 = database.one("SELECT number FROM tries").await;
        assert_eq!(tries, 6);

        refuse_tasks(&database, 4, number, text).await;
        let accepted = store.submit_export(an_export(&a_lane())).await;
        accepted.expect("the fifth try counts");
    }
}
