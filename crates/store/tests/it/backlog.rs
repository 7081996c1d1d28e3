//! What is open on a lane.

use domain::DeadLetterId;
use store::{Backlog, DeadLetterActed, Ending, Story};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::dead_letter_acts::redrive;
use crate::import::{Lanes, Outcome, a_split_import, acme, dying, recording, settle};

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_runs_is_open_and_what_has_ended_is_not() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let new = an_export(&lane);
    let none = Backlog {
        rows: 0,
        oldest_seconds: 0,
    };
    assert_eq!(store.backlog(&lane).await.expect("answers"), none);
    let first = store.submit_export(new.clone()).await.expect("accepted");
    store.submit_export(new).await.expect("accepted");
    let aged = "UPDATE compensate_biz SET created_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR";
    database.execute(aged).await;
    let claim = store.claim_rung(&lane, &[first.rung], &terms("one")).await;
    let row = claim.expect("answers").claimed.remove(0);
    let open = store.backlog(&lane).await.expect("answers");
    assert_eq!(open.rows, 2);
    assert!(
        open.oldest_seconds < 3_600,
        "old, but nothing is late: {open:?}"
    );
    let ended = Ending::Finished(store::Effects::none());
    let settled = store.settle_held(&row.lease, ended, Story::default()).await;
    settled.expect("answers");
    let open = store.backlog(&lane).await.expect("answers");
    assert_eq!(open.rows, 1);
    let late = "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR \
                WHERE wake_at IS NOT NULL";
    database.execute(late).await;
    let open = store.backlog(&lane).await.expect("answers");
    assert_eq!(open.rows, 1);
    assert!((3_600..7_200).contains(&open.oldest_seconds), "{open:?}");
    let due_later = "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR \
                     WHERE wake_at IS NOT NULL";
    database.execute(due_later).await;
    let open = store.backlog(&lane).await.expect("answers");
    assert_eq!(
        (open.rows, open.oldest_seconds),
        (1, 0),
        "as a slow redrive"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_a_hundred_thousand_rows_are_counted() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let put = |rows: u32, from: u32| {
        format!(
            "SET cte_max_recursion_depth = 1000000; \
             INSERT INTO compensate_biz (biz_type, biz_id, context, lane, wake_at) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT 'X', n + {from}, '{{}}', '{lane}', UTC_TIMESTAMP(6) FROM s"
        )
    };
    database.execute(&put(99_999, 0)).await;
    assert_eq!(store.backlog(&lane).await.expect("answers").rows, 99_999);
    database.execute(&put(9, 100_000)).await;
    assert_eq!(store.backlog(&lane).await.expect("answers").rows, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_of_imports_and_how_late_it_is_are_told_by_dataset() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let datasets = ["employee", "member"].map(str::to_owned);
    let backlog = async || {
        let backlog = store.backlog_by_dataset(&lanes.batches, &datasets).await;
        backlog.expect("answers")
    };
    let open = async || backlog().await.iter().map(|it| it.rows).collect::<Vec<_>>();
    assert_eq!(open().await, [0, 0]);
    let (_, batches) = a_split_import(&store, &lanes, 20, 2).await;
    a_split_import(&store, &lanes, 30, 3).await;
    assert_eq!(open().await, [0, 5]);
    let applied = Outcome {
        number: 1,
        first_row: 2,
        inserted: 10,
        ..Outcome::default()
    };
    settle(&store, &batches[0], recording(applied)).await;
    assert_eq!(open().await, [0, 4]);
    let late = format!(
        "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR \
         WHERE wake_at IS NOT NULL AND lane = '{}' LIMIT 1",
        lanes.batches
    );
    database.execute(&late).await;
    let told = backlog().await;
    assert_eq!((told[0].rows, told[0].oldest_seconds), (0, 0));
    assert_eq!(told[1].rows, 4);
    assert!((3_600..7_200).contains(&told[1].oldest_seconds), "{told:?}");
    let of_none = store.backlog_by_dataset(&lanes.batches, &[]).await;
    assert_eq!(of_none.expect("answers"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_a_worker_or_the_sweeper_gave_up_are_dead_until_somebody_puts_them_back() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let datasets = ["employee", "member"].map(str::to_owned);
    let dead = async |lane| {
        let dead = store.dead_batches(lane, &datasets).await;
        dead.expect("answers")
    };
    let (_, batches) = a_split_import(&store, &lanes, 30, 3).await;
    assert_eq!(dead(&lanes.batches).await, [0, 0]);
    settle(&store, &batches[0], dying()).await;
    assert_eq!(dead(&lanes.batches).await, [0, 1]);
    // the worker of another vanishes at the last of its tries
    let vanished = format!(
        "UPDATE compensate_biz SET cnt = max_cnt, wake_at = UTC_TIMESTAMP(6) WHERE id = {}",
        batches[1].lease.id
    );
    database.execute(&vanished).await;
    let swept = store.sweep(&lanes.batches, 10).await.expect("swept");
    assert_eq!(swept.len(), 1);
    assert_eq!(dead(&lanes.batches).await, [0, 2]);
    assert_eq!(dead(&lanes.imports).await, [0, 0]);

    let letters: Vec<u64> = database.query("SELECT id FROM dead_letter").await;
    for (letter, left) in letters.into_iter().zip([1, 0]) {
        let acted = redrive(&store, &[acme()], DeadLetterId(letter)).await;
        assert!(matches!(acted, DeadLetterActed::Now(..)), "{acted:?}");
        assert_eq!(dead(&lanes.batches).await, [0, left]);
    }
}
