//! Datasets: typed tables that can be exported and imported, defined by files and not by code.
//!
//! Owns the definition ([`Dataset`], [`Column`], [`Filter`]), its reading from TOML and the
//! [`Catalog`] of all of them. Promises that a definition in hand is whole: names are plain
//! identifiers, no name occurs twice, and whatever it refers to exists; a wrong file is refused
//! with its name, the line and the reason. Whether the table agrees is the store's to check.
//! Proven by `tests/it/dataset.rs`.

mod catalog;
mod label;
mod parse;
mod raw;
mod types;

pub use catalog::{Catalog, DefinitionError};
pub use label::Labels;
pub use types::{
    Column, ColumnType, Dataset, Filter, ImportMode, Limits, LiveValue, Operator, Place,
    SoftDelete, SortKey, Source, Tenancy,
};
