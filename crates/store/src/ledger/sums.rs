//! Sums over the ledgers of imports, read from an index alone.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{RowCode, TaskId, Tenant};

use super::{Ledger, corrupt};
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

/// The sums of one import's ledger.
pub(crate) async fn sums(
    connection: &mut Connection,
    tenant: &Tenant,
    task: TaskId,
) -> Result<Ledger, StoreError> {
    let mut counted = counted(connection, &[task.0], Some(tenant)).await?;
    Ok(counted.remove(&task.0).unwrap_or_default().ledger)
}

/// A ledger's sums, and when its last row was written.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) ledger: Ledger,
    pub(crate) last_at: Option<NaiveDateTime>,
}

/// The sums of the tasks' ledgers; of one tenant, where it is given. A task without a batch is left
/// out.
pub(crate) async fn counted(
    connection: &mut Connection,
    tasks: &[u64],
    tenant: Option<&Tenant>,
) -> Result<HashMap<u64, Counted>, StoreError> {
    if tasks.is_empty() {
        return Ok(HashMap::new());
    }
    let mut tasks = tasks.to_vec();
    tasks.sort_unstable();
    let from = format!(
        "FROM task t FORCE INDEX (PRIMARY) STRAIGHT_JOIN import_batch b FORCE INDEX (sums) \
         ON b.tenant = t.tenant AND b.task_id = t.id WHERE t.id IN ({}){}",
        list(tasks),
        if tenant.is_some() {
            " AND t.tenant = ?"
        } else {
            ""
        }
    );
    let sums = format!(
        "SELECT t.id, CAST(SUM(b.done) AS UNSIGNED) AS done, \
         CAST(SUM(b.inserted) AS UNSIGNED) AS inserted, \
         CAST(SUM(b.updated) AS UNSIGNED) AS updated, CAST(SUM(b.failed) AS UNSIGNED) AS failed, \
         CAST(SUM(b.skipped) AS UNSIGNED) AS skipped, MAX(b.created_at) AS last_at {from} \
         GROUP BY t.id"
    );
    let sums: Vec<SumRow> = of_tenant(sums, tenant).load(connection).await?;
    let any_failed = sums.iter().any(|row| row.failed > 0);
    let mut counted: HashMap<u64, Counted> =
        sums.into_iter().map(|row| (row.id, row.into())).collect();
    if any_failed {
        let codes = format!("SELECT t.id, b.by_code {from} AND b.by_code IS NOT NULL");
        let codes: Vec<CodesRow> = of_tenant(codes, tenant).load(connection).await?;
        for CodesRow { id, by_code } in codes {
            if let Some(counted) = counted.get_mut(&id) {
                add(&mut counted.ledger.by_code, &by_code)?;
            }
        }
    }
    Ok(counted)
}

type Query = diesel::query_builder::BoxedSqlQuery<
    'static,
    diesel::mysql::Mysql,
    diesel::query_builder::SqlQuery,
>;

fn of_tenant(sql: String, tenant: Option<&Tenant>) -> Query {
    let query = sql_query(sql).into_boxed();
    match tenant {
        Some(tenant) => query.bind::<Text, _>(tenant.as_str().to_owned()),
        None => query,
    }
}

fn add(sums: &mut BTreeMap<RowCode, u64>, by_code: &str) -> Result<(), StoreError> {
    let own: BTreeMap<RowCode, u64> = serde_json::from_str(by_code).map_err(corrupt)?;
    for (code, count) in own {
        *sums.entry(code).or_default() += count;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct SumRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    done: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    inserted: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    updated: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    failed: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    skipped: u64,
    #[diesel(sql_type = Nullable<Datetime>)]
    last_at: Option<NaiveDateTime>,
}

impl From<SumRow> for Counted {
    fn from(row: SumRow) -> Self {
        Self {
            ledger: Ledger {
                done: row.done,
                inserted: row.inserted,
                updated: row.updated,
                failed: row.failed,
                skipped: row.skipped,
                by_code: BTreeMap::new(),
            },
            last_at: row.last_at,
        }
    }
}

#[derive(QueryableByName)]
struct CodesRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    by_code: String,
}
