//! Rows of calls find their places: what is new is inserted in bounded statements, what is there
//! already is read.
//!
//! A plain INSERT says by its success that all of its rows are new. A duplicate key undoes that
//! statement alone; the known ones are then looked up, and the rest is inserted. Keys go in their
//! order, so that of calls with the same keys one waits for the other instead of both for each other.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::mysql::Mysql;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{BizStatus, CompensateBizId, Lane};

use super::row::{FoundRow, Inserted, Row};
use super::{Due, NewCompensation, NewCompensations, SubmittedItem};
use crate::announce::Announced;
use crate::error::StoreError;
use crate::fragment::{after, quoted};
use crate::pool::Connection;

/// Rows of one statement (facts.md: best size).
const ROWS_PER_INSERT: usize = 1_000;

/// Bytes of contexts in one statement, far below the least `max_allowed_packet`, unless one row
/// alone has more.
const CONTEXT_BYTES_PER_INSERT: usize = 1 << 20;

/// Tries of a statement that meets duplicates: rows may come and go between the look and the INSERT.
const TRIES: u32 = 4;

/// The calls whose rows are placed.
pub(super) struct Placing<'c> {
    calls: &'c [NewCompensations],
    pieces: Vec<Piece<'c>>,
    group_id: Option<u64>,
    token: u64,
    now: Option<DateTime<Utc>>,
}

/// An item, and the call that it stands in.
#[derive(Clone, Copy)]
struct Piece<'c> {
    call: &'c NewCompensations,
    item: &'c NewCompensation,
}

/// Tenant, kind and id.
type Key<'c> = (&'c str, &'c str, &'c str);

/// What became of a call's items.
pub(super) struct Placed {
    /// One for each item, in their order.
    pub(super) items: Vec<SubmittedItem>,
    /// How many rows this very transaction inserted.
    pub(super) inserted: u32,
    /// What is due and announced.
    pub(super) rung: Vec<(Lane, Announced)>,
}

impl<'c> Placing<'c> {
    /// `now` is the database's clock, by which due times are judged where calls name any.
    pub(super) fn new(
        calls: &'c [NewCompensations],
        group_id: Option<u64>,
        token: u64,
        now: Option<DateTime<Utc>>,
    ) -> Self {
        let pieces = calls.iter().flat_map(|call| {
            let items = call.items.iter();
            items.map(move |item| Piece { call, item })
        });
        Self {
            calls,
            pieces: pieces.collect(),
            group_id,
            token,
            now,
        }
    }

    /// What became of each call.
    pub(super) async fn place(
        &self,
        connection: &mut Connection,
    ) -> Result<Vec<Placed>, StoreError> {
        let order = self.in_order_of_keys();
        let mut rows: Vec<Option<Row>> = vec![None; self.pieces.len()];
        let mut left = order.as_slice();
        while !left.is_empty() {
            let (now, later) = left.split_at(self.fitting(left));
            self.place_some(connection, now, &mut rows).await?;
            left = later;
        }
        self.told(&rows)
    }

