//! On MySQL: what is in the table after a seed, and what a load that went wrong leaves behind.

use domain::Tenant;
use store::{BulkLoad, BulkRows, BulkTable, BulkWay, Refill, StoreError};
use testkit::TestDatabase;

use crate::command::{Ran, quay};

fn seed(database: &TestDatabase, arguments: &[&str]) -> Ran {
    let all: Vec<&str> = ["seed"].iter().chain(arguments).copied().collect();
    let ran = quay(&all, &[("QUAYSIDE_MYSQL", database.url())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

/// A number that changes with any value of any row of a tenant.
async fn checksum(database: &TestDatabase, table: &str, tenant: &str) -> (u64, Option<String>) {
    let columns: Vec<String> = database
        .query(&format!(
            "SELECT CONCAT('IFNULL(HEX(', COLUMN_NAME, '),''null'')') \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = '{table}' AND COLUMN_NAME <> 'tenant' ORDER BY ORDINAL_POSITION"
        ))
        .await;
    let row = format!("CONCAT_WS(',', {})", columns.join(", "));
    database
        .one(&format!(
            "SELECT COUNT(*), CAST(SUM(CAST(CONV(LEFT(SHA2({row}, 256), 12), 16, 10) AS DECIMAL(30))) \
             AS CHAR) FROM {table} WHERE tenant = '{tenant}'"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_leave_the_same_rows() {
    let database = TestDatabase::with_examples().await;
    for table in ["employee", "user", "member"] {
        let by_load = seed(&database, &[table, "--rows", "5000", "--json"]);
        assert!(
            by_load.stdout.contains("\"LOAD DATA\""),
            "{}",
            by_load.stdout
        );
        let loaded = checksum(&database, table, "acme").await;
        let by_insert = seed(&database, &[table, "--rows", "5000", "--json", "--insert"]);
        assert!(
            by_insert.stdout.contains("\"INSERT\""),
            "{}",
            by_insert.stdout
        );
        assert_eq!(checksum(&database, table, "acme").await, loaded, "{table}");
        assert_eq!(loaded.0, 5000, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_again_leaves_exactly_the_rows_asked_for() {
    let database = TestDatabase::with_examples().await;
    seed(&database, &["employee", "--rows", "300"]);
    let once = checksum(&database, "employee", "acme").await;
    seed(&database, &["employee", "--rows", "900"]);
    seed(&database, &["employee", "--rows", "300"]);
    assert_eq!(checksum(&database, "employee", "acme").await, once);
    let live = "SELECT COUNT(*), MIN(id), MAX(id) FROM employee WHERE deleted_at IS NULL";
    assert_eq!(database.one::<(u64, u64, u64)>(live).await, (300, 1, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn appending_goes_on_where_the_rows_end() {
    let all_but_id = "SELECT member_no, name, mobile, email, level, points, balance, \
                      CAST(birthday AS CHAR), CAST(created_at AS CHAR), remark \
                      FROM member ORDER BY member_no";
    type Member = (
        String,
        String,
        String,
        String,
        u8,
        u32,
        String,
        String,
        String,
        Option<String>,
    );
    let database = TestDatabase::with_examples().await;
    seed(&database, &["member", "--rows", "700"]);
    let at_once: Vec<Member> = database.query(all_but_id).await;
    seed(&database, &["member", "--rows", "400"]);
    seed(&database, &["member", "--rows", "300", "--append"]);
    assert_eq!(database.query::<Member>(all_but_id).await, at_once);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_rows_are_never_touched() {
    let database = TestDatabase::with_examples().await;
    seed(&database, &["user", "--rows", "200", "--tenant", "beta"]);
    let theirs = checksum(&database, "user", "beta").await;
    seed(&database, &["user", "--rows", "500"]);
    seed(&database, &["user", "--rows", "100"]);
    assert_eq!(checksum(&database, "user", "beta").await, theirs);
    assert_eq!(checksum(&database, "user", "acme").await.0, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_rows_can_be_marked_as_deleted() {
    let database = TestDatabase::with_examples().await;
    seed(
        &database,
        &["employee", "--rows", "1000", "--deleted-percent", "20"],
    );
    let marked = "SELECT COUNT(*), COUNT(deleted_at) FROM employee";
    let (all, marked): (u64, u64) = database.one(marked).await;
    assert_eq!(all, 1000);
    assert!((150..250).contains(&marked), "{marked} of 1000");
}

fn members() -> BulkTable {
    BulkTable {
        table: "member".to_owned(),
        tenant_column: "tenant".to_owned(),
        tenant: Tenant::parse(r"ac\me 租户").expect("a tenant"),
    }
}

const COLUMNS: &[&str] = &[
    "member_no",
    "name",
    "mobile",
    "level",
    "points",
    "balance",
    "remark",
];

fn member(rows: &mut BulkRows, number: &str, level: &str, remark: Option<&str>) {
    for value in [number, "王霞", "13800000000", level, "1", "1.00"] {
        rows.text(value);
    }
    match remark {
        Some(remark) => rows.text(remark),
        None => rows.null(),
    }
    rows.end_row();
}

async fn load(
    database: &TestDatabase,
    insert_only: bool,
    mut rows: BulkRows,
    expected: u64,
) -> Result<BulkWay, StoreError> {
    let load = BulkLoad::begin(database.url(), members(), Refill::Append, insert_only).await?;
    let (chunks, received) = tokio::sync::mpsc::channel(1);
    chunks
        .send(rows.take())
        .await
        .expect("there is room for one chunk");
    drop(chunks);
    Ok(load.load(COLUMNS, received, expected).await?.way)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_arrives_as_it_was_sent() {
    let odd = [
        "\t",
        "\n",
        "\\",
        "\\N",
        "\0",
        "'\"",
        "😀𠮷",
        "",
        "\r\n",
        "' OR 1=1 --",
    ];
    for insert_only in [false, true] {
        let database = TestDatabase::with_examples().await;
        let mut rows = BulkRows::default();
        for (number, remark) in odd.iter().enumerate() {
            member(&mut rows, &format!("M{number}"), "1", Some(remark));
        }
        member(&mut rows, "Mnull", "1", None);
        let way = load(&database, insert_only, rows, odd.len() as u64 + 1)
            .await
            .expect("all fits");
        assert_eq!(way == BulkWay::Insert, insert_only);
        let found: Vec<(Option<String>, String)> = database
            .query("SELECT remark, tenant FROM member ORDER BY id")
            .await;
        let sent = odd.iter().map(|odd| Some((*odd).to_owned())).chain([None]);
        let sent: Vec<_> = sent
            .map(|remark| (remark, r"ac\me 租户".to_owned()))
            .collect();
        assert_eq!(found, sent, "insert only: {insert_only}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_leaves_none() {
    let long = "长".repeat(101);
    let bad: &[(&str, &str, &str)] = &[
        ("M1", "1", "a duplicate of the first"),
        ("M2", "999", "beyond the column's range"),
        ("M2", "", "no number"),
        ("M2", "1x", "half a number"),
        ("M2", "1", &long),
    ];
    for insert_only in [false, true] {
        let database = TestDatabase::with_examples().await;
        for (number, level, remark) in bad {
            let mut rows = BulkRows::default();
            member(&mut rows, "M1", "1", None);
            member(&mut rows, number, level, Some(remark));
            let refused = load(&database, insert_only, rows, 2)
                .await
                .expect_err(remark);
            let refused_as_bad =
                matches!(refused, StoreError::Refused(_) | StoreError::Duplicate(_));
            assert!(refused_as_bad, "{remark}: {refused:?}");
            let left: u64 = database.one("SELECT COUNT(*) FROM member").await;
            assert_eq!(left, 0, "{remark}, insert only: {insert_only}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maker_that_stops_early_leaves_nothing() {
    for insert_only in [false, true] {
        let database = TestDatabase::with_examples().await;
        let mut rows = BulkRows::default();
        member(&mut rows, "M1", "1", None);
        load(&database, insert_only, rows, 2)
            .await
            .expect_err("one of two rows came");
        assert_eq!(database.one::<u64>("SELECT COUNT(*) FROM member").await, 0);
    }
}
