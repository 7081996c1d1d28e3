//! What an attempt is to do, read from its row and the definitions as they are now.

use domain::{Catalog, Dataset, Failure, FailureCode};
use engine::Attempt;
use serde::de::DeserializeOwned;

/// The row's context.
pub(crate) fn read_context<T: DeserializeOwned>(attempt: &Attempt) -> Result<T, Failure> {
    serde_json::from_str(attempt.context()).map_err(|error| {
        Failure::permanent(
            FailureCode::InvalidRequest,
            format!("unreadable context: {error}"),
        )
    })
}

/// The definition, if there still is one.
pub(crate) fn dataset_of<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Dataset, Failure> {
    catalog.get(name).ok_or_else(|| {
        let detail = format!("dataset {name} is not defined");
        Failure::rejected(FailureCode::DatasetNotFound, detail)
    })
}
