//! Every statement that the store sends, explained: no filesort, no temporary table, no full scan,
//! on an empty, a small and a large table.
//!
//! The statements are taken from the server's own log, so a query that is added later and met by
//! [`exercise`] is checked without being named here.

use std::time::Duration;

use domain::{
    Failure, FailureCode, ImportMode, Lane, Progress, TaskFileId, TaskId, TaskKind, TaskStatus,
};
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use store::{
    Effects, Ending, Once, OpenTaskLimits, Poisoned, Retried, Store, Story, SweepPlace, TaskFilter,
};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::settle::owner;

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_sorts_or_scans_whatever_the_size_of_the_table() {
    let database = TestDatabase::create().await;
    let lane = a_lane();
    let mut explained = 0;
    for rows in [0, 20, 20_000] {
        fill(&database, &lane, rows).await;
        for statement in statements_of(&database, &lane).await {
            check_plan(&database, &statement, rows).await;
            explained += 1;
        }
    }
    assert!(
        explained > 60,
        "only {explained} statements were seen: is the general log on?"
    );
}

/// Words by which the server alters or leaves out what it would refuse. LOAD DATA LOCAL does so
/// without any of them; what it altered is told by its counts, and rolled back.
const IGNORING: [&str; 2] = ["IGNORE", "REPLACE"];

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_has_the_server_ignore_what_it_would_refuse() {
    let database = crate::apply::thing::a_table().await;
    let lane = a_lane();
    let statements = log_of(&database, async |store| {
        crate::batch_run::exercise(&database, store).await;
        exercise(store, &lane).await;
        apply_rows(store).await;
    })
    .await;
    let statements: Vec<String> = statements.iter().map(|(_, sql)| unquoted(sql)).collect();
    for kind in ["INSERT INTO ", "UPDATE ", "DELETE ", "LOAD DATA LOCAL "] {
        let met = statements.iter().any(|sql| sql.contains(kind));
        assert!(met, "{kind}was not met: is the general log on?");
    }
    let ignores = |sql: &&String| {
        let mut words = sql.split_whitespace();
        words.any(|word| IGNORING.contains(&word.to_uppercase().as_str()))
    };
    let ignoring: Vec<&String> = statements.iter().filter(ignores).collect();
    assert!(ignoring.is_empty(), "{ignoring:#?}");
}

/// Many rows and few, new ones and those that are there.
async fn apply_rows(store: &Store) {
    for (mode, count) in [
        (ImportMode::Insert, 60),
        (ImportMode::Upsert, 70),
        (ImportMode::Update, 70),
    ] {
        let rows: Vec<[String; 2]> = (0..count)
            .map(|n| [format!("C{n}"), format!("{mode:?}")])
            .collect();
        let applied = crate::apply::thing::apply(store, mode, &["code", "name"], &rows).await;
        assert_eq!(applied.refused.len(), 0);
    }
}

/// The statement without the texts in it, which may say anything.
fn unquoted(sql: &str) -> String {
    let mut rest = sql.chars();
    let mut kept = String::new();
    let mut quoted = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' if quoted => drop(rest.next()),
            '\'' => quoted = !quoted,
            _ if quoted => {}
            _ => kept.push(c),
        }
    }
    kept
}

