//! A MySQL that says no: read-only, full, killed, or set up by somebody else.

mod server;

use domain::{ImportMode, TaskStatus};
use mysql_async::prelude::Queryable;
use store::{Store, StoreError, Submitted};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::apply::thing::{rows, target};
use crate::settle::owner;
use server::OwnServer;

/// Every kind of write is told to be tried later, and reads are answered.
async fn assert_reads_only(store: &Store, open: &Submitted) {
    let lane = a_lane();
    let submit = store.submit_export(an_export(&lane)).await.err();
    let claim = store.claim_rung(&lane, &[open.rung], &terms("one")).await;
    let cancel = store.cancel_task(&owner(), open.task).await.err();
    let retract = store.retract(&[open.rung]).await.err();
    for (what, error) in [
        ("submit", submit),
        ("claim", claim.err()),
        ("cancel", cancel),
        ("retract", retract),
    ] {
        assert!(
            matches!(error, Some(StoreError::Unavailable(_))),
            "{what}: {error:?}"
        );
    }
    let shown = store.task(&owner(), open.task).await.expect("is read");
    assert_eq!(shown.expect("is there").status, TaskStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_read_only_is_tried_later_and_written_to_once_it_is_not() {
    let server = OwnServer::start().await;
    let (store, lane) = (server.store(), a_lane());
    let open = store.submit_export(an_export(&lane)).await;
    let open = open.expect("accepted");
    let mut root = server.root().await;
    let sql = "SET GLOBAL super_read_only = ON";
    root.query_drop(sql).await.expect("set");
    assert_reads_only(&store, &open).await;
    let sql = "SET GLOBAL read_only = OFF";
    root.query_drop(sql).await.expect("set");
    let claim = store.claim_rung(&lane, &[open.rung], &terms("one")).await;
    assert_eq!(claim.expect("by itself").claimed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_keeps_what_was_accepted_and_is_used_again_by_itself() {
    let server = OwnServer::start().await;
    let (store, lane) = (server.store(), a_lane());
    let open = store.submit_export(an_export(&lane)).await;
    let open = open.expect("accepted");
    server.kill();
    let away = store.submit_export(an_export(&lane)).await.err();
    assert!(matches!(away, Some(StoreError::Unavailable(_))), "{away:?}");
    server.come_back();
    let claim = store.claim_rung(&lane, &[open.rung], &terms("one")).await;
    assert_eq!(claim.expect("by itself").claimed.len(), 1);
}

/// Somebody else's server: lax, in another zone, serializable, slow to give up, in another language.
const ELSEWHERE: &str = "SET GLOBAL sql_mode = '', time_zone = '-03:30', \
    transaction_isolation = 'SERIALIZABLE', innodb_lock_wait_timeout = 50, lc_messages = 'de_DE'";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_servers_defaults_are_nothing_is_cut_to_fit_and_times_are_utc() {
    let server = OwnServer::start().await;
    let mut root = server.root().await;
    root.query_drop(ELSEWHERE).await.expect("set");
    let store = server.store();
    let open = store.submit_export(an_export(&a_lane())).await;
    let open = open.expect("accepted");
    let sql = "SELECT @@session.time_zone, @@session.sql_mode, \
               TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP(6)) FROM task";
    let read = server.root().await.query_first(sql).await.expect("read");
    let (zone, mode, age): (String, String, i64) = read.expect("a task");
    assert_eq!((&*zone, &*mode), ("-03:30", ""), "a plain session's own");
    assert!((0..60).contains(&age), "made {age} s ago");
    let shown = store.task(&owner(), open.task).await.expect("read");
    let shown = shown.expect("visible");
    assert!((shown.read_at - shown.created_at).num_seconds() < 60);

    let mut long = an_export(&a_lane());
    long.name = "x".repeat(100_000);
    let refused = store.submit_export(long).await.err();
    assert!(
        matches!(refused, Some(StoreError::Refused(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_full_is_tried_later_and_is_no_fault_of_the_rows() {
    let database = TestDatabase::create().await;
    let mut plain = database.plain_connection().await;
    // A table in memory is the one that can be filled up without filling a disk.
    for statement in [
        "SET max_heap_table_size = 16384",
        "CREATE TABLE thing (id BIGINT AUTO_INCREMENT PRIMARY KEY, \
           tenant VARCHAR(64) NOT NULL, code VARCHAR(20) NOT NULL, \
           level TINYINT NOT NULL DEFAULT 1, UNIQUE KEY (tenant, code)) ENGINE = MEMORY",
    ] {
        plain.query_drop(statement).await.expect("runs");
    }
    let store = database.store();
    for count in [400, 4_000] {
        let given: Vec<[String; 2]> = (0..count)
            .map(|n| [format!("C{n}"), "1".to_owned()])
            .collect();
        let target = target(ImportMode::Insert, &["code", "level"]);
        let applied = store.apply_rows(target, rows(&given)).await.err();
        assert!(
            matches!(applied, Some(StoreError::Unavailable(_))),
            "{count}: {applied:?}"
        );
    }
}

/// The statements of docs/OPERATIONS.md: in blocks, and in the text where they are whole.
fn of_the_runbook(text: &str) -> Vec<String> {
    let blocks = text.split("```sql").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let block_statements = blocks.flat_map(|block| block.split(';'));
    let quoted = text.split('`').filter(|span| span.starts_with("SELECT "));
    let whole = block_statements
        .chain(quoted)
        .filter(|sql| sql.contains("SELECT ") && !sql.contains('…'));
    whole.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_the_runbook_runs() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(text).expect("it is there");
    let database = TestDatabase::create().await;
    let mut plain = database.plain_connection().await;
    let statements = of_the_runbook(&text);
    assert!(statements.len() > 5, "{statements:?}");
    for sql in statements {
        let run = plain.query_drop(&sql).await;
        assert!(run.is_ok(), "{sql}: {run:?}");
    }
}
