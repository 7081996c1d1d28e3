//! What has been tried.

use std::time::Duration;

use domain::{AttemptOutcome, Failure, FailureCode, TaskId};
use store::{AttemptRecord, Effects, Ending, Page, Store, Story};
use testkit::{TestDatabase, a_lane, terms};

use crate::import::{
    Lanes, Outcome, a_split_import, an_end, born, claim, finishing, recording, settle,
};
use crate::settle::{a_claimed_export, owner};

async fn attempts(
    store: &Store,
    task: TaskId,
    before: Option<u64>,
    limit: usize,
) -> Page<AttemptRecord> {
    let page = store.attempts(&owner(), task, before, limit).await;
    page.expect("read").expect("the owner's")
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_told_newest_first_with_the_one_under_way_on_top() {
    use AttemptOutcome::{Failed, Lost, Running, Success};
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let first = a_claimed_export(&store, &lane).await;
    let task = first.task_id.expect("a task");
    let outcomes = async || -> Vec<AttemptOutcome> {
        let page = attempts(&store, task, None, 10).await;
        page.items.iter().map(|attempt| attempt.outcome).collect()
    };
    assert_eq!(outcomes().await, [Running]);
    let failure = Failure::transient(FailureCode::DatabaseUnavailable, "connection reset");
    let story = Story {
        ran: Duration::from_secs(3),
        trace_id: None,
    };
    let ending = Ending::Failed(failure, Duration::ZERO);
    store
        .settle_held(&first.lease, ending, story)
        .await
        .expect("settled");
    assert_eq!(outcomes().await, [Failed]);
    store
        .claim_due(&lane, 1, &terms("two"))
        .await
        .expect("claimed");
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    store.sweep(&lane, 1).await.expect("swept");
    assert_eq!(outcomes().await, [Lost, Failed]);
    let last = store
        .claim_due(&lane, 1, &terms("three"))
        .await
        .expect("claimed");
    assert_eq!(outcomes().await, [Running, Lost, Failed]);
    let running = attempts(&store, task, None, 1).await;
    assert_eq!(running.items[0].worker.as_deref(), Some("three"));
    assert!(running.items[0].started_at.is_some() && running.items[0].finished_at.is_none());
    store
        .settle_held(
            &last[0].lease,
            Ending::Finished(Effects::none()),
            Story::default(),
        )
        .await
        .expect("settled");
    assert_eq!(outcomes().await, [Success, Lost, Failed]);

    let all = attempts(&store, task, None, 10).await.items;
    assert_eq!(all[0].epoch, last[0].lease.epoch);
    assert_eq!(all[1].code.as_deref(), Some("timed_out"));
    assert_eq!(
        all[1].sentence.as_deref(),
        Some("执行中断"),
        "nobody is told to do again what goes on by itself"
    );
    let failed = &all[2];
    assert_eq!(failed.worker.as_deref(), Some("one"));
    assert_eq!(failed.code.as_deref(), Some("database_unavailable"));
    assert_eq!(failed.detail.as_deref(), Some("connection reset"));
    assert_eq!(
        failed.sentence.as_deref(),
        Some("数据库暂不可用，请稍后重试")
    );
    let ran = failed.finished_at.expect("ended") - failed.started_at.expect("began");
    assert_eq!(ran.num_milliseconds().div_euclid(100), 30, "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_import_attempts_at_its_batches_and_at_its_end_are_told() {
    use AttemptOutcome::{Failed, Running, Success};
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let (task, batches) = a_split_import(&store, &lanes, 20, 2).await;
    let outcomes = async || -> Vec<AttemptOutcome> {
        let page = attempts(&store, task, None, 10).await;
        page.items.iter().map(|attempt| attempt.outcome).collect()
    };
    assert_eq!(outcomes().await, [Running, Running]);
    let failing = |why: &str| {
        let failure = Failure::transient(FailureCode::StorageUnavailable, why);
        Ending::Failed(failure, Duration::ZERO)
    };
    settle(&store, &batches[0], failing("a batch")).await;
    assert_eq!(outcomes().await, [Running, Failed]);
    let ten_rows = |number| {
        recording(Outcome {
            number,
            first_row: number * 10,
            inserted: 10,
            ..Outcome::default()
        })
    };
    settle(&store, &batches[1], ten_rows(2)).await;
    assert_eq!(outcomes().await, [Success, Failed]);
    let again = store.claim_due(&lanes.batches, 1, &terms("two")).await;
    let again = again.expect("claimed");
    let end = born(settle(&store, &again[0], ten_rows(1)).await);
    let first = claim(&store, &end).await;
    settle(&store, &first[0], failing("the end")).await;
    assert_eq!(outcomes().await, [Failed, Failed]);
    let second = store.claim_due(&lanes.imports, 1, &terms("three")).await;
    let second = second.expect("claimed");
    settle(&store, &second[0], finishing(an_end())).await;

    let all = attempts(&store, task, None, 10).await.items;
    let told: Vec<_> = all
        .iter()
        .map(|attempt| (attempt.outcome, attempt.detail.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (Success, None),
            (Failed, Some("the end")),
            (Failed, Some("a batch"))
        ]
    );
    assert_eq!(all[0].epoch, second[0].lease.epoch);
    let page = attempts(&store, task, all[1].place, 10).await;
    assert_eq!(page.items, all[2..], "pages go through all rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_attempts_join_without_gap_or_repetition() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let task = row.task_id.expect("a task");
    let insert = format!(
        "INSERT INTO compensate_biz_attempt (tenant, compensate_biz_id, epoch, outcome) VALUES {}",
        (0..7)
            .map(|epoch| format!("('acme', {}, {epoch}, 'LOST')", row.lease.id))
            .collect::<Vec<_>>()
            .join(", ")
    );
    database.execute(&insert).await;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = attempts(&store, task, before, 3).await;
        assert!(page.items.len() <= 3);
        seen.extend(page.items.iter().map(|attempt| attempt.epoch.0));
        before = page.items.last().and_then(|last| last.place);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [1, 6, 5, 4, 3, 2, 1, 0], "the running one is epoch 1");
}
