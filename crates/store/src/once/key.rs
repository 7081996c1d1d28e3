//! The keys that clients give their requests, as table `idempotency` remembers them.

use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Tenant, UserId};

use crate::error::{StoreError, waited_in_vain};
use crate::fragment::after;
use crate::pool::Connection;

/// How long a client's key is remembered, in seconds (api.md, ground rules: 24 h).
const KEEP_KEYS_SECONDS: u64 = 24 * 3_600;

/// Tries to find the earlier request that a unique key speaks of, before the lock counts as
/// contended: it may end or expire at that very moment.
pub(crate) const FIND_TRIES: u32 = 3;

/// A client's key, and whose of which call: one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) user: &'a UserId,
    pub(crate) route: &'static str,
    pub(crate) key: &'a str,
}

/// The request that used a key first.
#[derive(QueryableByName)]
pub(crate) struct FirstRequest {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    /// 0 where it made none.
    #[diesel(sql_type = Unsigned<BigInt>)]
    pub(crate) task_id: u64,
    #[diesel(sql_type = Text)]
    pub(crate) request_hash: String,
    /// What it was answered where it made no task, compressed.
    #[diesel(sql_type = Nullable<Binary>)]
    pub(crate) answer: Option<Vec<u8>>,
    #[diesel(sql_type = Bool)]
    expired: bool,
}

const OF_KEY: &str = "tenant = ? AND created_by = ? AND route = ? AND idempotency_key = ?";

impl Key<'_> {
    /// Takes the key, or waits for whoever is about to. What became of the request is noted later in
    /// the transaction.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when it is taken; [`StoreError::InProgress`] when somebody has been
    /// about to for longer than a lock is waited for (3 s): not worth the four waits more that other
    /// locks are given.
    pub(crate) async fn take(
        self,
        connection: &mut Connection,
        request_hash: &str,
    ) -> Result<(), StoreError> {
        sql_query(format!(
            "INSERT INTO idempotency (tenant, created_by, route, idempotency_key, request_hash, \
             task_id, expires_at) VALUES (?, ?, ?, ?, ?, 0, {})",
            after(Duration::from_secs(KEEP_KEYS_SECONDS))
        ))
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Text, _>(self.user.as_str())
        .bind::<Text, _>(self.route)
        .bind::<Text, _>(self.key)
        .bind::<Text, _>(request_hash)
        .execute(connection)
        .await
        .map_err(in_progress)?;
        Ok(())
    }

    /// The key's task is the one that was inserted last.
    pub(crate) async fn name_inserted_task(
        self,
        connection: &mut Connection,
    ) -> Result<(), StoreError> {
        sql_query(format!(
            "UPDATE idempotency SET task_id = LAST_INSERT_ID() WHERE {OF_KEY}"
        ))
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Text, _>(self.user.as_str())
        .bind::<Text, _>(self.route)
        .bind::<Text, _>(self.key)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Notes what the request was answered, compressed: at most 16 MiB.
    pub(crate) async fn note_answer(
        self,
        connection: &mut Connection,
        answer: &[u8],
    ) -> Result<(), StoreError> {
        sql_query(format!("UPDATE idempotency SET answer = ? WHERE {OF_KEY}"))
            .bind::<Binary, _>(answer)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(self.user.as_str())
            .bind::<Text, _>(self.route)
            .bind::<Text, _>(self.key)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// The request that used the key; waits for one that is about to. One that has expired is removed,
    /// and counts as none.
    ///
    /// # Errors
    /// [`StoreError::InProgress`] as [`Key::take`].
    pub(crate) async fn first_request(
        self,
        connection: &mut Connection,
    ) -> Result<Option<FirstRequest>, StoreError> {
        let found: Vec<FirstRequest> = sql_query(format!(
            "SELECT id, task_id, request_hash, answer, \
             expires_at <= UTC_TIMESTAMP(6) AS expired \
             FROM idempotency FORCE INDEX (tenant_key) WHERE {OF_KEY} FOR UPDATE"
        ))
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Text, _>(self.user.as_str())
        .bind::<Text, _>(self.route)
        .bind::<Text, _>(self.key)
        .load(connection)
        .await
        .map_err(in_progress)?;
        let Some(first) = found.into_iter().next() else {
            return Ok(None);
        };
        if !first.expired {
            return Ok(Some(first));
        }
        sql_query("DELETE FROM idempotency WHERE id = ?")
            .bind::<Unsigned<BigInt>, _>(first.id)
            .execute(connection)
            .await?;
        Ok(None)
    }
}

fn in_progress(error: DieselError) -> StoreError {
    if waited_in_vain(&error) {
        StoreError::InProgress(Box::new(error))
    } else {
        error.into()
    }
}
