//! The ledger of an import: one row for each batch that was applied, committed with the rows that it
//! counts. The counts of an open import are sums over it, read from an index alone; what a row has
//! against it lies beside them, compressed. Shown by `tests/it/import/`.

mod packed;

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Datetime, Integer, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{RowCode, RowError, TaskId, Tenant};

use crate::Store;
use crate::door::Op;
use crate::effects::Tx;
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

use packed::pack;
pub(crate) use packed::{packed_errors, unpack};

/// What has become of an import's rows so far, in rows; `by_code` in errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Inserted and updated, or valid where nothing is to be written.
    pub done: u64,
    pub inserted: u64,
    pub updated: u64,
    /// With at least one row error.
    pub failed: u64,
    /// Left out on purpose.
    pub skipped: u64,
    /// Row errors of each kind: a row may have several.
    pub by_code: BTreeMap<RowCode, u64>,
}

impl Ledger {
    /// Rows that something has become of.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.done + self.failed + self.skipped
    }
}

/// What has become of one batch, in rows.
#[derive(Debug, Clone, Copy)]
pub struct LedgerEntry<'a> {
    /// The batch, counted from 1.
    pub number: u32,
    /// Number of its first sheet row.
    pub first_row: u32,
    /// Number of its last sheet row.
    pub last_row: u32,
    /// Inserted and updated, or valid where nothing is to be written.
    pub done: u32,
    pub inserted: u32,
    pub updated: u32,
    /// With at least one error.
    pub failed: u32,
    pub skipped: u32,
    /// All that is wrong with its rows.
    pub errors: &'a [RowError],
}

impl Tx<'_> {
    /// Writes the ledger's row of a batch. Once for each: the task's counts rise with the commit.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the batch stands in the ledger already;
    /// [`StoreError::Corrupt`] when the row has no task.
    pub async fn record_batch(&mut self, entry: &LedgerEntry<'_>) -> Result<(), StoreError> {
        let task = crate::import::task_of(self)?;
        let errors = pack(entry.errors).await?;
        sql_query(
            "INSERT INTO import_batch (tenant, task_id, batch_no, first_row, last_row, done, \
             inserted, updated, failed, skipped, by_code, row_errors) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Unsigned<BigInt>, _>(task.0)
        .bind::<Unsigned<Integer>, _>(entry.number)
        .bind::<Unsigned<Integer>, _>(entry.first_row)
        .bind::<Unsigned<Integer>, _>(entry.last_row)
        .bind::<Unsigned<Integer>, _>(entry.done)
        .bind::<Unsigned<Integer>, _>(entry.inserted)
        .bind::<Unsigned<Integer>, _>(entry.updated)
        .bind::<Unsigned<Integer>, _>(entry.failed)
        .bind::<Unsigned<Integer>, _>(entry.skipped)
        .bind::<Nullable<Text>, _>(by_code(entry.errors)?)
        .bind::<Nullable<Binary>, _>(errors)
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The sums of an import's ledger, as committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ledger(&self, tenant: &Tenant, task: TaskId) -> Result<Ledger, StoreError> {
        let tenant = tenant.clone();
        self.transact(Op::ReadLedger, async move |connection: &mut Connection| {
            sums(connection, &tenant, task).await
        })
        .await
    }

    /// The first batch behind `after_batch` that has row errors, with all of them in sheet order.
    /// Begun with 0 and gone on with the number that came, it gives those of the whole import in
    /// sheet order, one batch in memory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn batch_errors(
        &self,
        tenant: &Tenant,
        task: TaskId,
        after_batch: u32,
    ) -> Result<Option<(u32, Vec<RowError>)>, StoreError> {
        let tenant = tenant.clone();
        let found = self
            .transact(Op::ReadLedger, async move |connection: &mut Connection| {
                let from = after_batch.saturating_add(1);
                packed_errors(connection, &tenant, task, from, None).await
            })
            .await?;
        match found {
            Some((number, packed)) => Ok(Some((number, unpack(packed).await?))),
            None => Ok(None),
        }
    }
}

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

fn by_code(errors: &[RowError]) -> Result<Option<String>, StoreError> {
    if errors.is_empty() {
        return Ok(None);
    }
    let mut sums: BTreeMap<RowCode, u64> = BTreeMap::new();
    for error in errors {
        *sums.entry(error.code).or_default() += 1;
    }
    serde_json::to_string(&sums).map(Some).map_err(corrupt)
}

pub(crate) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
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
