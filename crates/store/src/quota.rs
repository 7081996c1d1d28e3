//! How many tasks may be open (pending or processing) at once: of one user, and of one tenant.
//!
//! Exact in the direction that counts, without a lock and without a counter: a transaction that
//! opens a task inserts it **first** and counts **then**, and its counts see what others have not
//! yet committed (READ UNCOMMITTED for these transactions alone, `Op::counts_the_uncommitted`). Of
//! any submits that are at it at once, the one whose row came last sees all the others; so never
//! more than the limit are accepted, from however many gateways. The price: at the very limit, in a
//! burst, a submit may be refused because of another one that is refused too. A locked row per
//! tenant would be exact both ways and would make every commit of a tenant wait for the one before;
//! a counter would also have to be kept right by everything that ends a task.
//!
//! Both counts are read from an index alone, at most as many entries as the limit. Shown by
//! `tests/it/quota.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::{Tenant, UserId};
use thiserror::Error;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;

/// How many tasks may be open at once; none is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenTaskLimits {
    /// Of one user.
    pub per_user: Option<u64>,
    /// Of all users of a tenant.
    pub per_tenant: Option<u64>,
}

/// How many tasks are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTasks {
    /// Of the user.
    pub of_user: u64,
    /// Of all users of its tenant.
    pub of_tenant: u64,
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Quota {
    /// The user's own.
    #[error("the user has too many open tasks")]
    User,
    /// That of all users of the tenant together.
    #[error("the tenant has too many open tasks")]
    Tenant,
}

impl Store {
    /// How many tasks of the user and of its tenant are open, as committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_tasks(
        &self,
        tenant: &Tenant,
        user: &UserId,
    ) -> Result<OpenTasks, StoreError> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.transact(Op::ReadQuota, async move |connection: &mut Connection| {
            count(connection, &tenant, &user).await
        })
        .await
    }
}

/// Called after the task was opened: takes the transaction back when that was one too many.
pub(crate) async fn check(
    connection: &mut Connection,
    limits: OpenTaskLimits,
    tenant: &Tenant,
    user: &UserId,
) -> Result<(), StoreError> {
    if limits == OpenTaskLimits::default() {
        return Ok(());
    }
    let open = count(connection, tenant, user).await?;
    if limits.per_user.is_some_and(|most| open.of_user > most) {
        return Err(StoreError::Refused(Box::new(Quota::User)));
    }
    if limits.per_tenant.is_some_and(|most| open.of_tenant > most) {
        return Err(StoreError::Refused(Box::new(Quota::Tenant)));
    }
    Ok(())
}

impl Quota {
    /// The limit that made [`check`] take a transaction back.
    pub(crate) fn reached(error: &StoreError) -> Option<Self> {
        match error {
            StoreError::Refused(cause) => cause.downcast_ref().copied(),
            StoreError::Unavailable(_)
            | StoreError::Contended(_)
            | StoreError::UnknownCommit(_)
            | StoreError::Fenced
            | StoreError::Duplicate(_)
            | StoreError::InProgress(_)
            | StoreError::Corrupt(_) => None,
        }
    }
}

async fn count(
    connection: &mut Connection,
    tenant: &Tenant,
    user: &UserId,
) -> Result<OpenTasks, StoreError> {
    let Counted { of_user, of_tenant } = sql_query(
        "SELECT (SELECT COUNT(*) FROM task FORCE INDEX (tenant_user_finished) \
         WHERE tenant = ? AND created_by = ? AND finished_at IS NULL) AS of_user, \
         (SELECT COUNT(*) FROM task FORCE INDEX (tenant_finished) \
         WHERE tenant = ? AND finished_at IS NULL) AS of_tenant",
    )
    .bind::<Text, _>(tenant.as_str())
    .bind::<Text, _>(user.as_str())
    .bind::<Text, _>(tenant.as_str())
    .get_result(connection)
    .await?;
    Ok(OpenTasks {
        of_user: of_user.unsigned_abs(),
        of_tenant: of_tenant.unsigned_abs(),
    })
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    of_user: i64,
    #[diesel(sql_type = BigInt)]
    of_tenant: i64,
}
