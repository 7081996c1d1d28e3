//! Which letters a bulk redrive takes, and in which transactions.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{CompensateBizId, DeadLetterId, Tenant};

use super::LETTERS_PER_TRANSACTION;
use crate::Store;
use crate::dead_letter::read::{DeadLetterFilter, filtered, selected};
use crate::dead_letter::redrive::{LETTERS_PER_STATEMENT, Target};
use crate::dead_letter::summary::{WAITING, number};
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

impl Store {
    /// How many letters the filter holds that nobody has acted on.
    pub(super) async fn matching(
        &self,
        tenant: &Tenant,
        filter: &DeadLetterFilter,
    ) -> Result<u64, StoreError> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let mut matched = 0;
                for filter in untouched(&filter) {
                    let select = selected(&filter, "SELECT COUNT(*) AS count FROM dead_letter");
                    let query = filtered(&select, &tenant, &filter).sql(" AND source = 'ROW'");
                    matched += number(query.get_result::<Count>(connection).await?.count)?;
                }
                Ok(matched)
            },
        )
        .await
    }

    /// The first of them behind `after`, at most so many.
    pub(super) async fn oldest(
        &self,
        tenant: &Tenant,
        filter: &DeadLetterFilter,
        after: u64,
        most: usize,
    ) -> Result<Vec<Target>, StoreError> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.transact(
            Op::ReadDeadLetters,
            async move |connection: &mut Connection| {
                let mut found: Vec<Found> = Vec::new();
                for filter in untouched(&filter) {
                    let select = selected(&filter, "SELECT id, compensate_biz_id FROM dead_letter");
                    let query = filtered(&select, &tenant, &filter)
                        .sql(" AND source = 'ROW' AND compensate_biz_id IS NOT NULL")
                        .sql(format!(" AND id > {after} ORDER BY id LIMIT {most}"));
                    found.extend(query.load::<Found>(connection).await?);
                }
                found.sort_unstable_by_key(|found| found.id);
                found.truncate(most);
                let target = |found: Found| Target {
                    letter: DeadLetterId(found.id),
                    row: CompensateBizId(found.compensate_biz_id),
                };
                Ok(found.into_iter().map(target).collect())
            },
        )
        .await
    }

    /// Cuts the letters into transactions: those of each group are one, and come first, for the end
    /// of an import is needless once its batches go on.
    pub(super) async fn by_group(
        &self,
        chosen: Vec<Target>,
    ) -> Result<Vec<(Option<u64>, Vec<Target>)>, StoreError> {
        let rows: Vec<u64> = chosen.iter().map(|target| target.row.0).collect();
        let groups: HashMap<u64, u64> = self
            .transact(
                Op::ReadDeadLetters,
                async move |connection: &mut Connection| {
                    let mut groups = HashMap::new();
                    for ids in rows.chunks(LETTERS_PER_STATEMENT) {
                        let found: Vec<Member> = sql_query(format!(
                            "SELECT id, group_id FROM compensate_biz FORCE INDEX (PRIMARY) \
                             WHERE id IN ({}) AND group_id IS NOT NULL",
                            list(ids.iter().copied())
                        ))
                        .load(connection)
                        .await?;
                        groups.extend(found.into_iter().map(|row| (row.id, row.group_id)));
                    }
                    Ok(groups)
                },
            )
            .await?;
        let mut of_group: BTreeMap<u64, Vec<Target>> = BTreeMap::new();
        let mut single = Vec::with_capacity(chosen.len());
        for target in chosen {
            match groups.get(&target.row.0) {
                Some(group) => of_group.entry(*group).or_default().push(target),
                None => single.push(target),
            }
        }
        let of_group = of_group.into_iter();
        let of_group = of_group.map(|(group, targets)| (Some(group), targets));
        let single = single.chunks(LETTERS_PER_TRANSACTION);
        let single = single.map(|targets| (None, targets.to_vec()));
        Ok(of_group.chain(single).collect())
    }
}

/// The filter, once for each state of what nobody has acted on: each walks its own index.
fn untouched(filter: &DeadLetterFilter) -> [DeadLetterFilter; 2] {
    WAITING.map(|status| DeadLetterFilter {
        status: Some(status),
        ..filter.clone()
    })
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    compensate_biz_id: u64,
}

/// A row of a group.
#[derive(QueryableByName)]
struct Member {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    group_id: u64,
}
