//! The gauges of what is open.

use testkit::{a_lane, an_export, eventually};

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn work_that_gets_late_is_told_of_every_lane_though_nobody_works_on_it() {
    let house = House::build().await;
    let lanes = [a_lane(), a_lane()];
    for lane in &lanes {
        let submitted = house.store.submit_export(an_export(lane)).await;
        submitted.expect("accepted");
    }
    let older = format!(
        "UPDATE compensate_biz SET wake_at = wake_at - INTERVAL 2 HOUR WHERE lane = '{}'",
        lanes[1]
    );
    house.database.execute(&older).await;
    let sweeping = house.process("one", &[]);
    let of = |metrics: &str, lane| -> Option<f64> {
        let gauge = format!("quayside_lane_oldest_row_seconds{{lane=\"{lane}\"}} ");
        let line = metrics.lines().find(|line| line.starts_with(&gauge))?;
        line.strip_prefix(&gauge)?.parse().ok()
    };
    let (due, late) = eventually("both to be told of", async || {
        let (_, metrics) = sweeping.ask("/metrics").await;
        Some((of(&metrics, &lanes[0])?, of(&metrics, &lanes[1])?))
    })
    .await;
    assert!(due < 3_600.0 && late >= 3_600.0, "{due} {late}");
    let open = sweeping.counted("quayside_lane_open_rows").await;
    assert_eq!(open, 2);
}
