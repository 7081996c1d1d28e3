//! The process: definitions checked, then one lane worker for each export queue. Relay and sweep are
//! the stuck-task-sweeper's.

use std::sync::Arc;

use crew::{Crew, Handlers};
use domain::BizType;
use engine::BizHandler;
use service::{House, Process};
use store::EXPORT;

use crate::handler::ExportHandler;

/// Starts the worker.
///
/// # Errors
/// When a setting is not usable, or a definition does not fit its table: told with file, line and
/// reason. A database or a Kafka that is away is waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let house = House::open(&process.settings)?;
    let lanes = house.export_lanes()?;
    let crew = Crew::gather(&process, &house)?;
    house.check_datasets().await?;

    let Process {
        settings,
        lifecycle,
        ..
    } = process;
    let House {
        catalog,
        store,
        storage,
        ..
    } = house;
    let handler = ExportHandler::new(store, storage, catalog, settings.export.zip_level);
    let handler = Arc::new(handler);
    for lane in &lanes {
        let exports: Arc<dyn BizHandler> = handler.clone();
        let handlers = Handlers::from([(BizType::parse(EXPORT)?, exports)]);
        crew.work(lane, settings.worker.permits, handlers)?;
    }
    let worker = crew.name().to_owned();
    crew.see_out(async move { handler.close().await });
    lifecycle.set_ready();
    tracing::info!(worker, "the export worker takes work");
    Ok(())
}