/// Calls everything once.
async fn exercise(store: &Store, lane: &Lane) {
    let who = owner();
    let done = store
        .submit_export(an_export(lane))
        .await
        .expect("accepted");
    let lost = store
        .submit_export(an_export(lane))
        .await
        .expect("accepted");
    let given_up = store
        .submit_export(an_export(lane))
        .await
        .expect("accepted");
    store
        .retract(&[lost.rung, given_up.rung])
        .await
        .expect("retracted");
    store
        .announce_due(lane, 1, Duration::ZERO)
        .await
        .expect("announced");
    let claimed = store
        .claim_rung(lane, &[done.rung], &terms("one"))
        .await
        .expect("claimed");
    let lease = &claimed.claimed[0].lease;
    let progress = Some((done.task, Progress::default()));
    store
        .heartbeat(lease, Duration::from_secs(30), progress)
        .await
        .expect("beats");
    let ending = Ending::Finished(Effects::new(|tx| {
        Box::pin(async move { tx.count(&Progress::default(), &[]).await })
    }));
    store
        .settle_held(lease, ending, Story::default())
        .await
        .expect("settled");
    for once in [
        Once::Key {
            key: "k".to_owned(),
            request_hash: "0".repeat(64),
        },
        Once::WhileOpen("0".repeat(64)),
    ] {
        for _ in 0..2 {
            let export = an_export(lane);
            let limits = OpenTaskLimits {
                per_user: Some(u64::MAX),
                per_tenant: Some(u64::MAX),
            };
            store
                .submit_export_once(export, once.clone(), limits)
                .await
                .expect("accepted");
        }
    }
    let mut short = terms("one");
    short.lease = Duration::ZERO;
    let due = store.claim_due(lane, 2, &short).await.expect("claimed");
    let swept = store.sweep_from(lane, None, 1).await.expect("swept");
    let place = swept.next.expect("a lease has ended");
    for place in [place, SweepPlace::since(Duration::from_secs(60))] {
        let swept = store.sweep_from(lane, Some(place), 10).await;
        swept.expect("swept");
    }
    let again = store
        .claim_due(lane, 2, &terms("two"))
        .await
        .expect("claimed");
    let failure = Failure::permanent(FailureCode::Internal, "no");
    let ending = Ending::Failed(failure, Duration::ZERO);
    let held = again.first().or(due.first()).expect("something is due");
    store
        .settle_held(&held.lease, ending, Story::default())
        .await
        .expect("settled");
    let later = Duration::from_secs(60);
    store.put_off(done.rung, later).await.expect("answers");
    let held = std::slice::from_ref(&held.lease);
    let settled = store.finish_together(&who.tenant, held).await;
    assert_eq!(settled.expect("answered").len(), 1);
    store
        .cancel_task(&who, given_up.task)
        .await
        .expect("answers");
    retry_and_delete(store, given_up.task).await;
    watch(store, &[done.task, lost.task]).await;
    store.task(&who, done.task).await.expect("read");
    let mut everyone = who.clone();
    everyone.user = None;
    for who in [who, everyone] {
        for status in [None, Some(TaskStatus::Failed)] {
            let filter = TaskFilter {
                kind: status.map(|_| TaskKind::Export),
                status,
                dataset: status.map(|_| "employee".to_owned()),
                name_holds: status.map(|_| "x".to_owned()),
                before: status.map(|_| done.task),
                created_from: None,
                created_to: None,
                limit: 50,
            };
            store.tasks(&who, filter).await.expect("listed");
        }
    }
    let poison = Poisoned {
        lane: lane.clone(),
        reason: "malformed",
        detail: String::new(),
        payload: vec![1],
        headers: String::new(),
    };
    store.record_poison(poison).await.expect("recorded");
    crate::import::plan::exercise(store).await;
    crate::group_import::exercise(store).await;
    crate::dead_letter::exercise(store, &testkit::a_lane()).await;
    crate::operation_log::exercise(store).await;
    crate::notification::exercise(store).await;
    crate::notice::exercise(store).await;
    crate::lane::exercise(store, lane).await;
    crate::compensation::exercise(store).await;
    crate::announce::levels::exercise(store, lane).await;
    crate::stray::exercise(store, lane).await;
    // the last: it takes away what has ended
    crate::retention::exercise(store).await;
}

async fn retry_and_delete(store: &Store, task: TaskId) {
    let who = owner();
    let retry = crate::retry::by_the_owner();
    let retried = store.retry_task(&who, task, &retry).await;
    assert!(matches!(retried.expect("answers"), Retried::Now(..)));
    for before in [None, Some(7)] {
        store.attempts(&who, task, before, 10).await.expect("read");
    }
    store.cancel_task(&who, task).await.expect("answers");
    crate::delete::delete(store, task).await;
    store
        .objects_removed(&who.tenant, &[TaskFileId(7)])
        .await
        .expect("noted");
    let user = who.user.clone().expect("a user");
    store.open_tasks(&who.tenant, &user).await.expect("counted");
}

