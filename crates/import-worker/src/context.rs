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

/// The definition. The gateway knew it, so that it is not here is no fault of the user's: while a
/// new definition is rolled out another worker knows it, and so another try helps; when none did, a
/// person puts the work back.
pub(crate) fn dataset_of<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Dataset, Failure> {
    catalog.get(name).ok_or_else(|| {
        Failure::transient(
            FailureCode::Internal,
            format!(
                "this worker has no definition of dataset {name}: roll it out, then put this back"
            ),
        )
    })
}
