//! What is open of each biz type, all its lanes together: gauges for whoever watches one type and not
//! its lanes. Shown by `tests/it/process.rs`.

use std::time::Duration;

use domain::HandlerDef;
use metrics::Unit;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// How often the gauges are set: each open row is read for them, up to 100,000 a lane.
const INTERVAL: Duration = Duration::from_secs(15);

const ROWS: &str = "quayside_biz_open_rows";
const OLDEST: &str = "quayside_biz_oldest_row_seconds";

/// Keeps the gauges until stopped.
pub(crate) async fn keep(store: Store, handlers: Vec<HandlerDef>, stop: CancellationToken) {
    describe();
    while !stop.is_cancelled() {
        for handler in &handlers {
            if let Some(Err(error)) = stop.run_until_cancelled(tell(&store, handler)).await {
                // every other statement meets the same trouble and tells of it
                tracing::debug!(%error, "the backlog is not known");
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
    }
}

async fn tell(store: &Store, handler: &HandlerDef) -> Result<(), StoreError> {
    let (mut rows, mut oldest) = (0, 0);
    for lane in handler.lanes() {
        let open = store.backlog(lane).await?;
        rows += open.rows;
        oldest = oldest.max(open.oldest_seconds);
    }
    let biz_type = handler.biz_type.to_string();
    metrics::gauge!(ROWS, "biz_type" => biz_type.clone()).set(rows as f64);
    metrics::gauge!(OLDEST, "biz_type" => biz_type).set(oldest as f64);
    Ok(())
}

fn describe() {
    metrics::describe_gauge!(
        ROWS,
        Unit::Count,
        "Rows that wait or run, by biz type; 100000 of a lane means so many or more."
    );
    metrics::describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "For how long the latest row of a biz type should have been looked at. 0 when nothing is late."
    );
}
