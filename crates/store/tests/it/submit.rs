//! One request, however often it comes.

use domain::TaskId;
use mysql_async::prelude::Queryable;
use store::{NewExport, Once, OpenTaskLimits, Store, StoreError, Submission};
use testkit::{TestDatabase, a_lane, an_export};

use crate::settle::owner;

pub(crate) const NO_LIMITS: OpenTaskLimits = OpenTaskLimits {
    per_user: None,
    per_tenant: None,
};

pub(crate) fn with_key(key: &str, request: char) -> Once {
    Once::Key {
        key: key.to_owned(),
        request_hash: request.to_string().repeat(64),
    }
}

pub(crate) fn while_open() -> Once {
    Once::WhileOpen("0".repeat(64))
}

pub(crate) async fn submit(store: &Store, export: &NewExport, once: Once) -> Submission {
    store
        .submit_export_once(export.clone(), once, NO_LIMITS)
        .await
        .expect("answered")
}

pub(crate) async fn new_task(store: &Store, export: &NewExport, once: Once) -> TaskId {
    match submit(store, export, once).await {
        Submission::New(accepted) => accepted.task.id,
        other => panic!("expected a new task: {other:?}"),
    }
}

/// The earlier task that a repetition is told of.
fn repeated(submission: Submission) -> TaskId {
    match submission {
        Submission::Replayed(task) | Submission::Open(task) => task.id,
        other => panic!("expected a repetition: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_submits_at_once_with_one_key_make_one_task() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(16);
    let export = an_export(&a_lane());
    let submits = (0..200).map(|_| submit(&store, &export, with_key("k", 'a')));
    let answers = futures::future::join_all(submits).await;
    let mut new = 0;
    let mut tasks = Vec::new();
    for answer in answers {
        match answer {
            Submission::New(accepted) => {
                new += 1;
                tasks.push(accepted.task.id);
            }
            Submission::Replayed(task) => tasks.push(task.id),
            other => panic!("{other:?}"),
        }
    }
    tasks.dedup();
    assert_eq!((new, tasks.len()), (1, 1));
    let stored: u64 = database.one("SELECT COUNT(*) FROM task").await;
    assert_eq!(stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_request_one_user_and_one_tenant() {
    let store = TestDatabase::create().await.store();
    let export = an_export(&a_lane());
    let first = new_task(&store, &export, with_key("k", 'a')).await;
    let again = submit(&store, &export, with_key("k", 'a')).await;
    assert!(matches!(again, Submission::Replayed(_)));
    assert_eq!(repeated(again), first);
    let other = submit(&store, &export, with_key("k", 'b')).await;
    assert_eq!(other, Submission::KeyReused);
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let mut theirs = export.clone();
        theirs.tenant = domain::Tenant::parse(tenant).expect("a name");
        theirs.user = domain::UserId::parse(user).expect("a name");
        assert_ne!(new_task(&store, &theirs, with_key("k", 'b')).await, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_forgotten_after_a_day() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let export = an_export(&a_lane());
    let first = new_task(&store, &export, with_key("k", 'a')).await;
    let kept: i64 = database
        .one("SELECT TIMESTAMPDIFF(HOUR, created_at, expires_at) FROM idempotency")
        .await;
    assert_eq!(kept, 24);
    database
        .execute("UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6)")
        .await;
    assert_ne!(new_task(&store, &export, with_key("k", 'b')).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_is_one_export_until_that_one_has_ended() {
    let store = TestDatabase::create().await.store();
    let export = an_export(&a_lane());
    let first = new_task(&store, &export, while_open()).await;
    let again = submit(&store, &export, while_open()).await;
    assert!(matches!(again, Submission::Open(_)));
    assert_eq!(repeated(again), first);
    assert_ne!(
        new_task(&store, &export, Once::Always).await,
        first,
        "forced"
    );
    store.cancel_task(&owner(), first).await.expect("cancelled");
    assert_ne!(new_task(&store, &export, while_open()).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_answers_with_the_task_as_it_is_stored_and_the_row_to_ring() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for once in [Once::Always, with_key("k", 'a'), while_open()] {
        let Submission::New(accepted) = submit(&store, &an_export(&a_lane()), once).await else {
            panic!("a new task");
        };
        let mut stored = store
            .task(&owner(), accepted.task.id)
            .await
            .expect("read")
            .expect("the owner's");
        stored.read_at = accepted.task.read_at;
        assert_eq!(stored, accepted.task);
        let row: u64 = database
            .one(&format!(
                "SELECT id FROM compensate_biz WHERE task_id = {}",
                stored.id
            ))
            .await;
        assert_eq!(row, accepted.rung.id.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_key_another_has_been_using_for_longer_than_a_lock_wait_is_told_so() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let export = an_export(&a_lane());
    let mut first = database.plain_connection().await;
    first.query_drop("BEGIN").await.expect("begins");
    let (tenant, user) = (export.tenant.as_str(), export.user.as_str());
    let take = format!(
        "INSERT INTO idempotency (tenant, created_by, route, idempotency_key, request_hash, \
         task_id, expires_at) VALUES ('{tenant}', '{user}', 'POST /exports', 'k', \
         REPEAT('a', 64), 0, UTC_TIMESTAMP(6) + INTERVAL 1 DAY)"
    );
    first.query_drop(take).await.expect("takes the key");
    let told = store
        .submit_export_once(export.clone(), with_key("k", 'a'), NO_LIMITS)
        .await;
    assert!(matches!(told, Err(StoreError::InProgress(_))), "{told:?}");
    new_task(&store, &export, with_key("j", 'a')).await;
    first.query_drop("ROLLBACK").await.expect("gives it up");
    new_task(&store, &export, with_key("k", 'a')).await;
}
