//! A person takes a finished task away.

use std::time::Duration;

use domain::{FileRole, FileState, TaskId, Tenant, UserId};
use store::{
    Deleted, Effects, Ending, Leftover, NewArtifact, Retried, Store, Story, Submission, TaskFilter,
    Visibility,
};
use testkit::{TestDatabase, a_lane, an_export};

use crate::retry::{broken, by_the_owner, fail};
use crate::settle::{a_claimed_export, owner};
use crate::submit::{new_task, submit, with_key};

pub(crate) async fn a_finished_task(store: &Store) -> TaskId {
    let row = a_claimed_export(store, &a_lane()).await;
    let effects = Effects::new(|tx| {
        Box::pin(async move {
            let file = NewArtifact {
                role: FileRole::Artifact,
                object_key: "acme/1/e1/1.xlsx".to_owned(),
                name: "a.xlsx".to_owned(),
                size: 10,
                sha256: "0".repeat(64),
                rows: 3,
                keep: Duration::from_secs(3600),
            };
            tx.publish(&file).await
        })
    });
    store
        .settle_held(&row.lease, Ending::Finished(effects), Story::default())
        .await
        .expect("settled");
    row.task_id.expect("a task")
}

pub(crate) async fn delete(store: &Store, task: TaskId) -> Deleted {
    store.delete_task(&owner(), task).await.expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_is_gone_for_everybody_and_from_every_list() {
    let store = TestDatabase::create().await.store();
    let task = a_finished_task(&store).await;
    assert!(matches!(delete(&store, task).await, Deleted::Now(_)));
    let mut admin = owner();
    admin.user = None;
    for who in [owner(), admin] {
        assert_eq!(store.task(&who, task).await.expect("read"), None);
        let filter = TaskFilter {
            limit: 10,
            ..TaskFilter::default()
        };
        let page = store.tasks(&who, filter).await.expect("listed");
        assert!(page.items.is_empty());
        let attempts = store.attempts(&who, task, None, 10).await.expect("read");
        assert!(attempts.is_none());
        let retried = store.retry_task(&who, task, &by_the_owner()).await;
        assert_eq!(retried.expect("answered"), Retried::NotFound);
        let again = store.delete_task(&who, task).await.expect("answered");
        assert_eq!(again, Deleted::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_objects_are_to_be_removed_until_somebody_has_done_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let task = a_finished_task(&store).await;
    let Deleted::Now(leftovers) = delete(&store, task).await else {
        panic!("it is gone");
    };
    let [Leftover { file, object_key }] = leftovers.as_slice() else {
        panic!("one file: {leftovers:?}");
    };
    assert_eq!(object_key, "acme/1/e1/1.xlsx");
    let found = "SELECT state, remove_at <= UTC_TIMESTAMP(6) FROM task_file";
    let due: (String, Option<bool>) = database.one(found).await;
    assert_eq!(due, (FileState::Deleted.to_string(), Some(true)));
    let tenant = Tenant::parse("acme").expect("a name");
    store
        .objects_removed(&tenant, &[*file])
        .await
        .expect("noted");
    let done: (String, Option<bool>) = database.one(found).await;
    assert_eq!(done, (FileState::Deleted.to_string(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_task_is_not_deleted_and_anothers_does_not_exist() {
    let store = TestDatabase::create().await.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let open = row.task_id.expect("a task");
    assert!(matches!(delete(&store, open).await, Deleted::Refused(_)));
    fail(&store, &row, broken()).await;
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let stranger = Visibility {
            tenant: Tenant::parse(tenant).expect("a name"),
            user: Some(UserId::parse(user).expect("a name")),
        };
        let answer = store.delete_task(&stranger, open).await;
        assert_eq!(answer.expect("answered"), Deleted::NotFound);
    }
    assert!(matches!(delete(&store, open).await, Deleted::Now(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_delete_and_a_retry_at_once_one_wins() {
    let store = TestDatabase::create().await.store_with_pool(8);
    for _ in 0..10 {
        let row = a_claimed_export(&store, &a_lane()).await;
        let task = fail(&store, &row, broken()).await;
        let retry = by_the_owner();
        let who = owner();
        let (deleted, retried) =
            tokio::join!(delete(&store, task), store.retry_task(&who, task, &retry));
        match (deleted, retried.expect("answered")) {
            (Deleted::Now(_), Retried::NotFound) => {
                assert_eq!(store.task(&owner(), task).await.expect("read"), None);
            }
            (Deleted::Refused(_), Retried::Now(..)) => {}
            both => panic!("{both:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_deleted_task_is_still_used_up() {
    let store = TestDatabase::create().await.store();
    let export = an_export(&a_lane());
    let first = new_task(&store, &export, with_key("k", 'a')).await;
    store.cancel_task(&owner(), first).await.expect("cancelled");
    delete(&store, first).await;
    let again = submit(&store, &export, with_key("k", 'a')).await;
    assert!(matches!(again, Submission::Replayed(task) if task.id == first));
}
