//! What the options of an import do that say how its sheet is read.

use domain::TaskStatus;
use serde_json::json;

use crate::club::{club_of, club_rows, clubs, import_club};
use crate::house::{House, Import};
use crate::workbook::{
    Sheet, Value, member, member_header, member_rows, number, text, workbook_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn hidden_rows_are_rows_unless_they_are_to_be_skipped() {
    let house = House::build().await;
    let worker = house.work();
    let mut sheet = Sheet::new("Sheet1", member_rows(6, |_, _| ()));
    sheet.rows[2].0 = true;
    sheet.rows[5].0 = true;
    let content = workbook_of(&[sheet]);
    let task = house
        .import_members(content.clone(), json!({"hidden_rows": "skip"}))
        .await;
    let done = house.until(task, TaskStatus::Success).await;
    let progress = &done.progress;
    assert_eq!(
        (
            progress.total_rows,
            progress.done_rows,
            progress.skipped_rows
        ),
        (Some(6), 4, 2)
    );
    assert_eq!(house.rows("member").await, 4);
    let task = house
        .import_members(content, json!({"mode": "upsert"}))
        .await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.skipped_rows),
        (6, 0)
    );
    assert_eq!(house.rows("member").await, 6);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_columns_are_read_whatever_becomes_of_hidden_rows() {
    let house = House::build().await;
    let worker = house.work();
    let rows = vec![vec![text("a"), text("A"), number(7)]];
    let mut sheet = Sheet::new("Clubs", club_rows(rows));
    sheet.hidden_columns = vec![1, 3];
    let import = Import::club(workbook_of(&[sheet]), json!({"hidden_rows": "skip"}));
    house
        .until(house.import(import).await, TaskStatus::Success)
        .await;
    assert_eq!(clubs(&house).await, [club_of("a", Some("A"), Some(7))]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_cells_are_faults_or_blank_or_filled() {
    let house = House::build().await;
    let worker = house.work();
    let rows = |name: &str| {
        club_rows(vec![
            vec![text(format!("{name}1")), Value::Blank, number(4)],
            vec![text(format!("{name}2")), Value::Blank, Value::Blank],
            vec![text(format!("{name}3")), Value::Blank, number(6)],
        ])
    };
    let import = async |name: &str, policy: &str| {
        let mut sheet = Sheet::new("Clubs", rows(name));
        sheet.merges.push("C2:C3".to_owned());
        let import = Import::club(workbook_of(&[sheet]), json!({"merged": policy}));
        house.ended(house.import(import).await).await
    };
    let done = import("e", "error").await;
    assert_eq!(done.status, TaskStatus::PartialSuccess);
    let errors = house.row_errors(done.id).await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    let told = (
        errors[0].row,
        errors[0].code.as_str(),
        errors[0].column.as_deref(),
    );
    assert_eq!(told, (3, "merged_cell", Some("C")));
    assert_eq!(import("f", "first_only").await.status, TaskStatus::Success);
    assert_eq!(import("g", "fill").await.status, TaskStatus::Success);
    let scores: Vec<(String, Option<i32>)> = house
        .database
        .query("SELECT code, score FROM club WHERE code LIKE '_2' ORDER BY code")
        .await;
    assert_eq!(
        scores,
        [("f2".to_owned(), None), ("g2".to_owned(), Some(4))]
    );
    worker.stop().await;
}

/// Merged ranges are known only at the end of a sheet, its header at its start.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_merged_cells_is_read_as_one_and_a_merged_title_is_passed_over() {
    let house = House::build().await;
    let worker = house.work();
    let mut header = Sheet::new(
        "Clubs",
        vec![
            vec![text("Code"), text("Club"), Value::Blank],
            vec![Value::Blank, text("Nickname"), text("Score")],
            vec![text("a"), text("Al"), number(4)],
            vec![text("b"), text("Bo"), text("many")],
        ],
    );
    header.merges = ["A1:A2", "B1:C1"].map(str::to_owned).to_vec();
    let mut title = vec![vec![text("Clubs of the year"), Value::Blank, Value::Blank]];
    title.extend(club_rows(vec![
        vec![text("c"), text("Cy"), number(6)],
        vec![text("d"), text("Di"), text("many")],
    ]));
    let mut title = Sheet::new("Clubs", title);
    title.merges.push("A1:C1".to_owned());
    for sheet in [header, title] {
        let import = Import::club(workbook_of(&[sheet]), json!({}));
        let done = house.ended(house.import(import).await).await;
        assert_eq!(done.progress.total_rows, Some(2), "{done:?}");
        let errors = house.row_errors(done.id).await;
        let told = errors.iter().map(|error| {
            let (code, column) = (error.code.as_str(), error.column.as_deref());
            (error.row, code, column)
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told, [(4, "type_mismatch", Some("C"))]);
    }
    assert_eq!(
        clubs(&house).await,
        [
            club_of("a", Some("Al"), Some(4)),
            club_of("c", Some("Cy"), Some(6))
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn formulas_give_their_value_unless_they_are_not_wanted() {
    let house = House::build().await;
    let worker = house.work();
    let row = |code: &str| {
        vec![
            text(code),
            Value::Blank,
            Value::Formula("40+2".to_owned(), "42".to_owned()),
        ]
    };
    let done = import_club(&house, vec![row("a")], json!({})).await;
    assert_eq!(done.status, TaskStatus::Success);
    let done = import_club(&house, vec![row("b")], json!({"formulas": "error"})).await;
    assert_eq!(done.status, TaskStatus::Failed);
    let errors = house.row_errors(done.id).await;
    assert_eq!(errors[0].code.as_str(), "formula_not_allowed");
    assert_eq!(clubs(&house).await, [club_of("a", None, Some(42))]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sheet_header_row_and_mapping_say_where_the_rows_are() {
    let house = House::build().await;
    let worker = house.work();
    let mut hidden = Sheet::new("Secret", club_rows(vec![vec![text("hidden")]]));
    hidden.hidden = true;
    let titled = vec![
        vec![text("A title")],
        vec![],
        vec![text("Which"), text("Points")],
        vec![text("second"), number(2)],
    ];
    let sheets = [
        hidden,
        Sheet::new("Empty", vec![]),
        Sheet::new("First", club_rows(vec![vec![text("first")]])),
        Sheet::new("Second", titled),
    ];
    let content = workbook_of(&sheets);
    let mapped = json!({"header_row": 3, "mapping": {"Which": "code", "points": "score"}});
    let mut by_name = mapped.clone();
    by_name["sheet"] = json!("second");
    for options in [json!({}), by_name, json!({"sheet": 1})] {
        let task = house.import(Import::club(content.clone(), options)).await;
        house.until(task, TaskStatus::Success).await;
    }
    let codes: Vec<String> = house
        .database
        .query("SELECT code FROM club ORDER BY id")
        .await;
    assert_eq!(codes, ["first", "second", "hidden"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sheets_of_one_name_that_is_read_which_is_seen_and_then_which_is_called_just_so() {
    let house = House::build().await;
    let worker = house.work();
    let sheet = |name: &str, hidden, code: &str| Sheet {
        hidden,
        ..Sheet::new(name, club_rows(vec![vec![text(code)]]))
    };
    let content = workbook_of(&[
        sheet("Data", true, "hidden"),
        sheet("data", false, "seen"),
        sheet("Two", false, "first"),
        sheet("two ", false, "second"),
        sheet("Old", true, "old"),
    ]);
    for name in ["Data", "DATA", "two ", "Two", "old"] {
        let import = Import::club(content.clone(), json!({"sheet": name, "mode": "upsert"}));
        house
            .until(house.import(import).await, TaskStatus::Success)
            .await;
    }
    let codes = "SELECT code FROM club ORDER BY id";
    let codes: Vec<String> = house.database.query(codes).await;
    assert_eq!(codes, ["seen", "second", "first", "old"]);
    let import = Import::club(content, json!({"sheet": "TWO"}));
    let refused = house.until(house.import(import).await, TaskStatus::Failed);
    let error = refused.await.error.expect("an error");
    assert_eq!(error.code, "invalid_request");
    assert!(error.message.ends_with(": 3, 4."), "{}", error.message);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blank_rows_are_no_rows_and_unknown_columns_are_ignored_with_a_warning() {
    let house = House::build().await;
    let worker = house.work();
    let mut header = member_header();
    header.extend([text("编号"), text("nobody knows")]);
    let mut rows = vec![header];
    for n in 0..4 {
        let mut row = member(n);
        row.extend([number(n), text("x")]);
        rows.extend([row, vec![], vec![text("")]]);
    }
    let content = workbook_of(&[Sheet::new("Sheet1", rows)]);
    let task = house.import_members(content, json!({})).await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.total_rows, Some(4));
    let warnings: Vec<(&str, u64)> = done
        .warnings
        .iter()
        .map(|it| (it.code.as_str(), it.count))
        .collect();
    assert_eq!(warnings, [("column_ignored", 2)]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_blank_rows_is_the_end_of_the_data_if_an_import_says_so() {
    let house = House::build().await;
    let worker = house.work();
    let row = |code: &str| vec![text(code), Value::Blank, number(1)];
    let blank = || vec![Value::Blank, text("")];
    let rows = vec![
        row("a"),
        blank(),
        blank(),
        row("b"),
        vec![],
        blank(),
        vec![],
        row("c"),
        vec![text("d"), Value::Blank, text("no score")],
    ];
    let told = |task: &domain::Task| {
        let warnings = task.warnings.iter();
        let warnings: Vec<_> = warnings.map(|it| (it.code.clone(), it.count)).collect();
        (
            task.progress.total_rows,
            task.progress.failed_rows,
            warnings,
        )
    };
    let stopping = json!({"stop_after_blank_rows": 3, "mode": "upsert"});
    let done = import_club(&house, rows.clone(), stopping).await;
    assert_eq!(done.status, TaskStatus::Success);
    let beyond = ("rows_after_blank_rows".to_owned(), 2);
    assert_eq!(told(&done), (Some(2), 0, vec![beyond]));
    assert_eq!(house.rows("club").await, 2);
    for options in [
        json!({"stop_after_blank_rows": 4, "mode": "upsert"}),
        json!({"mode": "upsert"}),
    ] {
        let done = import_club(&house, rows.clone(), options).await;
        assert_eq!(told(&done), (Some(4), 1, vec![]));
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sheets_that_are_passed_over_are_named_unless_one_was_asked_for() {
    let house = House::build().await;
    let worker = house.work();
    let sheet = |name: &str, code: &str| Sheet::new(name, club_rows(vec![vec![text(code)]]));
    let mut hidden = sheet("Secret", "hidden");
    hidden.hidden = true;
    let blank = vec![vec![], vec![Value::Blank, text("")], vec![]];
    let more = (0..30).map(|n| sheet(&format!("{n} {}", "长".repeat(70)), "x"));
    let few = vec![
        Sheet::new("Blank", blank),
        sheet("First", "a"),
        Sheet::new("Sheet3", vec![]),
        hidden,
        sheet("Second", "b"),
    ];
    let many: Vec<Sheet> = few.iter().cloned().chain(more).collect();
    let warned = async |sheets: &[Sheet], options: serde_json::Value| {
        house.database.execute("DELETE FROM club").await;
        let import = Import::club(workbook_of(sheets), options);
        let done = house.until(house.import(import).await, TaskStatus::Success);
        let warnings = done.await.warnings.into_iter();
        let told = warnings.map(|it| (it.code, it.count, it.names));
        told.collect::<Vec<_>>()
    };
    let ignored = ("sheet_ignored".to_owned(), 1, vec!["Second".to_owned()]);
    assert_eq!(warned(&few, json!({})).await, [ignored]);
    assert!(warned(&few, json!({"sheet": "second"})).await.is_empty());
    let told = warned(&many, json!({})).await;
    let (_, count, names) = &told[0];
    assert_eq!((*count, names.len()), (31, 20));
    assert_eq!(names[1].chars().count(), 64);
    worker.stop().await;
}
