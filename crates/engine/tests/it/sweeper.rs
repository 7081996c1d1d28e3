//! Rescue.

use std::time::{Duration, Instant};

use domain::TaskStatus;
use engine::Sweeper;
use testkit::{eventually, terms};
use tokio_util::sync::CancellationToken;

use crate::probe::{House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn the_row_of_a_worker_that_vanished_is_run_by_another_after_the_first_lease_period() {
    let house = House::build().await;
    let submitted = house
        .store
        .submit_export(house.a_rung_export())
        .await
        .expect("accepted");
    let mut vanished = terms("vanished");
    vanished.lease = Duration::from_millis(1);
    let claim = house
        .store
        .claim_rung(&house.lane, &[submitted.rung], &vanished)
        .await;
    assert_eq!(claim.expect("claimed").claimed.len(), 1);

    let lease = Duration::from_secs(1);
    let sweeper = Sweeper {
        store: house.store.clone(),
        lease,
        interval: Duration::from_millis(100),
    };
    let stop = CancellationToken::new();
    let began = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    eventually("the row to be rescued", async || {
        let status: String = house
            .database
            .one("SELECT status FROM compensate_biz")
            .await;
        (status == "WAIT_HANDLE").then_some(())
    })
    .await;
    assert!(
        began.elapsed() >= lease,
        "a sweeper that has just started does not act"
    );

    let probe = Probe::always(Step::Finish);
    let worker = house.work("two", house.settings(), &probe);
    let done = house.until(submitted.task, TaskStatus::Success).await;
    assert_eq!((done.files.len(), done.retry_count), (1, 1));
    stop.cancel();
    sweeping.await.expect("the sweeper ends well");
    worker.stop().await;
}
