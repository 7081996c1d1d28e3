//! One request, however often it comes.

use domain::TaskId;
use store::{NewExport, Once, Store, Submission};
use testkit::{TestDatabase, a_lane, an_export};

use crate::settle::owner;

fn with_key(key: &str, request: char) -> Once {
    Once::Key {
        key: key.to_owned(),
        request_hash: request.to_string().repeat(64),
    }
}

fn while_open() -> Once {
    Once::WhileOpen("0".repeat(64))
}

async fn new_task(store: &Store, export: &NewExport, once: Once) -> TaskId {
    match store
        .submit_export_once(export.clone(), once)
        .await
        .expect("accepted")
    {
        Submission::New(submitted) => submitted.task,
        other => panic!("expected a new task: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_submits_at_once_with_one_key_make_one_task() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(16);
    let export = an_export(&a_lane());
    let submits = (0..200).map(|_| store.submit_export_once(export.clone(), with_key("k", 'a')));
    let answers = futures::future::join_all(submits).await;
    let mut new = 0;
    let mut tasks = Vec::new();
    for answer in answers {
        match answer.expect("answered") {
            Submission::New(submitted) => {
                new += 1;
                tasks.push(submitted.task);
            }
            Submission::Replayed(task) => tasks.push(task),
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
    let again = store
        .submit_export_once(export.clone(), with_key("k", 'a'))
        .await;
    assert_eq!(again.expect("answered"), Submission::Replayed(first));
    let other = store
        .submit_export_once(export.clone(), with_key("k", 'b'))
        .await;
    assert_eq!(other.expect("answered"), Submission::KeyReused);
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
    let again = store.submit_export_once(export.clone(), while_open()).await;
    assert_eq!(again.expect("answered"), Submission::Open(first));
    assert_ne!(
        new_task(&store, &export, Once::Always).await,
        first,
        "forced"
    );
    store.cancel_task(&owner(), first).await.expect("cancelled");
    assert_ne!(new_task(&store, &export, while_open()).await, first);
}
