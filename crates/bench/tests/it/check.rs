//! A wrong file is told, whatever is wrong with it.

use std::path::{Path, PathBuf};

use bench::{Row, check_csv, check_workbook};
use tempfile::TempDir;
use xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};

const CELLS: [&str; 11] = [
    "1",
    "M000000000001",
    "赵 & <b>",
    "13912345678",
    "a@example.com",
    "5",
    "77",
    "12.50",
    "1990-02-03",
    "2020-01-02 00:00:00",
    "=SUM(A1:A2) not a formula",
];

fn expected(rows: u64) -> Vec<Row> {
    let row = |number: u64| -> Row {
        let mut row: Row = CELLS.iter().map(|cell| Some((*cell).to_owned())).collect();
        row[0] = Some(number.to_string());
        if number.is_multiple_of(2) {
            row[10] = None;
        }
        row
    };
    (1..=rows).map(row).collect()
}

fn write_row(sheet: &mut Worksheet, line: u32, row: &Row) {
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    for (column, cell) in (0u16..).zip(row) {
        let Some(cell) = cell else { continue };
        match column {
            0 | 5 | 6 | 7 => sheet.write_number(line, column, cell.parse::<f64>().unwrap()),
            8 | 9 => {
                let moment = ExcelDateTime::parse_from_str(cell).unwrap();
                let format = if column == 8 { &date } else { &time };
                sheet.write_datetime_with_format(line, column, moment, format)
            }
            _ => sheet.write_string(line, column, cell),
        }
        .unwrap();
    }
}

/// A workbook of sheets with so many rows each, below a header.
fn workbook(home: &TempDir, rows: &[Row], sheets: &[usize]) -> PathBuf {
    let mut book = Workbook::new();
    let mut rows = rows.iter();
    for size in sheets {
        let sheet = book.add_worksheet();
        for column in 0..11 {
            sheet.write_string(0, column, "header").unwrap();
        }
        for (line, row) in (1..).zip(rows.by_ref().take(*size)) {
            write_row(sheet, line, row);
        }
    }
    let path = home.path().join("book.xlsx");
    book.save(&path).unwrap();
    path
}

fn told(path: &Path, expected: Vec<Row>) -> String {
    format!(
        "{:#}",
        check_workbook(path, expected.into_iter()).unwrap_err()
    )
}

#[test]
fn a_workbook_of_several_sheets_with_the_tables_cells_is_right() {
    let home = TempDir::new().unwrap();
    let file = workbook(&home, &expected(5), &[2, 3]);
    assert_eq!(check_workbook(&file, expected(5).into_iter()).unwrap(), 5);
}

#[test]
fn any_single_wrong_cell_of_a_workbook_is_told() {
    let home = TempDir::new().unwrap();
    let wrong = [
        "2",
        "M1",
        "赵",
        "139",
        "b@c",
        "4",
        "78",
        "12.505",
        "1990-02-04",
        "2020-01-02 00:00:01",
        "x",
    ];
    for (column, wrong) in wrong.iter().enumerate() {
        let mut rows = expected(3);
        rows[2][column] = Some((*wrong).to_owned());
        let told = told(&workbook(&home, &rows, &[3]), expected(3));
        assert!(told.contains("row 3 is"), "column {column}: {told}");
        assert!(told.contains(wrong), "column {column}: {told}");
    }
    let mut rows = expected(3);
    rows[2][4] = None;
    assert!(told(&workbook(&home, &rows, &[3]), expected(3)).contains("row 3 is"));
}

#[test]
fn a_missing_row_and_one_too_many_are_told() {
    let home = TempDir::new().unwrap();
    let file = workbook(&home, &expected(3), &[3]);
    assert!(told(&file, expected(4)).contains("after 3 rows there is no"));
    assert!(told(&file, expected(2)).contains("there should be none"));
}

#[test]
fn a_number_that_was_written_as_text_is_told() {
    let home = TempDir::new().unwrap();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for column in 0..11 {
        sheet.write_string(0, column, "header").unwrap();
    }
    write_row(sheet, 1, &expected(1)[0]);
    sheet.write_string(1, 6, "77").unwrap();
    let path = home.path().join("text.xlsx");
    book.save(&path).unwrap();
    assert!(told(&path, expected(1)).contains("a cell is"));
}

fn csv(home: &TempDir, text: &str) -> PathBuf {
    let path = home.path().join("rows.csv");
    std::fs::write(&path, text).unwrap();
    path
}

const RIGHT: &str = "\u{feff}ID,No,Name,Mobile,E-mail,Level,Points,Balance,Birthday,Created,Remark\r\n\
    1,M000000000001,赵 & <b>,13912345678,a@example.com,5,77,12.50,1990-02-03,2020-01-02T00:00:00,'=SUM(A1:A2) not a formula\r\n\
    2,M000000000001,赵 & <b>,13912345678,a@example.com,5,77,12.50,1990-02-03,2020-01-02 00:00:00,\r\n";

#[test]
fn a_csv_file_is_right_with_guarded_formulas_and_empty_cells_for_null() {
    let home = TempDir::new().unwrap();
    let file = csv(&home, RIGHT);
    assert_eq!(check_csv(&file, expected(2).into_iter()).unwrap(), 2);
}

#[test]
fn a_csv_file_with_anything_else_is_told() {
    let home = TempDir::new().unwrap();
    let wrong = [
        (RIGHT.replace("12.50", "12.5"), "row 1 is"),
        (RIGHT.replace("2,M", "3,M"), "row 2 is"),
        (RIGHT.replace('\u{feff}', ""), "byte order mark"),
        (RIGHT.replace("5,77,", "5,"), "10 fields"),
        (
            RIGHT.lines().take(2).collect::<Vec<_>>().join("\r\n"),
            "after 1 rows",
        ),
        (
            format!("{RIGHT}{}", RIGHT.lines().nth(2).unwrap()),
            "should be none",
        ),
    ];
    for (text, told) in wrong {
        let error = check_csv(&csv(&home, &text), expected(2).into_iter()).unwrap_err();
        assert!(format!("{error:#}").contains(told), "{error:#}");
    }
}
