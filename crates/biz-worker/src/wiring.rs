//! The process: each lane of each handler with a loop of its own, and one for business work that no
//! definition names. The lanes of one queue (urgent, usual, rest) share its turns.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use chrono_tz::Tz;
use crew::{Crew, Handlers};
use domain::{
    BudgetTerms, Clock, HandlerDef, HandlerKind, HttpSpec, Lane, NotifySpec, RetryPolicy, RowsSpec,
};
use engine::{Announcer, BizHandler, BulkHandler, BulkSettings, LaneSettings, Seat, Turns};
use service::{House, Process, Settings, read_handlers};
use store::ClaimTerms;
use tokio::sync::Semaphore;

use crate::code::Code;
use crate::http::HttpHandler;
use crate::notify::NotifyHandler;
use crate::operation_log::OperationLogHandler;
use crate::rows::RowsHandler;
use crate::served::served;
use crate::strays::Strays;
use crate::{backlog, measures};

/// How long a row that nobody knows is held while it is given up.
const STRAY_LEASE: Duration = Duration::from_secs(30);

/// What the last rings may take at shutdown.
const RING_PATIENCE: Duration = Duration::from_secs(3);

/// Of the turns that the lanes of a queue share, the urgent lane has so many,
const URGENT_WEIGHT: u32 = 16;

/// the usual lane so many,
const USUAL_WEIGHT: u32 = 4;

/// and the rest so many, while all of them have work.
const REST_WEIGHT: u32 = 1;

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
    start_with(process, Code::default()).await
}

/// As [`start`], with Rust code for the definitions that name it.
///
/// # Errors
/// As [`start`].
pub async fn start_with(process: Process, code: Code) -> anyhow::Result<()> {
    let house = House::open(&process.settings)?;
    let dir = process.settings.handlers.dir.as_deref();
    let dir = dir.context("handlers.dir is not set: there is nothing to do")?;
    let handlers = read_handlers(dir, &house.catalog)?;
    let served = served(&handlers, &process.settings.handlers.only)?;
    let jobs = jobs(&process.settings, &house, &code, &served)?;
    let crew = Crew::gather(&process, &house)?;
    house.check_datasets().await?;
    measures::describe();
    let bulk = Bulk::of(process.settings.mysql.pool_size)?;
    for (handler, job) in served.iter().zip(&jobs) {
        for usual in handler.usual_lanes() {
            let turns = job.turns(handler, &bulk)?;
            for (lane, seat) in seats(handler, usual, turns) {
                let place = Place { lane, turns, seat };
                work(&crew, &process.settings, handler, place, job, &bulk)?;
            }
        }
    }
    let lifecycle = process.lifecycle;
    lifecycle.set_ready();
    let types: Vec<&str> = served.iter().map(|it| it.biz_type.as_str()).collect();
    tracing::info!(worker = crew.name(), ?types, "business work is done");
    let announcer = Announcer::new(house.store.clone(), house.ringer.clone());
    let (store, soft) = (house.store.clone(), lifecycle.soft());
    lifecycle.spawn("backlog", async move {
        backlog::keep(store, served, soft).await;
        Ok(())
    });
    let strays = Strays {
        store: house.store,
        announcer: announcer.clone(),
        terms: ClaimTerms {
            worker: crew.name().to_owned(),
            lease: STRAY_LEASE,
            retry: RetryPolicy::default().into(),
            hard_deadline: STRAY_LEASE,
        },
        patience: process.settings.handlers.unknown_patience(),
        known: handlers.lanes().cloned().collect(),
    };
    let soft = lifecycle.soft();
    lifecycle.spawn("work that nobody knows", async move {
        strays.give_up(soft).await;
        crew.leave(announcer.close(RING_PATIENCE)).await;
        Ok(())
    });
    Ok(())
}

/// Who does the work of one definition.
enum Job {
    InBulk(Arc<dyn BulkHandler>),
    OneByOne(Arc<dyn BizHandler>),
}

/// What all batches of the process share.
struct Bulk {
    connections: Arc<Semaphore>,
    /// Most batches of one kind at once: where all of them hang, others have connections left.
    batches: u32,
}

