//! One SELECT from a definition and a spec: identifiers from the one, bound values from the other.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use domain::{
    Column, ColumnType, Dataset, ExportSpec, FieldFault, LiveValue, Operand, Predicate, Tenancy,
    Tenant,
};
use mysql_async::Value;

/// Stands before a wildcard that is meant as itself. Not the backslash, whose meaning hangs on
/// the session's sql_mode.
const ESCAPE: char = '|';
/// Longest that rows are counted, in milliseconds. On a small machine InnoDB counts some five
/// million rows a second by walking the primary key.
const COUNT_MILLIS: u32 = 2_000;

/// What to read.
#[derive(Debug, Clone, PartialEq)]
pub struct RowQuery {
    /// The server to ask, if it is not the house's own.
    pub(super) source: Option<String>,
    pub(super) table: String,
    /// The types of the columns read, in order.
    pub(super) kinds: Vec<ColumnType>,
    values: Vec<Value>,
    /// The order is the primary key's own.
    pub(super) in_key_order: bool,
    /// Count to the end, however long it takes: how many files and sheets there will be hangs on it,
    /// and must be known before the first byte.
    counts_all: bool,
    columns: String,
    filter: String,
    order: String,
}

impl RowQuery {
    /// The query of an export, over the rows of one tenant that are not deleted.
    ///
    /// # Errors
    /// When the definition has lost something since the request was checked.
    pub fn new(dataset: &Dataset, spec: &ExportSpec, tenant: &Tenant) -> Result<Self, FieldFault> {
        let export = spec.resolve(dataset)?;
        let mut filter = Filter::default();
        if let Tenancy::Column(column) = &dataset.tenancy {
            filter.bind(
                format!("{} = ?", quoted(column)),
                Value::from(tenant.as_str()),
            );
        }
        if let Some(deleted) = &dataset.soft_delete {
            let column = quoted(&deleted.column);
            match &deleted.live {
                LiveValue::Null => filter.terms.push(format!("{column} IS NULL")),
                LiveValue::Value(live) => filter.bind(format!("{column} = ?"), Value::from(live)),
            }
        }
        for (column, predicate) in export.conditions {
            filter.add(column, predicate);
        }
        let key = dataset
            .primary_key
            .iter()
            .map(|column| (column.as_str(), false));
        Ok(Self {
            source: dataset.source.as_ref().map(|source| source.name.clone()),
            table: dataset.table.clone(),
            kinds: export.columns.iter().map(|column| column.kind).collect(),
            in_key_order: key.eq(export.sort.iter().copied()),
            counts_all: spec.options.rows_per_file.is_some()
                || spec.options.rows_per_sheet.is_some(),
            columns: list(export.columns.iter().map(|column| quoted(&column.name))),
            order: list(export.sort.iter().map(|(column, descending)| {
                format!(
                    "{}{}",
                    quoted(column),
                    if *descending { " DESC" } else { "" }
                )
            })),
            filter: filter.text(),
            values: filter.values,
        })
    }

    /// What every statement binds, in order.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Asks how the server would find the rows, and how many it expects.
    #[must_use]
    pub fn explain(&self) -> String {
        let (table, filter) = (quoted(&self.table), &self.filter);
        format!("EXPLAIN FORMAT=TRADITIONAL SELECT COUNT(*) FROM {table}{filter}")
    }

    /// Counts the rows, unless the number must be exact for a bounded time: 3024 ends it in MySQL,
    /// 1969 in MariaDB, which alone reads what stands in the first comment and takes the second for
    /// one.
    #[must_use]
    pub fn count(&self, by_key: bool) -> String {
        let (table, filter, index) = (quoted(&self.table), &self.filter, index(by_key));
        if self.counts_all {
            return format!("SELECT COUNT(*) FROM {table}{index}{filter}");
        }
        let seconds = f64::from(COUNT_MILLIS) / 1_000.0;
        format!(
            "/*M!100101 SET STATEMENT max_statement_time = {seconds} FOR */ \
             SELECT /*+ MAX_EXECUTION_TIME({COUNT_MILLIS}) */ COUNT(*) FROM {table}{index}{filter}"
        )
    }

    /// Reads the rows. With `by_key` the server walks the primary key instead of choosing for
    /// itself.
    #[must_use]
    pub fn select(&self, by_key: bool) -> String {
        let Self {
            columns,
            filter,
            order,
            table,
            ..
        } = self;
        format!(
            "SELECT {columns} FROM {}{}{filter} ORDER BY {order}",
            quoted(table),
            index(by_key)
        )
    }
}

fn index(by_key: bool) -> &'static str {
    if by_key { " FORCE INDEX (PRIMARY)" } else { "" }
}

