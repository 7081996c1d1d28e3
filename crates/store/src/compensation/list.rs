//! Business work in lists, newest first.
//!
//! There is no index of a tenant's rows by their age: each would cost every row a fifth of its speed
//! (facts.md). So a page walks the rows backwards, at most [`WALKED`] of them, and may end before it
//! is full: the list goes on where it stopped. One kind and one id are found by their key at once.

use diesel::mysql::Mysql;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{BizStatus, CompensateBizId};

use super::OF_BUSINESS;
use super::read::{COMPENSATION, Compensation, CompensationReach, CompensationRow};
use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::row::Id;

/// Rows that a page walks past at most.
const WALKED: usize = 20_000;

/// Which rows a list holds; several mean AND.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompensationFilter {
    /// Only of this kind.
    pub biz_type: Option<String>,
    /// Only about this.
    pub biz_id: Option<String>,
    /// Only in this state.
    pub status: Option<BizStatus>,
    /// Only of this group.
    pub group_id: Option<u64>,
}

type Query<'q> = BoxedSqlQuery<'q, Mysql, SqlQuery>;

impl Store {
    /// Business work that the caller may see, newest first, at most `limit`; `before` is where the
    /// page before ended. Answers the page, and where the next one begins if there may be more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn compensations(
        &self,
        reach: &CompensationReach,
        filter: CompensationFilter,
        before: Option<CompensateBizId>,
        limit: usize,
    ) -> Result<(Vec<Compensation>, Option<CompensateBizId>), StoreError> {
        let reach = reach.clone();
        self.transact(
            Op::ReadCompensations,
            async move |connection: &mut Connection| {
                let before = before.map_or(u64::MAX, |id| id.0);
                let floor = match (&filter.biz_type, &filter.biz_id) {
                    (Some(_), Some(_)) => None,
                    (Some(_) | None, _) => floor(connection, &filter, before).await?,
                };
                let mut rows: Vec<CompensationRow> = Vec::new();
                for tenant in &reach.tenants {
                    let mut query = filtered(&filter, tenant.as_str());
                    if let Some(user) = &reach.user {
                        query = query
                            .sql(" AND created_by = ?")
                            .bind::<Text, _>(user.as_str());
                    }
                    let query = query
                        .sql(" AND id < ? AND id >= ?")
                        .bind::<Unsigned<BigInt>, _>(before)
                        .bind::<Unsigned<BigInt>, _>(floor.unwrap_or(0))
                        .sql(format!(" ORDER BY id DESC LIMIT {}", limit + 1));
                    rows.extend(query.load::<CompensationRow>(connection).await?);
                }
                rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
                let more = rows.len() > limit;
                rows.truncate(limit);
                let last = rows.last().filter(|_| more).map(|row| row.id);
                let next = last.or(floor).map(CompensateBizId);
                let items = rows.into_iter().map(CompensationRow::into_compensation);
                Ok((items.collect::<Result<_, _>>()?, next))
            },
        )
        .await
    }
}

/// Where a walk ends that begins below `before`; none when it comes to the end of all rows.
async fn floor(
    connection: &mut Connection,
    filter: &CompensationFilter,
    before: u64,
) -> Result<Option<u64>, StoreError> {
    let (key, of_group) = match filter.group_id {
        Some(group) => ("group_id", format!("group_id = {group} AND")),
        None => ("PRIMARY", String::new()),
    };
    let found: Vec<Id> = sql_query(format!(
        "SELECT id FROM compensate_biz FORCE INDEX ({key}) WHERE {of_group} id < ? \
         ORDER BY id DESC LIMIT 1 OFFSET {WALKED}"
    ))
    .bind::<Unsigned<BigInt>, _>(before)
    .load(connection)
    .await?;
    Ok(found.into_iter().next().map(|row| row.id))
}

fn filtered<'q>(filter: &'q CompensationFilter, tenant: &'q str) -> Query<'q> {
    let key = match (&filter.biz_type, &filter.biz_id, filter.group_id) {
        (Some(_), Some(_), _) => "tenant_biz",
        (_, _, Some(_)) => "group_id",
        (_, _, None) => "PRIMARY",
    };
    let mut query = sql_query(format!(
        "{COMPENSATION} FORCE INDEX ({key}) WHERE tenant = ? AND {OF_BUSINESS}"
    ))
    .into_boxed()
    .bind::<Text, _>(tenant);
    if let Some(biz_type) = &filter.biz_type {
        query = query.sql(" AND biz_type = ?").bind::<Text, _>(biz_type);
    }
    if let Some(biz_id) = &filter.biz_id {
        query = query.sql(" AND biz_id = ?").bind::<Text, _>(biz_id);
    }
    if let Some(status) = filter.status {
        query = query
            .sql(" AND status = ?")
            .bind::<Text, _>(status.as_str());
    }
    if let Some(group) = filter.group_id {
        query = query
            .sql(" AND group_id = ?")
            .bind::<Unsigned<BigInt>, _>(group);
    }
    query
}
