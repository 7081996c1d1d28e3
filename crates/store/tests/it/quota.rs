//! How many tasks may be open at once.

use domain::{Tenant, UserId};
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use store::{NewExport, Once, OpenTaskLimits, OpenTasks, Quota, Store, Submission};
use testkit::{TestDatabase, a_lane, an_export};

use crate::settle::{a_claimed_export, owner};
use crate::submit::{new_task, while_open, with_key};

pub(crate) fn at_most(per_user: u64, per_tenant: u64) -> OpenTaskLimits {
    OpenTaskLimits {
        per_user: Some(per_user),
        per_tenant: Some(per_tenant),
    }
}

fn by(user: &str) -> NewExport {
    NewExport {
        user: UserId::parse(user).expect("a name"),
        ..an_export(&a_lane())
    }
}

async fn submit(store: &Store, export: NewExport, limits: OpenTaskLimits) -> Submission {
    store
        .submit_export_once(export, Once::Always, limits)
        .await
        .expect("answered")
}

async fn open(store: &Store, user: &str) -> OpenTasks {
    let (tenant, user) = ("acme", user);
    let tenant = Tenant::parse(tenant).expect("a name");
    let user = UserId::parse(user).expect("a name");
    store.open_tasks(&tenant, &user).await.expect("counted")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_tenant_have_so_many_open_tasks_and_no_more() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let limits = at_most(2, 3);
    for user in ["7", "7", "8"] {
        let accepted = submit(&store, by(user), limits).await;
        assert!(matches!(accepted, Submission::New(_)), "{accepted:?}");
    }
    let refused = Submission::TooManyOpen(Quota::User);
    assert_eq!(submit(&store, by("7"), limits).await, refused);
    let refused = Submission::TooManyOpen(Quota::Tenant);
    assert_eq!(submit(&store, by("8"), limits).await, refused);
    let written: (u64, u64) = database
        .one("SELECT (SELECT COUNT(*) FROM task), (SELECT COUNT(*) FROM compensate_biz)")
        .await;
    assert_eq!(written, (3, 3), "what was refused left nothing behind");
    let used = OpenTasks {
        of_user: 2,
        of_tenant: 3,
    };
    assert_eq!(open(&store, "7").await, used);
    let mut elsewhere = by("7");
    elsewhere.tenant = Tenant::parse("globex").expect("a name");
    let accepted = submit(&store, elsewhere, limits).await;
    assert!(matches!(accepted, Submission::New(_)), "another tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_has_ended_makes_room() {
    let store = TestDatabase::create().await.store();
    let running = a_claimed_export(&store, &a_lane()).await;
    let limits = at_most(1, 1);
    assert!(matches!(
        submit(&store, by("7"), limits).await,
        Submission::TooManyOpen(_)
    ));
    store
        .cancel_task(&owner(), running.task_id.expect("a task"))
        .await
        .expect("cancelled");
    assert!(matches!(
        submit(&store, by("7"), limits).await,
        Submission::New(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_told_however_many_are_open() {
    let store = TestDatabase::create().await.store();
    let export = by("7");
    for (once, limit) in [(with_key("k", 'a'), 1), (while_open(), 2)] {
        let first = new_task(&store, &export, once.clone()).await;
        let again = store
            .submit_export_once(export.clone(), once, at_most(limit, limit))
            .await
            .expect("answered");
        match again {
            Submission::Replayed(task) | Submission::Open(task) => assert_eq!(task.id, first),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_is_not_committed_yet_counts_and_one_that_is_taken_back_does_not() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut other = database.plain_connection().await;
    other
        .query_drop(
            "BEGIN; INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, \
             created_by) VALUES ('acme', 'EXPORT', 'employee', 'x', 'default', '{}', 'en', '7')",
        )
        .await
        .expect("inserted");
    let limits = at_most(1, 9);
    let refused = Submission::TooManyOpen(Quota::User);
    assert_eq!(submit(&store, by("7"), limits).await, refused);
    other.query_drop("ROLLBACK").await.expect("taken back");
    let accepted = submit(&store, by("7"), limits).await;
    assert!(matches!(accepted, Submission::New(_)), "{accepted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_submits_at_once_never_open_more_than_the_limit_and_fill_it() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(16);
    let limits = at_most(30, 50);
    let submits = (0..200).map(|number| {
        let user = ["7", "8", "9"][number % 3];
        submit(&store, by(user), limits)
    });
    // as many at once as there are connections: the others would wait for one
    let answers: Vec<Submission> = futures::stream::iter(submits)
        .buffer_unordered(16)
        .collect()
        .await;
    let accepted = answers
        .iter()
        .filter(|answer| matches!(answer, Submission::New(_)))
        .count();
    assert!((1..=50).contains(&accepted), "{accepted}");
    // Whoever comes again when the crowd is gone gets what is left.
    for user in ["7", "8", "9"] {
        while let Submission::New(_) = submit(&store, by(user), limits).await {}
    }
    assert_eq!(open(&store, "7").await.of_tenant, 50);
    for user in ["7", "8", "9"] {
        assert!(open(&store, user).await.of_user <= 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_twice_at_once_fits_where_there_is_room_for_one() {
    let store = TestDatabase::create().await.store_with_pool(8);
    for (round, once) in [with_key("k", 'a'), while_open()].into_iter().enumerate() {
        let limit = round as u64 + 1;
        let submits =
            (0..8).map(|_| store.submit_export_once(by("7"), once.clone(), at_most(limit, limit)));
        let answers = futures::future::join_all(submits).await;
        for answer in answers {
            let answer = answer.expect("answered");
            assert!(!matches!(answer, Submission::TooManyOpen(_)), "{once:?}");
        }
        assert_eq!(open(&store, "7").await.of_user, limit);
    }
}
