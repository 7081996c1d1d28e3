//! A table with every kind of column, index and constraint, and rows for it in short.

use domain::{Catalog, Dataset, ImportMode, RowCode, Tenant};
use mysql_async::prelude::FromRow;
use store::{Applied, ApplyRows, ApplyTarget, BulkRows, Store};
use testkit::TestDatabase;

/// Stands for a null in the rows of these tests.
pub(crate) const NULL: &str = "<null>";
/// Stands for a value that the table keeps.
pub(crate) const KEEP: &str = "<keep>";
/// Sheet row of a batch's first row.
pub(crate) const FIRST: u32 = 2;

const TABLES: &[&str] = &[
    "CREATE TABLE place (id INT PRIMARY KEY)",
    "INSERT INTO place VALUES (1), (2)",
    "CREATE TABLE thing (id BIGINT AUTO_INCREMENT PRIMARY KEY, \
       tenant VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, \
       code VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL, \
       name VARCHAR(10) NOT NULL DEFAULT 'unnamed', level TINYINT NOT NULL DEFAULT 1, \
       price DECIMAL(8,2) NULL, born DATE NULL, seen DATETIME(6) NULL DEFAULT '2020-01-01 00:00:00', \
       clock TIME NULL, active BIT(1) NULL, kind ENUM('big', 'small') NULL, serial VARCHAR(40) NULL, \
       place INT NULL, note TEXT NULL, owner VARCHAR(8) NOT NULL DEFAULT '', \
       version INT NOT NULL DEFAULT 1, deleted_at DATETIME NULL, \
       UNIQUE KEY uk_code (tenant, code), UNIQUE KEY uk_serial (tenant, serial), \
       CONSTRAINT paid CHECK (price >= 0), \
       CONSTRAINT somewhere FOREIGN KEY (place) REFERENCES place (id))",
    "CREATE TRIGGER no_six BEFORE INSERT ON thing FOR EACH ROW \
       IF NEW.level = 66 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '等级不可为 66'; END IF",
    "CREATE TRIGGER no_six_either BEFORE UPDATE ON thing FOR EACH ROW \
       IF NEW.level = 66 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '等级不可为 66'; END IF",
];

const COLUMNS: &[(&str, &str)] = &[
    ("code", "string"),
    ("name", "string"),
    ("level", "integer"),
    ("price", "decimal"),
    ("born", "date"),
    ("seen", "datetime"),
    ("clock", "time"),
    ("active", "boolean"),
    ("kind", "string"),
    ("serial", "string"),
    ("place", "integer"),
    ("note", "string"),
    ("owner", "string"),
    ("version", "integer"),
];

/// The definition; `more` is appended before the columns.
pub(crate) fn dataset(more: &str) -> Dataset {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, kind)| {
            format!("{{ name = \"{name}\", label = {{ en = \"{name}\" }}, type = \"{kind}\" }}")
        })
        .collect();
    let shown =
        "{ name = \"id\", label = { en = \"id\" }, type = \"integer\", importable = false }";
    let columns: Vec<String> = columns.into_iter().chain([shown.to_owned()]).collect();
    let definition = format!(
        "name = \"thing\"\nlabel = {{ en = \"Thing\" }}\nversion = \"1\"\ntable = \"thing\"\n\
         primary_key = [\"id\"]\nkey = [\"code\"]\nimport_modes = [\"insert\", \"upsert\", \"update\"]\n\
         {more}\ncolumns = [{}]\n",
        columns.join(", ")
    );
    let catalog = Catalog::parse([("thing.toml", definition)]).expect("a definition");
    catalog.get("thing").expect("it is there").clone()
}

pub(crate) async fn a_table() -> TestDatabase {
    let database = TestDatabase::create().await;
    for statement in TABLES {
        database.execute(statement).await;
    }
    database
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("a tenant")
}

pub(crate) fn target_of(dataset: &Dataset, mode: ImportMode, fields: &[&str]) -> ApplyTarget {
    let fields: Vec<String> = fields.iter().map(|name| (*name).to_owned()).collect();
    ApplyTarget::new(dataset, &fields, &tenant("acme"), mode).expect("a target")
}

pub(crate) fn target(mode: ImportMode, fields: &[&str]) -> ApplyTarget {
    target_of(&dataset(""), mode, fields)
}

/// Rows numbered from [`FIRST`] on.
pub(crate) fn rows<V: AsRef<str>, R: AsRef<[V]>>(rows: &[R]) -> ApplyRows {
    let mut writer = BulkRows::default();
    let mut numbers = Vec::new();
    for (number, row) in (FIRST..).zip(rows) {
        for value in row.as_ref() {
            match value.as_ref() {
                NULL => writer.null(),
                KEEP => writer.keep(),
                text => writer.text(text),
            }
        }
        writer.end_row();
        numbers.push(number);
    }
    ApplyRows::of_chunk(numbers, writer.take()).expect("a number for each row")
}

pub(crate) async fn apply<V: AsRef<str>, R: AsRef<[V]>>(
    store: &Store,
    mode: ImportMode,
    fields: &[&str],
    given: &[R],
) -> Applied {
    store
        .apply_rows(target(mode, fields), rows(given))
        .await
        .expect("applied")
}

/// Number, code and field of what was refused.
pub(crate) fn refusals(applied: &Applied) -> Vec<(u32, RowCode, Option<&str>)> {
    let refused = applied.refused.iter();
    refused
        .map(|row| (row.number, row.code, row.field.as_deref()))
        .collect()
}

/// One column's values by code, of tenant acme.
pub(crate) async fn read<T: FromRow + Send + 'static>(
    database: &TestDatabase,
    columns: &str,
) -> Vec<T> {
    let sql = format!("SELECT {columns} FROM thing WHERE tenant = 'acme' ORDER BY code");
    database.query(&sql).await
}
