//! Where watched tasks stand.

use chrono::{DateTime, TimeDelta};
use domain::{TaskId, Tenant, UserId};
use store::{NewExport, Standing, Store, WatchedUser};
use testkit::{TestDatabase, a_lane, an_export};

use crate::settle::owner;

fn watched(tenant: &str, user: &str) -> WatchedUser {
    WatchedUser {
        tenant: Tenant::parse(tenant).expect("a name"),
        user: UserId::parse(user).expect("a name"),
        finished_after: None,
    }
}

/// So many users, the first of them new to the watch.
pub(crate) fn users(count: usize) -> Vec<WatchedUser> {
    let user = |number: usize| WatchedUser {
        finished_after: (number > 0).then(|| DateTime::from_timestamp_micros(1).expect("a moment")),
        ..watched("acme", &(7 + number).to_string())
    };
    (0..count).map(user).collect()
}

async fn submit(store: &Store, tenant: &str, user: &str) -> TaskId {
    let WatchedUser { tenant, user, .. } = watched(tenant, user);
    let export = NewExport {
        tenant,
        user,
        ..an_export(&a_lane())
    };
    store.submit_export(export).await.expect("accepted").task
}

fn ids(standings: &[Standing]) -> Vec<TaskId> {
    let mut ids: Vec<TaskId> = standings.iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn each_watched_user_and_task_is_found_and_nothing_else() {
    let store = TestDatabase::create().await.store();
    let mine = submit(&store, "acme", "7").await;
    let of_8 = submit(&store, "acme", "8").await;
    let elsewhere = submit(&store, "globex", "7").await;
    submit(&store, "globex", "9").await;

    let users = vec![watched("acme", "7"), watched("acme", "8")];
    let found = store.standings(vec![elsewhere, TaskId(0)], users).await;
    let found = found.expect("found");
    assert_eq!(ids(&found.tasks), [elsewhere]);
    assert_eq!(ids(&found.of_users), [mine, of_8]);
    assert!(found.of_users.iter().all(|it| it.version == 1));

    store.cancel_task(&owner(), mine).await.expect("cancelled");
    let found = store.standings(vec![mine], Vec::new()).await;
    let found = found.expect("found");
    assert!(found.tasks[0].version > 1);
    assert!(found.tasks[0].finished_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_tasks_are_found_as_far_back_as_is_asked_and_no_further_than_the_reach() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let open = submit(&store, "acme", "7").await;
    let mut finished = Vec::new();
    for minutes in [0, 10, 50, 70] {
        let task = submit(&store, "acme", "7").await;
        store.cancel_task(&owner(), task).await.expect("cancelled");
        let age = format!(
            "UPDATE task SET finished_at = finished_at - INTERVAL {minutes} MINUTE WHERE id = {task}"
        );
        database.execute(&age).await;
        finished.push(task);
    }
    let now = store.standings(Vec::new(), Vec::new()).await;
    let now = now.expect("answers").as_of;
    for (minutes, expected) in [
        (None, vec![open, finished[0]]),
        (Some(-30), vec![open, finished[0]]),
        (Some(0), vec![open, finished[0]]),
        (Some(20), vec![open, finished[0], finished[1]]),
        (
            Some(9_000),
            vec![open, finished[0], finished[1], finished[2]],
        ),
    ] {
        let mut user = watched("acme", "7");
        user.finished_after = minutes.map(|minutes| now - TimeDelta::minutes(minutes));
        let found = store.standings(Vec::new(), vec![user]).await;
        assert_eq!(
            ids(&found.expect("found").of_users),
            expected,
            "{minutes:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_stands_nowhere_and_is_not_read() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (stays, goes) = (
        submit(&store, "acme", "7").await,
        submit(&store, "acme", "7").await,
    );
    let delete = format!("UPDATE task SET deleted_at = UTC_TIMESTAMP(6) WHERE id = {goes}");
    database.execute(&delete).await;
    let users = vec![watched("acme", "7")];
    let found = store.standings(vec![stays, goes], users).await;
    let found = found.expect("found");
    assert_eq!(ids(&found.tasks), [stays]);
    assert_eq!(ids(&found.of_users), [stays]);
    let read = store.tasks_by_id(vec![stays, goes]).await.expect("read");
    assert_eq!(read.iter().map(|it| it.id).collect::<Vec<_>>(), [stays]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_read_together_are_what_each_is_alone_whatever_the_tenant() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut tasks = Vec::new();
    for tenant in ["acme", "globex", "acme"] {
        let task = submit(&store, tenant, "7").await;
        let files = format!(
            "INSERT INTO task_file (tenant, task_id, role, state, object_key, name, expires_at) \
             VALUES ('{tenant}', {task}, 'ARTIFACT', 'AVAILABLE', 'x', 'one', UTC_TIMESTAMP(6)), \
             ('{tenant}', {task}, 'PART', 'AVAILABLE', 'y', 'two', UTC_TIMESTAMP(6))"
        );
        database.execute(&files).await;
        tasks.push((task, tenant));
    }
    let wanted = tasks.iter().rev().map(|(task, _)| *task).collect();
    let together = store.tasks_by_id(wanted).await.expect("read");
    assert_eq!(together.len(), 3);
    for (mut task, (id, tenant)) in together.into_iter().zip(tasks) {
        let mut who = owner();
        who.tenant = Tenant::parse(tenant).expect("a name");
        let alone = store.task(&who, id).await.expect("read").expect("there");
        assert_eq!(task.files.len(), 2);
        task.read_at = alone.read_at;
        assert_eq!(task, alone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_understood_does_not_hide_the_others() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (odd, good) = (
        submit(&store, "acme", "7").await,
        submit(&store, "acme", "7").await,
    );
    let spoil = format!("UPDATE task SET params = 'no JSON' WHERE id = {odd}");
    database.execute(&spoil).await;
    let read = store.tasks_by_id(vec![odd, good]).await.expect("read");
    assert_eq!(read.iter().map(|it| it.id).collect::<Vec<_>>(), [good]);
}
