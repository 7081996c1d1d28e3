//! The process: definitions checked, then two lane workers for each import queue, one for uploads
//! and ends of imports, one for batches. Relay and sweep are the stuck-task-sweeper's.

use std::sync::Arc;
use std::time::Duration;

use crew::{Crew, Handlers};
use domain::{BizType, Catalog, Lane};
use engine::BizHandler;
use service::{House, ImportLanes, Lifecycle, Process, Settings};
use store::{IMPORT, IMPORT_BATCH, IMPORT_FINISH, Store};

use crate::tally::{self, Open};
use crate::{BatchHandler, FinishHandler, ImportHandler, ReadingTerms};

/// How often the gauges of what is open are set.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(10);

/// Starts the worker.
///
/// # Errors
/// When a setting is not usable, or a definition does not fit its table: told with file, line and
/// reason. A database or a Kafka that is away is waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let house = House::open(&process.settings)?;
    let queues = house.import_lanes()?;
    let experts = Experts::gather(&process.settings, &house)?;
    let crew = Crew::gather(&process, &house)?;
    house.check_datasets().await?;

    let Process {
        settings,
        lifecycle,
        ..
    } = process;
    let import = &settings.import;
    for ImportLanes { imports, batches } in &queues {
        crew.work(imports, import.splits_at_once, experts.imports.clone())?;
        crew.work(batches, import.batches_at_once, experts.batches.clone())?;
    }
    let worker = crew.name().to_owned();
    crew.see_out(std::future::ready(()));
    tally::describe();
    count_backlog(queues, house.store, &house.catalog, &lifecycle);
    lifecycle.set_ready();
    tracing::info!(worker, "the import worker takes work");
    Ok(())
}

/// The handlers of each kind of lane.
struct Experts {
    imports: Handlers,
    batches: Handlers,
}

impl Experts {
    fn gather(settings: &Settings, house: &House) -> anyhow::Result<Self> {
        let import = &settings.import;
        // What a split bears may fail so often.
        let retry = settings.retry_policies()?;
        let max_cnt = retry.of(&BizType::parse(IMPORT_BATCH)?).max_cnt();
        let terms = ReadingTerms::new(import.temp_dir.as_deref(), import.stall(), max_cnt)
            .with_finish_max_cnt(retry.of(&BizType::parse(IMPORT_FINISH)?).max_cnt());
        let (store, storage) = (&house.store, &house.storage);
        let split = ImportHandler::new(
            store.clone(),
            storage.clone(),
            house.catalog.clone(),
            terms.clone(),
        );
        let finish =
            FinishHandler::new(store.clone(), storage.clone(), house.catalog.clone(), terms);
        let batch = BatchHandler::new(storage.clone(), house.catalog.clone());
        let imports: [(_, Arc<dyn BizHandler>); 2] = [
            (BizType::parse(IMPORT)?, Arc::new(split)),
            (BizType::parse(IMPORT_FINISH)?, Arc::new(finish)),
        ];
        let batches: [(_, Arc<dyn BizHandler>); 1] =
            [(BizType::parse(IMPORT_BATCH)?, Arc::new(batch))];
        Ok(Self {
            imports: imports.into(),
            batches: batches.into(),
        })
    }
}

/// Counts what is open on the lanes, and of which datasets.
fn count_backlog(queues: Vec<ImportLanes>, store: Store, catalog: &Catalog, lifecycle: &Lifecycle) {
    let importable = catalog.iter().filter(|it| !it.import_modes.is_empty());
    let datasets: Vec<String> = importable.map(|it| it.name.clone()).collect();
    let soft = lifecycle.soft();
    lifecycle.spawn("backlog", async move {
        while !soft.is_cancelled() {
            for lane in queues.iter().flat_map(|it| [&it.imports, &it.batches]) {
                tell_backlog(&store, lane).await;
            }
            tell_datasets(&store, &queues, &datasets).await;
            let pause = tokio::time::sleep(BACKLOG_INTERVAL);
            soft.run_until_cancelled(pause).await;
        }
        Ok(())
    });
}

/// Sets the gauges of what is open on a lane.
async fn tell_backlog(store: &Store, lane: &Lane) {
    match store.backlog(lane).await {
        Ok(backlog) => {
            let lane = lane.to_string();
            metrics::gauge!("quayside_lane_open_rows", "lane" => lane.clone())
                .set(backlog.rows as f64);
            metrics::gauge!("quayside_lane_oldest_row_seconds", "lane" => lane)
                .set(backlog.oldest_seconds as f64);
        }
        // every other statement meets the same trouble and tells of it
        Err(error) => tracing::debug!(%lane, %error, "the backlog is not known"),
    }
}

/// Sets the gauges of what is open of each dataset and of its dead batches, on all lanes together.
async fn tell_datasets(store: &Store, queues: &[ImportLanes], datasets: &[String]) {
    let mut open = vec![Open::default(); datasets.len()];
    for queue in queues {
        for (lane, of_batches) in [(&queue.imports, false), (&queue.batches, true)] {
            let backlogs = match store.backlog_by_dataset(lane, datasets).await {
                Ok(backlogs) => backlogs,
                Err(error) => {
                    tracing::debug!(%lane, %error, "what is open of each dataset is not known");
                    return;
                }
            };
            for (open, backlog) in open.iter_mut().zip(backlogs) {
                open.add(backlog, of_batches);
            }
        }
        let lane = &queue.batches;
        match store.dead_batches(lane, datasets).await {
            Ok(dead) => {
                for (open, dead) in open.iter_mut().zip(dead) {
                    open.add_dead(dead);
                }
            }
            Err(error) => {
                tracing::debug!(%lane, %error, "the dead batches of each dataset are not known");
                return;
            }
        }
    }
    for (dataset, open) in datasets.iter().zip(open) {
        tally::open(dataset, open);
    }
}
