//! Calls to webhooks, made or given up: who wants to know has had the time to look.

use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use super::rows::DELETED_AT_ONCE;
use super::{Met, PAGE_ROWS, Walked, before, page};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

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
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let kept_since = before(keep);
            let old = format!("COALESCE(attempted_at, created_at) <= {kept_since}");
            let met: Vec<Met> = sql_query(format!(
                "SELECT id, created_at <= {kept_since} AS is_old, {old} AS has_ended \
                 FROM webhook_delivery FORCE INDEX (PRIMARY) WHERE id > {after} \
                 ORDER BY id LIMIT {PAGE_ROWS}"
            ))
            .load(connection)
            .await?;
            let (next, ended) = page(&met);
            let mut removed = 0;
            for ended in ended.chunks(DELETED_AT_ONCE) {
                removed += sql_query(format!(
                    "DELETE d FROM webhook_delivery d FORCE INDEX (PRIMARY) \
                     WHERE id IN ({}) AND {old}",
                    list(ended.iter().copied())
                ))
                .execute(connection)
                .await?;
            }
            Ok(Walked { next, removed })
        })
        .await
    }
}
