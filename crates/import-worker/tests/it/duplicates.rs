//! Rows of one file with the same key, under the database's collation.

use domain::{RowError, TaskStatus};
use serde_json::json;

use crate::house::{House, Import};
use crate::workbook::{Value, members, number, text, workbook};

fn club(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let header = ["Code", "Nickname", "Score"].map(text).to_vec();
    let cell = |value: &str| {
        if value.is_empty() {
            Value::Blank
        } else {
            text(value)
        }
    };
    let rows = rows
        .iter()
        .map(|(code, nickname, score)| vec![cell(code), cell(nickname), cell(score)]);
    workbook(std::iter::once(header).chain(rows).collect())
}

/// (row, code, field, related rows) of each error.
fn told(errors: &[RowError]) -> Vec<(u32, &str, Option<&str>, Vec<u32>)> {
    let told = errors.iter().map(|error| {
        let field = error.field.as_deref();
        (
            error.row,
            error.code.as_str(),
            field,
            error.related_rows.clone(),
        )
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_equal_under_the_collation_are_told_on_every_row_across_batches_and_bad_rows() {
    let house = House::build().await;
    let worker = house.work();
    let content = club(&[
        ("abc", "", "1"),
        ("x1", "Zoe", "1"),
        ("x2", "", "1"),
        ("ABC", "", "1"),
        ("ÁbC", "", "no number"),
        ("x3", "zoé", "1"),
        ("x4", "", "1"),
        ("x4", "", "2"),
        ("abcd", "", "1"),
    ]);
    let task = house
        .import(Import::club(content, json!({"batch_size": 2})))
        .await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!((done.progress.done_rows, done.progress.failed_rows), (2, 7));
    let errors = house.row_errors(task).await;
    let duplicate = "duplicate_in_file";
    assert_eq!(
        told(&errors),
        [
            (2, duplicate, Some("code"), vec![5, 6]),
            (3, duplicate, Some("nickname"), vec![7]),
            (5, duplicate, Some("code"), vec![2, 6]),
            (6, "type_mismatch", Some("score"), vec![]),
            (6, duplicate, Some("code"), vec![2, 5]),
            (7, duplicate, Some("nickname"), vec![3]),
            (8, duplicate, Some("code"), vec![9]),
            (9, duplicate, Some("code"), vec![8]),
        ]
    );
    let codes: Vec<String> = house
        .database
        .query("SELECT code FROM club ORDER BY code")
        .await;
    assert_eq!(codes, ["abcd", "x2"]);
    worker.stop().await;
}

/// An upsert would take the second for a change of the first, which nobody asked for.
#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_of_keys_equal_under_odd_collations_changes_none_of_them_whatever_their_batches()
{
    let house = House::build().await;
    let worker = house.work();
    let there = "INSERT INTO club (tenant, code, score) VALUES ('acme', 'strasse', 1), \
                 ('acme', 'b', 1)";
    house.database.execute(there).await;
    let content = club(&[
        ("straße", "", "2"),
        ("B", "", "2"),
        ("がぎ", "", "2"),
        ("STRASSE", "", "3"),
        ("①", "ß", "2"),
        ("カキ", "", "3"),
        ("x", "S", "3"),
        ("1", "", "3"),
    ]);
    let options = json!({"batch_size": 1, "mode": "upsert"});
    let task = house.import(Import::club(content, options)).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!((done.progress.done_rows, done.progress.failed_rows), (1, 7));
    let errors = house.row_errors(task).await;
    let duplicate = "duplicate_in_file";
    assert_eq!(
        told(&errors),
        [
            (2, duplicate, Some("code"), vec![5]),
            (4, duplicate, Some("code"), vec![7]),
            (5, duplicate, Some("code"), vec![2]),
            (6, duplicate, Some("code"), vec![9]),
            (6, duplicate, Some("nickname"), vec![8]),
            (7, duplicate, Some("code"), vec![4]),
            (8, duplicate, Some("nickname"), vec![6]),
            (9, duplicate, Some("code"), vec![6]),
        ]
    );
    // what was there alone is changed by the one row whose key is its own
    let scores: Vec<(String, i32)> = house
        .database
        .query("SELECT code, score FROM club ORDER BY id")
        .await;
    let expected = [("strasse", 1), ("b", 2)].map(|(code, score)| (code.to_owned(), score));
    assert_eq!(scores, expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collation_tells_apart_is_no_duplicate() {
    let house = House::build().await;
    let worker = house.work();
    // member numbers compare as bytes
    let content = members(4, |n, row| {
        row[0] = text(["Abc", "abc", "ábc", "ＡＢＣ"][n as usize]);
    });
    let task = house.import_members(content, json!({})).await;
    house.until(task, TaskStatus::Success).await;
    assert_eq!(house.rows("member").await, 4);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_of_duplicates_each_is_told_once_with_ten_others_at_most() {
    let house = House::build().await;
    let worker = house.work();
    // every key three times, and one three hundred times
    let content = members(3_000, |n, row| {
        row[0] = if n < 300 {
            text("ONE")
        } else {
            text(format!("M{}", n % 900))
        };
    });
    let task = house.import_members(content, json!({})).await;
    let done = house.until(task, TaskStatus::Failed).await;
    assert_eq!(done.error.expect("an error").code, "all_rows_failed");
    assert_eq!(done.progress.failed_rows, 3_000);
    let errors = house.row_errors(task).await;
    let rows: Vec<u32> = errors.iter().map(|error| error.row).collect();
    assert_eq!(rows, (2..3_002).collect::<Vec<_>>());
    assert_eq!(errors[0].related_rows, (3..13).collect::<Vec<_>>());
    assert_eq!(errors[20].related_rows, (2..12).collect::<Vec<_>>());
    assert_eq!(errors[300].related_rows, [302 + 900, 302 + 1_800]);
    assert_eq!(house.rows("member").await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_all_its_values_is_no_duplicate() {
    let house = House::build().await;
    let worker = house.work();
    let mut rows: Vec<Vec<Value>> = vec![["Code", "Score"].map(text).to_vec()];
    rows.extend((0..3).map(|n| vec![text(format!("c{n}")), number(1)]));
    let task = house.import(Import::club(workbook(rows), json!({}))).await;
    house.until(task, TaskStatus::Success).await;
    worker.stop().await;
}
