//! Idempotency keys past their time.

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use super::PAGE_ROWS;
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;
use crate::row::Id;

impl Store {
    /// Forgets keys of requests that have expired, oldest first, a page at most. Answers how many;
    /// fewer than [`Store::KEYS_AT_ONCE`] were all, or others are at the rest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_expired_keys(&self) -> Result<usize, StoreError> {
        self.transact(Op::Retention, async move |connection: &mut Connection| {
            let found: Vec<Id> = sql_query(format!(
                "SELECT id FROM idempotency FORCE INDEX (expires_at) \
                 WHERE expires_at <= UTC_TIMESTAMP(6) ORDER BY expires_at LIMIT {}",
                Self::KEYS_AT_ONCE
            ))
            .load(connection)
            .await?;
            let mut ids: Vec<u64> = found.into_iter().map(|row| row.id).collect();
            if ids.is_empty() {
                return Ok(0);
            }
            ids.sort_unstable();
            // Whoever uses a key at this moment looks at its time by itself.
            let free: Vec<Id> = sql_query(format!(
                "SELECT id FROM idempotency FORCE INDEX (PRIMARY) WHERE id IN ({}) \
                 AND expires_at <= UTC_TIMESTAMP(6) ORDER BY id FOR UPDATE SKIP LOCKED",
                list(ids)
            ))
            .load(connection)
            .await?;
            if free.is_empty() {
                return Ok(0);
            }
            Ok(sql_query(format!(
                "DELETE i FROM idempotency i FORCE INDEX (PRIMARY) WHERE id IN ({})",
                list(free.into_iter().map(|row| row.id))
            ))
            .execute(connection)
            .await?)
        })
        .await
    }

    /// The most that [`Store::forget_expired_keys`] takes at once.
    pub const KEYS_AT_ONCE: usize = PAGE_ROWS;
}
