//! Datasets: typed tables that can be exported and imported, defined by files and not by code.
//!
//! Owns the definition ([`Dataset`], [`Column`], [`Filter`]), its reading from TOML and the
//! [`Catalog`] of all of them. Promises that a definition in hand is whole: names are plain
//! identifiers, no name occurs twice, and whatever it refers to exists; a wrong file is refused
//! with its name, the line and the reason. Whether the table agrees is the store's to check.
//! Proven by `tests/it/dataset.rs`.

mod catalog;
mod cross;
mod fingerprint;
mod label;
mod parse;
mod pattern;
mod raw;
mod rules;
mod types;

pub use catalog::{Catalog, DefinitionError};
pub use cross::{CrossRule, Demand};
pub use label::Labels;
pub(crate) use parse::{Checked, File};
pub(crate) use pattern::compile_pattern;
pub use types::{
    Column, ColumnType, Dataset, Filter, ImportMode, Limits, LiveValue, MAX_SECOND_SCALE,
    NumberForm, Operator, Place, SoftDelete, SortKey, Source, Tenancy,
};
