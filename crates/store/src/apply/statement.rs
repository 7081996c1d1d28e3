//! The statements that write rows: multi-row INSERT, and UPDATE by key.

use std::sync::Arc;

use diesel::mysql::Mysql;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};
use diesel_async::RunQueryDsl;

use super::batch::{Batch, Group};
use super::fault::{Trouble, judge};
use super::search::{Json, Search, quoted};
use super::table::Table;
use super::target::ApplyTarget;
use crate::error::StoreError;
use crate::pool::Connection;

/// What a write needs at hand.
pub(super) struct Desk<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) target: &'a ApplyTarget,
    pub(super) table: Arc<Table>,
    pub(super) batch: &'a Batch<'a>,
}

/// A way of writing rows that keep the same fields.
pub(super) enum Statement {
    Insert(Vec<usize>),
    Update(Vec<usize>),
}

impl Statement {
    /// New rows: what is kept takes the column's default, and so does the version.
    pub(super) fn insert(target: &ApplyTarget, group: &Group) -> Self {
        let version = target.version_field();
        let written = |at: &usize| !group.kept[*at] && Some(*at) != version;
        Self::Insert((0..target.fields.len()).filter(written).collect())
    }

    /// Rows that are there: neither their keys change nor, by the file, their version.
    pub(super) fn update(target: &ApplyTarget, group: &Group) -> Self {
        let fixed = |at: usize| {
            let name = &target.fields[at].name;
            target.key.contains(&at)
                || target.primary_key.contains(name)
                || target.version.as_ref() == Some(name)
        };
        let written = |at: &usize| !group.kept[*at] && !fixed(*at);
        Self::Update((0..target.fields.len()).filter(written).collect())
    }

    /// Whether a new row is whole with what this writes.
    pub(super) fn makes_whole_rows(&self, target: &ApplyTarget, table: &Table) -> bool {
        let written = self.columns().iter().map(|at| target.name(*at));
        let fixed = [target.tenant_column(), target.live_column()];
        let columns: Vec<&str> = written.chain(fixed.into_iter().flatten()).collect();
        table.is_whole_with(&columns)
    }

    /// The fields in which a null is refused.
    pub(super) fn without_null(&self, target: &ApplyTarget, table: &Table) -> Vec<usize> {
        let refuses = |at: &&usize| table.refuses_null(target.name(**at));
        self.columns().iter().filter(refuses).copied().collect()
    }

    pub(super) fn inserts(&self) -> bool {
        matches!(self, Self::Insert(_))
    }

    /// The fields that it writes.
    pub(super) fn columns(&self) -> &[usize] {
        match self {
            Self::Insert(columns) | Self::Update(columns) => columns,
        }
    }

    /// Placeholders of one row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Insert(columns) => columns.len().max(1),
            Self::Update(_) => 1,
        }
    }

    /// Writes all of the rows, or none and says why.
    pub(super) async fn write(&self, desk: &mut Desk<'_>, rows: &[usize]) -> Result<(), Trouble> {
        match self {
            Self::Insert(columns) => insert(desk, columns, rows).await,
            Self::Update(columns) => update(desk, columns, rows).await,
        }
    }
}

/// Sets what every new row gets beside its fields, for [`fixed_columns`].
pub(super) async fn set_fixed_values(
    connection: &mut Connection,
    target: &ApplyTarget,
) -> Result<(), StoreError> {
    let tenant = target.tenant.as_ref().map(|(_, tenant)| tenant.as_str());
    sql_query("SET @quayside_tenant = ?, @quayside_live = ?")
        .bind::<Nullable<Text>, _>(tenant)
        .bind::<Nullable<Text>, _>(target.live_value())
        .execute(connection)
        .await?;
    Ok(())
}

