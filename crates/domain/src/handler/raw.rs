//! The shape of a definition file, before anything was checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::ImportMode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHandler {
    pub(super) biz_type: Spanned<String>,
    pub(super) kind: Spanned<RawKind>,
    #[serde(default)]
    pub(super) queues: Vec<Spanned<String>>,
    pub(super) batch_size: Option<Spanned<u32>>,
    pub(super) concurrency: Option<Spanned<u32>>,
    pub(super) lease: Option<Spanned<String>>,
    pub(super) hard_deadline: Option<Spanned<String>>,
    pub(super) max_attempts: Option<Spanned<u32>>,
    pub(super) backoff: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) scan_interval: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) share: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    pub(super) rows: Option<Spanned<RawRows>>,
    pub(super) http: Option<Spanned<RawHttp>>,
    pub(super) code: Option<Spanned<RawCode>>,
    pub(super) notify: Option<Spanned<RawNotify>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawKind {
    Rows,
    Http,
    Code,
    Notify,
    OperationLog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRows {
    pub(super) dataset: Spanned<String>,
    pub(super) mode: Option<Spanned<ImportMode>>,
    /// Column of the dataset = field of the context.
    pub(super) columns: Spanned<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) url: Option<Spanned<String>>,
    pub(super) url_field: Option<Spanned<String>>,
    pub(super) hosts: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) private_ranges: Vec<Spanned<String>>,
    pub(super) secret: Option<String>,
    /// Calls of one host at once.
    pub(super) host_concurrency: Option<Spanned<u32>>,
    pub(super) host_patience: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCode {
    /// The name by which the worker knows the handler.
    pub(super) handler: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotify {
    pub(super) link: Spanned<String>,
    #[serde(default)]
    pub(super) private_ranges: Vec<Spanned<String>>,
    pub(super) email: Option<RawEmail>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmail {
    pub(super) from: Spanned<String>,
    #[serde(default)]
    pub(super) domains: Vec<Spanned<String>>,
}
