//! The gauges of letters that nobody has acted on, of the whole house: what alerts look at.

use std::collections::BTreeMap;
use std::time::Duration;

use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::kind::{Kind, Known};

/// How often the gauge is set.
const INTERVAL: Duration = Duration::from_secs(10);

/// Of letters that operators were told of.
const OPEN: &str = "quayside_dead_letters_open";
/// Of those that nobody could be told of.
const PARKED: &str = "quayside_dead_letters_parked";

/// Keeps `quayside_dead_letters_open{lane,biz_type,reason}` and `quayside_dead_letters_parked`.
pub struct OpenGauge {
    store: Store,
    known: Known,
    told: BTreeMap<(&'static str, Kind), u64>,
}

impl OpenGauge {
    /// A gauge of letters that are expected from these lanes.
    #[must_use]
    pub fn new(store: Store, known: Known) -> Self {
        let told = BTreeMap::new();
        Self { store, known, told }
    }

    /// Counts them again. A kind that has gone is told as none.
    ///
    /// # Errors
    /// [`StoreError`]; what was told stays.
    pub async fn tell(&mut self) -> Result<(), StoreError> {
        let mut counts: BTreeMap<(&'static str, Kind), u64> = BTreeMap::new();
        for found in self.store.open_dead_letters().await? {
            let biz_type = found.biz_type.as_deref();
            let kind = self.known.kind(&found.lane, biz_type, &found.reason);
            let gauge = if found.is_parked { PARKED } else { OPEN };
            *counts.entry((gauge, kind)).or_default() += found.count;
        }
        for (gauge, gone) in self.told.keys().filter(|kind| !counts.contains_key(kind)) {
            metrics::gauge!(*gauge, &gone.labels()).set(0.0);
        }
        for ((gauge, kind), count) in &counts {
            metrics::gauge!(*gauge, &kind.labels()).set(*count as f64);
        }
        self.told = counts;
        Ok(())
    }

    /// Keeps it until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.tell().await {
                // every other statement meets the same trouble and tells of it
                tracing::debug!(%error, "it is not known how many dead letters are open");
            }
            stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
        }
    }
}