/// Conditions joined by AND, with the values that they bind.
#[derive(Default)]
struct Filter {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    fn add(&mut self, column: &Column, predicate: &Predicate) {
        match predicate {
            // a boolean is true whenever it is not 0, as it is in the file
            Predicate::Eq(Operand::Bool(truth)) => self.truth(column, *truth),
            Predicate::Ne(Operand::Bool(truth)) => self.truth(column, !*truth),
            Predicate::Eq(operand) => self.compare(column, "=", operand),
            Predicate::Ne(operand) => self.compare(column, "<>", operand),
            Predicate::Gt(operand) => self.compare(column, ">", operand),
            Predicate::Gte(operand) => self.compare(column, ">=", operand),
            Predicate::Lt(operand) => self.compare(column, "<", operand),
            Predicate::Lte(operand) => self.compare(column, "<=", operand),
            Predicate::In(operands) => self.any_of(column, operands),
            Predicate::LikePrefix(prefix) => {
                let term = format!("{} LIKE ? ESCAPE '{ESCAPE}'", quoted(&column.name));
                self.bind(term, Value::from(pattern(prefix)));
            }
            Predicate::IsNull(true) => self.terms.push(format!("{} IS NULL", quoted(&column.name))),
            Predicate::IsNull(false) => {
                self.terms
                    .push(format!("{} IS NOT NULL", quoted(&column.name)));
            }
        }
    }

    fn compare(&mut self, column: &Column, operator: &str, operand: &Operand) {
        let term = format!("{} {operator} {}", quoted(&column.name), place(operand));
        self.bind(term, value(operand));
    }

    fn truth(&mut self, column: &Column, truth: bool) {
        let operator = if truth { "<>" } else { "=" };
        self.terms
            .push(format!("{} {operator} 0", quoted(&column.name)));
    }

    fn any_of(&mut self, column: &Column, operands: &[Operand]) {
        if operands.is_empty() {
            self.terms.push("FALSE".to_owned());
            return;
        }
        if column.kind == ColumnType::Boolean {
            let missing = [true, false].into_iter();
            let missing = missing.filter(|truth| !operands.contains(&Operand::Bool(*truth)));
            missing.for_each(|truth| self.truth(column, !truth));
            self.terms
                .push(format!("{} IS NOT NULL", quoted(&column.name)));
            return;
        }
        let places = list(operands.iter().map(|operand| place(operand).to_owned()));
        self.terms
            .push(format!("{} IN ({places})", quoted(&column.name)));
        self.values.extend(operands.iter().map(value));
    }

    fn bind(&mut self, term: String, value: Value) {
        self.terms.push(term);
        self.values.push(value);
    }

    fn text(&self) -> String {
        if self.terms.is_empty() {
            return String::new();
        }
        format!(" WHERE {}", self.terms.join(" AND "))
    }
}

/// An identifier; the definition holds none that would need more than the quotes.
fn quoted(identifier: &str) -> String {
    format!("`{identifier}`")
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// A decimal travels as text; without the cast it would be compared as a float.
fn place(operand: &Operand) -> &'static str {
    match operand {
        Operand::Decimal(_) => "CAST(? AS DECIMAL(65,30))",
        Operand::Text(_)
        | Operand::Int(_)
        | Operand::UInt(_)
        | Operand::Bool(_)
        | Operand::Date(_)
        | Operand::DateTime(_)
        | Operand::Time(_) => "?",
    }
}

fn value(operand: &Operand) -> Value {
    match operand {
        Operand::Text(text) | Operand::Decimal(text) => Value::from(text),
        Operand::Int(number) => Value::Int(*number),
        Operand::UInt(number) => Value::UInt(*number),
        Operand::Bool(truth) => Value::Int(i64::from(*truth)),
        Operand::Date(date) => moment(*date, NaiveTime::MIN),
        Operand::DateTime(it) => moment(it.date(), it.time()),
        Operand::Time(time) => {
            let (hour, minute, second, micros) = parts(*time);
            Value::Time(false, 0, hour, minute, second, micros)
        }
    }
}

fn moment(date: NaiveDate, time: NaiveTime) -> Value {
    let (hour, minute, second, micros) = parts(time);
    // the border lets only years 1 to 9999 in
    let year = u16::try_from(date.year()).unwrap_or_default();
    Value::Date(
        year,
        byte(date.month()),
        byte(date.day()),
        hour,
        minute,
        second,
        micros,
    )
}

fn parts(time: NaiveTime) -> (u8, u8, u8, u32) {
    // a leap second is told as 59 s with more than 1,000,000 µs
    let micros = (time.nanosecond() / 1_000).min(999_999);
    (
        byte(time.hour()),
        byte(time.minute()),
        byte(time.second()),
        micros,
    )
}

/// Months, days, hours, minutes and seconds are small.
fn byte(part: u32) -> u8 {
    u8::try_from(part).unwrap_or_default()
}
