//! What the workers of this process have counted, by lane.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use domain::Lane;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Counters of the whole process; lanes are of one test each, so its numbers are its own.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<Counters>>);

/// By name and lane.
type Counters = HashMap<(String, String), Arc<AtomicU64>>;

impl Counted {
    /// Begins counting, if it has not begun.
    pub(crate) fn begin() -> Self {
        static ALL: OnceLock<Counted> = OnceLock::new();
        ALL.get_or_init(|| {
            let all = Self::default();
            metrics::set_global_recorder(all.clone()).expect("nobody else counts");
            all
        })
        .clone()
    }

    /// What the counter of the lane says.
    pub(crate) fn of(&self, name: &str, lane: &Lane) -> u64 {
        self.counter(name, lane.as_str()).load(Ordering::SeqCst)
    }

    fn counter(&self, name: &str, lane: &str) -> Arc<AtomicU64> {
        let mut all = self.0.lock().expect("no panic under it");
        let key = (name.to_owned(), lane.to_owned());
        all.entry(key).or_default().clone()
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let lane = key.labels().find(|label| label.key() == "lane");
        let lane = lane.map(|label| label.value()).unwrap_or_default();
        Counter::from_arc(self.counter(key.name(), lane))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
