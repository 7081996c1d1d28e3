//! Who did what.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    BizId, BizType, Failure, Lane, ObjectKind, OperationAction, OperationOutcome, Tenant, UserId,
};
use serde_json::{Value, json};
use store::{
    Actor, BatchRan, BatchWrites, LogDesk, LoggedAct, NewExport, OperationFilter, OperationRecord,
    RefusedItem, Store, StoreSettings, Visibility, Wanted,
};
use testkit::{MoodyProxy, TestDatabase, a_lane, an_export, terms};

use crate::delete::delete;
use crate::retry::by_the_owner;
use crate::settle::owner;

async fn log(store: &Store, tenant: &str, filter: OperationFilter) -> Vec<OperationRecord> {
    let tenant = Tenant::parse(tenant).expect("a name");
    let filter = OperationFilter {
        limit: 100,
        ..filter
    };
    store.operations(&tenant, filter).await.expect("read").0
}

fn told(entries: &[OperationRecord]) -> Vec<(&str, &str, &str)> {
    let entries = entries.iter().rev();
    entries
        .map(|entry| (entry.actor.as_str(), &*entry.action, &*entry.outcome))
        .collect()
}

/// Submits, cancels, has it tried again, cancels as an administrator, deletes.
async fn a_life(store: &Store) {
    let who = owner();
    let task = store
        .submit_export(NewExport {
            request_id: Some("r-6".to_owned()),
            ..an_export(&a_lane())
        })
        .await
        .expect("accepted")
        .task;
    store.cancel_task(&who, task).await.expect("cancelled");
    store
        .retry_task(&who, task, &by_the_owner())
        .await
        .expect("answered");
    let boss = Actor {
        tenant: who.tenant.clone(),
        user: UserId::parse("boss").expect("a name"),
        request_id: Some("r-9".to_owned()),
    };
    let everyone = Visibility { user: None, ..who };
    store
        .cancel_task_by(&boss, &everyone, task)
        .await
        .expect("cancelled");
    delete(store, task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_on_a_task_is_written_with_who_did_it() {
    let store = TestDatabase::create().await.store();
    a_life(&store).await;
    let entries = log(&store, "acme", OperationFilter::default()).await;
    assert_eq!(
        told(&entries),
        [
            ("7", "TASK_SUBMIT", "DONE"),
            ("7", "TASK_CANCEL", "DONE"),
            ("7", "TASK_RETRY", "DONE"),
            ("boss", "TASK_CANCEL", "DONE"),
            ("7", "TASK_DELETE", "DONE"),
        ]
    );
    let requests = entries.iter().rev();
    let requests: Vec<_> = requests.map(|entry| entry.request_id.as_deref()).collect();
    assert_eq!(
        requests,
        [Some("r-6"), None, Some("r-7"), Some("r-9"), None]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.object_id == entries[0].object_id)
    );
    assert_eq!(log(&store, "globex", OperationFilter::default()).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_written_so_and_what_nobody_sees_is_not() {
    let store = TestDatabase::create().await.store();
    let task = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted")
        .task;
    let who = owner();
    store.delete_task(&who, task).await.expect("refused");
    store
        .retry_task(&who, task, &by_the_owner())
        .await
        .expect("refused");
    let stranger = Visibility {
        tenant: Tenant::parse("globex").expect("a name"),
        ..who
    };
    store.cancel_task(&stranger, task).await.expect("not found");
    let entries = log(&store, "acme", OperationFilter::default()).await;
    assert_eq!(
        told(&entries),
        [
            ("7", "TASK_SUBMIT", "DONE"),
            ("7", "TASK_DELETE", "REFUSED"),
            ("7", "TASK_RETRY", "REFUSED"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_and_paged_newest_first() {
    let store = TestDatabase::create().await.store();
    a_life(&store).await;
    let all = log(&store, "acme", OperationFilter::default()).await;
    let any = OperationFilter::default;
    let seven = Some("7".to_owned());
    let cancel = Some(OperationAction::TaskCancel.as_str().to_owned());
    let third = Some(all[2].created_at);
    for (found, filter) in [
        (
            4,
            OperationFilter {
                actor: seven.clone(),
                ..any()
            },
        ),
        (
            2,
            OperationFilter {
                action: cancel.clone(),
                ..any()
            },
        ),
        (
            1,
            OperationFilter {
                actor: seven,
                action: cancel,
                ..any()
            },
        ),
        (
            3,
            OperationFilter {
                from: third,
                ..any()
            },
        ),
        (2, OperationFilter { to: third, ..any() }),
    ] {
        assert_eq!(
            log(&store, "acme", filter.clone()).await.len(),
            found,
            "{filter:?}"
        );
    }
    let tenant = Tenant::parse("acme").expect("a name");
    let page = async |before| {
        let filter = OperationFilter {
            before,
            limit: 3,
            ..any()
        };
        store.operations(&tenant, filter).await.expect("read")
    };
    let (first, next) = page(None).await;
    assert_eq!(next, first.last().map(|entry| entry.id));
    let (second, end) = page(next).await;
    assert_eq!(end, None);
    assert_eq!([first, second].concat(), all);
}

/// So many entries of user 9, whose acts were done then and written then.
async fn many(database: &TestDatabase, (done, written): (&str, &str)) {
    let sql = format!(
        "INSERT INTO operation_log (tenant, actor, action, object_kind, object_id, outcome, \
         created_at, written_at) \
         WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 150) \
         SELECT 'acme', '9', 'TASK_SUBMIT', 'TASK', '7', 'DONE', '{done}', '{written}' \
         FROM n AS a JOIN n AS b"
    );
    database.execute(&sql).await;
}

/// Ids that each page holds, until the list ends.
async fn pages(store: &Store, filter: &OperationFilter) -> Vec<Vec<u64>> {
    let tenant = Tenant::parse("acme").expect("a name");
    let mut filter = OperationFilter {
        limit: 2,
        ..filter.clone()
    };
    let mut pages = Vec::new();
    while pages.len() < 9 {
        let page = store.operations(&tenant, filter.clone()).await;
        let (items, next) = page.expect("read");
        pages.push(items.iter().map(|it| it.id).collect());
        if next.is_none() {
            break;
        }
        filter.before = next;
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sought_is_walked_for_a_bounded_number_of_entries_a_page() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let ann = async |day: &str| {
        let sql = format!(
            "INSERT INTO operation_log (tenant, actor, action, object_kind, object_id, outcome, \
             created_at, written_at) VALUES ('acme', 'ann', 'SALE', 'X', '1', 'DONE', '{day}', '{day}')"
        );
        database.execute(&sql).await;
        let sql = "SELECT MAX(id) FROM operation_log WHERE actor = 'ann'";
        database.one::<u64>(sql).await
    };
    let moment = |text: &str| Some(text.parse().expect("a moment"));
    let oldest = ann("2026-01-01").await;
    // 22,500 of each
    many(&database, ("2026-01-02", "2026-01-02")).await;
    // what waited for a worker for days, and is older than what stands below it
    many(&database, ("2026-01-01 12:00", "2026-01-04")).await;
    let newest = ann("2026-01-05").await;
    let any = OperationFilter::default;

    let to = moment("2026-01-01T06:00:00Z");
    let walked = pages(&store, &OperationFilter { to, ..any() }).await;
    assert_eq!(walked, [vec![], vec![], vec![oldest]]);
    let from = moment("2026-01-04T12:00:00Z");
    let walked = pages(&store, &OperationFilter { from, ..any() }).await;
    assert_eq!(walked, [[newest]], "all that is older was written before");
    let walked = OperationFilter {
        from: moment("2026-01-02T00:00:00Z"),
        to: moment("2026-01-03T00:00:00Z"),
        actor: Some("9".to_owned()),
        ..any()
    };
    let walked = pages(&store, &walked).await;
    assert!(walked[0].is_empty(), "late ones alone");
    assert_eq!(walked[1].len(), 2, "and those below them are found");
    let (actor, action) = (Some("9".to_owned()), Some("SALE".to_owned()));
    let both = OperationFilter {
        actor,
        action,
        ..any()
    };
    assert_eq!(pages(&store, &both).await, [[0_u64; 0]; 3]);
    // what its key holds is found at once
    let action = Some("SALE".to_owned());
    let walked = pages(&store, &OperationFilter { action, ..any() }).await;
    assert_eq!(walked, [[newest, oldest]]);
}

/// User 7 of acme fetches file 42; `once` makes it one act.
fn a_download(once: &str) -> LoggedAct {
    let Value::Object(detail) = json!({"task_id": "6"}) else {
        unreachable!("it is an object")
    };
    LoggedAct {
        actor: Actor {
            request_id: Some("r-7".to_owned()),
            ..crate::compensation::actor("acme")
        },
        action: OperationAction::FileDownload,
        object: ObjectKind::File,
        object_id: "42".to_owned(),
        outcome: OperationOutcome::Done,
        detail: Some(detail),
        once: BizId::parse(once).expect("a name"),
        trace_context: None,
    }
}

fn desk() -> LogDesk {
    LogDesk {
        biz_type: BizType::parse("operation_log").expect("a name"),
        lane: Lane::parse("quayside.biz.operation_log").expect("a topic"),
        max_cnt: 3,
        scan_interval: Duration::from_secs(60),
    }
}

/// Writes the entries of all rows that are due, as a worker does.
async fn write_down(store: &Store) -> BatchRan {
    let writes: Arc<BatchWrites> = Arc::new(|tx, rows| {
        Box::pin(async move {
            let refused = tx.log(rows).await?.into_iter();
            let item = |(place, failure): (usize, Failure)| RefusedItem {
                place,
                failure,
                delay: Duration::ZERO,
            };
            Ok(refused.map(item).collect())
        })
    });
    let lane = desk().lane;
    let terms = terms("one");
    let ran = store.run_batch(&lane, Wanted::Due(100), &terms, writes);
    ran.await.expect("run")
}

const ALL_ARE_DUE: &str = "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) \
     WHERE status = 'WAIT_HANDLE'";

#[tokio::test(flavor = "multi_thread")]
async fn an_act_without_a_transaction_is_durable_as_work_and_one_entry_however_often_it_is_told() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let rung = store.log_act(a_download("one"), Some(&desk())).await;
    assert_eq!(rung.expect("logged").len(), 1, "to be rung at once");
    let again = store.log_act(a_download("one"), Some(&desk())).await;
    assert_eq!(again.expect("it is there"), []);
    store
        .log_act(a_download("other"), Some(&desk()))
        .await
        .expect("logged");
    assert_eq!(log(&store, "acme", OperationFilter::default()).await, []);
    let old = "UPDATE compensate_biz SET created_at = '2026-01-02 03:04:05.600000'";
    database.execute(old).await;
    database.execute(ALL_ARE_DUE).await;
    assert_eq!(write_down(&store).await.done, 2);
    let entries = log(&store, "acme", OperationFilter::default()).await;
    assert_eq!(
        told(&entries),
        [
            ("7", "FILE_DOWNLOAD", "DONE"),
            ("7", "FILE_DOWNLOAD", "DONE")
        ]
    );
    let entry = &entries[0];
    assert_eq!(
        (entry.object_kind.as_str(), entry.object_id.as_str()),
        ("FILE", "42")
    );
    assert_eq!(entry.detail, json!({"task_id": "6"}));
    assert_eq!(
        (entry.request_id.as_deref(), &entry.told_by),
        (Some("r-7"), &None)
    );
    assert_eq!(
        entry.created_at.to_rfc3339(),
        "2026-01-02T03:04:05.600+00:00",
        "of the act"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_desk_the_entry_is_written_at_once() {
    let store = TestDatabase::create().await.store();
    let rung = store.log_act(a_download("one"), None).await;
    assert_eq!(rung.expect("logged"), []);
    let entries = log(&store, "acme", OperationFilter::default()).await;
    assert_eq!(told(&entries), [("7", "FILE_DOWNLOAD", "DONE")]);
    assert_eq!(entries[0].detail, json!({"task_id": "6"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_commit_nobody_answered_is_logged_once() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = Store::connect(StoreSettings {
        url: proxy.url(database.url()),
        pool_size: 1,
    })
    .expect("a pool");
    // The connection is there before its next COMMIT is cut.
    log(&store, "acme", OperationFilter::default()).await;
    proxy.cut_next_commits(1);
    let rung = store.log_act(a_download("one"), Some(&desk())).await;
    assert_eq!(rung.expect("it is there"), []);
    let rows: u64 = database.one("SELECT COUNT(*) FROM compensate_biz").await;
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_over_the_api_names_who_told_it_and_tells_of_no_act_of_the_house() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let note = |more: &str| format!(r#"{{"object_kind": "X", "object_id": "1", {more}}}"#);
    for (number, (created_by, context)) in [
        ("'shop'", note(r#""action": "SALE""#)),
        (
            "'shop'",
            note(r#""action": "SALE", "actor": "ann", "detail": {"a": 1}"#),
        ),
        ("'shop'", note(r#""action": "TASK_DELETE""#)),
        ("NULL", note(r#""action": "TASK_DELETE", "actor": "ann""#)),
        ("NULL", note(r#""action": "SALE""#)),
        ("NULL", "no json".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        database
            .execute(&format!(
                "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, created_by) \
                 VALUES ('acme', 'operation_log', '{number}', '{context}', {created_by})"
            ))
            .await;
    }
    let ran = write_down(&store).await;
    assert_eq!((ran.done, ran.failed.len()), (3, 3));
    let entries = log(&store, "acme", OperationFilter::default()).await;
    let entries: Vec<_> = entries
        .iter()
        .rev()
        .map(|it| (it.actor.as_str(), it.action.as_str(), it.told_by.as_deref()))
        .collect();
    assert_eq!(
        entries,
        [
            ("shop", "SALE", None),
            ("ann", "SALE", Some("shop")),
            ("ann", "TASK_DELETE", None),
        ]
    );
    let why: Vec<(String, String)> = database
        .query("SELECT biz_id, detail FROM dead_letter ORDER BY biz_id")
        .await;
    let why: Vec<(&str, &str)> = why.iter().map(|it| (&*it.0, &*it.1)).collect();
    assert!(
        why[0].0 == "2" && why[0].1.contains("house's own"),
        "{why:?}"
    );
    assert!(why[1].0 == "4" && why[1].1.contains("no actor"), "{why:?}");
    assert!(why[2].0 == "5" && why[2].1.contains("no entry"), "{why:?}");
}

/// Reads by each key, and writes what comes as work, for `plans`.
pub(crate) async fn exercise(store: &Store) {
    store
        .log_act(
            a_download(&format!("{:x}", rand::random::<u64>())),
            Some(&desk()),
        )
        .await
        .expect("logged");
    write_down(store).await;
    for actor in [None, Some("7".to_owned())] {
        for action in [None, Some("TASK_CANCEL".to_owned())] {
            let filter = OperationFilter {
                actor: actor.clone(),
                before: action.as_ref().map(|_| 7),
                action,
                from: Some(chrono::DateTime::UNIX_EPOCH),
                to: Some(chrono::DateTime::<chrono::Utc>::MAX_UTC),
                limit: 50,
            };
            log(store, "acme", filter).await;
        }
    }
}
