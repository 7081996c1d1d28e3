//! The owner of a task is told of its end, as the owner has asked for: in the transaction that ends it.

use std::time::Duration;

use domain::{
    About, Failure, FailureCode, Notice, TaskKind, TaskStatus, Tenant, UserId, WebhookEvent,
};
use store::{
    Claimed, Effects, Ending, NotificationSettings, Settled, Store, StoreError, StoreSettings,
    Story, Visibility,
};
use testkit::{MoodyProxy, TestDatabase, a_lane, an_export, terms};

use crate::compensation::actor;
use crate::group_import::{Split, settled};
use crate::retry::by_the_owner;
use crate::settle::{a_claimed_export, owner};
use crate::webhook::a_webhook;

/// User 7 of acme wants to hear of everything in every way.
pub(crate) async fn asks_for_all(store: &Store) {
    let settings = NotificationSettings {
        in_app: true,
        email: Some("seven@example.com".to_owned()),
    };
    store
        .set_notification_settings(&actor("acme"), &settings)
        .await
        .expect("set");
    a_webhook(store, WebhookEvent::ALL).await;
}

/// The rows that tell somebody something: `biz_id`, lane and what they are to tell, by lane.
async fn tellings(database: &TestDatabase) -> Vec<(String, String, Notice)> {
    let rows: Vec<(String, String, String)> = database
        .query(
            "SELECT biz_id, lane, context FROM compensate_biz WHERE biz_type = 'notify' \
             AND status = 'WAIT_HANDLE' AND NOT announced AND wake_at <= UTC_TIMESTAMP(6) \
             ORDER BY lane, id",
        )
        .await;
    let read = |(biz_id, lane, context): (String, String, String)| {
        let notice = serde_json::from_str(&context).expect("a notice");
        (biz_id, lane, notice)
    };
    rows.into_iter().map(read).collect()
}

/// What was told of the task's end, told thrice.
fn the_end(tellings: &[(String, String, Notice)]) -> domain::TaskEnd {
    let about = |notice: &Notice| match notice {
        Notice::Inbox { about, .. }
        | Notice::Email { about, .. }
        | Notice::Webhook { about, .. } => match about {
            About::Task(end) => end.clone(),
            About::Text { .. } => panic!("words of nobody"),
        },
    };
    let first = about(&tellings[0].2);
    assert!(tellings.iter().all(|it| about(&it.2) == first));
    first
}

fn too_bad() -> Ending {
    let failure = Failure::permanent(FailureCode::StorageUnavailable, "no");
    Ending::Failed(failure, Duration::ZERO)
}

