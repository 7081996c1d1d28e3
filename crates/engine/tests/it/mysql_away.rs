//! MySQL away, silent, or cut at the worst moment: the worker waits, loses nothing and repeats nothing.

use std::time::{Duration, Instant};

use domain::TaskStatus;
use engine::Sweeper;
use testkit::{eventually, terms};
use tokio_util::sync::CancellationToken;

use crate::probe::{House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_heard_while_mysql_is_away_is_kept_and_run_once_it_is_back() {
    let (house, proxy) = House::behind_a_proxy().await;
    let probe = Probe::always(Step::Finish);
    let mut settings = house.settings();
    settings.scan_interval = Duration::from_secs(3600);
    let worker = house.work("one", settings.clone(), &probe);
    let announcer = house.announcer();
    let before = house.submit(&announcer).await;
    house.until(before, TaskStatus::Success).await;

    proxy.go_away();
    let task = house.submit(&announcer).await;
    eventually("the worker to have tried", async || {
        (proxy.refused() > 2).then_some(())
    })
    .await;
    // Its offset was not acknowledged: another worker of the group would be given it again.
    worker.stop().await;
    proxy.come_back();
    let second = house.work("two", settings, &probe);
    house.until(task, TaskStatus::Success).await;
    assert_eq!(probe.runs().values().copied().collect::<Vec<_>>(), [1, 1]);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_that_mysql_did_not_answer_before_it_went_away_keeps_its_file() {
    let (house, proxy) = House::behind_a_proxy().await;
    let probe = Probe::always(Step::FinishWhenLet);
    let worker = house.work("one", house.settings(), &probe);
    let task = house.submit(&house.announcer()).await;
    house.until(task, TaskStatus::Processing).await;
    // The next COMMIT may be a heartbeat's; whichever it is, the finish meets the absence.
    proxy.go_away_at_the_next_commit();
    probe.gate.add_permits(1);
    eventually("the worker to have met the absence", async || {
        (proxy.refused() > 0).then_some(())
    })
    .await;
    proxy.come_back();
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!((done.files.len(), done.retry_count), (1, 0));
    worker.stop().await;
    assert_eq!(
        probe.cleaned(),
        Vec::<u64>::new(),
        "its file is visible and stays"
    );
    assert_eq!(probe.runs().values().sum::<u32>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_stopped_before_its_lease_ends_when_mysql_falls_silent() {
    let (house, proxy) = House::behind_a_proxy().await;
    let probe = Probe::always(Step::Hang);
    let worker = house.work("one", house.settings(), &probe);
    let task = house.submit(&house.announcer()).await;
    house.until(task, TaskStatus::Processing).await;
    proxy.fall_silent();
    eventually(
        "the handler to be stopped and cleaned up after",
        async || (probe.cleaned().len() == 1).then_some(()),
    )
    .await;
    let held: bool = house
        .database
        .one("SELECT wake_at > UTC_TIMESTAMP(6) FROM compensate_biz")
        .await;
    assert!(held, "it stopped while the lease was still its own");
    proxy.come_back();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweeper_waits_for_a_lease_period_after_mysql_was_away() {
    let (house, proxy) = House::behind_a_proxy().await;
    let lease = Duration::from_secs(2);
    let sweeper = Sweeper {
        store: house.through(),
        leases: lease.into(),
        interval: Duration::from_millis(50),
    };
    proxy.go_away();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    eventually("it to have met the absence", async || {
        (proxy.refused() > 0).then_some(())
    })
    .await;

    let submitted = house
        .store
        .submit_export(house.a_rung_export())
        .await
        .expect("accepted");
    let mut vanished = terms("vanished");
    vanished.lease = Duration::from_millis(1);
    house
        .store
        .claim_rung(&house.lane, &[submitted.rung], &vanished)
        .await
        .expect("claimed");
    proxy.come_back();
    let back = Instant::now();
    eventually("the row to be rescued", async || {
        let status: String = house
            .database
            .one("SELECT status FROM compensate_biz")
            .await;
        (status == "WAIT_HANDLE").then_some(())
    })
    .await;
    // It met the absence at most a moment before it ended, and waits a whole lease from then.
    assert!(
        back.elapsed() > lease / 2,
        "heartbeats come first: {:?}",
        back.elapsed()
    );
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
}
