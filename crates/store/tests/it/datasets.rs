//! A definition and its table agree, or the process is told where they do not.

use domain::Catalog;
use testkit::TestDatabase;

/// The definitions that the house ships.
pub(crate) fn shipped() -> Catalog {
    let files = [
        (
            "employee.toml",
            include_str!("../../../../deploy/datasets/employee.toml"),
        ),
        (
            "user.toml",
            include_str!("../../../../deploy/datasets/user.toml"),
        ),
        (
            "member.toml",
            include_str!("../../../../deploy/datasets/member.toml"),
        ),
    ];
    Catalog::parse(files).expect("the shipped definitions are whole")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_definitions_fit_the_shipped_tables() {
    let database = TestDatabase::with_examples().await;
    let errors = database
        .store()
        .check_datasets(&shipped())
        .await
        .expect("MySQL answers");
    assert_eq!(errors, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_does_not_fit_is_told_with_file_line_and_reason() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "CREATE TABLE thing (id BIGINT, code INT, made DATE, tenant VARCHAR(9) COLLATE utf8mb4_general_ci)",
        )
        .await;
    let thing = r#"
name = "thing"
label = { en = "Thing" }
version = "1"
table = "thing"
primary_key = ["id"]
key = ["code"]
soft_delete = { column = "gone", live = "null" }
columns = [
  { name = "code", label = { en = "Code" }, type = "string" },
  { name = "made", label = { en = "Made" }, type = "datetime" },
  { name = "lost", label = { en = "Lost" }, type = "string" },
]
"#;
    let nowhere = thing.replace("\"thing\"", "\"nowhere\"");
    let catalog = Catalog::parse([("thing.toml", thing), ("nowhere.toml", nowhere.as_str())])
        .expect("the definitions are whole");
    let errors = database
        .store()
        .check_datasets(&catalog)
        .await
        .expect("MySQL answers");
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "nowhere.toml:2: there is no table `nowhere`",
        "thing.toml:10: column `code` is int in the table, which is no string",
        "thing.toml:11: column `made` is date in the table, which is no datetime",
        "thing.toml:12: `thing` has no column `lost`",
        "thing.toml:2: tenant column `tenant` has utf8mb4_general_ci, it must be utf8mb4_bin",
        "thing.toml:2: `thing` has no column `gone`",
        "thing.toml:2: `primary_key` is not the primary key of `thing`",
        "thing.toml:2: no unique index of `thing` makes `key` unique",
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_imports_write_may_have_no_more_digits_than_the_table_keeps() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "CREATE TABLE thing (id BIGINT PRIMARY KEY, whole DATETIME, fine DATETIME(6), \
             stamp TIMESTAMP(3) NULL, clock TIME(2), price DECIMAL(8,2), count INT, rate DOUBLE)",
        )
        .await;
    let thing = r#"
name = "thing"
label = { en = "Thing" }
version = "1"
table = "thing"
shared = true
primary_key = ["id"]
key = ["id"]
import_modes = ["insert"]
columns = [
  { name = "id", label = { en = "Id" }, type = "integer" },
  { name = "whole", label = { en = "Whole" }, type = "datetime" },
  { name = "fine", label = { en = "Fine" }, type = "datetime" },
  { name = "stamp", label = { en = "Stamp" }, type = "datetime" },
  { name = "clock", label = { en = "Clock" }, type = "time" },
  { name = "price", label = { en = "Price" }, type = "decimal" },
  { name = "count", label = { en = "Count" }, type = "decimal", scale = 1 },
  { name = "rate", label = { en = "Rate" }, type = "decimal" },
]
"#;
    let told = async |thing: &str| -> Vec<String> {
        let catalog = Catalog::parse([("thing.toml", thing)]).expect("the definition is whole");
        let errors = database.store().check_datasets(&catalog).await;
        let errors = errors.expect("MySQL answers");
        errors.iter().map(ToString::to_string).collect()
    };
    let fault = |(line, column, held): (u32, &str, u32)| {
        format!(
            "thing.toml:{line}: column `{column}` keeps {held} digits after the point in the \
             table, so that imports need a `scale` of at most {held}"
        )
    };
    let expected = [
        (12, "whole", 0),
        (14, "stamp", 3),
        (15, "clock", 2),
        (16, "price", 2),
        (17, "count", 0),
    ];
    assert_eq!(told(thing).await, expected.map(fault));
    let mut said = thing.replace(", scale = 1", "");
    for (_, column, held) in expected {
        let (before, rest) = said
            .split_once(&format!("{{ name = \"{column}\""))
            .expect("the column");
        said = format!("{before}{{ scale = {held}, name = \"{column}\"{rest}");
    }
    assert_eq!(told(&said).await, [""; 0]);
    // what no import writes is read as it is
    let exported = thing.replace("import_modes = [\"insert\"]", "");
    assert_eq!(told(&exported).await, [""; 0]);
}