async fn a_row(store: &Store) -> Claimed {
    a_claimed_export(store, &a_lane()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ends_bears_one_row_for_each_way_that_its_owner_asked_for() {
    let database = TestDatabase::create().await;
    let store = database.store();
    asks_for_all(&store).await;
    let row = a_row(&store).await;
    assert_eq!(tellings(&database).await, [], "it has not ended");
    let effects = Effects::new(|tx| Box::pin(async move { tx.rename("员工.xlsx").await }));
    settled(&store, &row, Ending::Finished(effects)).await;

    let told = tellings(&database).await;
    let task = row.task_id.expect("a task").0;
    let version: u64 = database.one("SELECT version FROM task").await;
    let places: Vec<(String, &str)> = told
        .iter()
        .map(|(biz_id, lane, _)| (biz_id.clone(), lane.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (
                format!("task/{task}/{version}/inbox"),
                "quayside.biz.notify"
            ),
            (
                format!("task/{task}/{version}/email"),
                "quayside.biz.notify.email"
            ),
            ("delivery/1".to_owned(), "quayside.biz.notify.webhook"),
        ]
    );
    assert!(matches!(&told[0].2, Notice::Inbox { user, .. } if user.as_str() == "7"));
    assert!(matches!(&told[1].2, Notice::Email { to, .. } if to == "seven@example.com"));
    assert!(matches!(&told[2].2, Notice::Webhook { delivery: 1, .. }));
    let end = the_end(&told);
    assert_eq!(end.name, "员工.xlsx", "as the file is called at last");
    assert_eq!((end.task, end.kind), (task, TaskKind::Export));
    assert_eq!(
        (end.status, end.locale.as_str()),
        (TaskStatus::Success, "zh-CN")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_asked_for_nothing_is_told_nothing_and_so_is_everybody_else() {
    let database = TestDatabase::create().await;
    let store = database.store();
    settled(&store, &a_row(&store).await, too_bad()).await;
    assert_eq!(tellings(&database).await, []);

    asks_for_all(&store).await;
    let others = |tenant: &str, user: &str| {
        let mut export = an_export(&a_lane());
        export.tenant = Tenant::parse(tenant).expect("a name");
        export.user = UserId::parse(user).expect("a name");
        export
    };
    for export in [others("globex", "7"), others("acme", "8")] {
        let lane = export.lane.clone();
        let rung = store.submit_export(export).await.expect("accepted").rung;
        let claim = store.claim_rung(&lane, &[rung], &terms("one")).await;
        let row = claim.expect("claimed").claimed.remove(0);
        settled(&store, &row, too_bad()).await;
    }
    assert_eq!(tellings(&database).await, []);
    let asked = |tenant: &str| {
        let (tenant, user) = (Tenant::parse(tenant), UserId::parse("7"));
        let (tenant, user) = (tenant.expect("a name"), user.expect("a name"));
        let store = store.clone();
        async move { store.notification_settings(&tenant, &user).await }
    };
    assert!(asked("acme").await.expect("read").in_app);
    let nothing = NotificationSettings::default();
    assert_eq!(asked("globex").await.expect("read"), nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_taken_back_tells_nobody_and_a_second_end_tells_again() {
    let database = TestDatabase::create().await;
    let store = database.store();
    asks_for_all(&store).await;
    let row = a_row(&store).await;
    let broken = Effects::new(|tx| {
        Box::pin(async move {
            tx.rename("x").await?;
            Err(StoreError::Corrupt("no".to_owned()))
        })
    });
    let refused = store.settle_held(&row.lease, Ending::Finished(broken), Story::default());
    refused.await.expect_err("refused");
    assert_eq!(tellings(&database).await, []);

    settled(&store, &row, too_bad()).await;
    assert_eq!(
        the_end(&tellings(&database).await).status,
        TaskStatus::Failed
    );
    let task = row.task_id.expect("a task");
    let retried = store
        .retry_task(&owner(), task, &by_the_owner())
        .await
        .expect("answered");
    assert!(matches!(retried, store::Retried::Now(..)), "{retried:?}");
    assert_eq!(tellings(&database).await.len(), 3, "it is open again");
    store.cancel_task(&owner(), task).await.expect("cancelled");
    let told = tellings(&database).await;
    let ends = told
        .iter()
        .map(|it| the_end(std::slice::from_ref(it)).status);
    let cancelled = ends.filter(|it| *it == TaskStatus::Cancelled).count();
    assert_eq!((told.len(), cancelled), (6, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_took_before_keeps_no_task_from_ending() {
    let database = TestDatabase::create().await;
    let store = database.store();
    asks_for_all(&store).await;
    let taken = "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
                 VALUES ('acme', 'notify', 'delivery/1', '\"mine\"')";
    database.execute(taken).await;
    settled(&store, &a_row(&store).await, too_bad()).await;
    let rows: Vec<String> = database
        .query("SELECT biz_id FROM compensate_biz WHERE biz_type = 'notify' ORDER BY id")
        .await;
    assert_eq!((rows.len(), rows[0].as_str()), (3, "delivery/1"));
    let status: String = database.one("SELECT status FROM task").await;
    assert_eq!(status, "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_tells_once_at_its_finish_and_with_its_counts() {
    let split = Split::into(2).await;
    let Split {
        database, store, ..
    } = &split;
    asks_for_all(store).await;
    assert_eq!(split.done(0).await, []);
    let finish = split.done(1).await;
    assert_eq!(tellings(database).await, [], "its batches are no end");
    split.finish(&finish).await;
    let told = tellings(database).await;
    assert_eq!(told.len(), 3);
    let end = the_end(&told);
    assert_eq!(
        (end.kind, end.status),
        (TaskKind::Import, TaskStatus::Success)
    );
    assert_eq!(Some(end.done_rows), end.total_rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_whose_commit_was_not_answered_tells_once() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = Store::connect(StoreSettings {
        url: proxy.url(database.url()),
        pool_size: 2,
    })
    .expect("a pool");
    asks_for_all(&store).await;
    let row = a_row(&store).await;
    proxy.cut_next_commits(1);
    let ended = store
        .settle_held(&row.lease, too_bad(), Story::default())
        .await;
    assert!(matches!(ended, Ok(Settled::Now(..))), "{ended:?}");
    assert_eq!(proxy.cuts_left(), 0);
    assert_eq!(tellings(&database).await.len(), 3);
}

/// Everything once, for `plans`.
pub(crate) async fn exercise(store: &Store) {
    asks_for_all(store).await;
    settled(store, &a_row(store).await, too_bad()).await;
    let Visibility { tenant, user } = owner();
    let user = user.expect("one");
    let read = store.notification_settings(&tenant, &user);
    read.await.expect("read");
    crate::webhook::exercise(store).await;
}
