//! One attempt, from claim to settle.

use std::time::Duration;

use domain::{Failure, FailureCode, TaskStatus};
use store::{Cancelled, Visibility};
use testkit::eventually;

use crate::probe::{HALF, House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_that_is_tried_again() {
    let house = House::build().await;
    let probe = Probe::new(|_, times| {
        if times == 1 {
            Step::Panic
        } else {
            Step::Finish
        }
    });
    let worker = house.work("one", house.settings(), &probe);
    let task = house.submit(&house.announcer()).await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!((done.retry_count, done.files.len()), (1, 1));
    let text: String = house
        .database
        .one("SELECT error_text FROM compensate_biz_attempt")
        .await;
    assert!(text.contains("as the script says"), "{text}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_row_is_tried_max_cnt_times_more_and_then_set_aside() {
    let house = House::build().await;
    let failure = Failure::transient(FailureCode::StorageUnavailable, "disk full");
    let probe = Probe::always(Step::Fail(failure));
    let worker = house.work("one", house.settings(), &probe);
    let task = house.submit(&house.announcer()).await;
    let failed = house.until(task, TaskStatus::Failed).await;
    assert_eq!(failed.error.expect("says why").code, "storage_unavailable");
    assert_eq!(probe.runs().values().copied().collect::<Vec<_>>(), [4]);
    assert_eq!(
        probe.cleaned().len(),
        4,
        "every failed attempt is cleaned up after"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_longer_than_its_lease_is_kept_by_heartbeats_and_its_progress_is_seen() {
    let house = House::build().await;
    let probe = Probe::always(Step::FinishWhenLet);
    let mut settings = house.settings();
    settings.lease = Duration::from_secs(2);
    let worker = house.work("one", settings, &probe);
    let task = house.submit(&house.announcer()).await;
    house.until(task, TaskStatus::Processing).await;
    let lease_end = "SELECT CAST(wake_at AS CHAR) FROM compensate_biz";
    let first: String = house.database.one(lease_end).await;
    eventually("the lease to be extended past its first end", async || {
        let sql = format!("SELECT wake_at > '{first}' + INTERVAL 2 SECOND FROM compensate_biz");
        let extended: bool = house.database.one(&sql).await;
        extended.then_some(())
    })
    .await;
    assert_eq!(
        house.task(task).await.progress.done_rows,
        HALF,
        "progress rides on heartbeats"
    );
    assert!(
        house
            .store
            .sweep(&house.lane, 9)
            .await
            .expect("swept")
            .is_empty()
    );
    probe.gate.add_permits(1);
    house.until(task, TaskStatus::Success).await;
    assert_eq!(probe.runs().values().sum::<u32>(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_attempt_is_stopped_and_cleaned_up_after() {
    let house = House::build().await;
    let probe = Probe::always(Step::Hang);
    let worker = house.work("one", house.settings(), &probe);
    let task = house.submit(&house.announcer()).await;
    let running = house.until(task, TaskStatus::Processing).await;
    let who = Visibility {
        tenant: running.tenant,
        user: Some(running.created_by),
    };
    let cancelled = house.store.cancel_task(&who, task).await.expect("answers");
    assert_eq!(cancelled, Cancelled::Now);
    eventually("the handler to be cleaned up after", async || {
        (probe.cleaned().len() == 1).then_some(())
    })
    .await;
    assert_eq!(house.task(task).await.status, TaskStatus::Cancelled);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_handler_is_set_aside_for_a_person() {
    let house = House::build().await;
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);
    let lane = &house.lane;
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (biz_type, biz_id, context, lane) \
             VALUES ('NOBODY_KNOWS', '1', '{{}}', '{lane}')"
        ))
        .await;
    let detail: String = eventually("a dead letter", async || {
        house
            .database
            .query("SELECT detail FROM dead_letter")
            .await
            .pop()
    })
    .await;
    assert!(detail.contains("no handler for NOBODY_KNOWS"), "{detail}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_follow_up_ends_without_its_handler_and_a_row_of_such_a_name_is_run() {
    let house = House::build().await;
    let probe = Probe::always(Step::Finish);
    let lane = &house.lane;
    for (group, kind) in [(5, "EXPORT"), (6, "OTHER")] {
        house
            .database
            .execute(&format!(
                r#"INSERT INTO compensate_group
                   (id, tenant, sealed, generation, ended_generation, on_finished) VALUES
                   ({group}, 'acme', TRUE, 2, 2, '[{{"biz_type": "{kind}", "lane": "{lane}",
                   "context": "{{}}", "max_cnt": 3}}]')"#
            ))
            .await;
    }
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (id, tenant, biz_type, biz_id, context, lane) VALUES \
             (11, 'acme', 'EXPORT', '5/1', '{{}}', '{lane}'), \
             (12, 'acme', 'EXPORT', '5/2', '{{}}', '{lane}'), \
             (13, 'acme', 'EXPORT', '6/1', '{{}}', '{lane}')"
        ))
        .await;
    let worker = house.work("one", house.settings(), &probe);
    eventually("all three to be done", async || {
        let sql = "SELECT COUNT(*) FROM compensate_biz WHERE status = 'SUCCESS'";
        let done: u64 = house.database.one(sql).await;
        (done == 3).then_some(())
    })
    .await;
    let runs: Vec<u64> = probe.runs().keys().copied().collect();
    assert_eq!(runs, [12, 13]);
    worker.stop().await;
}
