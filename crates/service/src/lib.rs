//! What every binary of Quayside shares and that knows no Task: settings, the command line,
//! logs, traces and metrics, the life of the process, the admin port, object storage, and the
//! [`House`] that a binary is built upon.
//!
//! A binary is `service::main(NAME, VERSION, start)`; `start` gets a [`Process`], spawns its
//! loops on [`Process::lifecycle`] and returns. Everything else is the same for all of them.

mod admin;
mod house;
#[cfg(feature = "failpoints")]
mod kill_points;
mod lifecycle;
mod log_format;
mod process;
mod settings;
mod storage;
mod telemetry;

pub use admin::{AdminServer, Probe};
pub use house::{House, ImportLanes, read_catalog, read_handlers};
pub use lifecycle::{Ended, Lifecycle, Phase};
pub use process::{Process, main};
pub use settings::{
    AdminSettings, AuthSettings, BreakerSettings, DatasetSettings, DeadLetterSettings,
    DefaultSettings, Environment, EventSettings, ExportSettings, HandlerSettings, HttpSettings,
    ImportSettings, KafkaSettings, LifecycleSettings, LogFormat, MysqlSettings, QuotaSettings,
    RetentionSettings, RetrySettings, Settings, SettingsError, SmtpSettings, SmtpTls,
    SourceSettings, StorageBackend, StorageSettings, SweeperSettings, TelemetrySettings,
    WorkerSettings,
};
pub use storage::{ByteStream, Label, Object, PipeWriter, Storage, StorageError, Stored, pipe};
pub use telemetry::Telemetry;
