//! The process: a lane worker for the `.dlt` of every lane, and the gauges of letters that wait.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crew::{Crew, Handlers};
use domain::{BizType, DEAD_LETTER, HandlerCatalog, Lane};
use engine::BizHandler;
use service::{House, Process, read_handlers};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::{DeadLetterHandler, Known, OpenGauge};

/// How often lanes are looked for that no definition names.
const NEW_LANES_PAUSE: Duration = Duration::from_secs(10);

/// Starts the handler.
///
/// # Errors
/// When a setting or a definition is not usable. A database or a Kafka that is away is waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let house = House::open(&process.settings)?;
    let handlers = match &process.settings.handlers.dir {
        Some(dir) => read_handlers(dir, &house.catalog)?,
        None => HandlerCatalog::default(),
    };
    let lanes = lanes(&house, &handlers)?;
    let crew = Crew::gather(&process, &house)?;
    let Process {
        settings,
        lifecycle,
        ..
    } = process;
    let known = Known::new(&lanes, handlers.names());
    let desk = Desk {
        handler: Arc::new(DeadLetterHandler::new(house.store.clone(), known.clone())),
        permits: settings.dead_letters.permits,
        store: house.store.clone(),
        crew,
    };
    let defined: BTreeSet<Lane> = lanes.iter().map(Lane::dead_letters).collect();
    for lane in &defined {
        desk.work(lane)?;
    }
    let (gauge, soft) = (OpenGauge::new(house.store, known), lifecycle.soft());
    lifecycle.spawn("open dead letters", async move {
        gauge.run(soft).await;
        Ok(())
    });
    lifecycle.set_ready();
    tracing::info!(
        worker = desk.crew.name(),
        lanes = lanes.len(),
        "dead letters are looked at"
    );
    lifecycle.spawn(
        "new lanes",
        desk.work_on_new_lanes(defined, lifecycle.soft()),
    );
    Ok(())
}

/// Every lane that work is done on.
fn lanes(house: &House, handlers: &HandlerCatalog) -> anyhow::Result<Vec<Lane>> {
    let mut lanes = house.export_lanes()?;
    for import in house.import_lanes()? {
        lanes.extend([import.imports, import.batches]);
    }
    lanes.extend(handlers.lanes().cloned());
    Ok(lanes)
}

/// Who looks at dead letters, and where.
struct Desk {
    handler: Arc<dyn BizHandler>,
    permits: u32,
    store: Store,
    crew: Crew,
}

impl Desk {
    /// Sets a worker to a lane of dead letters.
    fn work(&self, lane: &Lane) -> anyhow::Result<()> {
        let handlers = Handlers::from([(BizType::parse(DEAD_LETTER)?, self.handler.clone())]);
        self.crew.work(lane, self.permits, handlers)
    }

    /// Rows of retired queues, and of kinds of work that no definition names, are given up, too: sets
    /// a worker to their dead letters when the first is there. The crew leaves when told to.
    async fn work_on_new_lanes(
        self,
        mut known: BTreeSet<Lane>,
        soft: CancellationToken,
    ) -> anyhow::Result<()> {
        while !soft.is_cancelled() {
            let Some(found) = soft.run_until_cancelled(self.store.lanes_of_rows()).await else {
                break;
            };
            match found {
                Ok(names) => {
                    let lanes = names.into_iter().filter_map(|name| Lane::parse(name).ok());
                    for lane in lanes.filter(Lane::is_dead_letters) {
                        if known.insert(lane.clone()) {
                            tracing::info!(%lane, "dead letters of a lane that no definition names");
                            self.work(&lane)?;
                        }
                    }
                }
                // every other statement meets the same trouble and tells of it
                Err(error) => tracing::debug!(%error, "it is not known which lanes are new"),
            }
            let pause = tokio::time::sleep(NEW_LANES_PAUSE);
            soft.run_until_cancelled(pause).await;
        }
        self.crew.leave(std::future::ready(())).await;
        Ok(())
    }
}
