//! `quay seed`: fills an example table with rows that are always the same.
//!
//! Rows are made on a thread of their own and go through a bounded channel into the store's bulk
//! door, in one transaction: afterwards the tenant has exactly the rows asked for, or those of
//! before. Shown by `tests/it/rows.rs` (the rows) and `tests/it/seed.rs` (on MySQL).

mod employee;
mod member;
mod python_random;
mod user;
mod words;

use std::fmt;
use std::time::Instant;

use clap::ValueEnum;
use domain::Tenant;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;
use store::{BulkChunk, BulkLoad, BulkRows, BulkTable, BulkWay, Refill, StoreError};
use tokio::sync::mpsc;

use crate::cli::SeedArgs;
use crate::exit::{Exit, Failure};
use crate::migrate::{refuses_login, store_failure};
use crate::print::{answer, say};
use crate::tasks::print_json;
use crate::text::{count, rate};
use python_random::PythonRandom;

/// Text of one chunk, in bytes, before it is handed over.
const CHUNK_BYTES: usize = 256 << 10;

/// Chunks that wait for the database, at most.
const WAITING_CHUNKS: usize = 8;

/// The tenant whose rows have the ids 1 to N where the table is otherwise empty.
const FIRST_TENANT: &str = "acme";

/// The example tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sample {
    /// Employees; some marked as deleted if asked.
    Employee,
    /// Accounts; some marked as deleted if asked.
    User,
    /// Members, byte for byte as the generator of the peers' benchmark makes them.
    Member,
}

impl Sample {
    fn table(self) -> &'static str {
        match self {
            Self::Employee => "employee",
            Self::User => "user",
            Self::Member => "member",
        }
    }

    /// The columns of a row in order, the id first, the tenant left out.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Employee => employee::COLUMNS,
            Self::User => user::COLUMNS,
            Self::Member => member::COLUMNS,
        }
    }

    fn can_be_deleted(self) -> bool {
        match self {
            Self::Employee | Self::User => true,
            Self::Member => false,
        }
    }
}

/// The endless sequence of an example table's rows, the same in every process.
pub struct SampleRows {
    sample: Sample,
    random: PythonRandom,
    made: u64,
    deleted_percent: u8,
    with_id: bool,
}

impl SampleRows {
    /// The sequence from its first row. Without `with_id` the first column is left out.
    #[must_use]
    pub fn new(sample: Sample, deleted_percent: u8, with_id: bool) -> Self {
        let seed = match sample {
            Sample::Employee => employee::SEED,
            Sample::User => user::SEED,
            Sample::Member => member::SEED,
        };
        Self {
            sample,
            random: PythonRandom::new(seed),
            made: 0,
            deleted_percent,
            with_id,
        }
    }

    /// Writes the next row.
    pub fn write_next(&mut self, row: &mut BulkRows) {
        self.made += 1;
        if self.with_id {
            row.text(&self.made.to_string());
        }
        match self.sample {
            Sample::Employee => {
                employee::write(&mut self.random, self.made, self.deleted_percent, row);
            }
            Sample::User => user::write(&mut self.random, self.made, self.deleted_percent, row),
            Sample::Member => member::write(&mut self.random, self.made, row),
        }
        row.end_row();
    }

    /// Passes over rows.
    fn skip(&mut self, rows: u64) {
        let mut unread = BulkRows::default();
        for _ in 0..rows {
            self.write_next(&mut unread);
            if unread.size_bytes() > CHUNK_BYTES {
                drop(unread.take());
            }
        }
    }
}

