//! Seeing tasks.

use std::time::Duration;

use domain::{TaskStatus, Tenant, UserId};
use store::{StoreError, TaskFilter, Visibility};
use testkit::{TestDatabase, a_lane, an_export};

use crate::settle::{a_claimed_export, owner};

fn all_of(tenant: &str) -> Visibility {
    Visibility {
        tenant: Tenant::parse(tenant).expect("a name"),
        user: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_and_another_user_see_nothing() {
    let store = TestDatabase::create().await.store();
    let task = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted")
        .task;
    let colleague = Visibility {
        tenant: Tenant::parse("acme").expect("a name"),
        user: Some(UserId::parse("8").expect("a name")),
    };
    for stranger in [colleague, all_of("globex"), all_of("ACME")] {
        assert!(
            store
                .task(&stranger, task)
                .await
                .expect("answers")
                .is_none()
        );
        let filter = TaskFilter {
            limit: 50,
            ..TaskFilter::default()
        };
        assert!(
            store
                .tasks(&stranger, filter)
                .await
                .expect("answers")
                .items
                .is_empty()
        );
    }
    assert!(
        store
            .task(&all_of("acme"), task)
            .await
            .expect("answers")
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_task_once_newest_first_while_new_ones_come() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(
            store
                .submit_export(an_export(&lane))
                .await
                .expect("accepted")
                .task,
        );
    }
    expected.reverse();
    let mut seen = Vec::new();
    loop {
        let filter = TaskFilter {
            before: seen.last().copied(),
            limit: 3,
            ..TaskFilter::default()
        };
        let page = store.tasks(&owner(), filter).await.expect("answers");
        seen.extend(page.items.iter().map(|task| task.id));
        if !page.more {
            break;
        }
        store
            .submit_export(an_export(&lane))
            .await
            .expect("accepted");
    }
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_can_be_narrowed_by_state_and_dataset() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let claimed = a_claimed_export(&store, &lane).await;
    store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted");
    let filter = TaskFilter {
        status: Some(TaskStatus::Processing),
        dataset: Some("employee".to_owned()),
        limit: 50,
        ..TaskFilter::default()
    };
    let page = store.tasks(&owner(), filter).await.expect("answers");
    assert_eq!(
        page.items
            .iter()
            .map(|task| Some(task.id))
            .collect::<Vec<_>>(),
        [claimed.task_id]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_unavailable_and_not_a_fault_of_ours() {
    let url = "mysql://root@127.0.0.1:1/nowhere".to_owned();
    let store = store::Store::connect(store::StoreSettings { url, pool_size: 1 }).expect("lazy");
    let asked = tokio::time::timeout(Duration::from_secs(20), store.ping()).await;
    let error = asked
        .expect("it gives up in time")
        .expect_err("nobody answers there");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_can_be_narrowed_by_time_and_by_a_text_of_the_name_that_is_data() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let mut odd = an_export(&lane);
    odd.name = "100%_x.xlsx".to_owned();
    let odd = store.submit_export(odd).await.expect("accepted").task;
    let old = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .task;
    let aged = format!("UPDATE task SET created_at = '2020-01-02 03:04:05' WHERE id = {old}");
    database.execute(&aged).await;
    let moment = "2020-01-02T03:04:05Z".parse().ok();
    let by_name = TaskFilter {
        name_holds: Some("%_".to_owned()),
        ..TaskFilter::default()
    };
    let from = TaskFilter {
        created_from: moment,
        ..TaskFilter::default()
    };
    let to = TaskFilter {
        created_to: moment,
        ..TaskFilter::default()
    };
    for (filter, expected) in [(by_name, vec![odd]), (from, vec![old, odd]), (to, vec![])] {
        let filter = TaskFilter { limit: 9, ..filter };
        let page = store.tasks(&owner(), filter).await.expect("answers");
        assert_eq!(
            page.items.iter().map(|task| task.id).collect::<Vec<_>>(),
            expected
        );
    }
}