impl Bulk {
    fn of(pool_size: u32) -> anyhow::Result<Self> {
        let connections = (pool_size / BATCHES_POOL_SHARE).max(1);
        Ok(Self {
            connections: Arc::new(Semaphore::new(usize::try_from(connections)?)),
            batches: (connections / 2).clamp(1, BATCHES_MOST),
        })
    }
}

impl Job {
    /// How many turns the lanes of a queue share: rows, or batches.
    fn turns(&self, handler: &HandlerDef, bulk: &Bulk) -> anyhow::Result<usize> {
        let turns = match self {
            Self::OneByOne(_) => handler.concurrency,
            Self::InBulk(_) => (handler.concurrency / BATCHES_SHARE).clamp(1, bulk.batches),
        };
        Ok(usize::try_from(turns)?)
    }
}

/// A lane, and its share of the turns of its queue.
struct Place<'h> {
    lane: &'h Lane,
    turns: usize,
    seat: Seat,
}

/// The lanes of a queue, each with its seat.
fn seats<'h>(handler: &'h HandlerDef, usual: &'h Lane, turns: usize) -> Vec<(&'h Lane, Seat)> {
    let turns = Turns::new(turns);
    let mut seats = vec![(usual, turns.seat(USUAL_WEIGHT, None))];
    if let Some(levels) = handler.levels_of(usual) {
        for (lane, weight) in [(&levels.urgent, URGENT_WEIGHT), (&levels.rest, REST_WEIGHT)] {
            seats.push((lane, turns.seat(weight, Some(usual.clone()))));
        }
    }
    seats
}

fn jobs(
    settings: &Settings,
    house: &House,
    code: &Code,
    handlers: &[HandlerDef],
) -> anyhow::Result<Vec<Job>> {
    let job = |handler: &HandlerDef| {
        let place = &handler.place;
        let job = match &handler.kind {
            HandlerKind::Rows(spec) => rows(settings, house, spec),
            HandlerKind::OperationLog => Ok(Job::InBulk(Arc::new(OperationLogHandler))),
            HandlerKind::Http(spec) => http(settings, handler, spec),
            HandlerKind::Code(name) => code.get(name).map(Job::OneByOne),
            HandlerKind::Notify(spec) => notify(settings, house, handler, spec),
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
    let handler = HttpHandler::new(handler, spec, secret, clock())?;
    Ok(Job::OneByOne(Arc::new(handler)))
}

fn notify(
    settings: &Settings,
    house: &House,
    handler: &HandlerDef,
    spec: &NotifySpec,
) -> anyhow::Result<Job> {
    let (store, smtp) = (house.store.clone(), &settings.smtp);
    let handler = NotifyHandler::new(handler, spec, store, smtp, clock())?;
    Ok(Job::OneByOne(Arc::new(handler)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "here the clock is made that others are given"
)]
fn clock() -> Arc<dyn Clock> {
    Arc::new(chrono::Utc::now)
}

/// Sets a loop to one lane, which works when it has a turn there.
fn work(
    crew: &Crew,
    settings: &Settings,
    handler: &HandlerDef,
    place: Place<'_>,
    job: &Job,
    bulk: &Bulk,
) -> anyhow::Result<()> {
    let Place { lane, turns, seat } = place;
    match job {
        Job::InBulk(doer) => {
            let settings = BulkSettings {
                lane: lane.clone(),
                biz_type: handler.biz_type.clone(),
                batch_size: usize::try_from(handler.batch_size)?,
                batches: turns,
                connections: bulk.connections.clone(),
                scan_interval: handler.scan_interval,
                retry: handler.retry.clone(),
                budget: BudgetTerms::default(),
                breaker: settings.breaker.terms(),
                drain: crew.drain(),
            };
            crew.work_in_bulk(settings, doer.clone(), Some(seat))
        }
        Job::OneByOne(doer) => {
            let settings = LaneSettings {
                lane: lane.clone(),
                permits: turns,
                lease: handler.lease,
                scan_interval: handler.scan_interval,
                hard_deadline: handler.hard_deadline,
                retry: handler.retry.clone().into(),
                budget: BudgetTerms::default(),
                breaker: settings.breaker.terms(),
                drain: crew.drain(),
            };
            let doers = Handlers::from([(handler.biz_type.clone(), doer.clone())]);
            crew.work_as(settings, doers, Some(seat))
        }
    }
}
