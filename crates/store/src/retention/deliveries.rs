//! Calls to webhooks, made or given up: who wants to know has had the time to look.

use std::time::Duration;

use super::Walked;
use crate::Store;
use crate::error::StoreError;

impl Store {
    /// Looks at the deliveries behind `after`, one page of them, and removes those that were born, and
    /// tried last, longer than `keep` ago. Begun with 0.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_old_deliveries(
        &self,
        after: u64,
        keep: Duration,
    ) -> Result<Walked, StoreError> {
        self.drop_ended(("webhook_delivery", after), keep, |kept_since| {
            format!("COALESCE(attempted_at, created_at) <= {kept_since}")
        })
        .await
    }
}
