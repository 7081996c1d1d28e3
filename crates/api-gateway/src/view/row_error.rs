//! A fault of a row as JSON (api.md, RowError).

use domain::RowError;
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with a row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowError)]
pub(crate) struct RowErrorView {
    /// The number that a person sees in the sheet; for rows of a request their index from 0.
    row: u32,
    #[schema(required)]
    sheet: Option<String>,
    /// Letters.
    #[schema(required)]
    column: Option<String>,
    /// The dataset's column; null where the fault is the whole row's.
    #[schema(required)]
    field: Option<String>,
    /// One of the row codes.
    code: &'static str,
    /// What stood there; masked where the column is sensitive.
    #[schema(required)]
    value: Option<String>,
    /// In the task's language.
    message: String,
    /// What the message was made with.
    params: serde_json::Value,
    /// Other rows that it is about.
    related_rows: Vec<u32>,
}

impl RowErrorView {
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

impl From<&RowError> for RowErrorView {
    fn from(error: &RowError) -> Self {
        Self {
            row: error.row,
            sheet: error.sheet.clone(),
            column: error.column.clone(),
            field: error.field.clone(),
            code: error.code.as_str(),
            value: error.value.clone(),
            message: error.message.clone(),
            params: serde_json::Value::Object(error.params.clone()),
            related_rows: error.related_rows.clone(),
        }
    }
}
