//! The sections of the settings, each with its defaults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::{BreakerTerms, Tenant};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{load, redact};

/// `[mysql]`
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MysqlSettings {
    /// `mysql://user:password@host:port/database`; a secret, because of the password. No default.
    #[serde(serialize_with = "redact::url")]
    pub url: SecretString,
    /// Connections at most.
    pub pool_size: u32,
}

impl Default for MysqlSettings {
    fn default() -> Self {
        Self {
            url: SecretString::default(),
            pool_size: 16,
        }
    }
}

/// `[kafka]`
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// A ring that was not acknowledged after this long has failed (the scan makes it good).
    pub delivery_timeout_ms: u32,
    /// Further librdkafka settings, as they are called there.
    #[serde(serialize_with = "redact::table")]
    pub client: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            delivery_timeout_ms: 3_000,
            client: BTreeMap::new(),
        }
    }
}

/// `[http]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address of the public port.
    pub listen: SocketAddr,
    /// Threads that serve requests.
    pub workers: usize,
    /// How long an upload may go without a byte, in seconds.
    pub upload_silence_seconds: u32,
    /// How long an upload may take in all, in seconds; 3,000 at most, because what is older and
    /// nobody's is swept away.
    pub upload_seconds: u32,
}

impl HttpSettings {
    /// `upload_seconds` means no more than this.
    const LONGEST_UPLOAD_SECONDS: u32 = 3_000;

    /// `upload_silence_seconds` as a duration.
    pub fn upload_silence(&self) -> Duration {
        Duration::from_secs(self.upload_silence_seconds.into())
    }

    /// `upload_seconds` as a duration.
    pub fn upload_time(&self) -> Duration {
        let seconds = self.upload_seconds.min(Self::LONGEST_UPLOAD_SECONDS);
        Duration::from_secs(seconds.into())
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: 2,
            upload_silence_seconds: 30,
            upload_seconds: 1_800,
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Address of the admin port. Port 0 takes any free one.
    pub listen: SocketAddr,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
        }
    }
}

/// `[auth]`: a secret, a provider, or both.
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// The HS256 secret, 32 bytes or more. No default.
    #[serde(serialize_with = "redact::secret")]
    pub jwt_secret: SecretString,
    /// Where the identity provider's public keys lie (a JSON Web Key Set), `https://` or, where the
    /// network is trusted, `http://`: RS256, ES256 and EdDSA.
    #[serde(serialize_with = "redact::optional_url")]
    pub jwks_url: Option<String>,
    /// How often the keys are fetched anew: so long a key may still work that was taken out.
    pub jwks_refresh_seconds: u32,
    /// Demanded `iss`, when set.
    pub issuer: Option<String>,
    /// Demanded `aud`, when set.
    pub audience: Option<String>,
}

impl AuthSettings {
    /// `jwks_refresh_seconds` as a duration.
    pub fn jwks_refresh(&self) -> Duration {
        Duration::from_secs(self.jwks_refresh_seconds.into())
    }

    /// A key whose value cannot be used, and why.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let url = self.jwks_url.as_deref()?;
        let fits = Url::parse(url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
        });
        let form = "must be an address that begins with http:// or https:// and names no user";
        (!fits).then(|| ("auth.jwks_url", form.to_owned()))
    }
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            jwt_secret: SecretString::default(),
            jwks_url: None,
            jwks_refresh_seconds: 600,
            issuer: None,
            audience: None,
        }
    }
}

/// `[quotas]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaSettings {
    /// Tasks of one user that may be open (pending or processing) at once; 0 is without limit.
    pub open_tasks_per_user: u32,
    /// Tasks of one tenant that may be open at once; 0 is without limit.
    pub open_tasks_per_tenant: u32,
    /// Uploads of one user that may be under way at once; 0 is without limit.
    pub open_uploads_per_user: u32,
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self {
            open_tasks_per_user: 50,
            open_tasks_per_tenant: 1_000,
            open_uploads_per_user: 4,
        }
    }
}

/// `[sources.NAME]`: another MySQL from which the datasets that name it are exported, such as a
/// replica.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// `mysql://user:password@host:port/database`; a secret, because of the password. The user needs
    /// no more than SELECT.
    #[serde(serialize_with = "redact::url")]
    pub url: SecretString,
}

/// `[datasets]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetSettings {
    /// Directory of the definition files (`*.toml`).
    pub dir: PathBuf,
}

impl Default for DatasetSettings {
    fn default() -> Self {
        Self {
            dir: "deploy/datasets".into(),
        }
    }
}

/// `[defaults]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultSettings {
    /// Language of headers and file names, a BCP 47 tag.
    pub locale: String,
    /// IANA time zone of dates in files and of file names.
    pub timezone: String,
}

impl Default for DefaultSettings {
    fn default() -> Self {
        Self {
            locale: "zh-CN".into(),
            timezone: "Asia/Shanghai".into(),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For eyes.
    Text,
}

/// `[telemetry]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// `json` or `text`.
    pub log_format: LogFormat,
    /// Directives of tracing's `EnvFilter`.
    pub log_filter: String,
    /// Base URL of an OTLP collector over HTTP (`http://collector:4318`). Unset: no export.
    #[serde(serialize_with = "redact::optional_url")]
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Json,
            // A client's garbage is no error of ours: actix logs each unreadable request as one.
            log_filter: "info,actix_server=warn,actix_http::h1::dispatcher=off".into(),
            otlp_endpoint: None,
        }
    }
}

