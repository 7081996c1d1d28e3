//! A bucket of an S3 server: how it is reached, for how long it is waited for, and what it can do
//! beyond `object_store`'s common trait.
//!
//! Every request is bounded: [`CONNECT_SECONDS`] to connect, `storage.request_seconds` without an
//! answer, and no retry begins later than that. So an operation on a server that is away fails in
//! about a second, and one on a server that has fallen silent within twice the setting.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{Attribute, Attributes, BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Method;
use secrecy::ExposeSecret;
use url::Url;

use super::{Label, StorageError};
use crate::settings::StorageSettings;

/// Longest wait for a connection.
const CONNECT_SECONDS: u64 = 3;
/// Tries of one request after the first.
const RETRIES: usize = 3;
/// Pause before the first retry, in milliseconds; it doubles up to a second, with jitter.
const FIRST_PAUSE_MILLIS: u64 = 100;
/// As for our own answers: files hold what only their owner may see.
const CACHE_CONTROL: &str = "private, no-cache";

/// A bucket, seen below a prefix.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    prefix: Path,
    /// How long an address for a download holds; None: there are none.
    presign: Option<Duration>,
}

impl Bucket {
    pub(super) fn open(settings: &StorageSettings) -> Result<Self, StorageError> {
        let prefix = match settings.prefix.as_str() {
            "" => Path::default(),
            prefix => super::parse(prefix)?,
        };
        let presign = Duration::from_secs(settings.presign_seconds.into());
        Ok(Self {
            store: Arc::new(client(settings).map_err(StorageError::Permanent)?),
            prefix,
            presign: settings.presign.then_some(presign),
        })
    }

    /// Where the object at `path` lies in the bucket.
    pub(super) fn locate(&self, path: &Path) -> Path {
        self.prefix.parts().chain(path.parts()).collect()
    }

    /// What a client that gets the object straight from the bucket shall be told.
    pub(super) fn attributes(&self, label: &Label<'_>) -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentType, label.content_type().to_owned()),
            (Attribute::ContentDisposition, label.content_disposition()),
            (Attribute::CacheControl, CACHE_CONTROL.to_owned()),
        ])
    }

    /// Whether the bucket answers: lists what is below a directory that is never there.
    pub(super) async fn ping(&self) -> Result<(), StorageError> {
        let path = self.locate(&Path::from("readyz"));
        let listed = self.store.list_with_delimiter(Some(&path)).await;
        listed.map(drop).map_err(|e| StorageError::of("readyz", e))
    }

    /// Removes all objects below `path`. Parts of uploads that a crash cut off are not listed with
    /// them: the bucket's rule for incomplete uploads removes those.
    pub(super) async fn remove_below(&self, key: &str, path: &Path) -> Result<(), StorageError> {
        let below = self.store.list(Some(path)).map_ok(|object| object.location);
        let removed = self.store.delete_stream(below.boxed());
        let removed = removed.try_for_each(|_| std::future::ready(Ok(())));
        removed.await.map_err(|e| StorageError::of(key, e))
    }

    pub(super) async fn presigned(
        &self,
        key: &str,
        path: &Path,
        longest: Duration,
    ) -> Result<Option<String>, StorageError> {
        let Some(holds) = self.presign.map(|presign| presign.min(longest)) else {
            return Ok(None);
        };
        // It is given in whole seconds; one that holds for none is of no use.
        if holds.as_secs() == 0 {
            return Ok(None);
        }
        let signed = self.store.signed_url(Method::GET, path, holds).await;
        let signed = signed.map_err(|e| StorageError::of(key, e))?;
        Ok(Some(signed.into()))
    }
}

fn client(settings: &StorageSettings) -> object_store::Result<AmazonS3> {
    let request = Duration::from_secs(settings.request_seconds.into());
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(FIRST_PAUSE_MILLIS),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: request,
    };
    // No bound on a whole request: a download lasts as long as its reader takes. What is bounded is
    // the wait for the next bytes, and from the first byte of a part that is sent to the answer.
    let options = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(CONNECT_SECONDS))
        .with_read_timeout(request);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(&settings.access_key_id)
        .with_secret_access_key(settings.secret_access_key.expose_secret())
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_retry(retry)
        .with_client_options(options);
    if let Some(endpoint) = &settings.endpoint {
        let url = bucket_url(endpoint, settings)?;
        builder = builder
            .with_allow_http(url.scheme() == "http")
            .with_endpoint(url.as_str().trim_end_matches('/'));
    }
    builder.build()
}

/// The endpoint, with the bucket as the first label of its host when it is to stand there: that,
/// unlike a bucket in the path, object_store leaves to us.
fn bucket_url(endpoint: &str, settings: &StorageSettings) -> object_store::Result<Url> {
    let wrong = |source: url::ParseError| object_store::Error::Generic {
        store: "S3",
        source: source.into(),
    };
    let mut url = Url::parse(endpoint).map_err(wrong)?;
    if !settings.path_style {
        let host = url.host_str().unwrap_or_default();
        let host = format!("{}.{host}", settings.bucket);
        url.set_host(Some(&host)).map_err(wrong)?;
    }
    Ok(url)
}
