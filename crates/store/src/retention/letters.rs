//! Dead letters that somebody has dealt with. One that is OPEN or PARKED waits for a person, however
//! long.

use std::time::Duration;

use super::Walked;
use crate::Store;
use crate::error::StoreError;

impl Store {
    /// Looks at the dead letters behind `after`, one page of them, and removes those that were
    /// redriven or discarded longer than `keep` ago. Begun with 0.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_settled_letters(
        &self,
        after: u64,
        keep: Duration,
    ) -> Result<Walked, StoreError> {
        self.drop_ended(("dead_letter", after), keep, |kept_since| {
            format!("status IN ('REDRIVEN', 'DISCARDED') AND updated_at <= {kept_since}")
        })
        .await
    }
}
