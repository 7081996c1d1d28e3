//! What clients see, field by field as in api.md.

mod dataset;
mod dead_letter;
mod row_error;
mod task;

pub(crate) use dataset::{DatasetSummary, DatasetView, List};
pub(crate) use dead_letter::{DeadLetterGroupView, DeadLetterView};
pub(crate) use row_error::RowErrorView;
pub(crate) use task::{TaskView, state_of};