/// One task and several, one user and several.
async fn watch(store: &Store, tasks: &[TaskId]) {
    for few in [&tasks[..1], tasks] {
        let users = crate::changes::users(few.len());
        store
            .standings(few.to_vec(), users)
            .await
            .expect("answered");
        store.tasks_by_id(few.to_vec()).await.expect("read");
    }
}

/// What of one round of calls can be explained.
async fn statements_of(database: &TestDatabase, lane: &Lane) -> Vec<String> {
    let seen = log_of(database, async |store| {
        crate::batch_run::exercise(database, store).await;
        exercise(store, lane).await;
    });
    seen.await
        .into_iter()
        .filter(|(command, sql)| {
            let words = ["SELECT", "UPDATE", "DELETE"];
            command == "Execute" && words.iter().any(|word| sql.starts_with(word))
        })
        .map(|(_, sql)| sql)
        .filter(|sql| sql.contains(" FROM ") || sql.starts_with("UPDATE"))
        .collect()
}

/// What the server saw of the calls, by the connections of a pool made for them: kind and text of each
/// statement.
async fn log_of(database: &TestDatabase, calls: impl AsyncFnOnce(&Store)) -> Vec<(String, String)> {
    let mut admin = database.plain_connection().await;
    let own_id: u64 = admin
        .query_first("SELECT CONNECTION_ID()")
        .await
        .expect("asks")
        .expect("one");
    admin
        .query_drop("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON")
        .await
        .expect("the throwaway server lets its log be switched on");
    let store = database.store_with_pool(1);
    calls(&store).await;
    let name = database.url().rsplit('/').next().expect("a name");
    let statements: Vec<(String, Vec<u8>)> = admin
        .query(format!(
            "SELECT l.command_type, l.argument FROM mysql.general_log l \
             WHERE l.command_type IN ('Execute', 'Query') \
             AND l.thread_id <> {own_id} AND l.thread_id > {own_id} \
             AND EXISTS (SELECT 1 FROM mysql.general_log c WHERE c.thread_id = l.thread_id \
             AND c.command_type = 'Connect' \
             AND CONVERT(c.argument USING utf8mb4) LIKE '%{name}%')"
        ))
        .await
        .expect("reads the log");
    statements
        .into_iter()
        // answers that are bound are bytes
        .map(|(command, sql)| (command, String::from_utf8_lossy(&sql).into_owned()))
        .collect()
}

async fn check_plan(database: &TestDatabase, statement: &str, rows: usize) {
    let mut client = database.plain_connection().await;
    let plan: Vec<Row> = client
        .query(format!("EXPLAIN FORMAT=TRADITIONAL {statement}"))
        .await
        .unwrap_or_else(|error| panic!("cannot explain {statement}: {error}"));
    for step in plan {
        let text = |column: &str| {
            step.get_opt::<Option<String>, _>(column)
                .and_then(Result::ok)
                .flatten()
        };
        let (access, extra) = (text("type"), text("Extra").unwrap_or_default());
        if statement.starts_with("SELECT DISTINCT lane") && rows > 1_000 {
            assert!(extra.contains("Using index for group-by"), "{extra:?}");
        }
        if statement.contains(" AS is_held") && rows > 1_000 {
            // lane, moment and id: a walk goes on without reading again what lies behind it
            let is_deep = statement.contains(" AND id > ");
            let length = if is_deep { "1015" } else { "1007" };
            assert_eq!(access.as_deref(), Some("range"), "{statement}");
            assert_eq!(text("key_len").as_deref(), Some(length), "{statement}");
        }
        let bad = matches!(access.as_deref(), Some("ALL" | "index"))
            || extra.contains("filesort")
            || extra.contains("temporary");
        assert!(
            !bad,
            "with {rows} rows: {access:?} {extra:?} in the plan of {statement}"
        );
    }
    client.disconnect().await.expect("closes");
}

