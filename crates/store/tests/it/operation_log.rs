//! Who did what.

use domain::{OperationAction, Tenant, UserId};
use store::{Actor, NewExport, OperationFilter, OperationRecord, Store, Visibility};
use testkit::{TestDatabase, a_lane, an_export};

use crate::delete::delete;
use crate::retry::by_the_owner;
use crate::settle::owner;

async fn log(store: &Store, tenant: &str, filter: OperationFilter) -> Vec<OperationRecord> {
    let tenant = Tenant::parse(tenant).expect("a name");
    let filter = OperationFilter {
        limit: 100,
        ..filter
    };
    store.operations(&tenant, filter).await.expect("read").items
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
async fn what_was_not_done_is_not_written() {
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
    assert_eq!(told(&entries), [("7", "TASK_SUBMIT", "DONE")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_and_paged_newest_first() {
    let store = TestDatabase::create().await.store();
    a_life(&store).await;
    let all = log(&store, "acme", OperationFilter::default()).await;
    let any = OperationFilter::default;
    let seven = Some("7".to_owned());
    let cancel = Some(OperationAction::TaskCancel);
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
                action: cancel,
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
    let first = page(None).await;
    let second = page(first.items.last().map(|entry| entry.id)).await;
    assert_eq!((first.more, second.more), (true, false));
    assert_eq!([first.items, second.items].concat(), all);
}

/// Reads by each key, for `plans`.
pub(crate) async fn exercise(store: &Store) {
    for actor in [None, Some("7".to_owned())] {
        for action in [None, Some(OperationAction::TaskCancel)] {
            let filter = OperationFilter {
                actor: actor.clone(),
                action,
                from: Some(chrono::DateTime::UNIX_EPOCH),
                to: Some(chrono::DateTime::<chrono::Utc>::MAX_UTC),
                before: action.map(|_| 7),
                limit: 50,
            };
            log(store, "acme", filter).await;
        }
    }
}
