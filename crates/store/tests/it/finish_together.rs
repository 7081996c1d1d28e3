//! Attempts that write nothing besides, finished in one transaction.

use std::time::Duration;

use domain::{BizStatus, Tenant};
use mysql_async::prelude::Queryable;
use store::{Claimed, Ending, Lease, Settled, Store, StoreSettings, Story};
use testkit::{MoodyProxy, TestDatabase, a_lane, an_export, terms};

use crate::settle::owner;

fn acme() -> Tenant {
    Tenant::parse("acme").expect("a name")
}

async fn claimed(store: &Store, rows: usize) -> Vec<Claimed> {
    let lane = a_lane();
    let mut rung = Vec::new();
    for _ in 0..rows {
        let submitted = store.submit_export(an_export(&lane)).await;
        rung.push(submitted.expect("accepted").rung);
    }
    let claim = store.claim_rung(&lane, &rung, &terms("one")).await;
    claim.expect("claimed").claimed
}

fn leases(rows: &[Claimed]) -> Vec<Lease> {
    rows.iter().map(|row| row.lease.clone()).collect()
}

async fn finish(store: &Store, held: &[Lease]) -> Vec<Option<Settled>> {
    let settled = store.finish_together(&acme(), held).await;
    settled.expect("answered")
}

fn done() -> Option<Settled> {
    Some(Settled::Now(BizStatus::Success, Vec::new()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_what_became_of_it_and_what_is_not_held_is_left_alone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let rows = claimed(&store, 4).await;
    // One is taken over by another worker, one is cancelled by its owner.
    let [taken, cancelled] = [rows[1].lease.id.0, rows[2].lease.id.0];
    database
        .execute(&format!(
            "UPDATE compensate_biz SET lease_epoch = lease_epoch + 1, lease_owner = 'two' \
             WHERE id = {taken}"
        ))
        .await;
    let task = rows[2].task_id.expect("a task");
    store.cancel_task(&owner(), task).await.expect("cancelled");
    let held: Vec<Lease> = leases(&rows).into_iter().rev().collect();
    let told = finish(&store, &held).await;
    let lost = || Some(Settled::Lost);
    assert_eq!(told, [done(), lost(), lost(), done()]);
    let states: Vec<(u64, String)> = database
        .query("SELECT id, status FROM compensate_biz ORDER BY id")
        .await;
    for (id, status) in states {
        let expected = match id {
            id if id == taken => "PROCESSING",
            id if id == cancelled => "CANCELLED",
            _ => "SUCCESS",
        };
        assert_eq!(status, expected, "row {id}");
    }
    let tasks = "SELECT COUNT(*) FROM task WHERE status = 'SUCCESS'";
    assert_eq!(database.one::<u64>(tasks).await, 2);
    // Asked again it answers the same, and writes nothing.
    assert_eq!(finish(&store, &held).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_locked_holds_up_none_of_the_others() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let rows = claimed(&store, 3).await;
    let mut other = database.plain_connection().await;
    let locked = format!(
        "BEGIN; SELECT id FROM compensate_biz WHERE id = {} FOR UPDATE",
        rows[1].lease.id.0
    );
    other.query_drop(locked).await.expect("locked");
    assert_eq!(finish(&store, &leases(&rows)).await, [done(), None, done()]);
    other.query_drop("ROLLBACK").await.expect("let go");
    assert_eq!(
        finish(&store, &leases(&rows)).await,
        [done(), done(), done()]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_not_answered_is_read_back() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let settings = StoreSettings {
        url: proxy.url(database.url()),
        pool_size: 2,
    };
    let store = Store::connect(settings).expect("a pool");
    let rows = claimed(&store, 3).await;
    proxy.cut_next_commits(1);
    let told = finish(&store, &leases(&rows)).await;
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(told, [done(), done(), done()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_group_bears_its_follow_up_once_and_tells_it_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let follow_lane = a_lane();
    let rows = claimed(&store, 3).await;
    database
        .execute(&format!(
            r#"INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) VALUES
               (5, 'acme', 3, TRUE, '[{{"biz_type": "FOLLOW", "lane": "{follow_lane}",
               "context": "{{}}", "max_cnt": 3}}]');
               UPDATE compensate_biz SET group_id = 5"#
        ))
        .await;
    let told = finish(&store, &leases(&rows)).await;
    let born = told.iter().map(|told| match told {
        Some(Settled::Now(BizStatus::Success, born)) => born.len(),
        other => panic!("it was held: {other:?}"),
    });
    assert_eq!(born.sum::<usize>(), 1);
    let follow_ups = "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'FOLLOW'";
    assert_eq!(database.one::<u64>(follow_ups).await, 1);
    let succeeded = "SELECT succeeded FROM compensate_group";
    assert_eq!(database.one::<u32>(succeeded).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_row_finished_together_and_alone_and_taken_over_one_happens() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let rows = claimed(&store, 6).await;
    let (acme, held) = (acme(), leases(&rows));
    let (upwards, downwards) = (held.clone(), held.iter().rev().cloned().collect::<Vec<_>>());
    let alone = held.iter().map(|lease| {
        let ending = Ending::Failed(crate::retry::broken(), Duration::ZERO);
        store.settle_held(lease, ending, Story::default())
    });
    let (one, other, alone) = futures::join!(
        store.finish_together(&acme, &upwards),
        store.finish_together(&acme, &downwards),
        futures::future::join_all(alone),
    );
    // Whoever came later answers what the first had done, or that the row was locked just then.
    let (one, mut other) = (one.expect("answered"), other.expect("answered"));
    other.reverse();
    for (place, alone) in alone.into_iter().enumerate() {
        let status = |told: Settled| match told {
            Settled::Now(status, _) => status,
            Settled::Lost => panic!("all are of one holder"),
        };
        let alone = status(alone.expect("answered"));
        for told in [one[place].clone(), other[place].clone()]
            .into_iter()
            .flatten()
        {
            assert_eq!(status(told), alone, "row {place}");
        }
    }
    let ended = "SELECT COUNT(*) FROM compensate_biz WHERE status IN ('SUCCESS', 'FAILED') \
                 AND biz_type = 'EXPORT'";
    assert_eq!(database.one::<u64>(ended).await, 6);
    let letters: u64 = database.one("SELECT COUNT(*) FROM dead_letter").await;
    let failed = "SELECT COUNT(*) FROM compensate_biz WHERE status = 'FAILED'";
    assert_eq!(database.one::<u64>(failed).await, letters);
}
