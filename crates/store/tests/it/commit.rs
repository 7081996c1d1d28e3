//! The connection is cut after COMMIT was sent (cases.md C 5): read back, never blindly repeated.

use std::time::Duration;

use domain::{BizStatus, Failure, FailureCode, TaskStatus};
use mysql_async::prelude::Queryable;
use store::{
    Cancelled, Deleted, Effects, Ending, NewExport, Retried, Settled, Store, StoreSettings, Story,
};
use testkit::{MoodyProxy, TestDatabase, a_lane, an_export, eventually, terms};

use crate::settle::owner;

struct Cut {
    database: TestDatabase,
    proxy: MoodyProxy,
    store: Store,
}

async fn behind_a_proxy() -> Cut {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let settings = StoreSettings {
        url: proxy.url(database.url()),
        pool_size: 2,
    };
    let store = Store::connect(settings).expect("a pool");
    Cut {
        database,
        proxy,
        store,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_whose_commit_was_not_answered_is_accepted_once() {
    let Cut {
        database,
        proxy,
        store,
    } = behind_a_proxy().await;
    proxy.cut_next_commits(1);
    let submitted = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted");
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    let (tasks, task): (u64, u64) = database.one("SELECT COUNT(*), MAX(id) FROM task").await;
    assert_eq!((tasks, task), (1, submitted.task.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_commit_was_not_answered_is_held_by_its_claimant_at_one_epoch() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let lane = a_lane();
    let rung = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    proxy.cut_next_commits(1);
    let claim = store
        .claim_rung(&lane, &[rung], &terms("one"))
        .await
        .expect("read back");
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!((claim.claimed.len(), claim.duplicates), (1, 0));
    assert_eq!(claim.claimed[0].lease.epoch.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_whose_commit_was_not_answered_holds_what_it_found_or_nothing() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let lane = a_lane();
    for due in [0, 1] {
        for _ in 0..due {
            let submitted = store.submit_export(an_export(&lane)).await;
            let rung = submitted.expect("accepted").rung;
            store.retract(&[rung]).await.expect("it is due");
        }
        proxy.cut_next_commits(1);
        let claimed = store.claim_due(&lane, 5, &terms("one")).await;
        assert_eq!(proxy.cuts_left(), 0, "the cut happened");
        assert_eq!(claimed.expect("read back").len(), due);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_whose_commit_was_not_answered_is_known_to_have_happened() {
    let Cut {
        proxy,
        store,
        database,
    } = behind_a_proxy().await;
    let row = crate::settle::a_claimed_export(&store, &a_lane()).await;
    proxy.cut_next_commits(1);
    let ending = Ending::Finished(Effects::none());
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    assert!(matches!(settled, Ok(Settled::Now(..))), "{settled:?}");
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    let task = store
        .task(&owner(), row.task_id.expect("a task"))
        .await
        .expect("read");
    assert_eq!(task.expect("visible").status, TaskStatus::Success);
    let attempts: u64 = database
        .one("SELECT COUNT(*) FROM compensate_biz_attempt")
        .await;
    assert_eq!(attempts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_is_known_even_when_the_database_stayed_away_after_its_commit() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let row = crate::settle::a_claimed_export(&store, &a_lane()).await;
    proxy.go_away_at_the_next_commit();
    let finish = || Ending::Finished(Effects::none());
    let settled = store
        .settle_held(&row.lease, finish(), Story::default())
        .await;
    assert!(
        settled.is_err_and(|error| error.is_transient()),
        "nobody can say yet"
    );
    proxy.come_back();
    let settled = store
        .settle_held(&row.lease, finish(), Story::default())
        .await;
    assert_eq!(
        settled.expect("answers"),
        Settled::Now(BizStatus::Success, Vec::new())
    );
    let failure = Failure::permanent(FailureCode::Internal, "a later thought");
    let ending = Ending::Failed(failure, Duration::ZERO);
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    assert_eq!(
        settled.expect("answers"),
        Settled::Now(BizStatus::Success, Vec::new()),
        "it stays finished"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_whose_commit_was_not_answered_costs_one_try() {
    let Cut {
        database,
        proxy,
        store,
    } = behind_a_proxy().await;
    let row = crate::settle::a_claimed_export(&store, &a_lane()).await;
    proxy.cut_next_commits(1);
    let failure = Failure::transient(FailureCode::Internal, "once");
    let ending = Ending::Failed(failure, Duration::from_secs(60));
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    assert_eq!(
        settled.expect("answers"),
        Settled::Now(BizStatus::WaitHandle, Vec::new())
    );
    let (cnt, attempts): (u32, u64) = database
        .one("SELECT cnt, (SELECT COUNT(*) FROM compensate_biz_attempt) FROM compensate_biz")
        .await;
    assert_eq!((cnt, attempts), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_whose_commit_was_not_answered_holds_what_it_claimed() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let lane = a_lane();
    let due = NewExport {
        scan_interval: Duration::ZERO,
        ..an_export(&lane)
    };
    store.submit_export(due).await.expect("accepted");
    proxy.cut_next_commits(1);
    let claimed = store
        .claim_due(&lane, 5, &terms("one"))
        .await
        .expect("read back");
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(claimed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_commit_was_not_answered_is_known_to_have_happened() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let task = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted")
        .task;
    proxy.cut_next_commits(1);
    let cancelled = store.cancel_task(&owner(), task).await.expect("answers");
    assert_eq!(cancelled, Cancelled::Now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_is_not_handed_out_again() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    store.ping().await.expect("answers");
    proxy.go_away();
    assert!(store.ping().await.is_err());
    proxy.come_back();
    store
        .ping()
        .await
        .expect("answers again, without a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn handing_back_is_known_too() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let row = crate::settle::a_claimed_export(&store, &a_lane()).await;
    proxy.cut_next_commits(1);
    let settled = store
        .settle_held(&row.lease, Ending::HandedBack, Story::default())
        .await;
    assert!(matches!(settled, Ok(Settled::Now(..))), "{settled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_and_a_delete_whose_commit_was_not_answered_are_known_to_have_happened() {
    let Cut { proxy, store, .. } = behind_a_proxy().await;
    let row = crate::settle::a_claimed_export(&store, &a_lane()).await;
    let task = crate::retry::fail(&store, &row, crate::retry::broken()).await;
    proxy.cut_next_commits(1);
    let retry = crate::retry::by_the_owner();
    let retried = store.retry_task(&owner(), task, &retry).await;
    assert!(matches!(retried.expect("answers"), Retried::Now(task, _)
        if task.status == TaskStatus::Pending));
    store.cancel_task(&owner(), task).await.expect("cancelled");
    proxy.cut_next_commits(1);
    let deleted = store.delete_task(&owner(), task).await;
    assert!(matches!(deleted.expect("answers"), Deleted::Now(_)));
    assert_eq!(proxy.cuts_left(), 0, "the cuts happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_whose_commit_was_not_answered_is_told_once() {
    let Cut {
        database,
        proxy,
        store,
    } = behind_a_proxy().await;
    let lane = a_lane();
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let row = crate::settle::a_claimed_export(&store, &lane).await;
        tasks.push(row.task_id.expect("a task"));
    }
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    // The cut is to meet the rescue, and not the look for what there is to rescue.
    let mut other = database.plain_connection().await;
    other.query_drop("BEGIN").await.expect("begins");
    let lock = format!("SELECT id FROM task WHERE id = {} FOR UPDATE", tasks[0]);
    other.query_drop(lock).await.expect("locks");
    let cut = async {
        eventually("the rescue to wait for the task", async || {
            crate::door::waiting_for(&database, tasks[0])
                .await
                .then_some(())
        })
        .await;
        proxy.cut_next_commits(1);
        other.query_drop("ROLLBACK").await.expect("releases");
    };
    let (rescued, ()) = tokio::join!(store.sweep(&lane, 10), cut);
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(rescued.expect("read back").len(), 2);
    let attempts: u64 = database
        .one("SELECT COUNT(*) FROM compensate_biz_attempt WHERE outcome = 'LOST'")
        .await;
    assert_eq!(attempts, 2);
    assert_eq!(store.sweep(&lane, 10).await.expect("swept"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_letter_was_not_confirmed_is_set_aside_once() {
    let Cut {
        database,
        proxy,
        store,
    } = behind_a_proxy().await;
    for lane in [a_lane(), a_lane().dead_letters()] {
        proxy.cut_next_commits(1);
        let kept = store.record_poison(crate::dead_letter::a_message(&lane));
        kept.await.expect("read back");
        assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    }
    let (letters, told): (u64, u64) = database
        .one("SELECT (SELECT COUNT(*) FROM dead_letter), (SELECT COUNT(*) FROM compensate_biz)")
        .await;
    assert_eq!((letters, told), (2, 1));
}
