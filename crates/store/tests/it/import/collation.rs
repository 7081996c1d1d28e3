//! Which keys are the same: compared with what the server's own unique keys say.

use domain::{Catalog, Dataset};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use testkit::TestDatabase;

/// Columns of the probe: name, type and collation.
const COLUMNS: &[(&str, &str)] = &[
    (
        "bin",
        "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
    (
        "general",
        "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    ),
    (
        "folded",
        "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
    ),
    (
        "strict",
        "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin",
    ),
    (
        "accent",
        "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_ci",
    ),
    (
        "unicode",
        "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    ),
    (
        "chinese",
        "VARCHAR(40) CHARACTER SET gb18030 COLLATE gb18030_chinese_ci",
    ),
    (
        "fixed",
        "CHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
    ),
    ("number", "BIGINT"),
];

/// Keys that are tried, alone and together.
const KEYS: &[&[&str]] = &[
    &["bin"],
    &["general"],
    &["folded"],
    &["strict"],
    &["accent"],
    &["unicode"],
    &["chinese"],
    &["fixed"],
    &["number"],
    &["bin", "general"],
    &["folded", "number"],
    &["general", "folded", "bin"],
];

/// Sets of keys for each of [`KEYS`].
const CASES: u32 = 24;

fn a_dataset(table: &str, columns: &str) -> Dataset {
    let text = format!(
        "name = \"probe\"\nlabel = {{ en = \"Probe\" }}\nversion = \"1\"\ntable = \"{table}\"\n\
         primary_key = [\"id\"]\nkey = [\"{columns}\"]\nshared = true\nqueues = [\"default\"]\n\
         columns = [{{ name = \"{columns}\", label = {{ en = \"x\" }}, type = \"string\" }}]\n"
    );
    let catalog = Catalog::parse([("probe.toml", text.as_str())]).expect("a whole definition");
    catalog.get("probe").expect("it is there").clone()
}

/// Texts that collations are divided about: few letters, so that many are alike.
fn a_text() -> impl Strategy<Value = String> {
    let letters = vec![
        "a", "A", "á", "Å", "å", "b", "B", "ß", "ss", "æ", "ae", "é", "e\u{301}", "ｂ", "１", "1",
        "①", " ", "  ", "\t", "\u{a0}", "\u{3000}", "\u{200b}", "\u{0}", "会", "員", "员", "😀",
        "😁", "ı", "İ", "ﬁ", "Ω", "ω", "\u{301}", "-", "か", "カ", "が", "ｶ", "\"", "\\", "'",
    ];
    prop::collection::vec(select(letters), 0..4).prop_map(|parts| parts.concat())
}

fn a_key(columns: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let part = |column: &&str| match *column {
        "number" => (-2..3_i64).prop_map(|number| number.to_string()).boxed(),
        // what the character set cannot hold is refused by the table, not compared
        "chinese" => a_text()
            .prop_map(|text| text.replace(['\u{200b}', '\u{0}'], ""))
            .boxed(),
        _ => a_text().boxed(),
    };
    columns.iter().map(part).collect::<Vec<_>>()
}

/// A number for each key: the first row that the table's unique key takes for the same.
async fn by_unique_key(
    connection: &mut Conn,
    columns: &[&str],
    keys: &[Vec<String>],
) -> Vec<usize> {
    let list = columns.join(", ");
    let table = format!(
        "DROP TABLE IF EXISTS uniques; CREATE TABLE uniques (place INT NOT NULL, {}, \
         UNIQUE KEY (tenant, {list}))",
        std::iter::once("tenant VARCHAR(9) NOT NULL".to_owned())
            .chain(COLUMNS.iter().map(|(name, kind)| format!("{name} {kind}")))
            .collect::<Vec<_>>()
            .join(", ")
    );
    connection.query_drop(table).await.expect("made");
    let marks = vec!["?"; columns.len()].join(", ");
    let insert = format!(
        "INSERT INTO uniques (place, tenant, {list}) VALUES (?, 'acme', {marks}) \
         ON DUPLICATE KEY UPDATE place = LAST_INSERT_ID(place)"
    );
    let mut classes = Vec::with_capacity(keys.len());
    for (place, key) in keys.iter().enumerate() {
        let mut values = vec![Value::from(place)];
        values.extend(key.iter().map(Value::from));
        connection
            .exec_drop(&insert, values)
            .await
            .expect("inserted");
        let class = match connection.affected_rows() {
            1 => place,
            _ => usize::try_from(connection.last_insert_id().unwrap_or(0)).expect("a place"),
        };
        classes.push(class);
    }
    classes
}

/// The same classes under the same names.
fn by_first(classes: &[u64]) -> Vec<usize> {
    let first = |class: &u64| classes.iter().position(|other| other == class);
    classes
        .iter()
        .map(|class| first(class).expect("itself"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_the_same_where_the_servers_own_unique_key_says_so() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut connection = database.plain_connection().await;
    connection
        .query_drop("SET sql_mode = 'STRICT_ALL_TABLES'")
        .await
        .expect("set");
    let mut runner = TestRunner::new(Config::default());
    let dataset = a_dataset("uniques", "bin");
    let mut joined = 0;
    for columns in KEYS {
        let names: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        for _ in 0..CASES {
            let keys = prop::collection::vec(a_key(columns), 1..40)
                .new_tree(&mut runner)
                .expect("generated")
                .current();
            let expected = by_unique_key(&mut connection, columns, &keys).await;
            // asked in two calls: a mark means the same in both
            let comparison = store.key_comparison(&dataset, &names).await;
            let comparison = comparison.expect("answered");
            let mut found = Vec::new();
            for some in keys.chunks(keys.len().div_ceil(2)) {
                let marks = store.key_marks(&comparison, some.to_vec()).await;
                found.extend(marks.expect("answered"));
            }
            let found = by_first(&found);
            for (place, key) in keys.iter().enumerate() {
                assert_eq!(
                    found[place], expected[place],
                    "{columns:?} {key:?} beside {:?} or {:?}",
                    keys[found[place]], keys[expected[place]]
                );
                joined += usize::from(expected[place] != place);
            }
        }
    }
    assert!(joined > 1_000, "{joined} keys were like one before");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_look_alike_cost_one_statement_a_mebibyte() {
    let database = TestDatabase::create().await;
    let table = "CREATE TABLE uniques (id BIGINT PRIMARY KEY, \
         folded VARCHAR(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci)";
    database.execute(table).await;
    let store = database.store_with_pool(1);
    // alike but for their last character's case, the likes far apart: 3.6 MB in all
    let keys: Vec<Vec<String>> = (0..6_000)
        .map(|number| {
            let last = if number < 3_000 { 'x' } else { 'X' };
            vec![format!("{:0>600}{last}", number % 3_000)]
        })
        .collect();
    let dataset = a_dataset("uniques", "folded");
    let comparison = store.key_comparison(&dataset, &["folded".to_owned()]).await;
    let comparison = comparison.expect("answered");
    let begun = weighed(&database).await;
    let first = store.key_marks(&comparison, keys[..1].to_vec()).await;
    let before = weighed(&database).await;
    let marks = store.key_marks(&comparison, keys).await.expect("answered");
    let taken = weighed(&database).await - before;
    assert_eq!(marks[0], first.expect("answered")[0]);
    assert_eq!(marks[..3_000], marks[3_000..]);
    let mut distinct = marks[..3_000].to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 3_000);
    let of_one = before - begun;
    assert!(of_one > 0, "the server counts");
    assert_eq!(taken, 4 * of_one, "four times what one key takes");
}

/// Statements with texts in them that the store has sent so far.
async fn weighed(database: &TestDatabase) -> u64 {
    let name = database.url().rsplit('/').next().expect("a name");
    let sent = format!(
        "SELECT CAST(COALESCE(SUM(s.COUNT_STAR), 0) AS UNSIGNED) \
         FROM performance_schema.events_statements_summary_by_thread_by_event_name s \
         JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID \
         WHERE s.EVENT_NAME = 'statement/com/Execute' AND t.PROCESSLIST_DB = '{name}'"
    );
    database.one(&sent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_table_lacks_is_told() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let dataset = a_dataset("nowhere", "bin");
    let answer = store.key_comparison(&dataset, &["bin".to_owned()]).await;
    assert!(answer.is_err(), "{answer:?}");
}