/// Makes the tables hold about so many rows, on this lane and another, of several users.
async fn fill(database: &TestDatabase, lane: &Lane, rows: usize) {
    if rows == 0 {
        return;
    }
    let numbers = format!(
        "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
         SELECT n FROM s) seq"
    );
    database
        .execute(&format!(
            "SET cte_max_recursion_depth = 1000000; \
             INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, created_by) \
             SELECT 'acme', 'EXPORT', 'employee', 'x', 'default', '{{}}', 'en', n % 10 FROM {numbers}; \
             INSERT INTO task_file (tenant, task_id, role, state, object_key, name, expires_at) \
             SELECT 'acme', n, 'ARTIFACT', 'AVAILABLE', 'x', 'x', UTC_TIMESTAMP() FROM {numbers}; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane, task_id, status, \
             wake_at, announced) SELECT 'acme', 'FILL', UUID(), '{{}}', \
             IF(n % 2, '{lane}', 'quayside.biz.other'), n, \
             ELT(1 + n % 3, 'SUCCESS', 'PROCESSING', 'WAIT_HANDLE'), \
             IF(n % 3, UTC_TIMESTAMP() + INTERVAL IF(n % 7, 1, -1) DAY, NULL), n % 2 FROM {numbers}; \
             INSERT INTO idempotency (tenant, created_by, route, idempotency_key, request_hash, \
             task_id, expires_at) SELECT 'acme', n % 10, 'x', UUID(), '', 0, \
             UTC_TIMESTAMP() + INTERVAL IF(n % 50, 1, -1) DAY FROM {numbers}; \
             INSERT INTO dead_letter (tenant, source, lane, biz_type, reason, status) \
             SELECT IF(n % 5, 'acme', 'globex'), 'ROW', '{lane}', 'FILL', \
             ELT(1 + n % 3, 'internal', 'timed_out', 'malformed'), IF(n % 4, 'OPEN', 'REDRIVEN') \
             FROM {numbers}; \
             INSERT INTO operation_log (tenant, actor, action, object_kind, object_id, outcome) \
             SELECT 'acme', n % 10, 'TASK_SUBMIT', 'TASK', n, 'DONE' FROM {numbers}; \
             INSERT INTO notification (tenant, recipient_kind, recipient, kind, \
             notification_key, params, created_at, updated_at) \
             SELECT 'acme', 'ROLE', IF(n % 2, 'OPERATOR', 'MANAGER'), 'DEAD_LETTERS', UUID(), \
             '{{}}', created_at, IF(n % 10, UTC_TIMESTAMP(6), created_at) FROM (SELECT n, \
             UTC_TIMESTAMP(6) - INTERVAL 60 DAY AS created_at FROM {numbers}) aged; \
             INSERT INTO compensate_group (tenant, sealed, ended_generation, created_at, \
             updated_at) SELECT 'acme', TRUE, n % 10 = 0, created_at, created_at FROM (SELECT n, \
             UTC_TIMESTAMP(6) - INTERVAL 60 DAY AS created_at FROM {numbers}) aged; \
             INSERT INTO notification_setting (tenant, created_by) \
             SELECT 'acme', CONCAT('u', UUID()) FROM {numbers}; \
             INSERT INTO webhook (tenant, created_by, url, secret, events) \
             SELECT 'acme', CONCAT('u', n % 100), 'x', 'x', 'TASK_FAILED' FROM {numbers}; \
             INSERT INTO webhook_delivery (tenant, webhook_id, event, task_id, created_at) \
             SELECT 'acme', n % 100, 'TASK_FAILED', n, UTC_TIMESTAMP(6) - INTERVAL n % 60 DAY \
             FROM {numbers}; \
             INSERT INTO lane (name) SELECT UUID() FROM {numbers} WHERE n % 2000 = 0; \
             ANALYZE TABLE task, task_file, compensate_biz, idempotency, dead_letter, operation_log, notification, notification_setting, webhook, webhook_delivery, compensate_group, lane"
        ))
        .await;
    crate::import::plan::fill(database, rows).await;
    crate::announce::levels::fill(database, rows).await;
}
