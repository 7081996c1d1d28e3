//! Groups of which nothing is left but themselves: ended, of no task, and without a row.

use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use super::rows::DELETED_AT_ONCE;
use super::{Walked, before, met, page};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;

impl Store {
    /// Looks at the groups behind `after`, one page of them, and removes those that ended longer than
    /// `keep` ago, whose rows have gone before, and that belong to no task. Begun with 0.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_empty_groups(
        &self,
        after: u64,
        keep: Duration,
    ) -> Result<Walked, StoreError> {
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let kept_since = before(keep);
            let ended =
                format!("sealed AND ended_generation = generation AND updated_at <= {kept_since}");
            let met = met(connection, ("compensate_group", after), &kept_since, &ended).await?;
            let (next, old) = page(&met);
            let mut removed = 0;
            for old in old.chunks(DELETED_AT_ONCE) {
                // A member that is put back locks its row first, and then this. LIMIT keeps the server
                // from making a join of it that reads the whole index.
                let empty: Vec<Id> = sql_query(format!(
                    "SELECT g.id FROM compensate_group g FORCE INDEX (PRIMARY) \
                     LEFT JOIN task t FORCE INDEX (PRIMARY) ON t.id = g.task_id \
                     WHERE g.id IN ({}) AND {ended} AND t.id IS NULL AND (SELECT c.id \
                     FROM compensate_biz c FORCE INDEX (group_id) WHERE c.group_id = g.id \
                     LIMIT 1) IS NULL \
                     ORDER BY g.id FOR UPDATE OF g SKIP LOCKED",
                    list(old.iter().copied()),
                    ended = ended.replace("updated_at", "g.updated_at"),
                ))
                .load(connection)
                .await?;
                if empty.is_empty() {
                    continue;
                }
                removed += sql_query(format!(
                    "DELETE g FROM compensate_group g FORCE INDEX (PRIMARY) WHERE id IN ({})",
                    list(empty.into_iter().map(|group| group.id))
                ))
                .execute(connection)
                .await?;
            }
            Ok(Walked { next, removed })
        })
        .await
    }
}