/// `[worker]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Attempts that run at the same time in one process.
    pub permits: u32,
    /// How long a claim holds without a heartbeat; heartbeats come at a third of it.
    pub lease_seconds: u32,
    /// How often a worker looks for due rows that no ring brought.
    pub scan_interval_seconds: u32,
    /// An attempt that runs longer than this is ended for good (`timed_out`).
    pub hard_deadline_seconds: u32,
    /// Failures after which a row is set aside.
    pub max_attempts: u32,
    /// Least delay before each retry, in order; the last one repeats. From the environment as
    /// `2,4,8`.
    #[serde(deserialize_with = "load::numbers")]
    pub backoff_seconds: Vec<u32>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            permits: 4,
            lease_seconds: 30,
            scan_interval_seconds: 5,
            hard_deadline_seconds: 3_600,
            max_attempts: 3,
            backoff_seconds: vec![2, 4, 8],
        }
    }
}

/// `[retry.BIZ_TYPE]`: what this kind of work does otherwise than `[worker]` says. The name is
/// matched without regard to case, since the environment has none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// As `worker.max_attempts`.
    pub max_attempts: Option<u32>,
    /// As `worker.backoff_seconds`.
    #[serde(deserialize_with = "load::some_numbers")]
    pub backoff_seconds: Option<Vec<u32>>,
}

/// `[breaker]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// How long a lane is paused when too much on it ends badly; each time anew twice as long.
    pub pause_seconds: u32,
    /// The longest pause.
    pub max_pause_seconds: u32,
}

impl BreakerSettings {
    /// The terms that these are part of.
    pub fn terms(&self) -> BreakerTerms {
        BreakerTerms {
            pause: Duration::from_secs(self.pause_seconds.into()),
            longest_pause: Duration::from_secs(self.max_pause_seconds.into()),
            ..BreakerTerms::default()
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            pause_seconds: 30,
            max_pause_seconds: 900,
        }
    }
}

/// `[export]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportSettings {
    /// How hard files are compressed, from 1 (fast) to 9 (small); docs/PERFORMANCE.md has figures.
    pub zip_level: u32,
}

impl Default for ExportSettings {
    fn default() -> Self {
        Self { zip_level: 2 }
    }
}

impl ExportSettings {
    /// A key whose value cannot be used, and why.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let known = (1..=9).contains(&self.zip_level);
        (!known).then(|| ("export.zip_level", "must be from 1 to 9".to_owned()))
    }
}

/// `[import]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportSettings {
    /// Uploads that one process reads, or whose failures it writes down, at the same time. Each takes
    /// a temporary file of the upload's size.
    pub splits_at_once: u32,
    /// Batches that one process applies at the same time, each on a connection of its own.
    pub batches_at_once: u32,
    /// How long the reading of a file may go without giving a row, in seconds. What takes longer is
    /// no workbook, or one made to do harm.
    pub stall_seconds: u32,
    /// Where uploads lie while they are read, in files without a name; the system's own directory
    /// when unset.
    pub temp_dir: Option<PathBuf>,
}

impl ImportSettings {
    /// `stall_seconds` as a duration.
    pub fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds.into())
    }
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            splits_at_once: 2,
            batches_at_once: 2,
            stall_seconds: 20,
            temp_dir: None,
        }
    }
}

/// `[dead_letters]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterSettings {
    /// Dead letters that one process looks at, at the same time, of each lane.
    pub permits: u32,
    /// Whose operators look after the letters of tenant `default` besides their own: messages that
    /// cannot be worked on, and rows that were inserted without a tenant.
    pub house_tenant: Tenant,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        Self {
            permits: 4,
            house_tenant: Tenant::stored("default".to_owned()),
        }
    }
}

/// `[events]`: live events of the gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventSettings {
    /// How often the database is asked for changes while somebody watches, in milliseconds.
    pub poll_interval_ms: u32,
    /// The longest silence of a stream, in milliseconds; 15,000 at most, as clients are promised.
    pub keep_alive_ms: u32,
    /// Streams that one user may have open at a gateway.
    pub streams_per_user: usize,
    /// Streams that one gateway may have open. Each is a connection, and a file descriptor.
    pub streams_per_process: usize,
}

impl EventSettings {
    /// `keep_alive_ms` promises no more than this.
    const LONGEST_SILENCE_MS: u32 = 15_000;

    /// `poll_interval_ms` as a duration.
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms.into())
    }

    /// `keep_alive_ms` as a duration.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms.min(Self::LONGEST_SILENCE_MS).into())
    }
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            poll_interval_ms: 500,
            keep_alive_ms: 10_000,
            streams_per_user: 20,
            streams_per_process: 5_000,
        }
    }
}

/// `[lifecycle]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LifecycleSettings {
    /// Time that running work gets after SIGTERM before it is cut off.
    pub grace_seconds: u32,
}

impl LifecycleSettings {
    /// `grace_seconds` as a duration.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }
}

impl Default for LifecycleSettings {
    fn default() -> Self {
        Self { grace_seconds: 25 }
    }
}
