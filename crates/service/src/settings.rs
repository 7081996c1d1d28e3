//! Settings: one type for all binaries, so that one file configures a whole installation.
//!
//! Order: defaults in code, then the TOML file, then the environment
//! (`QUAYSIDE__MYSQL__URL`, `QUAYSIDE__WORKER__LEASE_SECONDS`). An unknown key is refused by a
//! sentence that names the key and where it stood; so is, by its key, a zero that makes no sense, and
//! a place for files that lacks what it needs.
//! Secrets have no default and never print: [`Settings::redacted`] is what goes to the log. Proven
//! by `tests/it/settings.rs`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use domain::{BizType, RetryPolicies, RetryPolicy};
use serde::{Deserialize, Serialize};

mod handlers;
mod load;
mod redact;
mod sections;
mod smtp;
mod storage;
mod sweeper;

pub use handlers::HandlerSettings;
pub use load::SettingsError;
pub use sections::{
    AdminSettings, AuthSettings, BreakerSettings, DatasetSettings, DeadLetterSettings,
    DefaultSettings, EventSettings, ExportSettings, HttpSettings, ImportSettings, KafkaSettings,
    LifecycleSettings, LogFormat, MysqlSettings, QuotaSettings, RetrySettings, SourceSettings,
    TelemetrySettings, WorkerSettings,
};
pub use smtp::{SmtpSettings, SmtpTls};
pub use storage::{StorageBackend, StorageSettings};
pub use sweeper::{RetentionSettings, SweeperSettings};

/// All settings of all binaries. Durations and sizes carry their unit in the name.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `production` unless told otherwise; `development` allows what only a laptop may do.
    pub environment: Environment,
    /// The database that holds the truth.
    pub mysql: MysqlSettings,
    /// The doorbell.
    pub kafka: KafkaSettings,
    /// Where files lie.
    pub storage: StorageSettings,
    /// The gateway's public port.
    pub http: HttpSettings,
    /// The port for probes and metrics, one per binary.
    pub admin: AdminSettings,
    /// Who may come in.
    pub auth: AuthSettings,
    /// How much may be open at once.
    pub quotas: QuotaSettings,
    /// Where else rows are read, by the name that datasets call it.
    pub sources: BTreeMap<String, SourceSettings>,
    /// Where the dataset definitions lie.
    pub datasets: DatasetSettings,
    /// What is done with business work.
    pub handlers: HandlerSettings,
    /// The server that takes our mail.
    pub smtp: SmtpSettings,
    /// What holds when a request does not say.
    pub defaults: DefaultSettings,
    /// Logs, traces, metrics.
    pub telemetry: TelemetrySettings,
    /// How work is run.
    pub worker: WorkerSettings,
    /// What single kinds of work do otherwise, by biz type.
    pub retry: BTreeMap<String, RetrySettings>,
    /// How lanes are paused that do nothing but harm.
    pub breaker: BreakerSettings,
    /// How files are made.
    pub export: ExportSettings,
    /// How uploads become rows.
    pub import: ImportSettings,
    /// Rows whose worker has vanished.
    pub sweeper: SweeperSettings,
    /// How long things are kept that have had their time.
    pub retention: RetentionSettings,
    /// Work that was set aside.
    pub dead_letters: DeadLetterSettings,
    /// Live events.
    pub events: EventSettings,
    /// How the process ends.
    pub lifecycle: LifecycleSettings,
}