/// Columns that no row brings, each with the variable that holds its value.
pub(super) fn fixed_columns(target: &ApplyTarget) -> Vec<(String, &'static str)> {
    let tenant = target
        .tenant_column()
        .map(|column| (quoted(column), "@quayside_tenant"));
    let live = target
        .live_column()
        .map(|column| (quoted(column), "@quayside_live"));
    tenant.into_iter().chain(live).collect()
}

async fn insert(desk: &mut Desk<'_>, columns: &[usize], rows: &[usize]) -> Result<(), Trouble> {
    let target = desk.target;
    let fixed = fixed_columns(target);
    let names = fixed.iter().map(|(column, _)| column.clone());
    let names: Vec<String> = names
        .chain(columns.iter().map(|at| quoted(&target.fields[*at].name)))
        .collect();
    let values = fixed.iter().map(|(_, variable)| (*variable).to_owned());
    let values: Vec<String> = values
        .chain(columns.iter().map(|at| target.taken(*at, "?")))
        .collect();
    let row = format!("({})", values.join(", "));
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        quoted(&target.table),
        names.join(", "),
        vec![row.as_str(); rows.len()].join(", ")
    );
    let mut query = sql_query(sql).into_boxed::<Mysql>();
    for row in rows {
        let values = desk.batch.values(*row).map_err(Trouble::House)?;
        for at in columns {
            let text = values[*at].text().map(str::to_owned);
            query = query.bind::<Nullable<Text>, _>(text);
        }
    }
    match query.execute(desk.connection).await {
        Ok(taken) => all_taken(taken, rows),
        Err(error) => Err(judge(desk.connection, target, error).await),
    }
}

async fn update(desk: &mut Desk<'_>, columns: &[usize], rows: &[usize]) -> Result<(), Trouble> {
    let target = desk.target;
    let changes = changes(target, columns);
    if changes.is_empty() {
        return Ok(());
    }
    let search = Search::by_key(target, &desk.table).map_err(Trouble::House)?;
    let mut json = Json::default();
    for row in rows {
        let values = desk.batch.values(*row).map_err(Trouble::House)?;
        let key = target.key.iter().chain(columns);
        json.push(key.map(|at| values[*at].text()));
    }
    let brought = (0..columns.len()).map(|at| {
        let place = target.key.len() + at;
        format!("c{at} MEDIUMTEXT PATH '$[{place}]'")
    });
    let sql = format!(
        "UPDATE {} SET {}",
        search.joined(0, brought),
        changes.join(", ")
    );
    let mut query = sql_query(sql)
        .into_boxed::<Mysql>()
        .bind::<Text, _>(json.text());
    if let Some((_, tenant)) = &target.tenant {
        query = query.bind::<Text, _>(tenant.as_str());
    }
    if target.live_column().is_some() {
        query = query.bind::<Nullable<Text>, _>(target.live_value());
    }
    match query.execute(desk.connection).await {
        Ok(matched) => all_taken(matched, rows),
        Err(error) => Err(judge(desk.connection, target, error).await),
    }
}

/// `t.name = v.c0, …`; a row that was deleted softly is there again.
fn changes(target: &ApplyTarget, columns: &[usize]) -> Vec<String> {
    let brought = columns.iter().enumerate().map(|(place, at)| {
        let column = quoted(&target.fields[*at].name);
        format!("t.{column} = {}", target.taken(*at, &format!("v.c{place}")))
    });
    let version = target.version.as_deref().map(|column| {
        let column = quoted(column);
        format!("t.{column} = t.{column} + 1")
    });
    let live = target
        .live_column()
        .map(|column| format!("t.{} = ?", quoted(column)));
    brought.chain(version).chain(live).collect()
}

/// The rows are locked or new, so a count that differs is a fault of ours.
fn all_taken(taken: usize, rows: &[usize]) -> Result<(), Trouble> {
    if taken == rows.len() {
        return Ok(());
    }
    let wanted = rows.len();
    Err(Trouble::House(StoreError::Corrupt(format!(
        "a write met {taken} rows where {wanted} were given"
    ))))
}
