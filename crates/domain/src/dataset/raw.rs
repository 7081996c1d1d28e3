//! The shape of a definition file, before anything was checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::cross::RawRule;
use super::types::{ColumnType, ImportMode, Limits, NumberForm, Operator};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDataset {
    pub(super) name: Spanned<String>,
    pub(super) label: Spanned<BTreeMap<String, String>>,
    pub(super) version: String,
    pub(super) table: Spanned<String>,
    pub(super) primary_key: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) key: Vec<Spanned<String>>,
    pub(super) tenant: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) shared: bool,
    pub(super) soft_delete: Option<RawSoftDelete>,
    pub(super) source: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) sort: Vec<Spanned<String>>,
    pub(super) queues: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) roles: RawRoles,
    #[serde(default)]
    pub(super) import_modes: Vec<ImportMode>,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) version_column: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) rules: Vec<RawRule>,
    pub(super) columns: Vec<RawColumn>,
    #[serde(default)]
    pub(super) filters: Vec<RawFilter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSoftDelete {
    pub(super) column: Spanned<String>,
    pub(super) live: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRoles {
    pub(super) export: Vec<String>,
    pub(super) import: Vec<String>,
    pub(super) sensitive: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumn {
    pub(super) name: Spanned<String>,
    pub(super) label: Spanned<BTreeMap<String, String>>,
    #[serde(rename = "type")]
    pub(super) kind: ColumnType,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) max_length: Option<u32>,
    pub(super) pattern: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) trim: bool,
    pub(super) numbers: Option<Spanned<NumberForm>>,
    pub(super) min: Option<toml::Value>,
    pub(super) max: Option<toml::Value>,
    pub(super) scale: Option<Spanned<u8>>,
    pub(super) allowed: Option<Vec<String>>,
    #[serde(default)]
    pub(super) unique: bool,
    #[serde(default)]
    pub(super) sensitive: bool,
    #[serde(default)]
    pub(super) sortable: bool,
    #[serde(default = "yes")]
    pub(super) importable: bool,
    #[serde(default = "yes")]
    pub(super) exportable: bool,
    pub(super) width: Option<Spanned<f64>>,
    pub(super) format: Option<String>,
    pub(super) stored_in: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFilter {
    pub(super) column: Spanned<String>,
    pub(super) operators: Spanned<Vec<Operator>>,
}

fn yes() -> bool {
    true
}
