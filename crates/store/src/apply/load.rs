//! Many new rows at once, by LOAD DATA LOCAL from memory.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::ColumnType;

use super::fault::{Trouble, judge};
use super::infile::Offer;
use super::search::quoted;
use super::statement::{Desk, fixed_columns};
use super::target::ApplyTarget;
use crate::error::StoreError;

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    affected: i64,
    #[diesel(sql_type = BigInt)]
    warnings: i64,
}

/// Sends new rows by LOAD DATA. Answers false, and nothing of them stays, when a row is bad, or the
/// server has no `local_infile`: rows in statements will tell.
///
/// LOCAL implies IGNORE: bad values would be stored altered, and duplicates be skipped, with an OK. So
/// it counts only when there is not one warning and every row was affected. The rows hold no null that
/// a column refuses, and no column is missing that must be given: of those, it does not even warn
/// (of a null, where the table has a trigger).
pub(super) async fn load(
    desk: &mut Desk<'_>,
    columns: &[usize],
    rows: &[usize],
) -> Result<bool, StoreError> {
    let offer = Offer::new(desk.batch.text(rows));
    let sql = format!(
        "SAVEPOINT quayside_load; {}; \
         GET DIAGNOSTICS @quayside_affected = ROW_COUNT, @quayside_warnings = NUMBER",
        load_data(desk.target, offer.name(), columns)
    );
    match desk.connection.batch_execute(&sql).await {
        Ok(()) => {
            let counts: Counts = sql_query(
                "SELECT CAST(@quayside_affected AS SIGNED) AS affected, \
                 CAST(@quayside_warnings AS SIGNED) AS warnings",
            )
            .get_result(desk.connection)
            .await?;
            if counts.warnings == 0 && usize::try_from(counts.affected) == Ok(rows.len()) {
                return Ok(true);
            }
        }
        Err(error) => match judge(desk.connection, desk.target, error).await {
            Trouble::House(error) if error.is_transient() => return Err(error),
            Trouble::House(_) | Trouble::Rows(_) => (),
        },
    }
    desk.connection
        .batch_execute("ROLLBACK TO SAVEPOINT quayside_load")
        .await?;
    Ok(false)
}

fn load_data(target: &ApplyTarget, name: &str, columns: &[usize]) -> String {
    let fields = target.fields.iter().enumerate().map(|(at, field)| {
        match (columns.contains(&at), field.kind) {
            (false, _) => "@quayside_skipped".to_owned(),
            (true, ColumnType::Boolean) => format!("@quayside_field_{at}"),
            (true, _) => quoted(&field.name),
        }
    });
    let fields: Vec<String> = fields.collect();
    let fixed = fixed_columns(target).into_iter();
    let fixed = fixed.map(|(column, variable)| format!("{column} = {variable}"));
    let truths = columns.iter().filter_map(|at| {
        let field = &target.fields[*at];
        let value = target.taken(*at, &format!("@quayside_field_{at}"));
        (field.kind == ColumnType::Boolean).then(|| format!("{} = {value}", quoted(&field.name)))
    });
    let set: Vec<String> = fixed.chain(truths).collect();
    let set = match set.as_slice() {
        [] => String::new(),
        some => format!(" SET {}", some.join(", ")),
    };
    format!(
        "LOAD DATA LOCAL INFILE '{name}' INTO TABLE {} CHARACTER SET utf8mb4 \
         FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({}){set}",
        quoted(&target.table),
        fields.join(", ")
    )
}
