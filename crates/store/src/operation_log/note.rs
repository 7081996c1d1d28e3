//! Entries that come as work: rows of a biz type of kind `operation_log`, written in the transaction
//! that finishes them, so each once. An entry's time is that at which its row was submitted. Who
//! submits over the API stands beside whoever it says did it, and can tell of no act of the house's
//! own. Shown by biz-worker's `tests/it/operation_log.rs`.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{Failure, FailureCode, OperationNote};
use serde_json::Value;

use super::ENTRIES_PER_INSERT;
use crate::batch_run::{BatchRow, BatchTx};
use crate::error::StoreError;
use crate::fragment::list;
use crate::pool::Connection;

impl BatchTx<'_> {
    /// Writes the entries that the rows bear. Answers which are refused, by their place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log(&mut self, rows: &[BatchRow]) -> Result<Vec<(usize, Failure)>, StoreError> {
        let submitted = submitted(self.connection, rows).await?;
        let mut refused = Vec::new();
        let mut entries = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter().enumerate() {
            let submitted = submitted.get(&row.id.0).ok_or(StoreError::Fenced)?;
            match Entry::of(row, submitted) {
                Ok(entry) => entries.push(entry),
                Err(why) => {
                    refused.push((place, Failure::permanent(FailureCode::InvalidRequest, why)));
                }
            }
        }
        for entries in entries.chunks(ENTRIES_PER_INSERT) {
            insert(self.connection, entries).await?;
        }
        Ok(refused)
    }
}

/// An entry with the row that bears it.
struct Entry<'r> {
    row: &'r BatchRow,
    note: OperationNote,
    actor: String,
    told_by: Option<&'r str>,
    at: NaiveDateTime,
}

impl<'r> Entry<'r> {
    fn of(row: &'r BatchRow, submitted: &'r Submitted) -> Result<Self, &'static str> {
        let note = OperationNote::read(&row.context)?;
        let teller = submitted.created_by.as_deref();
        if teller.is_some() && note.is_of_the_house() {
            return Err("the action is one of the house's own words");
        }
        let actor = note.actor.as_ref().map(|actor| actor.as_str());
        let actor = actor.or(teller).ok_or("the entry names no actor")?;
        let actor = actor.to_owned();
        Ok(Self {
            row,
            note,
            told_by: teller.filter(|teller| *teller != actor),
            actor,
            at: submitted.created_at,
        })
    }
}

async fn insert(connection: &mut Connection, entries: &[Entry<'_>]) -> Result<(), StoreError> {
    let mut insert = sql_query(format!(
        "INSERT INTO operation_log (tenant, actor, action, object_kind, object_id, outcome, \
         detail, request_id, told_by, created_at) VALUES {}",
        vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; entries.len()].join(",")
    ))
    .into_boxed::<Mysql>();
    for Entry {
        row,
        note,
        actor,
        told_by,
        at,
    } in entries
    {
        let detail = note.detail.clone().map(|it| Value::Object(it).to_string());
        insert = insert
            .bind::<Text, _>(row.tenant.as_str())
            .bind::<Text, _>(actor)
            .bind::<Text, _>(&note.action)
            .bind::<Text, _>(&note.object_kind)
            .bind::<Text, _>(&note.object_id)
            .bind::<Text, _>(note.outcome.as_str())
            .bind::<Nullable<Text>, _>(detail)
            .bind::<Nullable<Text>, _>(note.request_id.as_deref())
            .bind::<Nullable<Text>, _>(*told_by)
            .bind::<Datetime, _>(*at);
    }
    insert.execute(connection).await?;
    Ok(())
}

/// Who submitted each row, and when.
async fn submitted(
    connection: &mut Connection,
    rows: &[BatchRow],
) -> Result<HashMap<u64, Submitted>, StoreError> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<Submitted> = sql_query(format!(
        "SELECT id, created_by, created_at FROM compensate_biz FORCE INDEX (PRIMARY) \
         WHERE id IN ({})",
        list(rows.iter().map(|row| row.id.0))
    ))
    .load(connection)
    .await?;
    Ok(found.into_iter().map(|it| (it.id, it)).collect())
}

#[derive(QueryableByName)]
struct Submitted {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Nullable<Text>)]
    created_by: Option<String>,
    #[diesel(sql_type = Datetime)]
    created_at: NaiveDateTime,
}
