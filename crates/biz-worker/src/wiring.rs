//! The process: each lane of each handler with a loop of its own, and one for business work that no
//! definition names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use chrono_tz::Tz;
use crew::{Crew, Handlers};
use domain::{
    BudgetTerms, HandlerCatalog, HandlerDef, HandlerKind, HttpSpec, Lane, LaneState, RowsSpec,
};
use engine::{BizHandler, BulkHandler, BulkSettings, LaneSettings};
use service::{House, Process, Settings, read_handlers};
use store::{Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::http::HttpHandler;
use crate::measures;
use crate::rows::RowsHandler;

/// How often lanes are looked for that no definition names.
const STRAYS_PAUSE: Duration = Duration::from_secs(5);

/// Rows without a handler that are given up at once.
const STRAY_PERMITS: u32 = 1;

/// One batch at once for each four of a handler's concurrency,
const BATCHES_SHARE: u32 = 4;

/// and no more than so many, which is what MySQL gets through most with.
const BATCHES_MOST: u32 = 4;

/// All batches of the process together hold one of so many of the pool's connections: heartbeats and
/// the other kinds of work need some, too.
const BATCHES_POOL_SHARE: u32 = 2;

/// Starts the worker.
///
/// # Errors
/// When a setting or a definition is not usable, or a dataset does not fit its table: told with file,
/// line and reason. A database or a Kafka that is away is waited for.
pub async fn start(process: Process) -> anyhow::Result<()> {
    let house = House::open(&process.settings)?;
    let dir = process.settings.handlers.dir.as_deref();
    let dir = dir.context("handlers.dir is not set: there is nothing to do")?;
    let handlers = read_handlers(dir, &house.catalog)?;
    let jobs = jobs(&process.settings, &house, &handlers)?;
    let crew = Crew::gather(&process, &house)?;
    house.check_datasets().await?;
    measures::describe();
    let connections = process.settings.mysql.pool_size / BATCHES_POOL_SHARE;
    let connections = Arc::new(Semaphore::new(usize::try_from(connections.max(1))?));
    for (handler, job) in handlers.iter().zip(&jobs) {
        for lane in handler.lanes() {
            work(&crew, &process.settings, handler, lane, job, &connections)?;
        }
    }
    let lifecycle = process.lifecycle;
    lifecycle.set_ready();
    let types: Vec<&str> = handlers.names().collect();
    tracing::info!(worker = crew.name(), ?types, "business work is done");
    let strays = Strays {
        store: house.store,
        patience: process.settings.handlers.unknown_patience(),
        known: handlers.lanes().cloned().collect(),
        crew,
    };
    let soft = lifecycle.soft();
    lifecycle.spawn("lanes without a handler", strays.give_up(soft));
    Ok(())
}

/// Who does the work of one definition.
enum Job {
    InBulk(Arc<dyn BulkHandler>),
    OneByOne(Arc<dyn BizHandler>),
}

fn jobs(settings: &Settings, house: &House, handlers: &HandlerCatalog) -> anyhow::Result<Vec<Job>> {
    let job = |handler: &HandlerDef| {
        let place = &handler.place;
        let job = match &handler.kind {
            HandlerKind::Rows(spec) => rows(settings, house, spec),
            HandlerKind::Http(spec) => http(settings, handler, spec),
        };
        job.with_context(|| format!("{}:{}", place.file, place.line))
    };
    handlers.iter().map(job).collect()
}

fn rows(settings: &Settings, house: &House, spec: &RowsSpec) -> anyhow::Result<Job> {
    let dataset = house.catalog.get(&spec.dataset);
    let dataset = dataset.with_context(|| format!("there is no dataset `{}`", spec.dataset))?;
    let timezone: Tz = settings
        .defaults
        .timezone
        .parse()
        .map_err(|error| anyhow!("defaults.timezone is no IANA name: {error}"))?;
    let handler = RowsHandler::new(dataset.clone(), spec.clone(), timezone);
    Ok(Job::InBulk(Arc::new(handler)))
}

fn http(settings: &Settings, handler: &HandlerDef, spec: &HttpSpec) -> anyhow::Result<Job> {
    let secret = match &spec.secret {
        None => None,
        Some(name) => match settings.handlers.secrets.get(name) {
            Some(secret) => Some(secret.clone()),
            None => bail!("secret `{name}` is not in the settings (handlers.secrets.{name})"),
        },
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "here the clock is made that others are given"
    )]
    let clock = Arc::new(chrono::Utc::now);
    let handler = HttpHandler::new(handler, spec, secret, clock)?;
    Ok(Job::OneByOne(Arc::new(handler)))
}