impl Settings {
    /// Reads the settings: defaults, then `file` if given, then the process's environment.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        load::load(file, None)
    }

    /// As [`Settings::load`], with an environment of the caller's choice.
    pub fn load_with(
        file: Option<&Path>,
        environment: HashMap<String, String>,
    ) -> Result<Self, SettingsError> {
        load::load(file, Some(environment))
    }

    /// A key that is zero and must not be.
    fn zero(&self) -> Option<&'static str> {
        let worker = &self.worker;
        [
            ("mysql.pool_size", self.mysql.pool_size == 0),
            (
                "kafka.delivery_timeout_ms",
                self.kafka.delivery_timeout_ms == 0,
            ),
            ("storage.request_seconds", self.storage.request_seconds == 0),
            ("storage.presign_seconds", self.storage.presign_seconds == 0),
            ("storage.max_file_bytes", self.storage.max_file_bytes == 0),
            ("http.workers", self.http.workers == 0),
            (
                "http.upload_silence_seconds",
                self.http.upload_silence_seconds == 0,
            ),
            ("http.upload_seconds", self.http.upload_seconds == 0),
            (
                "auth.jwks_refresh_seconds",
                self.auth.jwks_refresh_seconds == 0,
            ),
            ("worker.permits", worker.permits == 0),
            ("worker.lease_seconds", worker.lease_seconds == 0),
            (
                "worker.scan_interval_seconds",
                worker.scan_interval_seconds == 0,
            ),
            (
                "worker.hard_deadline_seconds",
                worker.hard_deadline_seconds == 0,
            ),
            ("breaker.pause_seconds", self.breaker.pause_seconds == 0),
            (
                "breaker.max_pause_seconds",
                self.breaker.max_pause_seconds == 0,
            ),
            ("import.splits_at_once", self.import.splits_at_once == 0),
            ("import.batches_at_once", self.import.batches_at_once == 0),
            ("import.stall_seconds", self.import.stall_seconds == 0),
            (
                "sweeper.interval_seconds",
                self.sweeper.interval_seconds == 0,
            ),
            (
                "retention.interval_seconds",
                self.retention.interval_seconds == 0,
            ),
            ("retention.rows_days", self.retention.rows_days == 0),
            (
                "retention.leftovers_hours",
                self.retention.leftovers_hours == 0,
            ),
            ("smtp.port", self.smtp.port == 0),
            ("dead_letters.permits", self.dead_letters.permits == 0),
            ("events.poll_interval_ms", self.events.poll_interval_ms == 0),
            ("events.keep_alive_ms", self.events.keep_alive_ms == 0),
            ("events.streams_per_user", self.events.streams_per_user == 0),
            (
                "events.streams_per_process",
                self.events.streams_per_process == 0,
            ),
            ("lifecycle.grace_seconds", self.lifecycle.grace_seconds == 0),
        ]
        .into_iter()
        .find_map(|(key, zero)| zero.then_some(key))
    }

    /// How often and how soon each kind of work is tried again.
    ///
    /// # Errors
    /// When a name is no biz type, or a list of backoffs is empty; names the key.
    pub fn retry_policies(&self) -> anyhow::Result<RetryPolicies> {
        let worker = &self.worker;
        let policy = |key: String, attempts: u32, backoff: &[u32]| {
            let floors = backoff.iter().map(|it| Duration::from_secs((*it).into()));
            RetryPolicy::new(attempts, floors.collect()).context(key)
        };
        let common = policy(
            "worker.backoff_seconds".to_owned(),
            worker.max_attempts,
            &worker.backoff_seconds,
        )?;
        // The environment knows no capitals: what it says of a kind goes over what the file says.
        let mut own: BTreeMap<String, RetrySettings> = BTreeMap::new();
        for (name, settings) in &self.retry {
            let merged = own.entry(name.to_uppercase()).or_default();
            merged.max_attempts = settings.max_attempts.or(merged.max_attempts);
            if settings.backoff_seconds.is_some() {
                merged.backoff_seconds.clone_from(&settings.backoff_seconds);
            }
        }
        let mut policies = RetryPolicies::new(common);
        for name in self.retry.keys() {
            let capitals = name.to_uppercase();
            let settings = &own[&capitals];
            let attempts = settings.max_attempts.unwrap_or(worker.max_attempts);
            let backoff = settings.backoff_seconds.as_ref();
            let key = format!("retry.{name}.backoff_seconds");
            let backoff = backoff.unwrap_or(&worker.backoff_seconds);
            let policy = policy(key, attempts, backoff)?;
            for name in [name, &capitals] {
                let biz_type = BizType::parse(name).with_context(|| format!("retry.{name}"))?;
                policies = policies.with(biz_type, policy.clone());
            }
        }
        Ok(policies)
    }

    /// The effective settings as JSON, every secret blotted out.
    pub fn redacted(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_else(|error| error.to_string().into())
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.redacted())
    }
}

/// Where the process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Nothing is taken for granted; secrets must be there and long.
    #[default]
    Production,
    /// A laptop or a test.
    Development,
}
