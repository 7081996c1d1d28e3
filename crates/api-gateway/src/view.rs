//! What clients see, field by field as in api.md.

mod dataset;
mod task;

pub(crate) use dataset::{DatasetSummary, DatasetView, List};
pub(crate) use task::{TaskView, state_of};
