//! Dead letters that somebody has dealt with. One that is OPEN or PARKED waits for a person, however
//! long.

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
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let kept_since = before(keep);
            let settled =
                format!("status IN ('REDRIVEN', 'DISCARDED') AND updated_at <= {kept_since}");
            let met: Vec<Met> = sql_query(format!(
                "SELECT id, created_at <= {kept_since} AS is_old, {settled} AS has_ended \
                 FROM dead_letter FORCE INDEX (PRIMARY) WHERE id > {after} \
                 ORDER BY id LIMIT {PAGE_ROWS}"
            ))
            .load(connection)
            .await?;
            let (next, ended) = page(&met);
            if ended.is_empty() {
                return Ok(Walked { next, removed: 0 });
            }
            let mut removed = 0;
            for ended in ended.chunks(DELETED_AT_ONCE) {
                let ids = list(ended.iter().copied());
                removed += sql_query(format!(
                    "DELETE d FROM dead_letter d FORCE INDEX (PRIMARY) \
                     WHERE id IN ({ids}) AND {settled}"
                ))
                .execute(connection)
                .await?;
            }
            Ok(Walked { next, removed })
        })
        .await
    }
}
