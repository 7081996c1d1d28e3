//! Which rows of a batch are in the table already: the table's own collation decides.
//!
//! The keys travel as one JSON text and are joined to the table by a unique index, so that a
//! statement has few placeholders whatever the number of rows, and no value is part of it.

use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::LiveValue;

use super::batch::Batch;
use super::statement::Desk;
use super::table::{Table, UniqueIndex};
use super::target::ApplyTarget;
use crate::error::StoreError;

/// A row of the batch that is in the table.
#[derive(Debug)]
pub(super) struct Found {
    /// Its place in the batch.
    pub(super) row: usize,
    /// Equal for rows of the batch that are one row of the table.
    pub(super) identity: String,
    /// Not deleted softly.
    pub(super) is_live: bool,
    /// Still has the version that the batch names; true where it names none.
    pub(super) is_fresh: bool,
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    place: u64,
    #[diesel(sql_type = Text)]
    identity: String,
    #[diesel(sql_type = BigInt)]
    live: i64,
    #[diesel(sql_type = BigInt)]
    fresh: i64,
}

/// How rows are looked for.
pub(super) struct Search<'a> {
    target: &'a ApplyTarget,
    /// Positions of the fields looked for, each with the type that makes it comparable.
    fields: Vec<(usize, String)>,
    index: Option<&'a str>,
    /// Only among the tenant's own rows.
    within_tenant: bool,
    locks: bool,
}

impl<'a> Search<'a> {
    /// By the dataset's key, locking what is found.
    pub(super) fn by_key(target: &'a ApplyTarget, table: &'a Table) -> Result<Self, StoreError> {
        let columns: Vec<&str> = target.key.iter().map(|at| target.name(*at)).collect();
        Ok(Self {
            target,
            fields: typed(target, table, &target.key)?,
            index: table.index_for(target, &columns).map(|it| it.name.as_str()),
            within_tenant: target.tenant.is_some(),
            locks: true,
        })
    }

