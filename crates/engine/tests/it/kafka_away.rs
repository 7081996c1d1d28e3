//! Kafka away: work is accepted, runs by scan, and the relay catches up.

use std::time::Duration;

use domain::TaskStatus;
use testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::probe::{House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_while_kafka_is_down_is_run_by_the_scan() {
    let house = House::build().await;
    house.broker.down().expect("it goes");
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);
    let announcer = house.announcer();
    let task = house.submit(&announcer).await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.files.len(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_cannot_ring_hide_no_row_from_the_scan() {
    let house = House::build().await;
    house.broker.down().expect("it goes");
    let announcer = house.announcer();
    let stop = CancellationToken::new();
    let relays: Vec<_> = (0..2)
        .map(|_| {
            let relay = house.relay(&announcer, Duration::from_secs(3600));
            #[expect(clippy::disallowed_methods, reason = "awaited below")]
            tokio::spawn(relay.run(stop.clone()))
        })
        .collect();
    // One row teaches the relays that Kafka is away: they mark it, cannot ring it, and give it back.
    // The rows that become due afterwards must all be left to the scan, whose marks would hide them
    // for an hour.
    let first = house
        .store
        .submit_export(house.a_rung_export())
        .await
        .expect("accepted");
    house.store.retract(&[first.rung]).await.expect("due");
    eventually("the relays to have tried", async || {
        let announced: bool = house
            .database
            .one("SELECT announced FROM compensate_biz")
            .await;
        announced.then_some(())
    })
    .await;
    eventually("the relays to have given up", async || {
        let announced: bool = house
            .database
            .one("SELECT announced FROM compensate_biz")
            .await;
        (!announced).then_some(())
    })
    .await;
    let mut tasks = vec![first.task];
    for _ in 0..5 {
        let submitted = house
            .store
            .submit_export(house.a_rung_export())
            .await
            .expect("accepted");
        house.store.retract(&[submitted.rung]).await.expect("due");
        tasks.push(submitted.task);
    }
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);
    for task in tasks {
        house.until(task, TaskStatus::Success).await;
    }
    stop.cancel();
    for relay in relays {
        relay.await.expect("the relay ends well");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_rings_what_became_due_and_what_could_not_be_rung_once_kafka_is_back() {
    let house = House::build().await;
    house.broker.down().expect("it goes");
    let announcer = house.announcer();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(house.submit(&announcer).await);
    }
    eventually(
        "the rings to be given up and their rows to be due",
        async || {
            let due: u64 = house
                .database
                .one("SELECT COUNT(*) FROM compensate_biz WHERE NOT announced")
                .await;
            (due == 3).then_some(())
        },
    )
    .await;

    house.broker.up().expect("it comes back");
    let relay = house.relay(&announcer, Duration::from_secs(3600));
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let relay = tokio::spawn(relay.run(stop.clone()));
    // Scans are an hour away for this worker's lane once the rows are announced: only rings help.
    let probe = Probe::always(Step::Finish);
    let mut settings = house.settings();
    settings.scan_interval = Duration::from_secs(3600);
    eventually("the relay to have announced them again", async || {
        let due: u64 = house
            .database
            .one("SELECT COUNT(*) FROM compensate_biz WHERE announced")
            .await;
        (due == 3).then_some(())
    })
    .await;
    let worker = house.work("one", settings, &probe);
    for task in tasks {
        house.until(task, TaskStatus::Success).await;
    }
    assert_eq!(probe.runs().values().copied().collect::<Vec<_>>(), [1; 3]);
    stop.cancel();
    relay.await.expect("the relay ends well");
    worker.stop().await;
}