/// Sets a loop to one lane.
fn work(
    crew: &Crew,
    settings: &Settings,
    handler: &HandlerDef,
    lane: &Lane,
    job: &Job,
    connections: &Arc<Semaphore>,
) -> anyhow::Result<()> {
    match job {
        Job::InBulk(doer) => {
            let batches = (handler.concurrency / BATCHES_SHARE).clamp(1, BATCHES_MOST);
            let settings = BulkSettings {
                lane: lane.clone(),
                biz_type: handler.biz_type.clone(),
                batch_size: usize::try_from(handler.batch_size)?,
                batches: usize::try_from(batches)?,
                connections: connections.clone(),
                scan_interval: handler.scan_interval,
                hard_deadline: handler.hard_deadline,
                retry: handler.retry.clone(),
                budget: BudgetTerms::default(),
                breaker: settings.breaker.terms(),
                drain: crew.drain(),
            };
            crew.work_in_bulk(settings, doer.clone())
        }
        Job::OneByOne(doer) => {
            let settings = LaneSettings {
                lane: lane.clone(),
                permits: usize::try_from(handler.concurrency)?,
                lease: handler.lease,
                scan_interval: handler.scan_interval,
                hard_deadline: handler.hard_deadline,
                retry: handler.retry.clone().into(),
                budget: BudgetTerms::default(),
                breaker: settings.breaker.terms(),
                drain: crew.drain(),
            };
            let doers = Handlers::from([(handler.biz_type.clone(), doer.clone())]);
            crew.work_as(settings, doers)
        }
    }
}

/// Business work that no definition names: a plain SQL client may ask for anything.
struct Strays {
    crew: Crew,
    store: Store,
    /// How late work must be before it is nobody's: another worker, of a newer deployment, may know it.
    patience: Duration,
    known: BTreeSet<Lane>,
}

impl Strays {
    /// Sets a worker that knows no kind of work to each such lane: what it takes becomes a dead letter.
    /// The crew leaves when told to.
    async fn give_up(mut self, soft: CancellationToken) -> anyhow::Result<()> {
        let pause = STRAYS_PAUSE.min(self.patience.max(Duration::from_millis(100)));
        while !soft.is_cancelled() {
            let Some(strays) = soft.run_until_cancelled(self.strays()).await else {
                break;
            };
            for lane in strays {
                tracing::warn!(%lane, "no definition names this lane: its rows are given up");
                self.crew.work(&lane, STRAY_PERMITS, Handlers::new())?;
                self.known.insert(lane);
            }
            soft.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        self.crew.leave(std::future::ready(())).await;
        Ok(())
    }

    async fn strays(&self) -> Vec<Lane> {
        match self.nobodys().await {
            Ok(lanes) => lanes,
            Err(error) => {
                // every other statement meets the same trouble and tells of it
                tracing::debug!(%error, "it is not known which lanes are new");
                Vec::new()
            }
        }
    }

    async fn nobodys(&self) -> Result<Vec<Lane>, StoreError> {
        let mut nobodys = Vec::new();
        for name in self.store.lanes_of_rows().await? {
            let Ok(lane) = Lane::parse(name) else {
                continue;
            };
            let ours = lane.is_biz() && !lane.is_dead_letters();
            if ours && !self.known.contains(&lane) && self.is_late(&lane).await? {
                nobodys.push(lane);
            }
        }
        Ok(nobodys)
    }

    /// Whether work has been due for so long that nobody else can be at it. On a lane that is paused
    /// it is late for another reason.
    async fn is_late(&self, lane: &Lane) -> Result<bool, StoreError> {
        if self.store.lane(lane).await?.state != LaneState::Open {
            return Ok(false);
        }
        let open = self.store.backlog(lane).await?;
        Ok(open.rows > 0 && open.oldest_seconds >= self.patience.as_secs())
    }
}
