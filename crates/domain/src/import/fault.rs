//! What is wrong with one cell, before it is told.

use serde_json::{Map, Value};

use crate::RowCode;

/// A code, and what the column's rules do not say by themselves.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: RowCode,
    pub(super) params: Map<String, Value>,
}

impl Fault {
    pub(super) fn with(code: RowCode, name: &str, value: impl Into<Value>) -> Self {
        Self {
            code,
            params: std::iter::once((name.to_owned(), value.into())).collect(),
        }
    }
}

impl From<RowCode> for Fault {
    fn from(code: RowCode) -> Self {
        Self {
            code,
            params: Map::new(),
        }
    }
}
