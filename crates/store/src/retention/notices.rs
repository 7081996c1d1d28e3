//! Notifications that nothing new came to for long, read or not: what they told of is told by what it
//! is about.

use std::time::Duration;

use super::Walked;
use crate::Store;
use crate::error::StoreError;

impl Store {
    /// Looks at the notifications behind `after`, one page of them, and removes those that were told
    /// last longer than `keep` ago. Begun with 0.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_old_notifications(
        &self,
        after: u64,
        keep: Duration,
    ) -> Result<Walked, StoreError> {
        self.drop_ended(("notification", after), keep, |kept_since| {
            format!("updated_at <= {kept_since}")
        })
        .await
    }
}
