//! `[storage]`: where files lie, and what each of the two places must be told.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::redact;
use crate::storage::MAX_FILE_BYTES;

/// The longest that S3 lets a presigned address hold: seven days
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>).
const LONGEST_PRESIGN_SECONDS: u32 = 7 * 24 * 3_600;

/// Which kind of place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageBackend {
    /// A directory.
    #[default]
    Local,
    /// A bucket of a server that speaks S3.
    S3,
}

/// `[storage]`. `root` is for the local backend; `bucket` and all up to `presign_seconds` are for
/// S3.
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSettings {
    /// `local` or `s3`.
    pub backend: StorageBackend,
    /// Directory on the local disk (or a mounted volume that gateway and workers share).
    pub root: PathBuf,
    /// The bucket, which must exist. No default.
    pub bucket: String,
    /// The region that requests are signed for; `us-east-1` where the server has none. No default.
    pub region: String,
    /// `https://HOST[:PORT]` or `http://HOST[:PORT]`. Unset: Amazon's, of the region.
    pub endpoint: Option<String>,
    /// Who we are to the server. No default.
    pub access_key_id: String,
    /// The secret that belongs to it. No default.
    #[serde(serialize_with = "redact::secret")]
    pub secret_access_key: SecretString,
    /// Whether the bucket stands in the path of an address (`HOST/BUCKET/KEY`, what most servers
    /// but Amazon's want) rather than in its host (`BUCKET.HOST/KEY`).
    pub path_style: bool,
    /// What all keys begin with, without a slash at either end; for a bucket shared with others.
    pub prefix: String,
    /// How long a request may go without an answer, in seconds. A part of 5 MiB must be up by then.
    pub request_seconds: u32,
    /// Whether clients are sent to the bucket for downloads (303). They must be able to reach
    /// `endpoint`.
    pub presign: bool,
    /// How long such an address holds, in seconds; at most seven days.
    pub presign_seconds: u32,
    /// The most bytes that a file may have; at most, and by default, what fits into the 10,000 parts
    /// of an S3 upload.
    pub max_file_bytes: u64,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            backend: StorageBackend::Local,
            root: "storage".into(),
            bucket: String::new(),
            region: String::new(),
            endpoint: None,
            access_key_id: String::new(),
            secret_access_key: SecretString::default(),
            path_style: false,
            prefix: String::new(),
            request_seconds: 15,
            presign: false,
            presign_seconds: 300,
            max_file_bytes: MAX_FILE_BYTES,
        }
    }
}

impl StorageSettings {
    /// A key with which storage cannot work, and what it must be.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if self.max_file_bytes > MAX_FILE_BYTES {
            let most = format!("must be {MAX_FILE_BYTES} or less, what S3 takes in one file");
            return Some(("storage.max_file_bytes", most));
        }
        match self.backend {
            StorageBackend::Local => self.local_fault(),
            StorageBackend::S3 => self.missing().or_else(|| self.s3_fault()),
        }
    }

    fn local_fault(&self) -> Option<(&'static str, String)> {
        let reason = "must be false, because storage.backend is local";
        self.presign.then(|| ("storage.presign", reason.to_owned()))
    }

    fn missing(&self) -> Option<(&'static str, String)> {
        let secret = self.secret_access_key.expose_secret();
        let key = [
            ("storage.bucket", self.bucket.is_empty()),
            ("storage.region", self.region.is_empty()),
            ("storage.access_key_id", self.access_key_id.is_empty()),
            ("storage.secret_access_key", secret.is_empty()),
        ]
        .into_iter()
        .find_map(|(key, missing)| missing.then_some(key))?;
        Some((key, "must be set, because storage.backend is s3".to_owned()))
    }

    fn s3_fault(&self) -> Option<(&'static str, String)> {
        if self.presign_seconds > LONGEST_PRESIGN_SECONDS {
            let most = format!("must be {LONGEST_PRESIGN_SECONDS} (seven days) or less");
            return Some(("storage.presign_seconds", most));
        }
        let endpoint = self.endpoint.as_deref()?;
        let Some(host) = host_of(endpoint) else {
            let form = "must be http://HOST[:PORT] or https://HOST[:PORT] and nothing more";
            return Some(("storage.endpoint", form.to_owned()));
        };
        if !self.path_style && !matches!(host, Host::Domain(_)) {
            let reason = "must be true, because the host of storage.endpoint is a number and has no subdomains";
            return Some(("storage.path_style", reason.to_owned()));
        }
        None
    }
}

/// The host of an endpoint that is no more than scheme, host and port.
fn host_of(endpoint: &str) -> Option<Host> {
    let url = Url::parse(endpoint).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    url.host().filter(|_| bare).map(|host| host.to_owned())
}
