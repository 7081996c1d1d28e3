//! The lanes that rows name, as the database has them.

use domain::Lane;
use store::{Store, StoreError};

/// The lanes that any row names. A name that is no topic is none: nobody can ring it or work on it.
/// How many of these there are is told by a gauge; what is wrong with the rows only a person knows.
pub(crate) async fn lanes_of_rows(store: &Store) -> Result<Vec<Lane>, StoreError> {
    let names = store.lanes_of_rows().await?;
    let all = names.len();
    let lanes: Vec<Lane> = names
        .into_iter()
        .filter_map(|name| Lane::parse(name).ok())
        .collect();
    metrics::gauge!("quayside_lanes_without_topic").set((all - lanes.len()) as f64);
    Ok(lanes)
}