    /// By a unique index, as an INSERT meets it; none when rows do not bring all of its columns.
    pub(super) fn by_index(
        target: &'a ApplyTarget,
        table: &'a Table,
        index: &'a UniqueIndex,
    ) -> Result<Option<Self>, StoreError> {
        let own = |name: &&String| target.tenant_column() == Some(name.as_str());
        let columns = index.columns.iter().filter(|name| !own(name));
        let Some(places) = columns
            .map(|name| target.position(name))
            .collect::<Option<Vec<usize>>>()
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            target,
            fields: typed(target, table, &places)?,
            index: Some(&index.name),
            within_tenant: index.columns.iter().any(|name| own(&name)),
            locks: false,
        }))
    }

    /// Looks for the rows, and keeps locked what it finds if it locks.
    pub(super) async fn run(
        &self,
        desk: &mut Desk<'_>,
        rows: &[usize],
    ) -> Result<Vec<Found>, StoreError> {
        let json = self.json(desk.batch, rows)?;
        if json.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = sql_query(self.select()).into_boxed::<Mysql>();
        if let Some(live) = self.target.live_value() {
            query = query.bind::<Text, _>(live);
        }
        query = query.bind::<Text, _>(json.text());
        if let Some((_, tenant)) = self.target.tenant.as_ref().filter(|_| self.within_tenant) {
            query = query.bind::<Text, _>(tenant.as_str());
        }
        let found: Vec<FoundRow> = query.load(desk.connection).await?;
        let found = found.into_iter().map(|row| {
            let place = usize::try_from(row.place);
            Ok(Found {
                row: place.map_err(|error| StoreError::Corrupt(error.to_string()))?,
                identity: row.identity,
                is_live: row.live != 0,
                is_fresh: row.fresh != 0,
            })
        });
        let mut found = found.collect::<Result<Vec<Found>, StoreError>>()?;
        found.sort_by_key(|found| found.row);
        Ok(found)
    }

    fn json(&self, batch: &Batch<'_>, rows: &[usize]) -> Result<Json, StoreError> {
        let mut json = Json::default();
        for row in rows {
            let values = batch.values(*row)?;
            let key: Vec<Option<&str>> = self
                .fields
                .iter()
                .map(|(at, _)| values[*at].text())
                .collect();
            // null equals nothing
            if key.iter().any(Option::is_none) {
                continue;
            }
            let place = row.to_string();
            let version = self.target.version_field();
            let version = version.map(|at| values[at].text());
            let head = [Some(place.as_str()), version.flatten()];
            json.push(head.into_iter().chain(key));
        }
        Ok(json)
    }

    fn select(&self) -> String {
        let target = self.target;
        let identity: Vec<String> = target
            .primary_key
            .iter()
            .map(|column| format!("HEX(CAST(t.{} AS BINARY))", quoted(column)))
            .collect();
        let live = match &target.soft_delete {
            None => "1".to_owned(),
            Some(deleted) => {
                let column = quoted(&deleted.column);
                match &deleted.live {
                    LiveValue::Null => format!("t.{column} IS NULL"),
                    LiveValue::Value(_) => format!("t.{column} <=> ?"),
                }
            }
        };
        // What is no number of a version is the version of no row.
        let fresh = match &target.version {
            Some(column) if target.version_field().is_some() => {
                let column = quoted(column);
                format!("v.w IS NULL OR CAST(t.{column} AS CHAR) <=> CAST(v.w AS CHAR)")
            }
            _ => "1".to_owned(),
        };
        let brought = ["n BIGINT UNSIGNED PATH '$[0]'", "w TEXT PATH '$[1]'"];
        let brought = brought.map(str::to_owned);
        format!(
            "SELECT v.n AS place, CAST(CONCAT_WS('-', {}) AS CHAR) AS identity, \
             CAST({live} AS SIGNED) AS live, CAST({fresh} AS SIGNED) AS fresh FROM {}{}",
            identity.join(", "),
            self.joined(2, brought.into_iter()),
            if self.locks { " FOR UPDATE" } else { "" }
        )
    }

    /// `(keys) v STRAIGHT_JOIN table t ON …`, with two placeholders: the JSON and, within a tenant,
    /// the tenant. The keys stand in each JSON row from `first` on; `brought` are further columns.
    pub(super) fn joined(&self, first: usize, brought: impl Iterator<Item = String>) -> String {
        let target = self.target;
        let keys = self.fields.iter().enumerate().map(|(at, (_, kind))| {
            let place = first + at;
            format!("k{at} {kind} PATH '$[{place}]'")
        });
        let columns: Vec<String> = keys.chain(brought).collect();
        let tenant = target.tenant_column().filter(|_| self.within_tenant);
        let tenant = tenant.map(|column| format!("t.{} = ?", quoted(column)));
        let equal = self
            .fields
            .iter()
            .enumerate()
            .map(|(at, (field, _))| format!("t.{} = v.k{at}", quoted(target.name(*field))));
        let on: Vec<String> = tenant.into_iter().chain(equal).collect();
        let index = self
            .index
            .map(|name| format!(" FORCE INDEX ({})", quoted(name)));
        // The inner SELECT: MySQL refuses to lock a bare JSON_TABLE (3569), MariaDB to update one.
        format!(
            "(SELECT * FROM JSON_TABLE(?, '$[*]' COLUMNS ({})) AS j) AS v \
             STRAIGHT_JOIN {} AS t{} ON {}",
            columns.join(", "),
            quoted(&target.table),
            index.unwrap_or_default(),
            on.join(" AND ")
        )
    }
}

fn typed(
    target: &ApplyTarget,
    table: &Table,
    places: &[usize],
) -> Result<Vec<(usize, String)>, StoreError> {
    let of = |at: &usize| Ok((*at, table.type_of(target.name(*at))?));
    places.iter().map(of).collect()
}

/// An identifier; the definition holds none that would need more than the quotes, an index of the
/// table may.
pub(super) fn quoted(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// Rows as a JSON array of arrays of texts.
#[derive(Default)]
pub(super) struct Json {
    rows: Vec<serde_json::Value>,
}

impl Json {
    pub(super) fn push<'a>(&mut self, row: impl Iterator<Item = Option<&'a str>>) {
        let values = row.map(|value| value.map_or(serde_json::Value::Null, Into::into));
        self.rows.push(values.collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn text(self) -> String {
        serde_json::Value::Array(self.rows).to_string()
    }
}
