//! What is open on every lane that any row names: gauges for an alert on work that gets old, whether
//! or not anybody works on its lane. Shown by `tests/it/backlog.rs`.

use std::time::Duration;

use domain::Lane;
use metrics::Unit;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// How often the gauges are set: each open row is read for them.
const INTERVAL: Duration = Duration::from_secs(15);

const ROWS: &str = "quayside_lane_open_rows";
const OLDEST: &str = "quayside_lane_oldest_row_seconds";

/// Keeps the gauges until stopped.
pub(crate) async fn keep(store: Store, stop: CancellationToken) {
    describe();
    while !stop.is_cancelled() {
        if let Err(error) = tell(&store).await {
            // every other statement meets the same trouble and tells of it
            tracing::debug!(%error, "the backlog is not known");
        }
        stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
    }
}

async fn tell(store: &Store) -> Result<(), StoreError> {
    for name in store.lanes_of_rows().await? {
        // What can be no topic is told of by a gauge of its own.
        let Ok(lane) = Lane::parse(name) else {
            continue;
        };
        let backlog = store.backlog(&lane).await?;
        let lane = lane.to_string();
        metrics::gauge!(ROWS, "lane" => lane.clone()).set(backlog.rows as f64);
        metrics::gauge!(OLDEST, "lane" => lane).set(backlog.oldest_seconds as f64);
    }
    Ok(())
}

fn describe() {
    metrics::describe_gauge!(
        ROWS,
        Unit::Count,
        "Rows that wait or run, by lane; 100000 means so many or more."
    );
    metrics::describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "For how long the latest row should have been looked at, by lane: it is due and not taken, \
         or its lease is over. 0 when nothing is late."
    );
}
