//! What a binary that works for tasks is built upon, opened from its settings: definitions, MySQL,
//! Kafka, object storage.
//!
//! Opening reaches for nothing, so a database or a Kafka that is away keeps no process from
//! starting. Shown by `tests/it/house.rs` and by the binaries' own tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bus::{BusSettings, Ringer};
use domain::{Catalog, DefinitionError, HandlerCatalog, Lane};
use secrecy::ExposeSecret;
use store::{Store, StoreSettings};

use crate::admin::Probe;
use crate::settings::{Settings, SourceSettings};
use crate::storage::Storage;

/// Pause between tries to reach a database that is away at the start, in seconds.
const DATABASE_PAUSE_SECONDS: u64 = 1;

/// Longest wait of a readiness probe for Kafka, in milliseconds.
const KAFKA_PROBE_MILLIS: u64 = 800;

/// The parts. Cheap to clone.
#[derive(Clone)]
pub struct House {
    /// The dataset definitions.
    pub catalog: Arc<Catalog>,
    /// MySQL.
    pub store: Store,
    /// Files.
    pub storage: Storage,
    /// How to reach Kafka, for consumers.
    pub bus: BusSettings,
    /// The producer.
    pub ringer: Ringer,
}

/// The two lanes of an import queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportLanes {
    /// Uploads to be read, and ends of imports.
    pub imports: Lane,
    /// Batches of rows.
    pub batches: Lane,
}

impl House {
    /// Opens the house.
    ///
    /// # Errors
    /// When a setting or a definition is wrong; says which.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let catalog = read_catalog(&settings.datasets.dir)?;
        let url = settings.mysql.url.expose_secret().to_owned();
        let pool_size = usize::try_from(settings.mysql.pool_size)?;
        let store = Store::connect(StoreSettings { url, pool_size }).context("mysql")?;
        let store = store.with_sources(sources(settings, &catalog)?);
        let bus = BusSettings {
            brokers: settings.kafka.brokers.clone(),
            delivery_timeout_ms: settings.kafka.delivery_timeout_ms.into(),
            client: settings.kafka.client.clone(),
        };
        let ringer = Ringer::new(&bus).context("kafka")?;
        let storage = Storage::open(&settings.storage).context("storage")?;
        Ok(Self {
            catalog: Arc::new(catalog),
            store,
            storage,
            bus,
            ringer,
        })
    }

    /// The lane of every export queue that a definition names.
    ///
    /// # Errors
    /// When a queue's name does not fit a topic.
    pub fn export_lanes(&self) -> anyhow::Result<Vec<Lane>> {
        let lane = |queue| Lane::export(queue).with_context(|| format!("queue {queue}"));
        self.catalog.queues().into_iter().map(lane).collect()
    }

    /// The lanes of every import queue that a definition names.
    ///
    /// # Errors
    /// When a queue's name does not fit a topic.
    pub fn import_lanes(&self) -> anyhow::Result<Vec<ImportLanes>> {
        let named =
            |queue: &str, lane: Result<Lane, _>| lane.with_context(|| format!("queue {queue}"));
        let lanes = |queue| {
            Ok(ImportLanes {
                imports: named(queue, Lane::import(queue))?,
                batches: named(queue, Lane::import_batch(queue))?,
            })
        };
        self.catalog.queues().into_iter().map(lanes).collect()
    }

    /// Compares the definitions with their tables, waiting for a database that is away.
    ///
    /// # Errors
    /// When a definition does not fit its table: each fault with file and line.
    pub async fn check_datasets(&self) -> anyhow::Result<()> {
        loop {
            match self.store.check_datasets(&self.catalog).await {
                Ok(faults) if faults.is_empty() => return Ok(()),
                Ok(faults) => {
                    return Err(told(&faults).context("definitions do not fit their tables"));
                }
                Err(error) if error.is_transient() => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(error, "the definitions cannot be checked yet; waiting");
                    tokio::time::sleep(Duration::from_secs(DATABASE_PAUSE_SECONDS)).await;
                }
                Err(error) => return Err(error).context("cannot check the definitions"),
            }
        }
    }

    /// Detail for `/readyz`.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let (store, ringer) = (self.store.clone(), self.ringer.clone());
        let mysql = Probe::new("mysql", move || {
            let store = store.clone();
            async move { Ok(store.ping().await?) }
        });
        let kafka = Probe::new("kafka", move || {
            let ringer = ringer.clone();
            let patience = Duration::from_millis(KAFKA_PROBE_MILLIS);
            async move { Ok(ringer.health(patience).await.map(drop)?) }
        });
        let storage = self.storage.clone();
        let storage = Probe::new("storage", move || {
            let storage = storage.clone();
            async move { Ok(storage.ping().await?) }
        });
        vec![mysql, kafka, storage]
    }
}

/// The servers that datasets may name.
fn sources(settings: &Settings, catalog: &Catalog) -> anyhow::Result<BTreeMap<String, String>> {
    let known = &settings.sources;
    let named = catalog.iter().filter_map(|dataset| dataset.source.as_ref());
    let unknown = named.filter(|source| !known.contains_key(&source.name));
    let faults: Vec<DefinitionError> = unknown
        .map(|source| {
            let name = &source.name;
            let reason = format!("source `{name}` is not in the settings (sources.{name}.url)");
            DefinitionError::new(source.place.clone(), reason)
        })
        .collect();
    if !faults.is_empty() {
        return Err(told(&faults));
    }
    let url = |source: &SourceSettings| source.url.expose_secret().to_owned();
    let urls = known
        .iter()
        .map(|(name, source)| (name.clone(), url(source)));
    Ok(urls.collect())
}

/// Reads every `*.toml` of `directory`.
///
/// # Errors
/// When the directory cannot be read or holds no definition, or when a definition is wrong: each
/// fault with file, line and reason.
pub fn read_catalog(directory: &Path) -> anyhow::Result<Catalog> {
    let files = definitions(directory, "dataset", "datasets.dir")?;
    Catalog::parse(files).map_err(|faults| told(&faults))
}

/// As [`read_catalog`], the definitions of handlers; `datasets` are those that they may name.
///
/// # Errors
/// As [`read_catalog`].
pub fn read_handlers(directory: &Path, datasets: &Catalog) -> anyhow::Result<HandlerCatalog> {
    let files = definitions(directory, "handler", "handlers.dir")?;
    HandlerCatalog::parse(files, datasets).map_err(|faults| told(&faults))
}

/// The definition files of a directory, by name; one at least.
fn definitions(directory: &Path, what: &str, key: &str) -> anyhow::Result<Vec<(String, String)>> {
    let shown = directory.display();
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read the {what}s in {shown} ({key})"))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            files.push((path.display().to_string(), text));
        }
    }
    if files.is_empty() {
        bail!("there is no {what} definition (*.toml) in {shown} ({key})");
    }
    files.sort();
    Ok(files)
}

fn told(faults: &[DefinitionError]) -> anyhow::Error {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    anyhow!("{}", lines.join("\n"))
}
