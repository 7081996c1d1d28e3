//! Leaving.

use std::time::Duration;

use domain::TaskStatus;
use testkit::eventually;

use crate::probe::{House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_under_load_loses_nothing_and_does_nothing_twice() {
    let house = House::build().await;
    let mut settings = house.settings();
    settings.drain = Duration::from_millis(200);
    let announcer = house.announcer();
    // The first worker finishes some, hangs on others and is stopped in the middle.
    let first = Probe::new(|id, _| {
        if id % 3 == 0 {
            Step::Hang
        } else {
            Step::Finish
        }
    });
    let one = house.work("one", settings.clone(), &first);
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(house.submit(&announcer).await);
    }
    eventually("both its permits to be stuck", async || {
        let stuck = first.runs().keys().filter(|id| *id % 3 == 0).count();
        (stuck == 2).then_some(())
    })
    .await;
    one.stop().await;
    let held: u64 = house
        .database
        .one("SELECT COUNT(*) FROM compensate_biz WHERE status = 'PROCESSING'")
        .await;
    assert_eq!(held, 0, "what did not finish in time was handed back");

    let second = Probe::always(Step::Finish);
    let two = house.work("two", settings, &second);
    for task in tasks {
        let done = house.until(task, TaskStatus::Success).await;
        assert_eq!(
            (done.files.len(), done.retry_count),
            (1, 0),
            "handing back costs no try"
        );
    }
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_can_finish_in_time_is_let_finish() {
    let house = House::build().await;
    let probe = Probe::always(Step::FinishWhenLet);
    let worker = house.work("one", house.settings(), &probe);
    let task = house.submit(&house.announcer()).await;
    house.until(task, TaskStatus::Processing).await;
    // What is submitted once it is stopping is left to others: that tells that it has begun to leave.
    let leaving = worker.leave();
    let later = house.submit(&house.announcer()).await;
    eventually(
        "the later one to be left alone for a scan interval",
        async || {
            let due: bool = house.database.one(&format!(
            "SELECT created_at < UTC_TIMESTAMP(6) - INTERVAL 1 SECOND FROM task WHERE id = {later}"
        )).await;
            due.then_some(())
        },
    )
    .await;
    assert_eq!(house.task(later).await.status, TaskStatus::Pending);
    probe.gate.add_permits(1);
    leaving.gone().await;
    assert_eq!(house.task(task).await.status, TaskStatus::Success);
    assert_eq!(probe.runs().values().sum::<u32>(), 1);
}