    /// Places of the items by their keys, each key once: the first that has it.
    fn in_order_of_keys(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pieces.len()).collect();
        order.sort_by_key(|place| self.key(*place));
        order.dedup_by_key(|place| self.key(*place));
        order
    }

    fn key(&self, place: usize) -> Key<'c> {
        let Piece { call, item } = self.pieces[place];
        let tenant = call.actor.tenant.as_str();
        (tenant, item.biz_type.as_str(), item.biz_id.as_str())
    }

    /// How many of the items go into the next statement: one at least.
    fn fitting(&self, places: &[usize]) -> usize {
        let mut bytes = 0;
        let fit = places.iter().take(ROWS_PER_INSERT).take_while(|place| {
            bytes += self.pieces[**place].item.context.len();
            bytes <= CONTEXT_BYTES_PER_INSERT
        });
        fit.count().max(1)
    }

    async fn place_some(
        &self,
        connection: &mut Connection,
        places: &[usize],
        rows: &mut [Option<Row>],
    ) -> Result<(), StoreError> {
        let mut missing = places.to_vec();
        for _ in 0..TRIES {
            if missing.is_empty() {
                return Ok(());
            }
            match self.insert(connection, &missing).await {
                Ok(ids) => {
                    for (place, id) in missing.iter().zip(ids) {
                        rows[*place] = Some(Row::new(id));
                    }
                    return Ok(());
                }
                Err(StoreError::Duplicate(_)) => {}
                Err(error) => return Err(error),
            }
            let found = self.find(connection, &missing).await?;
            missing.retain(|place| {
                rows[*place] = found.get(&self.key(*place)).copied();
                rows[*place].is_none()
            });
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(StoreError::Contended(
            "rows with these keys come and go".into(),
        ))
    }

    /// Inserts the rows, all or none; answers their ids. A multi-row INSERT of new rows gets ids in
    /// equal steps, whatever else is inserted meanwhile (`innodb_autoinc_lock_mode`, "simple
    /// inserts").
    async fn insert(
        &self,
        connection: &mut Connection,
        places: &[usize],
    ) -> Result<impl Iterator<Item = u64> + use<>, StoreError> {
        let values: Vec<String> = places
            .iter()
            .map(|place| self.values(self.pieces[*place]))
            .collect();
        // As text: to prepare a statement of thousands of parameters, and to bind them, takes the
        // server a third as long again as the rows themselves.
        connection
            .batch_execute(&format!(
                "INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context, created_by, \
                 trace_context, priority, group_id, submit_token, announced, wake_at) VALUES {}",
                values.join(",")
            ))
            .await?;
        let ids: Inserted =
            sql_query("SELECT LAST_INSERT_ID() AS first, @@auto_increment_increment AS step")
                .get_result(connection)
                .await?;
        Ok((0..places.len() as u64).map(move |place| ids.first + place * ids.step))
    }

    fn values(&self, Piece { call, item }: Piece<'_>) -> String {
        let wait = self.wait(item);
        let (is_announced, wake) = if wait.is_zero() {
            ("TRUE", item.scan_interval)
        } else {
            ("FALSE", wait)
        };
        let texts = [
            call.actor.tenant.as_str(),
            item.biz_type.as_str(),
            item.biz_id.as_str(),
            item.lane.as_str(),
            item.context.as_str(),
            call.actor.user.as_str(),
        ];
        let trace = call.trace_context.as_deref();
        let trace = trace.map_or("NULL".to_owned(), quoted);
        let group = self.group_id.map_or("NULL".to_owned(), |id| id.to_string());
        format!(
            "({}, {trace}, {}, {group}, {}, {is_announced}, {})",
            texts.map(quoted).join(","),
            item.priority,
            self.token,
            after(wake)
        )
    }

    /// How long until the item is due; zero when it is.
    fn wait(&self, item: &NewCompensation) -> Duration {
        match (item.due, self.now) {
            (due, Some(now)) => due.wait(now),
            (Due::After(delay), None) => delay,
            (Due::Now | Due::At(_), None) => Duration::ZERO,
        }
    }

    /// Those of the items that have a row, by their keys. The places are in the order of the keys.
    async fn find(
        &self,
        connection: &mut Connection,
        places: &[usize],
    ) -> Result<HashMap<Key<'c>, Row>, StoreError> {
        let mut found = HashMap::with_capacity(places.len());
        let kind = |place: usize| {
            let (tenant, biz_type, _) = self.key(place);
            (tenant, biz_type)
        };
        for places in places.chunk_by(|one, other| kind(*one) == kind(*other)) {
            let (tenant, biz_type) = kind(places[0]);
            let keys: HashMap<&str, Key<'c>> = places
                .iter()
                .map(|place| self.key(*place))
                .map(|key| (key.2, key))
                .collect();
            let mut find = sql_query(format!(
                "SELECT id, biz_id, status, lease_epoch, submit_token \
                 FROM compensate_biz FORCE INDEX (tenant_biz) \
                 WHERE tenant = ? AND biz_type = ? AND biz_id IN ({})",
                vec!["?"; places.len()].join(",")
            ))
            .into_boxed::<Mysql>()
            .bind::<Text, _>(tenant)
            .bind::<Text, _>(biz_type);
            for place in places {
                find = find.bind::<Text, _>(self.key(*place).2);
            }
            let rows: Vec<FoundRow> = find.load(connection).await?;
            for row in rows {
                // The collation pads: a plain SQL client's trailing spaces do not count.
                if let Some(key) = keys.get(row.biz_id.trim_end_matches(' ')) {
                    found.insert(*key, row.into_row(self.token)?);
                }
            }
        }
        Ok(found)
    }

    /// Call after call, one item after the other, and what is to be rung.
    fn told(&self, rows: &[Option<Row>]) -> Result<Vec<Placed>, StoreError> {
        let first: HashMap<Key<'c>, Row> = rows
            .iter()
            .enumerate()
            .filter_map(|(place, row)| row.map(|row| (self.key(place), row)))
            .collect();
        let mut told = Vec::with_capacity(self.calls.len());
        let mut place = 0;
        for call in self.calls {
            let mut placed = Placed {
                items: Vec::with_capacity(call.items.len()),
                inserted: 0,
                rung: Vec::new(),
            };
            for item in &call.items {
                let own = rows[place];
                let row = own.or_else(|| first.get(&self.key(place)).copied());
                let row =
                    row.ok_or_else(|| StoreError::Corrupt("an item has no row".to_owned()))?;
                self.tell(&mut placed, call, item, row, own.is_some());
                place += 1;
            }
            told.push(placed);
        }
        Ok(told)
    }

    /// `is_first`: no item before it has its key.
    fn tell(
        &self,
        placed: &mut Placed,
        call: &NewCompensations,
        item: &NewCompensation,
        row: Row,
        is_first: bool,
    ) {
        let is_this_calls = is_first && row.is_own;
        placed.items.push(SubmittedItem {
            id: CompensateBizId(row.id),
            status: row.status,
            duplicate: !is_this_calls,
        });
        placed.inserted += u32::from(is_first && row.is_new);
        let waits = row.status == BizStatus::WaitHandle && row.epoch == 0;
        if is_this_calls && waits && self.wait(item).is_zero() {
            let announced = Announced {
                rung: row.rung(),
                trace_context: call.trace_context.clone(),
            };
            placed.rung.push((item.lane.clone(), announced));
        }
    }
}
