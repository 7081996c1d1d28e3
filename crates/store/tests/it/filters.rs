//! Whatever is asked of whatever rows: the server answers as a plain reading of the contract does.
//!
//! Random rows and random filters of every operator and type go the whole way, from the body of a
//! request to the rows of a stream, and are compared with [`model`], which knows neither SQL nor the
//! code under test. Of the two text columns one has a collation that pads with spaces (utf8mb4_bin,
//! the house's own) and one that does not (utf8mb4_0900_bin). The seed is `PROPTEST_RNG_SEED`.

mod model;
mod random;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use domain::{Catalog, Cell};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use store::Store;
use testkit::TestDatabase;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::rows::{number, open};
use model::{COLUMNS, Kind, Row, Test};

/// Sets of rows, each asked [`QUESTIONS`] times.
const CASES: u32 = 64;
const QUESTIONS: usize = 12;
/// Filters of one request: column and tests.
type Filters = BTreeMap<usize, Vec<Test>>;

const TABLE: &str = "CREATE TABLE probe (id BIGINT PRIMARY KEY, \
    exact TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, \
    padded VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, \
    n BIGINT, u BIGINT UNSIGNED, m DECIMAL(24,6), yes TINYINT, day DATE, \
    moment DATETIME(6), clock TIME(6))";

fn catalog() -> Catalog {
    let column = |name: &str, kind: Kind| {
        let zone = match kind {
            Kind::Moment => ", stored_in = \"Asia/Shanghai\"",
            _ => "",
        };
        let kind = kind.word();
        format!("{{ name = \"{name}\", label = {{ en = \"x\" }}, type = \"{kind}\"{zone} }}")
    };
    let filter = |(name, kind): &(&str, Kind)| {
        let operators: Vec<String> = kind
            .operators()
            .iter()
            .map(|it| format!("{it:?}"))
            .collect();
        format!(
            "{{ column = \"{name}\", operators = [{}] }}",
            operators.join(", ")
        )
    };
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, kind)| column(name, *kind))
        .collect();
    let filters: Vec<String> = COLUMNS.iter().map(filter).collect();
    let definition = format!(
        "name = \"probe\"\nlabel = {{ en = \"Probe\" }}\nversion = \"1\"\ntable = \"probe\"\n\
         shared = true\nprimary_key = [\"id\"]\nkey = [\"id\"]\n\
         columns = [{}, {}]\nfilters = [{}]",
        column("id", Kind::Number),
        columns.join(", "),
        filters.join(", ")
    );
    Catalog::parse([("probe.toml", definition)]).expect("a definition")
}

/// As a client would write it; a lone `eq` may be written bare.
fn body(filters: &Filters, bare: bool) -> Value {
    let mut written = Map::new();
    for (column, tests) in filters {
        let name = COLUMNS[*column].0;
        let value = match tests.as_slice() {
            [Test::One("eq", value)] if bare => value.json(),
            tests => {
                let tests = tests.iter();
                let pairs = tests.map(|test| (test.operator().to_owned(), test.json()));
                Value::Object(pairs.collect())
            }
        };
        written.insert(name.to_owned(), value);
    }
    json!({"dataset": "probe", "columns": ["id"], "filters": written})
}

fn expected(rows: &[Row], filters: &Filters) -> Vec<u64> {
    let holds = |row: &Row| {
        filters.iter().all(|(column, tests)| {
            let cell = row[*column].as_ref();
            tests
                .iter()
                .all(|test| test.holds(COLUMNS[*column].1, cell))
        })
    };
    let found = rows.iter().enumerate().filter(|(_, row)| holds(row));
    found.map(|(index, _)| index as u64).collect()
}

async fn fill(connection: &mut Conn, rows: &[Row]) {
    connection
        .query_drop("DELETE FROM probe")
        .await
        .expect("an empty table");
    let insert = "INSERT INTO probe VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = rows.iter().enumerate().map(|(index, row)| {
        let cells = row.iter().map(|cell| match cell {
            Some(value) => value.bound(),
            None => mysql_async::Value::NULL,
        });
        let id = mysql_async::Value::UInt(index as u64);
        Params::Positional(std::iter::once(id).chain(cells).collect())
    });
    connection
        .exec_batch(insert, values)
        .await
        .expect("the rows fit");
}

async fn found(store: &Store, catalog: &Catalog, body: &Value) -> Vec<u64> {
    let mut rows = open(store, catalog, body).await;
    let total = rows.total();
    assert!(!rows.total_is_estimate());
    let mut ids = Vec::new();
    while let Some(chunk) = rows.next().await {
        let chunk = chunk.expect("rows");
        let cells: Vec<Cell> = chunk.rows().flatten().collect();
        ids.extend(cells.iter().map(number));
    }
    assert_eq!(ids.len() as u64, total, "{body}");
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_finds_what_a_plain_reading_of_it_finds() {
    let database = TestDatabase::create().await;
    database.execute(TABLE).await;
    let mut connection = database.plain_connection().await;
    connection
        .query_drop("SET time_zone = '+00:00'")
        .await
        .expect("set");
    let connection = Mutex::new(connection);
    let (store, catalog) = (database.store(), catalog());
    let filters = prop_oneof![
        2 => prop::collection::vec(random::filter(), 1),
        1 => prop::collection::vec(random::filter(), 2..4),
    ];
    let filters = filters.prop_map(Filters::from_iter);
    let questions = prop::collection::vec((filters, any::<bool>()), QUESTIONS);
    let rows = prop::collection::vec(random::row(), 0..40);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let handle = Handle::current();
    let (asked, hits) = (AtomicU64::new(0), AtomicU64::new(0));
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&(rows, questions), |(rows, questions)| {
            handle.block_on(async {
                fill(&mut *connection.lock().await, &rows).await;
                for (filters, bare) in &questions {
                    let body = body(filters, *bare);
                    let expected = expected(&rows, filters);
                    asked.fetch_add(1, Relaxed);
                    hits.fetch_add(u64::from(!expected.is_empty()), Relaxed);
                    let found = found(&store, &catalog, &body).await;
                    prop_assert_eq!(found, expected, "{}", body);
                }
                Ok::<(), TestCaseError>(())
            })
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (asked, hits) = (asked.into_inner(), hits.into_inner());
    assert!(
        hits * 4 > asked,
        "only {hits} of {asked} questions found anything"
    );
}