pub(crate) async fn run(args: SeedArgs) -> Result<Exit, Failure> {
    let tenant = Tenant::parse(args.tenant.as_str());
    let tenant = tenant.map_err(|wrong| Failure::usage(wrong.to_string()))?;
    let sample = args.dataset;
    if args.deleted_percent > 0 && !sample.can_be_deleted() {
        let what = format!(
            "--deleted-percent: rows of {} cannot be marked",
            sample.table()
        );
        return Err(Failure::usage(what));
    }
    let url = args.mysql.url()?;
    let began = Instant::now();
    let (loaded, before) = fill(url, &args, tenant)
        .await
        .map_err(|error| not_filled(sample, &error))?;
    let time = began.elapsed();
    if loaded.way == BulkWay::Insert && !args.insert {
        say("The server has local_infile=OFF, so the rows went by INSERT, which is slower.");
    }
    let rate = rate(loaded.rows, time);
    if args.out.json {
        print_json(&json!({
            "dataset": sample.table(),
            "tenant": args.tenant,
            "rows": loaded.rows,
            "rows_before": before,
            "by": match loaded.way {
                BulkWay::LoadData => "LOAD DATA",
                BulkWay::Insert => "INSERT",
            },
            "seconds": time.as_secs_f64(),
            "rows_per_second": rate,
        }));
    } else {
        answer(format_args!(
            "{}: {} rows for tenant {} in {:.1} s, {} rows/s",
            sample.table(),
            count(loaded.rows),
            args.tenant,
            time.as_secs_f64(),
            count(rate)
        ));
        if before > 0 {
            answer(format_args!(
                "It has {} rows now.",
                count(before + loaded.rows)
            ));
        }
    }
    Ok(Exit::Done)
}

/// What was loaded, and how many rows the tenant kept.
async fn fill(
    url: &str,
    args: &SeedArgs,
    tenant: Tenant,
) -> Result<(store::BulkLoaded, u64), StoreError> {
    let sample = args.dataset;
    let refill = if args.append {
        Refill::Append
    } else {
        Refill::Replace
    };
    let first = tenant.as_str() == FIRST_TENANT;
    let table = BulkTable {
        table: sample.table().to_owned(),
        tenant_column: "tenant".to_owned(),
        tenant,
    };
    let load = BulkLoad::begin(url, table, refill, args.insert).await?;
    let before = load.rows_before();
    let with_id = first && load.table_is_empty();
    let columns = sample.columns();
    let columns = if with_id {
        columns
    } else {
        columns.get(1..).unwrap_or_default()
    };
    let mut rows = SampleRows::new(sample, args.deleted_percent, with_id);
    let wanted = args.rows;
    let (chunks, received) = mpsc::channel(WAITING_CHUNKS);
    let bar = ProgressBar::new(wanted);
    bar.set_style(style());
    let shown = bar.clone();
    let maker = tokio::task::spawn_blocking(move || {
        rows.skip(before);
        make(&mut rows, wanted, &chunks, &shown);
    });
    let loaded = load.load(columns, received, wanted).await;
    bar.finish_and_clear();
    let loaded = loaded?;
    maker
        .await
        .map_err(|error| StoreError::Refused(Box::new(error)))?;
    Ok((loaded, before))
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {human_pos} of {human_len} rows  {rate} rows/s  {eta} left";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_wrong| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A bar has nowhere to tell of a failure to be drawn.
            out.write_str(&count(rate(state.pos(), state.elapsed())))
                .ok();
        })
}

/// Makes rows until there are enough or nobody takes them any more.
fn make(rows: &mut SampleRows, wanted: u64, to: &mpsc::Sender<BulkChunk>, bar: &ProgressBar) {
    let mut text = BulkRows::default();
    for made in 1..=wanted {
        rows.write_next(&mut text);
        if text.size_bytes() >= CHUNK_BYTES || made == wanted {
            bar.set_position(made);
            if to.blocking_send(text.take()).is_err() {
                return;
            }
        }
    }
}

fn not_filled(sample: Sample, error: &StoreError) -> Failure {
    let deed = format!("cannot fill {}", sample.table());
    let failure = store_failure(&deed, error);
    match error {
        StoreError::Refused(_) if !refuses_login(error) => {
            failure.also("No row was changed. Is the table there? quay migrate --examples")
        }
        StoreError::Refused(_)
        | StoreError::Unavailable(_)
        | StoreError::Contended(_)
        | StoreError::UnknownCommit(_)
        | StoreError::Fenced
        | StoreError::Duplicate(_)
        | StoreError::InProgress(_)
        | StoreError::Corrupt(_) => failure,
    }
}
