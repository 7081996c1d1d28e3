//! The relay of every lane.

use std::time::Duration;

use bus::Ringer;
use domain::TaskStatus;
use engine::{Announcer, RelayAll};
use tokio_util::sync::CancellationToken;

use crate::probe::{House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_lane_that_nobody_named_before_are_rung_beside_one_that_is_no_topic() {
    let house = House::build().await;
    let odd = "INSERT INTO compensate_biz (biz_type, biz_id, context, lane) \
               VALUES ('COUPON', '1', '{}', 'no topic at all!')";
    house.database.execute(odd).await;
    let relay = RelayAll {
        announcer: house.announcer(),
        defined: Vec::new(),
        scan_interval: Duration::from_secs(3600),
    };
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let relaying = tokio::spawn(relay.run(stop.clone()));
    let probe = Probe::always(Step::Finish);
    let mut settings = house.settings();
    // whatever runs was brought by a ring
    settings.scan_interval = Duration::from_secs(3600);
    let worker = house.work("one", settings, &probe);

    let submitted = house.store.submit_export(house.a_rung_export()).await;
    let submitted = submitted.expect("accepted");
    let given_back = house.store.retract(&[submitted.rung]).await;
    assert_eq!(given_back.expect("retracted"), 1);
    house.until(submitted.task, TaskStatus::Success).await;
    let left: (String, bool) = house
        .database
        .one("SELECT status, announced FROM compensate_biz WHERE biz_type = 'COUPON'")
        .await;
    assert_eq!(
        left,
        ("WAIT_HANDLE".to_owned(), false),
        "nobody can ring it"
    );
    stop.cancel();
    relaying.await.expect("the relay ends well");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_the_database_keeps_waiting_ends_when_it_is_told_to() {
    let (house, proxy) = House::behind_a_proxy().await;
    // each finds a connection that was good
    let through = house.through();
    let (one, other) = tokio::join!(through.lanes_of_rows(), through.lanes_of_rows());
    assert!(one.is_ok() && other.is_ok());
    proxy.fall_silent();
    let ringer = Ringer::new(&house.bus).expect("the settings are right");
    let announcer = Announcer::new(through, ringer);
    let interval = Duration::from_secs(3600);
    let one = house.relay(&announcer, interval);
    let all = RelayAll {
        announcer,
        defined: Vec::new(),
        scan_interval: interval,
    };
    let stop = CancellationToken::new();
    let (mut one, mut all) = (
        Box::pin(one.run(stop.clone())),
        Box::pin(all.run(stop.clone())),
    );
    // each has sent its first statement when it first waits
    assert!(futures::poll!(&mut one).is_pending() && futures::poll!(&mut all).is_pending());
    stop.cancel();
    // far less than the database would be waited for
    let ended = async { tokio::join!(one, all) };
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    assert!(ended.is_ok(), "they still wait for the database");
}
