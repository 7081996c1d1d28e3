//! Many small rows at once: rings are at hand when permits are free again.

use domain::TaskStatus;
use testkit::{eventually, eventually_within};

use crate::counted::Counted;
use crate::probe::{House, Probe, Step};

const PAUSES: &str = "quayside_lane_pauses_total";

/// Messages that a worker holds before it pauses its consumer, as `ears.rs` says.
const HEARD_MOST: u64 = 256;

async fn all_done(house: &House) {
    let patience = std::time::Duration::from_secs(120);
    eventually_within(patience, "all of them to be done", async || {
        let open: u64 = house
            .database
            .one("SELECT COUNT(*) FROM compensate_biz WHERE status <> 'SUCCESS'")
            .await;
        (open == 0).then_some(())
    })
    .await;
}

/// Each pause costs a fetch from Kafka before the next row; a pause each time that the permits were
/// out kept four of them at 20 rows a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_small_rows_pauses_the_consumer_never_or_seldom() {
    let counted = Counted::begin();
    let house = House::build().await;
    let announcer = house.announcer();
    let burst = 2 * HEARD_MOST;
    for _ in 0..burst {
        house.submit(&announcer).await;
    }
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);
    all_done(&house).await;
    worker.stop().await;
    assert_eq!(probe.runs().len() as u64, burst);
    // One pause frees half of the room at least.
    let pauses = counted.of(PAUSES, &house.lane);
    assert!(pauses <= 2 * burst / HEARD_MOST, "{pauses} pauses");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_permits_pauses_once_its_hands_are_full_and_goes_on_when_they_are_not() {
    let counted = Counted::begin();
    let house = House::build().await;
    let mut settings = house.settings();
    settings.scan_interval = std::time::Duration::from_secs(3600);
    settings.permits = 2;
    let probe = Probe::always(Step::FinishWhenLet);
    let worker = house.work("one", settings, &probe);
    let announcer = house.announcer();
    let rows = HEARD_MOST + 50;
    for _ in 0..rows {
        house.submit(&announcer).await;
    }
    eventually("it to have enough", async || {
        (counted.of(PAUSES, &house.lane) == 1).then_some(())
    })
    .await;
    assert_eq!(probe.runs().len(), 2, "as many as there are permits");
    probe.gate.add_permits(usize::try_from(rows).expect("few"));
    all_done(&house).await;
    assert!(probe.runs().values().all(|times| *times == 1));
    let last = house.submit(&announcer).await;
    probe.gate.add_permits(1);
    house.until(last, TaskStatus::Success).await;
    worker.stop().await;
}
