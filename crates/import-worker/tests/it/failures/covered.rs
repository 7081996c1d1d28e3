//! Cells that are not what they hold: covered by a merged range, or given by a formula.

use domain::{Task, TaskStatus};
use serde_json::{Value as Json, json};

use super::{bytes, failures, mended, rows_of};
use crate::club::{club_of, club_rows, clubs};
use crate::house::{House, Import};
use crate::workbook::{Sheet, Value, number, text, workbook_of};

/// One more than a nickname may have.
const TOO_LONG: &str = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddX";

/// Imports clubs, some of whose cells are merged.
async fn import(
    house: &House,
    rows: Vec<Vec<Value>>,
    merges: &[&str],
    options: &Json,
) -> (Task, Vec<u8>) {
    let mut sheet = Sheet::new("Clubs", club_rows(rows));
    sheet.merges = merges.iter().map(|&range| range.to_owned()).collect();
    import_book(house, workbook_of(&[sheet]), options).await
}

/// How it ended, and the file of what failed.
async fn import_book(house: &House, book: Vec<u8>, options: &Json) -> (Task, Vec<u8>) {
    let task = house.import(Import::club(book, options.clone())).await;
    let done = house.ended(task).await;
    let file = bytes(house, failures(&done));
    (done, file)
}

async fn faults(house: &House, task: &Task) -> Vec<(u32, String, Option<String>)> {
    let errors = house.row_errors(task.id).await.into_iter();
    errors
        .map(|it| (it.row, it.code.to_string(), it.column))
        .collect()
}

/// What the rows of a failure file hold in the user's own columns.
fn own(file: &[u8]) -> Vec<[String; 3]> {
    let rows = rows_of(file);
    let own = rows[1..].iter().map(|row| row[..3].to_vec());
    own.map(|row| row.try_into().expect("three")).collect()
}

async fn succeeds(house: &House, book: Vec<u8>, options: &Json) {
    let task = house.import(Import::club(book, options.clone())).await;
    house.until(task, TaskStatus::Success).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_covered_cell_that_failed_fails_again_until_it_is_mended() {
    let house = House::build().await;
    let worker = house.work();
    let rows = vec![
        vec![text("e1"), Value::Blank, number(4)],
        vec![text("e2"), Value::Blank, Value::Blank],
    ];
    let options = json!({});
    let (first, file) = import(&house, rows, &["C2:C3"], &options).await;
    assert_eq!(first.status, TaskStatus::PartialSuccess);
    let merged = (3, "merged_cell".to_owned(), Some("C".to_owned()));
    assert_eq!(faults(&house, &first).await, [merged]);
    assert_eq!(own(&file), [["e2", "", "#N/A"]]);

    let (second, again) = import_book(&house, file.clone(), &options).await;
    assert_eq!(second.status, TaskStatus::Failed);
    let error = (2, "error_cell".to_owned(), Some("C".to_owned()));
    assert_eq!(faults(&house, &second).await, [error]);
    assert_eq!(own(&again), own(&file));

    let mended = mended(&file, "t=\"e\"><v>#N/A</v>", "t=\"n\"><v>9</v>");
    succeeds(&house, mended, &options).await;
    assert_eq!(
        clubs(&house).await,
        [club_of("e1", None, Some(4)), club_of("e2", None, Some(9))]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filled_cell_keeps_what_it_was_filled_with() {
    let house = House::build().await;
    let worker = house.work();
    let rows = vec![
        vec![text("g1"), Value::Blank, number(4)],
        vec![text("g2"), text(TOO_LONG), Value::Blank],
    ];
    let options = json!({"merged": "fill"});
    let (first, file) = import(&house, rows, &["C2:C3"], &options).await;
    assert_eq!(first.status, TaskStatus::PartialSuccess);
    let told = (3, "too_long".to_owned(), Some("B".to_owned()));
    assert_eq!(faults(&house, &first).await, [told]);
    assert_eq!(own(&file), [["g2", TOO_LONG, "4"]]);
    succeeds(&house, mended(&file, TOO_LONG, "Gee"), &options).await;
    assert_eq!(
        clubs(&house).await,
        [
            club_of("g1", None, Some(4)),
            club_of("g2", Some("Gee"), Some(4))
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_hidden_beneath_a_covered_cell_stays_out() {
    let house = House::build().await;
    let worker = house.work();
    let rows = vec![
        vec![text("f1"), Value::Blank, number(4)],
        vec![text("f2"), text(TOO_LONG), number(77)],
    ];
    let options = json!({"merged": "first_only"});
    let (first, file) = import(&house, rows, &["C2:C3"], &options).await;
    assert_eq!(first.status, TaskStatus::PartialSuccess);
    assert_eq!(own(&file), [["f2", TOO_LONG, ""]]);
    succeeds(&house, mended(&file, TOO_LONG, "Eff"), &options).await;
    assert_eq!(
        clubs(&house).await,
        [
            club_of("f1", None, Some(4)),
            club_of("f2", Some("Eff"), None)
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formula_that_was_not_allowed_fails_again_until_it_is_mended() {
    let house = House::build().await;
    let worker = house.work();
    let formula = Value::Formula("40+2".to_owned(), "42".to_owned());
    let options = json!({"formulas": "error"});
    let rows = vec![vec![text("a"), Value::Blank, formula]];
    let (first, file) = import(&house, rows, &[], &options).await;
    // the file itself tells that formulas are not allowed
    let (second, _) = import_book(&house, file.clone(), &json!({})).await;
    for task in [&first, &second] {
        assert_eq!(task.status, TaskStatus::Failed);
        let fault = (2, "formula_not_allowed".to_owned(), Some("C".to_owned()));
        assert_eq!(faults(&house, task).await, [fault]);
    }
    // it says the value that the user saw
    let mended = mended(&file, "<f>42</f><v>42</v>", "<v>43</v>");
    succeeds(&house, mended, &json!({})).await;
    assert_eq!(clubs(&house).await, [club_of("a", None, Some(43))]);
    // what its own request names counts first
    let options = json!({"formulas": "value", "mode": "upsert"});
    succeeds(&house, file, &options).await;
    assert_eq!(clubs(&house).await, [club_of("a", None, Some(42))]);
    worker.stop().await;
}
